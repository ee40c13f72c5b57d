//! What a backend is given to run.

use std::path::{Path, PathBuf};
use std::time::Duration;

use crate::databricks::WorkspaceAccess;
use crate::entities::RunInfo;
use crate::environment::{EnvManager, PreparedEnv};
use crate::project::DatabricksSparkJob;

/// Where a container finds a tracking store of this machine. MLflow's own place.
pub(crate) const CONTAINER_STORE: &str = "/mlflow/tmp/mlruns";

/// A tracking store on this machine, for a container.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct LocalStore {
    /// The directory that it is in.
    pub directory: PathBuf,
    /// The store's URI where that directory is [`CONTAINER_STORE`].
    pub uri: String,
}

/// A project and how it was called, for backends that have another program run it.
#[derive(Debug, Clone)]
pub(crate) struct ProjectCall {
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
pub(crate) struct LaunchPlan {
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
pub(crate) struct OutputLog {
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
