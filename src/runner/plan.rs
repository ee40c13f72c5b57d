//! What a run will do.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use super::{RunError, RunRequest, Timings};
use crate::artifact::{DataRequest, LocatedData};
use crate::backend::{Backend, CONTAINER_STORE, LaunchPlan, LocalStore, ProjectCall};
use crate::databricks::WorkspaceAccess;
use crate::entities::{ExperimentId, RunId, RunInfo, tag};
use crate::env_vars;
use crate::environment::{EnvironmentPlan, PreparedEnv};
use crate::fetch::{TreeComparison, WorkDir};
use crate::project::{EntryPoint, ParameterValue, ProjectEnvironment, ProjectError, ResolvedParameters};
use crate::tracking::{self, ExperimentSelector, TrackingError, TrackingStore, TrackingUri};

/// A command, and the directory of the data that was downloaded for it.
#[derive(Debug, Clone)]
pub(crate) struct CommandWithData {
    pub(crate) command: String,
    pub(crate) data_directory: Option<PathBuf>,
}

impl CommandWithData {
    /// The command with the paths that the data has, or will have, in this directory.
    pub(crate) fn new(
        entry_point: &EntryPoint,
        parameters: &ResolvedParameters,
        requests: &[DataRequest],
        directory: &Path,
    ) -> Result<Self, ProjectError> {
        let mut parameters = parameters.clone();
        for request in requests {
            let path = request.path_in(directory).to_string_lossy().into_owned();
            parameters.declared[request.position].value = ParameterValue::Text(path);
        }
        Ok(Self {
            command: entry_point.command(&parameters)?,
            data_directory: (!requests.is_empty()).then(|| directory.to_owned()),
        })
    }
}

/// Everything that is known before the run is created.
///
/// Dropping it removes the temporary directory of a fetched project.
pub(crate) struct RunPlan {
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
    /// The environment that the project asks for.
    pub(crate) project_environment: ProjectEnvironment,
    /// The environment that the run gets.
    pub(crate) environment: EnvironmentPlan,
    pub(crate) backend: Box<dyn Backend>,
    pub(crate) call: ProjectCall,
    pub(crate) tracking_uri: TrackingUri,
    pub(crate) user: String,
    /// How long the store may be unavailable when the run has ended.
    pub(crate) record_patience: Duration,
    /// How the project's files differ from their commit; known at the latest when the entry point starts.
    pub(crate) tree: TreeComparison,
    /// The store, once it was needed.
    pub(crate) store: Option<Arc<dyn TrackingStore>>,
    /// How long what has been done took.
    pub(crate) timings: Timings,
}

impl RunPlan {
    pub(super) async fn store(&mut self) -> Result<Arc<dyn TrackingStore>, RunError> {
        if let Some(store) = &self.store {
            return Ok(Arc::clone(store));
        }
        let store: Arc<dyn TrackingStore> = tracking::open(&self.tracking_uri).await?.into();
        Ok(Arc::clone(self.store.insert(store)))
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
        tags.extend(self.request.tags.iter().cloned());
        tags
    }

    /// All that a backend needs to run the entry point.
    pub(crate) fn launch_plan(
        &self,
        run: &RunInfo,
        command: CommandWithData,
        environment: PreparedEnv,
        workspace: Option<WorkspaceAccess>,
    ) -> LaunchPlan {
        let store = self.tracking_uri.mounted_at(CONTAINER_STORE);
        LaunchPlan {
            run: run.clone(),
            call: self.call.clone(),
            command: command.command,
            directory: self.work_dir.path().to_owned(),
            environment,
            variables: self.variables(&run.run_id, &run.experiment_id),
            data_directory: command.data_directory,
            local_store: store.map(|(directory, uri)| LocalStore { directory, uri }),
            workspace,
            output_log: None,
        }
    }

    /// The Databricks workspace of the tracking store, if the command runs on this machine.
    /// Services get no credentials: whoever may see a job there could read them.
    pub(super) async fn workspace(
        &self,
        store: &dyn TrackingStore,
    ) -> Result<Option<WorkspaceAccess>, TrackingError> {
        if self.backend.runs_here() {
            store.workspace_access().await
        } else {
            Ok(None)
        }
    }

    /// The variables that were asked for, and those that MLflow sets for an entry point.
    fn variables(&self, run_id: &RunId, experiment_id: &ExperimentId) -> Vec<(String, String)> {
        let mut variables = self.request.variables.clone();
        variables.extend([
            (env_vars::MLFLOW_RUN_ID.to_owned(), run_id.to_string()),
            (
                env_vars::MLFLOW_TRACKING_URI.to_owned(),
                self.tracking_uri.for_child(),
            ),
            (
                env_vars::MLFLOW_EXPERIMENT_ID.to_owned(),
                experiment_id.to_string(),
            ),
        ]);
        if matches!(self.tracking_uri, TrackingUri::File { .. }) {
            variables.push((env_vars::MLFLOW_ALLOW_FILE_STORE.to_owned(), "true".to_owned()));
        }
        variables
    }
}
