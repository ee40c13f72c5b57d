//! Runs in a file store.

use std::cmp::Reverse;
use std::collections::HashSet;
use std::fs;
use std::io::ErrorKind;
use std::path::{Path, PathBuf};

use super::io::{FileStoreError, create_directory, create_parents, list, replace, write_unseen};
use super::meta::{ARTIFACTS, MAX_ID_LENGTH, META_FILE, METRICS, PARAMS, RunMeta, TAGS};
use super::unfinished::{self, remove_leftovers};
use super::{Files, is_id};
use crate::entities::{
    ExperimentId, LifecycleStage, Metric, RunData, RunId, RunInfo, RunStatus, UnixMillis, tag,
};
use crate::tracking::artifact_uri::append_to_uri_path;
use crate::tracking::limits::Entity;
use crate::tracking::store::{StoreRules as _, in_order, last_metrics};
use crate::tracking::{FinishedRuns, NewRun, RunEnd, TrackingError};

impl Files {
    pub(super) fn create_run(&self, new_run: NewRun) -> Result<RunInfo, TrackingError> {
        let experiment = self.active_experiment(&new_run.experiment_id)?;
        let run_name = new_run.name_or_random();
        let params = self.fit(Entity::Param, new_run.params)?;
        let mut tags = self.fit(Entity::Tag, new_run.tags)?;
        for (entity, pairs) in [(Entity::Param, &params), (Entity::Tag, &tags)] {
            if let Some((key, other)) = file_in_the_way(pairs) {
                let reason = format!("the key '{other}' needs a directory of that name in the file store");
                return Err(self.refused(format!("the {entity} '{key}'"), reason));
            }
        }
        tags.push((tag::RUN_NAME.to_owned(), run_name.clone()));
        let run_id = RunId::random();
        let meta = RunMeta {
            run_id: run_id.as_str().to_owned(),
            experiment_id: experiment.experiment_id,
            run_name: Some(run_name),
            artifact_uri: append_to_uri_path(&experiment.artifact_location, &[run_id.as_str(), ARTIFACTS]),
            user_id: new_run.user,
            status: RunStatus::Running,
            lifecycle_stage: LifecycleStage::Active,
            start_time: Some(new_run.start_time.0),
            end_time: None,
        };
        let experiment = self.root.join(&meta.experiment_id);
        let directory = experiment.join(run_id.as_str());
        remove_leftovers(&self.root, &experiment);
        let _unfinished = unfinished::begin(&self.root, &meta.experiment_id, run_id.as_str())
            .map_err(|error| self.unwritable(error))?;
        if let Err(error) = write_run(&directory, &meta, &params, &tags) {
            // Without a meta.yaml the directory is not a run, only a leftover.
            let _ = fs::remove_dir_all(&directory);
            return Err(self.unwritable(error));
        }
        Ok(info_of(meta, &directory))
    }

    pub(super) fn run(&self, run_id: &RunId) -> Result<RunInfo, TrackingError> {
        let (directory, meta) = self.active_run(run_id)?;
        Ok(info_of(meta, &directory))
    }

    pub(super) fn run_data(&self, run_id: &RunId) -> Result<RunData, TrackingError> {
        let (directory, meta) = self.find_run(run_id)?;
        data_of(meta, &directory).map_err(|error| self.unreadable(error))
    }

    pub(super) fn metrics(&self, run_id: &RunId) -> Result<Vec<Metric>, TrackingError> {
        let (directory, _) = self.find_run(run_id)?;
        let histories = values_below(&directory.join(METRICS)).map_err(|error| self.unreadable(error))?;
        let values = histories.into_iter();
        Ok(last_metrics(values.filter_map(|(name, history)| {
            Some((name, last_value(&history)?))
        })))
    }

    /// Tags are compared before `meta.yaml`, because one small file rules out most runs.
    pub(super) fn finished_runs(&self, wanted: &FinishedRuns) -> Result<Vec<RunData>, TrackingError> {
        let tags = self.fit_wanted_tags(wanted)?;
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

    pub(super) fn set_tags(&self, run_id: &RunId, tags: &[(String, String)]) -> Result<(), TrackingError> {
        let (directory, mut meta) = self.active_run(run_id)?;
        let tags = self.fit_new_tags(tags)?;
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
        if end.keeps(meta.status) {
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
        match meta.lifecycle_stage {
            LifecycleStage::Active => Ok((directory, meta)),
            LifecycleStage::Deleted => Err(self.deleted("run", run_id)),
        }
    }

    /// The run's directory and `meta.yaml`, in any experiment.
    fn find_run(&self, run_id: &RunId) -> Result<(PathBuf, RunMeta), TrackingError> {
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
        Err(self.not_found("run", id))
    }
}

/// Writes a run's files. Its `meta.yaml`, with which it exists, is written last.
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

/// A key that would also be the directory of another key: `a` beside `a/b`.
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
            "belongs to another run, '{}' of experiment '{}'",
            meta.run_id, meta.experiment_id
        ),
    })
}

fn info_of(meta: RunMeta, directory: &Path) -> RunInfo {
    // Versions before MLflow 2 keep the name only as a tag.
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

/// The finished runs with these tags, newest first.
fn finished(experiment: &Path, tags: &[(String, String)]) -> Result<Vec<(RunMeta, PathBuf)>, FileStoreError> {
    let mut found = Vec::new();
    for entry in list(experiment)? {
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
        // Skip invalid runs; the others are still usable.
        let meta = match RunMeta::read(&directory) {
            Ok(Some(meta)) if check_place(&directory, experiment, &meta).is_ok() => meta,
            Ok(_) => continue,
            Err(error) => {
                tracing::warn!("skipping a run: {error}");
                continue;
            }
        };
        if meta.lifecycle_stage == LifecycleStage::Active && meta.status == RunStatus::Finished {
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

pub(super) fn data_of(meta: RunMeta, directory: &Path) -> Result<RunData, FileStoreError> {
    Ok(in_order(RunData {
        user: meta.user_id.clone(),
        start_time: meta.start_time.map(UnixMillis),
        end_time: meta.end_time.map(UnixMillis),
        lifecycle_stage: meta.lifecycle_stage,
        tags: values_below(&directory.join(TAGS))?,
        params: values_below(&directory.join(PARAMS))?,
        info: info_of(meta, directory),
    }))
}

/// The value of the last step in a metric's file, whose lines are `TIMESTAMP VALUE STEP`; early versions of MLflow
/// write no step.
fn last_value(history: &str) -> Option<f64> {
    let points = history.lines().filter_map(|line| {
        let mut words = line.split_whitespace();
        let time: i64 = words.next()?.parse().ok()?;
        let value: f64 = words.next()?.parse().ok()?;
        let step: i64 = words.next().map_or(Some(0), |step| step.parse().ok())?;
        Some((step, time, value))
    });
    // Of equal ones the last line counts.
    points
        .max_by_key(|(step, time, _)| (*step, *time))
        .map(|(_, _, value)| value)
}

/// The files below a directory as keys and values. Slashes in keys are directories.
fn values_below(root: &Path) -> Result<Vec<(String, String)>, FileStoreError> {
    let mut values = Vec::new();
    let mut open = vec![(root.to_owned(), String::new())];
    while let Some((directory, prefix)) = open.pop() {
        // Old versions omit empty directories.
        for entry in list(&directory)? {
            let path = entry.path();
            let key = format!("{prefix}{}", entry.file_name().to_string_lossy());
            if path.is_dir() {
                open.push((path, format!("{key}/")));
                continue;
            }
            match fs::read(&path) {
                Ok(value) => values.push((key, String::from_utf8_lossy(&value).into_owned())),
                // A tag that has just been removed.
                Err(error) if error.kind() == ErrorKind::NotFound => {}
                Err(error) => return Err(FileStoreError::io("read", &path)(error)),
            }
        }
    }
    Ok(values)
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
