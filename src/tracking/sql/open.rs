//! Opening the databases of tracking stores.

use std::path::Path;
use std::time::Duration;

use backon::{ExponentialBuilder, Retryable as _};
use tokio::sync::Mutex;

use super::driver::{Connection, SqlError, TransactionKind};
use super::mysql::MySqlDatabase;
use super::postgres::PostgresDatabase;
use super::sqlite::SqliteDatabase;
use super::{SqlStore, schema};
use crate::quantity;
use crate::redact::Secret;
use crate::tracking::TrackingError;
use crate::tracking::limits::LongValues;
use crate::tracking::store::StoreRules as _;

/// How long a server may have too many connections.
const PATIENCE: Duration = Duration::from_secs(300);

/// When it is asked again meanwhile. Many runs may find it full at once.
const RETRIES: ExponentialBuilder = ExponentialBuilder::new()
    .with_jitter()
    .with_min_delay(Duration::from_millis(100))
    .with_max_delay(Duration::from_secs(8))
    .without_max_times()
    .with_total_delay(Some(PATIENCE));

impl SqlStore {
    /// Opens the SQLite database in this file, and makes one where there is none.
    pub(crate) async fn open_sqlite(
        path: &Path,
        name: String,
        artifact_root: String,
    ) -> Result<Self, TrackingError> {
        let opened = async {
            let (mut database, is_new_elsewhere) = SqliteDatabase::open(path).await?;
            schema::ensure(&mut database, is_new_elsewhere, &artifact_root).await?;
            Ok::<_, SqlError>(database)
        };
        match opened.await {
            Ok(database) => Ok(Self::new(Box::new(database), name, artifact_root)),
            Err(error) => Err(TrackingError::unusable("open", name, error)),
        }
    }

    /// Opens the SQLite database in this file for reading alone; `None` where MLflow's tables are not
    /// in it yet.
    pub(crate) async fn open_sqlite_to_read(
        path: &Path,
        name: String,
        artifact_root: String,
    ) -> Result<Option<Self>, TrackingError> {
        let opened = async {
            let mut database = SqliteDatabase::open_to_read(path).await?;
            let tables = database.begin(TransactionKind::Read).await?.tables().await?;
            let is_store = tables.iter().any(|table| table == "experiments");
            Ok::<_, SqlError>(is_store.then_some(database))
        };
        match opened.await {
            Ok(database) => Ok(database.map(|database| Self::new(Box::new(database), name, artifact_root))),
            Err(error) => Err(TrackingError::unusable("read", name, error)),
        }
    }

    /// Opens a database on a server, in which MLflow's tables must be. `kind` is what SQLAlchemy calls it.
    pub(crate) async fn open_server(
        kind: &str,
        uri: &Secret,
        name: String,
        artifact_root: String,
    ) -> Result<Self, TrackingError> {
        if !matches!(kind, "postgresql" | "mysql") {
            return Err(TrackingError::Unsupported {
                kind: kind.to_owned(),
            });
        }
        let opened = async {
            let mut connection = connect(kind, uri).await?;
            schema::check(connection.as_mut()).await?;
            Ok::<_, SqlError>(connection)
        };
        match opened.await {
            Ok(connection) => Ok(Self::new(connection, name, artifact_root)),
            Err(error) => Err(TrackingError::unusable("open", name, error)),
        }
    }

    /// The revision that MLflow's migrations have brought the tables to; `None` where none has begun.
    pub(super) async fn schema_revision(&self) -> Result<Option<String>, TrackingError> {
        let mut connection = self.connection.lock().await;
        let mut transaction = self.begin_read(connection.as_mut()).await?;
        let revision = schema::revision(transaction.as_mut()).await;
        revision.map_err(|error| self.unreadable(error))
    }

    fn new(connection: Box<dyn Connection>, name: String, artifact_root: String) -> Self {
        Self {
            connection: Mutex::new(connection),
            name,
            artifact_root,
            long_values: LongValues::from_environment(),
        }
    }
}

/// Connects with the database at this address. Waits while the server has too many connections.
async fn connect(kind: &str, uri: &Secret) -> Result<Box<dyn Connection>, SqlError> {
    let attempt = || async {
        Ok(match kind {
            "mysql" => Box::new(MySqlDatabase::open(uri).await?) as Box<dyn Connection>,
            _ => Box::new(PostgresDatabase::open(uri).await?),
        })
    };
    let mut is_told = false;
    attempt
        .retry(RETRIES)
        .when(|error: &SqlError| error.is_crowded)
        .notify(|error, _| {
            if !std::mem::replace(&mut is_told, true) {
                tracing::warn!(
                    "the database server takes no more connections ({error}); retrying for {}",
                    quantity::duration(PATIENCE)
                );
            }
        })
        .await
}
