//! What can go wrong between mlrun and a Databricks workspace.

use std::path::{Path, PathBuf};

use crate::env_vars::VariableError;
use crate::http::{ApiError, ClientError};
use crate::process::ProcessError;

/// What a call of a workspace comes to.
pub(super) type Result<T, E = DatabricksError> = std::result::Result<T, E>;

/// Why a Databricks workspace could not be asked, or what it answered instead.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum DatabricksError {
    /// The URI, the credentials or the configuration cannot be used, or what was sent did not arrive.
    #[error("{text}")]
    Setup { text: String, hint: &'static str },
    #[error("the databricks program gave no access token for {host}")]
    Program { host: String, source: ProcessError },
    #[error(transparent)]
    Variable(#[from] VariableError),
    #[error(transparent)]
    Client(ClientError),
    /// The workspace gave no answer, refused, or gave an answer that is not Databricks'.
    #[error("{}", told(.0))]
    Api(ApiError),
    #[error("cannot {action} {}", .path.display())]
    Local {
        action: &'static str,
        path: PathBuf,
        source: std::io::Error,
    },
}

impl DatabricksError {
    pub(crate) fn hint(&self) -> Option<String> {
        match self {
            Self::Setup { hint, .. } => Some((*hint).to_owned()),
            Self::Program { source, .. } => source
                .hint()
                .or_else(|| Some("log in again with `databricks auth login`".to_owned())),
            Self::Variable(error) => Some(error.hint()),
            Self::Client(error) => error.hint(),
            Self::Api(ApiError::Redirect { .. }) => {
                Some("check the workspace's address: its API answers there without a redirect".to_owned())
            }
            Self::Api(ApiError::NoAnswer { fault, .. }) => {
                let address = "the workspace's address";
                let correction = format!("check {address}, and the proxy");
                fault.api_hint(&correction, address, "REQUESTS_CA_BUNDLE")
            }
            Self::Api(error) => error.verdict().and_then(denied_hint),
            Self::Local { .. } => None,
        }
    }

    pub(crate) fn code(&self) -> Option<&str> {
        match self {
            Self::Api(error) => error.code(),
            _ => None,
        }
    }

    pub(crate) fn status(&self) -> Option<u16> {
        match self {
            Self::Api(error) => error.status(),
            _ => None,
        }
    }

    pub(crate) fn is_not_found(&self) -> bool {
        matches!(self.code(), Some("RESOURCE_DOES_NOT_EXIST" | "NOT_FOUND")) || self.status() == Some(404)
    }

    pub(crate) fn is_already_there(&self) -> bool {
        matches!(self.code(), Some("RESOURCE_ALREADY_EXISTS" | "ALREADY_EXISTS"))
            || self.status() == Some(409)
    }
}

/// A file that is sent and cannot be read.
pub(super) fn unreadable(path: &Path) -> impl Fn(std::io::Error) -> DatabricksError {
    move |source| DatabricksError::Local {
        action: "use the file",
        path: path.to_owned(),
        source,
    }
}

/// Credentials that no header can carry.
pub(super) fn unsendable(source: &str) -> DatabricksError {
    DatabricksError::Setup {
        text: format!(
            "the credentials from {source} hold a line break or another character that cannot be sent"
        ),
        hint: "give them without a line break at the end",
    }
}

impl From<ApiError> for DatabricksError {
    fn from(error: ApiError) -> Self {
        match error {
            ApiError::Client(error) => Self::Client(error),
            error => Self::Api(error),
        }
    }
}

/// An answer that does not hold what it must.
pub(super) fn malformed(endpoint: &str, reason: String) -> DatabricksError {
    DatabricksError::Api(ApiError::malformed("Databricks", endpoint, reason))
}

/// What was asked for; `None` if it is not there.
pub(super) fn found<T>(outcome: Result<T, DatabricksError>) -> Result<Option<T>, DatabricksError> {
    match outcome {
        Ok(value) => Ok(Some(value)),
        Err(error) if error.is_not_found() => Ok(None),
        Err(error) => Err(error),
    }
}

/// The error with what was asked, which it does not always tell itself.
fn told(error: &ApiError) -> String {
    match error {
        ApiError::NoAnswer {
            address, endpoint, ..
        } => format!("{address} does not answer {endpoint}: {error}"),
        ApiError::Refused {
            endpoint,
            code: Some(_),
            ..
        } => format!("{endpoint} answered {error}"),
        error => error.to_string(),
    }
}

fn denied_hint((status, said, credentials): (u16, &str, Option<&str>)) -> Option<String> {
    let is_token = said.contains("nvalid access token") || said.contains("nvalid token");
    let source = credentials.unwrap_or_default();
    let text = match status {
        401 | 403 if status == 401 || is_token => format!(
            "the workspace did not accept the credentials from {source}: they may have expired, or be another workspace's"
        ),
        403 => format!("the user of {source} may not do this: ask for the permission"),
        407 => "give the proxy's user and password in HTTPS_PROXY".to_owned(),
        _ => return None,
    };
    Some(text)
}
