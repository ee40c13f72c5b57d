//! The files of a store: written so that nobody ever reads half a file, and why they cannot be used.

use std::fs::{self, DirEntry, Permissions};
use std::io::{self, ErrorKind, Write as _};
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};

use tempfile::NamedTempFile;

use crate::tracking::error::StoreFault;
use crate::yaml::YamlError;

/// Why a file store's files cannot be used.
#[derive(Debug, thiserror::Error)]
pub(super) enum FileStoreError {
    #[error("cannot {action} '{path}'")]
    Io {
        /// What was tried, such as `create the directory`.
        action: &'static str,
        path: PathBuf,
        source: io::Error,
    },
    #[error("'{path}' is not a directory")]
    NotADirectory { path: PathBuf },
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
}

impl StoreFault for FileStoreError {
    /// A network file system that is away, or a full disk.
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
                    "set MLFLOW_TRACKING_URI to a store that you may write to"
                }
                ErrorKind::StorageFull | ErrorKind::QuotaExceeded => {
                    "make room on the disk, or set MLFLOW_TRACKING_URI to a store elsewhere"
                }
                ErrorKind::InvalidFilename => {
                    "each parameter and tag is a file named after its key: use a shorter key"
                }
                ErrorKind::NotADirectory | ErrorKind::AlreadyExists => {
                    "a file is where a directory must be: move it away"
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

/// The contents of a file; `None` where there is no file, or no directory.
pub(super) fn read_file(path: &Path) -> Result<Option<Vec<u8>>, FileStoreError> {
    match fs::read(path) {
        Ok(text) => Ok(Some(text)),
        Err(error) if matches!(error.kind(), ErrorKind::NotFound | ErrorKind::NotADirectory) => Ok(None),
        Err(error) => Err(FileStoreError::io("read", path)(error)),
    }
}

/// What is in a directory; nothing where there is none.
pub(super) fn list(directory: &Path) -> Result<Vec<DirEntry>, FileStoreError> {
    match fs::read_dir(directory).and_then(|entries| entries.collect()) {
        Ok(entries) => Ok(entries),
        Err(error) if error.kind() == ErrorKind::NotFound => Ok(Vec::new()),
        Err(error) => Err(FileStoreError::io("list", directory)(error)),
    }
}

/// Puts a file with this content in the place of another one, or of none. The content is written
/// into `staging` first, a directory of the same file system whose plain files nobody reads.
pub(super) fn replace(path: &Path, staging: &Path, content: &[u8]) -> Result<(), FileStoreError> {
    let staged = stage(staging, content)?;
    staged
        .persist(path)
        .map(drop)
        .map_err(|error| FileStoreError::io("write", path)(error.error))
}

/// Puts a file with this content where there is none yet. Gives `false`, and changes nothing, where
/// there is one: also when two do this at once only one of them gets `true`.
pub(super) fn create_new(path: &Path, staging: &Path, content: &[u8]) -> Result<bool, FileStoreError> {
    let error = match stage(staging, content)?.persist_noclobber(path) {
        Ok(_) => return Ok(true),
        Err(error) => error,
    };
    if error.error.kind() == ErrorKind::AlreadyExists {
        return Ok(false);
    }
    // Some file systems can neither link nor rename without replacing. There the last one wins, and
    // as all write the same but for the time that makes no difference.
    match error.file.persist(path) {
        Ok(_) => Ok(true),
        Err(error) => Err(FileStoreError::io("write", path)(error.error)),
    }
}

/// Makes a directory where there is nothing yet. Gives `false` where there is one.
pub(super) fn create_directory(path: &Path) -> Result<bool, FileStoreError> {
    match fs::create_dir(path) {
        Ok(()) => Ok(true),
        Err(error) if error.kind() == ErrorKind::AlreadyExists && path.is_dir() => Ok(false),
        Err(error) => Err(FileStoreError::io("create the directory", path)(error)),
    }
}

/// Writes a file of a directory that nobody reads yet; makes the directories above it.
pub(super) fn write_unseen(path: &Path, content: &str) -> Result<(), FileStoreError> {
    create_parents(path)?;
    fs::write(path, content).map_err(FileStoreError::io("write", path))
}

/// Makes the directories above a file.
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
        // As any other new file: the umask decides who may read it.
        .permissions(Permissions::from_mode(0o666))
        .tempfile_in(staging)
        .map_err(FileStoreError::io("write a file in", staging))?;
    let written = staged.write_all(content).and_then(|()| staged.flush());
    written.map_err(FileStoreError::io("write a file in", staging))?;
    Ok(staged)
}
