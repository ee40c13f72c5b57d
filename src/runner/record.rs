//! Recording a run in its store, above all its end: also if the store is unavailable for a while.

use std::pin::pin;
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use backon::{ExponentialBuilder, Retryable as _};
use tokio::sync::watch;
use tokio::time::Instant;

use super::error::with_causes;
use super::{CreatedRun, RunDetails, RunError};
use crate::backend::{RemoteRun, SubmittedRun};
use crate::entities::{RunStatus, UnixMillis};
use crate::env_vars::{self, VariableError, seconds};
use crate::events::Progress;
use crate::process::{Interruptible, Signals, TerminationSignal, until_signal};
use crate::retrying::retrying_for;
use crate::tracking::{self, RunEnd, TrackingError, TrackingStore};

/// How long a store may be unavailable before the end of a run is given up, unless
/// [`MLRUN_RECORD_TIMEOUT`](env_vars::MLRUN_RECORD_TIMEOUT) says otherwise.
const PATIENCE_SECONDS: f64 = 600.0;

/// How long a store may take for a run that a signal has ended: batch systems kill soon.
pub(super) const INTERRUPTED_PATIENCE: Duration = Duration::from_secs(10);

/// How long a step with the tracking store may go on after a signal, so that no run stays `RUNNING`.
const STORE_GRACE: Duration = Duration::from_secs(10);

/// When to retry. Many runs may end at once and find the same store unavailable.
const RETRIES: ExponentialBuilder = ExponentialBuilder::new()
    .with_jitter()
    .with_min_delay(Duration::from_millis(250))
    .with_max_delay(Duration::from_secs(15))
    .without_max_times();

/// How long a store may be unavailable, from the environment.
pub(super) fn patience() -> Result<Duration, VariableError> {
    let variable = env_vars::MLRUN_RECORD_TIMEOUT;
    seconds(&env_vars::non_empty, variable, PATIENCE_SECONDS).map(Duration::from_secs_f64)
}

/// Works on after a signal for ten seconds, unless a second one comes: a step with the tracking store
/// that is cut off could leave a run RUNNING for good. Gives the result and the signal that came
/// meanwhile, or the signal that ended the work.
pub(super) async fn despite_signals<T>(
    signals: &mut Signals,
    work: impl Future<Output = T>,
) -> Interruptible<(T, Option<TerminationSignal>)> {
    let mut work = pin!(work);
    let signal = match until_signal(signals, work.as_mut()).await {
        Interruptible::Done(done) => return Interruptible::Done((done, None)),
        Interruptible::Interrupted(signal) => signal,
    };
    match until_signal(signals, tokio::time::timeout(STORE_GRACE, work)).await {
        Interruptible::Done(Ok(done)) => Interruptible::Done((done, Some(signal))),
        _ => Interruptible::Interrupted(signal),
    }
}

/// The end of a run at this moment, by no verdict of its entry point.
pub(super) fn end_now(status: RunStatus) -> RunEnd {
    RunEnd {
        status,
        end_time: UnixMillis::now(),
        keep_failure: false,
    }
}

/// Records a run's end. Gives the status that the store holds then, and the signal that came meanwhile.
/// `was_interrupted`: a signal has ended the run already.
pub(super) async fn record_end(
    created: &CreatedRun,
    end: RunEnd,
    was_interrupted: bool,
    signals: &mut Signals,
    progress: &dyn Progress,
) -> (Result<RunStatus, Arc<RunError>>, Option<TerminationSignal>) {
    let (patience, limit) = if was_interrupted {
        (INTERRUPTED_PATIENCE, INTERRUPTED_PATIENCE)
    } else {
        (created.plan.record_patience, Duration::MAX)
    };
    let recorded = tokio::time::timeout(limit, persist_end(created, end, patience, progress));
    let (recorded, signal) = if was_interrupted {
        // Whoever insists on an end that was asked for before does not wait for the store.
        tokio::select! {
            biased;
            signal = signals.further() => (None, Some(signal)),
            recorded = recorded => (recorded.ok(), None),
        }
    } else {
        match despite_signals(signals, recorded).await {
            Interruptible::Done((recorded, signal)) => (recorded.ok(), signal),
            Interruptible::Interrupted(signal) => (None, Some(signal)),
        }
    };
    let not_recorded = |source| {
        Arc::new(RunError::EndNotRecorded {
            run_id: created.info.run_id.clone(),
            status: end.status,
            source,
        })
    };
    let recorded = recorded.map_or(Err(None), |recorded| recorded.map_err(Some));
    (recorded.map_err(not_recorded), signal)
}

async fn persist_end(
    created: &CreatedRun,
    end: RunEnd,
    patience: Duration,
    progress: &dyn Progress,
) -> Result<RunStatus, TrackingError> {
    let run_id = &created.info.run_id;
    let what = format!("the end of run '{run_id}' ({})", end.status);
    let record = |store: Arc<dyn TrackingStore>| async move { store.end_run(run_id, end).await };
    persist(created, &what, patience, progress, record).await
}

/// Writes to the run's store until that is done, or nothing is to be hoped for. A try that has begun is
/// not cut short. `what` is written, in the words for a person.
async fn persist<T, F>(
    created: &CreatedRun,
    what: &str,
    patience: Duration,
    progress: &dyn Progress,
    write: impl Fn(Arc<dyn TrackingStore>) -> F,
) -> Result<T, TrackingError>
where
    F: Future<Output = Result<T, TrackingError>>,
{
    let mut tries = 0;
    let attempt = || {
        tries += 1;
        // Opened again: a database's connection that broke does not come back.
        let known = (tries == 1).then(|| Arc::clone(&created.store));
        let write = &write;
        async move {
            match known {
                Some(store) => write(store).await,
                None => write(tracking::open(&created.plan.tracking_uri).await?.into()).await,
            }
        }
    };
    // A first try that took long has not yet used up the patience.
    let failed = OnceLock::new();
    let left = || patience.saturating_sub(failed.get_or_init(Instant::now).elapsed());
    attempt
        .retry(RETRIES)
        .when(TrackingError::may_pass)
        .adjust(|_, pause| pause.filter(|pause| *pause <= left()))
        .notify(|error, pause| {
            progress.warning(&format!(
                "{what} is not recorded yet ({}); {}",
                with_causes(error),
                retrying_for(pause, left())
            ));
        })
        .await
}

/// Stores the tags that lead to an entry point that runs elsewhere: without them it could not be followed or
/// stopped. A store that is away is waited for as for a run's end; if that is in vain, the entry point is ended
/// rather than left unseen. Gives the signal that came first, if one did.
pub(super) async fn record_remote(
    created: &CreatedRun,
    submitted: &mut dyn SubmittedRun,
    remote: RemoteRun,
    details: &watch::Sender<RunDetails>,
    signals: &mut Signals,
    progress: &dyn Progress,
) -> Result<Option<TerminationSignal>, RunError> {
    let RemoteRun { tags, name, by_hand } = remote;
    details.send_modify(|details| details.backend_tags.clone_from(&tags));
    let run_id = &created.info.run_id;
    let what = format!("the link from run '{run_id}' to {name}");
    let tags = &tags;
    let record = |store: Arc<dyn TrackingStore>| async move { store.set_tags(run_id, tags).await };
    let recorded = persist(created, &what, created.plan.record_patience, progress, record);
    let source = match until_signal(signals, recorded).await {
        Interruptible::Done(Ok(())) => return Ok(None),
        Interruptible::Done(Err(error)) => error,
        Interruptible::Interrupted(signal) => return Ok(Some(signal)),
    };
    progress.warning(&format!(
        "{what} could not be recorded ({}): canceling it",
        with_causes(&source)
    ));
    let not_canceled = match despite_signals(signals, submitted.cancel(progress)).await {
        Interruptible::Done((Ok(_), _)) => None,
        Interruptible::Done((Err(error), _)) => Some(with_causes(&error)),
        Interruptible::Interrupted(signal) => Some(format!("{signal} came before its end was known")),
    };
    Err(RunError::PlaceNotRecorded {
        run_id: run_id.clone(),
        place: name,
        not_canceled,
        by_hand,
        source: Box::new(source),
    })
}

impl CreatedRun {
    /// Ends a run for which nothing can be done, since the store refused what belongs to it. One that had
    /// ended before it was taken stays as it was.
    pub(super) async fn end_unprepared(self, source: TrackingError, progress: &dyn Progress) -> RunError {
        let recorded = match self.info.status {
            status if status.is_terminated() => Ok(status),
            _ => {
                let end = end_now(RunStatus::Failed);
                persist_end(&self, end, self.plan.record_patience, progress).await
            }
        };
        RunError::NotPrepared {
            is_new: self.plan.request.run_id.is_none(),
            info: Box::new(self.info),
            recorded: recorded.map_err(Box::new),
            source: Box::new(source),
        }
    }

    /// Ends the run as failed, with nothing done for it. Gives the status that the store holds now.
    pub(crate) async fn fail(
        &self,
        signals: &mut Signals,
        progress: &dyn Progress,
    ) -> Result<RunStatus, Arc<RunError>> {
        let end = end_now(RunStatus::Failed);
        record_end(self, end, false, signals, progress).await.0
    }
}
