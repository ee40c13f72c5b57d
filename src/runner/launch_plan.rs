//! What a backend gets of a plan and of the run that was created for it.

use super::data::CommandWithData;
use super::{RunPlan, StoreGlance};
use crate::backend::{self, CONTAINER_STORE, LaunchPlan, LocalStore};
use crate::databricks::WorkspaceAccess;
use crate::env_vars;
use crate::environment::PreparedEnv;
use crate::process::DEFAULT_GRACE;
use crate::run::{ExperimentId, RunId, RunInfo, RunStatus};
use crate::tracking::{TrackingError, TrackingStore, TrackingUri, append_to_uri_path};

/// What stands for the id of an experiment that is not made yet.
pub(super) const UNKNOWN_EXPERIMENT: &str = "<experiment id>";
/// What stands for the id of a run that is not made yet.
pub(super) const UNKNOWN_RUN: &str = "<run id>";
/// The name of the directory with a run's artifacts.
pub(super) const ARTIFACTS: &str = "artifacts";

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
    pub(crate) fn imagined_launch(&self, environment: PreparedEnv, glance: &StoreGlance) -> LaunchPlan {
        let unknown = || ExperimentId::new(UNKNOWN_EXPERIMENT);
        let experiment_id = glance.experiment_id.clone().unwrap_or_else(unknown);
        let known_run = self
            .request
            .run_id
            .clone()
            .filter(|_| glance.run_status.is_some());
        let run_id = known_run.unwrap_or_else(|| RunId::new(UNKNOWN_RUN));
        let artifact_uri = glance.artifact_uri.clone().or_else(|| {
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
        self.launch_plan(&run, self.command.clone(), environment, glance.workspace.clone())
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
