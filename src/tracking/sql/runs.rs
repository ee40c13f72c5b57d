//! Runs in MLflow's tables.

use std::collections::HashMap;

use super::driver::{Cell, SqlError, Transaction, Value, first, insert};
use super::{Failure, MOST_RACES, SqlStore, finish};
use crate::entities::{
    ExperimentId, LifecycleStage, Metric, RunData, RunId, RunInfo, RunStatus, UnixMillis, tag,
};
use crate::tracking::artifact_uri::append_to_uri_path;
use crate::tracking::limits::{self, Entity};
use crate::tracking::store::{PAGE, StoreRules as _, has_tags, in_order, last_metrics, warn};
use crate::tracking::{FinishedRuns, NewRun, RunEnd, TrackingError};

/// The directory of a run's artifacts.
const ARTIFACTS: &str = "artifacts";

/// The most rows in a statement, because databases limit the number of parameters.
const ROWS_PER_STATEMENT: usize = 100;

/// The limit for values of parameters and tags in the revision with the shortest columns, in characters.
const SHORTEST_COLUMN: usize = 250;

impl SqlStore {
    /// Creates a run with its tags and parameters.
    pub(super) async fn created_run(&self, mut new_run: NewRun) -> Result<RunInfo, TrackingError> {
        let experiment_id = self.parse(&new_run.experiment_id)?;
        let name = new_run.name_or_random();
        new_run.params = self.fit(Entity::Param, new_run.params)?;
        new_run.tags = self.fit(Entity::Tag, new_run.tags)?;
        new_run.tags.push((tag::RUN_NAME.to_owned(), name.clone()));
        let mut tries = 1;
        loop {
            match self.try_create(&new_run, experiment_id, &name).await {
                // The database aborted it in favor of another program.
                Err(Failure::Database(error)) if error.lost_race && tries < MOST_RACES => tries += 1,
                created => return created.map_err(|failure| self.not_changed(failure)),
            }
        }
    }

    async fn try_create(
        &self,
        new_run: &NewRun,
        experiment_id: i64,
        run_name: &str,
    ) -> Result<RunInfo, Failure> {
        let mut connection = self.connection.lock().await;
        let mut transaction = self.begin_change(connection.as_mut()).await?;
        let inserted = self
            .insert_run(transaction.as_mut(), new_run, experiment_id, run_name)
            .await;
        finish(transaction, inserted).await
    }

    async fn insert_run(
        &self,
        transaction: &mut dyn Transaction,
        new_run: &NewRun,
        experiment_id: i64,
        run_name: &str,
    ) -> Result<RunInfo, Failure> {
        let run_id = RunId::random();
        let location = self.active_experiment(transaction, experiment_id).await?;
        let (params, tags) = (new_run.params.clone(), new_run.tags.clone());
        let params = self.fit_column(transaction, Entity::Param, params, warn).await?;
        let tags = self.fit_column(transaction, Entity::Tag, tags, warn).await?;
        let artifact_uri = append_to_uri_path(&location, &[run_id.as_str(), ARTIFACTS]);
        // Source and entry point have been tags since MLflow 1.0, whose stores leave the columns empty too.
        let row = [
            ("run_uuid", Value::Text(run_id.as_str())),
            ("name", Value::Text(run_name)),
            ("source_type", Value::Text("UNKNOWN")),
            ("source_name", Value::Text("")),
            ("entry_point_name", Value::Text("")),
            ("user_id", Value::Text(&new_run.user)),
            ("status", Value::Text(RunStatus::Running.as_str())),
            ("start_time", Value::Int(new_run.start_time.0)),
            ("end_time", Value::Null),
            ("source_version", Value::Text("")),
            ("lifecycle_stage", Value::Text(LifecycleStage::Active.as_str())),
            ("artifact_uri", Value::Text(&artifact_uri)),
            ("experiment_id", Value::Int(experiment_id)),
        ];
        let (columns, values) = (row.map(|(column, _)| column), row.map(|(_, value)| value));
        insert(transaction, "runs", &columns, &values).await?;
        insert_pairs(transaction, "tags", &run_id, &tags).await?;
        insert_pairs(transaction, "params", &run_id, &params).await?;
        Ok(RunInfo {
            experiment_id: ExperimentId::new(experiment_id.to_string()),
            run_id,
            run_name: run_name.to_owned(),
            artifact_uri,
            status: RunStatus::Running,
        })
    }

    /// Truncates values to the column's length, which was shorter in earlier revisions.
    async fn fit_column(
        &self,
        transaction: &mut dyn Transaction,
        entity: Entity,
        pairs: Vec<(String, String)>,
        mut warn: fn(String),
    ) -> Result<Vec<(String, String)>, TrackingError> {
        if pairs.iter().all(|(_, value)| value.len() <= SHORTEST_COLUMN) {
            return Ok(pairs);
        }
        let limit = transaction.text_limit(entity.plural(), "value").await;
        let Some(limit) = limit.map_err(|error| self.unreadable(error))? else {
            return Ok(pairs);
        };
        limits::fit_values(entity, limit, pairs, self.long_values, &mut warn)
            .map_err(|error| self.refused(format!("a {entity}"), error))
    }

    /// The status of a run; a missing or deleted run is an error.
    async fn active_run(
        &self,
        transaction: &mut dyn Transaction,
        run_id: &RunId,
    ) -> Result<Option<RunStatus>, TrackingError> {
        let sql = "SELECT status, lifecycle_stage FROM runs WHERE run_uuid = ?";
        let rows = transaction.rows(sql, &[Value::Text(run_id.as_str())]).await;
        let rows = rows.map_err(|error| self.unreadable(error))?;
        let [status, stage] = first(rows).ok_or_else(|| self.not_found("run", run_id))?;
        match LifecycleStage::from_name(&stage.into_text()) {
            LifecycleStage::Active => Ok(RunStatus::from_name(&status.into_text())),
            LifecycleStage::Deleted => Err(self.deleted("run", run_id)),
        }
    }

    /// Sets tags on a run.
    pub(super) async fn put_tags(
        &self,
        transaction: &mut dyn Transaction,
        run_id: &RunId,
        tags: Vec<(String, String)>,
    ) -> Result<(), Failure> {
        self.active_run(transaction, run_id).await?;
        let tags = self.fit_column(transaction, Entity::Tag, tags, warn).await?;
        for (key, value) in &tags {
            set_tag(transaction, run_id, key, value).await?;
        }
        Ok(())
    }

    /// Records the end of a run.
    pub(super) async fn try_end(&self, run_id: &RunId, end: RunEnd) -> Result<RunStatus, Failure> {
        let mut connection = self.connection.lock().await;
        let mut transaction = self.begin_change(connection.as_mut()).await?;
        let ended = self.update_end(transaction.as_mut(), run_id, end).await;
        finish(transaction, ended).await
    }

    async fn update_end(
        &self,
        transaction: &mut dyn Transaction,
        run_id: &RunId,
        end: RunEnd,
    ) -> Result<RunStatus, Failure> {
        let current = self.active_run(transaction, run_id).await?;
        let kept = current.filter(|status| end.keeps(*status));
        let sql = match kept {
            // Keep the entry point's end time too.
            Some(_) => "UPDATE runs SET status = ?, end_time = COALESCE(end_time, ?) WHERE run_uuid = ?",
            None => "UPDATE runs SET status = ?, end_time = ? WHERE run_uuid = ?",
        };
        let status = kept.unwrap_or(end.status);
        let values = [
            Value::Text(status.as_str()),
            Value::Int(end.end_time.0),
            Value::Text(run_id.as_str()),
        ];
        transaction.execute(sql, &values).await?;
        Ok(status)
    }

    /// Reads a run, even a deleted one.
    pub(super) async fn read_run(&self, run_id: &RunId) -> Result<RunData, TrackingError> {
        let mut connection = self.connection.lock().await;
        let mut transaction = self.begin_read(connection.as_mut()).await?;
        let found = runs(transaction.as_mut(), &[run_id.as_str().to_owned()]).await;
        let found = found.map_err(|error| self.unreadable(error))?.pop();
        found.ok_or_else(|| self.not_found("run", run_id))
    }

    /// Reads the last values of a run's metrics.
    pub(super) async fn read_metrics(&self, run_id: &RunId) -> Result<Vec<Metric>, TrackingError> {
        let mut connection = self.connection.lock().await;
        let mut transaction = self.begin_read(connection.as_mut()).await?;
        let found = metrics(transaction.as_mut(), run_id).await;
        found.map_err(|error| self.unreadable(error))
    }

    /// Finds finished runs by their tags, newest first.
    pub(super) async fn find_finished(&self, wanted: &FinishedRuns) -> Result<Vec<RunData>, TrackingError> {
        let experiment_id = self.parse(&wanted.experiment_id)?;
        let tags = self.fit_wanted_tags(wanted)?;
        let mut connection = self.connection.lock().await;
        let mut transaction = self.begin_read(connection.as_mut()).await?;
        let tags = self
            .fit_column(transaction.as_mut(), Entity::Tag, tags, drop)
            .await?;
        let ids = finished_ids(transaction.as_mut(), experiment_id, &tags).await;
        let ids = ids.map_err(|error| self.unreadable(error))?;
        let mut found = Vec::new();
        for page in ids.chunks(PAGE.min(wanted.limit.max(1))) {
            let read = runs(transaction.as_mut(), page).await;
            let read = read.map_err(|error| self.unreadable(error))?;
            // MySQL treats some different texts as equal, such as `a` and `A`.
            found.extend(read.into_iter().filter(|run| has_tags(run, &tags)));
            if found.len() >= wanted.limit {
                break;
            }
        }
        found.truncate(wanted.limit);
        Ok(found)
    }
}

/// Inserts tags or parameters that a run does not have yet.
async fn insert_pairs(
    transaction: &mut dyn Transaction,
    table: &str,
    run_id: &RunId,
    pairs: &[(String, String)],
) -> Result<(), SqlError> {
    for chunk in pairs.chunks(ROWS_PER_STATEMENT) {
        let values: Vec<_> = chunk
            .iter()
            .flat_map(|(key, value)| [Value::Text(run_id.as_str()), Value::Text(key), Value::Text(value)])
            .collect();
        insert(transaction, table, &["run_uuid", "\"key\"", "value"], &values).await?;
    }
    Ok(())
}

/// Sets or replaces a tag. The tag with the run's name also renames the run.
async fn set_tag(
    transaction: &mut dyn Transaction,
    run_id: &RunId,
    key: &str,
    value: &str,
) -> Result<(), SqlError> {
    let run = Value::Text(run_id.as_str());
    if key == tag::RUN_NAME {
        let sql = "UPDATE runs SET name = ? WHERE run_uuid = ?";
        transaction.execute(sql, &[Value::Text(value), run]).await?;
    }
    // Query first, because in MySQL an update without a match locks the gap, and blocks inserts of other programs.
    let of_run = "run_uuid = ? AND \"key\" = ?";
    let sql = format!("SELECT value FROM tags WHERE {of_run}");
    let found = transaction.rows(&sql, &[run, Value::Text(key)]).await?;
    if found.is_empty() {
        return insert_pairs(transaction, "tags", run_id, &[(key.to_owned(), value.to_owned())]).await;
    }
    let sql = format!("UPDATE tags SET value = ? WHERE {of_run}");
    let values = [Value::Text(value), run, Value::Text(key)];
    transaction.execute(&sql, &values).await.map(drop)
}

/// The ids of the finished runs with these tags, newest first.
async fn finished_ids(
    transaction: &mut dyn Transaction,
    experiment_id: i64,
    tags: &[(String, String)],
) -> Result<Vec<String>, SqlError> {
    let mut sql = "SELECT runs.run_uuid FROM runs".to_owned();
    let mut values = Vec::new();
    for (number, (key, value)) in tags.iter().enumerate() {
        sql.push_str(&format!(
            " JOIN tags tag{number} ON tag{number}.run_uuid = runs.run_uuid \
             AND tag{number}.\"key\" = ? AND tag{number}.value = ?"
        ));
        values.extend([Value::Text(key), Value::Text(value)]);
    }
    sql.push_str(
        " WHERE runs.experiment_id = ? AND runs.status = ? \
         AND (runs.lifecycle_stage IS NULL OR runs.lifecycle_stage <> ?) \
         ORDER BY runs.start_time DESC, runs.run_uuid",
    );
    values.extend([
        Value::Int(experiment_id),
        Value::Text(RunStatus::Finished.as_str()),
        Value::Text(LifecycleStage::Deleted.as_str()),
    ]);
    transaction.texts(&sql, &values).await
}

/// The runs with these ids, in their order; an id without a run is passed over.
pub(super) async fn runs(
    transaction: &mut dyn Transaction,
    ids: &[String],
) -> Result<Vec<RunData>, SqlError> {
    let values: Vec<Value<'_>> = ids.iter().map(|id| Value::Text(id)).collect();
    let of_these = format!("run_uuid IN ({})", vec!["?"; ids.len()].join(", "));
    let sql = format!(
        "SELECT run_uuid, experiment_id, name, artifact_uri, status, user_id, start_time, end_time, \
         lifecycle_stage FROM runs WHERE {of_these}"
    );
    let rows = transaction.rows(&sql, &values).await?;
    let mut tags = pairs(transaction, "tags", &of_these, &values).await?;
    let mut params = pairs(transaction, "params", &of_these, &values).await?;
    let mut found: HashMap<String, RunData> = rows
        .into_iter()
        .filter_map(|row| <[Cell; 9]>::try_from(row).ok())
        .map(|row| {
            let id = row[0].clone().into_text();
            let (tags, params) = (tags.remove(&id), params.remove(&id));
            let data = run_data(row, tags.unwrap_or_default(), params.unwrap_or_default());
            (id, data)
        })
        .collect();
    Ok(ids.iter().filter_map(|id| found.remove(id)).collect())
}

/// The last values of a run's metrics. Revisions without a table for them have no metric that is not a number.
async fn metrics(transaction: &mut dyn Transaction, run_id: &RunId) -> Result<Vec<Metric>, SqlError> {
    let has_last = transaction
        .tables()
        .await?
        .iter()
        .any(|table| table == "latest_metrics");
    let sql = if has_last {
        "SELECT \"key\", value, CASE WHEN is_nan THEN 1 ELSE 0 END FROM latest_metrics WHERE run_uuid = ?"
    } else {
        "SELECT \"key\", value, 0 FROM metrics WHERE run_uuid = ? ORDER BY timestamp"
    };
    let rows = transaction.rows(sql, &[Value::Text(run_id.as_str())]).await?;
    let mut values = HashMap::new();
    for row in rows {
        if let Ok([key, value, is_nan]) = <[Cell; 3]>::try_from(row) {
            let is_number = is_nan.as_int() == Some(0);
            values.insert(
                key.into_text(),
                if is_number { value.as_real() } else { f64::NAN },
            );
        }
    }
    Ok(last_metrics(values))
}

fn run_data(row: [Cell; 9], tags: Vec<(String, String)>, params: Vec<(String, String)>) -> RunData {
    let [
        id,
        experiment_id,
        name,
        artifact_uri,
        status,
        user,
        start_time,
        end_time,
        stage,
    ] = row;
    in_order(RunData {
        info: RunInfo {
            run_id: RunId::new(id.into_text()),
            experiment_id: ExperimentId::new(experiment_id.as_int().unwrap_or_default().to_string()),
            run_name: name.into_text(),
            artifact_uri: artifact_uri.into_text(),
            // MLflow's default for a run without a status.
            status: RunStatus::from_name(&status.into_text()).unwrap_or(RunStatus::Scheduled),
        },
        user: user.into_text(),
        start_time: start_time.as_int().map(UnixMillis),
        end_time: end_time.as_int().map(UnixMillis),
        lifecycle_stage: LifecycleStage::from_name(&stage.into_text()),
        tags,
        params,
    })
}

/// Tags or parameters of runs, by the id of the run.
async fn pairs(
    transaction: &mut dyn Transaction,
    table: &str,
    of_these: &str,
    values: &[Value<'_>],
) -> Result<HashMap<String, Vec<(String, String)>>, SqlError> {
    let sql = format!("SELECT run_uuid, \"key\", value FROM {table} WHERE {of_these}");
    let mut found: HashMap<String, Vec<(String, String)>> = HashMap::new();
    for row in transaction.rows(&sql, values).await? {
        if let Ok([id, key, value]) = <[Cell; 3]>::try_from(row) {
            let pair = (key.into_text(), value.into_text());
            found.entry(id.into_text()).or_default().push(pair);
        }
    }
    Ok(found)
}
