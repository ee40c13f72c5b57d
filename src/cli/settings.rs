//! Arguments and environment variables, checked and turned into what a run needs.
//!
//! This is the only reader of the command line's values. Rules and wording of the usage errors follow
//! `mlflow run` (MLflow 3.17), where every one of them ends with exit code 2.

use std::path::{Path, PathBuf};
use std::time::Duration;

use crate::backend::{BackendConfig, BackendOptions};
use crate::cli::args::{EnvManagerName, RunArguments};
use crate::cli::report::Failure;
use crate::env_vars;
use crate::environment::EnvManager;
use crate::run::{ExperimentId, RunId};
use crate::tracking::ExperimentSelector;

/// Everything that the command line and the environment say about one run.
#[derive(Debug)]
pub(crate) struct RunSettings {
    pub(crate) uri: String,
    pub(crate) entry_point: String,
    pub(crate) version: Option<String>,
    /// In the order given; every name once.
    pub(crate) parameters: Vec<(String, String)>,
    /// In the order given; every name once. No value: a flag.
    pub(crate) docker_args: Vec<(String, Option<String>)>,
    pub(crate) experiment: ExperimentSelector,
    pub(crate) backend: String,
    pub(crate) backend_config: Option<BackendConfig>,
    /// `--wait` and `--no-wait`; the backend's own way where neither is given.
    pub(crate) wait: Option<bool>,
    pub(crate) no_logs: bool,
    pub(crate) start_timeout: Option<Duration>,
    pub(crate) env_manager: Option<EnvManager>,
    pub(crate) storage_dir: Option<PathBuf>,
    pub(crate) run_id: Option<RunId>,
    pub(crate) run_name: Option<String>,
    pub(crate) image: ImageChoice,
    pub(crate) dry_run: bool,
    pub(crate) run_info_file: Option<PathBuf>,
    pub(crate) keep_workdir: bool,
    /// The directory that relative paths refer to.
    pub(crate) current_directory: PathBuf,
}

/// Which image a Docker project runs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum ImageChoice {
    /// Nothing was asked: a layer with the project's files on top of the named image.
    Default,
    /// `--build-image`.
    Build,
    /// `--no-build-image`: the named image as it is.
    AsItIs,
}

impl RunSettings {
    /// Checks the arguments.
    ///
    /// # Errors
    /// A usage error for what the command line alone shows to be wrong; an ordinary failure for a
    /// backend configuration file that cannot be read.
    pub(crate) fn new(arguments: RunArguments) -> Result<Self, Failure> {
        let current_directory = std::env::current_dir().map_err(|error| {
            Failure::new(anyhow::Error::new(error).context("cannot determine the current directory"))
                .with_hint("it may have been removed: change to a directory that exists")
        })?;
        let experiment = experiment_selector(
            arguments
                .experiment_name
                .or_else(|| env_vars::non_empty(env_vars::MLFLOW_EXPERIMENT_NAME)),
            arguments
                .experiment_id
                .or_else(|| env_vars::non_empty(env_vars::MLFLOW_EXPERIMENT_ID)),
        )?;
        let parameters = distinct(arguments.param_list.iter().map(|text| parameter(text)))?;
        let docker_args = distinct(arguments.docker_args.iter().map(|text| Ok(docker_argument(text))))?;
        let backend_config = arguments
            .backend_config
            .map(|text| backend_config(&text, &current_directory))
            .transpose()?;
        if arguments.backend == "kubernetes" && backend_config.is_none() {
            return Err(
                Failure::usage("the kubernetes backend needs --backend-config").with_hint(
                    "name a JSON file with repository-uri and kube-job-template-path: -c config.json",
                ),
            );
        }
        let storage_dir = arguments
            .storage_dir
            .or_else(|| env_vars::non_empty(env_vars::MLFLOW_TMP_DIR))
            .map(PathBuf::from);
        Ok(Self {
            uri: arguments.uri,
            entry_point: arguments.entry_point,
            version: arguments.version,
            parameters,
            docker_args,
            experiment,
            backend: arguments.backend,
            backend_config,
            wait: match (arguments.wait, arguments.no_wait) {
                (false, false) => None,
                (wait, _) => Some(wait),
            },
            no_logs: arguments.no_logs,
            start_timeout: arguments.start_timeout,
            env_manager: env_manager(arguments.env_manager, arguments.no_conda)?,
            storage_dir,
            run_id: arguments.run_id.filter(|id| !id.is_empty()).map(RunId::new),
            run_name: arguments.run_name.filter(|name| !name.is_empty()),
            image: match (arguments.build_image, arguments.no_build_image) {
                (true, _) => ImageChoice::Build,
                (false, true) => ImageChoice::AsItIs,
                (false, false) => ImageChoice::Default,
            },
            dry_run: arguments.dry_run,
            run_info_file: arguments.run_info,
            keep_workdir: arguments.keep_workdir,
            current_directory,
        })
    }
}

impl RunSettings {
    /// What the backend is told.
    pub(crate) fn backend_options(&self) -> BackendOptions<'_> {
        BackendOptions {
            config: self.backend_config.as_ref(),
            wait: self.wait,
            no_logs: self.no_logs,
            start_timeout: self.start_timeout,
        }
    }
}

fn experiment_selector(name: Option<String>, id: Option<String>) -> Result<ExperimentSelector, Failure> {
    match (name, id) {
        (Some(_), Some(_)) => Err(Failure::usage("both an experiment name and an experiment id are given")
            .with_hint(
                "give only one of --experiment-name and --experiment-id; MLFLOW_EXPERIMENT_NAME and MLFLOW_EXPERIMENT_ID count as these options",
            )),
        (Some(name), None) if !name.is_empty() => Ok(ExperimentSelector::Name(name)),
        (None, Some(id)) if !id.is_empty() => Ok(ExperimentSelector::Id(ExperimentId::new(id))),
        _ => Ok(ExperimentSelector::Default),
    }
}

fn parameter(text: &str) -> Result<(String, String), Failure> {
    match text.split_once('=') {
        Some((name, value)) => Ok((name.to_owned(), value.to_owned())),
        None => Err(
            Failure::usage(format!("invalid -P parameter '{text}': there is no '='"))
                .with_hint("write -P name=value"),
        ),
    }
}

fn docker_argument(text: &str) -> (String, Option<String>) {
    match text.split_once('=') {
        Some((name, value)) => (name.to_owned(), Some(value.to_owned())),
        None => (text.to_owned(), None),
    }
}

/// Collects pairs; a name that comes twice is a usage error.
fn distinct<V>(
    pairs: impl Iterator<Item = Result<(String, V), Failure>>,
) -> Result<Vec<(String, V)>, Failure> {
    let mut seen: Vec<(String, V)> = Vec::new();
    for pair in pairs {
        let (name, value) = pair?;
        if seen.iter().any(|(other, _)| *other == name) {
            return Err(
                Failure::usage(format!("repeated parameter: '{name}'")).with_hint("give every name once")
            );
        }
        seen.push((name, value));
    }
    Ok(seen)
}

/// Reads `--backend-config`: a file when the text ends in `.json`, else JSON itself.
fn backend_config(text: &str, current_directory: &Path) -> Result<BackendConfig, Failure> {
    if Path::new(text)
        .extension()
        .is_some_and(|extension| extension == "json")
    {
        let path = current_directory.join(text);
        let content = std::fs::read_to_string(&path).map_err(|error| {
            Failure::new(
                anyhow::Error::new(error)
                    .context(format!("cannot read the backend config {}", path.display())),
            )
        })?;
        let value = serde_json::from_str(&content).map_err(|error| {
            Failure::new(
                anyhow::Error::new(error)
                    .context(format!("the backend config {} is not valid JSON", path.display())),
            )
        })?;
        return Ok(BackendConfig {
            value,
            file: Some(path),
        });
    }
    let value = serde_json::from_str(text).map_err(|error| {
        Failure::usage(format!("invalid backend config JSON: {error}"))
            .with_hint("give JSON text, or a file whose name ends in .json")
    })?;
    Ok(BackendConfig { value, file: None })
}

fn env_manager(name: Option<EnvManagerName>, no_conda: bool) -> Result<Option<EnvManager>, Failure> {
    match (name, no_conda) {
        (None | Some(EnvManagerName::Local), true) => Ok(Some(EnvManager::Local)),
        (Some(_), true) => Err(Failure::usage(
            "--no-conda means --env-manager local, but another manager is given too",
        )
        .with_hint("give only one of --no-conda and --env-manager")),
        (name, false) => Ok(name.map(|name| match name {
            EnvManagerName::Local => EnvManager::Local,
            EnvManagerName::Virtualenv => EnvManager::Virtualenv,
            EnvManagerName::Uv => EnvManager::Uv,
            EnvManagerName::Conda => EnvManager::Conda,
        })),
    }
}
