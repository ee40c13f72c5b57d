//! Experiments in MLflow's tables.

use super::driver::{SqlError, Transaction, Value, first, insert};
use super::{DEFAULT_WORKSPACE, Failure, MOST_RACES, SqlStore, finish};
use crate::entities::{ExperimentId, LifecycleStage, UnixMillis};
use crate::tracking::artifact_uri::append_to_uri_path;
use crate::tracking::store::StoreRules as _;
use crate::tracking::{ExperimentSelector, TrackingError};

/// The experiment that every store has.
const DEFAULT_EXPERIMENT_ID: i64 = 0;
const DEFAULT_EXPERIMENT_NAME: &str = "Default";

impl SqlStore {
    /// Finds the selected experiment, and creates it if it was selected by name or is the default one.
    pub(super) async fn experiment_found_or_made(
        &self,
        selector: &ExperimentSelector,
    ) -> Result<ExperimentId, TrackingError> {
        if let ExperimentSelector::Name(name) = selector {
            self.check_experiment_name(name)?;
        }
        let mut connection = self.connection.lock().await;
        let mut transaction = self.begin_read(connection.as_mut()).await?;
        let found = self.find_experiment(transaction.as_mut(), selector).await?;
        drop(transaction);
        if let Some(id) = found {
            return Ok(ExperimentId::new(id.to_string()));
        }
        for _ in 0..MOST_RACES {
            let mut transaction = self.begin_change(connection.as_mut()).await?;
            let made = self.make_experiment(transaction.as_mut(), selector).await;
            match finish(transaction, made).await {
                Ok(id) => return Ok(ExperimentId::new(id.to_string())),
                // Another program is creating it, so it will be found.
                Err(Failure::Database(error)) if error.lost_race => {}
                Err(failure) => return Err(self.not_changed(failure)),
            }
        }
        let what = match selector {
            ExperimentSelector::Name(name) => format!("the experiment '{name}'"),
            _ => "the default experiment".to_owned(),
        };
        Err(self.refused(what, "other programs keep creating and deleting it"))
    }

    /// Creates the selected experiment, unless it exists now.
    async fn make_experiment(
        &self,
        transaction: &mut dyn Transaction,
        selector: &ExperimentSelector,
    ) -> Result<i64, Failure> {
        if let Some(id) = self.find_experiment(transaction, selector).await? {
            return Ok(id);
        }
        if let ExperimentSelector::Name(name) = selector {
            return Ok(create_experiment(transaction, name, &self.artifact_root).await?);
        }
        create_default_experiment(transaction, &self.artifact_root).await?;
        Ok(DEFAULT_EXPERIMENT_ID)
    }

    /// Finds the selected experiment. `None` if it must be created.
    pub(super) async fn find_experiment(
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
                match self.active_experiment(transaction, DEFAULT_EXPERIMENT_ID).await {
                    Ok(_) => Ok(Some(DEFAULT_EXPERIMENT_ID)),
                    Err(TrackingError::NotFound { .. }) => Ok(None),
                    Err(error) => Err(error),
                }
            }
            ExperimentSelector::Name(name) => {
                let found = experiment_named(transaction, name).await;
                match found.map_err(|error| self.unreadable(error))? {
                    Some((_, LifecycleStage::Deleted)) => Err(self.deleted("experiment", name)),
                    found => Ok(found.map(|(id, _)| id)),
                }
            }
        }
    }

    /// Looks up an experiment that must exist and not be deleted; returns its artifact location.
    pub(super) async fn active_experiment(
        &self,
        transaction: &mut dyn Transaction,
        id: i64,
    ) -> Result<String, TrackingError> {
        let sql = "SELECT lifecycle_stage, artifact_location FROM experiments WHERE experiment_id = ?";
        let rows = transaction.rows(sql, &[Value::Int(id)]).await;
        let rows = rows.map_err(|error| self.unreadable(error))?;
        let [stage, location] = first(rows).ok_or_else(|| self.not_found("experiment", id))?;
        if LifecycleStage::from_name(&stage.into_text()) == LifecycleStage::Deleted {
            return Err(self.deleted("experiment", id));
        }
        match location.into_text() {
            missing if missing.is_empty() => Ok(append_to_uri_path(&self.artifact_root, &[&id.to_string()])),
            location => Ok(location),
        }
    }

    /// The number of an experiment id.
    pub(super) fn parse(&self, id: &ExperimentId) -> Result<i64, TrackingError> {
        let refused = |_| self.refused(format!("the experiment id '{id}'"), "it is not an integer");
        id.as_str().trim().parse().map_err(refused)
    }
}

/// The experiment with this name, in revisions with workspaces the one in the default workspace.
async fn experiment_named(
    transaction: &mut dyn Transaction,
    name: &str,
) -> Result<Option<(i64, LifecycleStage)>, SqlError> {
    let own = in_workspace(transaction, "experiments").await?;
    let sql = format!("SELECT experiment_id, lifecycle_stage FROM experiments WHERE name = ?{own}");
    let row = first(transaction.rows(&sql, &[Value::Text(name)]).await?);
    Ok(row.and_then(|[id, stage]| Some((id.as_int()?, LifecycleStage::from_name(&stage.into_text())))))
}

/// A condition on the workspace, for tables of revisions with workspaces.
pub(super) async fn in_workspace(transaction: &mut dyn Transaction, table: &str) -> Result<String, SqlError> {
    let columns = transaction.columns(table).await?;
    if columns.iter().any(|column| column == "workspace") {
        Ok(format!(" AND workspace = '{DEFAULT_WORKSPACE}'"))
    } else {
        Ok(String::new())
    }
}

/// Creates the default experiment, which must not exist.
pub(super) async fn create_default_experiment(
    transaction: &mut dyn Transaction,
    artifact_root: &str,
) -> Result<(), SqlError> {
    let location = append_to_uri_path(artifact_root, &[&DEFAULT_EXPERIMENT_ID.to_string()]);
    let id_and_location = (DEFAULT_EXPERIMENT_ID, &*location);
    insert_experiment(transaction, DEFAULT_EXPERIMENT_NAME, Some(id_and_location)).await
}

/// Creates an experiment, whose name must be new, and returns its id.
async fn create_experiment(
    transaction: &mut dyn Transaction,
    name: &str,
    artifact_root: &str,
) -> Result<i64, SqlError> {
    // The location contains the id, which the database chooses.
    insert_experiment(transaction, name, None).await?;
    let (id, _) = experiment_named(transaction, name)
        .await?
        .ok_or_else(|| SqlError::new(format!("cannot read the new experiment '{name}'")))?;
    let location = append_to_uri_path(artifact_root, &[&id.to_string()]);
    let sql = "UPDATE experiments SET artifact_location = ? WHERE experiment_id = ?";
    transaction
        .execute(sql, &[Value::Text(&location), Value::Int(id)])
        .await?;
    Ok(id)
}

async fn insert_experiment(
    transaction: &mut dyn Transaction,
    name: &str,
    id_and_location: Option<(i64, &str)>,
) -> Result<(), SqlError> {
    let known = transaction.columns("experiments").await?;
    let now = Value::Int(UnixMillis::now().0);
    let mut row = vec![
        ("name", Value::Text(name)),
        ("lifecycle_stage", Value::Text(LifecycleStage::Active.as_str())),
    ];
    if let Some((id, location)) = id_and_location {
        row.push(("experiment_id", Value::Int(id)));
        row.push(("artifact_location", Value::Text(location)));
    }
    let later_columns = [
        // Since revision `97727af70f4d`.
        ("creation_time", now),
        ("last_update_time", now),
        // Since revision `1b5f0d9ad7c1` of MLflow 3.10.
        ("workspace", Value::Text(DEFAULT_WORKSPACE)),
    ];
    row.extend(
        later_columns
            .into_iter()
            .filter(|(name, _)| known.iter().any(|column| column == name)),
    );
    let (columns, values): (Vec<_>, Vec<_>) = row.into_iter().unzip();
    insert(transaction, "experiments", &columns, &values).await
}
