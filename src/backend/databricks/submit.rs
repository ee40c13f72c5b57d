//! A job that is submitted, which a signal may cut short.

use std::pin::pin;
use std::time::Duration;

use serde_json::Value;
use tokio::time::timeout;

use super::error::DatabricksBackendError;
use crate::databricks::Client;
use crate::events::Progress;
use crate::process::{Signals, TerminationSignal};

/// How long an answer may still come after a signal. A request that is made again meanwhile gives the
/// same job run, so that one whose answer was lost is found.
const ANSWER_PATIENCE: Duration = Duration::from_secs(2);

/// What became of a job that was to be submitted.
#[derive(Debug)]
pub(super) enum Submission {
    /// It runs, under this id; a signal may have come meanwhile.
    Done(u64, Option<TerminationSignal>),
    /// The signal came first, and no job run is known.
    Interrupted(TerminationSignal),
}

/// Submits a job.
pub(super) async fn submit(
    client: &Client,
    body: &Value,
    signals: &mut Signals,
    progress: &dyn Progress,
) -> Result<Submission, DatabricksBackendError> {
    let mut submitted = pin!(client.submit_job(body));
    let signal = tokio::select! {
        biased;
        signal = signals.next() => signal,
        submitted = &mut submitted => {
            return match submitted {
                Ok(job_run_id) => Ok(Submission::Done(job_run_id, None)),
                Err(source) => Err(DatabricksBackendError::Submit { source: Box::new(source) }),
            };
        }
    };
    let answer = tokio::select! {
        biased;
        _ = signals.further() => None,
        answer = timeout(ANSWER_PATIENCE, submitted) => answer.ok(),
    };
    if let Some(Ok(job_run_id)) = answer {
        return Ok(Submission::Done(job_run_id, Some(signal)));
    }
    progress.warning(&format!(
        "Interrupted by {signal} before the workspace {} had answered whether it took the job: if it did, cancel \
         there the newest job run that is named '{}'",
        client.address(),
        body["run_name"].as_str().unwrap_or_default()
    ));
    Ok(Submission::Interrupted(signal))
}
