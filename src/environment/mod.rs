//! Environments: what has to exist before an entry point's command can run.

mod build_output;
mod cache;
mod check;
mod choice;
mod conda;
mod culprit;
mod docker;
mod environment_file;
mod error;
mod manager;
mod python;
mod steps;
mod tool_line;

use std::fmt;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use self::cache::Builder;
use self::conda::{CondaPlan, DerivedPythonEnv};
use self::docker::DockerPlan;
use self::environment_file::OtherFile;
use self::python::{PythonEnv, PythonPlan, RequirementsFile};
pub(crate) use cache::{CachedEnvironment, Usage};
pub(crate) use check::{DockerPart, docker_problem, problems};
pub(crate) use choice::{EnvironmentRequest, check_requirements};
pub(crate) use environment_file::{FileProblem, FileProblemKind};

pub(crate) use docker::{CODE_DIRECTORY, Container, ContainerRequest, Engine, is_repository, must_be_hidden};
pub(crate) use docker::{image_name, mount_arguments};
pub(crate) use error::EnvironmentError;
pub use manager::EnvManager;
pub(crate) use python::PythonOnPath;

use crate::entities::tag;
use crate::events::Progress;
use crate::project::ProjectEnvironment;

/// The environment that a run gets. Nothing has been done for it yet.
#[derive(Debug, Clone)]
pub(crate) struct EnvironmentPlan {
    pub manager: EnvManager,
    environment: PlannedEnvironment,
    is_there: bool,
    /// Why it is this environment, if neither the user nor the project says so.
    reason: Option<String>,
    /// What the project's file asks for and the environment will not have.
    warnings: Vec<String>,
    project: String,
}

#[derive(Debug, Clone)]
enum PlannedEnvironment {
    Local,
    Cached(Arc<dyn Builder>),
    Docker(Box<DockerPlan>),
}

/// Decides which environment a run gets, without changing anything.
pub(crate) async fn plan(request: EnvironmentRequest<'_>) -> Result<EnvironmentPlan, EnvironmentError> {
    let (manager, reason) = choice::choose(&request)?;
    let mut warnings = Vec::new();
    let environment = match (manager, request.environment) {
        (_, ProjectEnvironment::Docker(docker)) => {
            let plan = DockerPlan::make(docker, request.container, request.directory).await?;
            PlannedEnvironment::Docker(Box::new(plan))
        }
        (EnvManager::Local, _) => PlannedEnvironment::Local,
        (EnvManager::Virtualenv | EnvManager::Uv, described) => {
            let python_env = match described {
                ProjectEnvironment::Conda { file } => {
                    let derived = DerivedPythonEnv::read(file)?;
                    warnings = derived.warnings(file);
                    derived.python_env
                }
                ProjectEnvironment::Python { file: Some(file) } => PythonEnv::read(file)?,
                // Only Python is asked for.
                _ => PythonEnv::default(),
            };
            let listed = request
                .requirements
                .map(|file| RequirementsFile::read(file, request.current_directory));
            let plan = PythonPlan::new(python_env, listed.transpose()?, manager, request.directory).await?;
            PlannedEnvironment::Cached(Arc::new(plan))
        }
        (EnvManager::Conda, ProjectEnvironment::Conda { file }) => {
            if OtherFile::of(file) == Some(OtherFile::Requirements) {
                warnings.push(format!(
                    "conda installs the lines of {} as conda packages; to use pip, name the file in a python_env.yaml",
                    file.display()
                ));
            }
            PlannedEnvironment::Cached(Arc::new(CondaPlan::make(Some(file))?))
        }
        (EnvManager::Conda, _) => PlannedEnvironment::Cached(Arc::new(CondaPlan::make(None)?)),
    };
    let is_there = match &environment {
        PlannedEnvironment::Local => true,
        PlannedEnvironment::Docker(plan) => plan.is_there(),
        PlannedEnvironment::Cached(builder) => cache::is_whole(builder.as_ref()).await?,
    };
    Ok(EnvironmentPlan {
        manager,
        environment,
        is_there,
        reason,
        warnings,
        project: request.project.to_owned(),
    })
}

impl EnvironmentPlan {
    /// The value of the run's tag `mlflow.project.env`; the environment that is there has none.
    pub(crate) fn project_env_tag(&self) -> Option<&'static str> {
        match self.environment {
            PlannedEnvironment::Docker(_) => Some("docker"),
            _ => (self.manager != EnvManager::Local).then(|| self.manager.as_str()),
        }
    }

    /// The container as it will be, if the run gets one. Its image has its name for an id.
    pub(crate) fn container(&self) -> Option<Container> {
        match &self.environment {
            PlannedEnvironment::Docker(plan) => Some(plan.preview()),
            _ => None,
        }
    }

    /// Whether nothing has to be built or pulled.
    pub(crate) fn is_there(&self) -> bool {
        self.is_there
    }

    /// The shell commands that will enter the environment, in their order.
    pub(crate) fn activation(&self) -> Vec<String> {
        match &self.environment {
            PlannedEnvironment::Local | PlannedEnvironment::Docker(_) => Vec::new(),
            PlannedEnvironment::Cached(builder) => builder.planned_activation(),
        }
    }

    /// The environment's name, as `mlrun env list` shows it, or the name of the image that it is made of.
    /// None if nothing is built.
    pub(crate) fn name(&self) -> Option<String> {
        self.container()
            .map(|container| container.image.uri)
            .or_else(|| Some(self.entry()?.name.clone()))
    }

    /// The environment's directory, if it has one on this machine.
    pub(crate) fn environment_directory(&self) -> Option<&Path> {
        Some(&self.entry()?.directory)
    }

    fn entry(&self) -> Option<&cache::Entry> {
        match &self.environment {
            PlannedEnvironment::Local | PlannedEnvironment::Docker(_) => None,
            PlannedEnvironment::Cached(builder) => Some(builder.entry()),
        }
    }
}

impl fmt::Display for EnvironmentPlan {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let PlannedEnvironment::Docker(plan) = &self.environment {
            return plan.fmt(f);
        }
        self.manager.fmt(f)?;
        if let Some(entry) = self.entry() {
            let state = if self.is_there {
                "already built"
            } else {
                "to be built"
            };
            write!(f, ": {} ({state})", entry.directory.display())?;
        }
        if let Some(reason) = &self.reason {
            write!(f, "\n{reason}")?;
        }
        for warning in &self.warnings {
            write!(f, "\n{warning}")?;
        }
        Ok(())
    }
}

/// Builds the environment if it does not exist, and says how it is entered. The build is shared with all other
/// runs that need it at the same time. If the future is dropped, the build stops.
pub(crate) async fn prepare(
    plan: &EnvironmentPlan,
    progress: &dyn Progress,
) -> Result<Prepared, EnvironmentError> {
    if let Some(reason) = &plan.reason {
        progress.info(reason);
    }
    for warning in &plan.warnings {
        progress.warning(warning);
    }
    let mut prepared = Prepared::default();
    match &plan.environment {
        PlannedEnvironment::Local => {}
        PlannedEnvironment::Cached(builder) => {
            prepared.usage = cache::build_once(builder.as_ref(), &plan.project, progress).await?;
            prepared.environment.activation = builder.activation().await?;
        }
        PlannedEnvironment::Docker(docker) => {
            prepared.environment.container = Some(docker.prepare(progress).await?);
        }
    }
    Ok(prepared)
}

/// An environment that is ready, and is not removed before this value goes.
#[derive(Debug, Default)]
pub(crate) struct Prepared {
    pub environment: PreparedEnv,
    pub usage: Usage,
}

/// An environment that is ready for an entry point's command.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct PreparedEnv {
    /// Shell commands that enter the environment, in their order.
    pub activation: Vec<String>,
    /// The container that it is, in place of this machine.
    pub container: Option<Container>,
}

impl PreparedEnv {
    /// Tags that tell which environment it is, for the run in the tracking store.
    pub(crate) fn tags(&self) -> Vec<(String, String)> {
        let Some(Container { image, .. }) = &self.container else {
            return Vec::new();
        };
        vec![
            (tag::DOCKER_IMAGE_URI.to_owned(), image.uri.clone()),
            (
                tag::DOCKER_IMAGE_ID.to_owned(),
                image.digest.as_ref().unwrap_or(&image.id).clone(),
            ),
        ]
    }

    /// The whole shell command that runs `command` in the environment: it runs only when every
    /// command before it has succeeded.
    pub(crate) fn command(&self, command: &str) -> String {
        let mut whole = self.activation.join(" && ");
        if !whole.is_empty() {
            whole.push_str(" && ");
        }
        whole + command
    }
}

/// The version of the Python on PATH, if there is one.
pub(crate) async fn python_on_path() -> Result<Option<String>, EnvironmentError> {
    let (version, known) = python::default_version().await?;
    Ok(known.map(|_| version))
}

/// The Pythons on PATH, each once.
pub(crate) async fn pythons_on_path() -> Vec<PythonOnPath> {
    python::on_path().await
}

/// The directory that Python environments are made in. It may not exist yet.
pub(crate) fn root() -> Result<PathBuf, EnvironmentError> {
    cache::root()
}

/// The program that makes conda environments.
pub(crate) fn conda_program() -> Result<PathBuf, EnvironmentError> {
    conda::program()
}

/// All environments in the cache, including those of `mlflow run`.
pub(crate) async fn list() -> Result<Vec<CachedEnvironment>, EnvironmentError> {
    cache::describe_all(cache::entries(conda::environments())?).await
}

/// The names of all environments, each with the project that it was made for. Reads less than [`list`].
pub(crate) fn names() -> Result<Vec<(String, Option<String>)>, EnvironmentError> {
    Ok(cache::names(&cache::entries(conda::environments())?))
}

/// Removes the environments that no run has used for so long and that none uses now, and the remains of
/// interrupted builds. Returns the removed ones, or with `dry_run` those that would be removed.
pub(crate) async fn prune(
    unused_for: Duration,
    dry_run: bool,
    progress: &dyn Progress,
) -> Result<Vec<CachedEnvironment>, EnvironmentError> {
    let entries = cache::entries(conda::environments())?;
    cache::prune(entries, unused_for, dry_run, progress).await
}

/// Removes the environment with this name, or with a name that begins so. Returns its whole name.
///
/// # Errors
/// There is none, several have such a name, or it is in use.
pub(crate) async fn remove(name: &str, progress: &dyn Progress) -> Result<String, EnvironmentError> {
    let mut found = cache::entries(conda::environments())?;
    found.retain(|entry| entry.name.starts_with(name));
    if let Some(exact) = found.iter().position(|entry| entry.name == name) {
        found.swap(0, exact);
        found.truncate(1);
    }
    match found.as_slice() {
        [] => Err(EnvironmentError::new(
            format!("environment '{name}' not found"),
            "list the names with `mlrun env list`",
        )),
        [entry] => {
            cache::remove(entry, progress).await?;
            Ok(entry.name.clone())
        }
        several => {
            let names: Vec<&str> = several.iter().map(|entry| entry.name.as_str()).collect();
            Err(EnvironmentError::new(
                format!("'{name}' is ambiguous: it may be {}", names.join(" or ")),
                "type more of the name",
            ))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn env_managers_have_names() {
        for manager in EnvManager::ALL {
            assert_eq!(EnvManager::from_name(manager.as_str()), Some(manager));
        }
        assert_eq!(EnvManager::from_name("venv"), None);
    }

    #[test]
    fn activation_comes_before_the_command() {
        for (activation, expected) in [
            (&[][..], "python train.py"),
            (&["source bin/activate"], "source bin/activate && python train.py"),
            (&["a", "b"], "a && b && python train.py"),
        ] {
            let environment = PreparedEnv {
                activation: activation.iter().map(|command| (*command).to_owned()).collect(),
                ..PreparedEnv::default()
            };
            assert_eq!(environment.command("python train.py"), expected);
        }
    }
}
