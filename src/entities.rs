//! Runs and experiments as plain values, without I/O.

use std::fmt;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

/// Names of the tags that MLflow defines.
///
/// Source: `mlflow.utils.mlflow_tags` of MLflow 3.
pub mod tag {
    /// The run's display name.
    pub const RUN_NAME: &str = "mlflow.runName";
    /// The person who started the run.
    pub const USER: &str = "mlflow.user";
    /// Where the project came from: a path or a URI.
    pub const SOURCE_NAME: &str = "mlflow.source.name";
    /// The kind of source; always `PROJECT` here.
    pub const SOURCE_TYPE: &str = "mlflow.source.type";
    /// The commit that the project's files belong to.
    pub const GIT_COMMIT: &str = "mlflow.source.git.commit";
    /// The URL of the project's first Git remote, without credentials.
    pub const GIT_REPO_URL: &str = "mlflow.source.git.repoURL";
    /// The value of `--version`, if it is a branch.
    pub const GIT_BRANCH: &str = "mlflow.source.git.branch";
    /// `true` if the project's files differ from the commit.
    pub const GIT_DIRTY: &str = "mlflow.source.git.dirty";
    /// The entry point that runs.
    pub const PROJECT_ENTRY_POINT: &str = "mlflow.project.entryPoint";
    /// A digest of the command's values, if the run's parameters do not show them. mlrun's own.
    pub const PROJECT_VALUES: &str = "mlrun.project.values";
    /// The environment: `docker`, `conda`, `virtualenv` or `uv`; absent for `local`.
    pub const PROJECT_ENV: &str = "mlflow.project.env";
    /// The name of the container's image.
    pub const DOCKER_IMAGE_URI: &str = "mlflow.docker.image.uri";
    /// The id of that image.
    pub const DOCKER_IMAGE_ID: &str = "mlflow.docker.image.id";
    /// The backend's name.
    pub const PROJECT_BACKEND: &str = "mlflow.project.backend";
    /// The page of the Databricks job's run.
    pub const DATABRICKS_RUN_URL: &str = "mlflow.databricks.runURL";
    /// The id of the Databricks job's run.
    pub const DATABRICKS_JOB_RUN_ID: &str = "mlflow.databricks.shellJobRunID";
    /// The id of the Databricks job.
    pub const DATABRICKS_JOB_ID: &str = "mlflow.databricks.shellJobID";
    /// The address of the Databricks workspace.
    pub const DATABRICKS_WEBAPP_URL: &str = "mlflow.databricks.webappURL";
    /// The mlrun process of a local run, as
    /// [`ProcessIdentity`](crate::process::ProcessIdentity) writes it. mlrun's own.
    pub const PROJECT_PROCESS: &str = "mlrun.project.process";
    /// A random text that identifies a run if the server's answer to its creation is lost. mlrun's own.
    pub const CREATION: &str = "mlrun.run.creation";
    /// The parent of a nested run.
    pub const PARENT_RUN_ID: &str = "mlflow.parentRunId";
}

/// The identifier of a run: 32 hexadecimal digits if mlrun generates it, any text if a server does.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct RunId(String);

impl RunId {
    /// Wraps an identifier from a user or a store.
    pub fn new(id: impl Into<String>) -> Self {
        Self(id.into())
    }

    /// Generates a random identifier, as MLflow's own stores do: a version 4 UUID without hyphens.
    pub fn random() -> Self {
        Self(uuid::Uuid::new_v4().simple().to_string())
    }

    /// The identifier's text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for RunId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// The identifier of an experiment: a decimal number in MLflow's own stores.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct ExperimentId(String);

impl ExperimentId {
    /// Wraps an identifier from a user or a store.
    pub fn new(id: impl Into<String>) -> Self {
        Self(id.into())
    }

    /// The identifier's text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for ExperimentId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// A point in time in milliseconds since 1970-01-01 UTC, the unit of every MLflow time stamp.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct UnixMillis(pub i64);

impl UnixMillis {
    /// The system time; zero if the clock is set before 1970.
    pub fn now() -> Self {
        let since_epoch = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        Self(i64::try_from(since_epoch.as_millis()).unwrap_or(i64::MAX))
    }

    /// The time from `start` to this one; zero if the clock went back.
    pub(crate) fn since(self, start: Self) -> Duration {
        Duration::from_millis(u64::try_from(self.0.saturating_sub(start.0)).unwrap_or(0))
    }
}

/// The state of a run, as MLflow's `RunStatus` names and numbers it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum RunStatus {
    /// The run is in progress.
    Running = 1,
    /// A backend has accepted the run but not started it.
    Scheduled,
    /// The run succeeded.
    Finished,
    /// The run failed.
    Failed,
    /// The run was stopped from outside.
    Killed,
}

impl RunStatus {
    const ALL: [Self; 5] = [
        Self::Running,
        Self::Scheduled,
        Self::Finished,
        Self::Failed,
        Self::Killed,
    ];

    /// The name that stores and the REST API use.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Running => "RUNNING",
            Self::Scheduled => "SCHEDULED",
            Self::Finished => "FINISHED",
            Self::Failed => "FAILED",
            Self::Killed => "KILLED",
        }
    }

    /// The status with this name.
    pub fn from_name(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|status| status.as_str() == name)
    }

    /// The number that MLflow's protocol and its file store use.
    pub(crate) fn number(self) -> i64 {
        self as i64
    }

    /// The status with this number.
    pub(crate) fn from_number(number: i64) -> Option<Self> {
        Self::ALL.into_iter().find(|status| status.number() == number)
    }

    /// Whether the run has ended.
    pub fn is_terminated(self) -> bool {
        matches!(self, Self::Finished | Self::Failed | Self::Killed)
    }
}

impl fmt::Display for RunStatus {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// A run in a tracking store.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RunInfo {
    /// The run's identifier.
    pub run_id: RunId,
    /// The experiment that the run belongs to.
    pub experiment_id: ExperimentId,
    /// The display name; empty if the store has none.
    pub run_name: String,
    /// The root of the run's artifacts.
    pub artifact_uri: String,
    /// The status at the time of the request.
    pub status: RunStatus,
}

/// Whether a run was deleted. A deleted run can be restored until `mlflow gc` removes it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum LifecycleStage {
    /// Not deleted.
    Active,
    /// Deleted.
    Deleted,
}

impl LifecycleStage {
    /// The name that stores and the REST API use.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Active => "active",
            Self::Deleted => "deleted",
        }
    }

    /// The stage with this name. The oldest stores have no stages and delete nothing.
    pub fn from_name(name: &str) -> Self {
        if name == Self::Deleted.as_str() {
            Self::Deleted
        } else {
            Self::Active
        }
    }
}

/// A run with everything that a tracking store keeps about it, except its metrics.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RunData {
    /// Its ids, name, artifact URI and status.
    pub info: RunInfo,
    /// The user who started it; empty if unknown.
    pub user: String,
    /// When it started.
    pub start_time: Option<UnixMillis>,
    /// When it ended; `None` while it is in progress.
    pub end_time: Option<UnixMillis>,
    /// Whether it was deleted.
    pub lifecycle_stage: LifecycleStage,
    /// All tags, in the order of their keys.
    pub tags: Vec<(String, String)>,
    /// All parameters, in the order of their keys.
    pub params: Vec<(String, String)>,
}

/// A metric of a run and its last value.
#[derive(Debug, Clone, PartialEq)]
pub struct Metric {
    /// Its name, such as `val/loss`.
    pub name: String,
    /// Its value; it may be infinite or not a number.
    pub value: f64,
}

impl RunData {
    /// The value of a tag.
    pub fn tag(&self, key: &str) -> Option<&str> {
        value_of(&self.tags, key)
    }

    /// The value of a parameter.
    pub fn param(&self, key: &str) -> Option<&str> {
        value_of(&self.params, key)
    }
}

fn value_of<'a>(pairs: &'a [(String, String)], key: &str) -> Option<&'a str> {
    let found = pairs.iter().find(|(other, _)| other == key);
    found.map(|(_, value)| value.as_str())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_state_has_the_number_of_mlflow_s_protocol() {
        for (number, name) in [
            (1, "RUNNING"),
            (2, "SCHEDULED"),
            (3, "FINISHED"),
            (4, "FAILED"),
            (5, "KILLED"),
        ] {
            let status = RunStatus::from_number(number).unwrap();
            assert_eq!(status.as_str(), name);
            assert_eq!(status.number(), number);
        }
        assert_eq!(RunStatus::from_number(0), None);
        assert_eq!(RunStatus::from_number(6), None);
    }
}
