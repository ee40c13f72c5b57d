//! The mark of an environment that is not whole.

use std::fs::{self, File};
use std::io;
use std::path::PathBuf;

use super::entry::Entry;
use crate::environment::EnvironmentError;

fn path(entry: &Entry) -> PathBuf {
    entry.records().join("building")
}

/// Whether the environment's build or removal has begun and not ended.
pub(super) fn is_set(entry: &Entry) -> Result<bool, EnvironmentError> {
    match fs::symlink_metadata(path(entry)) {
        Ok(_) => Ok(true),
        Err(error)
            if matches!(
                error.kind(),
                io::ErrorKind::NotFound | io::ErrorKind::NotADirectory
            ) =>
        {
            Ok(false)
        }
        Err(error) => Err(EnvironmentError::cache("read", path(entry))(error)),
    }
}

/// Sets the mark; it is on the disk when this returns.
pub(super) fn set(entry: &Entry) -> Result<(), EnvironmentError> {
    let path = path(entry);
    File::create(&path)
        .and_then(|file| file.sync_all())
        .and_then(|()| File::open(entry.records())?.sync_all())
        .map_err(EnvironmentError::cache("write", path))
}

/// Takes the mark away.
pub(super) fn clear(entry: &Entry) -> Result<(), EnvironmentError> {
    match fs::remove_file(path(entry)) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => {
            Err(EnvironmentError::cache("remove", path(entry))(error))
        }
        _ => Ok(()),
    }
}
