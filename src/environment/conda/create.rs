//! Making and removing conda environments.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use serde::Deserialize;

use super::CondaPlan;
use super::directories::{Directories, Found};
use super::error::CondaError;
use crate::env_vars::MAMBA_ALWAYS_YES;
use crate::events::Progress;
use crate::process::ProgramCall;

/// What `conda env list --json` writes.
#[derive(Debug, Deserialize)]
struct EnvironmentList {
    envs: Vec<PathBuf>,
}

impl CondaPlan {
    /// The environment, if it is there and can be seen without asking conda.
    pub(in crate::environment) fn look(&self) -> Option<Found> {
        self.directories().find(&self.name)
    }

    /// The environment, if it is there. Asks conda where it cannot be seen.
    ///
    /// # Errors
    /// conda does not answer.
    pub(in crate::environment) async fn find(&self) -> Result<Option<Found>, CondaError> {
        if let Some(found) = self.look() {
            return Ok(Some(found));
        }
        let directories = self.directories();
        let listed = self.list().await?.into_iter();
        let mut named = listed.filter(|prefix| prefix.ends_with(&self.name));
        Ok(named.next().map(|prefix| Found {
            has_name: directories.has_name(&prefix),
            prefix,
        }))
    }

    async fn list(&self) -> Result<Vec<PathBuf>, CondaError> {
        let captured = ProgramCall::new(&self.installation.program)
            .arguments(["env", "list", "--json"])
            .capture()
            .await
            .map_err(|source| CondaError::List { source })?;
        // What is no such list, from a conda of another kind, is no environment of this name.
        let list = serde_json::from_slice::<EnvironmentList>(&captured.stdout);
        Ok(list.map(|list| list.envs).unwrap_or_default())
    }

    /// Makes the environment. What is left of an earlier try must have been removed: conda would
    /// ask what to do about it.
    ///
    /// # Errors
    /// The program that makes environments fails. It may leave a part of the environment behind.
    pub(in crate::environment) async fn create(&self, progress: &dyn Progress) -> Result<Found, CondaError> {
        self.create_call()
            .stream(&mut |line| progress.info(line))
            .await
            .map_err(|source| CondaError::Create {
                name: self.name.clone(),
                source,
            })?;
        let found = self.find().await?;
        found.ok_or_else(|| CondaError::NotFoundAfterwards {
            name: self.name.clone(),
            program: self.installation.create_program.display().to_string(),
        })
    }

    fn create_call(&self) -> ProgramCall {
        // Nobody can answer: there is no standard input. conda itself only asks about environments
        // that exist already, micromamba about every one.
        let call = ProgramCall::new(&self.installation.create_program).variable(MAMBA_ALWAYS_YES, "true");
        match &self.file {
            Some(file) => call
                .arguments(["env", "create", "-n", &self.name, "--file"])
                .argument(file),
            None => call.arguments([
                "create",
                "--channel",
                "conda-forge",
                "--yes",
                "--override-channels",
                "-n",
                &self.name,
                "python",
            ]),
        }
    }

    /// Removes every directory that has the environment's name, finished or not. conda forgets
    /// those that are gone by itself.
    ///
    /// # Errors
    /// A directory cannot be removed.
    pub(in crate::environment) fn remove(&self) -> Result<(), CondaError> {
        for directory in self.directories().all(&self.name) {
            remove_directory(&directory).map_err(|source| CondaError::Remove { directory, source })?;
        }
        Ok(())
    }

    fn directories(&self) -> Directories {
        Directories::read(&self.installation.roots())
    }
}

fn remove_directory(directory: &Path) -> io::Result<()> {
    match fs::remove_dir_all(directory) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error),
        _ => Ok(()),
    }
}
