//! Runs of a file store.

use std::collections::HashSet;
use std::fs;
use std::path::{Path, PathBuf};

use super::error::FileStoreError;
use super::meta::{ACTIVE, ARTIFACTS, DELETED, MAX_ID_LENGTH, META_FILE, METRICS, PARAMS, RunMeta, TAGS};
use super::unfinished::{Unfinished, remove_leftovers};
use super::write::{create_directory, create_parents, replace, write_unseen};
use super::{Files, is_id};
use crate::entities::{ExperimentId, RunId, RunInfo, RunStatus, tag};
use crate::tracking::artifact_uri::append_to_uri_path;
use crate::tracking::limits;
use crate::tracking::run_name::random_run_name;
use crate::tracking::{NewRun, RunEnd, TrackingError};

impl Files {
    pub(super) fn create_run(&self, new_run: NewRun) -> Result<RunInfo, TrackingError> {
        let experiment = self.active_experiment(&new_run.experiment_id)?;
        let warn = &mut |warning: String| tracing::warn!("{warning}");
        let params = limits::fit_params(new_run.params, self.long_values, warn)
            .map_err(|error| self.refused("a parameter", error))?;
        let mut tags = limits::fit_tags(new_run.tags, self.long_values, warn)
            .map_err(|error| self.refused("a tag", error))?;
        for (what, pairs) in [("parameter", &params), ("tag", &tags)] {
            if let Some((key, other)) = file_in_the_way(pairs) {
                let reason = format!("it is kept as a file, and so is '{other}', which would lie under it");
                return Err(self.refused(&format!("the {what} '{key}'"), reason));
            }
        }
        let run_name = new_run
            .name
            .filter(|name| !name.is_empty())
            .unwrap_or_else(random_run_name);
        tags.push((tag::RUN_NAME.to_owned(), run_name.clone()));
        let run_id = RunId::random();
        let meta = RunMeta {
            run_id: run_id.as_str().to_owned(),
            experiment_id: experiment.experiment_id,
            run_name: Some(run_name),
            artifact_uri: append_to_uri_path(&experiment.artifact_location, &[run_id.as_str(), ARTIFACTS]),
            user_id: new_run.user,
            status: RunStatus::Running,
            lifecycle_stage: ACTIVE.to_owned(),
            start_time: Some(new_run.start_time.0),
            end_time: None,
        };
        let experiment = self.root.join(&meta.experiment_id);
        let directory = experiment.join(run_id.as_str());
        remove_leftovers(&self.root, &experiment);
        let _unfinished = Unfinished::begin(&self.root, &meta.experiment_id, run_id.as_str())
            .map_err(|error| self.unwritable(error))?;
        if let Err(error) = write_run(&directory, &meta, &params, &tags) {
            // What is left without a meta.yaml is no run, but would lie around.
            let _ = fs::remove_dir_all(&directory);
            return Err(self.unwritable(error));
        }
        Ok(info_of(meta, &directory))
    }

    pub(super) fn run(&self, run_id: &RunId) -> Result<RunInfo, TrackingError> {
        let (directory, meta) = self.active_run(run_id)?;
        Ok(info_of(meta, &directory))
    }

    pub(super) fn set_tags(&self, run_id: &RunId, tags: Vec<(String, String)>) -> Result<(), TrackingError> {
        let (directory, mut meta) = self.active_run(run_id)?;
        let warn = &mut |warning: String| tracing::warn!("{warning}");
        let mut tags =
            limits::fit_tags(tags, self.long_values, warn).map_err(|error| self.refused("a tag", error))?;
        // A run always has a name, so an empty one changes nothing.
        tags.retain(|(key, value)| key != tag::RUN_NAME || !value.is_empty());
        for (key, value) in &tags {
            let path = directory.join(TAGS).join(key);
            create_parents(&path).map_err(|error| self.unwritable(error))?;
            replace(&path, &directory, value.as_bytes()).map_err(|error| self.unwritable(error))?;
            if key == tag::RUN_NAME {
                meta.run_name = Some(value.clone());
                self.write_meta(&directory, &meta)?;
            }
        }
        Ok(())
    }

    pub(super) fn end_run(&self, run_id: &RunId, end: RunEnd) -> Result<RunStatus, TrackingError> {
        let (directory, mut meta) = self.active_run(run_id)?;
        if end.keep_failure && matches!(meta.status, RunStatus::Failed | RunStatus::Killed) {
            return Ok(meta.status);
        }
        meta.status = end.status;
        meta.end_time = Some(end.end_time.0);
        self.write_meta(&directory, &meta)?;
        Ok(end.status)
    }

    fn write_meta(&self, directory: &Path, meta: &RunMeta) -> Result<(), TrackingError> {
        replace(&directory.join(META_FILE), directory, &meta.to_yaml())
            .map_err(|error| self.unwritable(error))
    }

    fn active_run(&self, run_id: &RunId) -> Result<(PathBuf, RunMeta), TrackingError> {
        let (directory, meta) = self.find_run(run_id)?;
        if meta.lifecycle_stage == DELETED {
            return Err(self.deleted("run", run_id.as_str()));
        }
        Ok((directory, meta))
    }

    /// The run's directory and `meta.yaml`, whatever experiment it belongs to.
    pub(super) fn find_run(&self, run_id: &RunId) -> Result<(PathBuf, RunMeta), TrackingError> {
        let id = run_id.as_str();
        let unreadable = |error| self.unreadable(error);
        if is_id(id, MAX_ID_LENGTH) {
            for experiment in self.all_experiment_directories().map_err(unreadable)? {
                let directory = experiment.join(id);
                if !is_run_directory(&directory) {
                    continue;
                }
                if let Some(meta) = RunMeta::read(&directory).map_err(unreadable)? {
                    check_place(&directory, &experiment, &meta).map_err(unreadable)?;
                    return Ok((directory, meta));
                }
            }
        }
        Err(self.missing("run", id))
    }
}

/// Writes all of a run; its `meta.yaml`, which makes it one, comes last.
fn write_run(
    directory: &Path,
    meta: &RunMeta,
    params: &[(String, String)],
    tags: &[(String, String)],
) -> Result<(), FileStoreError> {
    create_directory(directory)?;
    for name in [METRICS, PARAMS, ARTIFACTS, TAGS] {
        create_directory(&directory.join(name))?;
    }
    for (name, pairs) in [(PARAMS, params), (TAGS, tags)] {
        for (key, value) in pairs {
            write_unseen(&directory.join(name).join(key), value)?;
        }
    }
    replace(&directory.join(META_FILE), directory, &meta.to_yaml())
}

/// A key that others lie under when keys are paths: `a` beside `a/b`.
fn file_in_the_way(pairs: &[(String, String)]) -> Option<(&str, &str)> {
    let keys: HashSet<&str> = pairs.iter().map(|(key, _)| key.as_str()).collect();
    pairs.iter().find_map(|(key, _)| {
        let mut above = key.match_indices('/').map(|(end, _)| &key[..end]);
        let file = above.find(|prefix| keys.contains(prefix))?;
        Some((file, key.as_str()))
    })
}

/// Whether this looks like a run and not like something among a run's artifacts that bears the name.
pub(super) fn is_run_directory(directory: &Path) -> bool {
    [METRICS, PARAMS, ARTIFACTS]
        .iter()
        .all(|name| directory.join(name).is_dir())
}

/// A `meta.yaml` that names another run or experiment than the directory is not trusted.
pub(super) fn check_place(directory: &Path, experiment: &Path, meta: &RunMeta) -> Result<(), FileStoreError> {
    let is = |path: &Path, name: &str| path.file_name().is_some_and(|found| found == name);
    if is(directory, &meta.run_id) && is(experiment, &meta.experiment_id) {
        return Ok(());
    }
    Err(FileStoreError::Meta {
        path: directory.join(META_FILE),
        reason: format!(
            "is of another run, '{}' of experiment '{}'",
            meta.run_id, meta.experiment_id
        ),
    })
}

pub(super) fn info_of(meta: RunMeta, directory: &Path) -> RunInfo {
    // Versions before MLflow 2 keep the name among the tags alone.
    let run_name = meta
        .run_name
        .filter(|name| !name.is_empty())
        .or_else(|| fs::read_to_string(directory.join(TAGS).join(tag::RUN_NAME)).ok())
        .unwrap_or_default();
    RunInfo {
        run_id: RunId::new(meta.run_id),
        experiment_id: ExperimentId::new(meta.experiment_id),
        run_name,
        artifact_uri: meta.artifact_uri,
        status: meta.status,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_that_others_lie_under_is_found() {
        for (keys, expected) in [
            (&["a", "b"][..], None),
            (&["a", "ab/c"], None),
            (&["a/b", "a"], Some(("a", "a/b"))),
            (&["a/b", "a/b/c/d"], Some(("a/b", "a/b/c/d"))),
            (&["a/b", "a/c"], None),
        ] {
            let pairs: Vec<(String, String)> = keys
                .iter()
                .map(|key| ((*key).to_owned(), String::new()))
                .collect();
            assert_eq!(file_in_the_way(&pairs), expected, "{keys:?}");
        }
    }
}
