//! Why something on Kubernetes failed or does not start, in words for a person: policies that forbid what the
//! user's role allows, and disruptions that stop pods from outside.
//!
//! Denials differ only by their message: most are `403 Forbidden` like a missing role, but policies and
//! webhooks choose the status code themselves. Source of the messages: the admission plugins of
//! Kubernetes 1.25 to 1.34; "Disruptions" and "Pod Lifecycle" of its documentation, and the `reason`s that the
//! kubelet gives pods.

use std::time::Duration;

use k8s_openapi::api::core::v1::{ContainerStateTerminated, Pod, PodCondition};
use kube::ResourceExt as _;

use crate::backend::error::ServiceError;
use crate::quantity;

/// Why something failed, or does not start, for a person.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Reason {
    pub(super) text: String,
    pub(super) hint: Option<&'static str>,
    /// Whether waiting cannot help.
    pub(super) is_lasting: bool,
}

impl Reason {
    pub(super) fn new(text: impl Into<String>, hint: Option<&'static str>) -> Self {
        Self {
            text: text.into(),
            hint,
            is_lasting: false,
        }
    }

    pub(super) fn told(what: impl Into<String>, message: &str, hint: Option<&'static str>) -> Self {
        let what = what.into();
        match message.trim() {
            "" => Self::new(what, hint),
            message => Self::new(format!("{what}: {message}"), hint),
        }
    }

    pub(super) fn lasting_if(self, is_lasting: bool) -> Self {
        Self { is_lasting, ..self }
    }
}

impl From<Reason> for ServiceError {
    fn from(reason: Reason) -> Self {
        Self::failed(reason.text, reason.hint.map(str::to_owned), None)
    }
}

/// The reason of a Job or pod that exceeded its deadline.
pub(super) fn deadline(what: &str, seconds: Option<i64>) -> Reason {
    let allowed = seconds.and_then(|seconds| u64::try_from(seconds).ok());
    let allowed = allowed.map(|seconds| quantity::duration(Duration::from_secs(seconds)));
    let allowed = allowed.map_or_else(String::new, |allowed| format!(" of {allowed}"));
    let text = format!("the {what} exceeded its activeDeadlineSeconds{allowed}");
    Reason::new(text, Some("raise activeDeadlineSeconds in the template"))
}

/// A rule of the cluster that denies something: a quota, a policy, a namespace that is being deleted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Denial {
    /// What denies it, for the end of a sentence.
    pub(super) explanation: &'static str,
    pub(super) hint: &'static str,
    /// Whether waiting cannot help unless somebody changes the rule.
    pub(super) is_lasting: bool,
}

impl Denial {
    // Other workloads finish and free their share.
    const QUOTA: Self = Self {
        explanation: "a resource quota of the namespace is used up",
        hint: "wait until other workloads finish (`kubectl describe resourcequota` shows the usage), or ask for a \
        larger quota",
        is_lasting: false,
    };
    const WHOLE_QUOTA: Self = Self {
        explanation: "it requests more than a resource quota of the namespace allows",
        hint: "request less in the template (resources), or ask for a larger quota (`kubectl describe \
        resourcequota` shows it)",
        is_lasting: true,
    };
    const QUOTA_NEEDS_VALUES: Self = Self {
        explanation: "a resource quota of the namespace requires values that the template does not set",
        hint: "set resources.requests and resources.limits of every container in the template, as the message says",
        is_lasting: true,
    };
    const TERMINATING: Self = Self {
        explanation: "the namespace is being deleted",
        hint: "use another namespace (metadata.namespace in the template), or create this one again after the deletion",
        is_lasting: true,
    };
    // Its answer may depend on more than the pod.
    pub(super) const WEBHOOK: Self = Self {
        explanation: "an admission webhook of the cluster denied it",
        hint: "change the template as the message says, or ask the cluster's administrators for an exception",
        is_lasting: false,
    };
    pub(super) const POLICY: Self = Self {
        explanation: "an admission policy of the cluster denied it",
        is_lasting: true,
        ..Self::WEBHOOK
    };
    const POD_SECURITY: Self = Self {
        explanation: "the Pod Security level of the namespace does not allow it",
        hint: "set the securityContext in the template as the message says, or use a namespace with a less strict level",
        is_lasting: true,
    };
    const SECURITY_CONTEXT: Self = Self {
        explanation: "the cluster's security policies do not allow it",
        hint: "change the securityContext in the template, or use a service account that is allowed to have it",
        is_lasting: true,
    };
    const LIMIT_RANGE: Self = Self {
        explanation: "a LimitRange of the namespace does not allow its resources",
        hint: "change the resources in the template: `kubectl describe limitrange` shows what is allowed",
        is_lasting: true,
    };
    // Installers may create it a moment after the Job.
    const SERVICE_ACCOUNT: Self = Self {
        explanation: "the template's service account does not exist",
        hint: "create the service account in the Job's namespace, or name another one in the template (serviceAccountName)",
        is_lasting: false,
    };
    const PRIORITY_CLASS: Self = Self {
        explanation: "the template's priority class does not exist",
        hint: "name another priorityClassName in the template: `kubectl get priorityclass` lists them",
        is_lasting: false,
    };

    pub(super) fn of(message: &str) -> Option<&'static Self> {
        let is_said = |words: &&[&str]| words.iter().all(|word| message.contains(word));
        let (_, denial) = WORDS.iter().find(|(words, _)| is_said(words))?;
        if **denial == Self::QUOTA && leaves_nothing_used(message) {
            return Some(&Self::WHOLE_QUOTA);
        }
        Some(denial)
    }
}

/// The words of each rule. Rules whose messages contain free text come first.
const WORDS: [(&[&str], &Denial); 14] = [
    (&["admission webhook", "denied the request"], &Denial::WEBHOOK),
    (&["ValidatingAdmissionPolicy '"], &Denial::POLICY),
    (&["because it is being terminated"], &Denial::TERMINATING),
    (&["exceeded quota: "], &Denial::QUOTA),
    (&["failed quota: "], &Denial::QUOTA_NEEDS_VALUES),
    (&["insufficient quota to "], &Denial::QUOTA_NEEDS_VALUES),
    (&["violates PodSecurity "], &Denial::POD_SECURITY),
    (&["security context constraint"], &Denial::SECURITY_CONTEXT),
    (&["PodSecurityPolicy: "], &Denial::SECURITY_CONTEXT),
    (&["limit to request ratio per "], &Denial::LIMIT_RANGE),
    (&["maximum ", " usage per "], &Denial::LIMIT_RANGE),
    (&["minimum ", " usage per "], &Denial::LIMIT_RANGE),
    (&["error looking up service account"], &Denial::SERVICE_ACCOUNT),
    (&["no PriorityClass with name "], &Denial::PRIORITY_CLASS),
];

/// Whether a quota is exceeded although nothing is used, as in `requested: pods=1, used: pods=0, limited:
/// pods=0`. Only what is exceeded is listed.
fn leaves_nothing_used(message: &str) -> bool {
    let used = message
        .split_once("used: ")
        .and_then(|(_, rest)| rest.split_once(", limited: "));
    used.is_some_and(|(used, _)| used.split(',').any(|amount| amount.trim().ends_with("=0")))
}

const AGAIN: &str = "to have the Job retry, raise backoffLimit in the template, or add a podFailurePolicy that \
ignores DisruptionTarget";
const PRIORITY: &str = "set a higher priorityClassName in the template, or have the Job retry: raise backoffLimit, \
or add a podFailurePolicy that ignores DisruptionTarget";
const REQUESTS: &str =
    "request what the entry point needs (resources.requests in the template), so that the node keeps the pod";
const DELETED: &str = "`kubectl get events` may show who deleted it; to have the Job retry, raise backoffLimit in \
the template";

/// Why the pod was stopped from outside, if its status says so: preempted, evicted, drained, or lost with its node.
pub(super) fn of_disruption(pod: &Pod) -> Option<Reason> {
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
    // Add Kubernetes' own name of the reason for searching, unless the text already ends with it.
    if !what.ends_with(&reason.to_lowercase()) {
        text += &format!(" ({reason})");
    }
    Some(Reason::told(
        text,
        message.as_deref().unwrap_or_default(),
        own_hint.or(hint),
    ))
}

fn meaning(reason: &str) -> (&'static str, Option<&'static str>) {
    let (what, hint) = match reason {
        "Evicted" => ("was evicted", REQUESTS),
        "EvictionByEvictionAPI" => ("was evicted, probably to drain its node", AGAIN),
        "DeletionByTaintManager" => (
            "was evicted because its node got a taint that it does not tolerate",
            AGAIN,
        ),
        "PreemptionByScheduler" => ("was preempted by a pod of higher priority", PRIORITY),
        "Preempting" => ("was preempted by a critical pod of its node", AGAIN),
        "NodeLost" | "DeletionByPodGC" => ("was lost with its node", AGAIN),
        "Terminated" | "Shutdown" | "NodeShutdown" => ("was stopped by the shutdown of its node", AGAIN),
        "TerminationByKubelet" => ("was stopped by its node", AGAIN),
        _ if reason.starts_with("OutOf") || reason == "UnexpectedAdmissionError" => {
            ("was rejected by its node", AGAIN)
        }
        _ => return ("was stopped", None),
    };
    (what, Some(hint))
}

/// The reason of a pod that somebody, or the cluster, deleted before it finished.
pub(super) fn deleted(name: &str, has_started: bool) -> Reason {
    let when = if has_started {
        "while the entry point ran"
    } else {
        "before the entry point started"
    };
    Reason::new(format!("the pod '{name}' was deleted {when}"), Some(DELETED))
}

/// Whether a signal stopped the container after the pod's deletion was requested.
pub(super) fn is_by_deletion(pod: &Pod, terminated: &ContainerStateTerminated) -> bool {
    let Some(deadline) = &pod.metadata.deletion_timestamp else {
        return false;
    };
    let grace = pod.metadata.deletion_grace_period_seconds.unwrap_or_default();
    let ended = terminated.finished_at.as_ref().map(|time| time.0.as_second());
    // The deletion timestamp is the end of the pod's grace period.
    matches!(terminated.exit_code, 137 | 143)
        && ended.is_none_or(|ended| ended >= deadline.0.as_second() - grace)
}

pub(super) fn conditions(pod: &Pod) -> impl Iterator<Item = &PodCondition> {
    let status = pod.status.iter();
    status.flat_map(|status| &status.conditions).flatten()
}
