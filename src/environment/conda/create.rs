//! Making, finding and removing conda environments.

use std::os::unix::fs::MetadataExt;
use std::path::PathBuf;

use async_trait::async_trait;
use rustix::process::geteuid;
use serde::Deserialize;

use super::CondaPlan;
use super::directories::CondaEnvironment;
use super::error::CondaError;
use super::pip_lists::ListsForPip;
use crate::env_vars::MAMBA_ALWAYS_YES;
use crate::environment::EnvironmentError;
use crate::environment::cache::{self, BuildCalls, Builder, Condition};
use crate::events::Progress;
use crate::process::ProgramCall;

/// What `conda env list --json` writes.
#[derive(Debug, Deserialize)]
struct EnvironmentList {
    envs: Vec<PathBuf>,
}

#[async_trait]
impl Builder for CondaPlan {
    async fn condition(&self) -> Result<Condition, EnvironmentError> {
        Ok(if self.find().await?.is_some() {
            Condition::Usable
        } else if self.directories().all(&self.entry.name).is_empty() {
            Condition::Absent
        } else {
            Condition::Broken("conda does not take it for an environment".to_owned())
        })
    }

    /// conda forgets an environment whose directory is gone by itself.
    async fn remove(&self, _progress: &dyn Progress) -> Result<(), EnvironmentError> {
        let is_own = |prefix: &PathBuf| {
            // The conda of an administrator lists the environments of other people too.
            let metadata = std::fs::symlink_metadata(prefix);
            metadata.is_ok_and(|metadata| metadata.uid() == geteuid().as_raw())
        };
        let listed = self.list().await?.map(|found| found.prefix).filter(is_own);
        for directory in self.directories().all(&self.entry.name).into_iter().chain(listed) {
            cache::remove_directory(&directory).await?;
        }
        Ok(())
    }

    async fn build(&self, calls: &BuildCalls<'_>, progress: &dyn Progress) -> Result<(), EnvironmentError> {
        // Both write it beside the file, and a killed one leaves it there.
        let _lists = self.file.as_deref().and_then(ListsForPip::watch);
        // Scripts look for this line; it is MLflow's own.
        progress.info(&format!("=== Creating conda environment {} ===", self.entry.name));
        calls
            .prepare(self.create_call())
            .stream(&mut |line| progress.program_line(line))
            .await
            .map_err(|source| CondaError::Create {
                name: self.entry.name.clone(),
                source,
            })?;
        self.existing().await?;
        Ok(())
    }
}

impl CondaPlan {
    /// The environment, if it is there. Asks conda where it cannot be seen, once: that takes half a
    /// second.
    async fn find(&self) -> Result<Option<CondaEnvironment>, CondaError> {
        if let Some(found) = self.directories().find(&self.entry.name) {
            return Ok(Some(found));
        }
        let listed = self.listed.get_or_try_init(|| self.list()).await?;
        Ok(listed.clone().filter(CondaEnvironment::is_environment))
    }

    /// The environment, which must be there.
    pub(super) async fn existing(&self) -> Result<CondaEnvironment, CondaError> {
        if let Some(found) = self.find().await? {
            return Ok(found);
        }
        let listed = self.list().await?;
        listed.ok_or_else(|| CondaError::NotFoundAfterwards {
            name: self.entry.name.clone(),
            program: self.installation.create_program.display().to_string(),
        })
    }

    /// The environment, if conda lists it.
    async fn list(&self) -> Result<Option<CondaEnvironment>, CondaError> {
        let captured = ProgramCall::new(&self.installation.program)
            .arguments(["env", "list", "--json"])
            .capture()
            .await
            .map_err(|source| CondaError::List { source })?;
        // What is no such list, from a conda of another kind, is no environment of this name.
        let list = serde_json::from_slice(&captured.stdout).unwrap_or(EnvironmentList { envs: Vec::new() });
        let named = list
            .envs
            .into_iter()
            .find(|prefix| prefix.ends_with(&self.entry.name));
        Ok(named.map(|prefix| CondaEnvironment {
            has_name: self.directories().has_name(&prefix),
            prefix,
        }))
    }

    fn create_call(&self) -> ProgramCall {
        // Nobody can answer: there is no standard input. conda itself only asks about environments
        // that exist already, micromamba about every one.
        let call = ProgramCall::new(&self.installation.create_program).variable(MAMBA_ALWAYS_YES, "true");
        match &self.file {
            Some(file) if self.installation.creates_by_mamba() => call
                .arguments(["create", "--yes", "-n", &self.entry.name, "--file"])
                .argument(file),
            Some(file) => call
                .arguments(["env", "create", "-n", &self.entry.name, "--file"])
                .argument(file),
            None => call.arguments([
                "create",
                "--channel",
                "conda-forge",
                "--yes",
                "--override-channels",
                "-n",
                &self.entry.name,
                "python",
            ]),
        }
    }
}
