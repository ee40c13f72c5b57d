//! Reading whole runs of a file store.

use std::cmp::Reverse;
use std::fs;
use std::io::ErrorKind;
use std::path::{Path, PathBuf};

use super::error::FileStoreError;
use super::meta::{MAX_ID_LENGTH, PARAMS, RunMeta, TAGS};
use super::runs::{check_place, info_of, is_run_directory};
use super::{Files, is_id};
use crate::entities::{LifecycleStage, RunData, RunId, RunStatus, UnixMillis};
use crate::tracking::search::{refused, sorted};
use crate::tracking::{FinishedRuns, TrackingError};

impl Files {
    pub(super) fn run_data(&self, run_id: &RunId) -> Result<RunData, TrackingError> {
        let (directory, meta) = self.find_run(run_id)?;
        data_of(meta, &directory).map_err(|error| self.unreadable(error))
    }

    /// Tags are looked at before `meta.yaml`: most runs are passed over by one small file.
    pub(super) fn finished_runs(&self, wanted: &FinishedRuns) -> Result<Vec<RunData>, TrackingError> {
        let tags = wanted
            .stored_tags(self.long_values)
            .map_err(|error| refused(error, &self.shown()))?;
        let experiment = wanted.experiment_id.as_str();
        if !is_id(experiment, MAX_ID_LENGTH) {
            return Ok(Vec::new());
        }
        let directory = self.root.join(experiment);
        let found = finished(&directory, &tags).map_err(|error| self.unreadable(error))?;
        found
            .into_iter()
            .take(wanted.limit)
            .map(|(meta, directory)| data_of(meta, &directory).map_err(|error| self.unreadable(error)))
            .collect()
    }
}

/// The finished runs with these tags; the newest come first.
fn finished(experiment: &Path, tags: &[(String, String)]) -> Result<Vec<(RunMeta, PathBuf)>, FileStoreError> {
    let mut found = Vec::new();
    let entries = match fs::read_dir(experiment) {
        Ok(entries) => entries,
        Err(error) if error.kind() == ErrorKind::NotFound => return Ok(found),
        Err(error) => return Err(FileStoreError::io("list", experiment)(error)),
    };
    for entry in entries {
        let entry = entry.map_err(FileStoreError::io("list", experiment))?;
        let directory = entry.path();
        let is_run = entry
            .file_name()
            .to_str()
            .is_some_and(|name| is_id(name, MAX_ID_LENGTH))
            && has_tag_files(&directory, tags)
            && is_run_directory(&directory);
        if !is_run {
            continue;
        }
        // A run that cannot be understood is no run to go by; the others are.
        let meta = match RunMeta::read(&directory) {
            Ok(Some(meta)) if check_place(&directory, experiment, &meta).is_ok() => meta,
            Ok(_) => continue,
            Err(error) => {
                tracing::warn!("a run is passed over: {error}");
                continue;
            }
        };
        let is_active = LifecycleStage::from_name(&meta.lifecycle_stage) == LifecycleStage::Active;
        if is_active && meta.status == RunStatus::Finished {
            found.push((meta, directory));
        }
    }
    found.sort_by_cached_key(|(meta, _)| (Reverse(meta.start_time), meta.run_id.clone()));
    Ok(found)
}

fn has_tag_files(run: &Path, tags: &[(String, String)]) -> bool {
    tags.iter()
        .all(|(key, value)| fs::read(run.join(TAGS).join(key)).is_ok_and(|found| found == value.as_bytes()))
}

fn data_of(meta: RunMeta, directory: &Path) -> Result<RunData, FileStoreError> {
    Ok(RunData {
        user: meta.user_id.clone(),
        start_time: meta.start_time.map(UnixMillis),
        end_time: meta.end_time.map(UnixMillis),
        lifecycle_stage: LifecycleStage::from_name(&meta.lifecycle_stage),
        tags: values_below(&directory.join(TAGS))?,
        params: values_below(&directory.join(PARAMS))?,
        info: info_of(meta, directory),
    })
}

/// The files below a directory as keys and values: a key's slashes are directories.
fn values_below(root: &Path) -> Result<Vec<(String, String)>, FileStoreError> {
    let mut values = Vec::new();
    let mut open = vec![(root.to_owned(), String::new())];
    while let Some((directory, prefix)) = open.pop() {
        let entries = match fs::read_dir(&directory) {
            Ok(entries) => entries,
            // Runs of old versions may lack a directory that would be empty.
            Err(error) if error.kind() == ErrorKind::NotFound => continue,
            Err(error) => return Err(FileStoreError::io("list", &directory)(error)),
        };
        for entry in entries {
            let entry = entry.map_err(FileStoreError::io("list", &directory))?;
            let path = entry.path();
            let key = format!("{prefix}{}", entry.file_name().to_string_lossy());
            if path.is_dir() {
                open.push((path, format!("{key}/")));
                continue;
            }
            match fs::read(&path) {
                Ok(value) => values.push((key, String::from_utf8_lossy(&value).into_owned())),
                // A tag that was just taken away.
                Err(error) if error.kind() == ErrorKind::NotFound => {}
                Err(error) => return Err(FileStoreError::io("read", &path)(error)),
            }
        }
    }
    Ok(sorted(values))
}
