//! What is remembered about an environment: how it came to be, and whether it is whole.

use std::fs::{self, File};
use std::io;
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use super::claim::touch;
use super::entry::Entry;
use crate::entities::UnixMillis;
use crate::environment::error::EnvironmentError;

/// How an environment came to be. The time of its last use is that of the file.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Record {
    /// What made it; nothing where it was not mlrun.
    pub(super) manager: Option<String>,
    /// The directory that is the environment.
    pub(super) directory: PathBuf,
    /// When it was complete, in milliseconds since 1970; nothing where it was not mlrun.
    pub(super) created: Option<i64>,
    /// The project that it was made for, or first used by.
    pub(super) project: String,
}

/// The record's file in a directory of records.
pub(super) fn path(records: &Path) -> PathBuf {
    records.join("record.json")
}

/// Remembers that an environment was built just now.
pub(super) fn note_build(entry: &Entry, project: &str) {
    write(
        entry,
        &Record {
            manager: Some(entry.manager.to_string()),
            directory: entry.directory.clone(),
            created: Some(UnixMillis::now().0),
            project: project.to_owned(),
        },
    );
}

/// Remembers that an environment is used now. Records serve the user's information: one that cannot
/// be written stops no run.
pub(super) fn note_use(entry: &Entry, project: &str) {
    let path = path(entry.records());
    if touch(&path).is_ok() {
        return;
    }
    write(
        entry,
        &Record {
            manager: None,
            directory: entry.directory.clone(),
            created: None,
            project: project.to_owned(),
        },
    );
}

/// The record in a directory of records.
pub(super) fn read(records: &Path) -> Option<Record> {
    serde_json::from_slice(&fs::read(path(records)).ok()?).ok()
}

fn write(entry: &Entry, record: &Record) {
    let path = path(entry.records());
    let written = serde_json::to_vec(record)
        .map_err(io::Error::from)
        .and_then(|text| {
            fs::create_dir_all(entry.records())?;
            let file = tempfile::NamedTempFile::new_in(entry.records())?;
            fs::write(file.path(), text)?;
            Ok(file.persist(&path)?)
        });
    if let Err(error) = written {
        tracing::debug!(path = %path.display(), %error, "an environment's record cannot be written");
    }
}

/// The mark of an environment that is not whole.
fn mark_path(entry: &Entry) -> PathBuf {
    entry.records().join("building")
}

/// Whether the environment's build or removal has begun and not ended.
pub(super) fn is_unfinished(entry: &Entry) -> Result<bool, EnvironmentError> {
    match fs::symlink_metadata(mark_path(entry)) {
        Ok(_) => Ok(true),
        Err(error)
            if matches!(
                error.kind(),
                io::ErrorKind::NotFound | io::ErrorKind::NotADirectory
            ) =>
        {
            Ok(false)
        }
        Err(error) => Err(EnvironmentError::cache("read", mark_path(entry))(error)),
    }
}

/// Sets the mark; it is on the disk when this returns.
pub(super) fn mark_unfinished(entry: &Entry) -> Result<(), EnvironmentError> {
    let path = mark_path(entry);
    File::create(&path)
        .and_then(|file| file.sync_all())
        .and_then(|()| File::open(entry.records())?.sync_all())
        .map_err(EnvironmentError::cache("write", path))
}

/// Takes the mark away.
pub(super) fn clear_mark(entry: &Entry) -> Result<(), EnvironmentError> {
    match fs::remove_file(mark_path(entry)) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => {
            Err(EnvironmentError::cache("remove", mark_path(entry))(error))
        }
        _ => Ok(()),
    }
}
