//! The newest of what is in a file store.

use std::cmp::Reverse;
use std::fs;
use std::path::{Path, PathBuf};
use std::time::SystemTime;

use super::Files;
use super::io::{FileStoreError, list};
use super::meta::{ExperimentMeta, RunMeta};
use super::runs::{check_place, data_of, is_run_directory};
use crate::entities::{ExperimentId, LifecycleStage, RunData};
use crate::tracking::TrackingError;
use crate::tracking::store::StoreRules as _;

impl Files {
    /// The directories that changed last are those of the newest runs: only their files are read.
    pub(super) fn newest_runs(&self, limit: usize) -> Result<Vec<RunData>, TrackingError> {
        newest_runs(self, limit).map_err(|error| self.unreadable(error))
    }

    pub(super) fn newest_experiments(
        &self,
        limit: usize,
    ) -> Result<Vec<(ExperimentId, String)>, TrackingError> {
        let directories = self.active_experiment_directories();
        let directories = newest_first(directories.map_err(|error| self.unreadable(error))?);
        let experiment = |directory: PathBuf| {
            let meta = ExperimentMeta::read(&directory).ok()??;
            let is_active = meta.lifecycle_stage == LifecycleStage::Active;
            is_active.then(|| (ExperimentId::new(meta.experiment_id), meta.name))
        };
        Ok(directories
            .into_iter()
            .filter_map(experiment)
            .take(limit)
            .collect())
    }
}

fn newest_runs(files: &Files, limit: usize) -> Result<Vec<RunData>, FileStoreError> {
    let mut directories = Vec::new();
    for experiment in files.active_experiment_directories()? {
        let entries = list(&experiment)?.into_iter().map(|entry| entry.path());
        directories.extend(entries.filter(|directory| is_run_directory(directory)));
    }
    let mut found: Vec<RunData> = newest_first(directories)
        .into_iter()
        .filter_map(|directory| run(&directory))
        .take(limit)
        .collect();
    found.sort_by_key(|run| Reverse(run.start_time.map(|time| time.0)));
    Ok(found)
}

/// The run in a directory, if it is one that can be understood and is not deleted.
fn run(directory: &Path) -> Option<RunData> {
    let meta = RunMeta::read(directory).ok()??;
    let is_in_place = check_place(directory, directory.parent()?, &meta).is_ok();
    if !is_in_place || meta.lifecycle_stage != LifecycleStage::Active {
        return None;
    }
    data_of(meta, directory).ok()
}

fn newest_first(mut directories: Vec<PathBuf>) -> Vec<PathBuf> {
    let changed = |directory: &PathBuf| {
        let metadata = fs::metadata(directory).and_then(|metadata| metadata.modified());
        Reverse(metadata.unwrap_or(SystemTime::UNIX_EPOCH))
    };
    directories.sort_by_cached_key(changed);
    directories
}
