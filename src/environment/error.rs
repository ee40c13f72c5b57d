//! Why an environment cannot be prepared.

use std::error::Error;
use std::io;
use std::path::PathBuf;

use super::docker::DockerError;
use crate::process::ProcessError;
use crate::project::Location;
use crate::temporary;

#[derive(Debug, thiserror::Error)]
pub enum EnvironmentError {
    #[error(transparent)]
    Docker(#[from] DockerError),
    /// A program that builds the environment failed.
    #[error(transparent)]
    Process(#[from] ProcessError),
    /// An environment that is to be removed is needed.
    #[error("cannot remove environment {name}: {by}")]
    InUse { name: String, by: String },
    #[error("{message}")]
    Other {
        message: String,
        /// May be empty.
        hint: String,
        location: Option<Location>,
        source: Option<Box<dyn Error + Send + Sync>>,
    },
}

impl EnvironmentError {
    /// An error with its hint, which may be empty.
    pub(super) fn new(message: impl Into<String>, hint: impl Into<String>) -> Self {
        Self::Other {
            message: message.into(),
            hint: hint.into(),
            location: None,
            source: None,
        }
    }

    /// The same error with one more thing that the person can do.
    pub(super) fn with_hint(mut self, more: &str) -> Self {
        if let Self::Other { hint, .. } = &mut self {
            if !hint.is_empty() {
                hint.push_str("; ");
            }
            hint.push_str(more);
        }
        self
    }

    pub(super) fn caused_by(mut self, cause: impl Into<Box<dyn Error + Send + Sync>>) -> Self {
        if let Self::Other { source, .. } = &mut self {
            *source = Some(cause.into());
        }
        self
    }

    /// An error about a place in a file, which the message begins with.
    pub(super) fn at(place: Location, problem: &str, hint: impl Into<String>) -> Self {
        let mut error = Self::new(format!("{place}: {problem}"), hint);
        if let Self::Other { location, .. } = &mut error {
            *location = Some(place);
        }
        error
    }

    /// For `map_err` on an I/O error about a file of the cache or of an environment.
    pub(super) fn cache(action: &str, path: impl Into<PathBuf>) -> impl FnOnce(io::Error) -> Self {
        let message = format!("cannot {action} '{}'", path.into().display());
        let hint =
            "check the permissions and the free disk space, or set MLFLOW_ENV_ROOT to another directory";
        move |source| Self::new(message, hint).caused_by(source)
    }

    /// For `map_err` on an I/O error about the temporary files of a build.
    pub(super) fn temporary(source: io::Error) -> Self {
        let parent = temporary::parent();
        Self::new(
            format!("cannot create a temporary directory in '{}'", parent.display()),
            "set TMPDIR to a directory that you can write to",
        )
        .caused_by(source)
    }

    /// The place in a project's file that the error is about.
    pub fn location(&self) -> Option<&Location> {
        match self {
            Self::Other { location, .. } => location.as_ref(),
            _ => None,
        }
    }

    /// What the person can do about it.
    pub fn hint(&self) -> Option<String> {
        match self {
            Self::Docker(error) => error.hint(),
            Self::Process(error) => error.hint(),
            Self::InUse { .. } => {
                Some("wait until the run has finished, or stop it with `mlrun cancel`".to_owned())
            }
            Self::Other { hint, .. } => Some(hint.clone()).filter(|hint| !hint.is_empty()),
        }
    }
}
