//! A real `mlflow server` on loopback, one for all tests of this process.

use std::io::{Read as _, Write as _};
use std::net::{TcpListener, TcpStream};
use std::os::unix::process::CommandExt as _;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::OnceLock;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::{Duration, Instant};

use super::{Requirement, Sandbox, StoredRun, require};

/// How long a server may take to answer its first request.
const START_LIMIT: Duration = Duration::from_secs(180);

/// Starts a program in a process group of its own and ends that group when standard input ends:
/// the tests' own end closes it, however they end.
const SUPERVISOR: &str = r#"set -m; "$@" </dev/null & group=$!; cat >/dev/null; kill -TERM -- "-$group" 2>/dev/null;
for _ in 1 2 3 4 5 6 7 8 9 10; do kill -0 -- "-$group" 2>/dev/null || exit 0; sleep 0.2; done; kill -KILL -- "-$group""#;

/// A server program that ends with the tests, however they end: the standard input that is a pipe
/// to this process is its leash. Starts in a process group of its own.
pub(crate) fn supervised(sandbox: &Sandbox, program: impl AsRef<std::ffi::OsStr>) -> Command {
    let mut command = sandbox.command("bash");
    command.args(["-c", SUPERVISOR, "supervisor"]).arg(program);
    command.stdin(Stdio::piped()).process_group(0);
    command
}

/// A running server.
pub(crate) struct MlflowServer {
    url: String,
    venv: PathBuf,
    port: u16,
    /// What it was started with besides what every one is.
    options: Options,
    sandbox: Sandbox,
    supervisor: Child,
}

/// Options of the command line, and variables.
#[derive(Clone, Default)]
struct Options {
    arguments: Vec<String>,
    variables: Vec<(String, String)>,
}

impl MlflowServer {
    /// The server of the newest MLflow, started on first use; nothing where MLflow is missing.
    pub(crate) fn shared() -> Option<&'static Self> {
        static SERVER: OnceLock<Option<MlflowServer>> = OnceLock::new();
        SERVER
            .get_or_init(|| Some(Self::start(&require(Requirement::Mlflow3)?)))
            .as_ref()
    }

    /// Starts a server of the MLflow in this virtual environment on a free port.
    ///
    /// # Panics
    /// When the server does not answer in time.
    pub(crate) fn start(venv: &Path) -> Self {
        Self::start_with(venv, &[], &[])
    }

    /// As [`MlflowServer::start`], with more options and variables.
    pub(crate) fn start_with(venv: &Path, arguments: &[&str], variables: &[(&str, String)]) -> Self {
        let options = Options {
            arguments: arguments.iter().map(|argument| (*argument).to_owned()).collect(),
            variables: variables
                .iter()
                .map(|(name, value)| ((*name).to_owned(), value.clone()))
                .collect(),
        };
        let sandbox = Sandbox::new();
        let port = free_port();
        let server = Self {
            url: format!("http://127.0.0.1:{port}"),
            venv: venv.to_owned(),
            port,
            supervisor: spawn(&sandbox, venv, port, &options),
            options,
            sandbox,
        };
        server.wait_until_it_answers(port);
        server
    }

    /// Ends the server; nothing listens on its port any more.
    pub(crate) fn stop(&mut self) {
        drop(self.supervisor.stdin.take());
        self.supervisor.wait().unwrap();
        assert!(
            TcpStream::connect(("127.0.0.1", self.port)).is_err(),
            "still there"
        );
    }

    /// Starts the server anew on the same port, over the same database.
    pub(crate) fn restart(&mut self) {
        self.supervisor = spawn(&self.sandbox, &self.venv, self.port, &self.options);
        self.wait_until_it_answers(self.port);
    }

    /// The tracking URI.
    pub(crate) fn url(&self) -> &str {
        &self.url
    }

    /// The virtual environment that the server is from.
    pub(crate) fn venv(&self) -> &Path {
        &self.venv
    }

    /// Where the server was started.
    pub(crate) fn work(&self) -> PathBuf {
        self.sandbox.work()
    }

    /// The SQLite file behind the server.
    pub(crate) fn database(&self) -> PathBuf {
        self.sandbox.work().join("server.db")
    }

    /// The text of an artifact of a run, which the server keeps as a file.
    ///
    /// # Panics
    /// When there is none.
    pub(crate) fn artifact(&self, run: &StoredRun, path: &str) -> String {
        let (_, place) = run.artifact_uri.split_once(":/").unwrap();
        let file = self.sandbox.work().join("mlartifacts").join(place).join(path);
        std::fs::read_to_string(&file).unwrap_or_else(|error| panic!("{}: {error}", file.display()))
    }

    fn wait_until_it_answers(&self, port: u16) {
        let start = Instant::now();
        while !is_healthy(port) {
            let log = || std::fs::read_to_string(self.sandbox.root().join("log")).unwrap();
            assert!(
                start.elapsed() < START_LIMIT,
                "mlflow server does not answer:\n{}",
                log()
            );
            // There is nothing to wait on but the port itself.
            std::thread::sleep(Duration::from_millis(50));
        }
    }
}

fn spawn(sandbox: &Sandbox, venv: &Path, port: u16, options: &Options) -> Child {
    let log = std::fs::File::create(sandbox.root().join("log")).unwrap();
    let mut command = supervised(sandbox, venv.join("bin/mlflow"));
    command.args([
        "server",
        "--host",
        "127.0.0.1",
        "--port",
        &port.to_string(),
        "--workers",
        "1",
    ]);
    command.args(["--backend-store-uri", "sqlite:///server.db"]);
    command.env(
        "PATH",
        format!(
            "{}/bin:{}",
            venv.display(),
            super::sandbox::program_directory().display()
        ),
    );
    // The newest server would start a dozen workers for jobs that no test has.
    command.envs([
        ("MLFLOW_DISABLE_TELEMETRY", "true"),
        ("MLFLOW_SERVER_ENABLE_JOB_EXECUTION", "false"),
    ]);
    command
        .args(&options.arguments)
        .envs(options.variables.iter().cloned());
    command.stdout(log.try_clone().unwrap()).stderr(log);
    command.spawn().unwrap()
}

/// A server behind TLS is taken for healthy when it takes connections, one with users when it asks who it is.
fn is_healthy(port: u16) -> bool {
    let Ok(mut stream) = TcpStream::connect(("127.0.0.1", port)) else {
        return false;
    };
    let request = format!("GET /health HTTP/1.1\r\nHost: 127.0.0.1:{port}\r\nConnection: close\r\n\r\n");
    stream.set_read_timeout(Some(Duration::from_secs(5))).unwrap();
    let mut answer = String::new();
    let is_read = stream.write_all(request.as_bytes()).is_ok() && stream.read_to_string(&mut answer).is_ok();
    let status = answer.strip_prefix("HTTP/1.1 ").unwrap_or_default();
    is_read && (answer.is_empty() || ["200", "400", "401"].iter().any(|good| status.starts_with(good)))
}

/// The ports are below those that a system gives to connections on its own: Linux begins at 32768,
/// others at 49152. Otherwise any program's connection could take a port before its server does, or
/// while its server is away.
const FIRST: u16 = 20_000;
const COUNT: u16 = 12_000;

/// A port of 127.0.0.1 at which nothing listens. No two calls give the same.
pub(crate) fn free_port() -> u16 {
    static CALLS: AtomicU32 = AtomicU32::new(0);
    // Test programs that run at the same time begin at different ports.
    let start = std::process::id().wrapping_mul(97);
    for _ in 0..COUNT {
        let call = CALLS.fetch_add(1, Ordering::Relaxed);
        let offset = start.wrapping_add(call) % u32::from(COUNT);
        let port = FIRST + u16::try_from(offset).expect("less than the count");
        if TcpListener::bind(("127.0.0.1", port)).is_ok() {
            return port;
        }
    }
    panic!("every port from {FIRST} to {} is taken", FIRST + COUNT);
}
