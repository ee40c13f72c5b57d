//! The errors of a tracking server.

use std::path::PathBuf;

use super::database_text::{tells_duplicate, tells_overload};
use crate::aws::AwsError;
use crate::databricks::DatabricksError;
use crate::env_vars::VariableError;
use crate::http::{ApiError, Fault};
use crate::tracking::error::StoreFault;

/// Why a request to a tracking server failed.
#[derive(Debug, thiserror::Error)]
pub enum RestError {
    #[error(transparent)]
    Variable(#[from] VariableError),
    /// The tracking URI or a variable is invalid.
    #[error("{text}")]
    Setup { text: String, hint: &'static str },
    #[error(transparent)]
    Aws(#[from] AwsError),
    #[error("cannot read the credentials file '{path}'")]
    File { path: PathBuf, source: std::io::Error },
    /// The server did not respond, refused, or sent an invalid response.
    #[error(transparent)]
    Api(#[from] ApiError),
    #[error(transparent)]
    Databricks(#[from] DatabricksError),
}

impl RestError {
    /// What the user can do about it.
    pub fn hint(&self) -> Option<String> {
        match self {
            Self::Variable(error) => Some(error.hint()),
            Self::Setup { hint, .. } => Some((*hint).to_owned()),
            Self::Aws(error) => error.hint(),
            Self::Databricks(error) => error.hint(),
            Self::Api(_) if self.is_overload() => Some(
                "try again later, or start the server with more workers and a larger connection pool (MLFLOW_SQLALCHEMYSTORE_POOL_SIZE)"
                    .to_owned(),
            ),
            Self::Api(error) => api_hint(error),
            Self::File { .. } => None,
        }
    }

    /// Whether the server or its database is only overloaded.
    pub(super) fn is_overload(&self) -> bool {
        let Self::Api(error) = self else { return false };
        let is_overload = |(status, text, _)| tells_overload(status, error.code(), text);
        error.verdict().is_some_and(is_overload)
    }

    /// Whether the row to add already exists.
    pub(super) fn is_duplicate(&self) -> bool {
        matches!(self.refusal(), Some((_, code, message)) if tells_duplicate(code, message))
    }

    /// Whether MLflow reports that it does not exist.
    pub(super) fn is_not_found(&self) -> bool {
        matches!(self.refusal(), Some((_, "RESOURCE_DOES_NOT_EXIST", _)))
    }

    /// The status, MLflow's error code and its message.
    pub(super) fn refusal(&self) -> Option<(u16, &str, &str)> {
        let Self::Api(error) = self else { return None };
        let (status, message, _) = error.verdict()?;
        Some((status, error.code()?, message))
    }
}

impl StoreFault for RestError {
    fn hint(&self) -> Option<String> {
        self.hint()
    }

    fn may_pass(&self) -> bool {
        match self {
            Self::Api(ApiError::NoAnswer { fault, .. }) => fault.is_transient(),
            Self::Api(error) => matches!(error.status(), Some(404 | 408 | 429 | 500..)) || self.is_overload(),
            // Temporary credentials depend on other servers.
            Self::Databricks(_) | Self::Aws(_) => true,
            _ => false,
        }
    }
}

/// The error for a token or password that is invalid in a header.
pub(super) fn unsendable(source: &str) -> RestError {
    RestError::Setup {
        text: format!("the value of {source} contains a line break or another invalid character"),
        hint: "remove the line break at the end",
    }
}

fn api_hint(error: &ApiError) -> Option<String> {
    let text = match error {
        ApiError::Client(error) => return error.hint(),
        ApiError::NoAnswer { fault, .. } => return fault_hint(*fault),
        ApiError::Redirect { .. } => {
            "set MLFLOW_TRACKING_URI to the address after the redirect; a redirect to a login page means that the server requires credentials"
        }
        error => {
            let (status, said, credentials) = error.verdict()?;
            match (denied_hint(status, said, credentials), error.code(), status) {
                (Some(hint), ..) => return Some(hint),
                (None, None, 200..=299 | 404 | 405) => {
                    "this does not seem to be an MLflow server; check the host, port and path in MLFLOW_TRACKING_URI"
                }
                (None, None, 400) => return fault_hint(Fault::Protocol),
                _ => return None,
            }
        }
    };
    Some(text.to_owned())
}

/// The hint for a server that does not respond.
fn fault_hint(fault: Fault) -> Option<String> {
    fault.api_hint(
        "start the server, or correct MLFLOW_TRACKING_URI",
        "MLFLOW_TRACKING_URI",
        "MLFLOW_TRACKING_SERVER_CERT_PATH",
    )
}

/// The hint for missing or rejected credentials.
fn denied_hint(status: u16, message: &str, credentials: Option<&str>) -> Option<String> {
    match (status, credentials) {
        (403, _) if message.contains("Host header") => Some(
            "allow this host name when you start the server: `mlflow server --allowed-hosts HOST`".to_owned(),
        ),
        (401 | 403, None) => Some(
            "set MLFLOW_TRACKING_USERNAME and MLFLOW_TRACKING_PASSWORD, or MLFLOW_TRACKING_TOKEN".to_owned(),
        ),
        (401, Some(source)) => Some(format!(
            "check the credentials from {source}; the server rejected them"
        )),
        (403, Some(source)) => Some(format!(
            "the user of {source} has no permission for this; ask the server's administrator"
        )),
        (407, _) => Some("add the proxy's user and password to HTTPS_PROXY or HTTP_PROXY".to_owned()),
        _ => None,
    }
}
