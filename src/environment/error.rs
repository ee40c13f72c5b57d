//! Why an environment cannot be prepared.

use std::io;
use std::path::PathBuf;

use super::conda::CondaError;
use super::docker::DockerError;
use super::python::PythonEnvError;
use super::text;
use crate::process::ProcessError;
use crate::project::Location;
use crate::temporary;

/// What is said where a search for a Python could have used uv.
pub(super) const NO_UV: &str = "uv is not installed";

/// Why an environment cannot be prepared.
#[derive(Debug, thiserror::Error)]
pub enum EnvironmentError {
    /// The container that the project asks for cannot be had.
    #[error(transparent)]
    Docker(#[from] DockerError),
    /// A python_env.yaml cannot be built by conda.
    #[error("a python_env project cannot be run with the env manager 'conda'")]
    PythonProjectInConda,
    /// A conda environment cannot be had, or its file cannot be used.
    #[error(transparent)]
    Conda(#[from] CondaError),
    /// The file that describes a Python environment cannot be used.
    #[error(transparent)]
    PythonEnv(#[from] PythonEnvError),
    /// A requirements file that an environment file names cannot be read.
    #[error("cannot read the requirements file '{}'", path.display())]
    RequirementsFile {
        path: PathBuf,
        #[source]
        source: io::Error,
    },
    /// There is no Python of the asked version.
    #[error("there is no Python {version} to make an environment with{}", indented(tried))]
    NoPython {
        version: String,
        /// What was found instead, and what is not there.
        tried: Vec<String>,
    },
    /// The env manager is `uv`, which is not installed.
    #[error("the program 'uv' was not found, which the env manager 'uv' needs")]
    NoUv,
    /// The cache holds no environment of this name.
    #[error("there is no environment '{name}'")]
    NoSuchEnvironment { name: String },
    /// The beginning of a name means several environments.
    #[error("'{name}' may be any of {}", found.join(", "))]
    AmbiguousName { name: String, found: Vec<String> },
    /// An environment that shall be removed is needed.
    #[error("the environment {name} is not removed: {by}")]
    InUse { name: String, by: String },
    /// A program that makes the environment failed.
    #[error(transparent)]
    Process(#[from] ProcessError),
    /// Neither `HOME` nor the user database says where environments are kept.
    #[error("there is no directory for environments: neither MLFLOW_ENV_ROOT nor HOME is set")]
    NoRoot,
    /// No directory for the temporary files of a build can be made or filled.
    #[error("cannot make a directory for temporary files in '{}'", path.display())]
    Temporary {
        path: PathBuf,
        #[source]
        source: io::Error,
    },
    /// A file of the cache, or an environment, cannot be read, written or removed.
    #[error("cannot {action} '{}'", path.display())]
    Cache {
        /// What was tried, as in "cannot write".
        action: &'static str,
        path: PathBuf,
        #[source]
        source: io::Error,
    },
}

impl EnvironmentError {
    /// Makes [`EnvironmentError::Cache`] of the system's answer.
    pub(super) fn cache(action: &'static str, path: impl Into<PathBuf>) -> impl FnOnce(io::Error) -> Self {
        let path = path.into();
        move |source| Self::Cache { action, path, source }
    }

    /// Makes [`EnvironmentError::Temporary`] of the system's answer.
    pub(super) fn temporary(source: io::Error) -> Self {
        Self::Temporary {
            path: temporary::parent(),
            source,
        }
    }

    /// The place in a file of the project's that the error is about.
    pub fn location(&self) -> Option<&Location> {
        match self {
            Self::Conda(error) => error.location(),
            Self::PythonEnv(error) => error.location(),
            _ => None,
        }
    }

    /// What the person can do about it.
    pub fn hint(&self) -> Option<String> {
        match self {
            Self::Docker(error) => error.hint(),
            Self::PythonProjectInConda => Some("pass --env-manager virtualenv, uv or local".to_owned()),
            Self::Conda(error) => error.hint(),
            Self::PythonEnv(error) => error.hint(),
            Self::RequirementsFile { path, source } if source.kind() == io::ErrorKind::InvalidData => {
                text::hint(path, source)
            }
            Self::RequirementsFile { source, .. } if source.kind() == io::ErrorKind::NotFound => Some(
                "name it relative to the project's directory, or to that of the file that names it"
                    .to_owned(),
            ),
            Self::RequirementsFile { .. } => None,
            Self::NoPython { version, tried } => {
                let install = format!("install Python {version} so that PATH leads to it");
                Some(if tried.iter().any(|line| line == NO_UV) {
                    format!(
                        "{install}, or install uv (https://docs.astral.sh/uv) or pyenv \
                         (https://github.com/pyenv/pyenv), which mlrun then uses to get it"
                    )
                } else {
                    format!("{install}, or ask for another version in the environment file")
                })
            }
            Self::NoUv => {
                Some("install uv (https://docs.astral.sh/uv), or pass --env-manager virtualenv".to_owned())
            }
            Self::NoSuchEnvironment { .. } => Some("`mlrun env list` shows their names".to_owned()),
            Self::AmbiguousName { .. } => Some("give more of the name".to_owned()),
            Self::InUse { .. } => Some("wait for the end of the run, or end it".to_owned()),
            Self::Process(error) => error.hint(),
            Self::NoRoot => Some("set MLFLOW_ENV_ROOT to a directory that you can write to".to_owned()),
            Self::Temporary { .. } => Some("set TMPDIR to a directory that you can write to".to_owned()),
            Self::Cache { .. } => Some(
                "check the permissions and the free space there, or set MLFLOW_ENV_ROOT to another directory"
                    .to_owned(),
            ),
        }
    }
}

/// The lines below a message, set in.
fn indented(lines: &[String]) -> String {
    lines
        .iter()
        .map(|line| format!("\n  {}", line.replace('\n', "\n  ")))
        .collect()
}
