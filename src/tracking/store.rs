//! What every tracking store can do.

use async_trait::async_trait;

use super::error::TrackingError;
use super::models::ModelSelector;
use super::search::FinishedRuns;
use crate::databricks::WorkspaceAccess;
use crate::entities::{ExperimentId, RunData, RunId, RunInfo, RunStatus, UnixMillis};

/// Which experiment a run shall belong to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ExperimentSelector {
    /// The store's default experiment, `0` (`Default`).
    Default,
    /// An existing experiment.
    Id(ExperimentId),
    /// The experiment with this name; made when there is none.
    Name(String),
}

/// A run that shall be created.
#[derive(Debug, Clone)]
pub struct NewRun {
    /// The experiment that the run belongs to.
    pub experiment_id: ExperimentId,
    /// The person who starts the run.
    pub user: String,
    /// The display name; the store makes one up where it is `None`.
    pub name: Option<String>,
    /// When the run began.
    pub start_time: UnixMillis,
    /// Tags in the order of their setting; every key once. Does not hold the run's name.
    pub tags: Vec<(String, String)>,
    /// Parameters to log; every key once.
    pub params: Vec<(String, String)>,
}

/// How a run ended, and whether a verdict of the entry point itself is to be respected.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct RunEnd {
    /// The status to record.
    pub status: RunStatus,
    /// When the run ended.
    pub end_time: UnixMillis,
    /// Keep `FAILED` or `KILLED` where the entry point has already ended its run so.
    pub keep_failure: bool,
}

/// A place where runs are recorded. Every call is one whole step: it happens wholly or not at all.
#[async_trait]
pub trait TrackingStore: Send + Sync {
    /// Finds the experiment, and makes it where it is selected by a name that does not exist.
    ///
    /// # Errors
    /// A selected id that does not exist, a deleted experiment, or a store that cannot be used.
    async fn experiment(&self, selector: &ExperimentSelector) -> Result<ExperimentId, TrackingError>;

    /// Looks whether the experiment is there, and makes none. `None` where it would be made.
    ///
    /// # Errors
    /// As of [`TrackingStore::experiment`].
    async fn look_for_experiment(
        &self,
        selector: &ExperimentSelector,
    ) -> Result<Option<ExperimentId>, TrackingError>;

    /// Where an experiment keeps its artifacts: a path or URI below which every run has a directory.
    ///
    /// # Errors
    /// An experiment that does not exist or is deleted, or a store that cannot be used.
    async fn artifact_location(&self, experiment_id: &ExperimentId) -> Result<String, TrackingError>;

    /// Creates a run with its tags and parameters in state `RUNNING`. A store that cannot do all of
    /// it in one step ends the run as `FAILED` before it returns an error.
    ///
    /// # Errors
    /// [`TrackingError::HalfCreated`] if the run is there, and the store refused what belongs to it.
    async fn create_run(&self, new_run: NewRun) -> Result<RunInfo, TrackingError>;

    /// Whether the answer to a creation may be lost, so that the run is looked for by its tags: one of
    /// them must be of this run alone.
    fn loses_answers(&self) -> bool {
        false
    }

    /// Looks a run up.
    async fn run(&self, run_id: &RunId) -> Result<RunInfo, TrackingError>;

    /// Reads all of a run but its metrics. A deleted one too, as MLflow's own clients do.
    async fn run_data(&self, run_id: &RunId) -> Result<RunData, TrackingError>;

    /// Looks for runs that ended well; the newest come first.
    async fn finished_runs(&self, wanted: &FinishedRuns) -> Result<Vec<RunData>, TrackingError>;

    /// Sets tags on a run; a tag that is there already gets the new value. A value for
    /// [`RUN_NAME`](crate::entities::tag::RUN_NAME) renames the run, where the store keeps names apart
    /// from tags too.
    async fn set_tags(&self, run_id: &RunId, tags: &[(String, String)]) -> Result<(), TrackingError>;

    /// Records the end of a run and returns the status that the store holds now: the entry point's
    /// own where [`RunEnd::keep_failure`] kept it, `FAILED` where the store cannot take `KILLED`.
    async fn end_run(&self, run_id: &RunId, end: RunEnd) -> Result<RunStatus, TrackingError>;

    /// Where a model's artifacts are: an artifact URI, or a `models:` URI that leads on.
    async fn model_location(&self, selector: &ModelSelector) -> Result<String, TrackingError>;

    /// The Databricks workspace that the store is in, for a process that is to reach it too.
    ///
    /// # Errors
    /// Credentials for it cannot be got.
    async fn workspace_access(&self) -> Result<Option<WorkspaceAccess>, TrackingError> {
        Ok(None)
    }

    /// The address of the run's page for a person, where the store serves one.
    fn run_url(&self, _info: &RunInfo) -> Option<String> {
        None
    }

    /// The address of the experiment's page for a person, where the store serves one.
    fn experiment_url(&self, _experiment_id: &ExperimentId) -> Option<String> {
        None
    }
}
