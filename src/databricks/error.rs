//! What can go wrong between mlrun and a Databricks workspace.

use std::path::PathBuf;

use crate::http::{ClientError, Fault, VariableError, after_tries, in_words, shown_excerpt, shown_status};
use crate::process::ProcessError;

/// Why a Databricks workspace could not be asked, or what it answered instead.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum DatabricksError {
    /// The URI names no workspace.
    #[error("the URI '{uri}' {reason}")]
    Uri {
        /// The URI.
        uri: String,
        /// Why.
        reason: &'static str,
    },
    /// No place has whole credentials.
    #[error("there are no credentials for Databricks: {}", .tried.join("; "))]
    NoCredentials {
        /// Where they were looked for, and what is missing there.
        tried: Vec<String>,
    },
    /// The configuration file has no such profile.
    #[error("there is no profile '{profile}'{}", known_profiles(.path, .known.as_deref()))]
    UnknownProfile {
        /// The profile.
        profile: String,
        /// The file.
        path: PathBuf,
        /// The profiles that it has; `None` where there is no file.
        known: Option<Vec<String>>,
    },
    /// The configuration file cannot be read.
    #[error("cannot read the Databricks configuration {}", .path.display())]
    UnreadableConfig {
        /// The file.
        path: PathBuf,
        /// The cause.
        source: std::io::Error,
    },
    /// A line of the configuration file is neither a profile's name nor a setting.
    #[error("line {line} of the Databricks configuration {} is no setting of a profile", .path.display())]
    MalformedConfig {
        /// The file.
        path: PathBuf,
        /// The line's number, from 1.
        line: usize,
    },
    /// The way of authentication is not one that mlrun knows.
    #[error("{source_name} asks for the auth_type '{auth_type}', which mlrun does not have")]
    AuthType {
        /// What was asked for.
        auth_type: String,
        /// Where.
        source_name: String,
    },
    /// The workspace's address is none.
    #[error("the workspace's address '{host}' from {source_name} {reason}")]
    Host {
        /// The address without credentials.
        host: String,
        /// Where it stands.
        source_name: String,
        /// What is wrong with it.
        reason: String,
    },
    /// A credential holds a character that no header can carry.
    #[error("the credentials from {source_name} hold a line break or another character that cannot be sent")]
    Unsendable {
        /// Where they stand.
        source_name: String,
    },
    /// The `databricks` program gave no access token.
    #[error("the databricks program gave no access token for {host}")]
    Program {
        /// The workspace's address.
        host: String,
        /// The cause.
        source: ProcessError,
    },
    /// An access token could not be got.
    #[error("no access token for {source_name}: {reason}")]
    AccessToken {
        /// Where the credentials stand that it was asked for with.
        source_name: String,
        /// What was answered.
        reason: String,
    },
    /// A variable has a value that means nothing.
    #[error(transparent)]
    Variable(#[from] VariableError),
    /// No client can be made.
    #[error(transparent)]
    Client(#[from] ClientError),
    /// The workspace gave no answer.
    #[error("{host} does not answer {endpoint}: {reason}{}", after_tries(*.tries))]
    NoAnswer {
        /// The workspace's address.
        host: String,
        /// The path that was asked.
        endpoint: String,
        /// The kind of failure.
        fault: Fault,
        /// What happened.
        reason: String,
        /// How often it was tried.
        tries: u32,
    },
    /// The workspace refused, in its own words.
    #[error("{endpoint} answered {code}: {message}{}", after_tries(*.tries))]
    Refused {
        /// The path that was asked.
        endpoint: String,
        /// The status of the answer.
        status: u16,
        /// Databricks' error code, such as `RESOURCE_DOES_NOT_EXIST`.
        code: String,
        /// Its message, shortened.
        message: String,
        /// How often it was tried.
        tries: u32,
        /// Where the credentials come from that were sent.
        credentials: String,
    },
    /// The answer is not one that Databricks gives.
    #[error("{endpoint} answered {}{}{}", shown_status(*.status), shown_excerpt(.excerpt), after_tries(*.tries))]
    NotDatabricks {
        /// The path that was asked.
        endpoint: String,
        /// The status of the answer.
        status: u16,
        /// The beginning of the answer, or the title of a page.
        excerpt: String,
        /// How often it was tried.
        tries: u32,
        /// Where the credentials come from that were sent.
        credentials: String,
    },
    /// The answer does not hold what it must.
    #[error("the answer of {endpoint} is not as Databricks gives it: {reason}")]
    Malformed {
        /// The path that was asked.
        endpoint: String,
        /// What is wrong.
        reason: String,
    },
    /// What was uploaded is not what arrived.
    #[error("{path} has {found} bytes after the upload of {expected}")]
    Incomplete {
        /// The path in the workspace.
        path: String,
        /// The size that it should have.
        expected: u64,
        /// The size that it has.
        found: u64,
    },
    /// A file on this machine cannot be read or written.
    #[error("cannot use the file {}", .path.display())]
    Local {
        /// The file.
        path: PathBuf,
        /// The cause.
        source: std::io::Error,
    },
}

impl DatabricksError {
    /// What the person can do about it.
    pub fn hint(&self) -> Option<String> {
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
            Self::NoAnswer { fault, .. } => return fault_hint(*fault),
            Self::Refused { status, message, credentials, .. }
            | Self::NotDatabricks { status, excerpt: message, credentials, .. } => {
                return denied_hint(*status, message, credentials);
            }
            Self::Incomplete { .. } => "run it again".to_owned(),
            _ => return None,
        };
        Some(text)
    }

    /// Databricks' error code, where the workspace gave one.
    pub fn code(&self) -> Option<&str> {
        match self {
            Self::Refused { code, .. } => Some(code),
            _ => None,
        }
    }

    /// The status of the answer, where there was one.
    pub fn status(&self) -> Option<u16> {
        match self {
            Self::Refused { status, .. } | Self::NotDatabricks { status, .. } => Some(*status),
            _ => None,
        }
    }

    /// Whether what was asked for is not there.
    pub fn is_not_found(&self) -> bool {
        matches!(self.code(), Some("RESOURCE_DOES_NOT_EXIST" | "NOT_FOUND")) || self.status() == Some(404)
    }

    /// Whether what was to be made is there already.
    pub fn is_already_there(&self) -> bool {
        matches!(self.code(), Some("RESOURCE_ALREADY_EXISTS" | "ALREADY_EXISTS"))
            || self.status() == Some(409)
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
    let text = match fault {
        Fault::Refused | Fault::UnknownHost => {
            "check the workspace's address, and the network or its proxy".to_owned()
        }
        Fault::Certificate => {
            "name the certificate of the server's authority in REQUESTS_CA_BUNDLE".to_owned()
        }
        Fault::Protocol => "check whether the address must begin with https:// or http://".to_owned(),
        Fault::Timeout(limit) => format!(
            "try it again later, or raise MLFLOW_HTTP_REQUEST_TIMEOUT (now {})",
            in_words(limit)
        ),
        Fault::Broken => return None,
    };
    Some(text)
}

fn denied_hint(status: u16, message: &str, credentials: &str) -> Option<String> {
    let text = match status {
        401 => format!(
            "the workspace did not accept the credentials from {credentials}: they may have expired, or be another workspace's"
        ),
        403 if message.contains("nvalid access token") || message.contains("nvalid token") => format!(
            "the workspace did not accept the credentials from {credentials}: they may have expired, or be another workspace's"
        ),
        403 => format!("the user of {credentials} may not do this: ask for the permission"),
        407 => "give the proxy's user and password in HTTPS_PROXY".to_owned(),
        _ => return None,
    };
    Some(text)
}
