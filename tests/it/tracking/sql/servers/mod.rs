//! Tracking stores in PostgreSQL and MariaDB, with tables that the real MLflow made.

mod addresses;
mod busy;
mod server;

use async_trait::async_trait;
use mlrun::internals::entities::{ExperimentId, RunId};
use mlrun::internals::tracking::{self, TrackingStore, TrackingUri};
use serde_json::Value;

use crate::harness::Project;
use crate::harness::{Client, assert_contains, assert_lacks, block_on};
use crate::tracking::clients::assert_metrics_are_read;
use crate::tracking::suite::{RecordedRun, StoreFixture, store_suite};
use server::{Kind, Server};

/// A database with MLflow's tables.
struct Database {
    server: &'static Server,
    name: &'static str,
    value_limits: [usize; 2],
}

#[async_trait]
impl StoreFixture for Database {
    async fn open(&self) -> Box<dyn TrackingStore> {
        let uri = TrackingUri::resolve(Some(&self.server.uri(self.name)), "/tmp".as_ref()).unwrap();
        tracking::open(&uri).await.unwrap()
    }

    async fn recorded(&self, run_id: &RunId) -> RecordedRun {
        let [object, aggregate, key] = match self.server.kind {
            Kind::Postgres => ["json_build_object", "json_object_agg", "key"],
            Kind::MariaDb => ["json_object", "json_objectagg", "`key`"],
        };
        let pairs =
            |table| format!("(SELECT {aggregate}({key}, value) FROM {table} WHERE run_uuid = '{run_id}')");
        let sql = format!(
            "SELECT {object}('experiment_id', experiment_id, 'name', name, 'user', user_id, 'status', status, \
             'start_time', start_time, 'end_time', end_time, 'artifact_uri', artifact_uri, \
             'tags', {}, 'params', {}) FROM runs WHERE run_uuid = '{run_id}'",
            pairs("tags"),
            pairs("params")
        );
        let row: Value = serde_json::from_str(&self.server.query(self.name, &sql)).unwrap();
        let text = |name: &str| row[name].as_str().unwrap().to_owned();
        let map = |name: &str| {
            // MariaDB gives the object as the text of one.
            let object = match &row[name] {
                Value::String(text) => serde_json::from_str(text).unwrap(),
                other => other.clone(),
            };
            let pairs = object.as_object().cloned().unwrap_or_default();
            pairs
                .into_iter()
                .map(|(name, value)| (name, value.as_str().unwrap().to_owned()))
                .collect()
        };
        RecordedRun {
            experiment_id: row["experiment_id"].to_string(),
            name: text("name"),
            user: text("user"),
            status: text("status"),
            start_time: row["start_time"].as_i64().unwrap(),
            end_time: row["end_time"].as_i64(),
            artifact_uri: text("artifact_uri"),
            tags: map("tags"),
            params: map("params"),
        }
    }

    async fn delete_experiment(&self, id: &ExperimentId) {
        let sql = format!("UPDATE experiments SET lifecycle_stage = 'deleted' WHERE experiment_id = {id}");
        self.server.query(self.name, &sql);
    }

    fn value_limits(&self) -> [usize; 2] {
        self.value_limits
    }

    async fn delete_run(&self, id: &RunId) {
        let sql = format!("UPDATE runs SET lifecycle_stage = 'deleted' WHERE run_uuid = '{id}'");
        self.server.query(self.name, &sql);
    }
}

/// A database whose tables this client made; it holds a run of the client's own.
fn database(kind: Kind, client: &mut Client, name: &'static str) -> Option<Database> {
    let server = Server::shared(kind)?;
    server.create(name);
    client.make(&server.uri(name));
    let schema = match kind {
        Kind::Postgres => "public",
        Kind::MariaDb => name,
    };
    let width = |table: &str| -> usize {
        let sql = format!(
            "SELECT character_maximum_length FROM information_schema.columns \
             WHERE table_schema = '{schema}' AND table_name = '{table}' AND column_name = 'value'"
        );
        server.query(name, &sql).trim().parse().unwrap()
    };
    Some(Database {
        server,
        name,
        value_limits: [width("params").min(6000), width("tags").min(8000)],
    })
}

/// One database of each kind and each client.
fn databases(names: [&'static str; 2]) -> Vec<Database> {
    let clients = [Client::newest(), Client::older()];
    let mut databases = Vec::new();
    for (mut client, name) in clients.into_iter().flatten().zip(names) {
        for kind in [Kind::Postgres, Kind::MariaDb] {
            databases.extend(database(kind, &mut client, name));
        }
    }
    databases
}

#[tokio::test]
async fn databases_do_what_every_store_must() {
    for database in databases(["suite_newest", "suite_older"]) {
        store_suite(&database).await;
    }
}

#[test]
fn clients_read_what_was_written() {
    for kind in [Kind::Postgres, Kind::MariaDb] {
        for (client, name) in [(Client::newest(), "read_newest"), (Client::older(), "read_older")] {
            let Some(mut client) = client else { return };
            let Some(database) = database(kind, &mut client, name) else {
                continue;
            };
            let uri = database.server.uri(name);
            let project = Project::new()
                .mlproject(
                    r#"entry_points:
  main:
    parameters: {a: {default: "it's ü"}}
    command: 'echo "$MLFLOW_TRACKING_URI"; sh -c "exit ${{CODE:-0}}"'
"#,
                )
                .env("MLFLOW_TRACKING_URI", &uri);
            let first = project.run(["--experiment-name", "größe 🦀", "-P", "b=x y"]);
            first.expect_code(0);
            assert_eq!(
                first.stdout(),
                format!("{uri}\n"),
                "the entry point gets the same store"
            );
            assert_lacks(first.stderr(), "p%40ss");
            project
                .env("CODE", "3")
                .run(["--run-name", "named"])
                .expect_code(1);

            let read = client.read(&uri);
            let runs: Vec<&Value> = read["runs"].as_array().unwrap().iter().collect();
            let ours: Vec<&&Value> = runs
                .iter()
                .filter(|run| run["tags"]["mlflow.source.type"] == "PROJECT")
                .collect();
            let [first, second] = ours[..] else {
                panic!("{read}")
            };
            assert_eq!(first["status"], "FINISHED");
            assert_eq!(first["experiment"], "größe 🦀");
            assert_eq!(first["params"], serde_json::json!({"a": "it's ü", "b": "x y"}));
            assert_eq!(second["status"], "FAILED");
            assert_eq!(second["name"], "named");
            for run in [first, second] {
                assert_eq!(run["tags"]["mlflow.project.entryPoint"], "main");
                assert_eq!(run["tags"]["mlflow.project.backend"], "local");
                assert!(run["end_time"].as_i64() >= run["start_time"].as_i64(), "{run}");
            }
            assert_eq!(runs.len(), 3, "the client's own run is still there");
            block_on(assert_metrics_are_read(client.venv(), &uri));
        }
    }
}

#[test]
fn a_dry_run_changes_nothing() {
    let Some(mut client) = Client::newest() else {
        return;
    };
    for kind in [Kind::Postgres, Kind::MariaDb] {
        let Some(database) = database(kind, &mut client, "dry_run") else {
            continue;
        };
        let project = Project::new()
            .command("echo ran")
            .env("MLFLOW_TRACKING_URI", &database.server.uri(database.name));
        project.run(["--experiment-name", "wine"]).expect_code(0);
        let rows = || {
            let tables = ["experiments", "runs", "tags", "experiment_tags"];
            tables.map(|table| {
                let count = format!("SELECT count(*) FROM {table}");
                database.server.query(database.name, &count)
            })
        };
        let before = rows();
        for (experiment, exists) in [("wine", true), ("new", false)] {
            let planned = project.run(["--experiment-name", experiment, "--dry-run", "--json"]);
            planned.expect_code(0);
            assert_lacks(planned.stdout(), "p%40ss");
            let planned: Value = serde_json::from_str(planned.stdout()).unwrap();
            assert_eq!(planned["store_exists"], true, "{kind:?}");
            assert_eq!(planned["experiment"]["exists"], exists, "{kind:?}");
        }
        assert_eq!(rows(), before, "{kind:?}");
    }
}

#[test]
fn what_cannot_be_opened_is_told() {
    for (kind, dialect, denied, missing, empty_hint) in [
        (
            Kind::Postgres,
            "postgresql",
            "password authentication failed for user \"mlflow\"",
            "database \"nowhere\" does not exist",
            "create them with `mlflow db upgrade ADDRESS`, or start `mlflow server --backend-store-uri ADDRESS` once",
        ),
        (
            Kind::MariaDb,
            "mysql",
            "Access denied for user 'mlflow'@'localhost' (using password: YES)",
            "Unknown database 'nowhere'",
            "create them with `mlflow db upgrade ADDRESS`, or start `mlflow server --backend-store-uri ADDRESS` once",
        ),
    ] {
        let Some(server) = Server::shared(kind) else {
            continue;
        };
        server.create("empty");
        let authority = server.authority();
        let wrong = authority.replace("p%40ss", "geheim");
        let nobody = "mlflow:geheim@127.0.0.1:1";
        for (place, cause, hint) in [
            (
                format!("{authority}/empty"),
                "the database has no MLflow tables",
                empty_hint,
            ),
            (
                format!("{authority}/nowhere"),
                missing,
                "check the database name in MLFLOW_TRACKING_URI, or create the database",
            ),
            (
                format!("{wrong}/empty"),
                denied,
                "check the user and password in MLFLOW_TRACKING_URI",
            ),
            (
                format!("{nobody}/empty"),
                "Connection refused",
                "check that a database server is running at 127.0.0.1 (port 1)",
            ),
            (
                authority.clone(),
                "the address contains no database",
                "write it as DIALECT://USER:PASSWORD@HOST:PORT/DATABASE",
            ),
        ] {
            let project = Project::new()
                .command("true")
                .env("MLFLOW_TRACKING_URI", &format!("{dialect}://{place}"));
            let finished = project.run([]).with_code(1);
            let told = finished.stderr();
            let shown = place.split_once('@').unwrap().1;
            let expected = format!("error: cannot open the tracking store {dialect}://{shown}\n");
            assert_contains(told, &expected);
            assert_contains(told, cause);
            assert_contains(told, &format!("hint: {hint}"));
            assert!(!told.contains("p%40ss") && !told.contains("geheim"), "{told}");
        }
    }
}
