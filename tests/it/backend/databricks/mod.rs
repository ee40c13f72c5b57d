//! Databricks: the tracking store, the backend and the credentials, against a workspace on loopback
//! that independent clients speak to as well.

mod cancelled;
mod clients;
mod credentials;
mod entry_points;
mod example;
mod faults;
mod jobs;
mod kept_output;
mod reference;
mod store;
mod submission;
mod uploads;

use std::process::{Child, Stdio};

use fake_databricks::{FakeDatabricks, Settings, TOKEN};

use crate::harness::{Finished, MlflowServer, Project, StoreContents, StoredRun};

/// The experiment of most tests.
const EXPERIMENT: &str = "/Users/user@example.com/tests";

/// A cluster that the workspace takes.
const CLUSTER: &str = r#"{"new_cluster": {"spark_version": "15.4.x-scala2.12", "num_workers": 1, "node_type_id": "i3.xlarge"}}"#;

/// A workspace with the tracking server of the newest MLflow; nothing where that is missing.
fn workspace(settings: Settings) -> Option<FakeDatabricks> {
    let server = MlflowServer::shared()?;
    Some(FakeDatabricks::start(Settings {
        mlflow: Some(server.url().to_owned()),
        ..settings
    }))
}

/// A project with the workspace's token in its environment.
fn project(fake: &FakeDatabricks) -> Project {
    anonymous_project(fake)
        .env("DATABRICKS_HOST", fake.url())
        .env("DATABRICKS_TOKEN", TOKEN)
        .env("MLFLOW_TRACKING_URI", "databricks")
}

/// A project without credentials, with retries that come at once.
fn anonymous_project(_fake: &FakeDatabricks) -> Project {
    Project::new()
        .mlproject(
            r"name: x
entry_points:
  main:
    parameters:
      alpha: {type: float, default: 0.5}
      data: {type: path, default: /dbfs/data.csv}
    command: python train.py {alpha} {data}
",
        )
        .file("train.py", "print('hi')\n")
        .env("MLFLOW_HTTP_REQUEST_BACKOFF_FACTOR", "0")
        .env("MLFLOW_HTTP_REQUEST_BACKOFF_JITTER", "0")
}

/// What runs the project on Databricks.
const RUN: [&str; 8] = [
    "run",
    "project",
    "-b",
    "databricks",
    "-c",
    CLUSTER,
    "--experiment-name",
    EXPERIMENT,
];

/// Runs the project on Databricks with these arguments more.
fn run<'a>(project: &'a Project, arguments: &[&str]) -> Finished<'a> {
    project.mlrun(&[&RUN[..], arguments].concat())
}

/// As [`run`], for a test that sends it signals; what it says goes to `said`.
fn start(project: &Project, arguments: &[&str], said: Stdio) -> Child {
    let mut command = project.started(&RUN);
    command.args(arguments).stderr(said).spawn().unwrap()
}

/// The run named in the program's output, as the tracking server behind the workspace has it.
fn recorded(finished: &Finished<'_>) -> StoredRun {
    recorded_in(finished.stderr())
}

/// The run named in this text.
fn recorded_in(text: &str) -> StoredRun {
    stored(&run_id(text))
}

fn stored(run_id: &str) -> StoredRun {
    let server = MlflowServer::shared().unwrap();
    let runs = StoreContents::of_sqlite(&server.database()).runs;
    let found = runs.into_iter().find(|run| run.run_id == run_id);
    found.unwrap_or_else(|| panic!("no run {run_id}"))
}

fn run_id(text: &str) -> String {
    let (_, rest) = text
        .split_once("Run (ID '")
        .unwrap_or_else(|| panic!("no run in: {text}"));
    rest[..32].to_owned()
}

/// The id of the run that the workspace's only job is for.
fn run_id_of_job(fake: &FakeDatabricks) -> String {
    let body = fake.submitted().pop().unwrap();
    let command = body["shell_command_task"]["command"][2]
        .as_str()
        .unwrap()
        .to_owned();
    let (_, rest) = command.split_once("run_id\": \"").unwrap();
    rest[..32].to_owned()
}
