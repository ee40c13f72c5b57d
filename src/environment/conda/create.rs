//! Making, finding and removing conda environments.

use std::collections::HashSet;
use std::ffi::OsString;
use std::fs;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

use async_trait::async_trait;
use rustix::process::geteuid;
use serde::Deserialize;

use super::CondaPlan;
use super::directories::CondaEnvironment;
use super::file::CondaFile;
use crate::env_vars::{MAMBA_ALWAYS_YES, MLFLOW_CONDA_CREATE_ENV_CMD};
use crate::environment::EnvironmentError;
use crate::environment::cache::{self, BuildCalls, Builder, Condition, Entry};
use crate::environment::culprit::{self, Origins};
use crate::environment::environment_file::FileProblems;
use crate::process::{ProcessError, ProgramCall};

/// What `conda env list --json` writes.
#[derive(Debug, Deserialize)]
struct EnvironmentList {
    envs: Vec<PathBuf>,
}

#[async_trait]
impl Builder for CondaPlan {
    /// Its directory is a guess as long as it is not there.
    fn entry(&self) -> &Entry {
        &self.entry
    }

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
    async fn remove(&self) -> Result<(), EnvironmentError> {
        let is_own = |prefix: &PathBuf| {
            // The conda of an administrator lists the environments of other people too.
            let metadata = fs::symlink_metadata(prefix);
            metadata.is_ok_and(|metadata| metadata.uid() == geteuid().as_raw())
        };
        let listed = self.list().await?.map(|found| found.prefix).filter(is_own);
        for directory in self.directories().all(&self.entry.name).into_iter().chain(listed) {
            cache::remove_directory(&directory).await?;
        }
        Ok(())
    }

    async fn build(&self, calls: &BuildCalls<'_>) -> Result<(), EnvironmentError> {
        if let Some(file) = &self.file {
            let mut problems = FileProblems::default();
            super::add_problems(file, &mut problems);
            problems.check_all()?;
        }
        // Both write it beside the file, and a killed one leaves it there.
        let _lists = self.file.as_deref().and_then(ListsForPip::watch);
        let name = &self.entry.name;
        // Scripts look for this line; it is MLflow's own.
        calls
            .output
            .info(&format!("=== Creating conda environment {name} ==="));
        calls.output.step("reading the channels", "");
        let origins = self.origins();
        let renamed = |line: &str| origins.renamed(line);
        let created = calls.run_renamed(self.create_call(), &renamed).await;
        created.map_err(|error| not_created(error, &origins, &calls.output.story(), name))?;
        self.existing().await?;
        Ok(())
    }

    fn planned_activation(&self) -> Vec<String> {
        self.activation_of(self.directories().find(&self.entry.name))
    }

    async fn activation(&self) -> Result<Vec<String>, EnvironmentError> {
        Ok(self.activation_of(Some(self.existing().await?)))
    }
}

impl CondaPlan {
    /// The environment, if it exists. Asks conda if it cannot be seen, once: that takes half a second.
    async fn find(&self) -> Result<Option<CondaEnvironment>, EnvironmentError> {
        if let Some(found) = self.directories().find(&self.entry.name) {
            return Ok(Some(found));
        }
        let listed = self.listed.get_or_try_init(|| self.list()).await?;
        Ok(listed.clone().filter(CondaEnvironment::is_environment))
    }

    /// The environment, which must be there.
    async fn existing(&self) -> Result<CondaEnvironment, EnvironmentError> {
        if let Some(found) = self.find().await? {
            return Ok(found);
        }
        let listed = self.list().await?;
        listed.ok_or_else(|| {
            let program = self.installation.create_program.display();
            EnvironmentError::new(
                format!(
                    "`{program}` created the environment '{}', but conda cannot find it",
                    self.entry.name
                ),
                format!(
                    "set CONDA_ENVS_DIRS or MAMBA_ROOT_PREFIX so that both use the same directory, or unset {MLFLOW_CONDA_CREATE_ENV_CMD}"
                ),
            )
        })
    }

    /// The environment, if conda lists it.
    async fn list(&self) -> Result<Option<CondaEnvironment>, EnvironmentError> {
        let captured = ProgramCall::new(&self.installation.program)
            .arguments(["env", "list", "--json"])
            .capture()
            .await
            .map_err(|error| {
                let message = "cannot list the conda environments";
                EnvironmentError::new(message, error.hint().unwrap_or_default()).caused_by(error)
            })?;
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

    fn origins(&self) -> Origins {
        let contents = self.file.as_deref().map(CondaFile::read);
        contents
            .and_then(Result::ok)
            .map_or_else(Origins::default, |file| file.origins())
    }

    fn create_call(&self) -> ProgramCall {
        // Nobody can answer: there is no standard input. conda itself only asks about environments
        // that exist already, micromamba about every one.
        let call = ProgramCall::new(&self.installation.create_program)
            .variable(MAMBA_ALWAYS_YES, "true")
            .variable("MAMBA_NO_PROGRESS_BARS", "true")
            .variable("PIP_PROGRESS_BAR", "off");
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

/// The error of a program that could not create the environment.
fn not_created(error: ProcessError, origins: &Origins, output: &[String], name: &str) -> EnvironmentError {
    if let Some(line) = origins.culprit(output) {
        return line.not_installed(error);
    }
    let message = format!("cannot create the conda environment '{name}'");
    let hint = match &error {
        ProcessError::Failed { .. } if culprit::has_no_network(output) => {
            "check the network, and the channels in the environment file and .condarc".to_owned()
        }
        ProcessError::Failed { .. } => String::new(),
        error => error.hint().unwrap_or_default(),
    };
    EnvironmentError::new(message, hint).caused_by(error)
}

/// How the names of lists for pip begin and end: conda's and micromamba's.
const LISTS: [(&str, &str); 2] = [("condaenv.", ".requirements.txt"), ("mambaf", "")];

/// Removes the lists of requirements for pip that conda and micromamba write while this value lives.
///
/// They stand beside the environment's file, since relative paths in them start there, so that no directory
/// for temporary files catches them. A program that ends removes its list; one that is killed does not.
struct ListsForPip {
    directory: PathBuf,
    before: HashSet<OsString>,
}

impl ListsForPip {
    /// Looks which lists are beside an environment's file. Nothing if that cannot be seen.
    fn watch(file: &Path) -> Option<Self> {
        let directory = file.parent()?.to_owned();
        Some(Self {
            before: lists(&directory)?,
            directory,
        })
    }
}

impl Drop for ListsForPip {
    fn drop(&mut self) {
        let now = lists(&self.directory).unwrap_or_default();
        for name in now.difference(&self.before) {
            // One that stays harms nobody.
            let _ = fs::remove_file(self.directory.join(name));
        }
    }
}

fn lists(directory: &Path) -> Option<HashSet<OsString>> {
    let names = fs::read_dir(directory)
        .ok()?
        .flatten()
        .map(|entry| entry.file_name());
    let is_list = |name: &OsString| {
        let name = name.to_string_lossy();
        LISTS
            .iter()
            .any(|(start, end)| name.starts_with(start) && name.ends_with(end))
    };
    Some(names.filter(is_list).collect())
}
