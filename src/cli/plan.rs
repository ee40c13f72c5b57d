//! What a run will do: made and checked before anything is created, shown by `--dry-run`.

use crate::backend::{self, Backend};
use crate::cli::data::{self, CommandWithData};
use crate::cli::printer::{self, Printer};
use crate::cli::report::Failure;
use crate::cli::settings::{ImageChoice, RunSettings};
use crate::data::{DataDirectory, DataRequest, LocatedData};
use crate::env_vars;
use crate::environment::{self, ContainerRequest, EnvironmentPlan, EnvironmentRequest, PreparedEnv};
use crate::events::Progress;
use crate::fetch::{self, FetchOptions, WorkDir};
use crate::project::{EntryPoint, ParameterContext, Project, ProjectEnvironment, ResolvedParameters};
use crate::project_uri::ProjectUri;
use crate::run::tag;
use crate::tracking::limits::{self, LongValues};
use crate::tracking::{ExperimentSelector, TrackingUri};

/// Everything that is known before the run is created.
pub(crate) struct RunPlan {
    pub(crate) work_dir: WorkDir,
    pub(crate) entry_point: EntryPoint,
    /// The parameters as the run records them: what was asked for, not what the shell gets.
    pub(crate) params_to_log: Vec<(String, String)>,
    pub(crate) parameters: ResolvedParameters,
    /// What the parameters name that is not on this machine.
    pub(crate) data: Vec<DataRequest>,
    /// The same, found; nothing in a dry run.
    pub(crate) located: Vec<LocatedData>,
    /// The command with the paths that the data would have.
    pub(crate) command: CommandWithData,
    pub(crate) environment: EnvironmentPlan,
    pub(crate) backend: Box<dyn Backend>,
    pub(crate) tracking_uri: TrackingUri,
    pub(crate) user: String,
}

impl RunPlan {
    /// Fetches the project and checks all that can be checked. Nothing is created but a temporary
    /// directory for a project that is not a local directory; it goes with the plan.
    pub(crate) async fn make(settings: &RunSettings, printer: &Printer) -> Result<Self, Failure> {
        let backend = backend::by_name(&settings.backend, settings.backend_options())?;
        let tracking_uri = TrackingUri::resolve(
            env_vars::non_empty(env_vars::MLFLOW_TRACKING_URI).as_deref(),
            &settings.current_directory,
        )?;
        let uri = ProjectUri::parse(&settings.uri, &settings.current_directory)?;
        let options = FetchOptions {
            version: settings.version.clone(),
            keep: settings.keep_workdir,
        };
        let work_dir = fetch::fetch(&uri, &options, printer).await?;

        let project = Project::load(work_dir.path())?;
        for warning in &project.warnings {
            printer.warning(warning);
        }
        let shell = env_vars::non_empty(env_vars::SHELL);
        let entry_point = project.entry_point(&settings.entry_point, shell.as_deref())?;
        let context = ParameterContext {
            directory: &settings.current_directory,
        };
        let parameters = entry_point.resolve(&settings.parameters, context)?;
        let data = data::requests(&parameters)?;
        let imagined = DataDirectory::imagined(data::storage_dir(settings).as_deref());
        let command = CommandWithData::new(&entry_point, &parameters, &data, &imagined)?;
        let params_to_log = limits::fit_params(
            logged(&parameters),
            LongValues::from_environment(),
            &mut |warning| {
                printer.warning(&warning);
            },
        )?;

        let environment = environment::plan(EnvironmentRequest {
            environment: &project.environment,
            manager: settings.env_manager,
            directory: work_dir.path(),
            project: project.name.as_deref().unwrap_or("without a name"),
            container: ContainerRequest {
                project_name: project.name.as_deref(),
                commit: work_dir.source().commit.as_deref(),
                docker_args: &settings.docker_args,
                as_it_is: settings.image == ImageChoice::AsItIs,
            },
        })
        .await?;
        warn_of_unused_options(settings, &project, printer);
        let located = data::locate(&data, &tracking_uri, settings).await?;
        let plan = Self {
            work_dir,
            entry_point,
            params_to_log,
            parameters,
            data,
            located,
            command,
            environment,
            backend,
            tracking_uri,
            user: user_name(),
        };
        let launch_plan = plan.imagined_launch(plan.imagined_environment());
        plan.backend.check(&launch_plan, printer).await?;
        Ok(plan)
    }

    /// Tags that say where the project comes from.
    pub(crate) fn source_tags(&self) -> Vec<(String, String)> {
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
    pub(crate) fn run_tags(&self) -> Vec<(String, String)> {
        let mut tags = vec![(tag::PROJECT_BACKEND.to_owned(), self.backend.name().to_owned())];
        tags.extend(
            self.environment
                .project_env_tag()
                .map(|value| (tag::PROJECT_ENV.to_owned(), value.to_owned())),
        );
        tags
    }

    /// Writes the plan to standard output, which no entry point uses in a dry run.
    pub(crate) fn show(&self, settings: &RunSettings) -> Result<(), Failure> {
        let launch_plan = self.imagined_launch(self.imagined_environment());
        let of_backend = self.backend.preview(&launch_plan)?;
        printer::write_stdout(&self.text(settings, of_backend))
    }

    fn text(&self, settings: &RunSettings, of_backend: Vec<(&'static str, String)>) -> String {
        let source = self.work_dir.source();
        let experiment = match &settings.experiment {
            ExperimentSelector::Default => "0 (the default)".to_owned(),
            ExperimentSelector::Id(id) => id.to_string(),
            ExperimentSelector::Name(name) => format!("'{name}' (made when it is missing)"),
        };
        let mut lines = vec![
            ("project", source.name.clone()),
            (
                "commit",
                source.commit.clone().unwrap_or_else(|| "none".to_owned()),
            ),
            ("directory", self.work_dir.path().display().to_string()),
            ("entry point", self.entry_point.name.clone()),
            ("environment", self.environment.to_string()),
            ("backend", self.backend.name().to_owned()),
            ("tracking URI", self.tracking_uri.to_string()),
            ("experiment", experiment),
        ];
        lines.extend(
            self.params_to_log
                .iter()
                .map(|(name, value)| ("parameter", format!("{name} = {value}"))),
        );
        if let Some(directory) = &settings.storage_dir {
            lines.push(("downloads to", directory.display().to_string()));
        }
        lines.extend(
            self.data
                .iter()
                .map(|request| ("download", format!("{} = {}", request.parameter, request.uri))),
        );
        lines.push(("command", self.command.command.clone()));
        lines.extend(self.container_command_line().map(|line| ("container", line)));
        lines.extend(of_backend);
        lines
            .into_iter()
            .map(|(title, value)| format!("{title:<13} {}\n", value.replace('\n', "\n              ")))
            .collect()
    }
}

impl RunPlan {
    /// The command line of the container that the run would get.
    fn container_command_line(&self) -> Option<String> {
        backend::container_command_line(&self.imagined_launch(self.imagined_environment()))
    }

    /// The environment as far as it is known before it is made.
    fn imagined_environment(&self) -> PreparedEnv {
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

fn warn_of_unused_options(settings: &RunSettings, project: &Project, printer: &Printer) {
    let is_docker = matches!(project.environment, ProjectEnvironment::Docker(_));
    let unused = [
        (
            !is_docker && !settings.docker_args.is_empty(),
            "-A/--docker-args",
            "the project has no docker_env",
        ),
        (
            !is_docker && settings.image != ImageChoice::Default,
            "--build-image/--no-build-image",
            "the project has no docker_env",
        ),
        (
            is_docker && settings.env_manager.is_some(),
            "--env-manager",
            "the project's docker_env decides; it runs in a container",
        ),
        (
            settings.backend == "local" && settings.backend_config.is_some(),
            "-c/--backend-config",
            "the local backend has no configuration",
        ),
    ];
    for (_, option, reason) in unused.iter().filter(|(is_unused, ..)| *is_unused) {
        printer.warning(&format!("{option} is not used: {reason}"));
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
