//! What the store must know of a run, its end above all: told also to a store that is away for a while.

use std::fmt::Display;
use std::sync::Arc;
use std::time::Duration;

use backon::{ExponentialBuilder, Retryable as _};
use tokio::time::Instant;

use super::error::one_line;
use super::interruption::despite_signals;
use super::{CreatedRun, RunError};
use crate::env_vars;
use crate::events::Progress;
use crate::http::{VariableError, in_words, seconds};
use crate::process::{Signals, TerminationSignal};
use crate::run::RunStatus;
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
                    one_line(error),
                    in_words(patience)
                ));
            }
        })
        .await
}
