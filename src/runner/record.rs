//! A run's end, told to the store: also to one that is away for a while.

use std::time::Duration;

use tokio::time::Instant;

use super::interruption::despite_signals;
use super::{CreatedRun, RunError};
use crate::env_vars;
use crate::events::Progress;
use crate::http::{VariableError, in_words, seconds};
use crate::process::{Signals, TerminationSignal};
use crate::run::RunStatus;
use crate::tracking::{self, RunEnd, TrackingError};

/// How long a store may be away before the end of a run is given up, unless
/// [`MLRUN_RECORD_TIMEOUT`](env_vars::MLRUN_RECORD_TIMEOUT) says otherwise.
const PATIENCE_SECONDS: f64 = 600.0;

/// How long it may be away for a run that a signal has ended: batch systems kill soon.
const INTERRUPTED_PATIENCE: Duration = Duration::from_secs(10);

/// The pauses between two tries double from the first to the longest.
const FIRST_PAUSE: Duration = Duration::from_millis(500);
const LONGEST_PAUSE: Duration = Duration::from_secs(30);

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
    let recorded = tokio::time::timeout(limit, record(created, end, patience, progress));
    let (recorded, signal) = match despite_signals(signals, recorded).await {
        Ok((recorded, signal)) => (recorded.ok(), signal),
        Err(signal) => (None, Some(signal)),
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

/// Tries until it is recorded, or nothing is to be hoped for. A try that has begun is not cut short.
async fn record(
    created: &CreatedRun,
    end: RunEnd,
    patience: Duration,
    progress: &dyn Progress,
) -> Result<RunStatus, TrackingError> {
    let begun = Instant::now();
    let mut recorded = created.store.end_run(&created.info.run_id, end).await;
    let mut pause = FIRST_PAUSE;
    while let Err(error) = &recorded
        && error.may_pass()
        && begun.elapsed() + pause <= patience
    {
        if pause == FIRST_PAUSE {
            progress.warning(&format!(
                "the end of run '{}' ({}) cannot be recorded yet ({}); trying for {} in all",
                created.info.run_id,
                end.status,
                whole(error),
                in_words(patience)
            ));
        }
        tokio::time::sleep(pause).await;
        pause = (pause * 2).min(LONGEST_PAUSE);
        recorded = record_anew(created, end).await;
    }
    recorded
}

/// Opens the store again: a database's connection that broke does not come back.
async fn record_anew(created: &CreatedRun, end: RunEnd) -> Result<RunStatus, TrackingError> {
    let store = tracking::open(&created.plan.tracking_uri).await?;
    store.end_run(&created.info.run_id, end).await
}

/// The error with its causes, in one line.
fn whole(error: &TrackingError) -> String {
    let mut text = error.to_string();
    let mut source = std::error::Error::source(error);
    while let Some(cause) = source {
        text.push_str(": ");
        text.push_str(&cause.to_string());
        source = cause.source();
    }
    text
}
