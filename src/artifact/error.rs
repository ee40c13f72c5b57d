//! Why data could not be brought onto this machine.

use std::io;
use std::path::PathBuf;

use crate::artifact::repository_error::RepositoryError;

/// Why data could not be brought onto this machine. No variant holds a credential.
#[derive(Debug, thiserror::Error)]
pub enum DataError {
    /// The address is not one that data can be had from.
    #[error("{problem}")]
    Address {
        problem: String,
        /// What the person can do about it.
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
    /// A file did not get to a run's artifacts.
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
    /// What the person can do about it.
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
