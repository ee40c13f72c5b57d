//! The environment that is there already.

use super::PreparedEnv;

/// Nothing is entered and nothing changed.
pub(super) fn prepare() -> PreparedEnv {
    PreparedEnv::default()
}
