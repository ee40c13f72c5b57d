//! A run from its plan to its end: begun, handed over, waited for, cancelled.

use std::sync::Arc;

use tokio::sync::{oneshot, watch};

use super::execute::execute;
use super::record::despite_signals;
use super::run_ending::{Launched, RunEnding};
use super::{CreatedRun, ReusableRun, RunDetails, RunError, RunPlan};
use crate::entities::{RunId, RunInfo, RunStatus};
use crate::events::Progress;
use crate::process::{Interruptible, Signals, TerminationRequest, until_signal};
use crate::tracking::TrackingStore;

/// A run in progress. If this value is dropped, the run continues to its recorded end as long as the tokio
/// runtime lives. Clones refer to the same run.
#[derive(Clone)]
pub struct SubmittedRun {
    info: RunInfo,
    store: Arc<dyn TrackingStore>,
    termination: TerminationRequest,
    ending: watch::Receiver<Option<RunEnding>>,
    details: watch::Receiver<RunDetails>,
}

/// The run of a plan.
pub(crate) enum Begun {
    /// A new one, or the one that the request names.
    Created(Box<CreatedRun>),
    /// An earlier one that has done the work.
    Reused(ReusableRun),
}

impl RunPlan {
    /// Finds a run to reuse if the request asks for that. Otherwise locates the data and creates a run;
    /// `before_creation` is called just before.
    ///
    /// # Errors
    /// A signal came, or the run cannot be created.
    pub(crate) async fn begin(
        mut self,
        signals: &mut Signals,
        progress: &Arc<dyn Progress>,
        before_creation: impl FnOnce(),
    ) -> Result<Begun, RunError> {
        let looked = until_signal(signals, self.reuse_or_locate(progress.as_ref())).await;
        if let Some(reusable) = looked.done()?? {
            return Ok(Begun::Reused(reusable));
        }
        before_creation();
        // A task of its own: if the caller gives up during the creation, the run must not stay RUNNING.
        let (sender, created) = oneshot::channel();
        let in_task = Arc::clone(progress);
        tokio::spawn(async move {
            let created = self.create_run(in_task.as_ref()).await;
            if let Err(Ok(unwanted)) = sender.send(created)
                && let Ok(mut signals) = Signals::on_request()
            {
                // No caller is left to report a failure to.
                let _ = unwanted.fail(&mut signals, in_task.as_ref()).await;
            }
        });
        match despite_signals(signals, created).await {
            Interruptible::Done((created, signal)) => {
                signals.put_back(signal);
                let created = created.map_err(|_| RunError::Bug)??;
                Ok(Begun::Created(Box::new(created)))
            }
            Interruptible::Interrupted(signal) => Err(RunError::InterruptedInCreation { signal }),
        }
    }

    async fn reuse_or_locate(&mut self, progress: &dyn Progress) -> Result<Option<ReusableRun>, RunError> {
        if self.request.reuse
            && let Some(reusable) = self.reusable_run(progress).await?
        {
            return Ok(Some(reusable));
        }
        self.locate_data().await?;
        Ok(None)
    }
}

impl Begun {
    /// Carries out the run in a task of its own: data, environment, entry point, recorded end. `signals` may stop it.
    ///
    /// # Panics
    /// Outside of a tokio runtime.
    pub(crate) fn submit(self, mut signals: Signals, progress: Arc<dyn Progress>) -> SubmittedRun {
        let created = match self {
            Self::Created(created) => created,
            Self::Reused(reusable) => return SubmittedRun::reused(reusable, &signals),
        };
        let (sender, ending) = watch::channel(None);
        let (details_sender, details) = watch::channel(created.details.clone());
        let submitted = SubmittedRun {
            info: created.info.clone(),
            store: Arc::clone(&created.store),
            termination: signals.request(),
            ending,
            details,
        };
        tokio::spawn(async move {
            let ending = execute(*created, &mut signals, &details_sender, progress.as_ref()).await;
            // The caller may be gone.
            let _ = sender.send(Some(ending));
        });
        submitted
    }
}

impl SubmittedRun {
    /// An earlier run in place of a new one.
    fn reused(reusable: ReusableRun, signals: &Signals) -> Self {
        let info = reusable.info;
        let details = RunDetails {
            is_dirty: Some(false),
            ..RunDetails::default()
        };
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
            details: watch::channel(details).1,
        }
    }

    /// The run's id.
    pub fn run_id(&self) -> &RunId {
        &self.info.run_id
    }

    /// The run when it was created: its experiment, name and artifact URI.
    pub fn info(&self) -> &RunInfo {
        &self.info
    }

    /// The run's current status.
    pub fn status(&self) -> RunStatus {
        self.ending
            .borrow()
            .as_ref()
            .map_or(RunStatus::Running, RunEnding::status)
    }

    /// What is known of the run so far.
    pub(crate) fn details(&self) -> RunDetails {
        self.details.borrow().clone()
    }

    /// Waits until more is known of the run; forever if nothing more will be.
    pub(crate) async fn details_changed(&mut self) {
        if self.details.changed().await.is_err() {
            std::future::pending().await
        }
    }

    /// Waits until the run has ended and its end is recorded, or until the backend has accepted a run that is not to
    /// be waited for. May be dropped and called again.
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

    /// Stops the run as a `SIGTERM` to `mlrun run` does: the entry point's processes get `SIGTERM`, after ten seconds or
    /// at a second call `SIGKILL`, and the run is recorded as `KILLED`. Returns at once; does nothing if the run has
    /// ended.
    pub fn cancel(&self) {
        self.termination.send();
    }

    /// The store that the run is in.
    pub(crate) fn store(&self) -> &dyn TrackingStore {
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
