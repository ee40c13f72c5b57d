//! Making a Python environment: by Python's own `venv` and pip, or by uv.

use std::ffi::OsString;
use std::io;
use std::os::unix::fs::symlink;
use std::path::Path;

use async_trait::async_trait;
use tempfile::TempDir;

use super::PythonPlan;
use super::interpreter::{self, FoundPython};
use super::probe::Interpreter;
use super::requirements::LOCK_FILE;
use crate::environment::cache::{self, BuildCalls, Builder, Condition, Entry};
use crate::environment::culprit::{self, Origins};
use crate::environment::{EnvManager, EnvironmentError};
use crate::process::{ProcessError, ProgramCall};
use crate::project::quote;

#[async_trait]
impl Builder for PythonPlan {
    fn entry(&self) -> &Entry {
        &self.entry
    }

    async fn condition(&self) -> Result<Condition, EnvironmentError> {
        let directory = &self.entry.directory;
        let is_there = |path: &Path| match std::fs::metadata(path) {
            Ok(_) => Ok(true),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(false),
            Err(error) => Err(EnvironmentError::cache("look at the environment", path)(error)),
        };
        Ok(if std::fs::symlink_metadata(directory).is_err() {
            Condition::Absent
        } else if !is_there(&directory.join("bin/activate"))? {
            Condition::Broken("it has no bin/activate".to_owned())
        } else if !is_there(&directory.join("bin/python"))? {
            Condition::Broken("its Python is gone".to_owned())
        } else {
            Condition::Usable
        })
    }

    async fn remove(&self) -> Result<(), EnvironmentError> {
        cache::remove_directory(&self.entry.directory).await
    }

    async fn build(&self, calls: &BuildCalls<'_>) -> Result<(), EnvironmentError> {
        if let Some(known) = &self.known_version {
            known.remember();
        }
        match (self.entry.manager, &self.lock) {
            (EnvManager::Uv, Some(_)) => self.sync(calls).await,
            (EnvManager::Uv, None) => self.build_by_uv(calls).await,
            _ => self.build_by_venv(calls).await,
        }
    }

    fn planned_activation(&self) -> Vec<String> {
        let script = self.entry.directory.join("bin/activate");
        vec![format!("source {}", quote(&script.to_string_lossy()))]
    }
}

impl PythonPlan {
    /// Makes the environment by Python's own `venv`, and fills it by pip.
    async fn build_by_venv(&self, calls: &BuildCalls<'_>) -> Result<(), EnvironmentError> {
        let found = self.interpreter(calls).await?;
        let directory = &self.entry.directory;
        calls.output.step(
            &format!("creating Python {}", found.version),
            &format!(
                "Building environment {} with Python {} ({})",
                directory.display(),
                found.version,
                found.path.display()
            ),
        );
        let venv = ProgramCall::new(&found.path)
            .arguments(["-m", "venv"])
            .argument(directory);
        calls.run(venv).await?;
        let pip = ProgramCall::new(directory.join("bin/python"))
            .arguments(["-m", "pip", "install"])
            // Nobody could answer.
            .variable("PIP_NO_INPUT", "1")
            .variable("PIP_DISABLE_PIP_VERSION_CHECK", "1")
            .variable("PIP_PROGRESS_BAR", "off");
        self.install(pip, calls).await
    }

    async fn build_by_uv(&self, calls: &BuildCalls<'_>) -> Result<(), EnvironmentError> {
        let directory = &self.entry.directory;
        calls.output.step(
            &format!("creating Python {}", self.version),
            &format!(
                "Building environment {} with Python {} and uv",
                directory.display(),
                self.version
            ),
        );
        let venv = ProgramCall::new("uv").argument("venv").argument(directory);
        calls.run(self.with_python(venv)).await?;
        self.install(ProgramCall::new("uv").arguments(["pip", "install"]), calls)
            .await
    }

    /// Installs what the lock file says. The project's own package is not installed: the environment
    /// outlives the directory, which may be a temporary clone, and serves every copy of the project.
    async fn sync(&self, calls: &BuildCalls<'_>) -> Result<(), EnvironmentError> {
        calls.output.step(
            &format!("reading {LOCK_FILE}"),
            &format!(
                "Building environment {} from {LOCK_FILE} with uv",
                self.entry.directory.display()
            ),
        );
        let call = ProgramCall::new("uv")
            .arguments(["sync", "--frozen", "--no-dev", "--no-install-project"])
            .directory(&self.project)
            .variable("UV_PROJECT_ENVIRONMENT", &self.entry.directory)
            .without_variable("VIRTUAL_ENV");
        Ok(calls.run(self.with_python(call)).await?)
    }

    /// The call with the Python that was found. By a version alone uv may look for another one, and for that
    /// on the network. If none was found, uv installs the version; without a version the lock file
    /// says it.
    fn with_python(&self, call: ProgramCall) -> ProgramCall {
        let mut python = OsString::from("--python=");
        match (&self.found, &self.request) {
            (Some(FoundPython::Here(interpreter)), _) => python.push(&interpreter.path),
            (_, Some(request)) => python.push(request.for_programs()),
            (_, None) => return call,
        }
        call.argument(python)
    }

    /// The Python to make the environment with; installed if it is not there.
    async fn interpreter(&self, calls: &BuildCalls<'_>) -> Result<Interpreter, EnvironmentError> {
        let request = self.request.as_ref();
        let request = request.ok_or_else(|| interpreter::no_python(&self.version, &[]))?;
        let found = match &self.found {
            Some(found) => found.clone(),
            // The environment was there when the run was planned.
            None => interpreter::find(request, self.entry.manager).await?,
        };
        match found {
            FoundPython::Here(interpreter) => Ok(interpreter),
            FoundPython::CanBeInstalled => interpreter::install(request, calls).await,
        }
    }

    /// Installs the build dependencies, then the dependencies, by `installer`, a program that takes
    /// `-r FILE` as its last arguments and is called as after the environment's activation.
    ///
    /// The lines go into a file, so that what they hold, such as the password of an index, is seen in no
    /// list of processes. They may name files of the project by relative paths, so the file stands in a
    /// directory of links to all that the project has, as `mlflow run` does it: the project's own
    /// directory may not be writable.
    async fn install(&self, installer: ProgramCall, calls: &BuildCalls<'_>) -> Result<(), EnvironmentError> {
        let mut path = OsString::from(self.entry.directory.join("bin"));
        if let Some(rest) = std::env::var_os("PATH") {
            path.push(":");
            path.push(rest);
        }
        let installer = installer
            .variable("VIRTUAL_ENV", &self.entry.directory)
            .variable("PATH", path)
            .without_variable("PYTHONHOME");
        let installs = [
            (&self.python_env.build_dependencies, &[][..]),
            (&self.python_env.dependencies, &self.requirements[..]),
        ];
        for (lines, named) in installs.into_iter().filter(|(lines, _)| !lines.is_empty()) {
            let directory =
                linked_directory(&self.project, calls.temporary).map_err(EnvironmentError::temporary)?;
            let name = format!("requirements.{}.txt", uuid::Uuid::new_v4().simple());
            let file = directory.path().join(&name);
            let texts: Vec<&str> = lines.iter().map(|line| line.text.as_str()).collect();
            std::fs::write(&file, texts.join("\n")).map_err(EnvironmentError::cache("write", file))?;
            let call = installer
                .clone()
                .arguments(["-r", &name])
                .directory(directory.path());
            let origins = Origins::new(lines.clone(), named.to_vec());
            self.run_installer(call, &origins, calls).await?;
        }
        if let Some(listed) = &self.listed {
            let python = self.entry.directory.join("bin/python");
            let file = listed.for_installer(self.entry.manager, &python, calls.temporary);
            let call = installer.argument("-r").argument(file.await?);
            let origins = Origins::new(Vec::new(), listed.lines().to_vec());
            self.run_installer(call.directory(listed.directory()), &origins, calls)
                .await?;
        }
        Ok(())
    }

    async fn run_installer(
        &self,
        call: ProgramCall,
        origins: &Origins,
        calls: &BuildCalls<'_>,
    ) -> Result<(), EnvironmentError> {
        let installed = calls.run_renamed(call, &|line| origins.renamed(line)).await;
        installed.map_err(|error| self.not_installed(error, origins, calls))
    }

    /// The error of an installation, with the line of the project's file that it is about.
    fn not_installed(
        &self,
        mut error: ProcessError,
        origins: &Origins,
        calls: &BuildCalls<'_>,
    ) -> EnvironmentError {
        if let ProcessError::Failed { command_line, .. } = &mut error {
            // The whole one names a file that is gone; the log has it.
            let program = if self.entry.manager == EnvManager::Uv {
                "uv pip install"
            } else {
                "pip install"
            };
            program.clone_into(command_line);
        }
        let output = calls.output.story();
        match origins.culprit(&output) {
            Some(line) => line.not_installed(error),
            None if culprit::has_no_network(&output) => {
                let name = self.entry.short_name();
                let hint = "check the network, and the index that pip and uv are set up to use";
                EnvironmentError::new(
                    format!("cannot build environment {name}: the package index cannot be reached"),
                    hint,
                )
                .caused_by(error)
            }
            None => error.into(),
        }
    }
}

fn linked_directory(project: &Path, parent: &Path) -> io::Result<TempDir> {
    let project = std::path::absolute(project)?;
    let directory = tempfile::Builder::new().prefix("mlrun-").tempdir_in(parent)?;
    for entry in std::fs::read_dir(&project)? {
        let entry = entry?;
        symlink(entry.path(), directory.path().join(entry.file_name()))?;
    }
    Ok(directory)
}
