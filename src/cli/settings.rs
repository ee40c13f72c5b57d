//! Arguments and environment variables, checked and turned into what a run needs.
//!
//! This is the only reader of the command line's values. Rules and wording of the usage errors follow
//! `mlflow run` (MLflow 3.17), where every one of them ends with exit code 2.

use std::collections::HashSet;
use std::path::{Path, PathBuf};
use std::time::Duration;

use serde_json::Value as Json;

use crate::backend::{self, BackendConfig};
use crate::cli::args::{EnvManagerName, ExitCodeName, RunArguments};
use crate::cli::params_file::{self, ParameterOrigin};
use crate::cli::report::Failure;
use crate::entities::{RunId, tag};
use crate::env_vars;
use crate::environment::EnvManager;
use crate::process::ProcessIdentity;
use crate::project::{NameProblem, SourceFile, without_blanks};
use crate::runner::{ImageChoice, RunError, RunRequest, select_experiment};

/// What the command line says about a run besides what shall be run.
#[derive(Debug)]
pub(crate) struct RunSettings {
    pub(crate) dry_run: bool,
    /// Write the dry run as JSON.
    pub(crate) json: bool,
    /// The names of parameters whose values come from `--params-file`.
    from_params_file: HashSet<String>,
    pub(crate) reuse: bool,
    pub(crate) timeout: Option<Duration>,
    pub(crate) exit_code: ExitCodeName,
    pub(crate) run_info_file: Option<PathBuf>,
}

impl RunSettings {
    /// Checks the arguments: what shall be run, and what is the command line's own.
    ///
    /// # Errors
    /// A usage error for what the command line alone shows to be wrong; an ordinary failure for a
    /// backend configuration file that cannot be read.
    pub(crate) fn new(arguments: RunArguments) -> Result<(RunRequest, Self), Failure> {
        let current_directory =
            std::env::current_dir().map_err(|source| RunError::NoCurrentDirectory { source })?;
        let experiment = select_experiment(arguments.experiment_name, arguments.experiment_id)
            .map_err(|error| Failure::from(error).into_usage())?;
        let mut parameters = distinct(arguments.param_list.iter().map(|text| parameter(text)))?;
        let mut from_params_file = HashSet::new();
        if let Some(file) = arguments.params_file {
            let given = std::mem::take(&mut parameters);
            let given_names: HashSet<&str> = given.iter().map(|(name, _)| name.as_str()).collect();
            parameters = params_file::read(&current_directory.join(file))?;
            parameters.retain(|(name, _)| !given_names.contains(name.as_str()));
            from_params_file = parameters.iter().map(|(name, _)| name.clone()).collect();
            parameters.extend(given);
        }
        let docker_args = distinct(arguments.docker_args.iter().map(|text| docker_argument(text)))?;
        let backend_config = arguments
            .backend_config
            .map(|text| backend_config(&text, &current_directory))
            .transpose()?;
        let is_left_alone = arguments.no_wait && !arguments.wait;
        if let Some((problem, hint)) =
            backend::misuse(&arguments.backend, backend_config.is_some(), is_left_alone)
        {
            return Err(Failure::usage(problem).with_hint(hint));
        }
        let storage_dir = arguments
            .storage_dir
            .or_else(|| env_vars::non_empty(env_vars::MLFLOW_TMP_DIR))
            .map(PathBuf::from);
        let run_info_file = arguments.run_info.map(|file| current_directory.join(file));
        let request = RunRequest {
            uri: arguments.uri,
            entry_point: arguments.entry_point,
            version: arguments.version,
            parameters,
            docker_args,
            tracking_uri: None,
            experiment: Some(experiment),
            parent_run: None,
            backend_config,
            wait: match (arguments.wait, arguments.no_wait) {
                (false, false) => None,
                (wait, _) => Some(wait),
            },
            no_logs: arguments.no_logs,
            log_output: arguments.log_output,
            start_timeout: arguments.start_timeout,
            env_manager: env_manager(arguments.env_manager, arguments.no_conda)?,
            storage_dir,
            run_id: arguments.run_id.filter(|id| !id.is_empty()).map(RunId::new),
            reuse: arguments.reuse,
            run_name: arguments.run_name.filter(|name| !name.is_empty()),
            image: match (arguments.build_image, arguments.no_build_image) {
                (true, _) => ImageChoice::Build,
                (false, true) => ImageChoice::AsItIs,
                (false, false) => ImageChoice::Default,
            },
            keep_workdir: arguments.keep_workdir,
            variables: Vec::new(),
            outputs: run_info_file.iter().cloned().collect(),
            tags: process_tag(&arguments.backend),
            current_directory: Some(current_directory),
            backend: arguments.backend,
        };
        let settings = Self {
            dry_run: arguments.dry_run,
            json: arguments.json,
            from_params_file,
            reuse: arguments.reuse,
            timeout: arguments.timeout,
            exit_code: arguments.exit_code,
            run_info_file,
        };
        Ok((request, settings))
    }
}

impl RunSettings {
    /// Where the value of a parameter that was given comes from.
    pub(crate) fn origin_of(&self, name: &str) -> ParameterOrigin {
        if self.from_params_file.contains(name) {
            ParameterOrigin::ParamsFile
        } else {
            ParameterOrigin::CommandLine
        }
    }
}

/// What leads to a local run's process: this one, which ends its run when it is ended.
fn process_tag(backend: &str) -> Vec<(String, String)> {
    let process = ProcessIdentity::own().filter(|_| backend::runs_here(backend));
    let tag = process.map(|process| (tag::PROJECT_PROCESS.to_owned(), process.to_tag()));
    tag.into_iter().collect()
}

fn parameter(text: &str) -> Result<(String, String), Failure> {
    match text.split_once('=') {
        Some((name, value)) => {
            let problem = NameProblem::of(name).filter(|problem| !problem.can_be_declared());
            match problem {
                Some(problem) => Err(unfit_name("-P", name, Some(value), &problem)),
                None => Ok((name.to_owned(), value.to_owned())),
            }
        }
        None => Err(
            Failure::usage(format!("invalid -P parameter '{text}': there is no '='"))
                .with_hint("write -P name=value"),
        ),
    }
}

fn docker_argument(text: &str) -> Result<(String, Option<String>), Failure> {
    let (name, value) = match text.split_once('=') {
        Some((name, value)) => (name, Some(value)),
        None => (text, None),
    };
    match NameProblem::of(name) {
        Some(problem) => Err(unfit_name("-A", name, value, &problem)),
        None => Ok((name.to_owned(), value.map(str::to_owned))),
    }
}

fn unfit_name(option: &str, name: &str, value: Option<&str>, problem: &NameProblem) -> Failure {
    let hint = match (value, name.trim().split_once([' ', '\t'])) {
        // A whole option of `docker run` in one word.
        (None, Some((first, _))) => format!("write {option} {first}=VALUE"),
        (None, None) => format!("write {}", without_blanks(option, name, value)),
        _ => format!(
            "write {}, without blanks around the '='",
            without_blanks(option, name, value)
        ),
    };
    Failure::usage(format!(
        "invalid {option} argument: the name '{}' {problem}",
        name.escape_debug()
    ))
    .with_hint(hint)
}

/// Collects pairs; a name that comes twice is a usage error.
fn distinct<V>(
    pairs: impl Iterator<Item = Result<(String, V), Failure>>,
) -> Result<Vec<(String, V)>, Failure> {
    let mut seen = HashSet::new();
    let mut distinct = Vec::new();
    for pair in pairs {
        let (name, value) = pair?;
        if !seen.insert(name.clone()) {
            return Err(
                Failure::usage(format!("repeated parameter: '{name}'")).with_hint("give every name once")
            );
        }
        distinct.push((name, value));
    }
    Ok(distinct)
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
            let position = params_file::json_position(content.as_bytes(), &error);
            let location = position.map(|position| SourceFile::new(&path, content.as_str()).at(position));
            Failure::new(
                anyhow::Error::new(error)
                    .context(format!("the backend config {} is not valid JSON", path.display())),
            )
            .with_location(location)
        })?;
        if let Some(kind) = other_than_object(&value) {
            return Err(Failure::message(format!(
                "invalid backend config {}: it must be a JSON object, but it is {kind}",
                path.display()
            ))
            .with_hint(OBJECT));
        }
        return Ok(BackendConfig {
            value,
            file: Some(path),
        });
    }
    let value = serde_json::from_str(text).map_err(|error| {
        Failure::usage(format!("invalid backend config JSON: {error}"))
            .with_hint("give JSON text, or a file whose name ends in .json")
    })?;
    if let Some(kind) = other_than_object(&value) {
        return Err(Failure::usage(format!(
            "invalid backend config: it must be a JSON object, but it is {kind}"
        ))
        .with_hint(OBJECT));
    }
    Ok(BackendConfig { value, file: None })
}

/// What a backend config looks like.
const OBJECT: &str = "write keys and values, such as {\"key\": \"value\"}, or {} for none";

/// What the value is if it is not an object.
fn other_than_object(value: &Json) -> Option<&'static str> {
    match value {
        Json::Object(_) => None,
        Json::Array(_) => Some("an array"),
        Json::String(_) => Some("a string"),
        Json::Number(_) => Some("a number"),
        Json::Bool(_) => Some("a boolean"),
        Json::Null => Some("null"),
    }
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
