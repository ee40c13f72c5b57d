//! Rules of a cluster that forbid what the user's role allows: quotas, policies, a namespace that is
//! being deleted.
//!
//! The API server tells them apart by its words alone: most are `403 Forbidden` like a missing role,
//! but policies and webhooks choose the status code themselves. Source of the words: the admission
//! plugins of Kubernetes 1.25 to 1.34.

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Denial {
    /// What forbids it, as the end of a sentence that begins with what was forbidden.
    pub(super) explanation: &'static str,
    pub(super) hint: &'static str,
    /// Whether the same pod will be forbidden however long one waits, unless somebody changes the rule.
    pub(super) is_lasting: bool,
}

impl Denial {
    // Others end and free their share.
    const QUOTA: Self = Self {
        explanation: "a resource quota of the namespace is used up",
        hint: "wait until others need less (`kubectl describe resourcequota` shows what is used), or ask for a larger quota",
        is_lasting: false,
    };
    const WHOLE_QUOTA: Self = Self {
        explanation: "it asks for more than a resource quota of the namespace allows at all",
        hint: "ask for less in the template (resources), or for a larger quota: `kubectl describe resourcequota` shows it",
        is_lasting: true,
    };
    const QUOTA_NEEDS_VALUES: Self = Self {
        explanation: "a resource quota of the namespace needs values that the template does not set",
        hint: "set resources.requests and resources.limits of every container in the template, as the message says",
        is_lasting: true,
    };
    const TERMINATING: Self = Self {
        explanation: "the namespace is being deleted",
        hint: "use another namespace (metadata.namespace in the template), or create this one again when it is gone",
        is_lasting: true,
    };
    // It may look at the world around the pod.
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
        hint: "change the securityContext in the template, or use a service account that may have it",
        is_lasting: true,
    };
    const LIMIT_RANGE: Self = Self {
        explanation: "a LimitRange of the namespace does not allow its resources",
        hint: "change the resources in the template: `kubectl describe limitrange` shows what is allowed",
        is_lasting: true,
    };
    // What is missing may be created a moment after the Job, as installers do.
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

    /// The rule that these words of the API server speak of.
    pub(super) fn of(message: &str) -> Option<&'static Self> {
        let is_said = |words: &&[&str]| words.iter().all(|word| message.contains(word));
        let (_, denial) = WORDS.iter().find(|(words, _)| is_said(words))?;
        if **denial == Self::QUOTA && leaves_nothing_used(message) {
            return Some(&Self::WHOLE_QUOTA);
        }
        Some(denial)
    }
}

/// The words of each rule. First come those whose messages hold the words of their authors.
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

/// Whether a quota is exceeded of which nothing is used, as in `requested: pods=1, used: pods=0, limited:
/// pods=0`. Only what is exceeded is listed.
fn leaves_nothing_used(message: &str) -> bool {
    let used = message
        .split_once("used: ")
        .and_then(|(_, rest)| rest.split_once(", limited: "));
    used.is_some_and(|(used, _)| used.split(',').any(|amount| amount.trim().ends_with("=0")))
}
