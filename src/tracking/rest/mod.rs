//! A tracking server with MLflow's REST API.
//!
//! A run needs few requests: one creates it with its tags and name, one logs the parameters, one records its end. All
//! use one connection.

mod auth;
mod client;
mod creation;
mod database_text;
mod error;
mod kubernetes;
mod models;
mod runs;
mod settings;
mod wire;

pub use self::settings::RestSettings;

use std::sync::Arc;

use async_trait::async_trait;
use percent_encoding::utf8_percent_encode;
use reqwest::Method;
use serde_json::Value;
use tokio::sync::OnceCell;

use self::client::{Client, client, client_of_workspace};
use self::error::RestError;
use self::wire::{Experiment, ExperimentAnswer};
use super::limits::{Entity, LongValues};
use super::store::StoreRules;
use super::{ExperimentSelector, FinishedRuns, ModelSelector, NewRun, RunEnd, TrackingError, TrackingStore};
use crate::databricks::{DatabricksError, DatabricksProfile, Session, WorkspaceAccess};
use crate::entities::{ExperimentId, LifecycleStage, Metric, RunData, RunId, RunInfo, RunStatus, UnixMillis};
use crate::env_vars::{self, MLFLOW_HTTP_REQUEST_MAX_RETRIES};
use crate::http::{Call, ServerAccess};
use crate::python_paths::UNRESERVED;
use crate::redact::without_credentials;

/// The experiment that every server has.
const DEFAULT_EXPERIMENT: &str = "0";

/// How many experiments are searched for the newest runs: those that changed last.
const MOST_EXPERIMENTS: usize = 100;

/// The workspace that every server has.
const DEFAULT_WORKSPACE: &str = "default";

/// A tracking store behind MLflow's REST API.
#[derive(Debug)]
pub struct RestStore {
    client: Client,
    long_values: LongValues,
    workspace: Option<String>,
    /// Set after the server's support for workspaces has been checked.
    workspace_checked: OnceCell<()>,
    /// The Databricks workspace that the server belongs to.
    databricks: Option<Arc<Session>>,
}

impl RestStore {
    /// A store at this URL with the settings of the environment. This sends no requests.
    ///
    /// # Errors
    /// An invalid URL, and variables with invalid or unsupported values.
    pub fn open(url: &str) -> Result<Self, TrackingError> {
        let settings = RestSettings::from_environment().map_err(|error| cannot_open(url, error))?;
        Self::new(url, &settings)
    }

    /// As [`RestStore::open`], for a look that tries nothing twice.
    pub(super) fn open_impatiently(url: &str) -> Result<Self, TrackingError> {
        let variable = |name: &str| match name {
            MLFLOW_HTTP_REQUEST_MAX_RETRIES => Some("0".to_owned()),
            _ => env_vars::non_empty(name),
        };
        let settings = RestSettings::from_variables(&variable).map_err(|error| cannot_open(url, error))?;
        Self::new(url, &settings)
    }

    /// A store at this URL with these settings. This sends no requests.
    ///
    /// # Errors
    /// An invalid URL, or credentials that are invalid in a header.
    pub fn new(url: &str, settings: &RestSettings) -> Result<Self, TrackingError> {
        let client = client(url, settings).map_err(|error| cannot_open(url, error))?;
        Ok(Self::with(client, settings.workspace.clone(), None))
    }

    /// The store of a Databricks workspace. Only credentials in another workspace's secrets need requests.
    pub(super) async fn open_databricks(uri: &str) -> Result<Self, TrackingError> {
        let kind = uri.split(':').next().unwrap_or_default();
        if uri.starts_with("databricks-uc") || kind == "uc" {
            return Err(TrackingError::Unsupported {
                kind: kind.to_owned(),
            });
        }
        let unusable = |error: DatabricksError| TrackingError::Unusable {
            action: "open",
            store: uri.to_owned(),
            hint: error.hint(),
            may_pass: false,
            source: Box::new(error),
        };
        let profile = DatabricksProfile::from_uri(uri).map_err(unusable)?;
        let session = Session::open(&profile).await.map_err(unusable)?;
        let client = client_of_workspace(Arc::clone(&session));
        Ok(Self::with(client, None, Some(session)))
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

    /// Checks the server's support for workspaces before the first change, like MLflow's client. A server without
    /// support would silently use its default workspace.
    async fn check_workspace(&self) -> Result<(), TrackingError> {
        let Some(workspace) = &self.workspace else {
            return Ok(());
        };
        let check = async {
            let info = self.client.get::<Value>("/api/3.0/mlflow/server-info", &[]);
            match info.await {
                Ok(info) if info["workspaces_enabled"] == true => Ok(()),
                Err(error) if !matches!(&error, RestError::Api(error) if error.status() == Some(404)) => {
                    Err(self.unreadable(error))
                }
                _ => {
                    let error = RestError::Setup {
                        text: format!(
                            "the server does not support workspaces, but MLFLOW_WORKSPACE is '{workspace}'"
                        ),
                        hint: "unset MLFLOW_WORKSPACE, or start the server with --enable-workspaces",
                    };
                    Err(self.unusable("use", error))
                }
            }
        };
        self.workspace_checked.get_or_try_init(|| check).await.map(|_| ())
    }

    async fn experiment_by_id(&self, id: &ExperimentId) -> Result<Experiment, TrackingError> {
        let query = ("experiment_id", id.as_str());
        let found = self.active_experiment("/api/2.0/mlflow/experiments/get", query);
        found.await?.ok_or_else(|| self.not_found("experiment", id))
    }

    /// The experiment with this name, if it exists.
    async fn experiment_by_name(&self, name: &str) -> Result<Option<ExperimentId>, TrackingError> {
        let query = ("experiment_name", name);
        let found = self.active_experiment("/api/2.0/mlflow/experiments/get-by-name", query);
        Ok(found.await?.map(|found| ExperimentId::new(found.experiment_id)))
    }

    /// The requested experiment; a deleted one is an error.
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

    /// Converts the error of a request about a run or experiment.
    fn about(&self, what: &'static str, id: &str, action: &'static str, error: RestError) -> TrackingError {
        let Some((status, _, message)) = error.refusal() else {
            return self.unusable(action, error);
        };
        if error.is_not_found() {
            return self.not_found(what, id);
        }
        // The server reports deleted runs and experiments only in the message.
        if message.contains("must be in the 'active'") || message.contains("non-active experiment") {
            return self.deleted(what, id);
        }
        if matches!(status, 400 | 409 | 422) && !error.is_overload() {
            return self.refused(format!("{what} '{id}'"), message);
        }
        self.unusable(action, error)
    }

    /// The address of a page. MLflow 3's pages read the workspace from the query.
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

impl StoreRules for RestStore {
    type Fault = RestError;

    fn shown(&self) -> String {
        without_credentials(self.client.address())
    }

    fn long_values(&self) -> LongValues {
        self.long_values
    }
}

#[async_trait]
impl TrackingStore for RestStore {
    async fn experiment(&self, selector: &ExperimentSelector) -> Result<ExperimentId, TrackingError> {
        self.check_workspace().await?;
        match selector {
            // Creating the run will check it.
            ExperimentSelector::Default => Ok(ExperimentId::new(DEFAULT_EXPERIMENT)),
            ExperimentSelector::Id(id) => {
                Ok(ExperimentId::new(self.experiment_by_id(id).await?.experiment_id))
            }
            ExperimentSelector::Name(name) => {
                let is_path = name.starts_with('/') && name.len() > 1;
                if self.databricks.is_some() && !is_path {
                    let reason = "on Databricks it must be an absolute workspace path, such as \
                                  /Users/you@example.com/name";
                    return Err(self.refused(format!("the experiment name '{name}'"), reason));
                }
                self.check_experiment_name(name)?;
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
        let params = self.fit(Entity::Param, std::mem::take(&mut new_run.params))?;
        let tags = self.fit(Entity::Tag, std::mem::take(&mut new_run.tags))?;
        self.check_workspace().await?;
        let mut info = self.created_run(&new_run, tags).await?.info;
        let Err(cause) = self.log_batches(&info.run_id, Entity::Param, &params).await else {
            return Ok(info);
        };
        // Nothing will continue the new run, so mark it as failed. The first error counts.
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
        // Runs in a workspace have only the tags of MLflow's client.
        self.databricks.is_none()
    }

    async fn run(&self, run_id: &RunId) -> Result<RunInfo, TrackingError> {
        self.check_workspace().await?;
        self.active(self.fetch(run_id).await?)
    }

    async fn run_data(&self, run_id: &RunId) -> Result<RunData, TrackingError> {
        self.check_workspace().await?;
        self.fetch(run_id).await
    }

    async fn metrics(&self, run_id: &RunId) -> Result<Vec<Metric>, TrackingError> {
        self.check_workspace().await?;
        self.fetch_metrics(run_id).await
    }

    async fn finished_runs(&self, wanted: &FinishedRuns) -> Result<Vec<RunData>, TrackingError> {
        self.find_finished(wanted).await
    }

    async fn newest_runs(&self, limit: usize) -> Result<Vec<RunData>, TrackingError> {
        self.check_workspace().await?;
        let experiments = self.search_experiments(MOST_EXPERIMENTS).await?;
        let ids: Vec<&str> = experiments.iter().map(|(id, _)| id.as_str()).collect();
        let (mut runs, _) = self.search(&ids, "", limit, "").await?;
        runs.truncate(limit);
        Ok(runs)
    }

    async fn newest_experiments(&self, limit: usize) -> Result<Vec<(ExperimentId, String)>, TrackingError> {
        self.check_workspace().await?;
        self.search_experiments(limit).await
    }

    async fn set_tags(&self, run_id: &RunId, tags: &[(String, String)]) -> Result<(), TrackingError> {
        let tags = self.fit_new_tags(tags)?;
        self.check_workspace().await?;
        self.log_batches(run_id, Entity::Tag, &tags).await
    }

    async fn model_location(&self, selector: &ModelSelector) -> Result<String, TrackingError> {
        self.find_model(selector).await
    }

    async fn end_run(&self, run_id: &RunId, end: RunEnd) -> Result<RunStatus, TrackingError> {
        if end.keep_failure {
            let status = self.fetch(run_id).await?.info.status;
            if end.keeps(status) {
                return Ok(status);
            }
        }
        let ended = match self.update(run_id, end.status, end.end_time).await {
            // Not every server with MLflow's API supports this status.
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

    async fn version(&self) -> Result<Option<String>, TrackingError> {
        // No part of the API; a server behind a proxy may not show it.
        let answer = self.client.call(Call::new(Method::GET, "/version")).await;
        let text = answer.ok().and_then(|answer| String::from_utf8(answer.body).ok());
        let is_version =
            |text: &String| text.len() < 40 && text.starts_with(|first: char| first.is_ascii_digit());
        Ok(text
            .filter(is_version)
            .map(|text| format!("MLflow {}", text.trim())))
    }

    async fn workspace_access(&self) -> Result<Option<WorkspaceAccess>, TrackingError> {
        let Some(session) = &self.databricks else {
            return Ok(None);
        };
        let failed = |error: DatabricksError| self.unusable("open", error.into());
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

/// The access to the server at this URL for artifacts.
pub(super) fn server_access(url: &str) -> Result<ServerAccess, TrackingError> {
    client::server_access(url).map_err(|error| cannot_open(url, error))
}

/// The error for a store that could not be opened.
fn cannot_open(url: &str, error: RestError) -> TrackingError {
    TrackingError::unusable("open", without_credentials(url), error)
}

/// Encodes text as a part of a path.
fn quoted(text: &str) -> String {
    utf8_percent_encode(text, UNRESERVED).to_string()
}
