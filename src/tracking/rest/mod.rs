//! A tracking server, reached by MLflow's REST API.
//!
//! A whole run takes few requests: one creates it with its tags and its name, one logs the
//! parameters, one ends it. All go over one connection.

mod auth;
mod batch;
mod client;
mod creation;
mod database_text;
mod error;
mod kubernetes;
mod models;
mod search;
mod settings;
mod signer;
mod wire;

pub(super) use self::client::server_access;

use std::sync::Arc;

use async_trait::async_trait;
use percent_encoding::utf8_percent_encode;
use serde::de::IgnoredAny;
use serde_json::{Value, json};
use tokio::sync::OnceCell;

pub(crate) use self::error::RestError;
pub use self::settings::RestSettings;

use self::client::{Client, client, client_of_workspace};
use self::wire::{Experiment, ExperimentAnswer, Pair, RunAnswer, run_data};
use super::limits::{self, Entity, LongValues};
use super::{ExperimentSelector, FinishedRuns, ModelSelector, NewRun, RunEnd, TrackingError, TrackingStore};
use crate::databricks::{DatabricksError, Session, WorkspaceAccess};
use crate::entities::{ExperimentId, LifecycleStage, RunData, RunId, RunInfo, RunStatus, UnixMillis, tag};
use crate::http::ApiError;
use crate::python_paths::UNRESERVED;

/// The experiment that every server has.
const DEFAULT_EXPERIMENT: &str = "0";

/// The workspace that every server has.
const DEFAULT_WORKSPACE: &str = "default";

/// A tracking store behind MLflow's REST API.
#[derive(Debug)]
pub struct RestStore {
    client: Client,
    long_values: LongValues,
    workspace: Option<String>,
    /// Whether the server was asked for its workspaces.
    workspace_checked: OnceCell<()>,
    /// The Databricks workspace that the server belongs to.
    databricks: Option<Arc<Session>>,
}

impl RestStore {
    /// A store at this URL with the settings of the environment. Nothing is sent yet.
    ///
    /// # Errors
    /// A URL that is no server's address, and variables that mean nothing or ask for what is not
    /// available.
    pub fn open(url: &str) -> Result<Self, TrackingError> {
        let settings = RestSettings::from_environment().map_err(|error| unusable("open", url, error))?;
        Self::new(url, &settings)
    }

    /// A store at this URL with these settings. Nothing is sent yet.
    ///
    /// # Errors
    /// A URL that is no server's address, or credentials that cannot be sent.
    pub fn new(url: &str, settings: &RestSettings) -> Result<Self, TrackingError> {
        let client = client(url, settings).map_err(|error| unusable("open", url, error))?;
        Ok(Self::with(client, settings.workspace.clone(), None))
    }

    /// The store of a Databricks workspace. Nothing is sent yet.
    pub(super) fn of_workspace(session: Arc<Session>) -> Self {
        Self::with(client_of_workspace(Arc::clone(&session)), None, Some(session))
    }

    fn with(client: Client, workspace: Option<String>, databricks: Option<Arc<Session>>) -> Self {
        Self {
            client,
            long_values: LongValues::from_environment(),
            workspace,
            workspace_checked: OnceCell::new(),
            databricks,
        }
    }

    /// The server would put a run into its default workspace without a word where it knows none,
    /// so it is asked before the first change. As MLflow's own client does.
    async fn check_workspace(&self) -> Result<(), TrackingError> {
        let Some(workspace) = &self.workspace else {
            return Ok(());
        };
        let none = || {
            let error = RestError::Setup {
                text: format!("the server has no workspaces, but MLFLOW_WORKSPACE is '{workspace}'"),
                hint: "unset MLFLOW_WORKSPACE, or start the server with --enable-workspaces",
            };
            self.failure("use", error)
        };
        let check = async {
            let info = self.client.get::<Value>("/api/3.0/mlflow/server-info", &[]);
            match info.await {
                Ok(info) if info["workspaces_enabled"] == true => Ok(()),
                Ok(_) => Err(none()),
                Err(RestError::Api(error)) if error.status() == Some(404) => Err(none()),
                Err(error) => Err(self.failure("read", error)),
            }
        };
        self.workspace_checked.get_or_try_init(|| check).await.map(|_| ())
    }

    async fn experiment_by_id(&self, id: &ExperimentId) -> Result<Experiment, TrackingError> {
        let query = ("experiment_id", id.as_str());
        let found = self.active_experiment("/api/2.0/mlflow/experiments/get", query);
        found
            .await?
            .ok_or_else(|| self.missing("experiment", id.as_str()))
    }

    /// The experiment with this name; `None` where there is none.
    async fn experiment_by_name(&self, name: &str) -> Result<Option<ExperimentId>, TrackingError> {
        let query = ("experiment_name", name);
        let found = self.active_experiment("/api/2.0/mlflow/experiments/get-by-name", query);
        Ok(found.await?.map(|found| ExperimentId::new(found.experiment_id)))
    }

    /// The experiment that is asked for, which must not be deleted.
    async fn active_experiment(
        &self,
        endpoint: &str,
        query: (&str, &str),
    ) -> Result<Option<Experiment>, TrackingError> {
        let answer: Result<ExperimentAnswer, _> = self.client.get(endpoint, &[query]).await;
        match answer.map(|answer| answer.experiment) {
            Ok(found) => match LifecycleStage::from_name(&found.lifecycle_stage) {
                LifecycleStage::Deleted => Err(self.deleted("experiment", query.1)),
                LifecycleStage::Active => Ok(Some(found)),
            },
            Err(error) if error.is_not_found() => Ok(None),
            Err(error) => Err(self.about("experiment", query.1, "read", error)),
        }
    }

    async fn fetch(&self, run_id: &RunId) -> Result<RunData, TrackingError> {
        let id = run_id.as_str();
        // The oldest servers know the second name alone.
        let query = [("run_id", id), ("run_uuid", id)];
        let answer = self.client.get::<RunAnswer>("/api/2.0/mlflow/runs/get", &query);
        match answer.await {
            Ok(answer) => self.data_of(&answer.run),
            Err(error) => Err(self.about("run", id, "read", error)),
        }
    }

    fn data_of(&self, run: &Value) -> Result<RunData, TrackingError> {
        run_data(run).map_err(|reason| {
            let error = ApiError::malformed("MLflow", "/api/2.0/mlflow/runs", reason);
            self.failure("read", error.into())
        })
    }

    async fn update(
        &self,
        run_id: &RunId,
        status: RunStatus,
        end_time: UnixMillis,
    ) -> Result<RunStatus, RestError> {
        // The oldest servers know the second name alone.
        let body = json!({
            "run_id": run_id.as_str(),
            "run_uuid": run_id.as_str(),
            "status": status.as_str(),
            "end_time": end_time.0,
        });
        let updated = self
            .client
            .post::<IgnoredAny>("/api/2.0/mlflow/runs/update", &body);
        updated.await.map(|_| status)
    }

    /// Parameters or tags that every server takes; a server says no only after the run is made.
    fn fitting(&self, kind: Entity, pairs: Vec<Pair>) -> Result<Vec<Pair>, TrackingError> {
        let mut warn = |warning| tracing::warn!("{warning}");
        let fitting = match kind {
            Entity::Param => limits::fit_params(pairs, self.long_values, &mut warn),
            Entity::Tag => limits::fit_tags(pairs, self.long_values, &mut warn),
        };
        fitting.map_err(|error| self.refused(&format!("a {kind}"), error))
    }

    /// What an error means that came when a run or an experiment was asked for.
    fn about(&self, what: &'static str, id: &str, action: &'static str, error: RestError) -> TrackingError {
        let Some((status, _, message)) = error.refusal() else {
            return self.failure(action, error);
        };
        if error.is_not_found() {
            return self.missing(what, id);
        }
        // The server tells of deleted runs and experiments in words alone.
        if message.contains("must be in the 'active'") || message.contains("non-active experiment") {
            return self.deleted(what, id);
        }
        if matches!(status, 400 | 409 | 422) && !error.is_overload() {
            return self.refused(&format!("{what} '{id}'"), message);
        }
        self.failure(action, error)
    }

    fn refused(&self, what: &str, reason: impl ToString) -> TrackingError {
        TrackingError::Refused {
            what: what.to_owned(),
            reason: reason.to_string(),
            store: self.store(),
        }
    }

    fn missing(&self, what: &'static str, id: &str) -> TrackingError {
        TrackingError::NotFound {
            what,
            id: id.to_owned(),
            store: self.store(),
        }
    }

    fn deleted(&self, what: &'static str, id: &str) -> TrackingError {
        TrackingError::Deleted {
            what,
            id: id.to_owned(),
            store: self.store(),
        }
    }

    fn failure(&self, action: &'static str, error: RestError) -> TrackingError {
        unusable(action, self.client.address(), error)
    }

    fn store(&self) -> String {
        self.client.address().to_owned()
    }

    /// The address of a page. On a server that has workspaces, MLflow 3's pages take them from the query.
    fn page(&self, path: &str) -> String {
        if let Some(session) = &self.databricks {
            return session.page(&format!("mlflow/{path}"));
        }
        let query = match self.workspace.as_deref() {
            None | Some(DEFAULT_WORKSPACE) => String::new(),
            Some(workspace) => format!("?workspace={}", quoted(workspace)),
        };
        format!("{}/#/{path}{query}", self.client.address())
    }
}

#[async_trait]
impl TrackingStore for RestStore {
    async fn experiment(&self, selector: &ExperimentSelector) -> Result<ExperimentId, TrackingError> {
        self.check_workspace().await?;
        match selector {
            // Creating the run asks for it anyway.
            ExperimentSelector::Default => Ok(ExperimentId::new(DEFAULT_EXPERIMENT)),
            ExperimentSelector::Id(id) => {
                Ok(ExperimentId::new(self.experiment_by_id(id).await?.experiment_id))
            }
            ExperimentSelector::Name(name) => {
                let refused = |reason| self.refused(&format!("the experiment name '{name}'"), reason);
                if self.databricks.is_some() {
                    check_workspace_path(name).map_err(refused)?;
                }
                limits::check_experiment_name(name).map_err(|error| refused(error.to_string()))?;
                self.experiment_found_or_made(name).await
            }
        }
    }

    async fn look_for_experiment(
        &self,
        selector: &ExperimentSelector,
    ) -> Result<Option<ExperimentId>, TrackingError> {
        self.check_workspace().await?;
        let id = match selector {
            ExperimentSelector::Name(name) => return self.experiment_by_name(name).await,
            ExperimentSelector::Id(id) => id,
            ExperimentSelector::Default => &ExperimentId::new(DEFAULT_EXPERIMENT),
        };
        let found = self.experiment_by_id(id).await?;
        Ok(Some(ExperimentId::new(found.experiment_id)))
    }

    async fn artifact_location(&self, experiment_id: &ExperimentId) -> Result<String, TrackingError> {
        Ok(self.experiment_by_id(experiment_id).await?.artifact_location)
    }

    async fn create_run(&self, mut new_run: NewRun) -> Result<RunInfo, TrackingError> {
        let params = self.fitting(Entity::Param, std::mem::take(&mut new_run.params))?;
        let tags = self.fitting(Entity::Tag, std::mem::take(&mut new_run.tags))?;
        self.check_workspace().await?;
        let mut info = self.created_run(&new_run, tags).await?.info;
        let Err(cause) = self.log_batches(&info.run_id, Entity::Param, &params).await else {
            return Ok(info);
        };
        // The run is there and nobody will go on with it; what went wrong first is what counts.
        let ended = self
            .update(&info.run_id, RunStatus::Failed, UnixMillis::now())
            .await;
        match ended {
            Ok(status) => info.status = status,
            Err(error) => tracing::debug!(%error, "a run that could not be prepared"),
        }
        Err(TrackingError::HalfCreated {
            info: Box::new(info),
            cause: Box::new(cause),
        })
    }

    fn loses_answers(&self) -> bool {
        // The runs of a workspace have the tags that MLflow's own client gives them, and no others.
        self.databricks.is_none()
    }

    async fn run(&self, run_id: &RunId) -> Result<RunInfo, TrackingError> {
        self.check_workspace().await?;
        let run = self.fetch(run_id).await?;
        match run.lifecycle_stage {
            LifecycleStage::Deleted => Err(self.deleted("run", run_id.as_str())),
            LifecycleStage::Active => Ok(run.info),
        }
    }

    async fn run_data(&self, run_id: &RunId) -> Result<RunData, TrackingError> {
        self.check_workspace().await?;
        self.fetch(run_id).await
    }

    async fn finished_runs(&self, wanted: &FinishedRuns) -> Result<Vec<RunData>, TrackingError> {
        self.find_finished(wanted).await
    }

    async fn set_tags(&self, run_id: &RunId, tags: &[(String, String)]) -> Result<(), TrackingError> {
        let mut tags = self.fitting(Entity::Tag, tags.to_vec())?;
        // A run always has a name, so an empty one changes nothing.
        tags.retain(|(key, value)| key != tag::RUN_NAME || !value.is_empty());
        self.check_workspace().await?;
        self.log_batches(run_id, Entity::Tag, &tags).await
    }

    async fn model_location(&self, selector: &ModelSelector) -> Result<String, TrackingError> {
        self.find_model(selector).await
    }

    async fn end_run(&self, run_id: &RunId, end: RunEnd) -> Result<RunStatus, TrackingError> {
        if end.keep_failure {
            let status = self.fetch(run_id).await?.info.status;
            if matches!(status, RunStatus::Failed | RunStatus::Killed) {
                return Ok(status);
            }
        }
        let ended = match self.update(run_id, end.status, end.end_time).await {
            // Not every server that speaks MLflow's API knows this state.
            Err(error)
                if end.status == RunStatus::Killed
                    && matches!(error.refusal(), Some((400, ..)))
                    && !error.is_overload() =>
            {
                self.update(run_id, RunStatus::Failed, end.end_time).await
            }
            other => other,
        };
        ended.map_err(|error| self.about("run", run_id.as_str(), "write to", error))
    }

    async fn workspace_access(&self) -> Result<Option<WorkspaceAccess>, TrackingError> {
        let Some(session) = &self.databricks else {
            return Ok(None);
        };
        let failed = |error: DatabricksError| self.failure("open", error.into());
        session.access().await.map(Some).map_err(failed)
    }

    fn run_url(&self, info: &RunInfo) -> Option<String> {
        let (experiment, run) = (&info.experiment_id, &info.run_id);
        Some(self.page(&format!("experiments/{experiment}/runs/{run}")))
    }

    fn experiment_url(&self, experiment_id: &ExperimentId) -> Option<String> {
        Some(self.page(&format!("experiments/{experiment_id}")))
    }
}

/// Text as a part of a path.
fn quoted(text: &str) -> String {
    utf8_percent_encode(text, UNRESERVED).to_string()
}

pub(super) fn unusable(action: &'static str, url: &str, error: RestError) -> TrackingError {
    TrackingError::Unusable {
        action,
        store: crate::redact::without_credentials(url),
        hint: error.hint(),
        may_pass: error.may_pass(),
        source: Box::new(error),
    }
}

/// Experiments are objects of the workspace, which are named by their paths.
fn check_workspace_path(name: &str) -> Result<(), String> {
    if name.starts_with('/') && name.len() > 1 {
        return Ok(());
    }
    Err(
        "Databricks names experiments by their absolute paths in the workspace, such as /Users/you@example.com/name"
            .to_owned(),
    )
}
