//! What the store must know of a run, its end above all: told also to a store that is away for a while.

use std::fmt::Display;
use std::sync::Arc;
use std::time::Duration;

use backon::{ExponentialBuilder, Retryable as _};
use tokio::sync::watch;
use tokio::time::Instant;

use super::error::with_causes;
use super::interruption::{despite_signals, until_signal};
use super::{CreatedRun, RunDetails, RunError};
use crate::backend::RunElsewhere;
use crate::entities::{RunStatus, UnixMillis};
use crate::env_vars::{self, VariableError, seconds};
use crate::events::Progress;
use crate::http::in_words;
use crate::process::{Signals, TerminationSignal};
use crate::tracking::{self, RunEnd, TrackingError, TrackingStore};

/// How long a store may be away before the end of a run is given up, unless
/// [`MLRUN_RECORD_TIMEOUT`](env_vars::MLRUN_RECORD_TIMEOUT) says otherwise.
const PATIENCE_SECONDS: f64 = 600.0;

/// How long it may be away for a run that a signal has ended: batch systems kill soon.
const INTERRUPTED_PATIENCE: Duration = Duration::from_secs(10);

/// When it is tried again meanwhile. Many runs may end at once, and find the same store away.
const RETRIES: ExponentialBuilder = ExponentialBuilder::new()
    .with_jitter()
    .with_min_delay(Duration::from_millis(250))
    .with_max_delay(Duration::from_secs(15))
    .without_max_times();

/// How long a store may be away, as the environment says.
pub(super) fn patience() -> Result<Duration, VariableError> {
    let variable = env_vars::MLRUN_RECORD_TIMEOUT;
    seconds(&env_vars::non_empty, variable, PATIENCE_SECONDS).map(Duration::from_secs_f64)
}

/// Records a run's end. Gives the status that the store holds then, and the signal that came meanwhile.
/// `was_interrupted` tells that a signal has ended the run already.
pub(super) async fn record_end(
    created: &CreatedRun,
    end: RunEnd,
    was_interrupted: bool,
    signals: &mut Signals,
    progress: &dyn Progress,
) -> (Result<RunStatus, RunError>, Option<TerminationSignal>) {
    let (run_id, status) = (created.info.run_id.clone(), end.status);
    let (patience, limit) = if was_interrupted {
        (INTERRUPTED_PATIENCE, INTERRUPTED_PATIENCE)
    } else {
        (created.plan.record_patience, Duration::MAX)
    };
    let what = format!("the end of run '{run_id}' ({status})");
    let id = &created.info.run_id;
    let record = |store: Arc<dyn TrackingStore>| async move { store.end_run(id, end).await };
    let recorded = tokio::time::timeout(limit, persist(created, &what, patience, progress, record));
    let (recorded, signal) = if was_interrupted {
        // Whoever insists on an end that was asked for before does not wait for the store.
        tokio::select! {
            biased;
            signal = signals.further() => (None, Some(signal)),
            recorded = recorded => (recorded.ok(), None),
        }
    } else {
        match despite_signals(signals, recorded).await {
            Ok((recorded, signal)) => (recorded.ok(), signal),
            Err(signal) => (None, Some(signal)),
        }
    };
    let recorded = match recorded {
        Some(recorded) => recorded.map_err(|source| RunError::EndNotRecorded {
            run_id,
            status,
            source,
        }),
        None => Err(RunError::EndNotRecordedInTime { run_id, status }),
    };
    (recorded, signal)
}

/// Writes to the run's store until that is done, or nothing is to be hoped for. A try that has begun is
/// not cut short. `what` is written, in the words for a person.
pub(super) async fn persist<T, F>(
    created: &CreatedRun,
    what: &(dyn Display + Sync),
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
    let (mut is_told, mut failed) = (false, None);
    attempt
        .retry(RETRIES)
        .when(TrackingError::may_pass)
        .adjust(|_, pause| {
            // A first try that took long has not yet used up the patience.
            let failed = *failed.get_or_insert_with(Instant::now);
            pause.filter(|pause| failed.elapsed() + *pause <= patience)
        })
        .notify(|error, _| {
            if !std::mem::replace(&mut is_told, true) {
                progress.warning(&format!(
                    "{what} cannot be recorded yet ({}); trying for {} in all",
                    with_causes(error),
                    in_words(patience)
                ));
            }
        })
        .await
}

/// Stores the tags that lead to an entry point that runs elsewhere: without them nobody could follow or end
/// it. A store that is away is waited for as for a run's end; if that is in vain, the entry point is ended
/// rather than left where nobody sees it. Gives the signal that came first, if one did.
pub(super) async fn record_place(
    created: &CreatedRun,
    elsewhere: &mut dyn RunElsewhere,
    details: &watch::Sender<RunDetails>,
    signals: &mut Signals,
    progress: &dyn Progress,
) -> Result<Option<TerminationSignal>, RunError> {
    let (tags, place) = (elsewhere.tags(), elsewhere.place());
    details.send_modify(|details| details.backend_tags.clone_from(&tags));
    let run_id = &created.info.run_id;
    let what = format!("that run '{run_id}' is {place}");
    let tags = &tags;
    let record = |store: Arc<dyn TrackingStore>| async move { store.set_tags(run_id, tags).await };
    let recorded = persist(created, &what, created.plan.record_patience, progress, record);
    let source = match until_signal(signals, recorded).await {
        Ok(Ok(())) => return Ok(None),
        Ok(Err(error)) => error,
        Err(signal) => return Ok(Some(signal)),
    };
    progress.warning(&format!(
        "{what} could not be recorded ({}): canceling it",
        with_causes(&source)
    ));
    let not_canceled = match despite_signals(signals, elsewhere.cancel(progress)).await {
        Ok((Ok(()), _)) => None,
        Ok((Err(error), _)) => Some(with_causes(&error)),
        Err(signal) => Some(format!("{signal} came before its end was known")),
    };
    Err(RunError::PlaceNotRecorded {
        run_id: run_id.clone(),
        place,
        not_canceled,
        by_hand: elsewhere.by_hand(),
        source: Box::new(source),
    })
}

impl CreatedRun {
    /// Ends a run for which nothing can be done, since the store refused what belongs to it. One that had
    /// ended before it was taken stays as it was.
    pub(super) async fn end_unprepared(self, source: TrackingError, progress: &dyn Progress) -> RunError {
        let run_id = &self.info.run_id;
        let end = RunEnd {
            status: RunStatus::Failed,
            end_time: UnixMillis::now(),
            keep_failure: false,
        };
        let recorded = match self.info.status {
            status if status.is_terminated() => Ok(status),
            _ => {
                let what = format!("the end of run '{run_id}' ({})", end.status);
                let record = |store: Arc<dyn TrackingStore>| async move { store.end_run(run_id, end).await };
                persist(&self, &what, self.plan.record_patience, progress, record).await
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
    ///
    /// # Errors
    /// The end could not be recorded.
    pub(crate) async fn fail(
        &self,
        signals: &mut Signals,
        progress: &dyn Progress,
    ) -> Result<RunStatus, RunError> {
        let end = RunEnd {
            status: RunStatus::Failed,
            end_time: UnixMillis::now(),
            keep_failure: false,
        };
        record_end(self, end, false, signals, progress).await.0
    }
}
