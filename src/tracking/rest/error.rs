//! What can go wrong between the client and a tracking server.

use std::path::PathBuf;

use super::database_text::{tells_duplicate, tells_overload};
use crate::aws::AwsError;
use crate::databricks::DatabricksError;
use crate::env_vars::VariableError;
use crate::http::{ApiError, Fault};
use crate::tracking::error::StoreFault;

/// Why a tracking server could not be asked, or what it answered instead.
#[derive(Debug, thiserror::Error)]
pub enum RestError {
    #[error(transparent)]
    Variable(#[from] VariableError),
    /// The tracking URI or a variable asks for what cannot be.
    #[error("{text}")]
    Setup { text: String, hint: &'static str },
    #[error(transparent)]
    Aws(#[from] AwsError),
    #[error("cannot read the credentials file '{path}'")]
    File { path: PathBuf, source: std::io::Error },
    /// The server gave no answer, refused, or gave an answer that is not MLflow's.
    #[error(transparent)]
    Api(#[from] ApiError),
    #[error(transparent)]
    Databricks(#[from] DatabricksError),
}

impl RestError {
    /// What the person can do about it.
    pub fn hint(&self) -> Option<String> {
        match self {
            Self::Variable(error) => Some(error.hint()),
            Self::Setup { hint, .. } => Some((*hint).to_owned()),
            Self::Aws(error) => error.hint(),
            Self::Databricks(error) => error.hint(),
            Self::Api(_) if self.is_overload() => Some(
                "the server is overloaded: try again later, or start it with more workers and a larger connection pool (MLFLOW_SQLALCHEMYSTORE_POOL_SIZE)"
                    .to_owned(),
            ),
            Self::Api(error) => api_hint(error),
            Self::File { .. } => None,
        }
    }

    /// Whether the server only says that it or its database has too much to do.
    pub(super) fn is_overload(&self) -> bool {
        let Self::Api(error) = self else { return false };
        let is_overload = |(status, text, _)| tells_overload(status, error.code(), text);
        error.verdict().is_some_and(is_overload)
    }

    /// Whether a row is there already that the request was to add.
    pub(super) fn is_duplicate(&self) -> bool {
        matches!(self.refusal(), Some((_, code, message)) if tells_duplicate(code, message))
    }

    /// Whether MLflow says that there is no such thing.
    pub(super) fn is_not_found(&self) -> bool {
        matches!(self.refusal(), Some((_, "RESOURCE_DOES_NOT_EXIST", _)))
    }

    /// The status, MLflow's error code and its message, if the server gave one.
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
            // The credentials of the moment come from other servers.
            Self::Databricks(_) | Self::Aws(_) => true,
            _ => false,
        }
    }
}

/// A token or password with a character that no header can carry; `source` is where it comes from.
pub(super) fn unsendable(source: &str) -> RestError {
    RestError::Setup {
        text: format!("the value of {source} holds a line break or another character that cannot be sent"),
        hint: "give it without a line break at its end",
    }
}

fn api_hint(error: &ApiError) -> Option<String> {
    let text = match error {
        ApiError::Client(error) => return error.hint(),
        ApiError::NoAnswer { fault, .. } => return fault_hint(*fault),
        ApiError::Redirect { .. } => {
            "set MLFLOW_TRACKING_URI to the address that answers itself; a redirect to a login page means that the server wants credentials"
        }
        error => {
            let (status, said, credentials) = error.verdict()?;
            match (denied_hint(status, said, credentials), error.code(), status) {
                (Some(hint), ..) => return Some(hint),
                (None, None, 200..=299 | 404 | 405) => {
                    "no MLflow server seems to answer at this address: check the host, the port and the path in MLFLOW_TRACKING_URI"
                }
                (None, None, 400) => return fault_hint(Fault::Protocol),
                _ => return None,
            }
        }
    };
    Some(text.to_owned())
}

/// What to do about a server that gives no answer.
fn fault_hint(fault: Fault) -> Option<String> {
    fault.api_hint(
        "start the server, or correct MLFLOW_TRACKING_URI",
        "MLFLOW_TRACKING_URI",
        "MLFLOW_TRACKING_SERVER_CERT_PATH",
    )
}

/// What to do about a status that means "who are you" or "not you".
fn denied_hint(status: u16, message: &str, credentials: Option<&str>) -> Option<String> {
    match (status, credentials) {
        (403, _) if message.contains("Host header") => {
            Some("let the server know this name: `mlflow server --allowed-hosts`".to_owned())
        }
        (401 | 403, None) => Some(
            "set MLFLOW_TRACKING_USERNAME and MLFLOW_TRACKING_PASSWORD, or MLFLOW_TRACKING_TOKEN".to_owned(),
        ),
        (401, Some(source)) => Some(format!("the server did not accept the credentials from {source}")),
        (403, Some(source)) => Some(format!(
            "the user of {source} may not do this: ask for the permission"
        )),
        (407, _) => Some("give the proxy's user and password in HTTPS_PROXY or HTTP_PROXY".to_owned()),
        _ => None,
    }
}
