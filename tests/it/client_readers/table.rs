//! Every kind of store, made by each MLflow: what mlrun records, that MLflow's client reads back.

use serde_json::{Value, json};

use super::Client;
use crate::database_servers;
use crate::harness::{MlflowServer, Project, Sandbox};

/// What the client finds of mlrun's two runs.
fn expected(read: &Value) -> Vec<Value> {
    let runs = read["runs"].as_array().unwrap().iter();
    let ours = runs.filter(|run| run["tags"]["mlflow.source.type"] == "PROJECT");
    ours.map(|run| {
        json!({
            "name": run["name"],
            "status": run["status"],
            "params": run["params"],
            "experiment": run["experiment"],
            "entry point": run["tags"]["mlflow.project.entryPoint"],
            "backend": run["tags"]["mlflow.project.backend"],
            "has ended": run["end_time"].as_i64() >= run["start_time"].as_i64(),
        })
    })
    .collect()
}

#[test]
fn every_kind_of_store_of_every_mlflow_is_read_back() {
    let (Some(mut newest), Some(mut older)) = (Client::newest(), Client::older()) else {
        return;
    };
    let mut table = String::new();
    for (version, client) in [("3.x", &mut *newest), ("2.x", &mut *older)] {
        let sandbox = Sandbox::new();
        let server = MlflowServer::start(client.venv());
        let work = sandbox.work();
        let mut stores = vec![
            ("sqlite", Some(format!("sqlite:///{}/mlflow.db", work.display()))),
            ("file", Some(format!("file://{}/mlruns", work.display()))),
            ("http", Some(server.url().to_owned())),
        ];
        for uri in &stores {
            client.make(uri.1.as_ref().unwrap());
        }
        let name = if version == "3.x" {
            "table_newest"
        } else {
            "table_older"
        };
        for (kind, uri) in database_servers::new_databases(client, name) {
            stores.push((kind, uri));
        }
        for (kind, uri) in stores {
            let Some(uri) = uri else { continue };
            let project = Project::new()
                .mlproject("entry_points:\n  main:\n    parameters: {a: {type: float, default: 0.5}}\n    command: echo {a}\n  fail:\n    command: exit 3\n")
                .env("MLFLOW_TRACKING_URI", &uri);
            project
                .run(["-P", "b=it's ü", "--run-name", "good"])
                .expect_code(0);
            project
                .run(["-e", "fail", "--run-name", "bad", "--experiment-name", "größe"])
                .expect_code(1);
            let read = client.read(&uri);
            let good = json!({"name": "good", "status": "FINISHED", "params": {"a": "0.5", "b": "it's ü"}, "experiment": "Default",
                "entry point": "main", "backend": "local", "has ended": true});
            let bad = json!({"name": "bad", "status": "FAILED", "params": {}, "experiment": "größe",
                "entry point": "fail", "backend": "local", "has ended": true});
            assert_eq!(expected(&read), [good, bad], "{kind} of MLflow {version}");
            table.push_str(&format!("{kind:<12} MLflow {version}: both runs are read back\n"));
        }
    }
    eprint!("{table}");
}
