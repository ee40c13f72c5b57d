//! What can go wrong between the client and a tracking server.

use std::path::PathBuf;

use super::database_text::{is_overload, tells_duplicate, tells_overload};
use crate::aws::AwsError;
use crate::databricks::DatabricksError;
use crate::http::{
    CertificateError, ClientError, Fault, ProxyError, VariableError, after_tries, in_words, shown_excerpt,
    shown_status,
};

/// Why a tracking server could not be asked, or what it answered instead.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum RestError {
    /// A variable has a value that means nothing.
    #[error(transparent)]
    Variable(#[from] VariableError),
    /// The authentication plug-in cannot be loaded.
    #[error(
        "the authentication plug-in '{name}' (MLFLOW_TRACKING_AUTH) is Python code, which mlrun cannot load"
    )]
    Plugin {
        /// What was asked for.
        name: String,
    },
    /// Requests shall be signed for AWS, and no keys can be had, or they cannot be used.
    #[error(transparent)]
    Aws(Box<AwsError>),
    /// Requests shall be signed for AWS, and nothing names the region.
    #[error("requests to the tracking server shall be signed for AWS, but no region is known")]
    NoRegion,
    /// A Kubernetes account shall say who sends a request, and there is none that can be used.
    #[error("no Kubernetes account can be used for the tracking server: {reason}")]
    Kubernetes {
        /// Why.
        reason: String,
    },
    /// The server's certificate shall be checked and not be checked.
    #[error("MLFLOW_TRACKING_INSECURE_TLS and MLFLOW_TRACKING_SERVER_CERT_PATH are both set")]
    ContradictoryTls,
    /// A token or password holds a character that no header can carry.
    #[error("the value of {source_name} holds a line break or another character that cannot be sent")]
    UnsendableToken {
        /// Where the value comes from.
        source_name: String,
    },
    /// A file that a variable names cannot be read.
    #[error("cannot read {what} '{path}'")]
    File {
        /// The variable, or what the file is.
        what: &'static str,
        /// The file.
        path: PathBuf,
        /// The cause.
        source: std::io::Error,
    },
    /// A file with certificates or a key is of no use.
    #[error(transparent)]
    Certificate(#[from] CertificateError),
    /// The tracking URI is no address of a server.
    #[error("the tracking URI '{url}' {reason}")]
    Url {
        /// The URI without credentials.
        url: String,
        /// Why.
        reason: String,
    },
    /// A proxy cannot be used.
    #[error(transparent)]
    Proxy(#[from] ProxyError),
    /// The TLS library refuses the settings.
    #[error("cannot prepare connections by TLS: {reason}")]
    Tls {
        /// Why.
        reason: String,
    },
    /// The server gave no answer.
    #[error("{reason}{}", after_tries(*.tries))]
    NoAnswer {
        /// The kind of failure.
        fault: Fault,
        /// What happened.
        reason: String,
        /// How often it was tried.
        tries: u32,
    },
    /// The answer is longer than any that makes sense.
    #[error("the answer of {endpoint} is longer than {limit} bytes")]
    TooLong {
        /// The path that was asked.
        endpoint: String,
        /// The limit.
        limit: usize,
    },
    /// The server sends the client elsewhere, where the request cannot go.
    #[error("the server redirects {endpoint} to '{target}'{}", .reason.as_deref().map(|reason| format!(", {reason}")).unwrap_or_default())]
    Redirect {
        /// The path that was asked.
        endpoint: String,
        /// Where the server points, without credentials.
        target: String,
        /// Why it is not followed.
        reason: Option<String>,
    },
    /// The server refused, in MLflow's own words.
    #[error("{code}: {message}{}", after_tries(*.tries))]
    Refused {
        /// The status of the answer.
        status: u16,
        /// MLflow's error code, such as `RESOURCE_DOES_NOT_EXIST`.
        code: String,
        /// The server's message, shortened.
        message: String,
        /// How often it was tried.
        tries: u32,
        /// Where the credentials come from that were sent.
        credentials: Option<String>,
    },
    /// The server's answer is not one that MLflow gives.
    #[error("{endpoint} answered {}{}{}", shown_status(*.status), shown_excerpt(.excerpt), after_tries(*.tries))]
    NotMlflow {
        /// The path that was asked.
        endpoint: String,
        /// The status of the answer.
        status: u16,
        /// The beginning of the answer, or the title of a page.
        excerpt: String,
        /// How often it was tried.
        tries: u32,
        /// Where the credentials come from that were sent.
        credentials: Option<String>,
    },
    /// The answer is a JSON object without what it must hold.
    #[error("the answer of {endpoint} is not as MLflow gives it: {reason}")]
    Malformed {
        /// The path that was asked.
        endpoint: String,
        /// What is wrong.
        reason: String,
    },
    /// The credentials of a Databricks workspace cannot be used.
    #[error(transparent)]
    Databricks(#[from] Box<DatabricksError>),
    /// A workspace is set, but the server has none.
    #[error("the server has no workspaces, but MLFLOW_WORKSPACE is '{workspace}'")]
    NoWorkspaces {
        /// The workspace.
        workspace: String,
    },
}

impl From<ClientError> for RestError {
    fn from(error: ClientError) -> Self {
        match error {
            ClientError::Certificate(error) => Self::Certificate(error),
            ClientError::Proxy(error) => Self::Proxy(error),
            ClientError::Tls { reason } => Self::Tls { reason },
        }
    }
}

impl From<DatabricksError> for RestError {
    fn from(error: DatabricksError) -> Self {
        Self::Databricks(Box::new(error))
    }
}

impl From<AwsError> for RestError {
    fn from(error: AwsError) -> Self {
        Self::Aws(Box::new(error))
    }
}

impl RestError {
    /// What the person can do about it.
    pub fn hint(&self) -> Option<String> {
        match self {
            Self::Variable(error) => Some(error.hint()),
            Self::Plugin { .. } => Some(
                "set MLFLOW_TRACKING_AUTH to kubernetes or kubernetes-namespaced, or unset it: MLFLOW_TRACKING_USERNAME with MLFLOW_TRACKING_PASSWORD, MLFLOW_TRACKING_TOKEN, ~/.netrc and MLFLOW_TRACKING_AWS_SIGV4 need no plug-in"
                    .to_owned(),
            ),
            Self::Aws(error) => error.hint(),
            Self::NoRegion => Some("set AWS_DEFAULT_REGION, or region in the AWS profile".to_owned()),
            Self::Kubernetes { .. } => Some(
                "run in a pod with a service account, or give the current context of the kubeconfig a user with a token; KUBECONFIG names the file"
                    .to_owned(),
            ),
            Self::Databricks(error) => error.hint(),
            Self::ContradictoryTls => Some("set only one of the two".to_owned()),
            Self::UnsendableToken { .. } => {
                Some("give it without a line break at its end".to_owned())
            }
            Self::Url { .. } => Some("set MLFLOW_TRACKING_URI to the server's address, such as https://host:5000".to_owned()),
            Self::Proxy(error) => Some(error.hint()),
            Self::NoAnswer { fault, .. } => fault_hint(*fault),
            Self::Redirect { .. } => Some(
                "set MLFLOW_TRACKING_URI to the address that answers itself; a redirect to a login page means that the server wants credentials"
                    .to_owned(),
            ),
            Self::Refused { .. } | Self::NotMlflow { .. } if self.is_overload() => Some(
                "the server is overloaded: try again later, or start it with more workers and a larger connection pool (MLFLOW_SQLALCHEMYSTORE_POOL_SIZE)"
                    .to_owned(),
            ),
            Self::Refused { status, message, credentials, .. } => {
                denied_hint(*status, message, credentials.as_deref())
            }
            Self::NotMlflow { status, excerpt, credentials, .. } => {
                denied_hint(*status, excerpt, credentials.as_deref()).or_else(|| match status {
                    200..=299 | 404 | 405 => Some(
                        "no MLflow server seems to answer at this address: check the host, the port and the path in MLFLOW_TRACKING_URI"
                            .to_owned(),
                    ),
                    400 => fault_hint(Fault::Protocol),
                    _ => None,
                })
            }
            Self::NoWorkspaces { .. } => Some(
                "unset MLFLOW_WORKSPACE, or start the server with --enable-workspaces".to_owned(),
            ),
            _ => None,
        }
    }

    /// Whether the same request may succeed a little later.
    pub(super) fn may_pass(&self) -> bool {
        match self {
            Self::NoAnswer { fault, .. } => fault.is_transient(),
            _ if self.is_overload() => true,
            Self::Refused { status, .. } | Self::NotMlflow { status, .. } => {
                matches!(status, 404 | 408 | 429 | 500..)
            }
            // The credentials of the moment come from other servers.
            Self::Databricks(_) | Self::Aws(_) => true,
            _ => false,
        }
    }

    /// Whether the server only says that it or its database has too much to do.
    pub(super) fn is_overload(&self) -> bool {
        match self {
            Self::Refused {
                status: 401 | 403 | 404,
                ..
            }
            | Self::NotMlflow {
                status: 401 | 403 | 404,
                ..
            } => false,
            Self::Refused { code, message, .. } => tells_overload(code, message),
            Self::NotMlflow {
                status: 400..,
                excerpt,
                ..
            } => is_overload(excerpt),
            _ => false,
        }
    }

    /// Whether a row is there already that the request was to add.
    pub(super) fn is_duplicate(&self) -> bool {
        matches!(self, Self::Refused { code, message, .. } if tells_duplicate(code, message))
    }

    /// MLflow's error code, where the server gave one.
    pub(super) fn code(&self) -> Option<&str> {
        match self {
            Self::Refused { code, .. } => Some(code),
            _ => None,
        }
    }
}

/// What to do about a server that gives no answer.
fn fault_hint(fault: Fault) -> Option<String> {
    let text = match fault {
        Fault::Refused => {
            "nothing listens at that address: start the server, or correct MLFLOW_TRACKING_URI".to_owned()
        }
        Fault::UnknownHost => "check the host's name in MLFLOW_TRACKING_URI, and the network".to_owned(),
        Fault::Certificate => {
            "name the server's certificate, or its authority's, in MLFLOW_TRACKING_SERVER_CERT_PATH"
                .to_owned()
        }
        Fault::Protocol => "check whether MLFLOW_TRACKING_URI must begin with http:// or https://".to_owned(),
        Fault::Timeout(limit) => format!(
            "see whether the server works, or raise MLFLOW_HTTP_REQUEST_TIMEOUT (now {})",
            in_words(limit)
        ),
        Fault::Broken => return None,
    };
    Some(text)
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
