//! Conda environments: `conda.yaml` files, the environments that conda makes of them, and the
//! python environments that other env managers make of them.

mod create;
mod directories;
mod error;
mod file;
mod installation;
mod pip_lists;
mod python_env;

use std::ffi::OsStr;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use tokio::sync::OnceCell;

pub(crate) use error::{CondaError, Needs};
pub(super) use python_env::DerivedPythonEnv;

use super::cache::{self, Entry};
use super::{EnvManager, EnvironmentError};
use directories::{CondaEnvironment, Directories};
use file::CondaFile;
use installation::Installation;

/// A conda environment that a run gets. Nothing has been done for it yet.
#[derive(Debug, Clone)]
pub(super) struct CondaPlan {
    entry: Entry,
    /// The environment's file; without one it holds Python alone.
    file: Option<PathBuf>,
    installation: Installation,
    /// What conda lists, once it was asked.
    listed: Arc<OnceCell<Option<CondaEnvironment>>>,
}

impl CondaPlan {
    /// Finds conda and the environment's name, which is MLflow's own: so each of the two finds what
    /// the other has made. Changes nothing and starts no program.
    ///
    /// # Errors
    /// The file cannot be read, or there is no conda.
    pub(super) fn make(file: Option<&Path>) -> Result<Self, EnvironmentError> {
        let contents = file.map(CondaFile::read).transpose()?;
        let name = cache::name_of_text(contents.as_ref().map_or("", |file| &file.text));
        let installation = Installation::find(|| Needs::of(contents.as_ref())).map_err(|no_conda| {
            let mistaken = contents.as_ref().and_then(CondaFile::mistaken);
            mistaken.unwrap_or(no_conda)
        })?;
        let directories = Directories::read(&installation.roots());
        let directory = match directories.find(&name) {
            Some(found) => found.prefix,
            None => {
                if let Some(contents) = &contents {
                    // conda's own message about such a file is a traceback.
                    contents.check()?;
                }
                directories.of_new(&name)
            }
        };
        Ok(Self {
            entry: Entry::new(EnvManager::Conda, name, directory)?,
            file: file.map(Path::to_owned),
            installation,
            listed: Arc::default(),
        })
    }

    /// The environment in the cache. Its directory is a guess as long as it is not there.
    pub(super) fn entry(&self) -> &Entry {
        &self.entry
    }

    /// The shell commands that enter the environment, which must be there.
    ///
    /// # Errors
    /// It is gone.
    pub(super) async fn activation(&self) -> Result<Vec<String>, EnvironmentError> {
        let found = self.existing().await?;
        Ok(self.installation.activation(self.known_as(Some(&found))))
    }

    /// The shell commands that will enter the environment, whether it is there or not.
    pub(super) fn imagined_activation(&self) -> Vec<String> {
        let found = self.directories().find(&self.entry.name);
        self.installation.activation(self.known_as(found.as_ref()))
    }

    /// What the environment is entered by: its name or its directory.
    fn known_as<'a>(&'a self, found: Option<&'a CondaEnvironment>) -> &'a OsStr {
        match found {
            Some(found) if !found.has_name || !self.installation.enters_by_name() => found.prefix.as_os_str(),
            _ => OsStr::new(&self.entry.name),
        }
    }

    fn directories(&self) -> Directories {
        Directories::read(&self.installation.roots())
    }
}

/// Whether there is a conda.
pub(super) fn is_installed() -> bool {
    installation::is_there()
}

/// The environments that conda knows, as far as they can be seen without asking it.
pub(super) fn environments() -> Vec<PathBuf> {
    let installation = Installation::find(|| Needs::Unknown);
    Directories::read(&installation.map_or_else(|_| Vec::new(), |found| found.roots())).environments()
}
