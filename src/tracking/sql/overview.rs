//! The newest of what is in MLflow's tables.

use super::SqlStore;
use super::driver::{Cell, Value};
use super::experiments::in_workspace;
use super::runs::runs;
use crate::entities::{ExperimentId, LifecycleStage, RunData};
use crate::tracking::TrackingError;
use crate::tracking::store::StoreRules as _;

/// The condition for what is not deleted.
const ACTIVE: &str = "(lifecycle_stage IS NULL OR lifecycle_stage <> ?)";

impl SqlStore {
    pub(super) async fn find_newest_runs(&self, limit: usize) -> Result<Vec<RunData>, TrackingError> {
        let mut connection = self.connection.lock().await;
        let mut transaction = self.begin_read(connection.as_mut()).await?;
        let sql = format!(
            "SELECT run_uuid FROM runs WHERE {ACTIVE} ORDER BY start_time DESC, run_uuid LIMIT {limit}"
        );
        let deleted = [Value::Text(LifecycleStage::Deleted.as_str())];
        let ids = transaction.texts(&sql, &deleted).await;
        let ids = ids.map_err(|error| self.unreadable(error))?;
        if ids.is_empty() {
            return Ok(Vec::new());
        }
        let found = runs(transaction.as_mut(), &ids).await;
        found.map_err(|error| self.unreadable(error))
    }

    pub(super) async fn find_newest_experiments(
        &self,
        limit: usize,
    ) -> Result<Vec<(ExperimentId, String)>, TrackingError> {
        let mut connection = self.connection.lock().await;
        let mut transaction = self.begin_read(connection.as_mut()).await?;
        let own = in_workspace(transaction.as_mut(), "experiments").await;
        let own = own.map_err(|error| self.unreadable(error))?;
        let sql = format!(
            "SELECT experiment_id, name FROM experiments WHERE {ACTIVE}{own} ORDER BY experiment_id DESC LIMIT {limit}"
        );
        let deleted = [Value::Text(LifecycleStage::Deleted.as_str())];
        let rows = transaction.rows(&sql, &deleted).await;
        let rows = rows.map_err(|error| self.unreadable(error))?;
        let experiment = |row: Vec<Cell>| {
            let [id, name] = <[Cell; 2]>::try_from(row).ok()?;
            Some((ExperimentId::new(id.as_int()?.to_string()), name.into_text()))
        };
        Ok(rows.into_iter().filter_map(experiment).collect())
    }
}
