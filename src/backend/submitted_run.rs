//! A started entry point.

use async_trait::async_trait;

use super::error::BackendError;
use crate::entities::RunStatus;
use crate::events::Progress;
use crate::process::{Ended, Interruptible, Signals};

/// A started entry point, or the signal that arrived first.
pub(crate) type Launch = Interruptible<Box<dyn SubmittedRun>>;

/// An entry point that this process started, or that another process started and whose tags identify it.
///
/// A child of this process has no remote identity; only `wait` is called on it.
#[async_trait]
pub(crate) trait SubmittedRun: Send {
    /// Waits until it finishes and shows its output. A termination signal stops it if this process started it;
    /// otherwise only the waiting stops.
    ///
    /// # Errors
    /// Its result cannot be determined, or the backend stopped it.
    async fn wait(&mut self, signals: &mut Signals, progress: &dyn Progress) -> Result<Ended, BackendError>;

    /// Its identity on the backend, if it can outlive this process.
    fn remote(&self) -> Option<RemoteRun> {
        None
    }

    /// Asks for its status.
    ///
    /// # Errors
    /// The backend does not answer, or does not know the run.
    async fn status(&mut self) -> Result<RunState, BackendError> {
        Ok(RunState {
            status: RunStatus::Running,
            details: Vec::new(),
        })
    }

    /// Stops it with everything that belongs to it and waits a while for that. Returns whether it still existed.
    ///
    /// # Errors
    /// The backend refuses, or is not reachable.
    async fn cancel(&mut self, _progress: &dyn Progress) -> Result<bool, BackendError> {
        Ok(false)
    }
}

/// A run as a service has it.
pub(crate) struct RemoteRun {
    /// Tags that identify it, for the run in the tracking store.
    pub tags: Vec<(String, String)>,
    /// Its name for a person, such as `Databricks job run 17`.
    pub name: String,
    /// How to stop it without this program.
    pub by_hand: String,
}

/// What a backend knows about a run.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct RunState {
    /// The run's state as the backend sees it.
    pub status: RunStatus,
    /// More about it, for a person: names and values, such as `pod` and `web-1 (Pending)`.
    pub details: Vec<(&'static str, String)>,
}
