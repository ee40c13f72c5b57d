//! Why a run on Kubernetes failed or could not be started.

use std::error::Error;
use std::time::Duration;

use super::reasons::Reason;
use crate::project::Location;
use crate::run::RunStatus;

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
    pub(super) fate: JobFate,
}

/// What has become of the Job.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum JobFate {
    Failed,
    /// Somebody deleted it before it had ended.
    Deleted,
    /// It is not there any more, and how it ended is not known.
    Unknown,
    /// It may go on, but the API could not be asked for so long that it was given up.
    Lost,
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
            fate: JobFate::Failed,
        }
    }

    pub(super) fn setup(problem: impl Into<String>, hint: impl Into<String>) -> Self {
        Self::failed(problem, Some(hint.into()), None)
    }

    pub(super) fn at(self, place: Option<Location>) -> Self {
        Self { place, ..self }
    }

    pub(super) fn with_fate(self, fate: JobFate) -> Self {
        Self { fate, ..self }
    }

    pub(super) fn no_container() -> Self {
        Self::setup(
            "only projects with a docker_env run on Kubernetes",
            "write `docker_env:` with an image into the MLproject file",
        )
    }

    /// The status of a run that went wrong so: `RUNNING` if its Job goes on, `KILLED` if that was deleted.
    pub(in crate::backend) fn run_status(&self) -> RunStatus {
        match self.fate {
            JobFate::Deleted => RunStatus::Killed,
            JobFate::Lost => RunStatus::Running,
            JobFate::Failed | JobFate::Unknown => RunStatus::Failed,
        }
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

impl From<Reason> for KubernetesError {
    fn from(reason: Reason) -> Self {
        Self::failed(reason.text, reason.hint.map(str::to_owned), None)
    }
}

/// A length of time for a person.
pub(super) fn seconds(time: Duration) -> String {
    match time.as_secs() {
        seconds if seconds >= 120 && seconds.is_multiple_of(60) => format!("{} minutes", seconds / 60),
        1 => "1 second".to_owned(),
        seconds => format!("{seconds} seconds"),
    }
}
