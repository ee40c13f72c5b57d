//! What a Job says about itself: how it ended, what it does next, and whether somebody deleted it before it
//! had ended (`mlrun cancel`, `kubectl delete job`, a quota's controller).

use k8s_openapi::api::batch::v1::{Job, JobCondition, JobSpec};

/// The Job's conditions of these kinds that hold.
fn conditions<'a>(job: &'a Job, kinds: &[&str]) -> impl Iterator<Item = &'a JobCondition> {
    let all = job.status.iter().flat_map(|status| &status.conditions).flatten();
    all.filter(|condition| condition.status == "True" && kinds.contains(&&*condition.type_))
}

/// The condition that is the Job's end, if it has one.
pub(super) fn end_of(job: &Job) -> Option<&JobCondition> {
    conditions(job, &["Complete", "Failed"]).next()
}

/// Whether the Job's end is decided, if not yet reached: its controller deletes the pods that still run.
pub(super) fn is_ending(job: &Job) -> bool {
    let decisions = ["FailureTarget", "SuccessCriteriaMet", "Failed", "Complete"];
    conditions(job, &decisions).next().is_some()
}

/// Whether the Job was deleted, or is being deleted, before it had ended. The run was killed then, whatever
/// its pods make of it.
pub(super) fn was_cancelled(job: &Job) -> bool {
    let Some(deleted) = &job.metadata.deletion_timestamp else {
        return false;
    };
    let Some(end) = end_of(job) else {
        return true;
    };
    match &end.last_transition_time {
        Some(ended) if ended.0.as_second() != deleted.0.as_second() => ended.0 > deleted.0,
        // Times are told in seconds. A Job that deletes itself may do so at once when it has ended, and
        // pods that are ended by a deletion rarely succeed.
        _ => !goes_by_itself(Some(job)) && end.type_ == "Failed",
    }
}

fn spec(job: Option<&Job>) -> Option<&JobSpec> {
    job?.spec.as_ref()
}

/// Whether the cluster deletes the Job some time after its end.
pub(super) fn goes_by_itself(job: Option<&Job>) -> bool {
    spec(job).is_some_and(|spec| spec.ttl_seconds_after_finished.is_some())
}

/// Whether somebody keeps the Job from starting, as queues do.
pub(super) fn is_suspended(job: Option<&Job>) -> bool {
    spec(job).and_then(|spec| spec.suspend).unwrap_or(false)
}

/// The queue of Kueue that decides when the Job starts, if one does.
pub(super) fn queue_of(job: &Job) -> Option<&str> {
    let labels = job.metadata.labels.as_ref()?;
    labels.get("kueue.x-k8s.io/queue-name").map(String::as_str)
}

/// Whether the Job makes another pod where one fails; it does unless its template says otherwise.
pub(super) fn tries_again(job: Option<&Job>) -> bool {
    spec(job).is_none_or(|spec| {
        spec.backoff_limit.unwrap_or(6) > 0
            || spec.backoff_limit_per_index.is_some()
            || spec.pod_failure_policy.is_some()
    })
}

/// Whether the Job is done when one pod has succeeded.
pub(super) fn has_one_pod(job: Option<&Job>) -> bool {
    spec(job).is_some_and(|spec| spec.completions.unwrap_or(1) <= 1 && spec.parallelism.unwrap_or(1) <= 1)
}
