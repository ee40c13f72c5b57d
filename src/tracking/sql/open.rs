//! Opens the databases of tracking stores.

use std::path::Path;
use std::time::{Duration, Instant};

use backon::{ExponentialBuilder, Retryable as _};
use tokio::sync::Mutex;

use super::driver::{Connection, SqlError, TransactionKind};
use super::mysql::MySqlDatabase;
use super::postgres::PostgresDatabase;
use super::sqlite::SqliteDatabase;
use super::{SqlStore, schema};
use crate::redact::Secret;
use crate::retrying::retrying_for;
use crate::tracking::TrackingError;
use crate::tracking::limits::LongValues;
use crate::tracking::store::StoreRules as _;

/// How long to wait for a server with too many connections.
const PATIENCE: Duration = Duration::from_secs(300);

/// The pauses between attempts. Many runs may wait at the same time.
const RETRIES: ExponentialBuilder = ExponentialBuilder::new()
    .with_jitter()
    .with_min_delay(Duration::from_millis(100))
    .with_max_delay(Duration::from_secs(8))
    .without_max_times()
    .with_total_delay(Some(PATIENCE));

impl SqlStore {
    /// Opens the SQLite database in this file, or creates one.
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

    /// Opens the SQLite database in this file only for reading; `None` if it has no MLflow tables yet.
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

    /// Opens a database with MLflow's tables on a server. `kind` is SQLAlchemy's name of the database.
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

/// Connects to the database at this address. Waits while the server has too many connections.
async fn connect(kind: &str, uri: &Secret) -> Result<Box<dyn Connection>, SqlError> {
    let attempt = || async {
        Ok(match kind {
            "mysql" => Box::new(MySqlDatabase::open(uri).await?) as Box<dyn Connection>,
            _ => Box::new(PostgresDatabase::open(uri).await?),
        })
    };
    let begun = Instant::now();
    attempt
        .retry(RETRIES)
        .when(|error: &SqlError| error.is_crowded)
        .notify(|error, pause| {
            tracing::warn!(
                "the database server accepts no more connections ({error}); {}",
                retrying_for(pause, PATIENCE.saturating_sub(begun.elapsed()))
            );
        })
        .await
}
