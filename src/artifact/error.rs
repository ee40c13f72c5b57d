//! The errors of artifact stores, and of a run's data.

use std::fmt::Display;
use std::io;
use std::path::{Path, PathBuf};

use crate::aws::AwsError;
use crate::databricks::DatabricksError;
use crate::http::{
    ClientError, DownloadError, Fault, FileChanged, READ_TIMEOUT, is_transient_status, shown_status,
};
use crate::process::ProcessError;

/// The result of a store's operation.
pub(super) type Result<T, E = RepositoryError> = std::result::Result<T, E>;

/// Why data could not be downloaded or uploaded. No variant contains a credential.
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
    #[error("cannot upload '{path}' to the artifacts at '{uri}'")]
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
                "use credentials with write permission"
            }
            Self::Download { source, .. } | Self::Upload { source, .. } => return source.hint(),
            Self::Storage { source, .. } if source.kind() == io::ErrorKind::StorageFull => {
                "free some space, or use --storage-dir with a directory on a larger disk"
            }
            Self::Storage { .. } => "use --storage-dir with a writable directory",
        };
        Some(text.to_owned())
    }
}

/// The storage of signed addresses.
pub(super) const STORAGE: &str = "the storage behind the tracking server";

/// Why an operation of a store failed. No variant contains a credential.
#[derive(Debug, thiserror::Error)]
pub enum RepositoryError {
    #[error("not found: {0}")]
    Missing(String),
    #[error("{store} returned {}{} for {credentials}", shown_status(*.status), in_brackets(.said))]
    Refused {
        store: &'static str,
        status: u16,
        said: Option<String>,
        /// The source of the credentials, or why there are none.
        credentials: String,
    },
    #[error("{reason}")]
    Unavailable {
        /// The cause and the response.
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
    #[error("the tracking store is not a tracking server, and only a server has such artifacts")]
    NoServer,
    #[error("not a valid address: {0}")]
    Address(String),
    #[error("uploading to such an address is not supported")]
    NotWritable,
    #[error(transparent)]
    Databricks(#[from] DatabricksError),
    #[error(transparent)]
    Program(#[from] ProcessError),
    #[error("{source}")]
    Ssh {
        source: Box<ProcessError>,
        /// The arguments of `ssh`, as a person types them.
        destination: String,
    },
    /// The data changed during the transfer.
    #[error("{0}")]
    Changed(String),
    /// An invalid response, unusable settings, or invalid file names.
    #[error("{0}")]
    Other(String),
    #[error("cannot {} the file", if *.is_written { "write" } else { "read" })]
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

    /// An invalid response.
    pub(super) fn strange(store: &'static str, reason: impl Display) -> Self {
        Self::Other(format!("invalid response from {store}: {reason}"))
    }

    /// A file or variable with unusable settings or credentials.
    pub(super) fn settings(what: impl Display, reason: impl Display) -> Self {
        Self::Other(format!("{what} cannot be used: {reason}"))
    }

    /// A refusal with the store's code and message.
    pub(super) fn refused(
        store: &'static str,
        status: u16,
        said: Option<String>,
        credentials: String,
    ) -> Self {
        let words = said.as_deref().unwrap_or_default();
        // The messages of Amazon and Azure.
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
            reason: format!("{reason}: {store} returned {answer}"),
            hint,
        }
    }

    /// A connection that failed below the protocol.
    pub(super) fn broken(error: io::Error) -> Self {
        match error.kind() {
            io::ErrorKind::ConnectionRefused => Self::silent(Fault::Refused, error),
            io::ErrorKind::TimedOut => Self::silent(Fault::Timeout(READ_TIMEOUT), error),
            _ => Self::silent(Fault::Broken, error),
        }
    }

    /// A file to upload that is unreadable or has changed.
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

    /// A name of both an object and a directory.
    pub(super) fn twofold(path: Option<&Path>) -> Self {
        let name = path.unwrap_or(Path::new("")).display();
        Self::Other(format!(
            "'{name}' is both an object and a directory in the store; a local path can be only one of them"
        ))
    }

    pub(super) fn changed() -> Self {
        Self::Changed("it changed during the download".to_owned())
    }

    pub(super) fn damaged(reason: impl Display) -> Self {
        Self::Changed(format!("the download is corrupt: {reason}"))
    }

    /// Whether the store refused; another request may still succeed.
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
            Self::Missing(_) => "check the spelling; names are case-sensitive",
            Self::Refused {
                store: STORAGE,
                status: 400 | 401 | 403,
                ..
            } => {
                "ask the tracking server's administrator to check the server's credentials for the storage, and its \
                clock"
            }
            Self::Refused {
                status: 401 | 403, ..
            } => "use credentials with read permission",
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
                        "run `ssh {destination}` in a terminal; it must log in with a key or agent, without a password"
                    ))
                });
            }
            Self::Changed(_) => "run it again when nothing else is writing to the file",
            Self::Web(DownloadError::Unwritable(source)) | Self::File { source, .. }
                if source.kind() == io::ErrorKind::StorageFull =>
            {
                "free some space, or use --storage-dir with a directory on a larger disk"
            }
            Self::Web(error) => return error.hint(),
            _ => return None,
        };
        Some(text.to_owned())
    }
}

/// The store's message, for the text after the status.
pub(super) fn in_brackets(said: &Option<String>) -> String {
    said.as_ref()
        .map_or_else(String::new, |said| format!(" ({said})"))
}
