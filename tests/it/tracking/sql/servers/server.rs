//! Real database servers on loopback, one of a kind for all tests of this process.

use std::io::{BufRead as _, BufReader, Write as _};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::sync::OnceLock;

use crate::harness::{free_port, missing};

/// The password of the user `mlflow`, and as it stands in a URI.
const PASSWORD: &str = "p@ss/w:rd";
const QUOTED_PASSWORD: &str = "p%40ss%2Fw%3Ard";

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    Postgres,
    MariaDb,
}

/// A running server. It ends with this process.
pub(super) struct Server {
    pub(super) kind: Kind,
    port: u16,
    /// The directory that holds the socket.
    directory: String,
    _process: Child,
}

impl Server {
    /// The server of this kind, started on first use; nothing where its programs are missing.
    pub(super) fn shared(kind: Kind) -> Option<&'static Self> {
        static POSTGRES: OnceLock<Option<Server>> = OnceLock::new();
        static MARIADB: OnceLock<Option<Server>> = OnceLock::new();
        let (server, programs) = match kind {
            Kind::Postgres => (&POSTGRES, "PostgreSQL's server and psql"),
            Kind::MariaDb => (&MARIADB, "MariaDB's server and client"),
        };
        server
            .get_or_init(|| {
                if kind.is_installed() {
                    Some(Self::start(kind))
                } else {
                    missing(programs);
                    None
                }
            })
            .as_ref()
    }

    fn start(kind: Kind) -> Self {
        let script = match kind {
            Kind::Postgres => "postgres.sh",
            Kind::MariaDb => "mariadb.sh",
        };
        let port = free_port();
        let mut process = Command::new("bash")
            .arg(
                Path::new(env!("CARGO_MANIFEST_DIR"))
                    .join("tests/it/tracking/sql/servers")
                    .join(script),
            )
            .arg(port.to_string())
            .env("TMPDIR", "/tmp")
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let mut line = String::new();
        let mut stdout = BufReader::new(process.stdout.take().unwrap());
        stdout.read_line(&mut line).unwrap();
        let directory = line
            .trim_end()
            .strip_prefix("ready ")
            .unwrap_or_else(|| panic!("the {kind:?} server must start: {line}"));
        Self {
            kind,
            port,
            directory: directory.to_owned(),
            _process: process,
        }
    }

    /// Makes an empty database.
    pub(super) fn create(&self, database: &str) {
        let sql = match self.kind {
            Kind::Postgres => format!("CREATE DATABASE {database}"),
            Kind::MariaDb => format!("CREATE DATABASE {database} CHARACTER SET utf8mb4"),
        };
        self.query("", &sql);
    }

    /// The URI of a database, with the driver that Python's MLflow uses.
    pub(super) fn uri(&self, database: &str) -> String {
        let dialect = match self.kind {
            Kind::Postgres => "postgresql+psycopg2",
            Kind::MariaDb => "mysql+pymysql",
        };
        format!("{dialect}://{}/{database}", self.authority())
    }

    /// Texts with `<port>`, `<password>` (as it stands in a URI) and `<directory>` (of the socket) replaced.
    pub(super) fn expand(&self, text: &str) -> String {
        text.replace("<port>", &self.port.to_string())
            .replace("<password>", QUOTED_PASSWORD)
            .replace("<directory>", &self.directory)
    }

    /// User, password, host and port.
    pub(super) fn authority(&self) -> String {
        format!("mlflow:{QUOTED_PASSWORD}@127.0.0.1:{}", self.port)
    }

    /// Asks by the server's own client; rows are lines.
    pub(super) fn query(&self, database: &str, sql: &str) -> String {
        let port = self.port.to_string();
        let mut command = match self.kind {
            Kind::Postgres => {
                let mut command = Command::new("psql");
                let database = if database.is_empty() { "postgres" } else { database };
                command.args([
                    "-qAtX",
                    "-v",
                    "ON_ERROR_STOP=1",
                    "-h",
                    "127.0.0.1",
                    "-U",
                    "mlflow",
                    "-p",
                    &port,
                ]);
                command.args(["-d", database]).env("PGPASSWORD", PASSWORD);
                command
            }
            Kind::MariaDb => {
                let mut command = Command::new("mariadb");
                command.args([
                    "--no-defaults",
                    "-N",
                    "-B",
                    "--raw",
                    "-h",
                    "127.0.0.1",
                    "-u",
                    "mlflow",
                    "-P",
                    &port,
                ]);
                command
                    .args(["--default-character-set=utf8mb4", "-D", database])
                    .env("MYSQL_PWD", PASSWORD);
                command
            }
        };
        let mut process = command
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        process.stdin.take().unwrap().write_all(sql.as_bytes()).unwrap();
        let output = process.wait_with_output().unwrap();
        assert!(output.status.success(), "{sql}");
        String::from_utf8(output.stdout).unwrap()
    }
}

impl Kind {
    fn is_installed(self) -> bool {
        let script = match self {
            Kind::Postgres => {
                "command -v psql && { command -v postgres || ls -d /usr/lib/postgresql/*/bin/postgres; }"
            }
            Kind::MariaDb => "command -v mariadb && command -v mariadbd && command -v mariadb-install-db",
        };
        let status = Command::new("bash")
            .args(["-c", script])
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .status();
        status.is_ok_and(|status| status.success())
    }
}
