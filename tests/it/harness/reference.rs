//! The reference: the real `mlflow` program, many command lines from one Python process.

use std::collections::HashMap;
use std::io::{BufRead as _, BufReader, Write as _};
use std::os::unix::process::CommandExt as _;
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdin, Stdio};
use std::sync::mpsc::{Sender, channel};
use std::sync::{Arc, Mutex, OnceLock};
use std::time::Duration;

use serde_json::{Value, json};

use super::{Requirement, Sandbox, require};
use crate::harness::assert_contains;

/// How long one command line may take.
const LIMIT: Duration = Duration::from_secs(180);

/// The real `mlflow`, imported once; see `reference.py` beside this file.
pub(crate) struct Reference {
    venv: PathBuf,
    requests: Mutex<(u64, ChildStdin)>,
    waiting: Arc<Mutex<HashMap<u64, Sender<i32>>>>,
    _sandbox: Sandbox,
    _process: Child,
}

/// What the reference shall do in a sandbox.
pub(crate) struct Request<'a> {
    /// Where it starts.
    pub(crate) directory: &'a Path,
    /// All its variables.
    pub(crate) environment: &'a [(String, String)],
    /// Files for the three standard streams.
    pub(crate) streams: [&'a Path; 3],
}

impl Reference {
    /// The newest MLflow, started on first use; nothing where it is missing.
    pub(crate) fn shared() -> Option<&'static Self> {
        static REFERENCE: OnceLock<Option<Reference>> = OnceLock::new();
        REFERENCE
            .get_or_init(|| Some(Self::start(require(Requirement::Mlflow3)?)))
            .as_ref()
    }

    fn start(venv: PathBuf) -> Self {
        let sandbox = Sandbox::new();
        let program = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/it/harness/reference.py");
        let mut process = sandbox
            .command(venv.join("bin/python"))
            .arg("-B")
            .arg(program)
            .env("MLFLOW_DISABLE_TELEMETRY", "true")
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .process_group(0)
            .spawn()
            .unwrap();
        let mut answers = BufReader::new(process.stdout.take().unwrap()).lines();
        let ready = answers
            .next()
            .expect("the reference's Python must say that it is ready")
            .unwrap();
        assert_contains(&ready, "ready");
        let waiting = Arc::new(Mutex::new(HashMap::<u64, Sender<i32>>::new()));
        let senders = Arc::clone(&waiting);
        std::thread::spawn(move || {
            for line in answers.map_while(Result::ok) {
                let answer: Value = serde_json::from_str(&line).unwrap();
                let sender = senders
                    .lock()
                    .unwrap()
                    .remove(&answer["id"].as_u64().unwrap())
                    .unwrap();
                // A test that gave up no longer listens.
                let _ = sender.send(i32::try_from(answer["code"].as_i64().unwrap()).unwrap());
            }
        });
        let requests = Mutex::new((0, process.stdin.take().unwrap()));
        Self {
            venv,
            requests,
            waiting,
            _sandbox: sandbox,
            _process: process,
        }
    }

    /// The virtual environment that holds the reference.
    pub(crate) fn venv(&self) -> &Path {
        &self.venv
    }

    /// Does what `mlflow ARGUMENTS` does; returns its exit code.
    pub(crate) fn run(&self, request: &Request<'_>, arguments: &[String]) -> i32 {
        self.ask(request, "arguments", json!(arguments))
    }

    /// Runs Python text in which `client` is an MlflowClient; returns its exit code.
    pub(crate) fn script(&self, request: &Request<'_>, text: &str) -> i32 {
        self.ask(request, "script", json!(text))
    }

    fn ask(&self, request: &Request<'_>, what: &str, value: Value) -> i32 {
        let environment: HashMap<_, _> = request.environment.iter().cloned().collect();
        let [stdin, stdout, stderr] = request.streams;
        let (sender, receiver) = channel();
        {
            let mut requests = self.requests.lock().unwrap();
            requests.0 += 1;
            let id = requests.0;
            self.waiting.lock().unwrap().insert(id, sender);
            let mut message = json!({
                "id": id, "directory": request.directory, "environment": environment,
                "stdin": stdin, "stdout": stdout, "stderr": stderr,
            });
            message[what] = value;
            writeln!(requests.1, "{message}").unwrap();
        }
        receiver
            .recv_timeout(LIMIT)
            .expect("the reference must answer in time")
    }
}
