//! Why a backend cannot run an entry point.

use std::error::Error;
use std::io;

use crate::entities::{RunId, RunStatus};
use crate::process::ProcessError;
use crate::project::Location;

/// Why a backend cannot run an entry point.
#[derive(Debug, thiserror::Error)]
pub enum BackendError {
    #[error("there is no backend '{name}'; supported are {}", supported.join(", "))]
    Unknown {
        name: String,
        /// The names that there are; the first is that of the default.
        supported: &'static [&'static str],
    },
    #[error("run '{run_id}' cannot be found where it runs: {reason}")]
    NotAttachable { run_id: RunId, reason: String },
    #[error(transparent)]
    Service(Box<ServiceError>),
    #[error("cannot run the entry point's command")]
    Command {
        #[from]
        source: ProcessError,
    },
    #[error("cannot write a temporary file for the container")]
    Temporary {
        #[source]
        source: io::Error,
    },
    /// The engine could not make the container; it has said why.
    #[error("{program} could not make the container (its own words are above)")]
    NoContainer { program: String },
}

impl From<ServiceError> for BackendError {
    fn from(error: ServiceError) -> Self {
        Self::Service(Box::new(error))
    }
}

impl BackendError {
    /// The status of a run that went wrong so: `RUNNING` if it may go on without this program, `KILLED`
    /// if somebody else ended it where it runs.
    pub fn run_status(&self) -> RunStatus {
        match self {
            Self::Service(error) => error.status,
            _ => RunStatus::Failed,
        }
    }

    /// The place in a file that the error is about, if there is one.
    pub fn location(&self) -> Option<&Location> {
        match self {
            Self::Service(error) => error.place.as_ref(),
            _ => None,
        }
    }

    /// What the person can do about it.
    pub fn hint(&self) -> Option<String> {
        match self {
            Self::Unknown { supported, .. } => Some(format!(
                "pass one of them, or leave --backend out for '{}'",
                supported[0]
            )),
            Self::NotAttachable { .. } => None,
            Self::Service(error) => error.hint.clone(),
            Self::Command { source } => source.hint(),
            Self::Temporary { .. } => Some("set TMPDIR to a directory that you can write to".to_owned()),
            Self::NoContainer { .. } => Some(
                "check the values of -A, and volumes in the MLproject file; --dry-run shows the whole command"
                    .to_owned(),
            ),
        }
    }
}

/// Why a service, such as Databricks or Kubernetes, cannot run an entry point, or how the run there failed.
#[derive(Debug, thiserror::Error)]
#[error("{problem}")]
pub struct ServiceError {
    problem: String,
    hint: Option<String>,
    source: Option<Box<dyn Error + Send + Sync>>,
    /// The place in a file that it is about, if there is one.
    place: Option<Location>,
    status: RunStatus,
}

impl ServiceError {
    pub(super) fn failed(
        problem: impl Into<String>,
        hint: Option<String>,
        source: Option<Box<dyn Error + Send + Sync>>,
    ) -> Self {
        Self {
            problem: problem.into(),
            hint,
            source,
            place: None,
            status: RunStatus::Failed,
        }
    }

    /// A mistake that the person can correct.
    pub(super) fn setup(problem: impl Into<String>, hint: impl Into<String>) -> Self {
        Self::failed(problem, Some(hint.into()), None)
    }

    pub(super) fn at(self, place: Option<Location>) -> Self {
        Self { place, ..self }
    }

    /// The run has this status: `RUNNING` if it goes on without this program, `KILLED` if somebody ended it there.
    pub(super) fn with_status(self, status: RunStatus) -> Self {
        Self { status, ..self }
    }

    pub(super) fn run_status(&self) -> RunStatus {
        self.status
    }
}
