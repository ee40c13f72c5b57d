//! Databases on servers.

use std::time::Duration;

use backon::{ExponentialBuilder, Retryable as _};

use super::driver::{Connection, SqlError};
use super::mysql::MySqlDatabase;
use super::postgres::PostgresDatabase;
use crate::http::in_words;
use crate::redact::Secret;

/// How long a server may have too many connections.
const PATIENCE: Duration = Duration::from_secs(300);

/// When it is asked again meanwhile. Many runs may find it full at once.
const RETRIES: ExponentialBuilder = ExponentialBuilder::new()
    .with_jitter()
    .with_min_delay(Duration::from_millis(100))
    .with_max_delay(Duration::from_secs(8))
    .without_max_times()
    .with_total_delay(Some(PATIENCE));

/// A kind of database server.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum ServerKind {
    /// PostgreSQL.
    Postgres,
    /// MySQL or MariaDB.
    MySql,
}

impl ServerKind {
    /// The kind that SQLAlchemy calls so.
    pub(crate) fn from_dialect(name: &str) -> Option<Self> {
        match name {
            "postgresql" => Some(Self::Postgres),
            "mysql" => Some(Self::MySql),
            _ => None,
        }
    }

    /// Connects with the database at this address. Waits while the server has too many connections.
    pub(super) async fn connect(self, uri: &Secret) -> Result<Box<dyn Connection>, SqlError> {
        let mut is_told = false;
        (|| self.try_to_connect(uri))
            .retry(RETRIES)
            .when(|error| error.is_crowded)
            .notify(|error, _| {
                if !std::mem::replace(&mut is_told, true) {
                    tracing::warn!(
                        "the database server takes no more connections ({error}); retrying for {}",
                        in_words(PATIENCE)
                    );
                }
            })
            .await
    }

    async fn try_to_connect(self, uri: &Secret) -> Result<Box<dyn Connection>, SqlError> {
        Ok(match self {
            Self::Postgres => Box::new(PostgresDatabase::open(uri).await?),
            Self::MySql => Box::new(MySqlDatabase::open(uri).await?),
        })
    }
}
