//! What shall be run, and how: the values of `mlrun run`, checked without a command line.

use std::path::PathBuf;
use std::time::Duration;

use super::RunError;
use crate::backend::{self, BackendConfig};
use crate::entities::{ExperimentId, RunId};
use crate::env_vars;
use crate::environment::EnvManager;
use crate::tracking::ExperimentSelector;

/// A run that is asked for. Each field is one option of `mlrun run` and means the same.
///
/// Fields that are `None` are decided as without the option: by MLflow's environment variables, the
/// project, or the backend.
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
    /// The tracking store; `MLFLOW_TRACKING_URI` or MLflow's default where it is `None`.
    pub tracking_uri: Option<String>,
    /// The experiment; `MLFLOW_EXPERIMENT_NAME`, `MLFLOW_EXPERIMENT_ID` or the default where it is `None`.
    pub experiment: Option<ExperimentSelector>,
    /// The run inside which this one is started; `MLFLOW_RUN_ID` where it is `None`. One that is not in
    /// the same store is no parent.
    pub parent_run: Option<RunId>,
    /// The backend's name, `local` for this machine.
    pub backend: String,
    /// The backend's configuration.
    pub backend_config: Option<BackendConfig>,
    /// Whether to stay until the entry point has ended; the backend's own way where it is `None`.
    pub wait: Option<bool>,
    /// Do not show what the entry point writes, where it does not run on this machine.
    pub no_logs: bool,
    /// Keep what the entry point writes among the run's artifacts too: `logs/stdout.txt` and
    /// `logs/stderr.txt`; `logs/stdout-stderr.txt` where the backend does not tell them apart. Needs
    /// somebody who waits for the run's end.
    pub log_output: bool,
    /// How long a run may take to start, where a service starts it.
    pub start_timeout: Option<Duration>,
    /// The environment manager; chosen by the project's files where it is `None`.
    pub env_manager: Option<EnvManager>,
    /// A requirements file or `pyproject.toml` with the packages for a project that has no environment file.
    /// A relative path, and relative paths in it, refer to the current directory.
    pub requirements: Option<PathBuf>,
    /// The directory for data that parameters download.
    pub storage_dir: Option<PathBuf>,
    /// Use this existing run instead of a new one.
    pub run_id: Option<RunId>,
    /// Start nothing if a finished run of the experiment has the same commit, entry point and parameters; that
    /// run is then the result.
    pub reuse: bool,
    /// Refuse parameters that the entry point does not declare, instead of passing them on.
    pub strict_params: bool,
    /// The run's name; the store makes one up where it is `None`.
    pub run_name: Option<String>,
    /// Which image a Docker project runs.
    pub image: ImageChoice,
    /// Keep the temporary directory of a fetched project, and downloaded data.
    pub keep_workdir: bool,
    /// Environment variables for the entry point, besides those of this process. Those that MLflow sets
    /// for a run win over them.
    pub variables: Vec<(String, String)>,
    /// Files that the caller writes, such as one with results: where they lie in the project's directory
    /// they are no part of it.
    pub outputs: Vec<PathBuf>,
    /// Tags for the run besides those that MLflow gives the run of a project.
    pub tags: Vec<(String, String)>,
    /// The directory that relative paths and the default tracking store refer to; this process's own
    /// current directory where it is `None`.
    pub current_directory: Option<PathBuf>,
}

/// Which image a Docker project runs.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum ImageChoice {
    /// Nothing was asked: a layer with the project's files on top of the named image.
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

    /// Gives a parameter its value; the last one counts.
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

    /// Names the experiment; it is made when it is missing.
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

    /// Names the run inside which this one is started.
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

/// The experiment that a name or an id selects, each of which MLflow's variable stands for where it is
/// not given.
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
