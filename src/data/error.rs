//! Why data could not be brought onto this machine.

use std::io;
use std::path::PathBuf;

use super::store::{PASSWORD_GIVEN, StoreError};
use crate::http::DownloadError;

/// Why data could not be brought onto this machine. No variant holds a credential.
#[derive(Debug, thiserror::Error)]
pub enum DataError {
    /// There is no way to get data from such URIs.
    #[error("data behind '{scheme}:' cannot be had (parameter '{parameter}' is a path at '{uri}')")]
    Scheme {
        /// The parameter.
        parameter: String,
        /// Its value without credentials.
        uri: String,
        /// The scheme in lower case.
        scheme: String,
    },
    /// A `file:` URI names another machine.
    #[error("the file '{uri}' for the parameter '{parameter}' is on another machine")]
    OtherHost {
        /// The parameter.
        parameter: String,
        /// Its value without credentials.
        uri: String,
    },
    /// The text is no URL.
    #[error("'{uri}' for the parameter '{parameter}' is no valid address: {reason}")]
    Url {
        /// The parameter.
        parameter: String,
        /// Its value without credentials.
        uri: String,
        /// Why.
        reason: String,
    },
    /// The download failed.
    #[error("cannot download '{uri}' for the parameter '{parameter}'")]
    Download {
        /// The parameter.
        parameter: String,
        /// The URI without credentials.
        uri: String,
        /// The cause.
        #[source]
        source: DownloadError,
    },
    /// A store did not give it.
    #[error("cannot download '{uri}' for the parameter '{parameter}'")]
    Store {
        /// The parameter.
        parameter: String,
        /// The URI without credentials.
        uri: String,
        /// The cause.
        #[source]
        source: Box<StoreError>,
    },
    /// A file did not get to a run's artifacts.
    #[error("cannot put '{path}' to the artifacts at '{uri}'")]
    Upload {
        /// The path below the artifact URI.
        path: String,
        /// The artifact URI without credentials.
        uri: String,
        /// The cause.
        #[source]
        source: Box<StoreError>,
    },
    /// What is downloaded has no place.
    #[error("cannot {action} '{}'", .path.display())]
    Storage {
        /// What was tried, such as `create a directory in`.
        action: &'static str,
        /// Where.
        path: PathBuf,
        /// The cause.
        #[source]
        source: io::Error,
    },
}

impl DataError {
    /// What the person can do about it.
    pub fn hint(&self) -> Option<String> {
        let text = match self {
            Self::Scheme { .. } => "pass a local path, or a URI that begins with http://, https:// or file:",
            Self::OtherHost { .. } => {
                "for a file of this machine write three slashes: file:///directory/file"
            }
            Self::Url { reason, .. } if reason == PASSWORD_GIVEN => {
                "leave the password out, and let `ssh-copy-id USER@HOST` bring your key to the server"
            }
            Self::Url { uri, .. } if uri.starts_with("http") => "check the host and the port",
            Self::Url { .. } => return None,
            Self::Download {
                source: DownloadError::Unwritable(error),
                ..
            }
            | Self::Storage { source: error, .. }
                if error.kind() == io::ErrorKind::StorageFull =>
            {
                "free some space, or name a directory on a larger disk with --storage-dir"
            }
            Self::Download { source, .. } => return source.hint(),
            Self::Upload { source, .. }
                if matches!(
                    **source,
                    StoreError::Refused {
                        status: 401 | 403,
                        ..
                    }
                ) =>
            {
                "use credentials that may write there"
            }
            Self::Store { source, .. } | Self::Upload { source, .. } => return source.hint(),
            Self::Storage { .. } => "name a directory that can be written to with --storage-dir",
        };
        Some(text.to_owned())
    }
}
