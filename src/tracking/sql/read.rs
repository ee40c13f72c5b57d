//! Reading whole runs.

use std::collections::HashMap;

use super::driver::{Cell, SqlError, Transaction, TransactionKind, Value};
use super::store::SqlStore;
use crate::entities::{ExperimentId, LifecycleStage, RunData, RunId, RunInfo, RunStatus, UnixMillis, tag};
use crate::tracking::search::{PAGE, has_tags, sorted};
use crate::tracking::{FinishedRuns, TrackingError};

impl SqlStore {
    /// Reads a run, also a deleted one.
    pub(super) async fn read_run(&self, run_id: &RunId) -> Result<RunData, TrackingError> {
        let mut connection = self.connection().await;
        let mut transaction = connection
            .begin(TransactionKind::Read)
            .await
            .map_err(|error| self.unreadable(error))?;
        let found = runs(transaction.as_mut(), &[run_id.as_str().to_owned()]).await;
        let found = found.map_err(|error| self.unreadable(error))?;
        let found = found.into_iter().next();
        found.ok_or_else(|| self.not_found("run", run_id.as_str()))
    }

    /// Finds finished runs by their tags; the newest come first.
    pub(super) async fn find_finished(&self, wanted: &FinishedRuns) -> Result<Vec<RunData>, TrackingError> {
        let experiment_id = self.parse(&wanted.experiment_id)?;
        let tags = wanted
            .stored_tags(self.long_values())
            .map_err(|error| self.over_limit("a tag", error))?;
        let mut connection = self.connection().await;
        let mut transaction = connection
            .begin(TransactionKind::Read)
            .await
            .map_err(|error| self.unreadable(error))?;
        let tags = self.fit_tag_column(transaction.as_mut(), tags).await?;
        let ids = finished_ids(transaction.as_mut(), experiment_id, &tags).await;
        let ids = ids.map_err(|error| self.unreadable(error))?;
        let mut found = Vec::new();
        for page in ids.chunks(PAGE.min(wanted.limit.max(1))) {
            let read = runs(transaction.as_mut(), page).await;
            let read = read.map_err(|error| self.unreadable(error))?;
            // MySQL takes texts for equal that are not, such as `a` and `A`.
            found.extend(read.into_iter().filter(|run| has_tags(run, &tags)));
            if found.len() >= wanted.limit {
                break;
            }
        }
        found.truncate(wanted.limit);
        Ok(found)
    }
}

/// The ids of the finished runs with these tags; the newest come first.
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
async fn runs(transaction: &mut dyn Transaction, ids: &[String]) -> Result<Vec<RunData>, SqlError> {
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
    let mut data = RunData {
        info: RunInfo {
            run_id: RunId::new(id.into_text()),
            experiment_id: ExperimentId::new(experiment_id.as_int().unwrap_or_default().to_string()),
            run_name: name.into_text(),
            artifact_uri: artifact_uri.into_text(),
            // MLflow's model gives a run without a status this one.
            status: RunStatus::from_name(&status.into_text()).unwrap_or(RunStatus::Scheduled),
        },
        user: user.into_text(),
        start_time: start_time.as_int().map(UnixMillis),
        end_time: end_time.as_int().map(UnixMillis),
        lifecycle_stage: LifecycleStage::from_name(&stage.into_text()),
        tags: sorted(tags),
        params: sorted(params),
    };
    // Early releases of MLflow 1 kept the name in the tag alone.
    if data.info.run_name.is_empty() {
        data.info.run_name = data.tag(tag::RUN_NAME).unwrap_or_default().to_owned();
    }
    data
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
