//! MySQL and MariaDB.

use std::time::Duration;

use async_trait::async_trait;
use sqlx::error::ErrorKind;
use sqlx::mysql::{MySqlArguments, MySqlConnectOptions, MySqlDatabaseError, MySqlRow, MySqlSslMode};
use sqlx::{ConnectOptions, Connection as _, Executor as _, MySql, MySqlConnection, Row as _};

use super::address::{OptionNames, ServerAddress};
use super::driver::{Cell, Connection, SqlError, Transaction, TransactionKind, Value};
use super::sqlx_driver::{other_error, transaction, within};
use crate::redact::Secret;

/// The default port.
const PORT: u16 = 3306;

/// Quote names as in standard SQL, and allow the experiment id 0.
const MODES: &str = "SET SESSION sql_mode = CONCAT(@@sql_mode, ',ANSI_QUOTES,NO_AUTO_VALUE_ON_ZERO')";

/// The options of PyMySQL, mysqlclient and MySQL Connector.
const OPTIONS: OptionNames = OptionNames {
    user: &["user"],
    password: &["password", "passwd"],
    database: &["database", "db"],
    heeded: &[
        "host",
        "port",
        "unix_socket",
        "charset",
        "ssl_ca",
        "ssl_cert",
        "ssl_key",
        "ssl_mode",
        "connect_timeout",
        "collation",
        "init_command",
        "sql_mode",
        "connection_timeout",
        "ssl_check_hostname",
        "ssl_disabled",
        "ssl_verify_cert",
        "ssl_verify_identity",
        // The spellings of MySQL's programs and other clients.
        "socket",
        "ssl-ca",
        "ssl-cert",
        "ssl-key",
        "ssl-mode",
    ],
    harmless: &[
        "allow_local_infile",
        "auth_plugin",
        "autocommit",
        "binary_prefix",
        "buffered",
        "client_flag",
        "compress",
        "consume_results",
        "force_ipv6",
        "get_warnings",
        "local_infile",
        "max_allowed_packet",
        "pool_name",
        "pool_reset_session",
        "pool_size",
        "program_name",
        "raise_on_warnings",
        "raw",
        "read_timeout",
        "server_public_key",
        "time_zone",
        "use_pure",
        "use_unicode",
        "write_timeout",
    ],
    unsupported: &[
        "auth_plugin_map",
        "bind_address",
        "conv",
        "cursorclass",
        "defer_connect",
        "named_pipe",
        "option_files",
        "read_default_file",
        "read_default_group",
        "ssl",
        "ssl_capath",
        "ssl_cipher",
        "ssl_key_password",
        "tls_versions",
    ],
};

/// A connection to a MySQL or MariaDB server.
pub(super) struct MySqlDatabase(MySqlConnection);

impl MySqlDatabase {
    /// Connects.
    pub(super) async fn open(uri: &Secret) -> Result<Self, SqlError> {
        let address = ServerAddress::parse(uri.expose(), &OPTIONS)?;
        let host = address
            .option(&["host"])
            .or(address.host.as_deref())
            .map(str::to_owned);
        let port = address.port()?.unwrap_or(PORT);
        let socket = address.option(&["unix_socket", "socket"]).map(str::to_owned);
        let mut options = MySqlConnectOptions::new()
            .host(host.as_deref().unwrap_or("localhost"))
            .port(port)
            .database(&address.database)
            .charset(address.option(&["charset"]).unwrap_or("utf8mb4"))
            .disable_statement_logging();
        if let Some(user) = &address.user {
            options = options.username(user);
        }
        if let Some(password) = &address.password {
            options = options.password(password.expose());
        }
        if let Some(path) = &socket {
            options = options.socket(path);
        }
        if let Some(collation) = address.option(&["collation"]) {
            options = options.collation(collation);
        }
        let options = with_tls(options, &address)?;
        let limit = address.seconds(&["connect_timeout", "connection_timeout"])?;
        let limit = limit.map(Duration::from_secs);
        let mut connection = within(limit, options.connect(), (socket.or(host), port), sql_error).await?;
        if let Some(command) = address.option(&["init_command"]) {
            let command = sqlx::raw_sql(sqlx::AssertSqlSafe(command.to_owned()));
            command.execute(&mut connection).await.map_err(sql_error)?;
        }
        if let Some(mode) = address.option(&["sql_mode"]) {
            let statement = sqlx::query("SET SESSION sql_mode = ?").bind(mode.to_owned());
            statement.execute(&mut connection).await.map_err(sql_error)?;
        }
        connection.execute(MODES).await.map_err(sql_error)?;
        Ok(Self(connection))
    }
}

/// Adds the options for TLS.
fn with_tls(
    mut options: MySqlConnectOptions,
    address: &ServerAddress,
) -> Result<MySqlConnectOptions, SqlError> {
    let is = |names: &[&str], wanted: bool| {
        let value = address.option(names).map(str::to_ascii_lowercase);
        value.is_some_and(|value| matches!(value.as_str(), "true" | "1" | "yes" | "on") == wanted)
    };
    if let Some(path) = address.option(&["ssl_ca", "ssl-ca"]) {
        let mode = if is(&["ssl_check_hostname", "ssl_verify_identity"], false) {
            MySqlSslMode::VerifyCa
        } else {
            MySqlSslMode::VerifyIdentity
        };
        options = options.ssl_mode(mode).ssl_ca(path);
    }
    if is(&["ssl_disabled"], true) {
        options = options.ssl_mode(MySqlSslMode::Disabled);
    }
    if let Some(mode) = address.option(&["ssl-mode", "ssl_mode"]) {
        options = options.ssl_mode(mode.parse::<MySqlSslMode>().map_err(sql_error)?);
    }
    if let (Some(certificate), Some(key)) = (
        address.option(&["ssl_cert", "ssl-cert"]),
        address.option(&["ssl_key", "ssl-key"]),
    ) {
        options = options.ssl_client_cert(certificate).ssl_client_key(key);
    }
    Ok(options)
}

#[async_trait]
impl Connection for MySqlDatabase {
    async fn begin(&mut self, _access: TransactionKind) -> Result<Box<dyn Transaction + '_>, SqlError> {
        let transaction = self.0.begin().await.map_err(sql_error)?;
        Ok(Box::new(MySqlTransaction(transaction)))
    }
}

transaction! {
    MySqlTransaction of MySql, MySqlArguments, MySqlRow;
    text: str::to_owned, cell: cell, error: sql_error,
    tables: "SELECT CAST(table_name AS CHAR) FROM information_schema.tables WHERE table_schema = DATABASE()",
    columns: "SELECT CAST(column_name AS CHAR) FROM information_schema.columns \
              WHERE table_schema = DATABASE() AND table_name = ?",
    text_limit: Some(
        "SELECT CAST(character_maximum_length AS SIGNED) FROM information_schema.columns \
         WHERE table_schema = DATABASE() AND table_name = ? AND column_name = ?"
    ),
}

fn cell(row: &MySqlRow, index: usize, kind: &str) -> Result<Cell, sqlx::Error> {
    match kind {
        "BIGINT" | "INT" => row.try_get(index).map(Cell::Int),
        "DOUBLE" => row.try_get(index).map(Cell::Real),
        _ => row.try_get(index).map(Cell::Text),
    }
}

/// The error numbers with a hint or special handling;
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
            "check the user and password in MLFLOW_TRACKING_URI, and the user's privileges"
        }
        number::NO_DATABASE => "check the database name in MLFLOW_TRACKING_URI, or create the database",
        number::NO_PERMISSION => "grant the user SELECT, INSERT and UPDATE on MLflow's tables",
        number::READ_ONLY => "set MLFLOW_TRACKING_URI to the primary server; this one is read-only",
        number::TOO_LONG => "upgrade the tables with `mlflow db upgrade`; newer ones allow longer values",
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
