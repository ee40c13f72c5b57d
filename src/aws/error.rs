//! Why there are no credentials, or no signature.

use std::error::Error;
use std::io;
use std::path::Path;

use crate::http::ClientError;

/// Why there are no credentials, or no signature. No variant holds a credential.
#[derive(Debug, thiserror::Error)]
pub enum AwsError {
    /// No place has any.
    #[error("no AWS credentials were found: {}", .tried.join("; "))]
    NotFound {
        /// What was tried, and what came of it.
        tried: Vec<String>,
    },
    /// A place that was asked for gives none that can be used.
    #[error("{what}")]
    Unusable {
        /// Which one, and why.
        what: String,
        /// What the person can do about it.
        hint: Option<&'static str>,
        /// The cause.
        #[source]
        source: Option<Box<dyn Error + Send + Sync>>,
    },
    /// No client can be made.
    #[error(transparent)]
    Client(#[from] ClientError),
}

impl AwsError {
    pub(super) fn new(what: String) -> Self {
        let (hint, source) = (None, None);
        Self::Unusable { what, hint, source }
    }

    pub(super) fn with_hint(what: String, hint: &'static str) -> Self {
        let (hint, source) = (Some(hint), None);
        Self::Unusable { what, hint, source }
    }

    pub(super) fn caused(what: String, source: impl Error + Send + Sync + 'static) -> Self {
        let (hint, source) = (None, Some(source.into()));
        Self::Unusable { what, hint, source }
    }

    pub(super) fn unreadable(path: &Path, source: io::Error) -> Self {
        Self::caused(format!("cannot read '{}'", path.display()), source)
    }

    /// What the person can do about it.
    pub fn hint(&self) -> Option<String> {
        let text = match self {
            Self::NotFound { .. } => {
                "set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, or name a profile in AWS_PROFILE"
            }
            Self::Unusable { hint, .. } => (*hint)?,
            Self::Client(error) => return error.hint(),
        };
        Some(text.to_owned())
    }
}
