//! Jobs that somebody deletes before they have ended: `mlrun cancel`, `kubectl delete job`, a quota's
//! controller. The run was killed then, whatever its pods make of it.

use k8s_openapi::api::batch::v1::Job;
use k8s_openapi::jiff::Timestamp;

use super::reasons::{self, JobEnd};

/// Whether the Job was deleted, or is being deleted, before it had ended.
pub(super) fn was_cancelled(job: &Job) -> bool {
    let Some(deleted) = &job.metadata.deletion_timestamp else {
        return false;
    };
    let Some(end) = reasons::end_of(job) else {
        return true;
    };
    match ended_at(job) {
        Some(ended) if ended.as_second() != deleted.0.as_second() => ended > deleted.0,
        // Times are told in seconds. A Job that deletes itself may do so at once when it has ended, and
        // pods that are ended by a deletion rarely succeed.
        _ => !goes_by_itself(job) && end != JobEnd::Complete,
    }
}

/// Whether the cluster deletes the Job some time after its end.
fn goes_by_itself(job: &Job) -> bool {
    let spec = job.spec.as_ref();
    spec.is_some_and(|spec| spec.ttl_seconds_after_finished.is_some())
}

fn ended_at(job: &Job) -> Option<Timestamp> {
    let conditions = job.status.as_ref()?.conditions.as_deref()?;
    let end = conditions
        .iter()
        .find(|condition| condition.status == "True" && matches!(&*condition.type_, "Complete" | "Failed"))?;
    end.last_transition_time.as_ref().map(|time| time.0)
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;

    fn job(deleted: Option<&str>, end: Option<(&str, Option<&str>)>, ttl: Option<i32>) -> Job {
        let conditions: Vec<Value> = end
            .map(|(kind, time)| json!({"type": kind, "status": "True", "lastTransitionTime": time}))
            .into_iter()
            .collect();
        serde_json::from_value(json!({
            "metadata": {"deletionTimestamp": deleted},
            "spec": {"ttlSecondsAfterFinished": ttl, "template": {}},
            "status": {"conditions": conditions},
        }))
        .unwrap()
    }

    #[test]
    fn a_deletion_before_the_end_is_a_cancellation() {
        const EARLY: &str = "2026-01-02T03:04:05Z";
        const LATE: &str = "2026-01-02T03:04:06Z";
        for (deleted, end, ttl, expected) in [
            (None, None, None, false),
            (None, Some(("Failed", Some(EARLY))), None, false),
            (Some(EARLY), None, None, true),
            (Some(EARLY), None, Some(0), true),
            (Some(EARLY), Some(("Failed", Some(LATE))), None, true),
            // The entry point took the hint and ended well.
            (Some(EARLY), Some(("Complete", Some(LATE))), None, true),
            (Some(LATE), Some(("Failed", Some(EARLY))), None, false),
            (Some(LATE), Some(("Complete", Some(EARLY))), None, false),
            (Some(EARLY), Some(("Failed", Some(EARLY))), None, true),
            (Some(EARLY), Some(("Failed", None)), None, true),
            (Some(EARLY), Some(("Failed", Some(EARLY))), Some(0), false),
            (Some(EARLY), Some(("Complete", Some(EARLY))), Some(0), false),
            (Some(EARLY), Some(("Complete", None)), None, false),
        ] {
            let was = was_cancelled(&job(deleted, end, ttl));
            assert_eq!(was, expected, "deleted {deleted:?}, end {end:?}, ttl {ttl:?}");
        }
    }
}
