//! A job that is submitted, which a signal may cut short.

use std::pin::pin;
use std::time::Duration;

use serde_json::Value;
use tokio::time::timeout;

use super::error::DatabricksBackendError;
use crate::databricks::Client;
use crate::events::Progress;
use crate::process::{Interruptible, Signals, until_signal};

/// How long an answer may still come after a signal. A request that is made again meanwhile gives the
/// same job run, so that one whose answer was lost is found.
const ANSWER_PATIENCE: Duration = Duration::from_secs(2);

/// Submits a job, unless a signal comes first and no job run becomes known soon.
pub(super) async fn submit(
    client: &Client,
    body: &Value,
    signals: &mut Signals,
    progress: &dyn Progress,
) -> Result<Interruptible<u64>, DatabricksBackendError> {
    let mut submitted = pin!(client.submit_job(body));
    let signal = match until_signal(signals, submitted.as_mut()).await {
        Interruptible::Done(submitted) => {
            let job_run_id = submitted.map_err(|source| DatabricksBackendError::Submit {
                source: Box::new(source),
            })?;
            return Ok(Interruptible::Done(job_run_id));
        }
        Interruptible::Interrupted(signal) => signal,
    };
    let answer = tokio::select! {
        biased;
        _ = signals.further() => None,
        answer = timeout(ANSWER_PATIENCE, submitted) => answer.ok(),
    };
    if let Some(Ok(job_run_id)) = answer {
        // Whoever waits for the run, or stores where it is, ends it.
        signals.put_back(Some(signal));
        return Ok(Interruptible::Done(job_run_id));
    }
    progress.warning(&format!(
        "Interrupted by {signal} before the workspace {} had answered whether it took the job: if it did, cancel \
         there the newest job run that is named '{}'",
        client.address(),
        body["run_name"].as_str().unwrap_or_default()
    ));
    Ok(Interruptible::Interrupted(signal))
}
