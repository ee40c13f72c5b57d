//! PostgreSQL.

use async_trait::async_trait;
use sqlx::error::ErrorKind;
use sqlx::postgres::{PgArguments, PgConnectOptions, PgRow, PgSslMode};
use sqlx::{ConnectOptions, Connection as _, PgConnection, Postgres, Row, TypeInfo, ValueRef};

use super::address::ServerAddress;
use super::driver::{Access, Cell, Connection, SqlError, Transaction, Value};
use super::of_sqlx::{connect_error, other_error, transaction};

/// The port of a server that says nothing else.
const PORT: u16 = 5432;

/// A connection to a PostgreSQL server.
pub(super) struct PostgresDatabase(PgConnection);

impl PostgresDatabase {
    /// Connects. What the address leaves out comes from `PGHOST`, `PGUSER`, `PGPASSWORD`, `~/.pgpass`
    /// and their kin, as for every client of PostgreSQL.
    pub(super) async fn open(address: &ServerAddress) -> Result<Self, SqlError> {
        let mut options = PgConnectOptions::new()
            .database(&address.database)
            .disable_statement_logging();
        if let Some(user) = &address.user {
            options = options.username(user);
        }
        if let Some(password) = &address.password {
            options = options.password(password.expose());
        }
        if let Some(host) = address.option(&["host"]).or(address.host.as_deref()) {
            options = options.host(host);
        }
        if let Some(port) = address.port.or_else(|| address.option(&["port"])?.parse().ok()) {
            options = options.port(port);
        }
        if let Some(mode) = address.option(&["sslmode"]) {
            options = options.ssl_mode(mode.parse::<PgSslMode>().map_err(sql_error)?);
        }
        if let Some(path) = address.option(&["sslrootcert"]) {
            options = options.ssl_root_cert(path);
        }
        if let (Some(certificate), Some(key)) = (address.option(&["sslcert"]), address.option(&["sslkey"])) {
            options = options.ssl_client_cert(certificate).ssl_client_key(key);
        }
        options.connect().await.map(Self).map_err(|error| {
            let port = address.port.unwrap_or(PORT);
            connect_error(error, address.host.as_deref(), port, sql_error)
        })
    }
}

#[async_trait]
impl Connection for PostgresDatabase {
    async fn begin(&mut self, _access: Access) -> Result<Box<dyn Transaction + '_>, SqlError> {
        let transaction = self.0.begin().await.map_err(sql_error)?;
        Ok(Box::new(PostgresTransaction(transaction)))
    }
}

transaction!(PostgresTransaction of Postgres, PgArguments, numbered, cells, sql_error, {
    async fn tables(&mut self) -> Result<Vec<String>, SqlError> {
        let sql = "SELECT table_name::text FROM information_schema.tables \
                   WHERE table_schema = ANY(current_schemas(false)::text[])";
        self.texts(sql, &[]).await
    }

    async fn columns(&mut self, table: &'static str) -> Result<Vec<String>, SqlError> {
        let sql = "SELECT column_name::text FROM information_schema.columns \
                   WHERE table_schema = ANY(current_schemas(false)::text[]) AND table_name = ?";
        self.texts(sql, &[Value::Text(table)]).await
    }

    async fn text_limit(
        &mut self,
        table: &'static str,
        column: &'static str,
    ) -> Result<Option<usize>, SqlError> {
        let sql = "SELECT character_maximum_length FROM information_schema.columns \
                   WHERE table_schema = ANY(current_schemas(false)::text[]) AND table_name = ? AND column_name = ?";
        let rows = self.rows(sql, &[Value::Text(table), Value::Text(column)]).await?;
        let limit = rows.into_iter().flatten().find_map(|cell| cell.as_int());
        Ok(limit.and_then(|limit| usize::try_from(limit).ok()))
    }
});

/// The statement with `$1`, `$2`… for its parameters. No statement has a question mark elsewhere.
fn numbered(sql: &str) -> String {
    let mut parts = sql.split('?');
    let mut result = parts.next().unwrap_or_default().to_owned();
    for (index, part) in parts.enumerate() {
        result.push_str(&format!("${}{part}", index + 1));
    }
    result
}

fn cells(row: &PgRow) -> Result<Vec<Cell>, sqlx::Error> {
    (0..row.len())
        .map(|index| {
            let value = row.try_get_raw(index)?;
            let kind = value.type_info().name().to_owned();
            match kind.as_str() {
                _ if value.is_null() => Ok(Cell::Null),
                "INT8" => row.try_get(index).map(Cell::Int),
                "INT4" => row
                    .try_get::<i32, _>(index)
                    .map(|number| Cell::Int(number.into())),
                _ => row.try_get(index).map(Cell::Text),
            }
        })
        .collect()
}

/// The codes that have a hint; <https://www.postgresql.org/docs/current/errcodes-appendix.html>.
mod code {
    pub(super) const INVALID_PASSWORD: &str = "28P01";
    pub(super) const INVALID_AUTHORIZATION: &str = "28000";
    pub(super) const NO_DATABASE: &str = "3D000";
    pub(super) const NO_PERMISSION: &str = "42501";
    pub(super) const READ_ONLY: &str = "25006";
    pub(super) const TOO_LONG: &str = "22001";
    pub(super) const TOO_MANY_CONNECTIONS: &str = "53300";
    pub(super) const NOT_SERIALIZABLE: &str = "40001";
    pub(super) const DEADLOCK: &str = "40P01";
}

fn sql_error(error: sqlx::Error) -> SqlError {
    let sqlx::Error::Database(error) = error else {
        return other_error(&error);
    };
    let hint = match error.code().as_deref() {
        Some(code::INVALID_PASSWORD | code::INVALID_AUTHORIZATION) => {
            "check the user and the password in MLFLOW_TRACKING_URI, PGPASSWORD or ~/.pgpass"
        }
        Some(code::NO_DATABASE) => "check the database's name in MLFLOW_TRACKING_URI, or create it",
        Some(code::NO_PERMISSION) => "grant the user SELECT, INSERT and UPDATE on MLflow's tables",
        Some(code::READ_ONLY) => "name the primary server, which takes changes, in MLFLOW_TRACKING_URI",
        Some(code::TOO_LONG) => "MLflow's newer tables take longer values: `mlflow db upgrade`",
        _ => "",
    };
    SqlError {
        message: error.message().to_owned(),
        hint: Some(hint.to_owned()).filter(|hint| !hint.is_empty()),
        may_pass: error
            .code()
            .is_some_and(|code| code.starts_with("57P") || code.starts_with("08") || code.starts_with("53")),
        is_crowded: error.code().as_deref() == Some(code::TOO_MANY_CONNECTIONS),
        breaks_check: matches!(error.kind(), ErrorKind::CheckViolation),
        lost_race: matches!(error.kind(), ErrorKind::UniqueViolation)
            || matches!(
                error.code().as_deref(),
                Some(code::NOT_SERIALIZABLE | code::DEADLOCK)
            ),
    }
}

#[cfg(test)]
mod tests {
    use super::numbered;

    #[test]
    fn parameters_are_numbered() {
        for (sql, expected) in [
            ("SELECT 1", "SELECT 1"),
            ("a = ? AND b = ?", "a = $1 AND b = $2"),
            ("(?, ?), (?)", "($1, $2), ($3)"),
        ] {
            assert_eq!(numbered(sql), expected);
        }
    }
}
