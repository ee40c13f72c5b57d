//! What every tracking store can do, and what all kinds of them share.

use async_trait::async_trait;

use super::error::{StoreFault, TrackingError};
use super::limits::{self, Entity, LongValues};
use super::model_selector::ModelSelector;
use super::run_name::random_run_name;
use crate::databricks::WorkspaceAccess;
use crate::entities::{ExperimentId, LifecycleStage, RunData, RunId, RunInfo, RunStatus, UnixMillis, tag};

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

impl NewRun {
    /// The requested name, or a made-up one.
    pub(super) fn name_or_random(&self) -> String {
        let name = self.name.clone().filter(|name| !name.is_empty());
        name.unwrap_or_else(random_run_name)
    }
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

impl RunEnd {
    /// Whether a run that has this status keeps it.
    pub(super) fn keeps(self, status: RunStatus) -> bool {
        self.keep_failure && matches!(status, RunStatus::Failed | RunStatus::Killed)
    }
}

/// Which runs to look for: those of an experiment that are `FINISHED`, not deleted, and have all of
/// these tags.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FinishedRuns {
    /// The experiment. One that does not exist has no runs.
    pub experiment_id: ExperimentId,
    /// Tags with their values; every key once. Values are compared as [`TrackingStore::set_tags`]
    /// would store them, to the byte.
    pub tags: Vec<(String, String)>,
    /// How many runs to return at most.
    pub limit: usize,
}

/// A place where runs are recorded. Every call is one whole step: it happens wholly or not at all.
#[async_trait]
pub trait TrackingStore: Send + Sync {
    /// Finds the experiment, and makes it where it is selected by a name that does not exist. One that is deleted
    /// is an error.
    async fn experiment(&self, selector: &ExperimentSelector) -> Result<ExperimentId, TrackingError>;

    /// Looks whether the experiment is there, and makes none. `None` where it would be made.
    async fn look_for_experiment(
        &self,
        selector: &ExperimentSelector,
    ) -> Result<Option<ExperimentId>, TrackingError>;

    /// Where an experiment keeps its artifacts: a path or URI below which every run has a directory.
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

    /// The store's version, in words: the revision of a database's schema, the release of a server. `None` where it
    /// has none, or keeps it to itself.
    async fn version(&self) -> Result<Option<String>, TrackingError> {
        Ok(None)
    }

    /// The Databricks workspace that the store is in, for a process that is to reach it too.
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

/// What all kinds of stores share: errors that name the store, and the limits of keys and values.
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

    /// The run's info; an error if the run is deleted.
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

    /// Checks parameters or tags, and cuts values that are too long, with a warning.
    fn fit(
        &self,
        entity: Entity,
        pairs: Vec<(String, String)>,
    ) -> Result<Vec<(String, String)>, TrackingError> {
        limits::fit(entity, pairs, self.long_values(), &mut warn)
            .map_err(|error| self.refused(format!("a {entity}"), error))
    }

    /// Tags that can be set on a run: a run always has a name, so an empty one changes nothing.
    fn fit_new_tags(&self, tags: &[(String, String)]) -> Result<Vec<(String, String)>, TrackingError> {
        let mut tags = self.fit(Entity::Tag, tags.to_vec())?;
        tags.retain(|(key, value)| key != tag::RUN_NAME || !value.is_empty());
        Ok(tags)
    }

    /// The wanted tags as the store would hold them.
    fn fit_wanted_tags(&self, wanted: &FinishedRuns) -> Result<Vec<(String, String)>, TrackingError> {
        limits::fit(Entity::Tag, wanted.tags.clone(), self.long_values(), &mut drop)
            .map_err(|error| self.refused("a tag", error))
    }
}

/// Logs the warning that a value was cut.
pub(super) fn warn(warning: String) {
    tracing::warn!("{warning}");
}

/// How many runs are read in one go.
pub(super) const PAGE: usize = 100;

/// Whether a run has all of these tags.
pub(super) fn has_tags(run: &RunData, tags: &[(String, String)]) -> bool {
    tags.iter().all(|(key, value)| run.tag(key) == Some(value))
}

/// Sorts the tags and parameters by key, and fills in the name, which early versions of MLflow keep only as a tag.
pub(super) fn in_order(mut run: RunData) -> RunData {
    run.tags.sort();
    run.params.sort();
    if run.info.run_name.is_empty() {
        run.info.run_name = run.tag(tag::RUN_NAME).unwrap_or_default().to_owned();
    }
    run
}
