//! Runs whose creation was interrupted: directories without a `meta.yaml`.
//!
//! While a run is being created, a file in the store's directory records the run and the process. A killed process
//! leaves that file behind, and the next process that creates a run removes the leftovers. MLflow ignores such
//! files.

use std::fs;
use std::path::{Path, PathBuf};
use std::time::Duration;

use serde::{Deserialize, Serialize};
use tempfile::TempPath;

use super::io::{FileStoreError, write_unseen};
use super::is_id;
use super::meta::{ARTIFACTS, MAX_ID_LENGTH, META_FILE, METRICS, PARAMS, TAGS};
use crate::process::{ProcessIdentity, Whereabouts};

/// The prefix of the files' names, before the run's id.
const PREFIX: &str = ".mlrun-creates-";

/// The age from which a directory of an unknown process is a leftover. No client takes that long, and the clocks of
/// machines that share a directory differ less.
const LEFTOVER_AGE: Duration = Duration::from_secs(600);

/// The most entries of an experiment to search for unrecorded leftovers. With more, the search would take longer
/// than creating a run.
const MOST_ENTRIES: usize = 1000;

/// The content of such a file.
#[derive(Debug, Serialize, Deserialize)]
struct Note {
    experiment: String,
    process: ProcessIdentity,
}

/// Marks a run as being created, until the returned path is dropped.
pub(super) fn begin(root: &Path, experiment: &str, run_id: &str) -> Result<Option<TempPath>, FileStoreError> {
    let Some(process) = ProcessIdentity::own() else {
        return Ok(None);
    };
    let path = root.join(format!("{PREFIX}{run_id}"));
    let note = Note {
        experiment: experiment.to_owned(),
        process,
    };
    let text = serde_json::to_string(&note).expect("texts and numbers can be written as JSON");
    write_unseen(&path, &text)?;
    // Only a relative path could fail, and a store's path is absolute.
    Ok(TempPath::try_from_path(path).ok())
}

/// Removes the leftovers of killed processes. Failures are ignored, because they do not prevent creating a run.
pub(super) fn remove_leftovers(root: &Path, experiment: &Path) {
    for note in entries(root).map(|entry| entry.path()) {
        let Some(run_id) = run_of(&note) else {
            continue;
        };
        if let Err(error) = remove_told(root, &note, &run_id) {
            tracing::debug!(%error, "removing the leftovers of a run's creation");
        }
    }
    for directory in untold(experiment) {
        if let Err(error) = fs::remove_dir_all(&directory) {
            tracing::debug!(%error, "removing the leftovers of a run's creation");
        }
    }
}

/// The run in a file's name.
fn run_of(note: &Path) -> Option<String> {
    let run_id = note.file_name()?.to_str()?.strip_prefix(PREFIX)?;
    is_id(run_id, MAX_ID_LENGTH).then(|| run_id.to_owned())
}

fn remove_told(root: &Path, path: &Path, run_id: &str) -> std::io::Result<()> {
    let note: Option<Note> = serde_json::from_slice(&fs::read(path)?).ok();
    let is_left = match note.as_ref().map(|note| note.process.whereabouts()) {
        Some(Whereabouts::Here) => false,
        Some(Whereabouts::Gone) => true,
        // On another machine, or the file is incomplete; the run's directory is created after it.
        Some(Whereabouts::Elsewhere) | None => is_old(path),
    };
    if !is_left {
        return Ok(());
    }
    if let Some(note) = note.filter(|note| is_id(&note.experiment, MAX_ID_LENGTH)) {
        let directory = root.join(note.experiment).join(run_id);
        if directory.is_dir() && !directory.join(META_FILE).exists() {
            fs::remove_dir_all(directory)?;
        }
    }
    fs::remove_file(path)
}

/// The unrecorded directories that look like an incomplete run, contain nothing of value, and are old.
fn untold(experiment: &Path) -> Vec<PathBuf> {
    let names: Vec<PathBuf> = entries(experiment)
        .take(MOST_ENTRIES + 1)
        .map(|entry| entry.path())
        .collect();
    if names.len() > MOST_ENTRIES {
        return Vec::new();
    }
    names.into_iter().filter(|path| is_half_made(path)).collect()
}

fn is_half_made(directory: &Path) -> bool {
    let is_run_id = directory
        .file_name()
        .and_then(|name| name.to_str())
        .is_some_and(|name| name.len() == 32 && name.bytes().all(|byte| byte.is_ascii_hexdigit()));
    let is_part = |path: PathBuf| match path.file_name().and_then(|name| name.to_str()) {
        Some(PARAMS | TAGS) => is_old(&path),
        Some(METRICS | ARTIFACTS) => is_old(&path) && entries(&path).next().is_none(),
        // A staged `meta.yaml`.
        Some(name) => name.starts_with(".mlrun-") && is_old(&path),
        None => false,
    };
    is_run_id
        && !directory.join(META_FILE).exists()
        && directory.is_dir()
        && is_old(directory)
        && entries(directory).all(|entry| is_part(entry.path()))
}

fn is_old(path: &Path) -> bool {
    let changed = fs::symlink_metadata(path).and_then(|metadata| metadata.modified());
    changed.is_ok_and(|changed| changed.elapsed().is_ok_and(|age| age > LEFTOVER_AGE))
}

fn entries(directory: &Path) -> impl Iterator<Item = fs::DirEntry> {
    fs::read_dir(directory).into_iter().flatten().flatten()
}
