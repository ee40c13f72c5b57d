//! What a run would be: a look at the tracking store that leaves it as it is, and the launch as far as that
//! tells it.

use std::time::Duration;

use super::{RunError, RunPlan};
use crate::backend::{self, LaunchPlan};
use crate::databricks::WorkspaceAccess;
use crate::entities::{ExperimentId, RunId, RunInfo, RunStatus};
use crate::environment::PreparedEnv;
use crate::events::Progress;
use crate::tracking::{self, ExperimentSelector, TrackingError, TrackingStore, append_to_uri_path};

/// How long the store may take to answer: what it says is good to know, not needed.
const PATIENCE: Duration = Duration::from_secs(5);

/// The placeholder for the id of an experiment that does not exist yet.
const UNKNOWN_EXPERIMENT: &str = "<experiment id>";
/// The placeholder for the id of a run that does not exist yet.
const UNKNOWN_RUN: &str = "<run id>";
/// The name of the directory with a run's artifacts.
const ARTIFACTS: &str = "artifacts";

/// The experiment that every store has from its beginning.
const DEFAULT_EXPERIMENT: &str = "0";

/// What a run would find in the tracking store.
#[derive(Debug, Default)]
pub(crate) struct StorePreview {
    /// Whether the store exists; `None` if unknown.
    pub store_exists: Option<bool>,
    /// Whether the experiment exists; `None` if unknown.
    pub experiment_exists: Option<bool>,
    /// The experiment's id, if it exists.
    pub experiment_id: Option<ExperimentId>,
    /// The status of the run that is to be used.
    pub run_status: Option<RunStatus>,
    /// The finished run that would be reused, if the request asks for that.
    pub reusable_run: Option<RunId>,
    /// Why no run could be reused, if the request asks for that.
    pub reason_against_reuse: Option<String>,
    /// Why something could not be told, or what the run would fail with.
    pub problem: Option<RunError>,
    /// Where a container's run would have its artifacts, as far as the store decides it; what is not known yet
    /// has a name in brackets.
    pub(crate) artifact_uri: Option<String>,
    /// The Databricks workspace that the store is in, for a container.
    pub(crate) workspace: Option<WorkspaceAccess>,
    /// Whether the store gave no answer in time.
    pub is_silent: bool,
}

impl RunPlan {
    /// Looks what is in the tracking store, and creates nothing. Does not wait long for an answer.
    pub(crate) async fn preview_store(&mut self, progress: &dyn Progress) -> StorePreview {
        let mut preview = StorePreview::default();
        if self.request.reuse {
            preview.reason_against_reuse = self.reason_against_reuse().await;
        }
        match tokio::time::timeout(PATIENCE, self.look(&mut preview, progress)).await {
            Ok(Ok(())) => {}
            Ok(Err(error)) => preview.problem = Some(error.into()),
            Err(_) => preview.is_silent = true,
        }
        preview
    }

    async fn look(&self, preview: &mut StorePreview, progress: &dyn Progress) -> Result<(), TrackingError> {
        let Some(store) = tracking::open_existing(&self.tracking_uri).await? else {
            preview.store_exists = Some(false);
            preview.experiment_exists = Some(false);
            return match (&self.request.run_id, &self.experiment) {
                (Some(id), _) => Err(self.missing("run", id.as_str())),
                (None, ExperimentSelector::Id(id)) => Err(self.missing("experiment", id.as_str())),
                _ => Ok(()),
            };
        };
        if self.environment.container().is_some() {
            preview.workspace = self.workspace(store.as_ref()).await?;
        }
        if let Some(run_id) = &self.request.run_id {
            let info = store.run(run_id).await?;
            preview.store_exists = Some(true);
            preview.experiment_exists = Some(true);
            preview.experiment_id = Some(info.experiment_id);
            preview.run_status = Some(info.status);
            preview.artifact_uri = Some(info.artifact_uri);
            return Ok(());
        }
        let found = store.look_for_experiment(&self.experiment).await;
        // An answer about the experiment is one of a store.
        if found.as_ref().map_or_else(TrackingError::is_of_store, |_| true) {
            preview.store_exists = Some(true);
        }
        if matches!(found, Err(TrackingError::NotFound { .. })) {
            preview.experiment_exists = Some(false);
        }
        let found = found?;
        preview.experiment_exists = Some(found.is_some());
        preview.experiment_id.clone_from(&found);
        if self.environment.container().is_some() {
            preview.artifact_uri = self.artifact_uri_in(store.as_ref(), found.as_ref()).await?;
        }
        if let Some(experiment_id) = found
            && self.request.reuse
            && preview.reason_against_reuse.is_none()
        {
            let run = self
                .find_same_run(store.as_ref(), experiment_id, progress)
                .await?;
            preview.reusable_run = run.map(|run| run.info.run_id);
        }
        Ok(())
    }

    /// Where a run of the experiment would have its artifacts.
    async fn artifact_uri_in(
        &self,
        store: &dyn TrackingStore,
        experiment_id: Option<&ExperimentId>,
    ) -> Result<Option<String>, TrackingError> {
        let below = |location: &str, rest: &[&str]| {
            let rest = [rest, &[UNKNOWN_RUN, ARTIFACTS]].concat();
            Some(append_to_uri_path(location, &rest)).filter(|_| !location.is_empty())
        };
        if let Some(experiment_id) = experiment_id {
            let location = store.artifact_location(experiment_id).await?;
            return Ok(below(&location, &[]));
        }
        if self.tracking_uri.artifact_root().is_some() {
            return Ok(None);
        }
        // A server makes all experiments in one place; the default one, which it always has, shows which.
        let default = store
            .artifact_location(&ExperimentId::new(DEFAULT_EXPERIMENT))
            .await;
        let root = default.ok().and_then(|location| {
            let root = location.strip_suffix(DEFAULT_EXPERIMENT)?;
            root.ends_with('/').then(|| root.trim_end_matches('/').to_owned())
        });
        Ok(root.and_then(|root| below(&root, &[UNKNOWN_EXPERIMENT])))
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

    fn missing(&self, what: &'static str, id: &str) -> TrackingError {
        TrackingError::NotFound {
            what,
            id: id.to_owned(),
            store: self.tracking_uri.to_string(),
        }
    }
}
