//! Why something on Kubernetes failed, or does not start, for a person.

use k8s_openapi::api::core::v1::{Pod, PodCondition};

/// Why something failed, or does not start, for a person.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Reason {
    pub(super) text: String,
    pub(super) hint: Option<&'static str>,
    /// Whether it stays so however long one waits.
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

    /// What is wrong, and the cluster's own words about it.
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

pub(super) fn conditions(pod: &Pod) -> impl Iterator<Item = &PodCondition> {
    let status = pod.status.iter();
    status.flat_map(|status| &status.conditions).flatten()
}
