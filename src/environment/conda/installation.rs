//! Where conda is.

use std::ffi::{OsStr, OsString};
use std::path::{Path, PathBuf};

use crate::env_vars::{
    CONDA_EXE, HOME, MAMBA_EXE, MAMBA_ROOT_PREFIX, MLFLOW_CONDA_CREATE_ENV_CMD, MLFLOW_CONDA_HOME,
};
use crate::environment::EnvironmentError;
use crate::process::program_on_path;
use crate::project::quote;

/// The program, unless MLFLOW_CONDA_CREATE_ENV_CMD names another one for new environments.
const CONDA: &str = "conda";
/// Programs that stand in for conda if it is not installed. They differ from it in how they create an
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

struct Program {
    path: PathBuf,
    /// Whether a variable named it.
    is_named: bool,
    /// Whether it is none of conda's own.
    is_mamba: bool,
}

/// A conda that is not there.
struct Missing {
    /// The file that a variable names.
    named: Option<PathBuf>,
    problem: String,
    remedy: String,
}

impl Installation {
    /// Looks where MLflow looks: MLFLOW_CONDA_HOME, then CONDA_EXE, then PATH. If there is no
    /// conda, mamba or micromamba serves. Starts nothing.
    ///
    /// # Errors
    /// No conda is there, or not the program of MLFLOW_CONDA_CREATE_ENV_CMD. `way_out` ends the hint about
    /// the first.
    pub(super) fn find(way_out: impl FnOnce() -> String) -> Result<Self, EnvironmentError> {
        let found = find_conda().or_else(|missing| find_mamba(&missing).ok_or(missing));
        let program = found.map_err(|Missing { problem, remedy, .. }| {
            EnvironmentError::new(
                format!("conda not found: {problem}"),
                format!("{remedy}{}", way_out()),
            )
        })?;
        let create_program = match variable(MLFLOW_CONDA_CREATE_ENV_CMD) {
            Some(name) if name != CONDA => create_program(&name, &program)?,
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
                    let in_home = |home| MAMBA_ROOTS.map(|root| Path::new(&home).join(root));
                    roots.extend(variable(HOME).into_iter().flat_map(in_home));
                }
            }
        }
        roots.dedup();
        roots
    }

    /// The shell commands that enter an environment, given by its name or its directory.
    pub(super) fn activation(&self, environment: &OsStr) -> Vec<String> {
        let quoted = |path: &Path| quote(&path.to_string_lossy()).into_owned();
        let environment = quoted(environment.as_ref());
        match &self.entering {
            Entering::ShellFunction(file) => vec![
                format!("source {}", quoted(file)),
                format!("conda activate {environment} 1>&2"),
            ],
            Entering::Script(file) => vec![format!("source {} {environment} 1>&2", quoted(file))],
            Entering::Printed(function) => vec![
                format!("eval \"$({} shell hook --shell bash)\"", quoted(&self.program)),
                format!("{function} activate {environment} 1>&2"),
            ],
        }
    }
}

/// Whether there is a conda; for projects that name no environment.
pub(in crate::environment) fn is_installed() -> bool {
    find_conda().is_ok()
}

fn find_conda() -> Result<Program, Missing> {
    let (name, program, remedy) = if let Some(home) = variable(MLFLOW_CONDA_HOME) {
        // Spelled as MLflow spells it, since scripts look for the command with it in the log.
        let program = absolute(Path::new(&home).join("bin").join(CONDA));
        (
            MLFLOW_CONDA_HOME,
            program,
            " (the one that contains bin/conda)".to_owned(),
        )
    } else if let Some(conda) = variable(CONDA_EXE) {
        let program = absolute(beside(Path::new(&conda), OsStr::new(CONDA)));
        (CONDA_EXE, program, format!(", or correct {CONDA_EXE}"))
    } else {
        let program = program_on_path(CONDA).map(|path| Program {
            path,
            is_named: false,
            is_mamba: false,
        });
        return program.ok_or_else(|| Missing {
            named: None,
            problem: format!(
                "{MLFLOW_CONDA_HOME} and {CONDA_EXE} are not set, and PATH has no conda, mamba or micromamba"
            ),
            remedy: format!(
                "install conda or micromamba, set {MLFLOW_CONDA_HOME} to its directory, or add its bin directory to PATH"
            ),
        });
    };
    if program.is_file() {
        return Ok(Program {
            path: program,
            is_named: true,
            is_mamba: false,
        });
    }
    Err(Missing {
        problem: format!("{name} points to {}, which does not exist", program.display()),
        remedy: format!("set {MLFLOW_CONDA_HOME} to the directory of a conda installation{remedy}"),
        named: Some(program),
    })
}

/// The mamba or micromamba beside the conda that should be there, on PATH, or of the shell that one of
/// them has been set up for.
fn find_mamba(missing: &Missing) -> Option<Program> {
    let path = match &missing.named {
        Some(conda) => {
            let mut candidates = MAMBAS.iter().map(|name| beside(conda, OsStr::new(name)));
            candidates.find(|program| program.is_file())?
        }
        None => {
            let of_shell = || {
                variable(MAMBA_EXE)
                    .map(PathBuf::from)
                    .filter(|program| program.is_file())
            };
            MAMBAS.into_iter().find_map(program_on_path).or_else(of_shell)?
        }
    };
    // The first mamba was a part of conda.
    let conda = beside(&path.canonicalize().ok()?, OsStr::new(CONDA));
    let is_mamba = !conda.is_file();
    Some(Program {
        path: if is_mamba { path } else { conda },
        is_named: is_mamba && missing.named.is_some(),
        is_mamba,
    })
}

fn create_program(name: &OsStr, conda: &Program) -> Result<PathBuf, EnvironmentError> {
    let (program, found) = if conda.is_named {
        let program = beside(&conda.path, name);
        (program.clone(), Some(program).filter(|program| program.is_file()))
    } else {
        (PathBuf::from(name), program_on_path(&name.to_string_lossy()))
    };
    found.ok_or_else(|| {
        EnvironmentError::new(
            format!(
                "{MLFLOW_CONDA_CREATE_ENV_CMD} names the program '{}', which does not exist",
                program.display()
            ),
            format!(
                "install it beside the conda program, or unset {MLFLOW_CONDA_CREATE_ENV_CMD} to use conda itself"
            ),
        )
    })
}

fn entering(program: &Program) -> Entering {
    let path = &program.path;
    let resolved = path.canonicalize().unwrap_or_else(|_| path.clone());
    if program.is_mamba {
        // Each names the function after its own file.
        let name = resolved.file_stem().unwrap_or_default().to_string_lossy();
        return Entering::Printed(name.into_owned());
    }
    if program.is_named {
        return Entering::ShellFunction(beside(path, OsStr::new("..")).join(SHELL_FUNCTION));
    }
    // MLflow relies on a script `activate` on PATH here, where that of a virtual environment may
    // come first.
    match resolved
        .parent()
        .and_then(Path::parent)
        .map(|root| root.join(SHELL_FUNCTION))
    {
        Some(file) if file.is_file() => Entering::ShellFunction(file),
        _ => Entering::Script(beside(path, OsStr::new("activate"))),
    }
}

fn beside(program: &Path, name: &OsStr) -> PathBuf {
    program.parent().unwrap_or(Path::new("")).join(name)
}

/// The path as it is, from the root on: the entry point's command runs in another directory.
fn absolute(path: PathBuf) -> PathBuf {
    std::path::absolute(&path).unwrap_or(path)
}

/// The variable's value if it is set and not empty.
fn variable(name: &str) -> Option<OsString> {
    std::env::var_os(name).filter(|value| !value.is_empty())
}
