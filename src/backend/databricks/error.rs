//! What can go wrong when a project runs on Databricks.

use std::path::PathBuf;

use crate::databricks::DatabricksError;
use crate::entities::RunStatus;
use crate::http::ApiError;

/// Why a project cannot run on Databricks, or how its job failed.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum DatabricksBackendError {
    #[error("the databricks backend needs --backend-config")]
    NoConfig,
    /// The configuration is not as it must be.
    #[error("{}the backend config{} must be {expected}", quoted(.key), .file.as_ref().map(|file| format!(" {}", file.display())).unwrap_or_default())]
    Config {
        file: Option<PathBuf>,
        key: String,
        expected: String,
    },
    /// The configuration names a cluster that is there already.
    #[error("projects run on new clusters, but the backend config names an existing one")]
    ExistingCluster,
    /// The cluster could not reach the tracking store.
    #[error("a cluster cannot reach the tracking store {tracking_uri}")]
    TrackingUri {
        /// The tracking URI, without credentials.
        tracking_uri: String,
    },
    #[error("projects with docker_env do not run on Databricks")]
    DockerProject,
    /// The entry point of a Spark job is no call of Python.
    #[error("a Databricks Spark job is a Python file, but the entry point's command is '{command}'")]
    SparkCommand { command: String },
    /// The project's Python file cannot be read.
    #[error("cannot read the Spark job's Python file {}", .path.display())]
    SparkFile { path: PathBuf, source: std::io::Error },
    #[error("cannot pack the project's files ({})", .path.display())]
    Archive { path: PathBuf, source: std::io::Error },
    #[error("the Databricks workspace cannot be used")]
    Workspace { source: Box<DatabricksError> },
    #[error("cannot upload the project to {path}")]
    Upload {
        path: String,
        source: Box<DatabricksError>,
    },
    #[error("Databricks did not take the job")]
    Submit { source: Box<DatabricksError> },
    /// Nobody can say how the job stands.
    #[error("cannot ask how the Databricks job run {job_run_id} stands; it may go on")]
    Lost {
        job_run_id: u64,
        source: Box<DatabricksError>,
    },
    /// The workspace does not cancel the job.
    #[error("cannot cancel the Databricks job run {job_run_id}")]
    NotCanceled {
        job_run_id: u64,
        source: Box<DatabricksError>,
    },
    /// The job has not begun in time, and was canceled.
    #[error("the Databricks job run {job_run_id} did not start in time ({state}); it was canceled")]
    NotStarted { job_run_id: u64, state: String },
    #[error("the Databricks job run {job_run_id} ended as {state}{}{}", .message.as_ref().map(|text| format!(": {text}")).unwrap_or_default(), .error.as_ref().map(|text| format!("\n  {}", text.trim_end().replace('\n', "\n  "))).unwrap_or_default())]
    Ended {
        job_run_id: u64,
        /// The result state, or the place in its life where it has none.
        state: String,
        message: Option<String>,
        /// What the job's output says about it.
        error: Option<String>,
        page: Option<String>,
        is_canceled: bool,
    },
    /// The run is in another workspace than the credentials are for.
    #[error("the run is in the Databricks workspace {expected}, but the credentials are for {found}")]
    OtherWorkspace {
        expected: String,
        /// That of the credentials.
        found: String,
    },
}

impl DatabricksBackendError {
    /// What the person can do about it.
    pub fn hint(&self) -> Option<String> {
        let text = match self {
            Self::NoConfig => {
                "describe the new cluster in a JSON file: -c cluster.json; {\"new_cluster\": {\"spark_version\": …}}"
            }
            Self::ExistingCluster => "give new_cluster instead of existing_cluster_id",
            Self::TrackingUri { .. } => {
                "set MLFLOW_TRACKING_URI to databricks, databricks://profile or an http(s):// server that the cluster can reach"
            }
            Self::DockerProject => "give the project a python_env or conda_env, or run it on another backend",
            Self::SparkCommand { .. } => "write it as: python FILE ARGUMENTS",
            Self::Workspace { source } | Self::Upload { source, .. } if source_is_disabled(source) => {
                "name another place in the backend config, such as \"upload-path\": \"/Volumes/catalog/schema/volume\""
            }
            Self::Workspace { source } | Self::Upload { source, .. } => return source.hint(),
            Self::Submit { source } => {
                return source.hint().or_else(|| {
                    Some(
                        "check the cluster in the backend config; --dry-run shows the whole request"
                            .to_owned(),
                    )
                });
            }
            Self::Lost { source, .. } => {
                return source
                    .hint()
                    .or_else(|| Some("ask later: `mlrun wait RUN_ID`".to_owned()));
            }
            Self::NotCanceled { source, .. } => return source.hint(),
            Self::NotStarted { .. } => "give it more time with --start-timeout, or a smaller cluster",
            Self::Ended { page: Some(page), .. } => return Some(format!("see {page}")),
            Self::OtherWorkspace { .. } => {
                "set MLFLOW_TRACKING_URI=databricks://profile with the profile of that workspace"
            }
            _ => return None,
        };
        Some(text.to_owned())
    }

    /// The status of a run that went wrong so: `RUNNING` if it may go on, `KILLED` if somebody canceled it.
    pub fn run_status(&self) -> RunStatus {
        match self {
            Self::Lost { .. } | Self::NotCanceled { .. } => RunStatus::Running,
            Self::Ended {
                is_canceled: true, ..
            } => RunStatus::Killed,
            _ => RunStatus::Failed,
        }
    }
}

fn quoted(key: &str) -> String {
    match key {
        "" => String::new(),
        key => format!("'{key}' in "),
    }
}

/// Whether the workspace has no DBFS for users.
fn source_is_disabled(source: &DatabricksError) -> bool {
    matches!(source, DatabricksError::Api(ApiError::Refused { message, .. })
        if message.contains("DBFS") && message.to_ascii_lowercase().contains("disabled"))
}
