//! The operations of tracking stores, and their common rules.

use async_trait::async_trait;

use super::error::{StoreFault, TrackingError};
use super::limits::{self, Entity, LongValues};
use super::model_selector::ModelSelector;
use super::run_name::random_run_name;
use crate::databricks::WorkspaceAccess;
use crate::entities::{
    ExperimentId, LifecycleStage, Metric, RunData, RunId, RunInfo, RunStatus, UnixMillis, tag,
};

/// Selects the experiment for a run.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ExperimentSelector {
    /// The store's default experiment, `0` (`Default`).
    Default,
    /// An existing experiment.
    Id(ExperimentId),
    /// The experiment with this name; created if it does not exist.
    Name(String),
}

/// A run to create.
#[derive(Debug, Clone)]
pub struct NewRun {
    /// The experiment that the run belongs to.
    pub experiment_id: ExperimentId,
    /// The user who starts the run.
    pub user: String,
    /// The display name; `None` means a random one.
    pub name: Option<String>,
    /// The start time.
    pub start_time: UnixMillis,
    /// Tags in the order of setting them, with unique keys, without the run's name.
    pub tags: Vec<(String, String)>,
    /// Parameters to log, with unique keys.
    pub params: Vec<(String, String)>,
}

impl NewRun {
    /// The requested name, or a random one.
    pub(super) fn name_or_random(&self) -> String {
        let name = self.name.clone().filter(|name| !name.is_empty());
        name.unwrap_or_else(random_run_name)
    }
}

/// The end of a run.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct RunEnd {
    /// The status to record.
    pub status: RunStatus,
    /// The end time.
    pub end_time: UnixMillis,
    /// Keep `FAILED` or `KILLED` if the entry point has already recorded it.
    pub keep_failure: bool,
}

impl RunEnd {
    /// Whether a run with this status keeps it.
    pub(super) fn keeps(self, status: RunStatus) -> bool {
        self.keep_failure && matches!(status, RunStatus::Failed | RunStatus::Killed)
    }
}

/// A query for the `FINISHED` runs of an experiment that are not deleted and have all of these tags.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FinishedRuns {
    /// The experiment. A missing one has no runs.
    pub experiment_id: ExperimentId,
    /// Tags with their values, with unique keys. Values are compared byte for byte, as [`TrackingStore::set_tags`]
    /// would store them.
    pub tags: Vec<(String, String)>,
    /// The most runs to return.
    pub limit: usize,
}

/// A store of runs. Every call is atomic: it succeeds completely or changes nothing.
#[async_trait]
pub trait TrackingStore: Send + Sync {
    /// Finds the experiment, or creates it if it is selected by name. A deleted one is an error.
    async fn experiment(&self, selector: &ExperimentSelector) -> Result<ExperimentId, TrackingError>;

    /// Finds the experiment without creating it. `None` if it would be created.
    async fn look_for_experiment(
        &self,
        selector: &ExperimentSelector,
    ) -> Result<Option<ExperimentId>, TrackingError>;

    /// The path or URI of an experiment's artifacts, below which every run has a directory.
    async fn artifact_location(&self, experiment_id: &ExperimentId) -> Result<String, TrackingError>;

    /// Creates a `RUNNING` run with its tags and parameters. If a store needs several steps and one fails, it marks
    /// the run as `FAILED` before it returns an error.
    ///
    /// # Errors
    /// [`TrackingError::HalfCreated`] if the run exists, but the store refused its tags or parameters.
    async fn create_run(&self, new_run: NewRun) -> Result<RunInfo, TrackingError>;

    /// Whether the response to a creation may be lost, so that the run is then found by its tags. One of the tags
    /// must be unique to the run.
    fn loses_answers(&self) -> bool {
        false
    }

    /// Reads a run's info.
    async fn run(&self, run_id: &RunId) -> Result<RunInfo, TrackingError>;

    /// Reads a run without its metrics. Like MLflow's clients, this also reads deleted runs.
    async fn run_data(&self, run_id: &RunId) -> Result<RunData, TrackingError>;

    /// The last value of each of a run's metrics, in the order of their names.
    async fn metrics(&self, run_id: &RunId) -> Result<Vec<Metric>, TrackingError>;

    /// Finds finished runs, newest first.
    async fn finished_runs(&self, wanted: &FinishedRuns) -> Result<Vec<RunData>, TrackingError>;

    /// The newest runs of all experiments, the newest first; deleted ones are left out.
    async fn newest_runs(&self, limit: usize) -> Result<Vec<RunData>, TrackingError>;

    /// The ids and names of the newest experiments; deleted ones are left out.
    async fn newest_experiments(&self, limit: usize) -> Result<Vec<(ExperimentId, String)>, TrackingError>;

    /// Sets or replaces tags of a run. [`RUN_NAME`](crate::entities::tag::RUN_NAME) also renames the run if the store
    /// keeps names separately.
    async fn set_tags(&self, run_id: &RunId, tags: &[(String, String)]) -> Result<(), TrackingError>;

    /// Records the end of a run and returns the recorded status: the entry point's if [`RunEnd::keep_failure`] kept
    /// it, or `FAILED` if the store does not support `KILLED`.
    async fn end_run(&self, run_id: &RunId, end: RunEnd) -> Result<RunStatus, TrackingError>;

    /// The location of a model's artifacts: an artifact URI, or another `models:` URI.
    async fn model_location(&self, selector: &ModelSelector) -> Result<String, TrackingError>;

    /// The store's version, in words: the revision of a database's schema, the release of a server. `None` where it
    /// has none, or keeps it to itself.
    async fn version(&self) -> Result<Option<String>, TrackingError> {
        Ok(None)
    }

    /// The Databricks workspace of the store, for another process.
    async fn workspace_access(&self) -> Result<Option<WorkspaceAccess>, TrackingError> {
        Ok(None)
    }

    /// The address of the run's web page, if the store has one.
    fn run_url(&self, _info: &RunInfo) -> Option<String> {
        None
    }

    /// The address of the experiment's web page, if the store has one.
    fn experiment_url(&self, _experiment_id: &ExperimentId) -> Option<String> {
        None
    }
}

/// The common rules of all stores: errors that name the store, and the limits of keys and values.
pub(super) trait StoreRules {
    type Fault: StoreFault;

    /// The store's URI without credentials.
    fn shown(&self) -> String;

    fn long_values(&self) -> LongValues;

    fn not_found(&self, what: &'static str, id: impl ToString) -> TrackingError {
        TrackingError::NotFound {
            what,
            id: id.to_string(),
            store: self.shown(),
        }
    }

    fn deleted(&self, what: &'static str, id: impl ToString) -> TrackingError {
        TrackingError::Deleted {
            what,
            id: id.to_string(),
            store: self.shown(),
        }
    }

    fn refused(&self, what: impl Into<String>, reason: impl ToString) -> TrackingError {
        TrackingError::Refused {
            what: what.into(),
            reason: reason.to_string(),
            store: self.shown(),
        }
    }

    fn unusable(&self, action: &'static str, fault: Self::Fault) -> TrackingError {
        TrackingError::unusable(action, self.shown(), fault)
    }

    fn unreadable(&self, fault: Self::Fault) -> TrackingError {
        self.unusable("read", fault)
    }

    fn unwritable(&self, fault: Self::Fault) -> TrackingError {
        self.unusable("write to", fault)
    }

    /// The run's info; a deleted run is an error.
    fn active(&self, run: RunData) -> Result<RunInfo, TrackingError> {
        match run.lifecycle_stage {
            LifecycleStage::Active => Ok(run.info),
            LifecycleStage::Deleted => Err(self.deleted("run", run.info.run_id)),
        }
    }

    fn check_experiment_name(&self, name: &str) -> Result<(), TrackingError> {
        limits::check_experiment_name(name)
            .map_err(|error| self.refused(format!("the experiment name '{name}'"), error))
    }

    /// Checks parameters or tags, and truncates long values with a warning.
    fn fit(
        &self,
        entity: Entity,
        pairs: Vec<(String, String)>,
    ) -> Result<Vec<(String, String)>, TrackingError> {
        limits::fit(entity, pairs, self.long_values(), &mut warn)
            .map_err(|error| self.refused(format!("a {entity}"), error))
    }

    /// Checks tags to set. A run always has a name, so an empty one is dropped.
    fn fit_new_tags(&self, tags: &[(String, String)]) -> Result<Vec<(String, String)>, TrackingError> {
        let mut tags = self.fit(Entity::Tag, tags.to_vec())?;
        tags.retain(|(key, value)| key != tag::RUN_NAME || !value.is_empty());
        Ok(tags)
    }

    /// The wanted tags as the store would record them.
    fn fit_wanted_tags(&self, wanted: &FinishedRuns) -> Result<Vec<(String, String)>, TrackingError> {
        limits::fit(Entity::Tag, wanted.tags.clone(), self.long_values(), &mut drop)
            .map_err(|error| self.refused("a tag", error))
    }
}

/// Logs a warning about a truncated value.
pub(super) fn warn(warning: String) {
    tracing::warn!("{warning}");
}

/// The number of runs to read at once.
pub(super) const PAGE: usize = 100;

/// Whether a run has all of these tags.
pub(super) fn has_tags(run: &RunData, tags: &[(String, String)]) -> bool {
    tags.iter().all(|(key, value)| run.tag(key) == Some(value))
}

/// The metrics in the order of their names. Databases hold the largest number for infinity.
pub(super) fn last_metrics(values: impl IntoIterator<Item = (String, f64)>) -> Vec<Metric> {
    let whole = |value: f64| {
        if value.abs() == f64::MAX {
            f64::INFINITY.copysign(value)
        } else {
            value
        }
    };
    let mut metrics: Vec<Metric> = values
        .into_iter()
        .map(|(name, value)| Metric {
            name,
            value: whole(value),
        })
        .collect();
    metrics.sort_by(|one, other| one.name.cmp(&other.name));
    metrics
}

/// Sorts the tags and parameters by key, and adds the name, which early versions of MLflow keep only as a tag.
pub(super) fn in_order(mut run: RunData) -> RunData {
    run.tags.sort();
    run.params.sort();
    if run.info.run_name.is_empty() {
        run.info.run_name = run.tag(tag::RUN_NAME).unwrap_or_default().to_owned();
    }
    run
}
