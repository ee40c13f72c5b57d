//! The deletion of a Job, to its end.

use std::time::Duration;

use k8s_openapi::api::batch::v1::Job;
use kube::runtime::watcher::Config;
use tokio::time::timeout;

use super::KubernetesError;
use super::handle::{JobHandle, PATIENCE};
use super::watch::{Change, Watch};
use crate::events::Progress;

/// How long a deletion may take beyond the time that the pods have to end.
pub(super) const BEYOND_GRACE: Duration = Duration::from_secs(30);

/// How long the API may take to answer a deletion that a signal asked for: batch systems kill soon.
pub(super) const HASTY_PATIENCE: Duration = Duration::from_secs(5);

/// Deletes the Job and waits until it and its pods are gone, as long as that may take.
pub(super) async fn delete(
    handle: &JobHandle,
    job: &Job,
    progress: &dyn Progress,
) -> Result<(), KubernetesError> {
    progress.info(&format!("Deleting the Job '{}' and its pods", handle.name));
    let deleted = handle.delete(PATIENCE).await;
    deleted.map_err(|problem| handle.cluster.problem("delete the Job", problem))?;
    if !is_gone_in_time(handle, job).await {
        progress.warning(&format!(
            "the Job '{}' is being deleted, but its pods have not ended yet",
            handle.name
        ));
    }
    Ok(())
}

/// Waits until the Job and its pods are gone. Whether they are.
async fn is_gone_in_time(handle: &JobHandle, job: &Job) -> bool {
    let by_name = Config::default().fields(&format!("metadata.name={}", handle.name));
    let mut watch = Watch::<Job>::new(handle, by_name);
    let gone = async {
        while let Some(change) = watch.next().await {
            match change {
                Change::Listed(jobs) if !jobs.iter().any(|job| handle.is(&job.metadata)) => return true,
                Change::Deleted(job) if handle.is(&job.metadata) => return true,
                _ => {}
            }
        }
        false
    };
    let is_gone = timeout(termination_grace(job) + BEYOND_GRACE, gone).await;
    is_gone.unwrap_or(false)
}

/// How long the pods have to end when they are asked to.
pub(super) fn termination_grace(job: &Job) -> Duration {
    let pod = job.spec.as_ref().and_then(|spec| spec.template.spec.as_ref());
    let seconds = pod.and_then(|pod| pod.termination_grace_period_seconds);
    Duration::from_secs(seconds.and_then(|seconds| seconds.try_into().ok()).unwrap_or(30))
}
