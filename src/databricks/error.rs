//! What can go wrong between mlrun and a Databricks workspace.

use std::path::PathBuf;

use crate::http::{ApiError, ClientError, Fault, VariableError};
use crate::process::ProcessError;

/// Why a Databricks workspace could not be asked, or what it answered instead.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum DatabricksError {
    /// The URI names no workspace.
    #[error("the URI '{uri}' {reason}")]
    Uri { uri: String, reason: &'static str },
    /// No place has whole credentials.
    #[error("there are no credentials for Databricks: {}", .tried.join("; "))]
    NoCredentials { tried: Vec<String> },
    /// The configuration file has no such profile.
    #[error("there is no profile '{profile}'{}", known_profiles(.path, .known.as_deref()))]
    UnknownProfile {
        profile: String,
        path: PathBuf,
        /// The profiles that it has; `None` if there is no file.
        known: Option<Vec<String>>,
    },
    /// The configuration file cannot be read.
    #[error("cannot read the Databricks configuration {}", .path.display())]
    UnreadableConfig { path: PathBuf, source: std::io::Error },
    /// A line of the configuration file is neither a profile's name nor a setting.
    #[error("line {line} of the Databricks configuration {} is no setting of a profile", .path.display())]
    MalformedConfig {
        path: PathBuf,
        /// From 1.
        line: usize,
    },
    /// The way of authentication is not one that mlrun knows.
    #[error("{source_name} asks for the auth_type '{auth_type}', which mlrun does not have")]
    AuthType { auth_type: String, source_name: String },
    /// The workspace's address is none.
    #[error("the workspace's address '{host}' from {source_name} {reason}")]
    Host {
        /// Without credentials.
        host: String,
        source_name: String,
        reason: String,
    },
    /// A credential holds a character that no header can carry.
    #[error("the credentials from {source_name} hold a line break or another character that cannot be sent")]
    Unsendable { source_name: String },
    /// The `databricks` program gave no access token.
    #[error("the databricks program gave no access token for {host}")]
    Program { host: String, source: ProcessError },
    /// An access token could not be got.
    #[error("no access token for {source_name}: {reason}")]
    AccessToken { source_name: String, reason: String },
    /// A variable has a value that means nothing.
    #[error(transparent)]
    Variable(#[from] VariableError),
    /// No client can be made.
    #[error(transparent)]
    Client(ClientError),
    /// The workspace gave no answer, refused, or gave an answer that is not Databricks'.
    #[error("{}", told(.0))]
    Api(ApiError),
    /// What was uploaded is not what arrived.
    #[error("{path} has {found} bytes after the upload of {expected}")]
    Incomplete { path: String, expected: u64, found: u64 },
    /// A file on this machine cannot be read or written.
    #[error("cannot use the file {}", .path.display())]
    Local { path: PathBuf, source: std::io::Error },
}

impl DatabricksError {
    /// What the person can do about it.
    pub(crate) fn hint(&self) -> Option<String> {
        let text = match self {
            Self::Uri { .. } => "write databricks, databricks://profile or databricks://scope:key".to_owned(),
            Self::NoCredentials { .. } => {
                "set DATABRICKS_HOST and DATABRICKS_TOKEN, or make a profile with `databricks configure`".to_owned()
            }
            Self::UnknownProfile { .. } => {
                "make it with `databricks configure --profile NAME`, or name another file in DATABRICKS_CONFIG_FILE".to_owned()
            }
            Self::MalformedConfig { .. } => "write [profile] before the profile's settings, and each as name = value".to_owned(),
            Self::AuthType { .. } => "it has pat, oauth-m2m, basic and databricks-cli; a token in DATABRICKS_TOKEN always serves".to_owned(),
            Self::Host { .. } => "write it as https://name.cloud.databricks.com".to_owned(),
            Self::Unsendable { .. } => "give them without a line break at the end".to_owned(),
            Self::Program { source, .. } => {
                return source
                    .hint()
                    .or_else(|| Some("log in again with `databricks auth login`".to_owned()));
            }
            Self::AccessToken { .. } => "check client_id and client_secret; the secret may have expired".to_owned(),
            Self::Variable(error) => error.hint(),
            Self::Client(error) => return error.hint(),
            Self::Api(ApiError::Redirect { .. }) => {
                "check the workspace's address: its API answers there without a redirect".to_owned()
            }
            Self::Api(ApiError::NoAnswer { fault, .. }) => return fault_hint(*fault),
            Self::Api(
                ApiError::Refused { status, message, credentials, .. }
                | ApiError::Unexpected { status, excerpt: message, credentials, .. },
            ) => return denied_hint(*status, message, credentials.as_deref().unwrap_or_default()),
            Self::Incomplete { .. } => "run it again".to_owned(),
            _ => return None,
        };
        Some(text)
    }

    /// Databricks' error code, if the workspace gave one.
    pub(crate) fn code(&self) -> Option<&str> {
        match self {
            Self::Api(error) => error.code(),
            _ => None,
        }
    }

    /// The status of the answer, if there was one.
    pub(crate) fn status(&self) -> Option<u16> {
        match self {
            Self::Api(error) => error.status(),
            _ => None,
        }
    }

    /// Whether what was asked for is not there.
    pub(crate) fn is_not_found(&self) -> bool {
        matches!(self.code(), Some("RESOURCE_DOES_NOT_EXIST" | "NOT_FOUND")) || self.status() == Some(404)
    }

    /// Whether what was to be made is there already.
    pub(crate) fn is_already_there(&self) -> bool {
        matches!(self.code(), Some("RESOURCE_ALREADY_EXISTS" | "ALREADY_EXISTS"))
            || self.status() == Some(409)
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
    let (api, endpoint) = ("Databricks", endpoint.to_owned());
    DatabricksError::Api(ApiError::Malformed {
        api,
        endpoint,
        reason,
    })
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
        ApiError::Refused { endpoint, .. } => format!("{endpoint} answered {error}"),
        error => error.to_string(),
    }
}

fn known_profiles(path: &std::path::Path, known: Option<&[String]>) -> String {
    match known {
        None => format!(": {} does not exist", path.display()),
        Some([]) => format!(" in {}; it has none", path.display()),
        Some(known) => format!(" in {}; it has {}", path.display(), known.join(", ")),
    }
}

fn fault_hint(fault: Fault) -> Option<String> {
    let address = "the workspace's address";
    fault.api_hint(
        &format!("check {address}, and the proxy"),
        address,
        "REQUESTS_CA_BUNDLE",
    )
}

fn denied_hint(status: u16, message: &str, credentials: &str) -> Option<String> {
    let is_token = message.contains("nvalid access token") || message.contains("nvalid token");
    let text = match status {
        401 | 403 if status == 401 || is_token => format!(
            "the workspace did not accept the credentials from {credentials}: they may have expired, or be another workspace's"
        ),
        403 => format!("the user of {credentials} may not do this: ask for the permission"),
        407 => "give the proxy's user and password in HTTPS_PROXY".to_owned(),
        _ => return None,
    };
    Some(text)
}
