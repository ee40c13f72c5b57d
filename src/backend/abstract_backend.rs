//! What every backend can do, and what it is given to run.

use std::path::PathBuf;
use std::time::Duration;

use async_trait::async_trait;
use serde_json::Value;

use super::error::BackendError;
use super::output_log::OutputLog;
use super::submitted_run::Launch;
use crate::databricks::WorkspaceAccess;
use crate::entities::RunInfo;
use crate::environment::{EnvManager, PreparedEnv};
use crate::events::{Event, Progress};
use crate::process::Signals;
use crate::project::{DatabricksSparkJob, ProjectEnvironment};

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
pub(crate) struct BackendOptions<'a> {
    pub config: Option<&'a BackendConfig>,
    /// Whether to stay until the entry point has ended; the backend's own way where it is `None`.
    pub wait: Option<bool>,
    /// Do not show what the entry point writes, where it does not run on this machine.
    pub no_logs: bool,
    /// How long a run may take to start, where a service starts it.
    pub start_timeout: Option<Duration>,
}

/// Where a container finds a tracking store of this machine. MLflow's own place.
pub(crate) const CONTAINER_STORE: &str = "/mlflow/tmp/mlruns";

/// A tracking store on this machine, for a container.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct LocalStore {
    pub directory: PathBuf,
    /// The store's URI where that directory is [`CONTAINER_STORE`].
    pub uri: String,
}

/// A project and how it was called, for backends that have another program run it.
#[derive(Debug, Clone)]
pub(crate) struct ProjectCall {
    pub project_name: Option<String>,
    /// The project's URI as it was given, without credentials.
    pub uri: String,
    pub entry_point: String,
    /// The parameters that were given, as they were given.
    pub parameters: Vec<(String, String)>,
    pub env_manager: Option<EnvManager>,
    pub spark_job: Option<DatabricksSparkJob>,
}

/// All that is needed to run an entry point.
#[derive(Debug, Clone)]
pub(crate) struct LaunchPlan {
    pub run: RunInfo,
    pub call: ProjectCall,
    /// The entry point's shell command.
    pub command: String,
    pub directory: PathBuf,
    pub environment: PreparedEnv,
    /// Environment variables for the command. They win over those of the environment.
    pub variables: Vec<(String, String)>,
    /// The directory with the data that the command reads, where it was downloaded for this run.
    pub data_directory: Option<PathBuf>,
    /// The tracking store, where it is on this machine.
    pub local_store: Option<LocalStore>,
    /// The Databricks workspace that the tracking store is in, for a command that runs on this machine.
    pub workspace: Option<WorkspaceAccess>,
    /// The files that keep what the command writes, where that is asked for.
    pub output_log: Option<OutputLog>,
}

impl LaunchPlan {
    /// Says that the run's command starts on this machine.
    pub(super) fn tell_start(&self, command: &str, progress: &dyn Progress) {
        let run_id = self.run.run_id.as_str();
        let started = Event::RunStarted {
            run_id,
            experiment_id: self.run.experiment_id.as_str(),
            command,
        };
        // Scripts look for this line; it is MLflow's own.
        let line = format!("=== Running command '{command}' in run with ID '{run_id}' ===");
        progress.event(&started, &line);
    }

    /// Says that the run is handed to a service, by the service's own line.
    pub(super) fn tell_submission(&self, backend: &str, job: &str, line: &str, progress: &dyn Progress) {
        let submitted = Event::RunSubmitted {
            run_id: self.run.run_id.as_str(),
            experiment_id: self.run.experiment_id.as_str(),
            backend,
            job,
        };
        progress.event(&submitted, line);
    }

    /// The value of one of the command's variables.
    pub(crate) fn variable(&self, name: &str) -> Option<&str> {
        let found = self.variables.iter().rev().find(|(other, _)| other == name);
        found.map(|(_, value)| value.as_str())
    }
}

/// A place where entry points run.
#[async_trait]
pub(crate) trait Backend: Send + Sync {
    /// The name, as `--backend` spells it.
    fn name(&self) -> &'static str;

    /// Whether entry points run on this machine, below this process.
    fn runs_here(&self) -> bool {
        false
    }

    /// Whether mlrun stays until the entry point has ended.
    fn waits(&self) -> bool {
        true
    }

    /// Whether the project is handed over as a whole to an `mlflow run` elsewhere, which finds the files
    /// of parameters and prepares the environment there.
    fn hands_project_over(&self) -> bool {
        false
    }

    /// Refuses a project whose environment the backend cannot provide, before anything else is asked about it.
    fn check_environment(&self, _environment: &ProjectEnvironment) -> Result<(), BackendError> {
        Ok(())
    }

    /// Where the image of a container is pushed to, if the backend takes it from there.
    fn image_repository(&self) -> Option<&str> {
        None
    }

    /// Checks what can be checked before the run is created. `plan` is of a placeholder run; nothing is
    /// changed anywhere.
    async fn check(&self, _plan: &LaunchPlan, _progress: &dyn Progress) -> Result<(), BackendError> {
        Ok(())
    }

    /// What a dry run shows besides, such as a request to a service: titles and texts, without
    /// secrets. `plan` is of a placeholder run.
    fn preview(&self, _plan: &LaunchPlan) -> Result<Vec<(&'static str, String)>, BackendError> {
        Ok(Vec::new())
    }

    /// Brings what the entry point needs to where it will run. Comes before the launch of the same plan,
    /// and may be given up at any point.
    async fn stage(&self, _plan: &LaunchPlan, _progress: &dyn Progress) -> Result<(), BackendError> {
        Ok(())
    }

    /// Starts the entry point. Where that takes long, a termination signal in the meantime ends the
    /// attempt, and what it may have started already.
    async fn launch(
        &self,
        plan: LaunchPlan,
        signals: &mut Signals,
        progress: &dyn Progress,
    ) -> Result<Launch, BackendError>;
}
