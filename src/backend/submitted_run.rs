//! An entry point that runs.

use async_trait::async_trait;

use super::error::BackendError;
use crate::entities::RunStatus;
use crate::events::Progress;
use crate::process::{Ended, Interruptible, Signals};

/// An entry point that has been started, or the signal that came first.
pub(crate) type Launch = Interruptible<Box<dyn SubmittedRun>>;

/// An entry point that this process has started, or another one, by whose tags it was found.
///
/// One that runs below this process ends with it: it has no place, and only its end is asked for.
#[async_trait]
pub(crate) trait SubmittedRun: Send {
    /// Waits for its end and shows what it writes. A termination signal ends it if this process has started
    /// it; otherwise it ends the waiting only, and the run goes on.
    ///
    /// # Errors
    /// Its end cannot be known, or the backend ended it for a reason of its own.
    async fn wait(&mut self, signals: &mut Signals, progress: &dyn Progress) -> Result<Ended, BackendError>;

    /// Where it goes on without this process that has started it.
    fn remote(&self) -> Option<RemoteRun> {
        None
    }

    /// Asks how it stands.
    ///
    /// # Errors
    /// The backend cannot be asked, or knows no such run.
    async fn status(&mut self) -> Result<RunState, BackendError> {
        Ok(RunState {
            status: RunStatus::Running,
            details: Vec::new(),
        })
    }

    /// Ends it, with all that belongs to it, and waits for that for a while. Whether it was still there.
    ///
    /// # Errors
    /// The backend refuses, or cannot be reached.
    async fn cancel(&mut self, _progress: &dyn Progress) -> Result<bool, BackendError> {
        Ok(false)
    }
}

/// A run as a service has it.
pub(crate) struct RemoteRun {
    /// Tags that lead to it, for the run in the tracking store.
    pub tags: Vec<(String, String)>,
    /// What it is there, for a person: such as `the Databricks job run 17`.
    pub name: String,
    /// How a person ends it without this program.
    pub by_hand: String,
}

/// What a backend knows of a run.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct RunState {
    /// The run's state as the backend sees it.
    pub status: RunStatus,
    /// More about it, for a person: names and values, such as `pod` and `web-1 (Pending)`.
    pub details: Vec<(&'static str, String)>,
}
