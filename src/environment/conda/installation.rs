//! Where conda is.

use std::ffi::{OsStr, OsString};
use std::path::{Path, PathBuf};

use super::error::{CondaError, CondaSource, Needs};
use crate::env_vars::{
    CONDA_EXE, HOME, MAMBA_EXE, MAMBA_ROOT_PREFIX, MLFLOW_CONDA_CREATE_ENV_CMD, MLFLOW_CONDA_HOME,
};
use crate::process::program_on_path;
use crate::project::quote;

/// The program, unless MLFLOW_CONDA_CREATE_ENV_CMD names another one for new environments.
const CONDA: &str = "conda";
/// Programs that stand in for conda where there is none. They differ from it in how they create an
/// environment and in how a shell enters one.
const MAMBAS: [&str; 2] = ["mamba", "micromamba"];
/// Below the home directory: where these keep their environments when no variable says it, the newer
/// place first.
const MAMBA_ROOTS: [&str; 2] = [".local/share/mamba", "micromamba"];
/// Below the installation's directory: what defines the shell function `conda`.
const SHELL_FUNCTION: &str = "etc/profile.d/conda.sh";

/// A conda that is there.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Installation {
    /// The program `conda`, or the one that stands in for it.
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
    /// By the shell function of this name, which mamba and micromamba print.
    Printed(String),
}

/// A program that was found.
struct Program {
    path: PathBuf,
    /// Whether a variable named it.
    is_named: bool,
    /// Whether it is none of conda's own.
    is_mamba: bool,
}

impl Installation {
    /// Looks where MLflow looks: MLFLOW_CONDA_HOME, then CONDA_EXE, then PATH. Where nothing leads to a
    /// conda, mamba or micromamba serves. Starts nothing.
    ///
    /// # Errors
    /// No conda is there, or not the program of MLFLOW_CONDA_CREATE_ENV_CMD.
    pub(super) fn find(needs: impl FnOnce() -> Needs) -> Result<Self, CondaError> {
        let found = find_conda().or_else(|place| find_mamba(&place).ok_or(place));
        let program = found.map_err(|place| CondaError::NotInstalled {
            place,
            needs: needs(),
        })?;
        let create_program = match variable(MLFLOW_CONDA_CREATE_ENV_CMD) {
            Some(name) if name != CONDA => create_program(&name, &program.path, program.is_named)?,
            _ => program.path.clone(),
        };
        Ok(Self {
            entering: entering(&program),
            program: program.path,
            create_program,
        })
    }

    /// Whether mamba or micromamba creates the environments. These have no `env create` in all versions.
    pub(super) fn creates_by_mamba(&self) -> bool {
        matches!(self.entering, Entering::Printed(_)) && self.create_program == self.program
    }

    /// Whether an environment that has a name is entered by it. mamba and micromamba look for names in fewer
    /// directories than conda does.
    pub(super) fn enters_by_name(&self) -> bool {
        !matches!(self.entering, Entering::Printed(_))
    }

    /// The directories that this conda may call its own: the one that the program stands in, also
    /// when it was reached by links.
    pub(super) fn roots(&self) -> Vec<PathBuf> {
        let resolved = self.program.canonicalize().ok();
        let programs = [Some(self.program.clone()), resolved].into_iter().flatten();
        let mut roots: Vec<PathBuf> = programs
            .filter_map(|program| Some(program.parent()?.parent()?.to_owned()))
            .collect();
        if matches!(self.entering, Entering::Printed(_)) {
            // A program alone in a directory such as ~/.local/bin has none there.
            roots.retain(|root| root.join("conda-meta").is_dir());
            match variable(MAMBA_ROOT_PREFIX) {
                Some(root) => roots.insert(0, PathBuf::from(root)),
                None => {
                    let home = variable(HOME).map(PathBuf::from);
                    roots.extend(
                        home.iter()
                            .flat_map(|home| MAMBA_ROOTS.map(|root| home.join(root))),
                    );
                }
            }
        }
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
            Entering::Printed(function) => vec![
                format!(
                    "eval \"$({} shell hook --shell bash)\"",
                    quote(&self.program.to_string_lossy())
                ),
                format!("{function} activate {environment} 1>&2"),
            ],
        }
    }
}

/// Whether there is a conda; for projects that name no environment.
pub(super) fn is_there() -> bool {
    find_conda().is_ok()
}

fn find_conda() -> Result<Program, CondaSource> {
    let found = |path, is_named| Program {
        path,
        is_named,
        is_mamba: false,
    };
    if let Some(home) = variable(MLFLOW_CONDA_HOME) {
        // Spelled as MLflow spells it, since scripts look for the command with it in the log.
        let program = absolute(Path::new(&home).join("bin").join(CONDA));
        return if program.is_file() {
            Ok(found(program, true))
        } else {
            Err(CondaSource::MlflowCondaHome { program })
        };
    }
    if let Some(conda) = variable(CONDA_EXE) {
        let program = absolute(beside(Path::new(&conda), OsStr::new(CONDA)));
        return if program.is_file() {
            Ok(found(program, true))
        } else {
            Err(CondaSource::CondaExe { program })
        };
    }
    match program_on_path(CONDA) {
        Some(program) => Ok(found(program, false)),
        None => Err(CondaSource::Path),
    }
}

/// The mamba or micromamba beside the conda that should be there, on PATH, or of the shell that one of
/// them has been set up for.
fn find_mamba(place: &CondaSource) -> Option<Program> {
    let (path, is_named) = match place {
        CondaSource::MlflowCondaHome { program } | CondaSource::CondaExe { program } => {
            let candidates = MAMBAS.map(|name| beside(program, OsStr::new(name)));
            (candidates.into_iter().find(|program| program.is_file())?, true)
        }
        CondaSource::Path => {
            let of_shell = || {
                variable(MAMBA_EXE)
                    .map(PathBuf::from)
                    .filter(|program| program.is_file())
            };
            let program = MAMBAS.into_iter().find_map(program_on_path).or_else(of_shell)?;
            (program, false)
        }
    };
    // The first mamba was a part of conda.
    let conda = beside(&path.canonicalize().ok()?, OsStr::new(CONDA));
    Some(if conda.is_file() {
        Program {
            path: conda,
            is_named: false,
            is_mamba: false,
        }
    } else {
        Program {
            path,
            is_named,
            is_mamba: true,
        }
    })
}

fn create_program(name: &OsStr, conda: &Path, is_named: bool) -> Result<PathBuf, CondaError> {
    let program = if is_named {
        Some(beside(conda, name)).filter(|program| program.is_file())
    } else {
        program_on_path(&name.to_string_lossy())
    };
    program.ok_or_else(|| CondaError::NoCreateProgram {
        program: if is_named {
            beside(conda, name)
        } else {
            PathBuf::from(name)
        },
    })
}

fn entering(program: &Program) -> Entering {
    let Program {
        path: program,
        is_named,
        is_mamba,
    } = program;
    let resolved = program.canonicalize().unwrap_or_else(|_| program.clone());
    if *is_mamba {
        // Each names the function after its own file.
        let name = resolved.file_stem().unwrap_or_default().to_string_lossy();
        return Entering::Printed(name.into_owned());
    }
    if *is_named {
        return Entering::ShellFunction(beside(program, OsStr::new("..")).join(SHELL_FUNCTION));
    }
    // MLflow relies on a script `activate` on PATH here, where that of a virtual environment may
    // come first.
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
