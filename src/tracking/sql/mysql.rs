//! MySQL and MariaDB.

use async_trait::async_trait;
use sqlx::error::ErrorKind;
use sqlx::mysql::{MySqlArguments, MySqlConnectOptions, MySqlDatabaseError, MySqlRow, MySqlSslMode};
use sqlx::{ConnectOptions, Connection as _, Executor as _, MySql, MySqlConnection, Row, TypeInfo, ValueRef};

use super::address::ServerAddress;
use super::driver::{Access, Cell, Connection, SqlError, Transaction, Value};
use super::of_sqlx::{connect_error, other_error, transaction};

/// The port of a server that says nothing else.
const PORT: u16 = 3306;

/// Names are quoted as in standard SQL, and the experiment 0 is a number like any other.
const MODES: &str = "SET SESSION sql_mode = CONCAT(@@sql_mode, ',ANSI_QUOTES,NO_AUTO_VALUE_ON_ZERO')";

/// A connection to a MySQL or MariaDB server.
pub(super) struct MySqlDatabase(MySqlConnection);

impl MySqlDatabase {
    /// Connects.
    pub(super) async fn open(address: &ServerAddress) -> Result<Self, SqlError> {
        let mut options = MySqlConnectOptions::new()
            .host(address.host.as_deref().unwrap_or("localhost"))
            .port(address.port.unwrap_or(PORT))
            .database(&address.database)
            .charset(address.option(&["charset"]).unwrap_or("utf8mb4"))
            .disable_statement_logging();
        if let Some(user) = &address.user {
            options = options.username(user);
        }
        if let Some(password) = &address.password {
            options = options.password(password.expose());
        }
        if let Some(path) = address.option(&["unix_socket", "socket"]) {
            options = options.socket(path);
        }
        if let Some(mode) = address.option(&["ssl-mode", "ssl_mode"]) {
            options = options.ssl_mode(mode.parse::<MySqlSslMode>().map_err(sql_error)?);
        }
        if let Some(path) = address.option(&["ssl_ca", "ssl-ca"]) {
            options = options.ssl_mode(MySqlSslMode::VerifyIdentity).ssl_ca(path);
        }
        if let (Some(certificate), Some(key)) = (
            address.option(&["ssl_cert", "ssl-cert"]),
            address.option(&["ssl_key", "ssl-key"]),
        ) {
            options = options.ssl_client_cert(certificate).ssl_client_key(key);
        }
        let mut connection = options.connect().await.map_err(|error| {
            let port = address.port.unwrap_or(PORT);
            connect_error(error, address.host.as_deref(), port, sql_error)
        })?;
        connection.execute(MODES).await.map_err(sql_error)?;
        Ok(Self(connection))
    }
}

#[async_trait]
impl Connection for MySqlDatabase {
    async fn begin(&mut self, _access: Access) -> Result<Box<dyn Transaction + '_>, SqlError> {
        let transaction = self.0.begin().await.map_err(sql_error)?;
        Ok(Box::new(MySqlTransaction(transaction)))
    }
}

transaction!(MySqlTransaction of MySql, MySqlArguments, str::to_owned, cells, sql_error, {
    async fn tables(&mut self) -> Result<Vec<String>, SqlError> {
        let sql =
            "SELECT CAST(table_name AS CHAR) FROM information_schema.tables WHERE table_schema = DATABASE()";
        self.texts(sql, &[]).await
    }

    async fn columns(&mut self, table: &'static str) -> Result<Vec<String>, SqlError> {
        let sql = "SELECT CAST(column_name AS CHAR) FROM information_schema.columns \
                   WHERE table_schema = DATABASE() AND table_name = ?";
        self.texts(sql, &[Value::Text(table)]).await
    }

    async fn text_limit(
        &mut self,
        table: &'static str,
        column: &'static str,
    ) -> Result<Option<usize>, SqlError> {
        let sql = "SELECT CAST(character_maximum_length AS SIGNED) FROM information_schema.columns \
                   WHERE table_schema = DATABASE() AND table_name = ? AND column_name = ?";
        let rows = self.rows(sql, &[Value::Text(table), Value::Text(column)]).await?;
        let limit = rows.into_iter().flatten().find_map(|cell| cell.as_int());
        Ok(limit.and_then(|limit| usize::try_from(limit).ok()))
    }
});

fn cells(row: &MySqlRow) -> Result<Vec<Cell>, sqlx::Error> {
    (0..row.len())
        .map(|index| {
            let value = row.try_get_raw(index)?;
            let kind = value.type_info().name().to_owned();
            match kind.as_str() {
                _ if value.is_null() => Ok(Cell::Null),
                "BIGINT" | "INT" => row.try_get(index).map(Cell::Int),
                _ => row.try_get(index).map(Cell::Text),
            }
        })
        .collect()
}

/// The numbers that have a hint or a meaning;
/// <https://dev.mysql.com/doc/mysql-errors/8.0/en/server-error-reference.html> and
/// <https://mariadb.com/kb/en/mariadb-error-code-reference/>.
mod number {
    pub(super) const TOO_MANY_CONNECTIONS: u16 = 1040;
    pub(super) const NO_ACCESS_TO_DATABASE: u16 = 1044;
    pub(super) const NO_ACCESS: u16 = 1045;
    pub(super) const NO_DATABASE: u16 = 1049;
    pub(super) const SHUTDOWN: u16 = 1053;
    pub(super) const NO_PERMISSION: u16 = 1142;
    pub(super) const TOO_MANY_OF_USER: u16 = 1203;
    pub(super) const LOCK_TIMEOUT: u16 = 1205;
    pub(super) const DEADLOCK: u16 = 1213;
    pub(super) const USER_LIMIT: u16 = 1226;
    pub(super) const READ_ONLY: u16 = 1290;
    pub(super) const TOO_LONG: u16 = 1406;
    pub(super) const CHECK_OF_MYSQL: u16 = 3819;
    pub(super) const CHECK_OF_MARIADB: u16 = 4025;
}

fn sql_error(error: sqlx::Error) -> SqlError {
    let sqlx::Error::Database(error) = error else {
        return other_error(&error);
    };
    let number = error
        .try_downcast_ref::<MySqlDatabaseError>()
        .map_or(0, MySqlDatabaseError::number);
    let is_crowded = matches!(
        number,
        number::TOO_MANY_CONNECTIONS | number::TOO_MANY_OF_USER | number::USER_LIMIT
    );
    let hint = match number {
        number::NO_ACCESS | number::NO_ACCESS_TO_DATABASE => {
            "check the user and the password in MLFLOW_TRACKING_URI, and what the user may do"
        }
        number::NO_DATABASE => "check the database's name in MLFLOW_TRACKING_URI, or create it",
        number::NO_PERMISSION => "grant the user SELECT, INSERT and UPDATE on MLflow's tables",
        number::READ_ONLY => "name the primary server, which takes changes, in MLFLOW_TRACKING_URI",
        number::TOO_LONG => "MLflow's newer tables take longer values: `mlflow db upgrade`",
        _ => "",
    };
    SqlError {
        message: error.message().to_owned(),
        hint: Some(hint.to_owned()).filter(|hint| !hint.is_empty()),
        may_pass: is_crowded || matches!(number, number::SHUTDOWN | number::LOCK_TIMEOUT),
        is_crowded,
        breaks_check: matches!(number, number::CHECK_OF_MYSQL | number::CHECK_OF_MARIADB),
        lost_race: number == number::DEADLOCK || matches!(error.kind(), ErrorKind::UniqueViolation),
    }
}
