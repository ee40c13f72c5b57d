//! Tracking stores: where runs are recorded.

mod artifact_uri;
mod databricks;
mod error;
mod file;
pub(crate) mod limits;
mod mistaken_uri;
mod models;
mod rest;
mod run_name;
mod search;
mod sql;
mod status_number;
mod store;
mod tracking_uri;

pub use self::error::TrackingError;
pub use self::file::FileStore;
pub(crate) use self::models::ModelSelector;
pub use self::rest::{RestSettings, RestStore};

pub use self::search::FinishedRuns;
pub use self::store::{ExperimentSelector, NewRun, RunEnd, TrackingStore};
pub use self::tracking_uri::TrackingUri;
pub(crate) use self::tracking_uri::TrackingUriError;
pub(crate) use artifact_uri::append_to_uri_path;

use crate::http::ServerAccess;

/// Opens the store, and makes it where it is a database file that does not exist yet.
///
/// # Errors
/// A store that cannot be opened, or of a kind that is not available.
pub async fn open(uri: &TrackingUri) -> Result<Box<dyn TrackingStore>, TrackingError> {
    match uri {
        TrackingUri::Sqlite {
            path, artifact_root, ..
        } => {
            let store = sql::SqlStore::open_sqlite(path, uri.to_string(), artifact_root.clone()).await?;
            Ok(Box::new(store))
        }
        TrackingUri::File {
            path, artifact_root, ..
        } => Ok(Box::new(FileStore::open(path, artifact_root))),
        TrackingUri::Rest { url } => Ok(Box::new(RestStore::open(url.expose())?)),
        TrackingUri::Databricks { uri } => Ok(Box::new(databricks::open(uri).await?)),
        TrackingUri::Database {
            kind,
            uri: secret,
            artifact_root,
        } => match sql::ServerKind::from_dialect(kind) {
            Some(kind) => {
                let store =
                    sql::SqlStore::open_server(kind, secret, uri.to_string(), artifact_root.clone()).await?;
                Ok(Box::new(store))
            }
            None => Err(TrackingError::Unsupported { kind: kind.clone() }),
        },
    }
}

/// Opens the store to read from it, and changes nothing: `None` where it is a file, a directory or an
/// empty database that a run would make a store of.
///
/// # Errors
/// A store that cannot be opened, or of a kind that is not available.
pub(crate) async fn open_existing(
    uri: &TrackingUri,
) -> Result<Option<Box<dyn TrackingStore>>, TrackingError> {
    match uri {
        TrackingUri::Sqlite { path, .. } | TrackingUri::File { path, .. } if !path.exists() => Ok(None),
        TrackingUri::Sqlite {
            path, artifact_root, ..
        } => {
            let opened =
                sql::SqlStore::open_sqlite_to_read(path, uri.to_string(), artifact_root.clone()).await?;
            Ok(opened.map(|store| Box::new(store) as Box<dyn TrackingStore>))
        }
        _ => open(uri).await.map(Some),
    }
}

/// How the server behind this URI is reached by who gets and puts its artifacts; nothing where no
/// server keeps the store.
///
/// # Errors
/// A URL that is no server's address, or settings that mean nothing.
pub fn server_access(uri: &TrackingUri) -> Result<Option<ServerAccess>, TrackingError> {
    match uri {
        TrackingUri::Rest { url } => rest::server_access(url.expose())
            .map(Some)
            .map_err(|error| rest::unusable("open", url.expose(), error)),
        _ => Ok(None),
    }
}
