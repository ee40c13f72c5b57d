//! The real MLflow clients open every kind of store that mlrun wrote and find the same runs; and
//! an entry point that logs by such a client does so into the run that mlrun made.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;

use mlrun::internals::entities::{LifecycleStage, RunData, RunId};
use mlrun::internals::tracking::{self, ExperimentSelector, FinishedRuns, TrackingUri};
use serde_json::{Value, json};
use sqlx::sqlite::SqliteConnectOptions;
use sqlx::{ConnectOptions as _, Executor as _};

use crate::harness::{
    Client, MlflowServer, Project, Requirement, StoreContents, block_on, expected_of_client, python, require,
};

/// A project that needs no Python, with parameters whose values are not plain.
fn project() -> Project {
    Project::new().mlproject(
        r#"name: x
entry_points:
  main:
    parameters:
      a: {type: float, default: 0.5}
      b: {default: "it's ü"}
    command: echo {a} {b}
  fail:
    command: exit 3
"#,
    )
}

/// Runs the project three ways: in the default experiment, in one of its own, and failing.
fn run_all(project: &Project) {
    project.run(["-P", "c=x y"]).expect_code(0);
    project
        .run(["--experiment-name", "größe / x", "--run-name", "my run"])
        .expect_code(0);
    project.run(["-e", "fail"]).expect_code(1);
}

/// What mlrun's three runs must look like, whoever reads them.
#[track_caller]
fn assert_runs(contents: &StoreContents) {
    let from_mlrun: Vec<_> = contents
        .runs
        .iter()
        .filter(|run| run.tags["mlflow.source.type"] == "PROJECT")
        .collect();
    let statuses: Vec<&str> = from_mlrun.iter().map(|run| run.status.as_str()).collect();
    assert_eq!(statuses, ["FINISHED", "FINISHED", "FAILED"]);
    assert_eq!(from_mlrun[0].params["b"], "it's ü");
    assert_eq!(from_mlrun[0].params["c"], "x y");
    assert_eq!(from_mlrun[1].name, "my run");
    assert_eq!(
        contents.experiment(&from_mlrun[1].experiment_id).unwrap().name,
        "größe / x"
    );
}

/// The URI of a copy of a SQLite store: a client that opens a store may upgrade it.
fn copy(database: &Path, name: &str) -> String {
    let copy = database.with_file_name(name);
    fs::copy(database, &copy).unwrap();
    format!("sqlite:///{}", copy.display())
}

#[test]
fn a_new_sqlite_store_is_read_by_every_client() {
    let (Some(mut newest), Some(mut older)) = (Client::newest(), Client::older()) else {
        return;
    };
    let project = project();
    run_all(&project);
    let database = project.sandbox().work().join("mlflow.db");
    let contents = StoreContents::of_sqlite(&database);
    assert_runs(&contents);
    assert_eq!(
        newest.read(&copy(&database, "newest.db")),
        expected_of_client(&contents)
    );
    let upgraded = copy(&database, "older.db");
    assert_eq!(older.read(&upgraded), expected_of_client(&contents));
}

#[test]
fn mlrun_writes_into_a_sqlite_store_that_a_client_upgraded() {
    let (Some(mut newest), Some(mut older)) = (Client::newest(), Client::older()) else {
        return;
    };
    for client in [&mut *newest, &mut *older] {
        let project = project();
        let uri = project.sandbox().expand("sqlite:///<sandbox>/work/mlflow.db");
        project.run(["-P", "c=first"]).expect_code(0);
        client.read(&uri);
        run_all(&project);
        let contents = project.store();
        assert_eq!(contents.runs.len(), 4);
        assert_eq!(client.read(&uri), expected_of_client(&contents));
    }
}

#[test]
fn a_file_store_is_read_by_every_client() {
    let (Some(mut newest), Some(mut older)) = (Client::newest(), Client::older()) else {
        return;
    };
    let project = project().env("MLFLOW_TRACKING_URI", "<sandbox>/work/mlruns");
    run_all(&project);
    let directory = project.sandbox().work().join("mlruns");
    let contents = StoreContents::of_directory(&directory);
    assert_runs(&contents);
    let uri = format!("file://{}", directory.display());
    assert_eq!(newest.read(&uri), expected_of_client(&contents));
    assert_eq!(older.read(&uri), expected_of_client(&contents));
}

/// A program that logs into the run that it is started in, and tells which that is.
const LOGS: &str = "import mlflow\nwith mlflow.start_run() as run:\n    mlflow.log_param('own', 'x')\n    mlflow.log_metric('loss', 0.5)\n    print(run.info.run_id)\n";

#[test]
fn an_entry_point_logs_into_its_run_by_any_client() {
    // What an entry point is told of a named database does not depend on its MLflow.
    for (requirement, stores) in [
        (Requirement::Mlflow3, &["", "sqlite:///own.db", "mlruns"][..]),
        (Requirement::Mlflow2, &["", "mlruns"]),
        (Requirement::Mlflow318, &["", "mlruns"]),
    ] {
        let Some(venv) = require(requirement) else {
            continue;
        };
        for store in stores {
            let command = format!("{}/bin/python -B -W ignore train.py", venv.display());
            let project = Project::new()
                .mlproject(&format!("entry_points:\n  main:\n    parameters: {{a: {{default: 1}}}}\n    command: {command} {{a}}\n"))
                .file("train.py", LOGS)
                .env("MLFLOW_DISABLE_TELEMETRY", "true")
                .env("MLFLOW_TRACKING_URI", store);
            let finished = project.run([]).with_code(0);
            let work = project.sandbox().work();
            let contents = match *store {
                "" => StoreContents::of_sqlite(&work.join("mlflow.db")),
                "mlruns" => StoreContents::of_directory(&work.join(store)),
                _ => StoreContents::of_sqlite(&work.join("own.db")),
            };
            let run = contents.run();
            assert_eq!(finished.stdout().trim_end(), run.run_id, "{store}");
            assert_eq!(run.status, "FINISHED", "{store}");
            let params: Vec<_> = run.params.iter().map(|(key, value)| (&**key, &**value)).collect();
            assert_eq!(params, [("a", "1"), ("own", "x")], "{store}");
        }
    }
}

/// A run as the client's program shows it; without its metrics and its experiment's name.
fn shown(run: &RunData) -> Value {
    let map = |pairs: &[(String, String)]| pairs.iter().cloned().collect::<BTreeMap<_, _>>();
    json!({
        "run_id": run.info.run_id.as_str(),
        "name": run.info.run_name,
        "status": run.info.status.as_str(),
        "start_time": run.start_time.map(|time| time.0),
        "end_time": run.end_time.map(|time| time.0),
        "lifecycle_stage": run.lifecycle_stage.as_str(),
        "artifact_uri": run.info.artifact_uri,
        "user": run.user,
        "params": map(&run.params),
        "tags": map(&run.tags),
    })
}

async fn assert_same_run(uri: &str, from_client: &Value) {
    let uri = TrackingUri::resolve(Some(uri), std::path::Path::new("/")).unwrap();
    let store = tracking::open(&uri).await.unwrap();
    let mut expected = from_client["runs"][0].clone();
    for key in ["experiment", "metrics"] {
        expected.as_object_mut().unwrap().remove(key);
    }
    let run_id = RunId::new(expected["run_id"].as_str().unwrap());
    let run = store.run_data(&run_id).await.unwrap();
    assert_eq!(shown(&run), expected, "{uri}");
    assert_eq!(run.lifecycle_stage, LifecycleStage::Active);
    assert_eq!(run.param("before"), Some("yes"));

    let selector = ExperimentSelector::Name("made before".to_owned());
    let wanted = FinishedRuns {
        experiment_id: store.experiment(&selector).await.unwrap(),
        tags: vec![("mlflow.source.type".to_owned(), "LOCAL".to_owned())],
        limit: 5,
    };
    assert_eq!(store.finished_runs(&wanted).await.unwrap(), [run], "{uri}");
}

#[test]
fn mlrun_and_clients_share_every_kind_of_store() {
    let (Some(mut newest), Some(mut older)) = (Client::newest(), Client::older()) else {
        return;
    };
    for is_newest in [true, false] {
        let client = if is_newest { &mut newest } else { &mut older };
        let server = MlflowServer::start(client.venv());
        for uri in [
            "sqlite:///<sandbox>/work/mlflow.db",
            "file://<sandbox>/work/mlruns",
            server.url(),
        ] {
            let project = project().env("MLFLOW_TRACKING_URI", uri);
            let uri = project.sandbox().expand(uri);
            client.make(&uri);
            block_on(assert_same_run(&uri, &client.read(&uri)));
            run_all(&project);
            let contents = match uri.split_once(':') {
                Some(("sqlite", _)) => project.store(),
                Some(("file", directory)) => StoreContents::of_directory(Path::new(directory)),
                _ => StoreContents::of_sqlite(&server.database()),
            };
            assert_runs(&contents);
            assert_eq!(client.read(&uri), expected_of_client(&contents));
        }
        let other = if is_newest { &mut older } else { &mut newest };
        let contents = StoreContents::of_sqlite(&server.database());
        assert_eq!(other.read(server.url()), expected_of_client(&contents));
    }
}

/// Logs metrics by MLflow's client into a run of its own, and prints the run's id.
const METRICS: &str = "
import json, os
from mlflow.tracking import MlflowClient
client = MlflowClient(os.environ['MLFLOW_TRACKING_URI'])
run = client.create_run('0').info.run_id
for step, value in [(0, 0.9), (2, 0.25), (1, 7)]:
    client.log_metric(run, 'val/loss', value, timestamp=1700000000000, step=step)
for name, value in [('nan', 'nan'), ('inf', 'inf'), ('least', '-inf'), ('whole', '3'), ('small', '1e-300')]:
    client.log_metric(run, name, float(value))
print(json.dumps(run))
";

/// Has a client log metrics, and reads them.
pub(super) async fn assert_metrics_are_read(venv: &Path, uri: &str) {
    let directory = tempfile::tempdir().unwrap();
    let run_id = python(venv, directory.path(), uri, &[], METRICS, &[]);
    let uri = TrackingUri::resolve(Some(uri), directory.path()).unwrap();
    let store = tracking::open(&uri).await.unwrap();
    let metrics = store
        .metrics(&RunId::new(run_id.as_str().unwrap()))
        .await
        .unwrap();
    let metrics: Vec<(String, String)> = metrics
        .into_iter()
        .map(|metric| (metric.name, metric.value.to_string()))
        .collect();
    let expected = [
        ("inf", f64::INFINITY),
        ("least", f64::NEG_INFINITY),
        ("nan", f64::NAN),
        ("small", 1e-300),
        ("val/loss", 0.25),
        ("whole", 3.0),
    ];
    let expected = expected.map(|(name, value)| (name.to_owned(), value.to_string()));
    assert_eq!(metrics, expected, "{uri}");
}

#[test]
fn the_last_metrics_are_read_from_every_kind_of_store() {
    for requirement in [Requirement::Mlflow3, Requirement::Mlflow2] {
        let Some(venv) = require(requirement) else {
            continue;
        };
        let server = MlflowServer::start(&venv);
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().display();
        for uri in [
            format!("sqlite:///{path}/mlflow.db"),
            format!("file://{path}/mlruns"),
            server.url().to_owned(),
        ] {
            block_on(assert_metrics_are_read(&venv, &uri));
        }
    }
}

#[test]
fn a_store_of_the_oldest_revision_has_metrics_too() {
    let project = project();
    project.run([]).expect_code(0);
    let run_id = project.store().run().run_id.clone();
    let uri = project.sandbox().expand("sqlite:///<sandbox>/work/mlflow.db");
    block_on(async {
        let file = SqliteConnectOptions::new().filename(project.sandbox().work().join("mlflow.db"));
        let mut database = file.connect().await.unwrap();
        for (value, time) in [("0.5", 1), ("0.25", 3), ("0.75", 2)] {
            let sql = format!(
                "INSERT INTO metrics (\"key\", value, timestamp, run_uuid) VALUES ('loss', {value}, {time}, '{run_id}')"
            );
            database.execute(sqlx::AssertSqlSafe(sql)).await.unwrap();
        }
        let uri = TrackingUri::resolve(Some(&uri), Path::new("/")).unwrap();
        let store = tracking::open(&uri).await.unwrap();
        let metrics = store.metrics(&RunId::new(run_id)).await.unwrap();
        let metrics: Vec<_> = metrics
            .iter()
            .map(|metric| (metric.name.as_str(), metric.value))
            .collect();
        assert_eq!(metrics, [("loss", 0.25)]);
    });
}
