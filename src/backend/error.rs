//! Why a backend cannot run an entry point.

use std::io;

use super::databricks::DatabricksBackendError;
use super::kubernetes::KubernetesError;
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
    Databricks(Box<DatabricksBackendError>),
    #[error(transparent)]
    Kubernetes(Box<KubernetesError>),
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

impl From<DatabricksBackendError> for BackendError {
    fn from(error: DatabricksBackendError) -> Self {
        Self::Databricks(Box::new(error))
    }
}

impl From<KubernetesError> for BackendError {
    fn from(error: KubernetesError) -> Self {
        Self::Kubernetes(Box::new(error))
    }
}

impl BackendError {
    /// The status of a run that went wrong so: `RUNNING` if it may go on without this program, `KILLED`
    /// if somebody else ended it where it runs.
    pub fn run_status(&self) -> RunStatus {
        match self {
            Self::Databricks(error) => error.run_status(),
            Self::Kubernetes(error) => error.run_status(),
            _ => RunStatus::Failed,
        }
    }

    /// The place in a file that the error is about, if there is one.
    pub fn location(&self) -> Option<&Location> {
        match self {
            Self::Kubernetes(error) => error.location(),
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
            Self::Databricks(error) => error.hint(),
            Self::Kubernetes(error) => error.hint(),
            Self::Command { source } => source.hint(),
            Self::Temporary { .. } => Some("set TMPDIR to a directory that you can write to".to_owned()),
            Self::NoContainer { .. } => Some(
                "check the values of -A, and volumes in the MLproject file; --dry-run shows the whole command"
                    .to_owned(),
            ),
        }
    }
}
