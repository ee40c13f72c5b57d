//! Conda environments: `conda.yaml` files, the environments that conda makes of them, and the
//! python environments that other env managers make of them.

mod create;
mod directories;
mod error;
mod file;
mod installation;
mod name;
mod python_env;

use std::ffi::OsStr;
use std::path::{Path, PathBuf};

pub use error::{CondaError, FileProblem, Needs};
pub use installation::Place;
pub use python_env::DerivedPythonEnv;

use directories::Found;
use file::CondaFile;
use installation::Installation;

/// A conda environment that a run gets. Nothing has been done for it yet.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CondaPlan {
    name: String,
    /// The environment's file; without one it holds Python alone.
    file: Option<PathBuf>,
    installation: Installation,
}

impl CondaPlan {
    /// Finds conda and the environment's name, without changing anything or starting a program.
    ///
    /// # Errors
    /// The file cannot be read, or there is no conda.
    pub fn make(file: Option<&Path>) -> Result<Self, CondaError> {
        let contents = file.map(CondaFile::read).transpose()?;
        let plan = Self {
            name: name::environment_name(contents.as_ref()),
            file: file.map(Path::to_owned),
            installation: Installation::find(|| Needs::of(contents.as_ref()))?,
        };
        if let Some(contents) = &contents
            && plan.look().is_none()
        {
            // conda's own message about such a file is a traceback.
            contents.check_syntax()?;
        }
        Ok(plan)
    }

    /// The environment's name, as MLflow names it.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// The shell commands that enter the environment.
    pub(super) fn activation(&self, found: &Found) -> Vec<String> {
        self.installation.activation(match found.has_name {
            true => OsStr::new(&self.name),
            false => found.prefix.as_os_str(),
        })
    }
}

/// Whether there is a conda.
pub(super) fn is_installed() -> bool {
    installation::is_there()
}
