//! Stores of every kind, which stay as they are.

use std::process::Command;

use serde_json::Value;

use super::dry_run;
use crate::harness::{MlflowServer, Project, assert_contains, mlflow3};

/// Every kind of local store, before it is there and when it holds a run.
#[test]
fn stores_stay_as_they_are() {
    for (uri, is_file) in [
        ("", false),
        ("sqlite:///stores/new/own.db", false),
        ("./mlruns", true),
        ("file:<sandbox>/work/runs", true),
    ] {
        let project = Project::new().command("echo ran").env("MLFLOW_TRACKING_URI", uri);
        let named = ["project", "--env-manager", "local", "--experiment-name", "wine"];
        let planned = dry_run(&project, &named);
        assert_eq!(planned["store_exists"], false, "{uri}");
        assert_eq!(planned["experiment"]["exists"], false, "{uri}");

        project.run(["--experiment-name", "wine"]).expect_code(0);
        let planned = dry_run(&project, &named);
        assert_eq!(planned["store_exists"], true, "{uri}");
        assert_eq!(planned["experiment"]["exists"], true, "{uri}");
        assert!(planned["experiment"]["experiment_id"].is_string(), "{uri}");
        let planned = dry_run(
            &project,
            &["project", "--env-manager", "local", "--experiment-name", "other"],
        );
        assert_eq!(planned["experiment"]["exists"], false, "{uri}");
        // The default experiment: the file store makes it with the first run in another one.
        let planned = dry_run(&project, &["project", "--env-manager", "local"]);
        assert_eq!(planned["experiment"]["exists"], true, "{uri} {is_file}");

        let refused = project.run(["--experiment-id", "4711", "--dry-run"]);
        refused.expect_code(1);
        assert_contains(refused.stderr(), "'4711' does not exist");
    }
}

/// A database with a write-ahead log would get files beside it from an ordinary reader.
#[test]
fn a_write_ahead_log_is_not_begun() {
    let Some(venv) = mlflow3() else { return };
    let project = Project::new().command("echo ran");
    project.run([]).expect_code(0);
    let database = project.sandbox().work().join("mlflow.db");
    let script = "import sqlite3, sys\nc = sqlite3.connect(sys.argv[1])\nprint(c.execute('PRAGMA journal_mode=WAL').fetchone())\nc.close()\n";
    let output = Command::new(venv.join("bin/python"))
        .args(["-c", script])
        .arg(&database)
        .output()
        .unwrap();
    assert_eq!(String::from_utf8_lossy(&output.stdout), "('wal',)\n");
    let planned = dry_run(&project, &["project", "--env-manager", "local"]);
    assert_eq!(planned["experiment"]["exists"], true);
    // One that another program has open has its log, which is read.
    let script = "import sqlite3, sys\nc = sqlite3.connect(sys.argv[1])\nc.execute(\"INSERT INTO experiments (experiment_id, name, lifecycle_stage) \
                  VALUES (7, 'logged', 'active')\")\nc.commit()\nprint('ready', flush=True)\nsys.stdin.read()\n";
    let mut writer = Command::new(venv.join("bin/python"))
        .args(["-c", script])
        .arg(&database)
        .stdin(std::process::Stdio::piped())
        .stdout(std::process::Stdio::piped())
        .spawn()
        .unwrap();
    let mut line = String::new();
    std::io::BufRead::read_line(
        &mut std::io::BufReader::new(writer.stdout.take().unwrap()),
        &mut line,
    )
    .unwrap();
    let names = || -> Vec<String> {
        let listed = std::fs::read_dir(project.sandbox().work()).unwrap();
        let mut names: Vec<_> = listed
            .map(|entry| entry.unwrap().file_name().to_string_lossy().into_owned())
            .collect();
        names.sort();
        names
    };
    let before = names();
    let finished = project.run(["--experiment-name", "logged", "--dry-run", "--json"]);
    let planned: Value = serde_json::from_str(finished.expect_code(0).stdout()).unwrap();
    assert_eq!(planned["experiment"]["experiment_id"], "7");
    assert_eq!(names(), before);
    drop(writer.stdin.take());
    writer.wait().unwrap();
}

/// The real server is asked, and told nothing.
#[test]
fn a_server_is_only_asked() {
    let Some(server) = MlflowServer::shared() else {
        return;
    };
    let project = Project::new()
        .command("echo ran")
        .env("MLFLOW_TRACKING_URI", server.url());
    let named = [
        "project",
        "--env-manager",
        "local",
        "--experiment-name",
        "of a dry run",
    ];
    for exists in [false, false] {
        let planned = dry_run(&project, &named);
        assert_eq!(planned["store_exists"], true);
        assert_eq!(planned["experiment"]["exists"], exists);
    }
    let planned = dry_run(&project, &["project", "--env-manager", "local"]);
    assert_eq!(planned["experiment"]["exists"], true);
    let refused = project.run(["--experiment-id", "987654321", "--dry-run"]);
    refused.expect_code(1);

    // One that is not there is no reason to fail.
    let project = project
        .env("MLFLOW_TRACKING_URI", "http://127.0.0.1:9")
        .env("MLFLOW_HTTP_REQUEST_MAX_RETRIES", "0");
    let planned = dry_run(&project, &named);
    assert_eq!(planned["store_exists"], Value::Null);
    assert!(
        planned["problem"]
            .as_str()
            .unwrap()
            .contains("http://127.0.0.1:9")
    );
}
