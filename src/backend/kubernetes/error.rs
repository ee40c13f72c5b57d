//! Why a run on Kubernetes failed, or could not be started.

use std::error::Error;

use crate::entities::RunStatus;
use crate::project::Location;

/// Why a run on Kubernetes failed or could not be started.
#[derive(Debug, thiserror::Error)]
#[error("{problem}")]
pub struct KubernetesError {
    problem: String,
    /// Where in the template it is, if it is there.
    place: Option<Location>,
    hint: Option<String>,
    #[source]
    source: Option<Box<dyn Error + Send + Sync>>,
    status: RunStatus,
}

impl KubernetesError {
    pub(super) fn failed(
        problem: impl Into<String>,
        hint: Option<String>,
        source: Option<Box<dyn Error + Send + Sync>>,
    ) -> Self {
        Self {
            problem: problem.into(),
            place: None,
            hint,
            source,
            status: RunStatus::Failed,
        }
    }

    pub(super) fn setup(problem: impl Into<String>, hint: impl Into<String>) -> Self {
        Self::failed(problem, Some(hint.into()), None)
    }

    pub(super) fn at(self, place: Option<Location>) -> Self {
        Self { place, ..self }
    }

    pub(super) fn with_status(self, status: RunStatus) -> Self {
        Self { status, ..self }
    }

    pub(super) fn no_container() -> Self {
        Self::setup(
            "only projects with a docker_env run on Kubernetes",
            "write `docker_env:` with an image into the MLproject file",
        )
    }

    /// The status of a run that went wrong so: `RUNNING` if its Job goes on, `KILLED` if that was deleted.
    pub(in crate::backend) fn run_status(&self) -> RunStatus {
        self.status
    }

    /// Where in the template it is, if it is there.
    pub fn location(&self) -> Option<&Location> {
        self.place.as_ref()
    }

    /// What the person can do about it.
    pub fn hint(&self) -> Option<String> {
        self.hint.clone()
    }
}

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

impl From<Reason> for KubernetesError {
    fn from(reason: Reason) -> Self {
        Self::failed(reason.text, reason.hint.map(str::to_owned), None)
    }
}
