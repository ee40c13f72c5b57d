//! Writing so that nobody ever reads half a file.

use std::fs::{self, Permissions};
use std::io::{ErrorKind, Write as _};
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;

use tempfile::NamedTempFile;

use super::error::FileStoreError;

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
    let Some(parent) = path.parent() else {
        return Ok(());
    };
    fs::create_dir_all(parent).map_err(FileStoreError::io("create the directory", parent))
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
