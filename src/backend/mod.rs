//! Backends: where an entry point's command runs.

mod attached;
mod databricks;
mod docker;
mod kubernetes;
mod local;
mod relayed;
mod teed;

use std::io;
use std::path::{Path, PathBuf};
use std::time::Duration;

use async_trait::async_trait;
use serde_json::Value;

pub use self::attached::{AttachedRun, RunState, attach};
pub use self::databricks::DatabricksBackendError;
pub use self::docker::container_command_line;
pub use self::kubernetes::KubernetesError;

use crate::databricks::WorkspaceAccess;
use crate::environment::{EnvManager, PreparedEnv};
use crate::events::Progress;
use crate::process::{Ended, ProcessError, Signals, TerminationSignal};
use crate::project::{DatabricksSparkJob, Location, ProjectEnvironment};
use crate::run::{RunId, RunInfo, RunStatus};

/// The names that `--backend` takes, in the order of the documentation.
pub const BACKEND_NAMES: [&str; 3] = [local::NAME, databricks::NAME, kubernetes::NAME];

/// The name of the backend that runs entry points on this machine.
pub const LOCAL: &str = local::NAME;

/// Where a container finds a tracking store of this machine. MLflow's own place.
pub const CONTAINER_STORE: &str = "/mlflow/tmp/mlruns";

/// A tracking store on this machine, for a container.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LocalStore {
    /// The directory that it is in.
    pub directory: PathBuf,
    /// The store's URI where that directory is [`CONTAINER_STORE`].
    pub uri: String,
}

/// A project and how it was called, for backends that have another program run it.
#[derive(Debug, Clone)]
pub struct ProjectCall {
    /// The project's name, if it has one.
    pub project_name: Option<String>,
    /// The project's URI as it was given, without credentials.
    pub uri: String,
    /// The entry point's name.
    pub entry_point: String,
    /// The parameters that were given, as they were given.
    pub parameters: Vec<(String, String)>,
    /// The env manager that was named.
    pub env_manager: Option<EnvManager>,
    /// What makes the project a Spark job, if it is one.
    pub spark_job: Option<DatabricksSparkJob>,
}

/// All that is needed to run an entry point.
#[derive(Debug, Clone)]
pub struct LaunchPlan {
    /// The run that the entry point belongs to.
    pub run: RunInfo,
    /// The project and how it was called.
    pub call: ProjectCall,
    /// The entry point's shell command.
    pub command: String,
    /// The directory that the command runs in.
    pub directory: PathBuf,
    /// The environment that the command runs in.
    pub environment: PreparedEnv,
    /// Environment variables for the command. They win over those of the environment.
    pub variables: Vec<(String, String)>,
    /// The directory with the data that the command reads, where it was downloaded for this run.
    pub data_directory: Option<PathBuf>,
    /// The tracking store, where it is on this machine.
    pub local_store: Option<LocalStore>,
    /// The Databricks workspace that the tracking store is in, for a command that runs on this machine.
    pub workspace: Option<WorkspaceAccess>,
    /// How long the command's processes may take to end when they are asked to.
    pub grace: Duration,
    /// The files that keep what the command writes, where that is asked for.
    pub output_log: Option<OutputLog>,
}

/// The files that keep what an entry point writes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OutputLog {
    /// What it writes to standard output.
    pub stdout: PathBuf,
    /// What it writes to standard error.
    pub stderr: PathBuf,
    /// What it writes to either, where the backend does not tell them apart.
    pub both: PathBuf,
}

impl OutputLog {
    /// The files in this directory. Each exists once there is something to keep in it.
    pub(crate) fn in_directory(directory: &Path) -> Self {
        Self {
            stdout: directory.join("stdout.txt"),
            stderr: directory.join("stderr.txt"),
            both: directory.join("stdout-stderr.txt"),
        }
    }
}

impl LaunchPlan {
    /// The value of one of the command's variables.
    pub(crate) fn variable(&self, name: &str) -> Option<&str> {
        let found = self.variables.iter().rev().find(|(other, _)| other == name);
        found.map(|(_, value)| value.as_str())
    }
}

/// `--backend-config`: JSON of a backend's own.
#[derive(Debug, Clone, PartialEq)]
pub struct BackendConfig {
    /// The JSON.
    pub value: Value,
    /// The file that it was read from, if it was one.
    pub file: Option<PathBuf>,
}

/// What the command line says to a backend.
#[derive(Debug, Clone, Copy, Default)]
pub struct BackendOptions<'a> {
    /// The backend's configuration.
    pub config: Option<&'a BackendConfig>,
    /// Whether to stay until the entry point has ended; the backend's own way where it is `None`.
    pub wait: Option<bool>,
    /// Do not show what the entry point writes, where it does not run on this machine.
    pub no_logs: bool,
    /// How long a run may take to start, where a service starts it.
    pub start_timeout: Option<Duration>,
}

/// A place where entry points run.
#[async_trait]
pub trait Backend: Send + Sync {
    /// The name, as `--backend` spells it.
    fn name(&self) -> &'static str;

    /// Whether mlrun stays until the entry point has ended.
    fn waits(&self) -> bool {
        true
    }

    /// Whether the project is handed over as a whole to an `mlflow run` elsewhere, which finds the files
    /// of parameters and prepares the environment there.
    fn hands_project_over(&self) -> bool {
        false
    }

    /// Checks what the project says about its environment, before anything else is asked about it.
    ///
    /// # Errors
    /// Entry points in such an environment do not run here.
    fn check_environment(&self, _environment: &ProjectEnvironment) -> Result<(), BackendError> {
        Ok(())
    }

    /// Where the image of a container is pushed to, if the backend takes it from there.
    fn image_repository(&self) -> Option<&str> {
        None
    }

    /// Checks what can be checked before the run is created. `plan` is of a run that is only
    /// thought of; nothing is changed anywhere.
    ///
    /// # Errors
    /// What makes a launch impossible, such as a service that cannot be reached.
    async fn check(&self, _plan: &LaunchPlan, _progress: &dyn Progress) -> Result<(), BackendError> {
        Ok(())
    }

    /// What a dry run shows besides, such as a request to a service: titles and texts, without
    /// secrets. `plan` is of a run that is only thought of.
    ///
    /// # Errors
    /// It cannot be made of this plan.
    fn preview(&self, _plan: &LaunchPlan) -> Result<Vec<(&'static str, String)>, BackendError> {
        Ok(Vec::new())
    }

    /// Brings to where the entry point will run what it needs there. Comes before the launch of the same
    /// plan, and may be given up at any point.
    ///
    /// # Errors
    /// It cannot be brought there.
    async fn stage(&self, _plan: &LaunchPlan, _progress: &dyn Progress) -> Result<(), BackendError> {
        Ok(())
    }

    /// Starts the entry point. Where that takes long, a termination signal in the meantime ends the
    /// attempt, and what it may have started already.
    ///
    /// # Errors
    /// It could not be started.
    async fn launch(
        &self,
        plan: LaunchPlan,
        signals: &mut Signals,
        progress: &dyn Progress,
    ) -> Result<Launch, BackendError>;
}

/// What became of a launch.
pub enum Launch {
    /// The entry point has been started.
    Begun(Box<dyn SubmittedRun>),
    /// The signal came first.
    Interrupted(TerminationSignal),
}

impl Launch {
    fn begun(run: impl SubmittedRun + 'static) -> Self {
        Self::Begun(Box::new(run))
    }
}

/// An entry point that has been started.
#[async_trait]
pub trait SubmittedRun: Send {
    /// Waits for its end. A termination signal in the meantime ends it.
    ///
    /// # Errors
    /// Its end cannot be known, or the backend ended it for a reason of its own.
    async fn wait(&mut self, signals: &mut Signals, progress: &dyn Progress) -> Result<Ended, BackendError>;

    /// It as a service has it, where it would go on without this program.
    fn elsewhere(&mut self) -> Option<&mut dyn RunElsewhere> {
        None
    }
}

/// An entry point that a service has, and that goes on there without this program.
#[async_trait]
pub trait RunElsewhere: Send {
    /// Tags that lead to it, for the run in the tracking store.
    fn tags(&self) -> Vec<(String, String)>;

    /// What it is there, for a person: such as `the Databricks job run 17`.
    fn place(&self) -> String;

    /// How a person ends it without this program.
    fn by_hand(&self) -> String;

    /// Ends it, with all that belongs to it, and waits for that for a while.
    ///
    /// # Errors
    /// The service refuses, or cannot be reached.
    async fn cancel(&mut self, progress: &dyn Progress) -> Result<(), BackendError>;
}

/// The backend with this name.
///
/// # Errors
/// There is none, or its configuration is not what it needs.
pub fn by_name(name: &str, options: BackendOptions<'_>) -> Result<Box<dyn Backend>, BackendError> {
    match name {
        local::NAME => Ok(Box::new(local::Local)),
        databricks::NAME => Ok(Box::new(databricks::Databricks::new(options)?)),
        kubernetes::NAME => Ok(Box::new(kubernetes::Kubernetes::new(options)?)),
        _ => Err(BackendError::Unknown {
            name: name.to_owned(),
        }),
    }
}

/// Why a backend cannot run an entry point.
#[derive(Debug, thiserror::Error)]
pub enum BackendError {
    /// There is no backend of this name.
    #[error("there is no backend '{name}'; supported are {}", BACKEND_NAMES.join(", "))]
    Unknown {
        /// What was asked for.
        name: String,
    },
    /// A run's tags name no place where it could be found again.
    #[error("run '{run_id}' cannot be found where it runs: {reason}")]
    NotAttachable {
        /// The run.
        run_id: RunId,
        /// What is missing.
        reason: String,
    },
    /// Databricks, or the way to it, failed.
    #[error(transparent)]
    Databricks(Box<DatabricksBackendError>),
    /// Kubernetes, or the way to it, failed.
    #[error(transparent)]
    Kubernetes(Box<KubernetesError>),
    /// The command could not be run.
    #[error("cannot run the entry point's command")]
    Command {
        /// The cause.
        #[from]
        source: ProcessError,
    },
    /// A temporary file that the container needs cannot be written.
    #[error("cannot write a temporary file for the container")]
    Temporary {
        /// The system's answer.
        #[source]
        source: io::Error,
    },
    /// The engine could not make the container; it has said why.
    #[error("{program} could not make the container (its own words are above)")]
    NoContainer {
        /// The engine's program.
        program: String,
    },
}

impl From<DatabricksBackendError> for BackendError {
    fn from(error: DatabricksBackendError) -> Self {
        Self::Databricks(Box::new(error))
    }
}

impl From<KubernetesError> for BackendError {
    fn from(error: KubernetesError) -> Self {
        Self::Kubernetes(Box::new(error))
    }
}

impl BackendError {
    /// The status of a run that went wrong so: `RUNNING` if it may go on without this program, `KILLED`
    /// if somebody else ended it where it runs.
    pub fn run_status(&self) -> RunStatus {
        match self {
            Self::Databricks(error) => error.run_status(),
            Self::Kubernetes(error) => error.run_status(),
            _ => RunStatus::Failed,
        }
    }

    /// The place in a file that the error is about, if there is one.
    pub fn location(&self) -> Option<&Location> {
        match self {
            Self::Kubernetes(error) => error.location(),
            _ => None,
        }
    }

    /// What the person can do about it.
    pub fn hint(&self) -> Option<String> {
        match self {
            Self::Unknown { .. } => Some(format!(
                "pass one of them, or leave --backend out for '{}'",
                local::NAME
            )),
            Self::NotAttachable { .. } => None,
            Self::Databricks(error) => error.hint(),
            Self::Kubernetes(error) => error.hint(),
            Self::Command { source } => source.hint(),
            Self::Temporary { .. } => Some("set TMPDIR to a directory that you can write to".to_owned()),
            Self::NoContainer { .. } => Some(
                "check the values of -A, and volumes in the MLproject file; --dry-run shows the whole command"
                    .to_owned(),
            ),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn backends_are_found_by_name() {
        for (name, expected) in [
            ("local", Ok("local")),
            ("databricks", Err("the databricks backend needs --backend-config")),
            ("kubernetes", Err("the kubernetes backend needs --backend-config")),
            (
                "slurm",
                Err("there is no backend 'slurm'; supported are local, databricks, kubernetes"),
            ),
            (
                "",
                Err("there is no backend ''; supported are local, databricks, kubernetes"),
            ),
        ] {
            let found = by_name(name, BackendOptions::default())
                .map(|backend| backend.name())
                .map_err(|error| error.to_string());
            assert_eq!(
                found.as_ref().map_err(String::as_str),
                expected.as_ref().map_err(|text| *text)
            );
        }
    }
}
