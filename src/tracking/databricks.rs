//! The tracking store of a Databricks workspace: MLflow's REST API with the workspace's own credentials,
//! names of experiments and pages.

use super::{RestStore, TrackingError};
use crate::databricks::{DatabricksError, DatabricksProfile, Session};

/// Opens the store of the workspace that the URI names. Sends requests only where the credentials are
/// secrets of another workspace.
pub(super) async fn open(uri: &str) -> Result<RestStore, TrackingError> {
    if uri.starts_with("databricks-uc") || uri.split(':').next() == Some("uc") {
        return Err(TrackingError::Unsupported {
            kind: uri.split(':').next().unwrap_or_default().to_owned(),
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
    Ok(RestStore::of_workspace(session))
}
