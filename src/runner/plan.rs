//! What a run will do: made and checked before anything is created.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::{Duration, Instant};

use super::data::{self, CommandWithData};
use super::record;
use super::{ImageChoice, RunError, RunRequest, Timings};
use crate::backend::{self, Backend, ProjectCall};
use crate::data::{DataDirectory, DataRequest, LocatedData};
use crate::env_vars;
use crate::environment::{
    self, ContainerRequest, EnvManager, EnvironmentPlan, EnvironmentRequest, PreparedEnv,
};
use crate::events::Progress;
use crate::fetch::{self, FetchOptions, TreeComparison, WorkDir};
use crate::project::{EntryPoint, ParameterContext, Project, ProjectEnvironment, ResolvedParameters};
use crate::project_uri::ProjectUri;
use crate::redact::without_credentials;
use crate::run::tag;
use crate::tracking::limits::{self, LongValues};
use crate::tracking::{self, ExperimentSelector, TrackingStore, TrackingUri};

/// Everything that is known before the run is created.
///
/// Dropping it removes the temporary directory of a fetched project.
pub struct RunPlan {
    pub(crate) request: RunRequest,
    /// The directory that relative paths refer to.
    pub(crate) current_directory: PathBuf,
    pub(crate) experiment: ExperimentSelector,
    pub(crate) work_dir: WorkDir,
    pub(crate) entry_point: EntryPoint,
    /// The parameters as the run records them: what was asked for, not what the shell gets.
    pub(crate) params_to_log: Vec<(String, String)>,
    pub(crate) parameters: ResolvedParameters,
    /// What the parameters name that is not on this machine.
    pub(crate) data: Vec<DataRequest>,
    /// The same, found by [`RunPlan::locate_data`].
    pub(crate) located: Vec<LocatedData>,
    /// The command with the paths that the data would have.
    pub(crate) command: CommandWithData,
    pub(crate) environment: EnvironmentPlan,
    pub(crate) backend: Box<dyn Backend>,
    pub(crate) call: ProjectCall,
    pub(crate) tracking_uri: TrackingUri,
    pub(crate) user: String,
    /// How long the store may be away when the run has ended.
    pub(crate) record_patience: Duration,
    /// How the project's files stand to their commit; it need not be known before the entry point is
    /// started.
    pub(crate) tree: TreeComparison,
    /// The store, once it was needed.
    pub(crate) store: Option<Arc<dyn TrackingStore>>,
    /// How long what has been done took.
    pub(crate) timings: Timings,
}

impl RunPlan {
    /// Fetches the project and checks all that can be checked. Nothing is created but a temporary
    /// directory for a project that is not a local directory; it goes with the plan.
    ///
    /// # Errors
    /// The project cannot be had, or something about it or the request is wrong.
    pub async fn make(mut request: RunRequest, progress: &dyn Progress) -> Result<Self, RunError> {
        let current_directory = match &request.current_directory {
            Some(directory) => directory.clone(),
            None => std::env::current_dir().map_err(|source| RunError::NoCurrentDirectory { source })?,
        };
        let experiment = request.experiment_selector()?;
        let record_patience = record::patience()?;
        let backend = backend::by_name(&request.backend, request.backend_options())?;
        let tracking_uri = request
            .tracking_uri
            .clone()
            .or_else(|| env_vars::non_empty(env_vars::MLFLOW_TRACKING_URI));
        let tracking_uri = TrackingUri::resolve(tracking_uri.as_deref(), &current_directory)?;
        let uri = ProjectUri::parse(&request.uri, &current_directory)?;
        let options = FetchOptions {
            version: request.version.clone(),
            keep: request.keep_workdir,
        };
        let mut timings = Timings::default();
        let begun = Instant::now();
        let work_dir = fetch::fetch(&uri, &options, progress).await?;
        timings.fetch = Some(begun.elapsed());
        let no_part = [tracking_uri.local_files(), request.outputs.clone()].concat();
        let tree = fetch::compare_with_commit(&work_dir, no_part);

        let project = Project::load(work_dir.path())?;
        for warning in &project.warnings {
            progress.warning(warning);
        }
        let shell = env_vars::non_empty(env_vars::SHELL);
        let is_elsewhere = backend.hands_project_over();
        let entry_point = match project.spark_entry_point().filter(|_| is_elsewhere) {
            Some(entry_point) => {
                warn_of_unused_call(&request, progress);
                request.parameters.clear();
                entry_point
            }
            None => project.entry_point(&request.entry_point, shell.as_deref())?,
        };
        let context = ParameterContext {
            directory: &current_directory,
            is_elsewhere,
        };
        let parameters = entry_point.resolve(&request.parameters, context)?;
        let data = data::requests(&parameters)?;
        let imagined = DataDirectory::imagined(data::storage_dir(&request, &current_directory).as_deref());
        let command = CommandWithData::new(&entry_point, &parameters, &data, &imagined)?;
        let params_to_log = limits::fit_params(
            logged(&parameters),
            LongValues::from_environment(),
            &mut |warning| {
                progress.warning(&warning);
            },
        )?;

        backend.check_environment(&project.environment)?;
        // Where the project is handed over, its environment is made there.
        let no_environment = ProjectEnvironment::Python { file: None };
        let (of_project, manager) = match is_elsewhere {
            true => (&no_environment, Some(EnvManager::Local)),
            false => (&project.environment, request.env_manager),
        };
        let begun = Instant::now();
        let environment = environment::plan(EnvironmentRequest {
            environment: of_project,
            manager,
            directory: work_dir.path(),
            project: project.name.as_deref().unwrap_or("without a name"),
            container: ContainerRequest {
                project_name: project.name.as_deref(),
                commit: work_dir.source().commit.as_deref(),
                docker_args: &request.docker_args,
                as_it_is: request.image == ImageChoice::AsItIs,
                repository: backend.image_repository(),
            },
        })
        .await?;
        timings.environment = Some(begun.elapsed());
        warn_of_unused_options(&request, &project, progress);
        let plan = Self {
            call: ProjectCall {
                project_name: project.name.clone(),
                uri: without_credentials(&request.uri),
                entry_point: entry_point.name.clone(),
                parameters: request.parameters.clone(),
                env_manager: request.env_manager,
                spark_job: project.databricks_spark_job.clone(),
            },
            request,
            current_directory,
            experiment,
            work_dir,
            entry_point,
            params_to_log,
            parameters,
            data,
            located: Vec::new(),
            command,
            environment,
            backend,
            tracking_uri,
            user: user_name(),
            record_patience,
            tree,
            store: None,
            timings,
        };
        let launch_plan = plan.imagined_launch(plan.imagined_environment());
        plan.backend.check(&launch_plan, progress).await?;
        Ok(plan)
    }

    /// The tracking store.
    pub(super) async fn store(&mut self) -> Result<Arc<dyn TrackingStore>, RunError> {
        if let Some(store) = &self.store {
            return Ok(Arc::clone(store));
        }
        let store: Arc<dyn TrackingStore> = tracking::open(&self.tracking_uri).await?.into();
        Ok(Arc::clone(self.store.insert(store)))
    }

    /// The name of the backend that the entry point will run on.
    pub fn backend_name(&self) -> &'static str {
        self.backend.name()
    }

    /// Tags that say where the project comes from.
    pub fn source_tags(&self) -> Vec<(String, String)> {
        let source = self.work_dir.source();
        let mut tags = vec![
            (tag::USER.to_owned(), self.user.clone()),
            (tag::SOURCE_NAME.to_owned(), source.name.clone()),
            (tag::SOURCE_TYPE.to_owned(), "PROJECT".to_owned()),
            (tag::PROJECT_ENTRY_POINT.to_owned(), self.entry_point.name.clone()),
        ];
        for (name, value) in [
            (tag::GIT_COMMIT, &source.commit),
            (tag::GIT_REPO_URL, &source.repo_url),
            (tag::GIT_BRANCH, &source.branch),
        ] {
            tags.extend(value.iter().map(|value| (name.to_owned(), value.clone())));
        }
        tags
    }

    /// Tags that say how the project is run.
    pub fn run_tags(&self) -> Vec<(String, String)> {
        let mut tags = vec![(tag::PROJECT_BACKEND.to_owned(), self.backend.name().to_owned())];
        tags.extend(
            self.environment
                .project_env_tag()
                .map(|value| (tag::PROJECT_ENV.to_owned(), value.to_owned())),
        );
        tags.extend(self.request.tags.iter().cloned());
        tags
    }

    /// The program and arguments of the container that the run would get, without values of variables.
    pub(crate) fn container_command_line(&self) -> Option<Vec<String>> {
        if self.backend.image_repository().is_some() {
            return None;
        }
        backend::container_command_line(&self.imagined_launch(self.imagined_environment()))
    }

    /// What the shell runs, with what enters the environment before it; for another place than this
    /// machine the entry point's command alone.
    pub(crate) fn whole_command(&self) -> String {
        let is_here = self.backend.name() == backend::LOCAL && self.environment.container().is_none();
        let environment = PreparedEnv {
            activation: if is_here {
                self.environment.activation()
            } else {
                Vec::new()
            },
            ..PreparedEnv::default()
        };
        environment.command(&self.command.command)
    }

    /// The environment as far as it is known before it is made.
    pub(crate) fn imagined_environment(&self) -> PreparedEnv {
        PreparedEnv {
            container: self.environment.container(),
            ..PreparedEnv::default()
        }
    }
}

fn logged(parameters: &ResolvedParameters) -> Vec<(String, String)> {
    let declared = parameters
        .declared
        .iter()
        .map(|parameter| (parameter.name.clone(), parameter.logged.clone()));
    declared.chain(parameters.extra.iter().cloned()).collect()
}

/// The file of a Spark job decides what runs.
fn warn_of_unused_call(request: &RunRequest, progress: &dyn Progress) {
    if request.entry_point != "main" || !request.parameters.is_empty() {
        progress.warning(
            "-e/--entry-point and -P/--param-list are not used: the project's databricks_spark_job names its own python_file and parameters",
        );
    }
}

fn warn_of_unused_options(request: &RunRequest, project: &Project, progress: &dyn Progress) {
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
            "the project's docker_env decides; it runs in a container",
        ),
        (
            request.backend == "local" && request.backend_config.is_some(),
            "-c/--backend-config",
            "the local backend has no configuration",
        ),
    ];
    for (_, option, reason) in unused.iter().filter(|(is_unused, ..)| *is_unused) {
        progress.warning(&format!("{option} is not used: {reason}"));
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
