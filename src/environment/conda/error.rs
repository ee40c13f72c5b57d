//! Why a conda environment cannot be had.

use std::fmt;
use std::path::PathBuf;

use crate::env_vars::{CONDA_EXE, MLFLOW_CONDA_CREATE_ENV_CMD, MLFLOW_CONDA_HOME};
use crate::environment::{OtherFile, text};
use crate::process::ProcessError;
use crate::project::Location;
use crate::yaml::YamlError;

/// Why a conda environment file cannot be used, or its environment not be made.
#[derive(Debug, thiserror::Error)]
pub enum CondaError {
    #[error("cannot read the conda environment file {}", file.display())]
    Read { file: PathBuf, source: std::io::Error },
    #[error("{location}: {}", error.message)]
    Yaml { location: Location, error: YamlError },
    /// What the file says cannot be used.
    #[error("{location}: {problem}")]
    File {
        problem: FileProblem,
        location: Location,
    },
    #[error("there is no conda: {place}")]
    NotInstalled {
        place: CondaSource,
        /// What the environment needs, which decides about other ways to get it.
        needs: Needs,
    },
    /// The program that MLFLOW_CONDA_CREATE_ENV_CMD names is missing.
    #[error("{MLFLOW_CONDA_CREATE_ENV_CMD} names the program '{}', which does not exist", program.display())]
    NoCreateProgram { program: PathBuf },
    /// conda's list of environments cannot be had.
    #[error("cannot tell which conda environments there are")]
    List {
        #[source]
        source: ProcessError,
    },
    #[error("cannot create the conda environment '{name}'")]
    Create {
        name: String,
        /// The answer of conda or of the program that stands in for it.
        #[source]
        source: ProcessError,
    },
    /// The environment was made where conda does not see it.
    #[error("`{program}` created the environment '{name}', but conda does not find it")]
    NotFoundAfterwards { name: String, program: String },
}

/// What is wrong in a conda environment file.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum FileProblem {
    /// A value is of another kind than it must be.
    #[error("{part} must be {expected}, but it is {found}")]
    WrongKind {
        part: &'static str,
        expected: &'static str,
        found: &'static str,
    },
    /// The file is one of another kind.
    #[error("this is {kind}, not a conda environment file")]
    Other { kind: OtherFile, file: String },
    #[error("'{key}' belongs to a Python environment file, not to a conda environment file")]
    OfPythonEnv { key: String, file: String },
    /// A requirements file with a line that conda does not know.
    #[error("'{line}' is an option of pip, which conda does not know")]
    OptionOfPip { line: String, file: String },
    /// A version of Python that no environment without conda can be asked for.
    #[error("the dependency '{dependency}' names Python in a way that only conda understands")]
    PythonOfConda { dependency: String },
    /// Python without a version, of which no environment without conda can be made.
    #[error("the dependency '{dependency}' names no version of Python")]
    UnpinnedPython { dependency: String },
    /// A version of Python that only tells what it is not.
    #[error("the dependency '{dependency}' only excludes versions of Python")]
    ExcludedPython { dependency: String },
}

/// What an environment needs beyond Python, as far as that can be told.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Needs {
    /// Packages of pip at most: a virtual environment does as well.
    PipOnly,
    /// These packages of conda.
    Conda(Vec<String>),
    /// Its file does not tell.
    Unknown,
}

impl CondaError {
    /// The place in the file that the error is about.
    pub fn location(&self) -> Option<&Location> {
        match self {
            Self::Yaml { location, .. } | Self::File { location, .. } => Some(location),
            _ => None,
        }
    }

    /// What the person can do about it.
    pub fn hint(&self) -> Option<String> {
        match self {
            Self::Yaml { error, .. } => error.hint(),
            Self::File { problem, .. } => problem.hint(),
            Self::NotInstalled { place, needs } => Some(format!("{}{}", place.remedy(), needs.way_out())),
            Self::NoCreateProgram { .. } => Some(format!(
                "it must stand beside the conda program; install it there, or unset {MLFLOW_CONDA_CREATE_ENV_CMD} to use conda itself"
            )),
            Self::List { source } => source.hint(),
            Self::Create { source, .. } => match source {
                ProcessError::Failed { .. } => None,
                source => source.hint(),
            },
            Self::NotFoundAfterwards { .. } => Some(format!(
                "let both use the same directory for environments (CONDA_ENVS_DIRS, MAMBA_ROOT_PREFIX), or unset {MLFLOW_CONDA_CREATE_ENV_CMD}"
            )),
            Self::Read { file, source } => text::hint(file, source),
        }
    }
}

impl FileProblem {
    fn hint(&self) -> Option<String> {
        match self {
            Self::WrongKind { .. } => None,
            Self::Other { kind, file } => Some(kind.hint(file)),
            Self::OfPythonEnv { file, .. } => Some(format!(
                "write `python_env: {file}` instead of conda_env in MLproject"
            )),
            Self::OptionOfPip { file, .. } => Some(OtherFile::Requirements.hint(file)),
            Self::UnpinnedPython { .. } | Self::ExcludedPython { .. } | Self::PythonOfConda { .. } => {
                Some("pin it, as in python=3.11, or let conda choose it with --env-manager conda".to_owned())
            }
        }
    }
}

/// What said where conda is, and was wrong.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum CondaSource {
    /// The variable MLFLOW_CONDA_HOME.
    MlflowCondaHome {
        /// The file that should be there.
        program: PathBuf,
    },
    /// The variable CONDA_EXE, which conda sets in activated shells.
    CondaExe {
        /// The file that should be there.
        program: PathBuf,
    },
    /// The search path.
    Path,
}

impl fmt::Display for CondaSource {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::MlflowCondaHome { program } => {
                write!(
                    f,
                    "by {MLFLOW_CONDA_HOME} it is {}, which does not exist",
                    program.display()
                )
            }
            Self::CondaExe { program } => {
                write!(
                    f,
                    "by {CONDA_EXE} it is {}, which does not exist",
                    program.display()
                )
            }
            Self::Path => write!(
                f,
                "{MLFLOW_CONDA_HOME} and {CONDA_EXE} are not set, and no directory of PATH holds conda, mamba or \
                 micromamba"
            ),
        }
    }
}

impl CondaSource {
    fn remedy(&self) -> String {
        match self {
            Self::MlflowCondaHome { .. } => format!(
                "set {MLFLOW_CONDA_HOME} to the directory of a conda installation, the one that has bin/conda in it"
            ),
            Self::CondaExe { .. } => format!(
                "set {MLFLOW_CONDA_HOME} to the directory of a conda installation, or correct {CONDA_EXE}"
            ),
            Self::Path => format!(
                "install conda or micromamba, or set {MLFLOW_CONDA_HOME} to the directory of its installation, or add its bin directory to PATH"
            ),
        }
    }
}

impl Needs {
    fn way_out(&self) -> String {
        match self {
            Self::PipOnly => {
                "; or pass --env-manager uv or --env-manager virtualenv, since the environment holds only \
                 Python and packages of pip"
                    .to_owned()
            }
            Self::Conda(packages) => format!(
                "; or pass --env-manager uv or --env-manager virtualenv, which leave out what only conda has: {}",
                packages.join(", ")
            ),
            Self::Unknown => String::new(),
        }
    }
}
