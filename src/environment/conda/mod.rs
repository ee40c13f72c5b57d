//! Conda environments: `conda.yaml` files, the environments that conda makes of them, and the
//! python environments that other env managers make of them.

mod create;
mod directories;
mod file;
mod installation;
mod python_env;

use std::path::{Path, PathBuf};

use tokio::sync::OnceCell;

pub(super) use python_env::DerivedPythonEnv;

use super::cache::{self, Entry};
use super::environment_file::{FileProblemKind, FileProblems};
use super::{EnvManager, EnvironmentError, python};
use directories::{CondaEnvironment, Directories};
use file::CondaFile;
use installation::Installation;
pub(super) use installation::is_installed;

/// A conda environment that a run gets. Nothing has been done for it yet.
#[derive(Debug)]
pub(super) struct CondaPlan {
    entry: Entry,
    /// The environment's file; without one it holds Python alone.
    file: Option<PathBuf>,
    installation: Installation,
    /// What conda lists, once it was asked.
    listed: OnceCell<Option<CondaEnvironment>>,
}

impl CondaPlan {
    /// Finds conda and the environment's name, which is MLflow's own: so each of the two finds what
    /// the other has made. Changes nothing and starts no program.
    pub(super) fn make(file: Option<&Path>) -> Result<Self, EnvironmentError> {
        let contents = file.map(CondaFile::read).transpose()?;
        let name = cache::name_of_text(contents.as_ref().map_or("", |file| &file.text));
        let installation =
            Installation::find(|| python_env::without_conda(contents.as_ref())).map_err(|no_conda| {
                let mistaken = contents.as_ref().and_then(CondaFile::mistaken);
                mistaken.unwrap_or(no_conda)
            })?;
        let directories = Directories::read(&installation.roots());
        let directory = match directories.find(&name) {
            Some(found) => found.prefix,
            None => {
                if let Some(file) = file {
                    // conda's own message about such a file is a traceback.
                    let mut problems = FileProblems::default();
                    add_problems(file, &mut problems);
                    problems.check()?;
                }
                directories.of_new(&name)
            }
        };
        Ok(Self {
            entry: Entry::new(EnvManager::Conda, name, directory)?,
            file: file.map(Path::to_owned),
            installation,
            listed: OnceCell::new(),
        })
    }

    /// The shell commands that enter the environment, by its name unless only its directory leads to it.
    fn activation_of(&self, found: Option<CondaEnvironment>) -> Vec<String> {
        match found {
            Some(found) if !found.has_name || !self.installation.enters_by_name() => {
                self.installation.activation(found.prefix.as_os_str())
            }
            _ => self.installation.activation(self.entry.name.as_ref()),
        }
    }

    fn directories(&self) -> Directories {
        Directories::read(&self.installation.roots())
    }
}

/// The program that makes environments, wherever it was found.
pub(super) fn program() -> Result<PathBuf, EnvironmentError> {
    Installation::find(String::new).map(|found| found.create_program)
}

/// Adds everything that is wrong with a conda environment file, for conda.
pub(super) fn add_problems(file: &Path, problems: &mut FileProblems) {
    let contents = match CondaFile::read(file) {
        Ok(contents) => contents,
        Err(error) => return problems.invalid(error),
    };
    let found = contents.problems();
    let is_fit = found.stop_no_run();
    problems.append(found);
    if !is_fit {
        return;
    }
    match DerivedPythonEnv::derive(&contents) {
        // conda calls pip in the file's directory.
        Ok(derived) => {
            let directory = file.parent().unwrap_or(file);
            python::add_problems(&derived.python_env, directory, problems);
        }
        Err(error) => problems.add(FileProblemKind::CondaOnly, error),
    }
}

/// The environments that conda knows, as far as they can be seen without asking it.
pub(super) fn environments() -> Vec<PathBuf> {
    let installation = Installation::find(String::new);
    Directories::read(&installation.map_or_else(|_| Vec::new(), |found| found.roots())).environments()
}
