//! Reads and writes a store's files. Files are replaced atomically, so no reader sees half a file.

use std::fs::{self, DirEntry, Permissions};
use std::io::{self, ErrorKind, Write as _};
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};

use tempfile::NamedTempFile;

use crate::tracking::error::StoreFault;
use crate::yaml::YamlError;

/// Why a file store's files are unusable.
#[derive(Debug, thiserror::Error)]
pub(super) enum FileStoreError {
    #[error("cannot {action} '{path}'")]
    Io {
        /// The attempted action, such as `create the directory`.
        action: &'static str,
        path: PathBuf,
        source: io::Error,
    },
    #[error("'{path}' is not a directory")]
    NotADirectory { path: PathBuf },
    #[error("'{path}' is not valid YAML")]
    Yaml { path: PathBuf, source: YamlError },
    /// A `meta.yaml` with missing or invalid values.
    #[error("'{path}' {reason}")]
    Meta { path: PathBuf, reason: String },
}

impl FileStoreError {
    /// Wraps an error of the operating system.
    pub(super) fn io(action: &'static str, path: &Path) -> impl FnOnce(io::Error) -> Self {
        let path = path.to_owned();
        move |source| Self::Io { action, path, source }
    }
}

impl StoreFault for FileStoreError {
    /// An unavailable network file system, or a full disk.
    fn may_pass(&self) -> bool {
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

    fn hint(&self) -> Option<String> {
        let text = match self {
            Self::Io { source, .. } => match source.kind() {
                ErrorKind::PermissionDenied | ErrorKind::ReadOnlyFilesystem => {
                    "set MLFLOW_TRACKING_URI to a store with write permission"
                }
                ErrorKind::StorageFull | ErrorKind::QuotaExceeded => {
                    "free some space, or set MLFLOW_TRACKING_URI to a store on another disk"
                }
                ErrorKind::InvalidFilename => {
                    "use a shorter key; a file store names the files of parameters and tags after their keys"
                }
                ErrorKind::NotADirectory | ErrorKind::AlreadyExists => {
                    "move the file away that has the name of a directory"
                }
                _ => return None,
            },
            Self::NotADirectory { .. } => {
                "move the file away, or set MLFLOW_TRACKING_URI to another directory"
            }
            Self::Yaml { .. } | Self::Meta { .. } => {
                "repair the file, or move its directory out of the store"
            }
        };
        Some(text.to_owned())
    }
}

/// The contents of a file; `None` if the file or its directory does not exist.
pub(super) fn read_file(path: &Path) -> Result<Option<Vec<u8>>, FileStoreError> {
    match fs::read(path) {
        Ok(text) => Ok(Some(text)),
        Err(error) if matches!(error.kind(), ErrorKind::NotFound | ErrorKind::NotADirectory) => Ok(None),
        Err(error) => Err(FileStoreError::io("read", path)(error)),
    }
}

/// The entries of a directory; empty if it does not exist.
pub(super) fn list(directory: &Path) -> Result<Vec<DirEntry>, FileStoreError> {
    match fs::read_dir(directory).and_then(|entries| entries.collect()) {
        Ok(entries) => Ok(entries),
        Err(error) if error.kind() == ErrorKind::NotFound => Ok(Vec::new()),
        Err(error) => Err(FileStoreError::io("list", directory)(error)),
    }
}

/// Creates or replaces a file atomically. The content is first written to `staging`, a directory on the same file
/// system whose regular files nobody reads.
pub(super) fn replace(path: &Path, staging: &Path, content: &[u8]) -> Result<(), FileStoreError> {
    let staged = stage(staging, content)?;
    staged
        .persist(path)
        .map(drop)
        .map_err(|error| FileStoreError::io("write", path)(error.error))
}

/// Creates a file. Gives `false` and changes nothing if it exists. Of two concurrent calls only one gets `true`.
pub(super) fn create_new(path: &Path, staging: &Path, content: &[u8]) -> Result<bool, FileStoreError> {
    let error = match stage(staging, content)?.persist_noclobber(path) {
        Ok(_) => return Ok(true),
        Err(error) => error,
    };
    if error.error.kind() == ErrorKind::AlreadyExists {
        return Ok(false);
    }
    // Some file systems support neither links nor renames without replacing. There the last writer wins, which makes
    // no difference, because only the times differ.
    match error.file.persist(path) {
        Ok(_) => Ok(true),
        Err(error) => Err(FileStoreError::io("write", path)(error.error)),
    }
}

/// Creates a directory. Gives `false` if it exists.
pub(super) fn create_directory(path: &Path) -> Result<bool, FileStoreError> {
    match fs::create_dir(path) {
        Ok(()) => Ok(true),
        Err(error) if error.kind() == ErrorKind::AlreadyExists && path.is_dir() => Ok(false),
        Err(error) => Err(FileStoreError::io("create the directory", path)(error)),
    }
}

/// Writes a file in a directory that nobody reads yet, including its parents.
pub(super) fn write_unseen(path: &Path, content: &str) -> Result<(), FileStoreError> {
    create_parents(path)?;
    fs::write(path, content).map_err(FileStoreError::io("write", path))
}

/// Creates the parents of a file.
pub(super) fn create_parents(path: &Path) -> Result<(), FileStoreError> {
    match path.parent() {
        Some(parent) => {
            fs::create_dir_all(parent).map_err(FileStoreError::io("create the directory", parent))
        }
        None => Ok(()),
    }
}

fn stage(staging: &Path, content: &[u8]) -> Result<NamedTempFile, FileStoreError> {
    let mut staged = tempfile::Builder::new()
        .prefix(".mlrun-")
        // The umask decides who may read it, as for any new file.
        .permissions(Permissions::from_mode(0o666))
        .tempfile_in(staging)
        .map_err(FileStoreError::io("write a file in", staging))?;
    let written = staged.write_all(content).and_then(|()| staged.flush());
    written.map_err(FileStoreError::io("write a file in", staging))?;
    Ok(staged)
}
