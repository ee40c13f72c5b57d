//! How a run is written into MLflow's tables.

use super::driver::{SqlError, TransactionKind, Value};
use super::statement::{insert, insert_pairs};
use super::store::SqlStore;
use crate::entities::{ExperimentId, RunId, RunInfo, RunStatus, tag};
use crate::tracking::artifact_uri::append_to_uri_path;
use crate::tracking::limits::{self, Entity};
use crate::tracking::run_name::random_run_name;
use crate::tracking::{NewRun, TrackingError};

/// The directory of a run's artifacts.
const ARTIFACTS: &str = "artifacts";

impl SqlStore {
    /// One attempt to create a run, in one transaction. The inner error is for the caller to judge.
    pub(super) async fn try_create(
        &self,
        new_run: NewRun,
    ) -> Result<Result<RunInfo, SqlError>, TrackingError> {
        let experiment_id = self.parse(&new_run.experiment_id)?;
        let warn = &mut |warning: String| tracing::warn!("{warning}");
        let params = limits::fit_params(new_run.params, self.long_values(), warn)
            .map_err(|error| self.over_limit("a parameter", error))?;
        let mut tags = limits::fit_tags(new_run.tags, self.long_values(), warn)
            .map_err(|error| self.over_limit("a tag", error))?;
        let run_name = new_run
            .name
            .filter(|name| !name.is_empty())
            .unwrap_or_else(random_run_name);
        tags.push((tag::RUN_NAME.to_owned(), run_name.clone()));

        let run_id = RunId::random();
        let mut connection = self.connection().await;
        let mut transaction = connection
            .begin(TransactionKind::Write)
            .await
            .map_err(|error| self.unwritable(error))?;
        let location = self
            .active_experiment(transaction.as_mut(), experiment_id)
            .await?;
        let params = self
            .fit_column(transaction.as_mut(), Entity::Param, params, warn)
            .await?;
        let tags = self
            .fit_column(transaction.as_mut(), Entity::Tag, tags, warn)
            .await?;
        let artifact_uri = append_to_uri_path(&location, &[run_id.as_str(), ARTIFACTS]);
        // Source and entry point have been tags since MLflow 1.0; its own stores leave the columns
        // so too.
        let row = [
            ("run_uuid", Value::Text(run_id.as_str())),
            ("name", Value::Text(&run_name)),
            ("source_type", Value::Text("UNKNOWN")),
            ("source_name", Value::Text("")),
            ("entry_point_name", Value::Text("")),
            ("user_id", Value::Text(&new_run.user)),
            ("status", Value::Text(RunStatus::Running.as_str())),
            ("start_time", Value::Int(new_run.start_time.0)),
            ("end_time", Value::Null),
            ("source_version", Value::Text("")),
            ("lifecycle_stage", Value::Text("active")),
            ("artifact_uri", Value::Text(&artifact_uri)),
            ("experiment_id", Value::Int(experiment_id)),
        ];
        let written = async {
            insert(
                transaction.as_mut(),
                "runs",
                &row.map(|(column, _)| column),
                &row.map(|(_, value)| value),
            )
            .await?;
            insert_pairs(transaction.as_mut(), "tags", &run_id, &tags).await?;
            insert_pairs(transaction.as_mut(), "params", &run_id, &params).await
        };
        if let Err(error) = written.await {
            transaction.roll_back().await;
            return Ok(Err(error));
        }
        if let Err(error) = transaction.commit().await {
            return Ok(Err(error));
        }
        Ok(Ok(RunInfo {
            experiment_id: ExperimentId::new(experiment_id.to_string()),
            run_id,
            run_name,
            artifact_uri,
            status: RunStatus::Running,
        }))
    }
}
