//! Tracking stores in SQL databases.
//!
//! The store uses SQL that every database supports. Each database has a [`driver`] in a separate file.

mod address;
mod driver;
mod experiments;
mod models;
mod mysql;
mod open;
mod overview;
mod postgres;
mod runs;
mod schema;
mod sqlite;
mod sqlx_driver;

use async_trait::async_trait;
use tokio::sync::Mutex;

use self::driver::{Connection, SqlError, Transaction, TransactionKind};
use super::limits::LongValues;
use super::store::StoreRules;
use super::{ExperimentSelector, FinishedRuns, ModelSelector, NewRun, RunEnd, TrackingError, TrackingStore};
use crate::entities::{ExperimentId, Metric, RunData, RunId, RunInfo, RunStatus};

/// The default workspace, in revisions with workspaces.
const DEFAULT_WORKSPACE: &str = "default";

/// The most attempts for a change if other programs interfere.
const MOST_RACES: u32 = 3;

/// A tracking store in a SQL database.
pub(crate) struct SqlStore {
    connection: Mutex<Box<dyn Connection>>,
    /// The store's URI without credentials.
    name: String,
    /// The location of new experiments' artifacts.
    artifact_root: String,
    long_values: LongValues,
}

/// Why a transaction failed.
enum Failure {
    /// The database refused; the caller decides whether to retry.
    Database(SqlError),
    /// A retry would not help.
    Final(TrackingError),
}

impl From<SqlError> for Failure {
    fn from(error: SqlError) -> Self {
        Self::Database(error)
    }
}

impl From<TrackingError> for Failure {
    fn from(error: TrackingError) -> Self {
        Self::Final(error)
    }
}

/// The version of the SQLite that is linked.
pub(super) async fn sqlite_version() -> Result<String, TrackingError> {
    let version = sqlite::SqliteDatabase::library_version().await;
    version.map_err(|error| TrackingError::unusable("open", "in memory".to_owned(), error))
}

impl SqlStore {
    async fn begin_read<'c>(
        &self,
        connection: &'c mut dyn Connection,
    ) -> Result<Box<dyn Transaction + 'c>, TrackingError> {
        let transaction = connection.begin(TransactionKind::Read).await;
        transaction.map_err(|error| self.unreadable(error))
    }

    async fn begin_change<'c>(
        &self,
        connection: &'c mut dyn Connection,
    ) -> Result<Box<dyn Transaction + 'c>, TrackingError> {
        let transaction = connection.begin(TransactionKind::Write).await;
        transaction.map_err(|error| self.unwritable(error))
    }

    /// The error for a change that is not attempted again.
    fn not_changed(&self, failure: Failure) -> TrackingError {
        match failure {
            Failure::Database(error) => self.unwritable(error),
            Failure::Final(error) => error,
        }
    }
}

/// Commits the changes, or rolls them back if one of them failed.
async fn finish<T>(transaction: Box<dyn Transaction + '_>, result: Result<T, Failure>) -> Result<T, Failure> {
    match result {
        Ok(_) => transaction.commit().await?,
        Err(_) => transaction.roll_back().await,
    }
    result
}

impl StoreRules for SqlStore {
    type Fault = SqlError;

    fn shown(&self) -> String {
        self.name.clone()
    }

    fn long_values(&self) -> LongValues {
        self.long_values
    }
}

#[async_trait]
impl TrackingStore for SqlStore {
    async fn experiment(&self, selector: &ExperimentSelector) -> Result<ExperimentId, TrackingError> {
        self.experiment_found_or_made(selector).await
    }

    async fn look_for_experiment(
        &self,
        selector: &ExperimentSelector,
    ) -> Result<Option<ExperimentId>, TrackingError> {
        let mut connection = self.connection.lock().await;
        let mut transaction = self.begin_read(connection.as_mut()).await?;
        let found = self.find_experiment(transaction.as_mut(), selector).await?;
        Ok(found.map(|id| ExperimentId::new(id.to_string())))
    }

    async fn artifact_location(&self, experiment_id: &ExperimentId) -> Result<String, TrackingError> {
        let id = self.parse(experiment_id)?;
        let mut connection = self.connection.lock().await;
        let mut transaction = self.begin_read(connection.as_mut()).await?;
        self.active_experiment(transaction.as_mut(), id).await
    }

    async fn create_run(&self, new_run: NewRun) -> Result<RunInfo, TrackingError> {
        self.created_run(new_run).await
    }

    async fn run(&self, run_id: &RunId) -> Result<RunInfo, TrackingError> {
        self.active(self.read_run(run_id).await?)
    }

    async fn run_data(&self, run_id: &RunId) -> Result<RunData, TrackingError> {
        self.read_run(run_id).await
    }

    async fn metrics(&self, run_id: &RunId) -> Result<Vec<Metric>, TrackingError> {
        self.read_metrics(run_id).await
    }

    async fn finished_runs(&self, wanted: &FinishedRuns) -> Result<Vec<RunData>, TrackingError> {
        self.find_finished(wanted).await
    }

    async fn newest_runs(&self, limit: usize) -> Result<Vec<RunData>, TrackingError> {
        self.find_newest_runs(limit).await
    }

    async fn newest_experiments(&self, limit: usize) -> Result<Vec<(ExperimentId, String)>, TrackingError> {
        self.find_newest_experiments(limit).await
    }

    async fn set_tags(&self, run_id: &RunId, tags: &[(String, String)]) -> Result<(), TrackingError> {
        let tags = self.fit_new_tags(tags)?;
        let mut connection = self.connection.lock().await;
        let mut transaction = self.begin_change(connection.as_mut()).await?;
        let set = self.put_tags(transaction.as_mut(), run_id, tags).await;
        let set = finish(transaction, set).await;
        set.map_err(|failure| self.not_changed(failure))
    }

    async fn version(&self) -> Result<Option<String>, TrackingError> {
        let revision = self.schema_revision().await?;
        Ok(Some(match revision {
            Some(revision) => format!("schema revision {revision}"),
            None => "the oldest schema, which every MLflow upgrades".to_owned(),
        }))
    }

    async fn end_run(&self, run_id: &RunId, end: RunEnd) -> Result<RunStatus, TrackingError> {
        let ended = match self.try_end(run_id, end).await {
            // The schema allows `KILLED` from revision `cfd24bdc0731`, effectively from `0a8213491aaa`.
            Err(Failure::Database(error)) if error.breaks_check && end.status == RunStatus::Killed => {
                let status = RunStatus::Failed;
                self.try_end(run_id, RunEnd { status, ..end }).await
            }
            ended => ended,
        };
        ended.map_err(|failure| self.not_changed(failure))
    }

    async fn model_location(&self, selector: &ModelSelector) -> Result<String, TrackingError> {
        self.find_model(selector).await
    }
}
