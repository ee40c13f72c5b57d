//! Why there are no credentials, or no signature.

use std::io;
use std::path::PathBuf;

use crate::http::ClientError;
use crate::process::ProcessError;

/// Why there are no credentials, or no signature. No variant holds a credential.
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
    /// A request cannot be signed with the credentials.
    #[error("cannot sign a request with the credentials from {source_name}: {reason}")]
    Unsignable {
        /// Where they come from.
        source_name: String,
        /// Why.
        reason: String,
    },
    /// No client can be made.
    #[error(transparent)]
    Client(#[from] ClientError),
}

impl AwsError {
    /// What the person can do about it.
    pub fn hint(&self) -> Option<String> {
        let text = match self {
            Self::NotFound { .. } => {
                "set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, or name a profile in AWS_PROFILE"
            }
            Self::NoProfile { .. } => "name another one in AWS_PROFILE, or make it with `aws configure`",
            Self::Refused { service, .. } if *service == super::services::SINGLE_SIGN_ON => {
                "log in again with `aws sso login`"
            }
            Self::Client(error) => return error.hint(),
            _ => return None,
        };
        Some(text.to_owned())
    }
}
