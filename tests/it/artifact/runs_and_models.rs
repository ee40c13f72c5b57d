//! `runs:` and `models:` URIs, resolved by each kind of tracking store.

use std::process::Command;

use super::{SHOW, layout, run};
use crate::harness::{MlflowServer, Printed, Project, Requirement, require};

/// Makes a run with an artifact, a registered model of it with an alias and a stage, and prints the ids.
const MAKE: &str = r#"
import sys, mlflow
from mlflow import MlflowClient
mlflow.set_tracking_uri(sys.argv[1])
client = MlflowClient()
with mlflow.start_run() as run:
    mlflow.log_text("one\n", "model/d/one.txt")
    mlflow.log_text("two\n", "model/two.txt")
name = sys.argv[2]
client.create_registered_model(name)
for _ in range(2):
    version = client.create_model_version(name, run.info.artifact_uri + "/model", run.info.run_id)
client.set_registered_model_alias(name, "best", "1")
client.transition_model_version_stage(name, "1", "Production")
print(run.info.run_id)
"#;

fn made(venv: Requirement, store: &str, model: &str, project: &Project) -> Option<String> {
    let python = require(venv)?.join("bin/python");
    let text = Command::new(python)
        .args(["-W", "ignore", "-c", MAKE, store, model])
        .current_dir(project.sandbox().work())
        .envs([
            ("MLFLOW_DISABLE_TELEMETRY", "true"),
            ("MLFLOW_ALLOW_FILE_STORE", "true"),
        ])
        .printed();
    Some(text.lines().last().unwrap().trim().to_owned())
}

fn resolves(project: Project, store: &str, model: &str, venv: Requirement) {
    let Some(run_id) = made(venv, store, model, &project) else {
        return;
    };
    let project = project.env("MLFLOW_TRACKING_URI", store);
    let whole = vec!["d/one.txt", "two.txt"];
    for (uri, files, path) in [
        (
            format!("runs:/{run_id}/model/two.txt"),
            vec!["two.txt"],
            "two.txt",
        ),
        (
            format!("runs:/{run_id}/model"),
            vec!["model/d/one.txt", "model/two.txt"],
            "model",
        ),
        (format!("models:/{model}/1"), whole.clone(), ""),
        (format!("models:/{model}/latest"), whole.clone(), ""),
        (format!("models:/{model}/production"), whole.clone(), ""),
        (format!("models:/{model}@best"), whole.clone(), ""),
        (
            format!("models:/{model}/2/d/one.txt"),
            vec!["d/one.txt"],
            "d/one.txt",
        ),
    ] {
        let finished = run(&project, &uri).with_code(0);
        let (found, own) = layout(finished.stdout());
        let found: Vec<&str> = found.keys().map(String::as_str).collect();
        assert_eq!((found, own.as_str()), (files, path), "{uri}");
    }
    for (uri, expected) in [
        (
            "runs:/0123456789abcdef0123456789abcdef/x".to_owned(),
            "run '0123456789abcdef0123456789abcdef' does not exist",
        ),
        (format!("runs:/{run_id}/nope"), "not found"),
        (format!("models:/{model}/9"), "does not exist"),
        (format!("models:/{model}/Staging"), "does not exist"),
        (format!("models:/{model}@worst"), "does not exist"),
    ] {
        let finished = run(&project, &uri).with_code(1);
        let told = finished.stderr();
        // Servers tell of a missing alias in words of their own.
        let is_told = told.contains(expected) || told.contains("not found");
        assert!(is_told && !told.contains("=== Run (ID"), "{uri}: {told}");
    }
}

#[test]
fn a_database_knows_runs_and_models() {
    let project = Project::new().mlproject(SHOW);
    resolves(project, "sqlite:///mlflow.db", "my model", Requirement::Mlflow3);
}

#[test]
fn an_older_database_knows_runs_and_models() {
    let project = Project::new().mlproject(SHOW);
    resolves(project, "sqlite:///mlflow.db", "m", Requirement::Mlflow2);
}

#[test]
fn a_file_store_knows_runs_and_models() {
    let project = Project::new().mlproject(SHOW);
    let store = project.sandbox().work().join("mlruns").display().to_string();
    resolves(project, &store, "m", Requirement::Mlflow2);
}

#[test]
fn a_server_knows_runs_and_models() {
    let Some(server) = MlflowServer::shared() else {
        return;
    };
    let project = Project::new().mlproject(SHOW);
    resolves(project, server.url(), "data-stores-model", Requirement::Mlflow3);
}
