//! The errors of a Databricks workspace.

use std::path::{Path, PathBuf};

use crate::env_vars::VariableError;
use crate::http::{ApiError, ClientError};
use crate::process::ProcessError;

/// The result of a call to a workspace.
pub(super) type Result<T, E = DatabricksError> = std::result::Result<T, E>;

/// Why a call to a Databricks workspace failed.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum DatabricksError {
    /// The URI, credentials or configuration are unusable, or an upload is incomplete.
    #[error("{text}")]
    Setup { text: String, hint: &'static str },
    #[error("the program 'databricks' returned no access token for {host}")]
    Program { host: String, source: ProcessError },
    #[error(transparent)]
    Variable(#[from] VariableError),
    #[error(transparent)]
    Client(ClientError),
    /// The workspace did not respond, refused, or sent an invalid response.
    #[error("{}", told(.0))]
    Api(ApiError),
    #[error("cannot {action} {}", .path.display())]
    Local {
        action: &'static str,
        path: PathBuf,
        source: std::io::Error,
    },
}

pub(super) const LOG_IN: &str = "log in again with `databricks auth login`";

impl DatabricksError {
    pub(crate) fn hint(&self) -> Option<String> {
        match self {
            Self::Setup { hint, .. } => Some((*hint).to_owned()),
            Self::Program { source, .. } => source.hint().or_else(|| Some(LOG_IN.to_owned())),
            Self::Variable(error) => Some(error.hint()),
            Self::Client(error) => error.hint(),
            Self::Api(ApiError::Redirect { .. }) => {
                Some("check the workspace's address; its API does not redirect".to_owned())
            }
            Self::Api(ApiError::NoAnswer { fault, .. }) => {
                let address = "the workspace's address";
                let correction = format!("check {address} and the proxy settings");
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

/// For `map_err`: a file to upload that is unreadable.
pub(super) fn unreadable(path: &Path) -> impl Fn(std::io::Error) -> DatabricksError {
    move |source| DatabricksError::Local {
        action: "read the file",
        path: path.to_owned(),
        source,
    }
}

/// The error for credentials that are invalid in a header.
pub(super) fn unsendable(source: &str) -> DatabricksError {
    DatabricksError::Setup {
        text: format!("the credentials from {source} contain a line break or another invalid character"),
        hint: "remove the line break at the end",
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

/// The error for an incomplete response.
pub(super) fn malformed(endpoint: &str, reason: String) -> DatabricksError {
    DatabricksError::Api(ApiError::malformed("Databricks", endpoint, reason))
}

/// Turns "not found" into `None`.
pub(super) fn found<T>(outcome: Result<T, DatabricksError>) -> Result<Option<T>, DatabricksError> {
    match outcome {
        Ok(value) => Ok(Some(value)),
        Err(error) if error.is_not_found() => Ok(None),
        Err(error) => Err(error),
    }
}

/// The error with the address and endpoint.
fn told(error: &ApiError) -> String {
    match error {
        ApiError::NoAnswer {
            address, endpoint, ..
        } => format!("no response from {address} to {endpoint}: {error}"),
        ApiError::Refused {
            endpoint,
            code: Some(_),
            ..
        } => format!("{endpoint} returned {error}"),
        error => error.to_string(),
    }
}

fn denied_hint((status, said, credentials): (u16, &str, Option<&str>)) -> Option<String> {
    let is_token = said.contains("nvalid access token") || said.contains("nvalid token");
    let source = credentials.unwrap_or_default();
    let text = match status {
        401 | 403 if status == 401 || is_token => format!(
            "check the credentials from {source}; the workspace rejected them (they may be expired or for another workspace)"
        ),
        403 => format!("the user of {source} has no permission for this; ask the workspace's administrator"),
        407 => "add the proxy's user and password to HTTPS_PROXY".to_owned(),
        _ => return None,
    };
    Some(text)
}
