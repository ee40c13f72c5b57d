//! The tracking store over MLflow's tables.

use std::path::Path;

use async_trait::async_trait;
use tokio::sync::{Mutex, MutexGuard};

use super::driver::{Cell, Connection, SqlError, Transaction, TransactionKind, Value};
use super::schema;
use super::server::ServerKind;
use super::sqlite::SqliteDatabase;
use super::statement::{first, set_tag};
use crate::entities::{ExperimentId, RunData, RunId, RunInfo, RunStatus, tag};
use crate::redact::Secret;
use crate::tracking::artifact_uri::append_to_uri_path;
use crate::tracking::limits::{self, Entity, LimitError, LongValues};
use crate::tracking::{
    ExperimentSelector, FinishedRuns, ModelSelector, NewRun, RunEnd, TrackingError, TrackingStore,
};

/// How many characters a value of a parameter or tag may have in every revision of the tables.
const SHORTEST_COLUMN: usize = 250;

/// How often an experiment is looked for and made, where other programs do so too.
const MOST_RACES: u32 = 3;

/// A tracking store in a SQL database.
pub(crate) struct SqlStore {
    connection: Mutex<Box<dyn Connection>>,
    /// The store's URI without credentials, for messages.
    name: String,
    /// Where new experiments keep their artifacts.
    artifact_root: String,
    long_values: LongValues,
}

impl SqlStore {
    /// Opens the SQLite database in this file, and makes one where there is none.
    pub(crate) async fn open_sqlite(
        path: &Path,
        name: String,
        artifact_root: String,
    ) -> Result<Self, TrackingError> {
        let opened = async {
            let mut database = SqliteDatabase::open(path).await?;
            let is_new_elsewhere = database.is_new_elsewhere();
            schema::ensure(&mut database, is_new_elsewhere, &artifact_root).await?;
            Ok(database)
        };
        match opened.await {
            Ok(database) => Ok(Self::new(Box::new(database), name, artifact_root)),
            Err(error) => Err(unusable("open", name, error)),
        }
    }

    /// Opens the SQLite database in this file for reading alone; `None` where MLflow's tables are not
    /// in it yet.
    pub(crate) async fn open_sqlite_to_read(
        path: &Path,
        name: String,
        artifact_root: String,
    ) -> Result<Option<Self>, TrackingError> {
        let opened = async {
            let mut database = SqliteDatabase::open_to_read(path).await?;
            let tables = database.begin(TransactionKind::Read).await?.tables().await?;
            Ok(tables
                .iter()
                .any(|table| table == "experiments")
                .then_some(database))
        };
        match opened.await {
            Ok(database) => Ok(database.map(|database| Self::new(Box::new(database), name, artifact_root))),
            Err(error) => Err(unusable("read", name, error)),
        }
    }

    /// Opens a database on a server, in which MLflow's tables must be.
    pub(crate) async fn open_server(
        kind: ServerKind,
        uri: &Secret,
        name: String,
        artifact_root: String,
    ) -> Result<Self, TrackingError> {
        let opened = async {
            let mut connection = kind.connect(uri).await?;
            schema::check(connection.as_mut()).await?;
            Ok(connection)
        };
        match opened.await {
            Ok(connection) => Ok(Self::new(connection, name, artifact_root)),
            Err(error) => Err(unusable("open", name, error)),
        }
    }

    fn new(connection: Box<dyn Connection>, name: String, artifact_root: String) -> Self {
        Self {
            connection: Mutex::new(connection),
            name,
            artifact_root,
            long_values: LongValues::from_environment(),
        }
    }

    pub(super) async fn connection(&self) -> MutexGuard<'_, Box<dyn Connection>> {
        self.connection.lock().await
    }

    pub(super) fn long_values(&self) -> LongValues {
        self.long_values
    }

    pub(super) fn unreadable(&self, error: SqlError) -> TrackingError {
        unusable("read", self.name.clone(), error)
    }

    pub(super) fn unwritable(&self, error: SqlError) -> TrackingError {
        unusable("write to", self.name.clone(), error)
    }

    fn refused(&self, what: String, reason: impl ToString) -> TrackingError {
        TrackingError::Refused {
            what,
            reason: reason.to_string(),
            store: self.name.clone(),
        }
    }

    pub(super) fn over_limit(&self, what: &str, error: LimitError) -> TrackingError {
        self.refused(what.to_owned(), error)
    }

    pub(super) fn not_found(&self, what: &'static str, id: &str) -> TrackingError {
        TrackingError::NotFound {
            what,
            id: id.to_owned(),
            store: self.name.clone(),
        }
    }

    fn deleted(&self, what: &'static str, id: &str) -> TrackingError {
        TrackingError::Deleted {
            what,
            id: id.to_owned(),
            store: self.name.clone(),
        }
    }

    /// The values of tags as the column holds them, to compare them with it.
    pub(super) async fn fit_tag_column(
        &self,
        transaction: &mut dyn Transaction,
        tags: Vec<(String, String)>,
    ) -> Result<Vec<(String, String)>, TrackingError> {
        self.fit_column(transaction, Entity::Tag, tags, &mut drop).await
    }

    /// Cuts values to what the column takes: it was shorter in earlier revisions.
    pub(super) async fn fit_column(
        &self,
        transaction: &mut dyn Transaction,
        entity: Entity,
        pairs: Vec<(String, String)>,
        warn: &mut (dyn FnMut(String) + Send),
    ) -> Result<Vec<(String, String)>, TrackingError> {
        if pairs.iter().all(|(_, value)| value.len() <= SHORTEST_COLUMN) {
            return Ok(pairs);
        }
        let table = match entity {
            Entity::Param => "params",
            Entity::Tag => "tags",
        };
        let limit = transaction.text_limit(table, "value").await;
        let Some(limit) = limit.map_err(|error| self.unreadable(error))? else {
            return Ok(pairs);
        };
        limits::fit_values(entity, limit, pairs, self.long_values, warn)
            .map_err(|error| self.over_limit(&format!("a {entity}"), error))
    }

    /// The number of an experiment id.
    pub(super) fn parse(&self, id: &ExperimentId) -> Result<i64, TrackingError> {
        let refused = || self.refused(format!("the experiment id '{id}'"), "it is not an integer");
        id.as_str().trim().parse().map_err(|_| refused())
    }

    /// Looks up an experiment that must exist and not be deleted; returns its artifact location.
    pub(super) async fn active_experiment(
        &self,
        transaction: &mut dyn Transaction,
        id: i64,
    ) -> Result<String, TrackingError> {
        let sql = "SELECT lifecycle_stage, artifact_location FROM experiments WHERE experiment_id = ?";
        let rows = transaction
            .rows(sql, &[Value::Int(id)])
            .await
            .map_err(|error| self.unreadable(error))?;
        let [stage, location] = first(rows).ok_or_else(|| self.not_found("experiment", &id.to_string()))?;
        if is_deleted(stage) {
            return Err(self.deleted("experiment", &id.to_string()));
        }
        match location.into_text() {
            missing if missing.is_empty() => Ok(append_to_uri_path(&self.artifact_root, &[&id.to_string()])),
            location => Ok(location),
        }
    }

    /// The status of a run that must exist and not be deleted.
    async fn active_run(
        &self,
        transaction: &mut dyn Transaction,
        run_id: &RunId,
    ) -> Result<Option<RunStatus>, TrackingError> {
        let sql = "SELECT status, lifecycle_stage FROM runs WHERE run_uuid = ?";
        let rows = transaction.rows(sql, &[Value::Text(run_id.as_str())]).await;
        let rows = rows.map_err(|error| self.unreadable(error))?;
        let [status, stage] = first(rows).ok_or_else(|| self.not_found("run", run_id.as_str()))?;
        if is_deleted(stage) {
            return Err(self.deleted("run", run_id.as_str()));
        }
        Ok(RunStatus::from_name(&status.into_text()))
    }

    /// One attempt at [`TrackingStore::end_run`]. The inner error is for the caller to judge.
    async fn try_end(
        &self,
        run_id: &RunId,
        end: RunEnd,
    ) -> Result<Result<RunStatus, SqlError>, TrackingError> {
        let mut connection = self.connection().await;
        let mut transaction = connection
            .begin(TransactionKind::Write)
            .await
            .map_err(|error| self.unwritable(error))?;
        let current = self.active_run(transaction.as_mut(), run_id).await?;
        let kept = current
            .filter(|status| end.keep_failure && matches!(status, RunStatus::Failed | RunStatus::Killed));
        let ended = match kept {
            // The entry point's own end time stands too.
            Some(_) => "UPDATE runs SET status = ?, end_time = COALESCE(end_time, ?) WHERE run_uuid = ?",
            None => "UPDATE runs SET status = ?, end_time = ? WHERE run_uuid = ?",
        };
        let status = kept.unwrap_or(end.status);
        let values = [
            Value::Text(status.as_str()),
            Value::Int(end.end_time.0),
            Value::Text(run_id.as_str()),
        ];
        if let Err(error) = transaction.execute(ended, &values).await {
            transaction.roll_back().await;
            return Ok(Err(error));
        }
        transaction
            .commit()
            .await
            .map_err(|error| self.unwritable(error))?;
        Ok(Ok(status))
    }
}

#[async_trait]
impl TrackingStore for SqlStore {
    async fn experiment(&self, selector: &ExperimentSelector) -> Result<ExperimentId, TrackingError> {
        if let ExperimentSelector::Name(name) = selector {
            limits::check_experiment_name(name)
                .map_err(|error| self.over_limit(&format!("the experiment name '{name}'"), error))?;
        }
        let mut connection = self.connection().await;
        let mut transaction = connection
            .begin(TransactionKind::Read)
            .await
            .map_err(|error| self.unreadable(error))?;
        let found = self.find_experiment(transaction.as_mut(), selector).await?;
        drop(transaction);
        if let Some(id) = found {
            return Ok(ExperimentId::new(id.to_string()));
        }
        for _ in 0..MOST_RACES {
            let made = self.make_experiment(connection.as_mut(), selector).await?;
            match made {
                Ok(id) => return Ok(ExperimentId::new(id.to_string())),
                // Another program is making it: it will be found.
                Err(error) if error.lost_race => {}
                Err(error) => return Err(self.unwritable(error)),
            }
        }
        let what = match selector {
            ExperimentSelector::Name(name) => format!("the experiment '{name}'"),
            _ => "the default experiment".to_owned(),
        };
        Err(self.refused(what, "other programs make and remove it all the time"))
    }

    async fn look_for_experiment(
        &self,
        selector: &ExperimentSelector,
    ) -> Result<Option<ExperimentId>, TrackingError> {
        let mut connection = self.connection().await;
        let mut transaction = connection
            .begin(TransactionKind::Read)
            .await
            .map_err(|error| self.unreadable(error))?;
        let found = self.find_experiment(transaction.as_mut(), selector).await?;
        Ok(found.map(|id| ExperimentId::new(id.to_string())))
    }

    async fn artifact_location(&self, experiment_id: &ExperimentId) -> Result<String, TrackingError> {
        let experiment_id = self.parse(experiment_id)?;
        let mut connection = self.connection().await;
        let mut transaction = connection
            .begin(TransactionKind::Read)
            .await
            .map_err(|error| self.unreadable(error))?;
        self.active_experiment(transaction.as_mut(), experiment_id).await
    }

    async fn create_run(&self, new_run: NewRun) -> Result<RunInfo, TrackingError> {
        for _ in 1..MOST_RACES {
            match self.try_create(new_run.clone()).await? {
                // The database gave it up for another program's sake.
                Err(error) if error.lost_race => {}
                created => return created.map_err(|error| self.unwritable(error)),
            }
        }
        let created = self.try_create(new_run).await?;
        created.map_err(|error| self.unwritable(error))
    }

    async fn run(&self, run_id: &RunId) -> Result<RunInfo, TrackingError> {
        let mut connection = self.connection().await;
        let mut transaction = connection
            .begin(TransactionKind::Read)
            .await
            .map_err(|error| self.unreadable(error))?;
        let status = self.active_run(transaction.as_mut(), run_id).await?;
        // Early releases of MLflow 1 kept the name in the tag alone.
        let sql = "SELECT runs.experiment_id, runs.name, runs.artifact_uri, tags.value \
                   FROM runs LEFT JOIN tags ON tags.run_uuid = runs.run_uuid AND tags.\"key\" = ? \
                   WHERE runs.run_uuid = ?";
        let values = [Value::Text(tag::RUN_NAME), Value::Text(run_id.as_str())];
        let rows = transaction
            .rows(sql, &values)
            .await
            .map_err(|error| self.unreadable(error))?;
        let [experiment_id, name, artifact_uri, name_tag] =
            first(rows).ok_or_else(|| self.not_found("run", run_id.as_str()))?;
        let run_name = Some(name.into_text()).filter(|name| !name.is_empty());
        Ok(RunInfo {
            run_id: run_id.clone(),
            experiment_id: ExperimentId::new(experiment_id.as_int().unwrap_or_default().to_string()),
            run_name: run_name.unwrap_or_else(|| name_tag.into_text()),
            artifact_uri: artifact_uri.into_text(),
            // MLflow's model gives a run without a status this one.
            status: status.unwrap_or(RunStatus::Scheduled),
        })
    }

    async fn run_data(&self, run_id: &RunId) -> Result<RunData, TrackingError> {
        self.read_run(run_id).await
    }

    async fn finished_runs(&self, wanted: &FinishedRuns) -> Result<Vec<RunData>, TrackingError> {
        self.find_finished(wanted).await
    }

    async fn set_tags(&self, run_id: &RunId, tags: &[(String, String)]) -> Result<(), TrackingError> {
        let warn = &mut |warning: String| tracing::warn!("{warning}");
        let mut tags = limits::fit_tags(tags.to_vec(), self.long_values, warn)
            .map_err(|error| self.over_limit("a tag", error))?;
        // A run always has a name, so an empty one changes nothing.
        tags.retain(|(key, value)| key != tag::RUN_NAME || !value.is_empty());
        let mut connection = self.connection().await;
        let mut transaction = connection
            .begin(TransactionKind::Write)
            .await
            .map_err(|error| self.unwritable(error))?;
        self.active_run(transaction.as_mut(), run_id).await?;
        let tags = self
            .fit_column(transaction.as_mut(), Entity::Tag, tags, warn)
            .await?;
        for (key, value) in &tags {
            if let Err(error) = set_tag(transaction.as_mut(), run_id, key, value).await {
                transaction.roll_back().await;
                return Err(self.unwritable(error));
            }
        }
        transaction.commit().await.map_err(|error| self.unwritable(error))
    }

    async fn model_location(&self, selector: &ModelSelector) -> Result<String, TrackingError> {
        self.find_model(selector).await
    }

    async fn end_run(&self, run_id: &RunId, end: RunEnd) -> Result<RunStatus, TrackingError> {
        match self.try_end(run_id, end).await? {
            Ok(status) => Ok(status),
            // `KILLED` came to the schema with revision `cfd24bdc0731`, in earnest with `0a8213491aaa`.
            Err(error) if error.breaks_check && end.status == RunStatus::Killed => {
                let failed = RunEnd {
                    status: RunStatus::Failed,
                    ..end
                };
                self.try_end(run_id, failed)
                    .await?
                    .map_err(|error| self.unwritable(error))
            }
            Err(error) => Err(self.unwritable(error)),
        }
    }
}

impl SqlStore {
    /// Makes the selected experiment, unless it is there by now. The inner error is for the caller to
    /// judge.
    async fn make_experiment(
        &self,
        connection: &mut dyn Connection,
        selector: &ExperimentSelector,
    ) -> Result<Result<i64, SqlError>, TrackingError> {
        let mut transaction = connection
            .begin(TransactionKind::Write)
            .await
            .map_err(|error| self.unwritable(error))?;
        let found = self.find_experiment(transaction.as_mut(), selector).await?;
        let made = match (found, selector) {
            (Some(id), _) => return Ok(Ok(id)),
            (None, ExperimentSelector::Name(name)) => {
                schema::create_experiment(transaction.as_mut(), name, &self.artifact_root).await
            }
            (None, _) => schema::create_default_experiment(transaction.as_mut(), &self.artifact_root)
                .await
                .map(|()| schema::DEFAULT_EXPERIMENT_ID),
        };
        Ok(match made {
            Ok(id) => transaction.commit().await.map(|()| id),
            Err(error) => Err(error),
        })
    }

    /// Finds the selected experiment. `None` where it is to be made.
    async fn find_experiment(
        &self,
        transaction: &mut dyn Transaction,
        selector: &ExperimentSelector,
    ) -> Result<Option<i64>, TrackingError> {
        match selector {
            ExperimentSelector::Id(id) => {
                let id = self.parse(id)?;
                self.active_experiment(transaction, id).await.map(|_| Some(id))
            }
            ExperimentSelector::Default => {
                match self
                    .active_experiment(transaction, schema::DEFAULT_EXPERIMENT_ID)
                    .await
                {
                    Ok(_) => Ok(Some(schema::DEFAULT_EXPERIMENT_ID)),
                    Err(TrackingError::NotFound { .. }) => Ok(None),
                    Err(error) => Err(error),
                }
            }
            ExperimentSelector::Name(name) => {
                let found = schema::experiment_named(transaction, name).await;
                match found.map_err(|error| self.unreadable(error))? {
                    Some((_, stage)) if stage == DELETED => Err(self.deleted("experiment", name)),
                    found => Ok(found.map(|(id, _)| id)),
                }
            }
        }
    }
}

const DELETED: &str = "deleted";

fn is_deleted(stage: Cell) -> bool {
    stage.into_text() == DELETED
}

fn unusable(action: &'static str, store: String, error: SqlError) -> TrackingError {
    TrackingError::Unusable {
        action,
        store,
        hint: error.hint.clone(),
        may_pass: error.may_pass || error.lost_race,
        source: Box::new(error),
    }
}
