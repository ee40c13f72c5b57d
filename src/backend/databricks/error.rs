//! Errors of the Databricks backend.

use crate::backend::error::ServiceError;
use crate::databricks::DatabricksError;
use crate::http::ApiError;

impl ServiceError {
    /// A failed request to Databricks. `advice` is the hint for a failure that has none of its own.
    pub(super) fn of_databricks(
        problem: impl Into<String>,
        source: DatabricksError,
        advice: Option<&str>,
    ) -> Self {
        let hint = source.hint().or_else(|| advice.map(str::to_owned));
        Self::failed(problem, hint, Some(source.into()))
    }
}

pub(super) fn unusable_workspace(source: DatabricksError) -> ServiceError {
    refused_place("cannot use the Databricks workspace".to_owned(), source)
}

pub(super) fn not_uploaded(path: &str) -> impl FnOnce(DatabricksError) -> ServiceError {
    let problem = format!("cannot upload the project to {path}");
    move |source| refused_place(problem, source)
}

/// A workspace may have DBFS disabled.
fn refused_place(problem: String, source: DatabricksError) -> ServiceError {
    let has_no_dbfs = matches!(&source, DatabricksError::Api(ApiError::Refused { message, .. })
        if message.contains("DBFS") && message.to_ascii_lowercase().contains("disabled"));
    if !has_no_dbfs {
        return ServiceError::of_databricks(problem, source, None);
    }
    let hint = "set another place in the backend config, for example \"upload-path\": \
    \"/Volumes/catalog/schema/volume\"";
    ServiceError::failed(problem, Some(hint.to_owned()), Some(source.into()))
}
