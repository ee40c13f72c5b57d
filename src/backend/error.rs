//! Why a backend cannot run an entry point.

use std::error::Error;
use std::io;

use crate::entities::{RunId, RunStatus};
use crate::nearest::nearest;
use crate::process::ProcessError;
use crate::project::Location;

/// Why a backend cannot run an entry point.
#[derive(Debug, thiserror::Error)]
pub enum BackendError {
    #[error("unknown backend '{name}'")]
    Unknown {
        name: String,
        supported: &'static [&'static str],
    },
    #[error("cannot find run '{run_id}' on its backend: {reason}")]
    NotAttachable { run_id: RunId, reason: String },
    #[error(transparent)]
    Service(Box<ServiceError>),
    #[error("cannot run the entry point's command")]
    Command {
        #[from]
        source: ProcessError,
    },
    #[error("cannot write a temporary file")]
    Temporary {
        #[source]
        source: io::Error,
    },
    /// The engine could not create the container and has printed why.
    #[error("{program} could not create the container (see its message above)")]
    NoContainer { program: String },
}

impl From<ServiceError> for BackendError {
    fn from(error: ServiceError) -> Self {
        Self::Service(Box::new(error))
    }
}

impl BackendError {
    /// The run's status after this error: `RUNNING` if it may continue without this program, `KILLED` if
    /// somebody else stopped it.
    pub fn run_status(&self) -> RunStatus {
        match self {
            Self::Service(error) => error.status,
            _ => RunStatus::Failed,
        }
    }

    /// The place in a file that caused the error, if any.
    pub fn location(&self) -> Option<&Location> {
        match self {
            Self::Service(error) => error.place.as_ref(),
            _ => None,
        }
    }

    /// What the user can do.
    pub fn hint(&self) -> Option<String> {
        match self {
            Self::Unknown { name, supported } => Some(match nearest(name, supported.iter().copied()) {
                Some(meant) => format!("did you mean '{meant}'?"),
                None => format!("use one of: {}", supported.join(", ")),
            }),
            Self::NotAttachable { .. } => None,
            Self::Service(error) => error.hint.clone(),
            Self::Command { source } => source.hint(),
            Self::Temporary { .. } => Some("set TMPDIR to a directory that you can write to".to_owned()),
            Self::NoContainer { .. } => Some(
                "check -A and the volumes in the MLproject file; --dry-run prints the whole command"
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
    /// The place in a file that caused it, if any.
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

    /// A mistake that the user can correct.
    pub(super) fn setup(problem: impl Into<String>, hint: impl Into<String>) -> Self {
        Self::failed(problem, Some(hint.into()), None)
    }

    pub(super) fn at(self, place: Option<Location>) -> Self {
        Self { place, ..self }
    }

    /// Sets the run's status: `RUNNING` if it continues without this program, `KILLED` if somebody stopped it.
    pub(super) fn with_status(self, status: RunStatus) -> Self {
        Self { status, ..self }
    }

    pub(super) fn run_status(&self) -> RunStatus {
        self.status
    }
}
