//! A real MLflow client in a Python process of its own.

use std::io::{BufRead as _, BufReader, Write as _};
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdin, ChildStdout, Stdio};
use std::sync::{Mutex, MutexGuard, OnceLock};

use serde_json::{Value, json};

use crate::harness::{Requirement, Sandbox, StoreContents, require};

/// A real MLflow client; see `client.py` beside this file.
pub(crate) struct Client {
    venv: PathBuf,
    requests: ChildStdin,
    answers: BufReader<ChildStdout>,
    _process: Child,
    _sandbox: Sandbox,
}

impl Client {
    /// The client of the newest MLflow, started on first use; nothing where it is missing.
    pub(crate) fn newest() -> Option<MutexGuard<'static, Self>> {
        static CLIENT: OnceLock<Option<Mutex<Client>>> = OnceLock::new();
        Self::once(&CLIENT, Requirement::Mlflow3)
    }

    /// The client of an MLflow 2, started on first use; nothing where it is missing.
    pub(crate) fn older() -> Option<MutexGuard<'static, Self>> {
        static CLIENT: OnceLock<Option<Mutex<Client>>> = OnceLock::new();
        Self::once(&CLIENT, Requirement::Mlflow2)
    }

    fn once(
        client: &'static OnceLock<Option<Mutex<Self>>>,
        requirement: Requirement,
    ) -> Option<MutexGuard<'static, Self>> {
        let client = client.get_or_init(|| Some(Mutex::new(Self::start(require(requirement)?))));
        // A test that failed while it held the client leaves it usable.
        client
            .as_ref()
            .map(|client| client.lock().unwrap_or_else(|poisoned| poisoned.into_inner()))
    }

    fn start(venv: PathBuf) -> Self {
        let sandbox = Sandbox::new();
        let program = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/it/client_readers/client.py");
        let mut process = sandbox
            .command(venv.join("bin/python"))
            .args(["-B", "-W", "ignore"])
            .arg(program)
            .envs([
                ("MLFLOW_DISABLE_TELEMETRY", "true"),
                ("MLFLOW_ALLOW_FILE_STORE", "true"),
            ])
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(std::fs::File::create(sandbox.root().join("stderr")).unwrap())
            .spawn()
            .unwrap();
        let requests = process.stdin.take().unwrap();
        let answers = BufReader::new(process.stdout.take().unwrap());
        Self {
            venv,
            requests,
            answers,
            _process: process,
            _sandbox: sandbox,
        }
    }

    /// The virtual environment that the client is from.
    pub(crate) fn venv(&self) -> &Path {
        &self.venv
    }

    /// Makes a store with one run of its own in an experiment `made before`.
    pub(crate) fn make(&mut self, uri: &str) {
        self.ask("make", uri);
    }

    /// All that the client finds in a store.
    pub(crate) fn read(&mut self, uri: &str) -> Value {
        self.ask("read", uri)
    }

    fn ask(&mut self, action: &str, uri: &str) -> Value {
        writeln!(self.requests, "{action} {uri}").unwrap();
        let mut line = String::new();
        self.answers.read_line(&mut line).unwrap();
        let log = || std::fs::read_to_string(self._sandbox.root().join("stderr")).unwrap();
        serde_json::from_str(&line).unwrap_or_else(|error| panic!("{action} {uri}: {error}\n{}", log()))
    }
}

/// What a client must find in a store that looks like this on the disk.
pub(super) fn expected(contents: &StoreContents) -> Value {
    let experiments: serde_json::Map<String, Value> = contents
        .experiments
        .iter()
        .map(|experiment| (experiment.name.clone(), json!(experiment.artifact_location)))
        .collect();
    let runs: Vec<Value> = contents
        .runs
        .iter()
        .map(|run| {
            json!({
                "run_id": run.run_id,
                "experiment": contents.experiment(&run.experiment_id).unwrap().name,
                "name": run.name,
                "status": run.status,
                "start_time": run.start_time,
                "end_time": run.end_time,
                "lifecycle_stage": run.lifecycle_stage,
                "artifact_uri": run.artifact_uri,
                "user": run.user,
                "params": run.params,
                "tags": run.tags,
                "metrics": {},
            })
        })
        .collect();
    json!({"experiments": experiments, "runs": runs})
}
