//! What a backend gets of a plan and of the run that was created for it.

use super::RunPlan;
use super::data::CommandWithData;
use crate::backend::{self, CONTAINER_STORE, LaunchPlan, LocalStore};
use crate::databricks::WorkspaceAccess;
use crate::env_vars;
use crate::environment::PreparedEnv;
use crate::process::DEFAULT_GRACE;
use crate::run::{ExperimentId, RunId, RunInfo, RunStatus};
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

    /// The launch plan of a run that is only thought of: what the store will decide has a name in
    /// brackets.
    pub(crate) fn imagined_launch(
        &self,
        environment: PreparedEnv,
        workspace: Option<WorkspaceAccess>,
    ) -> LaunchPlan {
        let experiment_id = ExperimentId::new("<experiment id>");
        let run_id = RunId::new("<run id>");
        let artifact_uri = self
            .tracking_uri
            .artifact_root()
            .map(|root| append_to_uri_path(root, &[experiment_id.as_str(), run_id.as_str(), "artifacts"]));
        let run = RunInfo {
            run_id,
            experiment_id,
            run_name: String::new(),
            artifact_uri: artifact_uri.unwrap_or_default(),
            status: RunStatus::Running,
        };
        self.launch_plan(&run, self.command.clone(), environment, workspace)
    }

    /// The Databricks workspace that the tracking store is in, where the command runs on this machine.
    /// Services get no credentials: whoever may see a job there could read them.
    pub(super) async fn workspace(
        &self,
        store: &dyn TrackingStore,
    ) -> Result<Option<WorkspaceAccess>, TrackingError> {
        match self.backend_name() {
            backend::LOCAL => store.workspace_access().await,
            _ => Ok(None),
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
