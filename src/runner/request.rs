//! What to run, and how: the values of `mlrun run`, checked without a command line.

use std::path::PathBuf;
use std::time::Duration;

use super::RunError;
use crate::backend::{self, BackendConfig};
use crate::entities::{ExperimentId, RunId};
use crate::env_vars;
use crate::environment::EnvManager;
use crate::tracking::ExperimentSelector;

/// A request for a run. Each field is an option of `mlrun run` with the same meaning.
///
/// A field that is `None` takes the option's default: from MLflow's environment variables, the project, or the
/// backend.
#[derive(Debug, Clone)]
pub struct RunRequest {
    /// The project: a directory, a Git repository or a zip; `#sub/dir` names a directory inside it.
    pub uri: String,
    /// The entry point: a name in the MLproject file, or a script of the project.
    pub entry_point: String,
    /// The version of a Git project: a branch, a tag or a commit.
    pub version: Option<String>,
    /// The entry point's parameters in the order given; every name once.
    pub parameters: Vec<(String, String)>,
    /// Arguments for `docker run` in the order given; every name once. No value: a flag.
    pub docker_args: Vec<(String, Option<String>)>,
    /// The tracking store; `MLFLOW_TRACKING_URI` or MLflow's default if `None`.
    pub tracking_uri: Option<String>,
    /// The experiment; `MLFLOW_EXPERIMENT_NAME`, `MLFLOW_EXPERIMENT_ID` or the default if `None`.
    pub experiment: Option<ExperimentSelector>,
    /// The parent run; `MLFLOW_RUN_ID` if `None`. Ignored if it is not in the same store.
    pub parent_run: Option<RunId>,
    /// The backend's name, `local` for this machine.
    pub backend: String,
    /// The backend's configuration.
    pub backend_config: Option<BackendConfig>,
    /// Whether to wait for the entry point; the backend's default if `None`.
    pub wait: Option<bool>,
    /// Do not show the entry point's output if it runs elsewhere.
    pub no_logs: bool,
    /// Also save the entry point's output as artifacts: `logs/stdout.txt` and `logs/stderr.txt`, or
    /// `logs/stdout-stderr.txt` if the backend does not separate them. Only for runs that are waited for.
    pub log_output: bool,
    /// How long a service may take to start the run.
    pub start_timeout: Option<Duration>,
    /// The environment manager; chosen from the project's files if `None`.
    pub env_manager: Option<EnvManager>,
    /// A requirements file or `pyproject.toml` with the packages for a project that has no environment file.
    /// A relative path, and relative paths in it, refer to the current directory.
    pub requirements: Option<PathBuf>,
    /// The directory for data that parameters download.
    pub storage_dir: Option<PathBuf>,
    /// Use this existing run instead of a new one.
    pub run_id: Option<RunId>,
    /// Skip the run if a finished one of the experiment matches (commit, entry point, parameters); that run is then
    /// the result.
    pub reuse: bool,
    /// Refuse parameters that the entry point does not declare, instead of passing them on.
    pub strict_params: bool,
    /// The run's name; the store invents one if `None`.
    pub run_name: Option<String>,
    /// Which image a Docker project runs.
    pub image: ImageChoice,
    /// Keep the temporary directory of a fetched project, and downloaded data.
    pub keep_workdir: bool,
    /// Environment variables for the entry point, besides those of this process. The variables that MLflow sets
    /// for a run take precedence.
    pub variables: Vec<(String, String)>,
    /// Files that the caller writes, such as results: in the project's directory they do not count as changes.
    pub outputs: Vec<PathBuf>,
    /// Further tags for the run.
    pub tags: Vec<(String, String)>,
    /// The directory for relative paths and the default tracking store; this process's current directory if
    /// `None`.
    pub current_directory: Option<PathBuf>,
}

/// Which image a Docker project runs.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum ImageChoice {
    /// The default: a layer with the project's files on top of the named image.
    #[default]
    Default,
    /// `--build-image`.
    Build,
    /// `--no-build-image`: the named image as it is.
    AsItIs,
}

impl RunRequest {
    /// A run of the project's entry point `main` on this machine.
    pub fn new(uri: impl Into<String>) -> Self {
        Self {
            uri: uri.into(),
            entry_point: "main".to_owned(),
            version: None,
            parameters: Vec::new(),
            docker_args: Vec::new(),
            tracking_uri: None,
            experiment: None,
            parent_run: None,
            backend: backend::DEFAULT.to_owned(),
            backend_config: None,
            wait: None,
            no_logs: false,
            log_output: false,
            start_timeout: None,
            env_manager: None,
            requirements: None,
            storage_dir: None,
            run_id: None,
            reuse: false,
            strict_params: false,
            run_name: None,
            image: ImageChoice::Default,
            keep_workdir: false,
            variables: Vec::new(),
            outputs: Vec::new(),
            tags: Vec::new(),
            current_directory: None,
        }
    }

    /// Names the entry point.
    #[must_use]
    pub fn entry_point(mut self, name: impl Into<String>) -> Self {
        self.entry_point = name.into();
        self
    }

    /// Sets a parameter; the last value counts.
    #[must_use]
    pub fn parameter(mut self, name: impl Into<String>, value: impl ToString) -> Self {
        let name = name.into();
        self.parameters.retain(|(other, _)| *other != name);
        self.parameters.push((name, value.to_string()));
        self
    }

    /// Names the tracking store.
    #[must_use]
    pub fn tracking_uri(mut self, uri: impl Into<String>) -> Self {
        self.tracking_uri = Some(uri.into());
        self
    }

    /// Names the experiment; it is created if it does not exist.
    #[must_use]
    pub fn experiment_name(mut self, name: impl Into<String>) -> Self {
        self.experiment = Some(ExperimentSelector::Name(name.into()));
        self
    }

    /// Names the environment manager.
    #[must_use]
    pub fn env_manager(mut self, manager: EnvManager) -> Self {
        self.env_manager = Some(manager);
        self
    }

    /// Names a file with the packages for a project that has no environment file.
    #[must_use]
    pub fn requirements(mut self, file: impl Into<PathBuf>) -> Self {
        self.requirements = Some(file.into());
        self
    }

    /// Names the run.
    #[must_use]
    pub fn run_name(mut self, name: impl Into<String>) -> Self {
        self.run_name = Some(name.into());
        self
    }

    /// Names the parent run.
    #[must_use]
    pub fn parent_run(mut self, run_id: RunId) -> Self {
        self.parent_run = Some(run_id);
        self
    }

    /// Sets the directory that relative paths refer to.
    #[must_use]
    pub fn current_directory(mut self, directory: impl Into<PathBuf>) -> Self {
        self.current_directory = Some(directory.into());
        self
    }
}

/// The experiment of a name or an id, each of which defaults to MLflow's variable.
pub(crate) fn select_experiment(
    name: Option<String>,
    id: Option<String>,
) -> Result<ExperimentSelector, RunError> {
    let name = name.or_else(|| env_vars::non_empty(env_vars::MLFLOW_EXPERIMENT_NAME));
    let id = id.or_else(|| env_vars::non_empty(env_vars::MLFLOW_EXPERIMENT_ID));
    match (name, id) {
        (Some(_), Some(_)) => Err(RunError::TwoExperiments),
        (Some(name), None) if !name.is_empty() => Ok(ExperimentSelector::Name(name)),
        (None, Some(id)) if !id.is_empty() => Ok(ExperimentSelector::Id(ExperimentId::new(id))),
        _ => Ok(ExperimentSelector::Default),
    }
}
