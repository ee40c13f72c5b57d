//! The interface of a backend, and the plan that it runs.

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

/// `--backend-config`: the backend's own settings as JSON.
#[derive(Debug, Clone, PartialEq)]
pub struct BackendConfig {
    /// The JSON.
    pub value: Value,
    /// The file it was read from, if any.
    pub file: Option<PathBuf>,
}

/// Command-line options for a backend.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct BackendOptions<'a> {
    pub config: Option<&'a BackendConfig>,
    /// Whether to wait for the entry point to finish; `None` for the backend's default.
    pub wait: Option<bool>,
    /// Do not show the entry point's output (remote backends).
    pub no_logs: bool,
    /// How long a run may take to start (remote backends).
    pub start_timeout: Option<Duration>,
}

/// Where a local tracking store is mounted in a container, as in MLflow.
pub(crate) const CONTAINER_STORE: &str = "/mlflow/tmp/mlruns";

/// A tracking store on this machine, for a container.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct LocalStore {
    pub directory: PathBuf,
    /// The store's URI when that directory is mounted at [`CONTAINER_STORE`].
    pub uri: String,
}

/// A project and its arguments, for backends that pass them to another program.
#[derive(Debug, Clone)]
pub(crate) struct ProjectCall {
    pub project_name: Option<String>,
    /// The project's URI as given, without credentials.
    pub uri: String,
    pub entry_point: String,
    /// The parameters as given.
    pub parameters: Vec<(String, String)>,
    pub env_manager: Option<EnvManager>,
    pub spark_job: Option<DatabricksSparkJob>,
}

/// Everything needed to run an entry point.
#[derive(Debug, Clone)]
pub(crate) struct LaunchPlan {
    pub run: RunInfo,
    pub call: ProjectCall,
    /// The entry point's shell command.
    pub command: String,
    pub directory: PathBuf,
    pub environment: PreparedEnv,
    /// Environment variables for the command. They override those of the environment.
    pub variables: Vec<(String, String)>,
    /// The directory with data that was downloaded for this run, if any.
    pub data_directory: Option<PathBuf>,
    /// The tracking store, if it is on this machine.
    pub local_store: Option<LocalStore>,
    /// The Databricks workspace of the tracking store, for a command that runs on this machine.
    pub workspace: Option<WorkspaceAccess>,
    /// The files that keep the command's output, if requested.
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
    /// The value of `--backend`.
    fn name(&self) -> &'static str;

    /// Whether entry points run on this machine, as children of this process.
    fn runs_here(&self) -> bool {
        false
    }

    /// Whether mlrun waits for the entry point to finish.
    fn waits(&self) -> bool {
        true
    }

    /// Whether an `mlflow run` elsewhere gets the whole project, resolves its parameters and prepares its
    /// environment.
    fn hands_project_over(&self) -> bool {
        false
    }

    /// Rejects a project whose environment the backend cannot provide, before any other check.
    fn check_environment(&self, _environment: &ProjectEnvironment) -> Result<(), BackendError> {
        Ok(())
    }

    /// The repository that the container's image is pushed to, if the backend pulls it from one.
    fn image_repository(&self) -> Option<&str> {
        None
    }

    /// Checks everything possible before the run is created. `plan` has a placeholder run. Changes nothing.
    async fn check(&self, _plan: &LaunchPlan, _progress: &dyn Progress) -> Result<(), BackendError> {
        Ok(())
    }

    /// Further titles and texts for a dry run, such as a request to a service, without secrets. `plan` has a
    /// placeholder run.
    fn preview(&self, _plan: &LaunchPlan) -> Result<Vec<(&'static str, String)>, BackendError> {
        Ok(Vec::new())
    }

    /// Uploads what the entry point needs. Called before the launch of the same plan; may be aborted at any point.
    async fn stage(&self, _plan: &LaunchPlan, _progress: &dyn Progress) -> Result<(), BackendError> {
        Ok(())
    }

    /// Starts the entry point. A termination signal during a slow start aborts it and stops what it may have started.
    async fn launch(
        &self,
        plan: LaunchPlan,
        signals: &mut Signals,
        progress: &dyn Progress,
    ) -> Result<Launch, BackendError>;
}
