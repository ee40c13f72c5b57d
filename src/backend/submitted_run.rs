//! An entry point that a backend has started.

use async_trait::async_trait;

use super::error::BackendError;
use crate::entities::RunStatus;
use crate::events::Progress;
use crate::process::{Ended, Signals, TerminationSignal};

/// What became of a launch.
pub(crate) enum Launch {
    /// The entry point has been started.
    Begun(Box<dyn SubmittedRun>),
    /// The signal came first.
    Interrupted(TerminationSignal),
}

impl Launch {
    pub(super) fn begun(run: impl SubmittedRun + 'static) -> Self {
        Self::Begun(Box::new(run))
    }
}

/// An entry point that has been started.
#[async_trait]
pub(crate) trait SubmittedRun: Send {
    /// Waits for its end. A termination signal in the meantime ends it.
    ///
    /// # Errors
    /// Its end cannot be known, or the backend ended it for a reason of its own.
    async fn wait(&mut self, signals: &mut Signals, progress: &dyn Progress) -> Result<Ended, BackendError>;

    /// It as a service has it, where it would go on without this program.
    fn elsewhere(&mut self) -> Option<&mut dyn RunElsewhere> {
        None
    }
}

/// An entry point that a service has, and that goes on there without this program.
#[async_trait]
pub(crate) trait RunElsewhere: Send {
    /// Tags that lead to it, for the run in the tracking store.
    fn tags(&self) -> Vec<(String, String)>;

    /// What it is there, for a person: such as `the Databricks job run 17`.
    fn place(&self) -> String;

    /// How a person ends it without this program.
    fn by_hand(&self) -> String;

    /// Ends it, with all that belongs to it, and waits for that for a while.
    ///
    /// # Errors
    /// The service refuses, or cannot be reached.
    async fn cancel(&mut self, progress: &dyn Progress) -> Result<(), BackendError>;
}

/// What a backend knows of a run.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct RunState {
    /// The run's state as the backend sees it.
    pub status: RunStatus,
    /// More about it, for a person: names and values, such as `pod` and `web-1 (Pending)`.
    pub details: Vec<(&'static str, String)>,
}

/// A run that another process gave to a backend.
#[async_trait]
pub(crate) trait AttachedRun: Send {
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
