//! Why there are no credentials.

use std::io;
use std::path::PathBuf;

use super::SignError;
use crate::http::ClientError;
use crate::process::ProcessError;

/// Why there are no credentials. No variant holds one.
#[derive(Debug, thiserror::Error)]
pub enum AwsError {
    /// No place has any.
    #[error("no AWS credentials were found: {}", .tried.join("; "))]
    NotFound {
        /// What was tried, and what came of it.
        tried: Vec<String>,
    },
    /// The profile that was asked for is missing.
    #[error("there is no AWS profile '{profile}' in {places}")]
    NoProfile {
        /// The profile.
        profile: String,
        /// The files that were looked at.
        places: String,
    },
    /// A profile, or another source, cannot be used as it is.
    #[error("{what} cannot be used: {reason}")]
    Unusable {
        /// The profile or variable.
        what: String,
        /// Why.
        reason: String,
    },
    /// A file cannot be read.
    #[error("cannot read '{}'", .path.display())]
    File {
        /// The file.
        path: PathBuf,
        /// The cause.
        #[source]
        source: io::Error,
    },
    /// The program of a profile's `credential_process` failed.
    #[error("the credential_process of the AWS profile '{profile}' failed")]
    Process {
        /// The profile.
        profile: String,
        /// The cause.
        #[source]
        source: ProcessError,
    },
    /// A service that gives credentials was asked, and gave none.
    #[error("{service} gave no credentials for {what}: {reason}")]
    Refused {
        /// The service.
        service: &'static str,
        /// What they were asked for, such as a role.
        what: String,
        /// What the service said, or why there is no answer.
        reason: String,
    },
    /// No client can be made.
    #[error(transparent)]
    Client(#[from] ClientError),
    /// The request for credentials cannot be signed.
    #[error(transparent)]
    Sign(#[from] SignError),
}

impl AwsError {
    /// What the person can do about it.
    pub fn hint(&self) -> Option<String> {
        let text = match self {
            Self::NotFound { .. } => {
                "set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, or name a profile in AWS_PROFILE"
            }
            Self::NoProfile { .. } => "name another one in AWS_PROFILE, or make it with `aws configure`",
            Self::Refused { service, .. } if *service == super::sso::SERVICE => {
                "log in again with `aws sso login`"
            }
            Self::Client(error) => return error.hint(),
            _ => return None,
        };
        Some(text.to_owned())
    }
}
