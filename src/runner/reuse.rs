//! Skipping a run because an earlier one has done the work.

use std::collections::{HashMap, HashSet};
use std::fs;
use std::path::Path;
use std::sync::Arc;

use openssl::sha::sha256;

use super::{RunError, RunPlan};
use crate::entities::{ExperimentId, RunData, RunInfo, UnixMillis, tag};
use crate::events::Progress;
use crate::fetch::TreeState;
use crate::project::{Parameter, ParameterType, ParameterValue};
use crate::tracking::{FinishedRuns, TrackingError, TrackingStore};

/// How many runs of the same entry point and commit are looked at, newest first.
const MOST_CANDIDATES: usize = 10_000;

/// A finished run that has done what a plan would do.
#[derive(Clone)]
pub(crate) struct ReusableRun {
    pub info: RunInfo,
    pub(super) store: Arc<dyn TrackingStore>,
}

impl RunPlan {
    /// Looks for a finished run of the experiment that has done what this plan would do: of the same
    /// project, commit, entry point, values, environment manager and backend, both of it and of this plan
    /// with no file that is not of the commit. Local files that `path` and `uri` parameters name must not
    /// have changed since it began.
    ///
    /// # Errors
    /// The store cannot be used, or has no such experiment.
    pub(super) async fn reusable_run(
        &mut self,
        progress: &dyn Progress,
    ) -> Result<Option<ReusableRun>, RunError> {
        if let Some(reason) = self.reason_against_reuse().await {
            progress.warning(&format!("not reusing a run: {reason}"));
            return Ok(None);
        }
        let store = self.store().await?;
        let experiment_id = store.experiment(&self.experiment).await?;
        let found = self
            .find_same_run(store.as_ref(), experiment_id, progress)
            .await?;
        if found.is_none() {
            progress.info("No finished run of the experiment matches");
        }
        Ok(found.map(|run| ReusableRun {
            info: run.info,
            store,
        }))
    }

    /// Why no run can be known to have done what this plan would do.
    pub(super) async fn reason_against_reuse(&mut self) -> Option<String> {
        if self.work_dir.source().commit.is_none() {
            return Some(
                "the project is not at a Git commit, so nothing shows whether it has changed".to_owned(),
            );
        }
        match self.tree.state().await {
            TreeState::Clean => None,
            TreeState::Changed { path } => Some(format!("'{path}' has uncommitted changes")),
            TreeState::Untracked { path } => Some(format!(
                "'{path}' is not committed; commit it, or add it to .gitignore"
            )),
            TreeState::Unknown => Some("Git does not say whether the files match the commit".to_owned()),
        }
    }

    /// The newest finished run of the experiment that has done what this plan would do. The store is only
    /// read.
    pub(super) async fn find_same_run(
        &self,
        store: &dyn TrackingStore,
        experiment_id: ExperimentId,
        progress: &dyn Progress,
    ) -> Result<Option<RunData>, TrackingError> {
        let source = self.work_dir.source();
        let mut tags = vec![
            (tag::SOURCE_NAME.to_owned(), source.name.clone()),
            (tag::SOURCE_TYPE.to_owned(), "PROJECT".to_owned()),
            (tag::PROJECT_ENTRY_POINT.to_owned(), self.entry_point.name.clone()),
            (tag::PROJECT_BACKEND.to_owned(), self.backend.name().to_owned()),
        ];
        let commit = source.commit.clone();
        tags.extend(commit.map(|commit| (tag::GIT_COMMIT.to_owned(), commit)));
        let environment = self.environment.project_env_tag();
        tags.extend(environment.map(|value| (tag::PROJECT_ENV.to_owned(), value.to_owned())));
        tags.extend(self.values_tag());
        let wanted = FinishedRuns {
            experiment_id,
            tags,
            limit: MOST_CANDIDATES,
        };
        let same = store.finished_runs(&wanted).await?.into_iter();
        Ok(same
            .filter(|run| self.is_same(run))
            .find(|run| self.data_is_as_it_was(run, progress)))
    }

    /// Whether a run with the same tags had the same values in the same state of the project.
    fn is_same(&self, run: &RunData) -> bool {
        let environment = self.environment.project_env_tag();
        let is_clean = match run.tag(tag::GIT_DIRTY) {
            Some(dirty) => dirty == "false",
            None => run.tag(tag::PROJECT_PROCESS).is_some(),
        };
        let params: HashMap<&str, &str> = run
            .params
            .iter()
            .map(|(name, value)| (name.as_str(), value.as_str()))
            .collect();
        is_clean
            && run.tag(tag::PROJECT_ENV) == environment
            && run.tag(tag::PROJECT_VALUES) == self.values_tag().as_ref().map(|(_, value)| value.as_str())
            && self
                .params_to_log
                .iter()
                .all(|(name, value)| params.get(name.as_str()) == Some(&value.as_str()))
    }

    /// Whether the files that the values name are not newer than the run.
    fn data_is_as_it_was(&self, run: &RunData, progress: &dyn Progress) -> bool {
        let Some(begun) = run.start_time else { return false };
        let is_place = |declared: &&Parameter| {
            matches!(declared.parameter_type, ParameterType::Path | ParameterType::Uri)
        };
        let declared = self.entry_point.parameters.iter().filter(is_place);
        let places: HashSet<&str> = declared.map(|parameter| parameter.name.as_str()).collect();
        let changed = self.parameters.declared.iter().find(|parameter| {
            let names_a_place = places.contains(parameter.name.as_str());
            let ParameterValue::Text(value) = &parameter.value else {
                return false;
            };
            let path = value.strip_prefix("file://").unwrap_or(value);
            names_a_place && path.starts_with('/') && is_newer(Path::new(path), begun)
        });
        if let Some(parameter) = changed {
            progress.info(&format!(
                "Not reusing run '{}': the data of the parameter '{}' has changed since",
                run.info.run_id, parameter.name
            ));
        }
        changed.is_none()
    }

    /// The tag that distinguishes the values if the run's parameters do not: some are not declared,
    /// are paths below the directory that mlrun was called in, or are too long for the store.
    pub(super) fn values_tag(&self) -> Option<(String, String)> {
        self.work_dir.source().commit.as_ref()?;
        let declared = self.parameters.declared.iter();
        let values: Vec<(&str, &str)> = declared
            .map(|parameter| (parameter.name.as_str(), parameter.value.text()))
            .collect();
        let are_told = self.parameters.extra.is_empty()
            && values.len() == self.params_to_log.len()
            && values
                .iter()
                .zip(&self.params_to_log)
                .all(|((_, value), (_, logged))| value == logged);
        if are_told {
            return None;
        }
        let text = serde_json::json!([values, self.parameters.extra]).to_string();
        Some((
            tag::PROJECT_VALUES.to_owned(),
            hex::encode(sha256(text.as_bytes())),
        ))
    }
}

/// Whether the file, or anything in the directory, was changed at that time or later.
fn is_newer(path: &Path, time: UnixMillis) -> bool {
    let Ok(metadata) = fs::metadata(path) else {
        return false;
    };
    let changed = metadata
        .modified()
        .ok()
        .and_then(|modified| modified.duration_since(std::time::UNIX_EPOCH).ok())
        .map_or(i64::MAX, |since| {
            i64::try_from(since.as_millis()).unwrap_or(i64::MAX)
        });
    if changed >= time.0 {
        return true;
    }
    // A link to a directory is looked at, but not gone into again below it: it may lead in a circle.
    metadata.is_dir()
        && fs::read_dir(path).is_ok_and(|entries| {
            entries.flatten().any(|entry| {
                let path = entry.path();
                match entry.file_type() {
                    Ok(kind) if kind.is_dir() => is_newer(&path, time),
                    _ => {
                        fs::metadata(&path).is_ok_and(|metadata| !metadata.is_dir() && is_newer(&path, time))
                    }
                }
            })
        })
}
