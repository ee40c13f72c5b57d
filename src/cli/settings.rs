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
use crate::cli::usage;
use crate::entities::{RunId, tag};
use crate::env_vars;
use crate::environment::{self, EnvManager};
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
        let params_file = arguments.params_file.map(|file| current_directory.join(file));
        let from_params_file = add_params_file(&mut parameters, params_file.as_deref())?;
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
            .or_else(|| env_vars::non_empty(env_vars::MLFLOW_TMP_DIR));
        let run_info_file = arguments.run_info.map(|file| current_directory.join(file));
        let request = RunRequest {
            entry_point: arguments.entry_point,
            version: arguments.version,
            parameters,
            docker_args,
            experiment: Some(experiment),
            backend_config,
            wait: (arguments.wait || arguments.no_wait).then_some(arguments.wait),
            no_logs: arguments.no_logs,
            log_output: arguments.log_output,
            start_timeout: arguments.start_timeout,
            env_manager: env_manager(arguments.env_manager, arguments.no_conda)?,
            requirements: arguments.requirements,
            storage_dir: storage_dir.map(PathBuf::from),
            run_id: arguments.run_id.filter(|id| !id.is_empty()).map(RunId::new),
            reuse: arguments.reuse,
            strict_params: arguments.strict_params,
            run_name: arguments.run_name.filter(|name| !name.is_empty()),
            image: image_choice(arguments.build_image, arguments.no_build_image),
            keep_workdir: arguments.keep_workdir,
            outputs: run_info_file.iter().cloned().collect(),
            tags: process_tag(&arguments.backend),
            current_directory: Some(current_directory),
            backend: arguments.backend,
            ..RunRequest::new(arguments.uri)
        };
        check_requirements(&request)?;
        let settings = Self {
            dry_run: arguments.dry_run,
            json: arguments.json,
            from_params_file,
            timeout: arguments.timeout,
            exit_code: arguments.exit_code,
            run_info_file,
        };
        Ok((request, settings))
    }

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

/// Adds the parameters of the file, over which those that are given win; the names of those that were added.
fn add_params_file(
    parameters: &mut Vec<(String, String)>,
    file: Option<&Path>,
) -> Result<HashSet<String>, Failure> {
    let Some(file) = file else {
        return Ok(HashSet::new());
    };
    let given = std::mem::replace(parameters, params_file::read(file)?);
    let given_names: HashSet<&str> = given.iter().map(|(name, _)| name.as_str()).collect();
    parameters.retain(|(name, _)| !given_names.contains(name.as_str()));
    let added = parameters.iter().map(|(name, _)| name.clone()).collect();
    parameters.extend(given);
    Ok(added)
}

fn image_choice(build: bool, as_it_is: bool) -> ImageChoice {
    if build {
        ImageChoice::Build
    } else if as_it_is {
        ImageChoice::AsItIs
    } else {
        ImageChoice::Default
    }
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
        None => Err(usage::no_sign(text)),
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
                Failure::usage(format!("repeated parameter: '{name}'")).with_hint("give each name once")
            );
        }
        distinct.push((name, value));
    }
    Ok(distinct)
}

/// Reads `--backend-config`: a file when the text ends in `.json`, else JSON itself.
fn backend_config(text: &str, current_directory: &Path) -> Result<BackendConfig, Failure> {
    let extension = Path::new(text).extension();
    let file = extension
        .is_some_and(|extension| extension == "json")
        .then(|| current_directory.join(text));
    let value = match &file {
        Some(path) => backend_config_file(path)?,
        None => serde_json::from_str(text).map_err(|error| {
            Failure::usage(format!("invalid backend config JSON: {error}"))
                .with_hint("give JSON text, or a file whose name ends in .json")
        })?,
    };
    let Some(kind) = other_than_object(&value) else {
        return Ok(BackendConfig { value, file });
    };
    let problem = format!("it must be a JSON object, but it is {kind}");
    let failure = match file {
        Some(path) => Failure::message(format!("invalid backend config {}: {problem}", path.display())),
        None => Failure::usage(format!("invalid backend config: {problem}")),
    };
    Err(failure.with_hint("write keys and values, such as {\"key\": \"value\"}, or {} for none"))
}

fn backend_config_file(path: &Path) -> Result<Json, Failure> {
    let content = std::fs::read_to_string(path).map_err(|error| {
        Failure::new(
            anyhow::Error::new(error).context(format!("cannot read the backend config {}", path.display())),
        )
    })?;
    serde_json::from_str(&content).map_err(|error| {
        let position = params_file::json_position(content.as_bytes(), &error);
        let location = position.map(|position| SourceFile::new(path, content.as_str()).at(position));
        Failure::new(
            anyhow::Error::new(error)
                .context(format!("the backend config {} is not valid JSON", path.display())),
        )
        .with_location(location)
    })
}

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

/// Refuses `--requirements` if another option makes it useless.
fn check_requirements(request: &RunRequest) -> Result<(), Failure> {
    if request.requirements.is_none() {
        return Ok(());
    }
    let remote = Some(request.backend.as_str()).filter(|name| !backend::runs_here(name));
    environment::check_requirements(request.env_manager, remote)
        .map_err(|error| Failure::from(error).into_usage())
}
