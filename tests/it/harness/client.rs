//! Real MLflow clients: one that stays in a Python process of its own, and scripts.

use std::io::{BufRead as _, BufReader, Write as _};
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};
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
        let program = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/it/harness/client.py");
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
pub(crate) fn expected_of_client(contents: &StoreContents) -> Value {
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

/// A command that sees nothing of the environment but its path.
fn clean_command(program: &Path, directory: &Path) -> Command {
    let mut command = Command::new(program);
    command
        .env_clear()
        .env("PATH", std::env::var_os("PATH").unwrap_or_default())
        .env("HOME", directory)
        .env("NO_PROXY", "*")
        .env("MLFLOW_DISABLE_TELEMETRY", "true")
        .env("MLFLOW_ALLOW_FILE_STORE", "true")
        .current_dir(directory)
        .stdin(Stdio::null());
    command
}

/// Runs Python code with a tracking store. Gives the last line that it prints, as JSON.
pub(crate) fn python(
    venv: &Path,
    directory: &Path,
    tracking_uri: &str,
    variables: &[(&str, &str)],
    code: &str,
    arguments: &[&str],
) -> Value {
    let output = clean_command(&venv.join("bin/python"), directory)
        .args(["-c", code])
        .args(arguments)
        .env("MLFLOW_TRACKING_URI", tracking_uri)
        .envs(variables.iter().copied())
        .output()
        .unwrap();
    let (stdout, stderr) = (
        String::from_utf8_lossy(&output.stdout),
        String::from_utf8_lossy(&output.stderr),
    );
    assert!(output.status.success(), "{stdout}\n{stderr}");
    serde_json::from_str(stdout.lines().last().unwrap()).unwrap()
}
