//! Where conda is.

use std::ffi::{OsStr, OsString};
use std::fmt;
use std::path::{Path, PathBuf};

use super::error::{CondaError, Needs};
use crate::env_vars::{CONDA_EXE, MLFLOW_CONDA_CREATE_ENV_CMD, MLFLOW_CONDA_HOME};
use crate::process::program_on_path;
use crate::project::quote;

/// The program, unless MLFLOW_CONDA_CREATE_ENV_CMD names another one for new environments.
const CONDA: &str = "conda";
/// Below the installation's directory: what defines the shell function `conda`.
const SHELL_FUNCTION: &str = "etc/profile.d/conda.sh";

/// What said where conda is, and was wrong.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Place {
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

impl fmt::Display for Place {
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
                "{MLFLOW_CONDA_HOME} and {CONDA_EXE} are not set, and no directory of PATH holds it"
            ),
        }
    }
}

/// A conda that is there.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Installation {
    /// The program `conda`.
    pub(super) program: PathBuf,
    /// The program that makes environments: `conda` too, or one like it.
    pub(super) create_program: PathBuf,
    /// Shell text that defines `conda activate`.
    entering: Entering,
}

#[derive(Debug, Clone, PartialEq, Eq)]
enum Entering {
    /// By the file that defines the shell function.
    ShellFunction(PathBuf),
    /// By the script `activate`, which conda has beside the program.
    Script(PathBuf),
}

impl Installation {
    /// Looks where MLflow looks: MLFLOW_CONDA_HOME, then CONDA_EXE, then PATH. Starts nothing.
    ///
    /// # Errors
    /// No conda is there, or not the program of MLFLOW_CONDA_CREATE_ENV_CMD.
    pub(super) fn find(needs: impl FnOnce() -> Needs) -> Result<Self, CondaError> {
        let (program, is_named) = match find_conda() {
            Ok(found) => found,
            Err(place) => {
                return Err(CondaError::NotInstalled {
                    place,
                    needs: needs(),
                });
            }
        };
        let create_program = match variable(MLFLOW_CONDA_CREATE_ENV_CMD) {
            Some(name) if name != CONDA => create_program(&name, &program, is_named)?,
            _ => program.clone(),
        };
        let entering = entering(&program, is_named);
        Ok(Self {
            program,
            create_program,
            entering,
        })
    }

    /// The directories that this conda may call its own: the one that the program stands in, also
    /// when it was reached by links.
    pub(super) fn roots(&self) -> Vec<PathBuf> {
        let resolved = self.program.canonicalize().ok();
        let mut roots: Vec<PathBuf> = [Some(self.program.clone()), resolved]
            .into_iter()
            .flatten()
            .filter_map(|program| Some(program.parent()?.parent()?.to_owned()))
            .collect();
        roots.dedup();
        roots
    }

    /// The shell commands that enter an environment, given by its name or its directory.
    pub(super) fn activation(&self, environment: &OsStr) -> Vec<String> {
        let environment = quote(&environment.to_string_lossy()).into_owned();
        match &self.entering {
            Entering::ShellFunction(file) => vec![
                format!("source {}", quote(&file.to_string_lossy())),
                format!("conda activate {environment} 1>&2"),
            ],
            Entering::Script(file) => {
                vec![format!(
                    "source {} {environment} 1>&2",
                    quote(&file.to_string_lossy())
                )]
            }
        }
    }
}

/// Whether there is a conda; for projects that name no environment.
pub(super) fn is_there() -> bool {
    find_conda().is_ok()
}

/// The program, and whether a variable named it.
fn find_conda() -> Result<(PathBuf, bool), Place> {
    if let Some(home) = variable(MLFLOW_CONDA_HOME) {
        // Spelled as MLflow spells it, since scripts look for the command with it in the log.
        let program = absolute(Path::new(&home).join("bin").join(CONDA));
        return match program.is_file() {
            true => Ok((program, true)),
            false => Err(Place::MlflowCondaHome { program }),
        };
    }
    if let Some(conda) = variable(CONDA_EXE) {
        let program = absolute(beside(Path::new(&conda), OsStr::new(CONDA)));
        return match program.is_file() {
            true => Ok((program, true)),
            false => Err(Place::CondaExe { program }),
        };
    }
    match program_on_path(CONDA) {
        Some(program) => Ok((program, false)),
        None => Err(Place::Path),
    }
}

fn create_program(name: &OsStr, conda: &Path, is_named: bool) -> Result<PathBuf, CondaError> {
    let program = match is_named {
        true => Some(beside(conda, name)).filter(|program| program.is_file()),
        false => program_on_path(&name.to_string_lossy()),
    };
    program.ok_or_else(|| CondaError::NoCreateProgram {
        program: match is_named {
            true => beside(conda, name),
            false => PathBuf::from(name),
        },
    })
}

fn entering(program: &Path, is_named: bool) -> Entering {
    if is_named {
        return Entering::ShellFunction(beside(program, OsStr::new("..")).join(SHELL_FUNCTION));
    }
    // MLflow relies on a script `activate` on PATH here, where that of a virtual environment may
    // come first.
    let resolved = program.canonicalize().unwrap_or_else(|_| program.to_owned());
    match resolved
        .parent()
        .and_then(Path::parent)
        .map(|root| root.join(SHELL_FUNCTION))
    {
        Some(file) if file.is_file() => Entering::ShellFunction(file),
        _ => Entering::Script(beside(program, OsStr::new("activate"))),
    }
}

fn beside(program: &Path, name: &OsStr) -> PathBuf {
    program.parent().unwrap_or(Path::new("")).join(name)
}

/// The path as it is, from the root on: the entry point's command runs in another directory.
fn absolute(path: PathBuf) -> PathBuf {
    std::path::absolute(&path).unwrap_or(path)
}

/// The variable's value where it is set and not empty.
fn variable(name: &str) -> Option<OsString> {
    std::env::var_os(name).filter(|value| !value.is_empty())
}
