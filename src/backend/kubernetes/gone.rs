//! Jobs that are no longer there: how they ended, as far as the cluster's events remember it, which they do
//! for about an hour.

use std::time::Duration;

use k8s_openapi::api::core::v1::Event;
use kube::api::ListParams;
use tokio::time::timeout;

use super::KubernetesError;
use super::handle::JobHandle;
use super::reasons;
use crate::process::{Ended, ProgramExit};

const PATIENCE: Duration = Duration::from_secs(5);

/// Reasons of a Job's failure, by which its controller names the event too.
const FAILURES: [&str; 5] = [
    "BackoffLimitExceeded",
    "DeadlineExceeded",
    "PodFailurePolicy",
    "MaxFailedIndexesExceeded",
    "FailedIndexes",
];

/// How a Job ended that is no longer there. Nothing if nobody remembers, or the cluster cannot be asked.
pub(super) async fn remembered_end(handle: &JobHandle) -> Option<Result<Ended, KubernetesError>> {
    let of_job = format!("involvedObject.kind=Job,involvedObject.name={}", handle.name);
    let of_job = ListParams::default().fields(&of_job);
    let events = handle.api::<Event>();
    let listed = timeout(PATIENCE, events.list(&of_job)).await.ok()?;
    let events = listed
        .inspect_err(|error| tracing::debug!(%error, "the events of a Job that is gone cannot be asked for"))
        .ok()?;
    let find = |wanted: &[&str]| {
        let mut events = events.iter();
        events.find(|event| wanted.contains(&event.reason.as_deref().unwrap_or_default()))
    };
    if find(&["Completed"]).is_some() {
        return Some(Ok(Ended::Exited(ProgramExit::Code(0))));
    }
    if let Some(event) = find(&FAILURES) {
        let reason = reasons::of_job(None, event.reason.as_deref(), event.message.as_deref());
        return Some(Err(reason.into()));
    }
    // The end is the newest event of a Job, so if its beginning is remembered, its end would be too.
    find(&["SuccessfulCreate"]).map(|_| Err(handle.was_deleted()))
}
