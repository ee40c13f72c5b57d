//! The environment that is there already.

use super::Prepared;

/// Nothing is entered and nothing changed.
pub(super) fn prepare() -> Prepared {
    Prepared::default()
}
