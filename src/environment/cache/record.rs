//! What is remembered about an environment.

use std::fs;
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use super::clock;
use super::entry::Entry;
use crate::run::UnixMillis;

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
    if clock::touch(&path).is_ok() {
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
        .map_err(std::io::Error::from)
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
