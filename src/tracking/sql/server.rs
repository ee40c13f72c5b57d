//! Databases on servers.

use std::time::{Duration, Instant};

use super::driver::{Connection, SqlError};
use super::mysql::MySqlDatabase;
use super::postgres::PostgresDatabase;
use crate::http::{in_words, random_fraction};
use crate::redact::Secret;

/// How long a server may have too many connections.
const PATIENCE: Duration = Duration::from_secs(300);

/// The pauses between two tries to connect double from the first to the longest.
const FIRST_PAUSE: Duration = Duration::from_millis(100);
const LONGEST_PAUSE: Duration = Duration::from_secs(10);

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
        let begun = Instant::now();
        let mut pause = FIRST_PAUSE;
        loop {
            let error = match self.try_to_connect(uri).await {
                Err(error) if error.is_crowded && begun.elapsed() < PATIENCE => error,
                connected => return connected,
            };
            if pause == FIRST_PAUSE {
                tracing::warn!(
                    "the database server takes no more connections ({error}); retrying for {}",
                    in_words(PATIENCE)
                );
            }
            tokio::time::sleep(pause.mul_f64(0.5 + random_fraction())).await;
            pause = (pause * 2).min(LONGEST_PAUSE);
        }
    }

    async fn try_to_connect(self, uri: &Secret) -> Result<Box<dyn Connection>, SqlError> {
        Ok(match self {
            Self::Postgres => Box::new(PostgresDatabase::open(uri).await?),
            Self::MySql => Box::new(MySqlDatabase::open(uri).await?),
        })
    }
}

/// What to do about a server that cannot be connected with. What the server itself says has hints of
/// its own.
pub(super) fn server_hint(error: &sqlx::Error, at: &str) -> Option<String> {
    match error {
        sqlx::Error::Io(_) => Some(format!("see whether a database server listens at {at}")),
        sqlx::Error::Tls(_) => {
            Some("check the server's certificate, or the options for TLS in MLFLOW_TRACKING_URI".to_owned())
        }
        _ => None,
    }
}
