//! Databases on servers.

use super::driver::{Connection, SqlError};
use super::mysql::MySqlDatabase;
use super::postgres::PostgresDatabase;
use crate::redact::Secret;

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

    /// Connects with the database at this address.
    pub(super) async fn connect(self, uri: &Secret) -> Result<Box<dyn Connection>, SqlError> {
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
