//! PostgreSQL.

use std::time::Duration;

use async_trait::async_trait;
use reqwest::Url;
use sqlx::error::ErrorKind;
use sqlx::postgres::{PgArguments, PgConnectOptions, PgRow};
use sqlx::{ConnectOptions, Connection as _, PgConnection, Postgres, Row as _};

use super::address::{OptionNames, ServerAddress, read_port, refuse};
use super::driver::{Cell, Connection, SqlError, Transaction, TransactionKind, Value};
use super::sqlx_driver::{other_error, transaction, within};
use crate::redact::Secret;

/// The options of libpq, psycopg and pg8000;
/// <https://www.postgresql.org/docs/current/libpq-connect.html#LIBPQ-PARAMKEYWORDS>.
const OPTIONS: OptionNames = OptionNames {
    user: &["user"],
    password: &["password"],
    database: &["dbname"],
    heeded: &[
        "host",
        "port",
        "sslmode",
        "sslrootcert",
        "sslcert",
        "sslkey",
        "connect_timeout",
        "application_name",
        "options",
        "hostaddr",
        "unix_sock",
        "timeout",
        "fallback_application_name",
    ],
    harmless: &[
        "client_encoding",
        "keepalives",
        "keepalives_idle",
        "keepalives_interval",
        "keepalives_count",
        "tcp_keepalive",
        "tcp_user_timeout",
        "sslcompression",
        "sslsni",
        "sslnegotiation",
        "gssencmode",
        "gssdelegation",
        "gsslib",
        "krbsrvname",
        "channel_binding",
        "ssl_min_protocol_version",
        "ssl_max_protocol_version",
        "min_protocol_version",
        "max_protocol_version",
        "target_session_attrs",
        "load_balance_hosts",
        "prepare_threshold",
    ],
    unsupported: &[
        "passfile",
        "service",
        "servicefile",
        "sslpassword",
        "sslcertmode",
        "sslcrl",
        "sslcrldir",
        "sslkeylogfile",
        "requirepeer",
        "require_auth",
        "replication",
        "scram_client_key",
        "scram_server_key",
        "source_address",
        "ssl_context",
        "oauth_issuer",
        "oauth_client_id",
        "oauth_client_secret",
        "oauth_scope",
    ],
};

/// Unsupported values, by option.
const UNSUPPORTED_VALUES: [(&str, &[&str]); 3] = [
    ("channel_binding", &["require"]),
    ("gssencmode", &["require"]),
    (
        "target_session_attrs",
        &["read-only", "standby", "prefer-standby"],
    ),
];

/// A connection to a PostgreSQL server.
pub(super) struct PostgresDatabase(PgConnection);

impl PostgresDatabase {
    /// Connects to the first host that responds. Missing parts of the address are taken from `PGHOST`, `PGUSER`,
    /// `PGPASSWORD`, `~/.pgpass` and so on, as in every client of PostgreSQL.
    pub(super) async fn open(uri: &Secret) -> Result<Self, SqlError> {
        let address = ServerAddress::parse(uri.expose(), &OPTIONS)?;
        for (name, refused) in UNSUPPORTED_VALUES {
            if let Some(value) = address.option(&[name]).filter(|value| refused.contains(value)) {
                return Err(SqlError::with_hint(
                    format!("mlrun does not support {name}={value} in the address"),
                    format!("remove '{name}' from MLFLOW_TRACKING_URI, or use a tracking server"),
                ));
            }
        }
        let limit = address
            .seconds(&["connect_timeout", "timeout"])?
            .map(Duration::from_secs);
        let mut result = Err(refuse("the address contains no host"));
        for (host, port) in hosts(&address)? {
            let options = connect_options(&address, host.as_deref(), port)?;
            let place = (host, options.get_port());
            result = within(limit, options.connect(), place, sql_error).await;
            // Try the next host only if this one does not respond.
            if !result.as_ref().is_err_and(|error| error.may_pass) {
                break;
            }
        }
        result.map(Self)
    }
}

/// A host and its port, if the address contains them.
type HostAndPort = (Option<String>, Option<u16>);

/// The hosts to try, each with its port if there is one: `host=a,b&port=1,2` or `host=a:1&host=b:2`, as in SQLAlchemy.
/// No host means the environment's.
fn hosts(address: &ServerAddress) -> Result<Vec<HostAndPort>, SqlError> {
    if let Some(socket) = address.option(&["unix_sock"]) {
        // pg8000 expects the socket, libpq its directory.
        let directory = socket.rsplit_once("/.s.PGSQL.");
        let port = directory.map(|(_, port)| read_port(port)).transpose()?;
        let directory = directory.map_or(socket, |(directory, _)| directory);
        return Ok(vec![(Some(directory.to_owned()), port)]);
    }
    let named = match address.option(&["hostaddr"]) {
        Some(_) => "hostaddr",
        None => "host",
    };
    let given: Vec<&str> = address.all(&[named]).flat_map(|hosts| hosts.split(',')).collect();
    let ports: Vec<&str> = address
        .all(&["port"])
        .flat_map(|ports| ports.split(','))
        .collect();
    if ports.len() > 1 && ports.len() != given.len() {
        return Err(refuse("the address has different numbers of hosts and ports"));
    }
    if given.is_empty() {
        return Ok(vec![(address.host.clone(), address.port()?)]);
    }
    let port_at = |index: usize| ports.get(index).or(ports.first()).filter(|port| !port.is_empty());
    given
        .into_iter()
        .enumerate()
        .map(|(index, host)| {
            let (host, own_port) = match host.split_once(':') {
                Some((host, port)) if !port.contains(':') => {
                    (host, Some(port).filter(|port| !port.is_empty()))
                }
                _ => (host, None),
            };
            let port = own_port.or(port_at(index).copied()).map(read_port).transpose()?;
            Ok((
                Some(host.to_owned()).filter(|host| !host.is_empty()),
                port.or(address.port),
            ))
        })
        .collect()
}

/// The options for one host, in the form in which sqlx reads `~/.pgpass` and passes texts to the server unchanged.
fn connect_options(
    address: &ServerAddress,
    host: Option<&str>,
    port: Option<u16>,
) -> Result<PgConnectOptions, SqlError> {
    let mut url = Url::parse("postgres:///").map_err(|error| SqlError::new(error.to_string()))?;
    let port = port.map(|port| port.to_string());
    let application = address.option(&["application_name"]);
    let pairs = [
        ("host", host),
        ("port", port.as_deref()),
        ("user", address.user.as_deref()),
        ("password", address.password.as_ref().map(Secret::expose)),
        ("dbname", Some(&*address.database)),
        ("sslmode", address.option(&["sslmode"])),
        ("sslrootcert", address.option(&["sslrootcert"])),
        ("sslcert", address.option(&["sslcert"])),
        ("sslkey", address.option(&["sslkey"])),
        ("options", address.option(&["options"])),
        (
            "application_name",
            application.or(address.option(&["fallback_application_name"])),
        ),
    ];
    let given = pairs.into_iter().filter_map(|(name, value)| Some((name, value?)));
    url.query_pairs_mut().extend_pairs(given);
    let options = PgConnectOptions::from_url(&url).map_err(sql_error)?;
    Ok(options.disable_statement_logging())
}

#[async_trait]
impl Connection for PostgresDatabase {
    async fn begin(&mut self, _access: TransactionKind) -> Result<Box<dyn Transaction + '_>, SqlError> {
        let transaction = self.0.begin().await.map_err(sql_error)?;
        Ok(Box::new(PostgresTransaction(transaction)))
    }
}

transaction! {
    PostgresTransaction of Postgres, PgArguments, PgRow;
    text: numbered, cell: cell, error: sql_error,
    tables: "SELECT table_name::text FROM information_schema.tables \
             WHERE table_schema = ANY(current_schemas(false)::text[])",
    columns: "SELECT column_name::text FROM information_schema.columns \
              WHERE table_schema = ANY(current_schemas(false)::text[]) AND table_name = ?",
    text_limit: Some(
        "SELECT character_maximum_length FROM information_schema.columns \
         WHERE table_schema = ANY(current_schemas(false)::text[]) AND table_name = ? AND column_name = ?"
    ),
}

/// Replaces the parameters by `$1`, `$2` and so on. No statement has other question marks.
fn numbered(sql: &str) -> String {
    let mut parts = sql.split('?');
    let mut result = parts.next().unwrap_or_default().to_owned();
    for (index, part) in parts.enumerate() {
        result.push_str(&format!("${}{part}", index + 1));
    }
    result
}

fn cell(row: &PgRow, index: usize, kind: &str) -> Result<Cell, sqlx::Error> {
    match kind {
        "INT8" => row.try_get(index).map(Cell::Int),
        "INT4" => row
            .try_get::<i32, _>(index)
            .map(|number| Cell::Int(number.into())),
        "FLOAT8" => row.try_get(index).map(Cell::Real),
        _ => row.try_get(index).map(Cell::Text),
    }
}

/// The error codes with a hint; <https://www.postgresql.org/docs/current/errcodes-appendix.html>.
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
    let code = error.code().unwrap_or_default();
    let hint = match &*code {
        code::INVALID_PASSWORD | code::INVALID_AUTHORIZATION => {
            "check the user and password in MLFLOW_TRACKING_URI, PGPASSWORD or ~/.pgpass"
        }
        code::NO_DATABASE => "check the database name in MLFLOW_TRACKING_URI, or create the database",
        code::NO_PERMISSION => "grant the user SELECT, INSERT and UPDATE on MLflow's tables",
        code::READ_ONLY => "set MLFLOW_TRACKING_URI to the primary server; this one is read-only",
        code::TOO_LONG => "upgrade the tables with `mlflow db upgrade`; newer ones allow longer values",
        _ => "",
    };
    SqlError {
        message: error.message().to_owned(),
        hint: Some(hint.to_owned()).filter(|hint| !hint.is_empty()),
        may_pass: ["57P", "08", "53"].iter().any(|class| code.starts_with(class)),
        is_crowded: code == code::TOO_MANY_CONNECTIONS,
        breaks_check: matches!(error.kind(), ErrorKind::CheckViolation),
        lost_race: matches!(error.kind(), ErrorKind::UniqueViolation)
            || matches!(&*code, code::NOT_SERIALIZABLE | code::DEADLOCK),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hosts_are_those_that_libpq_tries() {
        for (uri, expected) in [
            ("postgresql://h:1/x", "h:1"),
            ("postgresql:///x?host=/run/postgresql", "/run/postgresql:-"),
            ("postgresql://h:1/x?host=/run&port=2", "/run:2"),
            ("postgresql://h:1/x?host=a", "a:1"),
            ("postgresql:///x?host=a,b&port=1,2", "a:1 b:2"),
            ("postgresql:///x?host=a,b,c&port=7", "a:7 b:7 c:7"),
            ("postgresql:///x?host=a:1&host=b:2", "a:1 b:2"),
            ("postgresql:///x?host=::1", "::1:-"),
            ("postgresql://h/x?hostaddr=10.0.0.1", "10.0.0.1:-"),
            ("postgresql+pg8000:///x?unix_sock=/run/.s.PGSQL.5433", "/run:5433"),
            ("postgresql:///x", "-:-"),
        ] {
            let address = ServerAddress::parse(uri, &OPTIONS).unwrap();
            let shown: Vec<String> = hosts(&address)
                .unwrap()
                .into_iter()
                .map(|(host, port)| {
                    let port = port.map_or("-".to_owned(), |port| port.to_string());
                    format!("{}:{port}", host.as_deref().unwrap_or("-"))
                })
                .collect();
            assert_eq!(shown.join(" "), expected, "{uri}");
        }
        for uri in [
            "postgresql:///x?host=a,b,c&port=1,2",
            "postgresql:///x?host=a&port=geheim",
        ] {
            let address = ServerAddress::parse(uri, &OPTIONS).unwrap();
            assert!(!hosts(&address).unwrap_err().message.contains("geheim"));
        }
    }
}
