//! Environments: what has to be there before an entry point's command can run.

mod cache;
mod conda;
mod error;
mod local;
mod name;

use std::fmt;

pub use cache::Usage;
pub use conda::{CondaError, FileProblem, Needs, Place};
pub use error::EnvironmentError;

use conda::{CondaPlan, DerivedPythonEnv};

use crate::events::Progress;
use crate::project::ProjectEnvironment;

/// What prepares the environment, as `--env-manager` names it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum EnvManager {
    /// Nothing: the command runs in the environment that mlrun itself has.
    Local,
    /// Python's virtual environments.
    Virtualenv,
    /// The `uv` program.
    Uv,
    /// The `conda` program.
    Conda,
}

impl EnvManager {
    /// All of them, in the order of the documentation.
    pub const ALL: [Self; 4] = [Self::Local, Self::Virtualenv, Self::Uv, Self::Conda];

    /// The name that `--env-manager` uses.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Local => "local",
            Self::Virtualenv => "virtualenv",
            Self::Uv => "uv",
            Self::Conda => "conda",
        }
    }

    /// The env manager with this name, if there is one.
    pub fn from_name(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|manager| manager.as_str() == name)
    }
}

impl fmt::Display for EnvManager {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// What decides about a run's environment.
#[derive(Debug, Clone, Copy)]
pub struct EnvironmentRequest<'a> {
    /// What the project declares.
    pub environment: &'a ProjectEnvironment,
    /// The env manager that the user named.
    pub manager: Option<EnvManager>,
}

/// The environment that a run gets. Nothing has been done for it yet.
#[derive(Debug, Clone)]
pub struct EnvironmentPlan {
    /// What prepares it.
    pub manager: EnvManager,
    conda: Option<CondaPlan>,
}

/// Decides which environment a run gets, without changing anything.
///
/// # Errors
/// The environment that is asked for cannot be had.
pub fn plan(request: EnvironmentRequest<'_>) -> Result<EnvironmentPlan, EnvironmentError> {
    let manager = match (request.environment, request.manager) {
        (ProjectEnvironment::Docker(_), _) => return Err(EnvironmentError::DockerNotAvailable),
        (ProjectEnvironment::Python { file: Some(_) }, Some(EnvManager::Conda)) => {
            return Err(EnvironmentError::PythonProjectInConda);
        }
        (_, Some(manager)) => manager,
        (ProjectEnvironment::Conda { .. }, None) => EnvManager::Conda,
        (ProjectEnvironment::Python { file: None }, None) if conda::is_installed() => EnvManager::Conda,
        (ProjectEnvironment::Python { .. }, None) => EnvManager::Virtualenv,
    };
    match manager {
        EnvManager::Local => Ok(EnvironmentPlan { manager, conda: None }),
        EnvManager::Conda => {
            let file = match request.environment {
                ProjectEnvironment::Conda { file } => Some(file.as_path()),
                _ => None,
            };
            Ok(EnvironmentPlan {
                manager,
                conda: Some(CondaPlan::make(file)?),
            })
        }
        EnvManager::Virtualenv | EnvManager::Uv => {
            if let ProjectEnvironment::Conda { file } = request.environment {
                DerivedPythonEnv::read(file)?;
            }
            Err(EnvironmentError::NotAvailable { manager })
        }
    }
}

impl EnvironmentPlan {
    /// The value of the run's tag `mlflow.project.env`; the environment that is there has none.
    pub fn project_env_tag(&self) -> Option<&'static str> {
        (self.manager != EnvManager::Local).then(|| self.manager.as_str())
    }
}

impl fmt::Display for EnvironmentPlan {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.manager.fmt(f)
    }
}

/// Makes sure that the environment is there, and tells how it is entered.
///
/// # Errors
/// The environment cannot be built.
pub async fn prepare(
    plan: &EnvironmentPlan,
    progress: &dyn Progress,
) -> Result<PreparedEnv, EnvironmentError> {
    if let Some(conda) = &plan.conda {
        cache::build_once(conda.entry(), "", conda, progress).await?;
        return Ok(PreparedEnv {
            activation: conda.activation().await?,
            variables: Vec::new(),
        });
    }
    match plan.manager {
        EnvManager::Local => Ok(local::prepare()),
        manager => Err(EnvironmentError::NotAvailable { manager }),
    }
}

/// An environment that is ready for an entry point's command.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct PreparedEnv {
    /// Shell commands that enter the environment, in their order.
    pub activation: Vec<String>,
    /// Environment variables that belong to it.
    pub variables: Vec<(String, String)>,
}

impl PreparedEnv {
    /// The whole shell command that runs `command` in the environment: it runs only when every
    /// command before it has succeeded.
    pub fn command(&self, command: &str) -> String {
        let mut whole = self.activation.join(" && ");
        if !whole.is_empty() {
            whole.push_str(" && ");
        }
        whole + command
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
                variables: Vec::new(),
            };
            assert_eq!(environment.command("python train.py"), expected);
        }
    }
}
