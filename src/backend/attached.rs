//! Runs that another process gave to a backend: found again by the tags of the run.

use async_trait::async_trait;

use super::kubernetes::{self, KubernetesRun};
use super::{BackendError, databricks};
use crate::events::Progress;
use crate::process::{Ended, Signals};
use crate::run::{RunId, RunStatus, tag};

/// What a backend knows of a run.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RunState {
    /// The run's state as the backend sees it.
    pub status: RunStatus,
    /// More about it, for a person: names and values, such as `pod` and `web-1 (Pending)`.
    pub details: Vec<(&'static str, String)>,
}

/// A run that another process gave to a backend.
#[async_trait]
pub trait AttachedRun: Send {
    /// Asks how it stands.
    ///
    /// # Errors
    /// The backend cannot be asked, or knows no such run.
    async fn state(&mut self) -> Result<RunState, BackendError>;

    /// Waits for its end and shows what it writes. A termination signal ends the waiting only: the run
    /// goes on.
    ///
    /// # Errors
    /// Its end cannot be known, or the backend ended it for a reason of its own.
    async fn wait(&mut self, signals: &mut Signals, progress: &dyn Progress) -> Result<Ended, BackendError>;

    /// Ends it, with all that belongs to it, and returns when it has ended. Whether it was still there.
    ///
    /// # Errors
    /// The backend refuses, or cannot be reached.
    async fn cancel(&mut self, progress: &dyn Progress) -> Result<bool, BackendError>;
}

/// The run that has these tags, where it runs.
///
/// # Errors
/// The tags name no backend, or not what it needs to find the run.
pub fn attach(run_id: &RunId, tags: &[(String, String)]) -> Result<Box<dyn AttachedRun>, BackendError> {
    let value = |name: &str| {
        tags.iter()
            .find(|(key, _)| key == name)
            .map(|(_, value)| value.as_str())
    };
    if value(tag::PROJECT_BACKEND) == Some(databricks::NAME)
        && let Some(job_run_id) = value(tag::DATABRICKS_JOB_RUN_ID).and_then(|id| id.parse().ok())
    {
        let webapp = value(tag::DATABRICKS_WEBAPP_URL).map(str::to_owned);
        return Ok(Box::new(databricks::AttachedJob::new(job_run_id, webapp)));
    }
    let reason = match value(tag::PROJECT_BACKEND) {
        Some(kubernetes::NAME) => match KubernetesRun::from_tags(value) {
            Some(run) => return Ok(Box::new(run)),
            None => "its tags do not name a Job; mlflow run leaves none".to_owned(),
        },
        Some(backend) => format!("its backend '{backend}' keeps nothing to find it by"),
        None => format!(
            "it has no tag {}; it was not started as a project",
            tag::PROJECT_BACKEND
        ),
    };
    Err(BackendError::NotAttachable {
        run_id: run_id.clone(),
        reason,
    })
}
