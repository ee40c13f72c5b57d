//! Rules of a cluster that forbid what the user's role allows: quotas, policies, a namespace that is
//! being deleted.
//!
//! The API server tells them apart by its words alone: most are `403 Forbidden` like a missing role,
//! but policies and webhooks choose the status code themselves. Source of the words: the admission
//! plugins of Kubernetes 1.25 to 1.34.

/// The rule that forbids a Job or its pods.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Denial {
    /// A resource quota is used up.
    Quota,
    /// What is asked for is more than the whole quota.
    WholeQuota,
    /// A resource quota wants values that the template does not set.
    QuotaNeedsValues,
    /// The namespace is being deleted.
    Terminating,
    /// An admission webhook of the cluster.
    Webhook,
    /// A `ValidatingAdmissionPolicy`.
    Policy,
    /// The namespace's Pod Security level.
    PodSecurity,
    /// The security context constraints of OpenShift.
    SecurityContext,
    /// A `LimitRange`.
    LimitRange,
    /// The template's service account does not exist.
    ServiceAccount,
    /// The template's priority class does not exist.
    PriorityClass,
}

impl Denial {
    /// The rule that these words of the API server speak of.
    pub(super) fn of(message: &str) -> Option<Self> {
        let has = |text: &str| message.contains(text);
        // First those whose messages hold the words of their authors.
        Some(if has("admission webhook") && has("denied the request") {
            Self::Webhook
        } else if has("ValidatingAdmissionPolicy '") {
            Self::Policy
        } else if has("because it is being terminated") {
            Self::Terminating
        } else if has("exceeded quota: ") {
            if leaves_nothing_used(message) {
                Self::WholeQuota
            } else {
                Self::Quota
            }
        } else if has("failed quota: ") || has("insufficient quota to ") {
            Self::QuotaNeedsValues
        } else if has("violates PodSecurity ") {
            Self::PodSecurity
        } else if has("security context constraint") || has("PodSecurityPolicy: ") {
            Self::SecurityContext
        } else if has("limit to request ratio per ")
            || ((has("maximum ") || has("minimum ")) && has(" usage per "))
        {
            Self::LimitRange
        } else if has("error looking up service account") {
            Self::ServiceAccount
        } else if has("no PriorityClass with name ") {
            Self::PriorityClass
        } else {
            return None;
        })
    }

    /// What forbids it, as the end of a sentence that begins with what was forbidden.
    pub(super) fn explanation(self) -> &'static str {
        match self {
            Self::Quota => "a resource quota of the namespace is used up",
            Self::WholeQuota => "it asks for more than a resource quota of the namespace allows at all",
            Self::QuotaNeedsValues => {
                "a resource quota of the namespace needs values that the template does not set"
            }
            Self::Terminating => "the namespace is being deleted",
            Self::Webhook => "an admission webhook of the cluster denied it",
            Self::Policy => "an admission policy of the cluster denied it",
            Self::PodSecurity => "the Pod Security level of the namespace does not allow it",
            Self::SecurityContext => "the cluster's security policies do not allow it",
            Self::LimitRange => "a LimitRange of the namespace does not allow its resources",
            Self::ServiceAccount => "the template's service account does not exist",
            Self::PriorityClass => "the template's priority class does not exist",
        }
    }

    /// What to do about it.
    pub(super) fn hint(self) -> &'static str {
        match self {
            Self::Quota => {
                "wait until others need less (`kubectl describe resourcequota` shows what is used), or ask for a larger quota"
            }
            Self::WholeQuota => {
                "ask for less in the template (resources), or for a larger quota: `kubectl describe resourcequota` shows it"
            }
            Self::QuotaNeedsValues => {
                "set resources.requests and resources.limits of every container in the template, as the message says"
            }
            Self::Terminating => {
                "use another namespace (metadata.namespace in the template), or create this one again when it is gone"
            }
            Self::Webhook | Self::Policy => {
                "change the template as the message says, or ask the cluster's administrators for an exception"
            }
            Self::PodSecurity => {
                "set the securityContext in the template as the message says, or use a namespace with a less strict level"
            }
            Self::SecurityContext => {
                "change the securityContext in the template, or use a service account that may have it"
            }
            Self::LimitRange => {
                "change the resources in the template: `kubectl describe limitrange` shows what is allowed"
            }
            Self::ServiceAccount => {
                "create the service account in the Job's namespace, or name another one in the template (serviceAccountName)"
            }
            Self::PriorityClass => {
                "name another priorityClassName in the template: `kubectl get priorityclass` lists them"
            }
        }
    }

    /// Whether the same pod will be forbidden however long one waits, unless somebody changes the rule.
    pub(super) fn is_lasting(self) -> bool {
        match self {
            Self::WholeQuota
            | Self::QuotaNeedsValues
            | Self::Terminating
            | Self::Policy
            | Self::PodSecurity
            | Self::SecurityContext
            | Self::LimitRange => true,
            // Others end and free their share; a webhook may look at the world around the pod; what is
            // missing may be created a moment after the Job, as installers do.
            Self::Quota | Self::Webhook | Self::ServiceAccount | Self::PriorityClass => false,
        }
    }
}

/// Whether a quota is exceeded of which nothing is used, as in `requested: pods=1, used: pods=0, limited:
/// pods=0`. Only what is exceeded is listed.
fn leaves_nothing_used(message: &str) -> bool {
    let used = message
        .split_once("used: ")
        .and_then(|(_, rest)| rest.split_once(", limited: "));
    used.is_some_and(|(used, _)| used.split(',').any(|amount| amount.trim().ends_with("=0")))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rules_are_told_apart_by_their_words() {
        for (message, expected) in [
            (
                "jobs.batch \"x\" is forbidden: exceeded quota: q, requested: count/jobs.batch=1, used: count/jobs.batch=5, limited: count/jobs.batch=5",
                Some(Denial::Quota),
            ),
            (
                "pods \"x\" is forbidden: exceeded quota: q, requested: cpu=8,pods=1, used: cpu=0,pods=3, limited: cpu=4,pods=3",
                Some(Denial::WholeQuota),
            ),
            (
                "pods \"x\" is forbidden: failed quota: q: must specify limits.cpu for: main",
                Some(Denial::QuotaNeedsValues),
            ),
            (
                "jobs.batch \"x\" is forbidden: unable to create new content in namespace ml because it is being terminated",
                Some(Denial::Terminating),
            ),
            (
                "admission webhook \"validate.kyverno.svc-fail\" denied the request: exceeded quota: none",
                Some(Denial::Webhook),
            ),
            (
                "jobs.batch \"x\" is forbidden: ValidatingAdmissionPolicy 'p' with binding 'b' denied request: minimum usage per team",
                Some(Denial::Policy),
            ),
            (
                "pods \"x\" is forbidden: violates PodSecurity \"restricted:latest\": allowPrivilegeEscalation != false",
                Some(Denial::PodSecurity),
            ),
            (
                "pods \"x\" is forbidden: [maximum cpu usage per Container is 1, but limit is 2, maximum memory usage per Pod is 1Gi, but limit is 2Gi]",
                Some(Denial::LimitRange),
            ),
            (
                "pods \"x\" is forbidden: cpu max limit to request ratio per Container is 2, but provided ratio is 4.000000",
                Some(Denial::LimitRange),
            ),
            (
                "pods \"x\" is forbidden: unable to validate against any security context constraint: []",
                Some(Denial::SecurityContext),
            ),
            (
                "pods \"x\" is forbidden: error looking up service account ml/train: serviceaccount \"train\" not found",
                Some(Denial::ServiceAccount),
            ),
            (
                "pods \"x\" is forbidden: no PriorityClass with name high was found",
                Some(Denial::PriorityClass),
            ),
            (
                "jobs.batch is forbidden: User \"u\" cannot create resource \"jobs\" in API group \"batch\" in the namespace \"ml\"",
                None,
            ),
            (
                "Internal error occurred: failed calling webhook \"w\": failed to call webhook: context deadline exceeded",
                None,
            ),
            ("admission webhook \"w\" does not support dry run", None),
        ] {
            assert_eq!(Denial::of(message), expected, "{message}");
        }
    }
}
