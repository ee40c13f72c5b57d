//! Making a plan: everything that can be checked is checked before anything is created.

use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use super::path_data;
use super::plan::CommandWithData;
use super::record;
use super::{ImageChoice, RunError, RunPlan, RunRequest, StorePreview, Timings, select_experiment};
use crate::artifact::{DataRequest, imagined_directory};
use crate::backend::{self, Backend, BackendOptions, ProjectCall};
use crate::env_vars;
use crate::environment::{self, ContainerRequest, EnvManager, EnvironmentPlan, EnvironmentRequest};
use crate::events::Progress;
use crate::fetch::{self, FetchOptions, WorkDir};
use crate::process::{Signals, until_signal};
use crate::project::{EntryPoint, ParameterContext, Project, ProjectEnvironment, ResolvedParameters};
use crate::project_uri::ProjectUri;
use crate::redact::without_credentials;
use crate::tracking::limits::{self, Entity, LongValues};
use crate::tracking::{ExperimentSelector, TrackingUri};

impl RunPlan {
    /// Fetches the project and checks all that can be checked. Nothing is created but a temporary
    /// directory for a project that is not a local directory; it goes with the plan.
    ///
    /// # Errors
    /// A signal came, the project cannot be had, or something about it or the request is wrong.
    pub(crate) async fn make(
        request: RunRequest,
        signals: &mut Signals,
        progress: &dyn Progress,
    ) -> Result<Self, RunError> {
        until_signal(signals, Self::checked(request, progress))
            .await
            .done()?
    }

    async fn checked(mut request: RunRequest, progress: &dyn Progress) -> Result<Self, RunError> {
        let Surroundings {
            current_directory,
            experiment,
            record_patience,
            backend,
            tracking_uri,
        } = Surroundings::of(&request)?;
        let mut timings = Timings::default();

        let begun = Instant::now();
        let work_dir = fetch_project(&request, &current_directory, progress).await?;
        timings.fetch = Some(begun.elapsed());
        let no_part = [tracking_uri.local_files(), request.outputs.clone()].concat();
        let tree = fetch::compare_with_commit(&work_dir, no_part);
        let directory = work_dir.path().to_owned();
        let project = in_background(move || Project::load(&directory)).await??;
        warn_of(&project.warnings, progress);

        let entry_point = entry_point(&project, &mut request, backend.as_ref(), progress)?;
        let resolved = {
            let (entry_point, request) = (entry_point.clone(), request.clone());
            let (directory, is_elsewhere) = (current_directory.clone(), backend.hands_project_over());
            in_background(move || Call::resolve(&entry_point, &request, &directory, is_elsewhere))
        };
        let (call, warnings) = resolved.await??;
        warn_of(&warnings, progress);

        let begun = Instant::now();
        let environment = plan_environment(&project, &request, &work_dir, backend.as_ref()).await?;
        timings.environment = Some(begun.elapsed());
        warn_of_unused_options(&request, &project, backend.as_ref(), progress);

        let plan = Self {
            call: project_call(&project, &entry_point, &request),
            request,
            current_directory,
            experiment,
            work_dir,
            entry_point,
            params_to_log: call.params_to_log,
            parameters: call.parameters,
            data: call.data,
            located: Vec::new(),
            command: call.command,
            project_environment: project.environment,
            environment,
            backend,
            tracking_uri,
            user: user_name(),
            record_patience,
            tree,
            store: None,
            timings,
        };
        let launch_plan = plan.imagined_launch(plan.imagined_environment(), &StorePreview::default());
        plan.backend.check(&launch_plan, progress).await?;
        Ok(plan)
    }
}

/// Does slow work on another thread, so that signals are heard meanwhile. Work that is no longer waited for ends with
/// the program.
///
/// # Errors
/// The work has panicked, which has been reported.
pub(crate) async fn in_background<T: Send + 'static>(
    work: impl FnOnce() -> T + Send + 'static,
) -> Result<T, RunError> {
    tokio::task::spawn_blocking(work).await.map_err(|_| RunError::Bug)
}

async fn fetch_project(
    request: &RunRequest,
    current_directory: &Path,
    progress: &dyn Progress,
) -> Result<WorkDir, RunError> {
    let uri = ProjectUri::parse(&request.uri, current_directory)?;
    let options = FetchOptions {
        version: request.version.clone(),
        keep: request.keep_workdir,
    };
    Ok(fetch::fetch(&uri, &options, progress).await?)
}

fn warn_of(warnings: &[String], progress: &dyn Progress) {
    for warning in warnings {
        progress.warning(warning);
    }
}

fn project_call(project: &Project, entry_point: &EntryPoint, request: &RunRequest) -> ProjectCall {
    ProjectCall {
        project_name: project.name.clone(),
        uri: without_credentials(&request.uri),
        entry_point: entry_point.name.clone(),
        parameters: request.parameters.clone(),
        env_manager: request.env_manager,
        spark_job: project.databricks_spark_job.clone(),
    }
}

/// What the request and the process's environment say, whatever the project is.
struct Surroundings {
    current_directory: PathBuf,
    experiment: ExperimentSelector,
    record_patience: Duration,
    backend: Box<dyn Backend>,
    tracking_uri: TrackingUri,
}

impl Surroundings {
    fn of(request: &RunRequest) -> Result<Self, RunError> {
        let current_directory = match &request.current_directory {
            Some(directory) => directory.clone(),
            None => std::env::current_dir().map_err(|source| RunError::NoCurrentDirectory { source })?,
        };
        let experiment = match &request.experiment {
            Some(selector) => selector.clone(),
            None => select_experiment(None, None)?,
        };
        let record_patience = record::patience()?;
        let options = BackendOptions {
            config: request.backend_config.as_ref(),
            wait: request.wait,
            no_logs: request.no_logs,
            start_timeout: request.start_timeout,
        };
        let backend = backend::by_name(&request.backend, options)?;
        let tracking_uri = request
            .tracking_uri
            .clone()
            .or_else(|| env_vars::non_empty(env_vars::MLFLOW_TRACKING_URI));
        Ok(Self {
            tracking_uri: TrackingUri::resolve(tracking_uri.as_deref(), &current_directory)?,
            current_directory,
            experiment,
            record_patience,
            backend,
        })
    }
}

/// The entry point that the request names. A Spark job's file decides itself what runs; the request's
/// parameters are dropped then.
fn entry_point(
    project: &Project,
    request: &mut RunRequest,
    backend: &dyn Backend,
    progress: &dyn Progress,
) -> Result<EntryPoint, RunError> {
    let spark_job = project
        .spark_entry_point()
        .filter(|_| backend.hands_project_over());
    if let Some(entry_point) = spark_job {
        if request.entry_point != "main" || !request.parameters.is_empty() {
            progress.warning(
                "ignoring -e/--entry-point and -P/--param-list: the project's databricks_spark_job names its own python_file and parameters",
            );
        }
        request.parameters.clear();
        return Ok(entry_point);
    }
    let shell = env_vars::non_empty(env_vars::SHELL);
    Ok(project.entry_point(&request.entry_point, shell.as_deref())?)
}

/// An entry point with its values.
struct Call {
    parameters: ResolvedParameters,
    params_to_log: Vec<(String, String)>,
    data: Vec<DataRequest>,
    command: CommandWithData,
}

impl Call {
    /// The call, and what a person should know of its values.
    fn resolve(
        entry_point: &EntryPoint,
        request: &RunRequest,
        current_directory: &Path,
        is_elsewhere: bool,
    ) -> Result<(Self, Vec<String>), RunError> {
        let context = ParameterContext {
            directory: current_directory,
            is_elsewhere,
        };
        if request.strict_params {
            entry_point.refuse_undeclared(&request.parameters)?;
        }
        let parameters = entry_point.resolve(&request.parameters, context)?;
        let data = path_data::requests(&parameters)?;
        let imagined = imagined_directory(path_data::storage_dir(request, current_directory).as_deref());
        let command = CommandWithData::new(entry_point, &parameters, &data, &imagined)?;
        let mut warnings = entry_point.mistyped(&request.parameters, &parameters.extra);
        let mut warn = |warning| warnings.push(warning);
        let params_to_log = limits::fit(
            Entity::Param,
            logged(&parameters),
            LongValues::from_environment(),
            &mut warn,
        )?;
        let call = Self {
            parameters,
            params_to_log,
            data,
            command,
        };
        Ok((call, warnings))
    }
}

/// What the project's environment will be. Where the project is handed over, that is made there.
async fn plan_environment(
    project: &Project,
    request: &RunRequest,
    work_dir: &WorkDir,
    backend: &dyn Backend,
) -> Result<EnvironmentPlan, RunError> {
    if request.requirements.is_some() && !backend.runs_here() {
        environment::check_requirements(None, Some(backend.name()))?;
    }
    backend.check_environment(&project.environment)?;
    let none = ProjectEnvironment::Python { file: None };
    let (environment, manager) = if backend.hands_project_over() {
        (&none, Some(EnvManager::Local))
    } else {
        (&project.environment, request.env_manager)
    };
    let environment = environment::plan(EnvironmentRequest {
        environment,
        manager,
        requirements: request.requirements.as_deref(),
        current_directory: request.current_directory.as_deref().unwrap_or(Path::new(".")),
        directory: work_dir.path(),
        project: project.name.as_deref().unwrap_or("without a name"),
        container: ContainerRequest {
            project_name: project.name.as_deref(),
            commit: work_dir.source().commit.as_deref(),
            fetched: work_dir.fetched(),
            docker_args: &request.docker_args,
            as_it_is: request.image == ImageChoice::AsItIs,
            repository: backend.image_repository(),
        },
    });
    Ok(environment.await?)
}

fn logged(parameters: &ResolvedParameters) -> Vec<(String, String)> {
    let declared = parameters
        .declared
        .iter()
        .map(|parameter| (parameter.name.clone(), parameter.logged.clone()));
    declared.chain(parameters.extra.iter().cloned()).collect()
}

fn warn_of_unused_options(
    request: &RunRequest,
    project: &Project,
    backend: &dyn Backend,
    progress: &dyn Progress,
) {
    // MLFLOW_TMP_DIR, the option's default, is meant for all runs of a machine.
    let storage_dir = request.storage_dir.as_ref().and_then(|path| path.to_str());
    let names_storage_dir =
        storage_dir.is_some() && storage_dir != env_vars::non_empty(env_vars::MLFLOW_TMP_DIR).as_deref();
    let is_docker = matches!(project.environment, ProjectEnvironment::Docker(_));
    let unused = [
        (
            !is_docker && !request.docker_args.is_empty(),
            "-A/--docker-args",
            "the project has no docker_env",
        ),
        (
            !is_docker && request.image != ImageChoice::Default,
            "--build-image/--no-build-image",
            "the project has no docker_env",
        ),
        (
            is_docker && request.env_manager.is_some(),
            "--env-manager",
            "the project runs in a container (docker_env)",
        ),
        (
            backend.runs_here() && request.backend_config.is_some(),
            "-c/--backend-config",
            "the local backend has no configuration",
        ),
        (
            request.log_output && !backend.waits(),
            "--log-output",
            "mlrun does not wait for this run, so it cannot keep the output; add --wait",
        ),
        (
            names_storage_dir && !backend.runs_here(),
            "--storage-dir",
            "the backend downloads no data to this machine",
        ),
    ];
    for (_, option, reason) in unused.iter().filter(|(is_unused, ..)| *is_unused) {
        progress.warning(&format!("ignoring {option}: {reason}"));
    }
}

/// The person who runs the program, found as Python's `getpass.getuser` finds it.
fn user_name() -> String {
    ["LOGNAME", "USER", "LNAME", "USERNAME"]
        .into_iter()
        .find_map(env_vars::non_empty)
        .or_else(|| {
            nix::unistd::User::from_uid(nix::unistd::getuid())
                .ok()
                .flatten()
                .map(|user| user.name)
        })
        .unwrap_or_else(|| "unknown".to_owned())
}
