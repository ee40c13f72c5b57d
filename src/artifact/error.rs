//! Why a store could not do what it was asked for, and what that means for the data of a run.

use std::fmt::Display;
use std::io;
use std::path::{Path, PathBuf};

use crate::aws::AwsError;
use crate::databricks::DatabricksError;
use crate::http::{
    ClientError, DownloadError, Fault, FileChanged, READ_TIMEOUT, is_transient_status, shown_status,
};
use crate::process::ProcessError;

/// What the work of a store comes to.
pub(super) type Result<T, E = RepositoryError> = std::result::Result<T, E>;

/// Why data could not be brought onto this machine. No variant holds a credential.
#[derive(Debug, thiserror::Error)]
pub enum DataError {
    #[error("{problem}")]
    Address {
        problem: String,
        hint: Option<&'static str>,
    },
    #[error("cannot download '{uri}' for the parameter '{parameter}'")]
    Download {
        parameter: String,
        /// The URI without credentials.
        uri: String,
        #[source]
        source: Box<RepositoryError>,
    },
    #[error("cannot put '{path}' to the artifacts at '{uri}'")]
    Upload {
        path: String,
        /// The artifact URI without credentials.
        uri: String,
        #[source]
        source: Box<RepositoryError>,
    },
    #[error("cannot create a directory in '{}'", .path.display())]
    Storage {
        path: PathBuf,
        #[source]
        source: io::Error,
    },
}

impl DataError {
    pub fn hint(&self) -> Option<String> {
        let text = match self {
            Self::Address { hint, .. } => (*hint)?,
            Self::Upload { source, .. }
                if matches!(
                    **source,
                    RepositoryError::Refused {
                        status: 401 | 403,
                        ..
                    }
                ) =>
            {
                "use credentials that may write there"
            }
            Self::Download { source, .. } | Self::Upload { source, .. } => return source.hint(),
            Self::Storage { source, .. } if source.kind() == io::ErrorKind::StorageFull => {
                "free some space, or name a directory on a larger disk with --storage-dir"
            }
            Self::Storage { .. } => "name a directory that can be written to with --storage-dir",
        };
        Some(text.to_owned())
    }
}

/// The storage that signed addresses lead to.
pub(super) const STORAGE: &str = "the storage behind the tracking server";

/// Why a store could not do what it was asked for. No variant holds a credential.
#[derive(Debug, thiserror::Error)]
pub enum RepositoryError {
    #[error("there is nothing there: {0}")]
    Missing(String),
    #[error("{store} answered {}{} to {credentials}", shown_status(*.status), in_brackets(.said))]
    Refused {
        store: &'static str,
        status: u16,
        said: Option<String>,
        /// Who asked: the credentials' origin, or why there are none.
        credentials: String,
    },
    #[error("{reason}")]
    Unavailable {
        /// What is in the way, and the answer.
        reason: String,
        hint: &'static str,
    },
    #[error("{reason}")]
    NoAnswer { fault: Fault, reason: String },
    #[error(transparent)]
    Client(#[from] ClientError),
    #[error(transparent)]
    Web(#[from] DownloadError),
    #[error(transparent)]
    Aws(#[from] AwsError),
    #[error("only a tracking server has such artifacts, and the tracking store is none")]
    NoServer,
    #[error("it is not a valid address: {0}")]
    Address(String),
    #[error("files cannot be put there")]
    NotWritable,
    #[error(transparent)]
    Databricks(#[from] DatabricksError),
    #[error(transparent)]
    Program(#[from] ProcessError),
    #[error("{source}")]
    Ssh {
        source: Box<ProcessError>,
        /// The address it was to connect to, as a person types it.
        destination: String,
    },
    /// What arrived is not what was there when the transfer began.
    #[error("{0}")]
    Changed(String),
    /// An odd answer, settings that cannot be used, or names that files here cannot have.
    #[error("{0}")]
    Other(String),
    #[error("it cannot be {}", if *.is_written { "written" } else { "read" })]
    File {
        is_written: bool,
        #[source]
        source: io::Error,
    },
}

impl RepositoryError {
    pub(super) fn silent(fault: Fault, reason: impl Display) -> Self {
        let reason = reason.to_string();
        Self::NoAnswer { fault, reason }
    }

    /// An answer that the store does not give.
    pub(super) fn strange(store: &'static str, reason: impl Display) -> Self {
        Self::Other(format!("the answer is none of {store}: {reason}"))
    }

    /// A file or variable with settings or credentials that cannot be used.
    pub(super) fn settings(what: impl Display, reason: impl Display) -> Self {
        Self::Other(format!("{what} cannot be used: {reason}"))
    }

    /// A refusal with the store's own code and message, of what these credentials asked for.
    pub(super) fn refused(
        store: &'static str,
        status: u16,
        said: Option<String>,
        credentials: String,
    ) -> Self {
        let words = said.as_deref().unwrap_or_default();
        // As Amazon and Azure say it.
        let is_of_clock =
            words.starts_with("RequestTimeTooSkewed") || words.contains("Request date header too");
        let (reason, hint) = match words.split(':').next() {
            Some("InvalidObjectState") => (
                "the object is archived",
                "restore it first, for example with `aws s3api restore-object`",
            ),
            Some("BlobArchived") => (
                "the blob is archived",
                "rehydrate it first, for example with `az storage blob set-tier`",
            ),
            _ if is_of_clock => (
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
        match error.kind() {
            io::ErrorKind::ConnectionRefused => Self::silent(Fault::Refused, error),
            io::ErrorKind::TimedOut => Self::silent(Fault::Timeout(READ_TIMEOUT), error),
            _ => Self::silent(Fault::Broken, error),
        }
    }

    /// A file that is sent and cannot be read, or is another one by now.
    pub(super) fn unreadable(source: io::Error) -> Self {
        if source.get_ref().is_some_and(|error| error.is::<FileChanged>()) {
            Self::Changed(source.to_string())
        } else {
            Self::File {
                is_written: false,
                source,
            }
        }
    }

    pub(super) fn unwritable(source: io::Error) -> Self {
        Self::File {
            is_written: true,
            source,
        }
    }

    /// Something that is a file and a directory there.
    pub(super) fn twofold(path: Option<&Path>) -> Self {
        let name = path.unwrap_or(Path::new("")).display();
        Self::Other(format!(
            "'{name}' is the name of an object and of a directory there; here it can be one of them only"
        ))
    }

    pub(super) fn changed() -> Self {
        Self::Changed("it was changed while it was downloaded".to_owned())
    }

    pub(super) fn damaged(reason: impl Display) -> Self {
        Self::Changed(format!("what arrived is not what the store holds: {reason}"))
    }

    /// Whether the store was asked, and said no: another question may be answered all the same.
    pub(super) fn is_answer(&self) -> bool {
        matches!(
            self,
            Self::Missing(_) | Self::Refused { .. } | Self::Unavailable { .. }
        )
    }

    pub(super) fn is_transient(&self) -> bool {
        match self {
            Self::NoAnswer { fault, .. } => fault.is_interruption(),
            Self::Refused { status, .. } => is_transient_status(*status),
            _ => false,
        }
    }

    pub fn hint(&self) -> Option<String> {
        let text = match self {
            Self::Missing(_) => "check the address; it is case-sensitive",
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
            Self::Changed(_) => "try again when nobody writes to it",
            Self::Web(DownloadError::Unwritable(source)) | Self::File { source, .. }
                if source.kind() == io::ErrorKind::StorageFull =>
            {
                "free some space, or name a directory on a larger disk with --storage-dir"
            }
            Self::Web(error) => return error.hint(),
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
