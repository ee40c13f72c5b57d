//! Why a store could not do what it was asked for.

use std::io;
use std::path::Path;

use reqwest::StatusCode;

use super::artifacts_presigned::STORAGE;
use crate::aws::AwsError;
use crate::databricks::DatabricksError;
use crate::http::{ClientError, Fault, FileChanged, is_transient_status, shown_status};
use crate::process::ProcessError;

/// Why a store could not do what it was asked for. No variant holds a credential.
#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    /// There is nothing at the address.
    #[error("there is nothing there: {said}")]
    Missing {
        /// What the store said.
        said: String,
    },
    /// The store refused.
    #[error("{store} answered {}{} to {credentials}", shown_status(*.status), in_brackets(.said))]
    Refused {
        /// The store's name.
        store: &'static str,
        /// The status of the answer.
        status: u16,
        /// The store's own code and message.
        said: Option<String>,
        /// Who asked: the credentials' origin, or why there are none.
        credentials: String,
    },
    /// The store refused, whoever asks.
    #[error("{reason}")]
    Unavailable {
        /// What is in the way, and the answer.
        reason: String,
        /// What the person can do about it.
        hint: &'static str,
    },
    /// The store gave no answer, or broke it off.
    #[error("{reason}")]
    NoAnswer {
        /// The kind of failure.
        fault: Fault,
        /// What happened.
        reason: String,
    },
    /// The answer is none that the store gives.
    #[error("the answer is none of {store}: {reason}")]
    Strange {
        /// The store's name.
        store: &'static str,
        /// What is wrong with it.
        reason: String,
    },
    /// No client can be made.
    #[error(transparent)]
    Client(#[from] ClientError),
    /// There are no credentials.
    #[error(transparent)]
    Aws(#[from] AwsError),
    /// A file or variable with credentials cannot be used.
    #[error("{what} cannot be used: {reason}")]
    Settings {
        /// The file or variable.
        what: String,
        /// Why.
        reason: String,
    },
    /// There is no tracking server that could have it.
    #[error("only a tracking server has such artifacts, and the tracking store is none")]
    NoServer,
    /// The address cannot be used.
    #[error("it is not a valid address: {reason}")]
    Address {
        /// Why.
        reason: String,
    },
    /// Nothing can be put to such a place.
    #[error("files cannot be put there")]
    NotWritable,
    /// A Databricks workspace refuses, or cannot be reached.
    #[error(transparent)]
    Databricks(#[from] DatabricksError),
    /// A program that reads from the store failed.
    #[error(transparent)]
    Program(#[from] ProcessError),
    /// The `ssh` program made no connection.
    #[error("{source}")]
    Ssh {
        /// How it failed.
        source: Box<ProcessError>,
        /// What it was asked to connect to, as a person types it.
        destination: String,
    },
    /// The object became another one meanwhile.
    #[error("it was changed while it was downloaded")]
    Changed,
    /// The file that is put there got another length.
    #[error("{0}")]
    SourceChanged(String),
    /// What arrived is not what the store holds.
    #[error("what arrived is not what the store holds: {reason}")]
    Damaged {
        /// What differs.
        reason: String,
    },
    /// A name in a directory would become a file outside of it.
    #[error("the name '{name}' in it is no path below it")]
    Unsafe {
        /// The name.
        name: String,
    },
    /// An object has the name of a directory, as flat stores allow it.
    #[error("'{name}' is the name of an object and of a directory there; here it can be one of them only")]
    Twofold {
        /// The path below the place.
        name: String,
    },
    /// A file here cannot be read or written.
    #[error("it cannot be {}", if *.is_written { "written" } else { "read" })]
    File {
        /// Whether it was to be written.
        is_written: bool,
        /// The cause.
        #[source]
        source: io::Error,
    },
}

impl StoreError {
    /// A refusal with the store's own code and message, of what these credentials asked for.
    pub(super) fn refused(
        store: &'static str,
        status: StatusCode,
        said: Option<String>,
        credentials: String,
    ) -> Self {
        let status = status.as_u16();
        let words = said.as_deref().unwrap_or_default();
        let code = match words.contains("Request date header too") {
            // As Azure says it.
            true => Some("RequestTimeTooSkewed"),
            false => words.split(':').next(),
        };
        let (reason, hint) = match code {
            Some("InvalidObjectState") => (
                "the object is archived",
                "restore it first, for example with `aws s3api restore-object`",
            ),
            Some("BlobArchived") => (
                "the blob is archived",
                "rehydrate it first, for example with `az storage blob set-tier`",
            ),
            Some("RequestTimeTooSkewed") => (
                "this machine's clock is wrong",
                "set the clock, for example with `timedatectl set-ntp true`",
            ),
            _ => {
                return Self::Refused {
                    store,
                    status,
                    said,
                    credentials,
                };
            }
        };
        let answer = format!("{}{}", shown_status(status), in_brackets(&said));
        Self::Unavailable {
            reason: format!("{reason}: {store} answered {answer}"),
            hint,
        }
    }

    /// A connection that failed below any protocol.
    pub(super) fn broken(error: io::Error) -> Self {
        let fault = match error.kind() {
            io::ErrorKind::ConnectionRefused => Fault::Refused,
            io::ErrorKind::TimedOut => Fault::Timeout(crate::http::READ_TIMEOUT),
            _ => Fault::Broken,
        };
        Self::NoAnswer {
            fault,
            reason: error.to_string(),
        }
    }

    /// A file that is sent and cannot be read, or is another one by now.
    pub(super) fn unreadable(source: io::Error) -> Self {
        match source.get_ref().is_some_and(|error| error.is::<FileChanged>()) {
            true => Self::SourceChanged(source.to_string()),
            false => Self::File {
                is_written: false,
                source,
            },
        }
    }

    /// A file that cannot be written.
    pub(in crate::data) fn unwritable(source: io::Error) -> Self {
        Self::File {
            is_written: true,
            source,
        }
    }

    /// Something that is a file and a directory there.
    pub(in crate::data) fn twofold(path: Option<&Path>) -> Self {
        Self::Twofold {
            name: path.unwrap_or(Path::new("")).display().to_string(),
        }
    }

    /// Whether the store was asked, and said no: another question may be answered all the same.
    pub(super) fn is_answer(&self) -> bool {
        matches!(
            self,
            Self::Missing { .. } | Self::Refused { .. } | Self::Unavailable { .. }
        )
    }

    /// Whether another try may end otherwise.
    pub(in crate::data) fn is_transient(&self) -> bool {
        match self {
            Self::NoAnswer { fault, .. } => {
                fault.is_transient() && !matches!(fault, Fault::Refused | Fault::UnknownHost)
            }
            Self::Refused { status, .. } => is_transient_status(*status),
            _ => false,
        }
    }

    /// What the person can do about it.
    pub fn hint(&self) -> Option<String> {
        let text = match self {
            Self::Missing { .. } => "check the address; it is case-sensitive",
            Self::Refused {
                store: STORAGE,
                status: 400 | 401 | 403,
                ..
            } => {
                "whoever runs the tracking server must check that its own credentials for the storage are good, and \
                 that its clock is right"
            }
            Self::Refused {
                status: 401 | 403, ..
            } => "use credentials that may read it",
            Self::Unavailable { hint, .. } => hint,
            Self::NoAnswer { fault, .. } => return fault.download_hint(),
            Self::NoServer => "set MLFLOW_TRACKING_URI to the server's http(s):// address",
            Self::Client(error) => return error.hint(),
            Self::Aws(error) => return error.hint(),
            Self::Databricks(error) => return error.hint(),
            Self::Program(error) => return error.hint(),
            Self::Ssh { source, destination } => {
                return source.hint().or_else(|| {
                    Some(format!(
                        "run `ssh {destination}` once in a terminal; it must log in with a key or an agent, without a password"
                    ))
                });
            }
            Self::Changed | Self::SourceChanged(_) | Self::Damaged { .. } => {
                "try again when nobody writes to it"
            }
            Self::File { source, .. } if source.kind() == io::ErrorKind::StorageFull => {
                "free some space, or name a directory on a larger disk with --storage-dir"
            }
            _ => return None,
        };
        Some(text.to_owned())
    }
}

/// What a store said, as it follows the status of its answer.
pub(super) fn in_brackets(said: &Option<String>) -> String {
    said.as_ref()
        .map_or_else(String::new, |said| format!(" ({said})"))
}
