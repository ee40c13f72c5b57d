//! Tracking stores, which record runs.

mod artifact_uri;
mod error;
mod file;
pub(crate) mod limits;
mod mistaken_uri;
mod model_selector;
mod rest;
mod run_name;
mod sql;
mod store;
mod tracking_uri;

pub use self::error::TrackingError;
pub use self::file::FileStore;
pub use self::rest::{RestSettings, RestStore};
pub use self::store::{ExperimentSelector, FinishedRuns, NewRun, RunEnd, TrackingStore};
pub use self::tracking_uri::TrackingUri;

pub(crate) use self::artifact_uri::append_to_uri_path;
pub(crate) use self::model_selector::ModelSelector;
pub(crate) use self::tracking_uri::TrackingUriError;

use self::sql::SqlStore;
use crate::http::ServerAccess;

/// Opens the store, and creates a database file that does not exist.
pub async fn open(uri: &TrackingUri) -> Result<Box<dyn TrackingStore>, TrackingError> {
    Ok(match uri {
        TrackingUri::Sqlite {
            path, artifact_root, ..
        } => Box::new(SqlStore::open_sqlite(path, uri.to_string(), artifact_root.clone()).await?),
        TrackingUri::File {
            path, artifact_root, ..
        } => Box::new(FileStore::open(path, artifact_root)),
        TrackingUri::Rest { url } => Box::new(RestStore::open(url.expose())?),
        TrackingUri::Databricks { uri } => Box::new(RestStore::open_databricks(uri).await?),
        TrackingUri::Database {
            kind,
            uri: secret,
            artifact_root,
        } => Box::new(SqlStore::open_server(kind, secret, uri.to_string(), artifact_root.clone()).await?),
    })
}

/// Opens the store only for reading. `None` if the store does not exist yet: a missing file or directory, or an
/// empty database.
pub(crate) async fn open_existing(
    uri: &TrackingUri,
) -> Result<Option<Box<dyn TrackingStore>>, TrackingError> {
    match uri {
        TrackingUri::Sqlite { path, .. } | TrackingUri::File { path, .. } if !path.exists() => Ok(None),
        TrackingUri::Sqlite {
            path, artifact_root, ..
        } => {
            let opened = SqlStore::open_sqlite_to_read(path, uri.to_string(), artifact_root.clone()).await?;
            Ok(opened.map(|store| Box::new(store) as Box<dyn TrackingStore>))
        }
        _ => open(uri).await.map(Some),
    }
}

/// As [`open_existing`], for a look that does not wait for a server to come back.
pub(crate) async fn open_impatiently(
    uri: &TrackingUri,
) -> Result<Option<Box<dyn TrackingStore>>, TrackingError> {
    match uri {
        TrackingUri::Rest { url } => Ok(Some(Box::new(RestStore::open_impatiently(url.expose())?))),
        _ => open_existing(uri).await,
    }
}

/// The version of the SQLite that is linked.
pub(crate) async fn sqlite_version() -> Result<String, TrackingError> {
    sql::sqlite_version().await
}

/// The access to the tracking server for artifacts; `None` if the store is not a server.
pub fn server_access(uri: &TrackingUri) -> Result<Option<ServerAccess>, TrackingError> {
    match uri {
        TrackingUri::Rest { url } => rest::server_access(url.expose()).map(Some),
        _ => Ok(None),
    }
}
