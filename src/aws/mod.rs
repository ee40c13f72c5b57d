//! What calls of Amazon's services need: who asks, in which region, and the signature.
//!
//! The variables, files and services that credentials come from, and their order, are those of
//! Amazon's Python library, which MLflow uses.

mod chain;
mod error;
mod metadata;
mod profiles;
mod settings;
mod sign;
mod sso;
mod sts;

use std::fmt;
use std::time::{Duration, SystemTime};

pub use self::chain::CredentialsProvider;
pub use self::error::AwsError;
pub use self::settings::AwsSettings;
pub use self::sign::{Payload, SignError, Signing};
pub(crate) use self::sign::{UNRESERVED, UNRESERVED_PATH};
use crate::redact::Secret;

/// Credentials that end within this time are replaced before they are used.
const SPARE_TIME: Duration = Duration::from_secs(120);

/// The keys that requests are signed with.
#[derive(Clone, PartialEq, Eq)]
pub struct Credentials {
    /// The key's public half.
    pub access_key_id: String,
    /// The key's secret half.
    pub secret_access_key: Secret,
    /// What goes with keys that are lent for some time.
    pub session_token: Option<Secret>,
    /// When they end.
    pub expires: Option<SystemTime>,
    /// Where they come from, for a person.
    pub source: String,
}

impl Credentials {
    fn is_fresh(&self) -> bool {
        self.expires
            .is_none_or(|expires| expires > SystemTime::now() + SPARE_TIME)
    }
}

impl fmt::Debug for Credentials {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Credentials")
            .field("source", &self.source)
            .finish_non_exhaustive()
    }
}
