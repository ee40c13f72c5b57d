//! What a backend gets of a plan and of the run that was created for it.

use super::RunPlan;
use super::plan::CommandWithData;
use super::store_preview::{ARTIFACTS, StorePreview, UNKNOWN_EXPERIMENT, UNKNOWN_RUN};
use crate::backend::{self, CONTAINER_STORE, LaunchPlan, LocalStore};
use crate::databricks::WorkspaceAccess;
use crate::entities::{ExperimentId, RunId, RunInfo, RunStatus};
use crate::env_vars;
use crate::environment::PreparedEnv;
use crate::process::DEFAULT_GRACE;
use crate::tracking::{TrackingError, TrackingStore, TrackingUri, append_to_uri_path};

impl RunPlan {
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
            grace: DEFAULT_GRACE,
            output_log: None,
        }
    }

    /// The launch plan of a placeholder run, with what a look at the store told of it: what the store will
    /// decide has a name in brackets.
    pub(crate) fn imagined_launch(&self, environment: PreparedEnv, preview: &StorePreview) -> LaunchPlan {
        let unknown = || ExperimentId::new(UNKNOWN_EXPERIMENT);
        let experiment_id = preview.experiment_id.clone().unwrap_or_else(unknown);
        let known_run = self
            .request
            .run_id
            .clone()
            .filter(|_| preview.run_status.is_some());
        let run_id = known_run.unwrap_or_else(|| RunId::new(UNKNOWN_RUN));
        let artifact_uri = preview.artifact_uri.clone().or_else(|| {
            let root = self.tracking_uri.artifact_root()?;
            let rest = [experiment_id.as_str(), run_id.as_str(), ARTIFACTS];
            Some(append_to_uri_path(root, &rest))
        });
        let run = RunInfo {
            run_id,
            experiment_id,
            run_name: String::new(),
            artifact_uri: artifact_uri.unwrap_or_default(),
            status: RunStatus::Running,
        };
        self.launch_plan(&run, self.command.clone(), environment, preview.workspace.clone())
    }

    /// The Databricks workspace that the tracking store is in, where the command runs on this machine.
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

    /// The program and arguments of the container that the run would get in the store that was looked at,
    /// without values of variables.
    pub(crate) fn container_command_line(&self, preview: &StorePreview) -> Option<Vec<String>> {
        if self.backend.image_repository().is_some() {
            return None;
        }
        backend::container_command_line(&self.imagined_launch(self.imagined_environment(), preview))
    }

    /// What the shell runs, with what enters the environment before it; for another place than this
    /// machine the entry point's command alone.
    pub(crate) fn whole_command(&self) -> String {
        let is_here = self.backend.runs_here() && self.environment.container().is_none();
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
