//! Finds a model's artifacts in the tables of the model registry.

use super::SqlStore;
use super::driver::{SqlError, Transaction, Value, first};
use super::experiments::in_workspace;
use crate::tracking::model_selector::{DELETED_STAGE, is_in_stage};
use crate::tracking::store::StoreRules as _;
use crate::tracking::{ModelSelector, TrackingError};

impl SqlStore {
    /// The location of a model's artifacts.
    pub(super) async fn find_model(&self, selector: &ModelSelector) -> Result<String, TrackingError> {
        let mut connection = self.connection.lock().await;
        let mut transaction = self.begin_read(connection.as_mut()).await?;
        let found = location(transaction.as_mut(), selector).await;
        found
            .map_err(|error| self.unreadable(error))?
            .filter(|location| !location.is_empty())
            .ok_or_else(|| self.not_found("model", selector))
    }
}

async fn location(
    transaction: &mut dyn Transaction,
    selector: &ModelSelector,
) -> Result<Option<String>, SqlError> {
    let tables = transaction.tables().await?;
    let has = |table: &str| tables.iter().any(|known| known == table);
    let (name, version) = match selector {
        ModelSelector::Logged { id } if has("logged_models") => {
            let sql = "SELECT artifact_location FROM logged_models WHERE model_id = ?";
            let locations = transaction.texts(sql, &[Value::Text(id)]).await?;
            return Ok(locations.into_iter().next());
        }
        ModelSelector::Version { name, version } if has("model_versions") => (name, version.parse().ok()),
        ModelSelector::Latest { name, stage } if has("model_versions") => {
            (name, newest(transaction, name, stage.as_deref()).await?)
        }
        ModelSelector::Alias { name, alias } if has("registered_model_aliases") => {
            let own = in_workspace(transaction, "registered_model_aliases").await?;
            let sql =
                format!("SELECT version FROM registered_model_aliases WHERE name = ? AND alias = ?{own}");
            let values = [Value::Text(name), Value::Text(alias)];
            let row = first(transaction.rows(&sql, &values).await?);
            (name, row.and_then(|[version]| version.as_int()))
        }
        _ => return Ok(None),
    };
    match version {
        Some(version) => of_version(transaction, name, version).await,
        None => Ok(None),
    }
}

async fn of_version(
    transaction: &mut dyn Transaction,
    name: &str,
    version: i64,
) -> Result<Option<String>, SqlError> {
    let columns = transaction.columns("model_versions").await?;
    // The location to which a server has copied the artifacts; earlier revisions lack it.
    let location = if columns.iter().any(|column| column == "storage_location") {
        "COALESCE(storage_location, source)"
    } else {
        "source"
    };
    let own = in_workspace(transaction, "model_versions").await?;
    let sql = format!(
        "SELECT {location} FROM model_versions WHERE name = ? AND version = ? AND current_stage <> ?{own}"
    );
    let values = [Value::Text(name), Value::Int(version), Value::Text(DELETED_STAGE)];
    Ok(transaction.texts(&sql, &values).await?.into_iter().next())
}

/// The highest version, in this stage (ignoring case) or in any.
async fn newest(
    transaction: &mut dyn Transaction,
    name: &str,
    stage: Option<&str>,
) -> Result<Option<i64>, SqlError> {
    let own = in_workspace(transaction, "model_versions").await?;
    let sql = format!("SELECT version, current_stage FROM model_versions WHERE name = ?{own}");
    let rows = transaction.rows(&sql, &[Value::Text(name)]).await?;
    let versions = rows.into_iter().filter_map(|row| {
        let [version, of_row]: [_; 2] = row.try_into().ok()?;
        version
            .as_int()
            .filter(|_| is_in_stage(&of_row.into_text(), stage))
    });
    Ok(versions.max())
}
