//! A run whose entry point has been handed over: how it stands, its end, its cancellation.

use std::sync::Arc;

use tokio::sync::watch;

use super::execute::execute;
use super::run_ending::{Launched, RunEnding};
use super::{CreatedRun, ReusableRun, RunDetails, RunError};
use crate::entities::{RunId, RunInfo, RunStatus};
use crate::events::Progress;
use crate::process::{Signals, TerminationRequest};
use crate::tracking::TrackingStore;

/// A run that is under way. It goes on to its recorded end when this value is dropped, as long as
/// the tokio runtime does; clones are of the same run.
#[derive(Clone)]
pub struct SubmittedRun {
    info: RunInfo,
    store: Arc<dyn TrackingStore>,
    termination: TerminationRequest,
    ending: watch::Receiver<Option<RunEnding>>,
    details: watch::Receiver<RunDetails>,
}

impl CreatedRun {
    /// Does all that the run was created for in a task of its own: the data, the environment, the entry
    /// point, its end. `signals` may cut it short.
    ///
    /// # Panics
    /// Outside of a tokio runtime.
    pub(crate) fn submit(self, mut signals: Signals, progress: Arc<dyn Progress>) -> SubmittedRun {
        let (sender, ending) = watch::channel(None);
        let (details_sender, details) = watch::channel(self.details.clone());
        let submitted = SubmittedRun {
            info: self.info.clone(),
            store: Arc::clone(&self.store),
            termination: signals.request(),
            ending,
            details,
        };
        tokio::spawn(async move {
            let ending = execute(self, &mut signals, &details_sender, progress.as_ref()).await;
            // Nobody may be there to hear of it.
            let _ = sender.send(Some(ending));
        });
        submitted
    }
}

impl SubmittedRun {
    /// A run that had ended before it was asked for.
    pub(super) fn reused(reusable: ReusableRun, signals: &Signals) -> Self {
        let info = reusable.data.info;
        let ending = RunEnding {
            launched: Ok(Launched::Reused),
            end: None,
            recorded: Ok(info.status),
        };
        Self {
            info,
            store: reusable.store,
            termination: signals.request(),
            ending: watch::channel(Some(ending)).1,
            details: watch::channel(RunDetails::default()).1,
        }
    }

    /// The run's id.
    pub fn run_id(&self) -> &RunId {
        &self.info.run_id
    }

    /// The run as it was when it was created: its experiment, name and artifact URI.
    pub fn info(&self) -> &RunInfo {
        &self.info
    }

    /// The run's status at present.
    pub fn status(&self) -> RunStatus {
        self.ending
            .borrow()
            .as_ref()
            .map_or(RunStatus::Running, RunEnding::status)
    }

    /// What has become known of the run so far.
    pub fn details(&self) -> RunDetails {
        self.details.borrow().clone()
    }

    /// Waits until more has become known of the run. Waits for ever where nothing will.
    pub async fn details_changed(&mut self) {
        if self.details.changed().await.is_err() {
            std::future::pending().await
        }
    }

    /// Waits until the run has ended and its end is recorded. Where the backend is not to be waited for,
    /// returns as soon as it has the run. May be given up and called again.
    pub async fn wait(&self) -> RunEnding {
        let mut ending = self.ending.clone();
        let ended = match ending.wait_for(Option::is_some).await {
            Ok(ended) => ended.clone(),
            Err(_) => None,
        };
        ended.unwrap_or_else(|| {
            // The task has panicked or was dropped with its runtime.
            let bug = Arc::new(RunError::Bug);
            RunEnding {
                launched: Err(Arc::clone(&bug)),
                end: None,
                recorded: Err(bug),
            }
        })
    }

    /// Asks for the run's end as a `SIGTERM` to `mlrun run` does: the entry point's processes get
    /// `SIGTERM`, after ten seconds or at a second call `SIGKILL`, and the run is recorded as `KILLED`.
    /// Does not wait for that, and does nothing where the run has ended.
    pub fn cancel(&self) {
        self.termination.send();
    }

    /// The store that the run is in.
    pub fn store(&self) -> &dyn TrackingStore {
        self.store.as_ref()
    }
}

impl std::fmt::Debug for SubmittedRun {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("SubmittedRun")
            .field("info", &self.info)
            .field("status", &self.status())
            .finish_non_exhaustive()
    }
}
