//! Pods that are ended from outside: preempted, evicted, drained, lost with their node, deleted.
//!
//! Source of the words: "Disruptions" and "Pod Lifecycle" of the Kubernetes documentation, and the
//! `reason`s that the kubelet gives pods.

use k8s_openapi::api::core::v1::{ContainerStateTerminated, Pod, PodCondition};
use kube::ResourceExt as _;

use super::error::Reason;

const AGAIN: &str = "let the Job try again: raise backoffLimit in the template, or give it a podFailurePolicy that ignores \
     DisruptionTarget";
const PRIORITY: &str = "give the pod a higher priorityClassName in the template, or let the Job try again: raise backoffLimit, or \
     give it a podFailurePolicy that ignores DisruptionTarget";
const REQUESTS: &str =
    "ask for what the entry point needs (resources.requests in the template), so that the node keeps it";
const DELETED: &str = "`kubectl get events` may tell who deleted it; to have the Job try again, raise backoffLimit in the template";

/// Why the pod was, or is being, ended from outside, if its status says so.
pub(super) fn of(pod: &Pod) -> Option<Reason> {
    let status = pod.status.as_ref()?;
    let (reason, message, hint) = match status.reason.as_deref().filter(|reason| !reason.is_empty()) {
        Some(reason) => (reason, &status.message, None),
        None => {
            let condition = conditions(pod)
                .find(|condition| condition.type_ == "DisruptionTarget" && condition.status == "True")?;
            let reason = condition.reason.as_deref().unwrap_or("DisruptionTarget");
            (reason, &condition.message, Some(AGAIN))
        }
    };
    let (what, own_hint) = meaning(reason);
    let mut text = format!("the pod '{}' {what}", pod.name_any());
    // Who looks for the reason by Kubernetes' own name finds it, unless it is the word itself.
    if !what.ends_with(&reason.to_lowercase()) {
        text += &format!(" ({reason})");
    }
    Some(Reason::told(
        text,
        message.as_deref().unwrap_or_default(),
        own_hint.or(hint),
    ))
}

/// What the reason of a pod, or of its disruption, means.
fn meaning(reason: &str) -> (&'static str, Option<&'static str>) {
    let (what, hint) = match reason {
        "Evicted" => ("was evicted", REQUESTS),
        "EvictionByEvictionAPI" => ("was evicted, as when its node is drained", AGAIN),
        "DeletionByTaintManager" => (
            "was evicted because its node got a taint that it does not tolerate",
            AGAIN,
        ),
        "PreemptionByScheduler" => ("was preempted by a pod of higher priority", PRIORITY),
        "Preempting" => ("was preempted by a pod that its node cannot do without", AGAIN),
        "NodeLost" | "DeletionByPodGC" => ("was lost with its node", AGAIN),
        "Terminated" | "Shutdown" | "NodeShutdown" => ("was ended by the shutdown of its node", AGAIN),
        "TerminationByKubelet" => ("was ended by its node", AGAIN),
        _ if reason.starts_with("OutOf") || reason == "UnexpectedAdmissionError" => {
            ("was refused by its node", AGAIN)
        }
        _ => return ("was ended", None),
    };
    (what, Some(hint))
}

/// What is said of a pod that somebody, or the cluster, deleted before it had ended.
pub(super) fn deleted(name: &str, has_started: bool) -> Reason {
    let when = if has_started {
        "while the entry point ran"
    } else {
        "before the entry point started"
    };
    Reason::new(format!("the pod '{name}' was deleted {when}"), Some(DELETED))
}

/// Whether the container ended by a signal after the pod's deletion was asked for.
pub(super) fn is_by_deletion(pod: &Pod, terminated: &ContainerStateTerminated) -> bool {
    let Some(deadline) = &pod.metadata.deletion_timestamp else {
        return false;
    };
    let grace = pod.metadata.deletion_grace_period_seconds.unwrap_or_default();
    let ended = terminated.finished_at.as_ref().map(|time| time.0.as_second());
    // The deletion's time is the one at which the pod's grace is over.
    matches!(terminated.exit_code, 137 | 143)
        && ended.is_none_or(|ended| ended >= deadline.0.as_second() - grace)
}

pub(super) fn conditions(pod: &Pod) -> impl Iterator<Item = &PodCondition> {
    let status = pod.status.iter();
    status.flat_map(|status| &status.conditions).flatten()
}
