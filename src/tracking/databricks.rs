//! The tracking store of a Databricks workspace: MLflow's REST API with the workspace's own credentials,
//! names of experiments and pages.

use std::sync::Arc;

use super::{RestStore, TrackingError};
use crate::databricks::{DatabricksError, DatabricksProfile, Session};
use crate::run::{ExperimentId, RunId};

/// Opens the store of the workspace that the URI names. Sends requests only where the credentials are
/// secrets of another workspace.
pub(super) async fn open(uri: &str) -> Result<RestStore, TrackingError> {
    let unusable = |hint, source: Box<dyn std::error::Error + Send + Sync>| TrackingError::Unusable {
        action: "open",
        store: uri.to_owned(),
        hint,
        may_pass: false,
        source,
    };
    if uri.starts_with("databricks-uc") || uri.split(':').next() == Some("uc") {
        return Err(TrackingError::Unsupported {
            kind: uri.split(':').next().unwrap_or_default().to_owned(),
        });
    }
    let of_databricks = |error: DatabricksError| unusable(error.hint(), Box::new(error));
    let profile = DatabricksProfile::from_uri(uri).map_err(of_databricks)?;
    let session = Session::open(&profile).await.map_err(of_databricks)?;
    RestStore::of_workspace(Arc::new(session)).map_err(|error| unusable(error.hint(), Box::new(error)))
}

/// Experiments are objects of the workspace, which are named by their paths.
pub(super) fn check_experiment_name(name: &str) -> Result<(), String> {
    if name.starts_with('/') && name.len() > 1 {
        return Ok(());
    }
    Err(
        "Databricks names experiments by their absolute paths in the workspace, such as /Users/you@example.com/name"
            .to_owned(),
    )
}

/// The address of a run's page.
pub(super) fn run_page(session: &Session, experiment_id: &ExperimentId, run_id: &RunId) -> String {
    session.page(&format!("mlflow/experiments/{experiment_id}/runs/{run_id}"))
}

/// The address of an experiment's page.
pub(super) fn experiment_page(session: &Session, experiment_id: &ExperimentId) -> String {
    session.page(&format!("mlflow/experiments/{experiment_id}"))
}
