//! Environments: what has to be there before an entry point's command can run.

mod cache;
mod conda;
mod docker;
mod environment_file;
mod error;
mod manager;
mod python;

use std::fmt;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use self::cache::Builder;
use self::conda::{CondaPlan, DerivedPythonEnv};
use self::docker::DockerPlan;
use self::environment_file::OtherFile;
use self::python::{PythonEnv, PythonPlan};
pub(crate) use cache::{CachedEnvironment, Usage};

pub(crate) use docker::{CODE_DIRECTORY, Container, ContainerRequest, Engine, is_repository, must_be_hidden};
pub(crate) use docker::{image_name, mount_arguments};
pub(crate) use error::EnvironmentError;
pub use manager::EnvManager;

use crate::entities::tag;
use crate::events::Progress;
use crate::project::ProjectEnvironment;

/// What decides about a run's environment.
#[derive(Debug, Clone, Copy)]
pub(crate) struct EnvironmentRequest<'a> {
    pub environment: &'a ProjectEnvironment,
    pub manager: Option<EnvManager>,
    /// The project's directory, which paths in environment files refer to.
    pub directory: &'a Path,
    /// The project's name, for other people who wait for its build.
    pub project: &'a str,
    /// What else decides where the project asks for a container.
    pub container: ContainerRequest<'a>,
}

/// The environment that a run gets. Nothing has been done for it yet.
#[derive(Debug, Clone)]
pub(crate) struct EnvironmentPlan {
    pub manager: EnvManager,
    environment: PlannedEnvironment,
    is_there: bool,
    /// Why it is this manager, where neither the user nor the project says so.
    reason: Option<&'static str>,
    /// What its environment lacks of what the project's file asks for.
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
    let (manager, reason) = choose_manager(&request)?;
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
            let plan = PythonPlan::new(python_env, manager, request.directory).await?;
            PlannedEnvironment::Cached(Arc::new(plan))
        }
        (EnvManager::Conda, ProjectEnvironment::Conda { file }) => {
            if OtherFile::of(file) == Some(OtherFile::Requirements) {
                warnings.push(format!(
                    "conda installs the lines of {} as its own packages; for pip, name the file in a python_env.yaml",
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

/// What makes the environment, and why, where neither the user nor the project says so.
fn choose_manager(
    request: &EnvironmentRequest<'_>,
) -> Result<(EnvManager, Option<&'static str>), EnvironmentError> {
    let manager = match (request.environment, request.manager) {
        // The container is the environment, whatever manager is named.
        (ProjectEnvironment::Docker(_), _) => EnvManager::Local,
        (ProjectEnvironment::Python { file: Some(_) }, Some(EnvManager::Conda)) => {
            return Err(EnvironmentError::new(
                "a python_env project cannot be run with the env manager 'conda'",
                "pass --env-manager virtualenv, uv or local",
            ));
        }
        (_, Some(manager)) => manager,
        (ProjectEnvironment::Conda { .. }, None) => EnvManager::Conda,
        (ProjectEnvironment::Python { file: Some(_) }, None) => EnvManager::Virtualenv,
        (ProjectEnvironment::Python { file: None }, None) => {
            let (manager, reason) = without_file(request.directory);
            return Ok((manager, Some(reason)));
        }
    };
    Ok((manager, None))
}

fn without_file(directory: &Path) -> (EnvManager, &'static str) {
    if python::is_locked(directory) && python::uv_is_installed() {
        (
            EnvManager::Uv,
            "the project has no environment file, but a lock file of uv: uv makes its environment",
        )
    } else if conda::is_installed() {
        (
            EnvManager::Conda,
            "the project has no environment file: its environment has only Python; conda makes it",
        )
    } else if python::uv_is_installed() {
        (
            EnvManager::Uv,
            "the project has no environment file: its environment has only Python; uv makes it, since conda is not \
             installed",
        )
    } else {
        (
            EnvManager::Virtualenv,
            "the project has no environment file: its environment has only Python; Python's own venv makes it, since \
             neither conda nor uv is installed",
        )
    }
}

impl EnvironmentPlan {
    /// The value of the run's tag `mlflow.project.env`; the environment that is there has none.
    pub(crate) fn project_env_tag(&self) -> Option<&'static str> {
        match self.environment {
            PlannedEnvironment::Docker(_) => Some("docker"),
            _ => (self.manager != EnvManager::Local).then(|| self.manager.as_str()),
        }
    }

    /// The container as it will be, where the run gets one. Its image has its name for an id.
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
    /// None where nothing is made.
    pub(crate) fn name(&self) -> Option<String> {
        self.container()
            .map(|container| container.image.uri)
            .or_else(|| Some(self.entry()?.name.clone()))
    }

    /// The environment's directory, where it has one on this machine.
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
                "there already"
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

/// Makes sure that the environment is there, and tells how it is entered. Its build is shared with
/// all other runs that need it at the same time. When the future is dropped a build is given up.
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

/// All environments that the cache holds, whoever made them.
pub(crate) async fn list() -> Result<Vec<CachedEnvironment>, EnvironmentError> {
    cache::describe_all(cache::entries(conda::environments())?).await
}

/// Removes the environments that no run has used for so long and that none uses now, and what
/// interrupted builds have left. Gives those that are gone, or with `dry_run` those that would be.
pub(crate) async fn prune(
    unused_for: Duration,
    dry_run: bool,
    progress: &dyn Progress,
) -> Result<Vec<CachedEnvironment>, EnvironmentError> {
    let entries = cache::entries(conda::environments())?;
    cache::prune(entries, unused_for, dry_run, progress).await
}

/// Removes the environment of this name, or the one whose name begins so. Gives its whole name.
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
            format!("there is no environment '{name}'"),
            "`mlrun env list` shows their names",
        )),
        [entry] => {
            cache::remove(entry, progress).await?;
            Ok(entry.name.clone())
        }
        several => {
            let names: Vec<&str> = several.iter().map(|entry| entry.name.as_str()).collect();
            Err(EnvironmentError::new(
                format!("'{name}' may be any of {}", names.join(", ")),
                "give more of the name",
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
