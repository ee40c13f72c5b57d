//! What can go wrong with the files of a file store.

use std::io;
use std::path::{Path, PathBuf};

use crate::yaml::YamlError;

/// Why a file store's files cannot be used.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub(crate) enum FileStoreError {
    #[error("cannot {action} '{path}'")]
    Io {
        /// What was tried, such as `create the directory`.
        action: &'static str,
        path: PathBuf,
        source: io::Error,
    },
    #[error("'{path}' is not a directory")]
    NotADirectory { path: PathBuf },
    /// A `meta.yaml` is no YAML.
    #[error("cannot understand '{path}'")]
    Yaml { path: PathBuf, source: YamlError },
    /// A `meta.yaml` does not hold what it must.
    #[error("'{path}' {reason}")]
    Meta { path: PathBuf, reason: String },
}

impl FileStoreError {
    /// Wraps an error of the operating system.
    pub(super) fn io(action: &'static str, path: &Path) -> impl FnOnce(io::Error) -> Self {
        let path = path.to_owned();
        move |source| Self::Io { action, path, source }
    }

    /// Whether it may pass by itself: a network file system that is away, a full disk.
    pub(super) fn may_pass(&self) -> bool {
        use io::ErrorKind;
        matches!(self, Self::Io { source, .. } if matches!(
            source.kind(),
            ErrorKind::StorageFull
                | ErrorKind::QuotaExceeded
                | ErrorKind::StaleNetworkFileHandle
                | ErrorKind::TimedOut
                | ErrorKind::HostUnreachable
                | ErrorKind::NetworkUnreachable
                | ErrorKind::NetworkDown
        ))
    }

    /// What the person can do about it.
    pub(crate) fn hint(&self) -> Option<String> {
        match self {
            Self::Io { source, .. } => match source.kind() {
                io::ErrorKind::PermissionDenied | io::ErrorKind::ReadOnlyFilesystem => {
                    Some("set MLFLOW_TRACKING_URI to a store that you may write to".to_owned())
                }
                io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded => {
                    Some("make room on the disk, or set MLFLOW_TRACKING_URI to a store elsewhere".to_owned())
                }
                io::ErrorKind::InvalidFilename => {
                    Some("each parameter and tag is a file named after its key: use a shorter key".to_owned())
                }
                io::ErrorKind::NotADirectory | io::ErrorKind::AlreadyExists => {
                    Some("a file is where a directory must be: move it away".to_owned())
                }
                _ => None,
            },
            Self::NotADirectory { .. } => {
                Some("move the file away, or set MLFLOW_TRACKING_URI to another directory".to_owned())
            }
            Self::Yaml { .. } | Self::Meta { .. } => {
                Some("repair the file, or move its directory out of the store".to_owned())
            }
        }
    }
}
