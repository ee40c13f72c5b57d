//! The example project from end to end: the job's command really runs, with a real `mlflow run` in it.

use std::path::PathBuf;

use fake_databricks::{Cluster, FakeDatabricks, Settings};

use super::{CLUSTER, EXPERIMENT, project, recorded, run, workspace};
use crate::harness::{Requirement, Sandbox, assert_contains, require};

/// A workspace whose cluster is this machine, with the newest MLflow on it.
fn with_cluster(sandbox: &Sandbox) -> Option<FakeDatabricks> {
    let venv = require(Requirement::Mlflow3)?;
    let mut variables = sandbox.environment();
    variables.retain(|(name, _)| name != "PATH");
    let path = std::env::var("PATH").unwrap();
    variables.extend([
        ("PATH".to_owned(), format!("{}/bin:{path}", venv.display())),
        ("MLFLOW_DISABLE_TELEMETRY".to_owned(), "true".to_owned()),
        ("MLFLOW_ENABLE_DB_SDK".to_owned(), "false".to_owned()),
    ]);
    workspace(Settings {
        cluster: Some(Cluster {
            root: sandbox.root().to_owned(),
            variables,
        }),
        ..Settings::default()
    })
}

fn example() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("examples/databricks")
}

#[test]
fn the_example_runs_on_the_cluster_in_the_same_run() {
    let sandbox = Sandbox::new();
    let Some(fake) = with_cluster(&sandbox) else {
        return;
    };
    let project = project(&fake);
    let example = example();
    let finished = project.mlrun(&[
        "run",
        example.to_str().unwrap(),
        "-b",
        "databricks",
        "-c",
        example.join("cluster.json").to_str().unwrap(),
        "--experiment-name",
        EXPERIMENT,
        "--env-manager",
        "local",
        "-P",
        "alpha=0.25",
        "--wait",
    ]);
    finished.expect_code(0);
    assert_contains(finished.stdout(), "the minimum is near 5.987\n");
    let run = recorded(&finished);
    assert_eq!(run.status, "FINISHED");
    // The entry point on the cluster logged into the run that was made here.
    assert_eq!(run.params["alpha"], "0.25");
    assert_contains(finished.stdout(), &format!("in run with ID '{}'", run.run_id));
    let metrics = metrics(&run.run_id);
    assert_eq!(metrics, 10);
}

#[test]
fn values_reach_the_entry_point_on_the_cluster_as_they_are() {
    let sandbox = Sandbox::new();
    let Some(fake) = with_cluster(&sandbox) else {
        return;
    };
    let project = project(&fake)
        .mlproject(
            r"name: x
entry_points:
  'my entry':
    parameters: {a: string}
    command: python show.py {a}
  fail:
    command: python -c 'exit(3)'
",
        )
        .file("show.py", "import sys\nprint(sys.argv[1:])\n");
    let finished = run(
        &project,
        &[
            "-e",
            "my entry",
            "-P",
            "a=it's \"$HOME\" `x` ü\\",
            "-P",
            "b=two words",
            "--env-manager",
            "local",
            "--wait",
        ],
    );
    finished.expect_code(0);
    let line = r#"['it\'s "$HOME" `x` ü\\', '--b', 'two words']"#;
    assert_contains(finished.stdout(), line);
    let finished = run(&project, &["-e", "fail", "--env-manager", "local", "--wait"]);
    finished.expect_code(1);
    assert_eq!(recorded(&finished).status, "FAILED");
}

#[test]
fn a_spark_job_runs_its_file_in_the_project() {
    let sandbox = Sandbox::new();
    let Some(fake) = with_cluster(&sandbox) else {
        return;
    };
    let source = "from __future__ import annotations\nimport sys\nimport mlflow\nimport beside\nif __name__ == '__main__':\n    with mlflow.start_run() as run:\n        mlflow.log_param('arguments', sys.argv[1:])\n        print(run.info.run_id, open('data.txt').read())\n";
    let with = |mlproject: &str| {
        project(&fake)
            .mlproject(mlproject)
            .file("job.py", source)
            .file("beside.py", "")
            .file("data.txt", "here")
    };
    let with_file = with(
        r"name: x
databricks_spark_job:
  python_file: job.py
  parameters: [one, 2]
  python_libraries: [pandas==2.0]
",
    );
    let with_entry_point = with(
        r"name: x
databricks_spark_job:
  python_libraries: [pandas==2.0]
entry_points:
  main:
    parameters: {a: string}
    command: python job.py one {a}
",
    );
    for (project, arguments, expected) in [
        (&with_file, &["--wait"][..], "['one', '2']"),
        (
            &with_entry_point,
            &["-P", "a=two words", "--wait"],
            "['one', 'two words']",
        ),
    ] {
        let finished = run(project, arguments).with_code(0);
        let run = recorded(&finished);
        assert_eq!(run.status, "FINISHED");
        assert_eq!(run.params["arguments"], expected);
        assert_contains(finished.stdout(), &format!("\n{} here\n", run.run_id));
        let body = fake.submitted().pop().unwrap();
        assert_eq!(
            body["libraries"],
            serde_json::json!([{ "pypi": { "package": "pandas==2.0" } }])
        );
        assert!(CLUSTER.contains(body["new_cluster"]["node_type_id"].as_str().unwrap()));
    }
    let wrong = with(
        "name: x\ndatabricks_spark_job: {python_libraries: []}\nentry_points:\n  main: {command: bash run.sh}\n",
    );
    let finished = run(&wrong, &[]).with_code(1);
    assert_contains(
        finished.stderr(),
        "error: a Databricks Spark job must run a Python file, but the entry point's command is 'bash run.sh'",
    );
}

/// How many values of metrics the run has.
fn metrics(run_id: &str) -> usize {
    let server = crate::harness::MlflowServer::shared().unwrap();
    let venv = require(Requirement::Mlflow3).unwrap();
    let program = "import sqlite3, sys\nprint(sqlite3.connect(sys.argv[1]).execute('select count(*) from metrics where run_uuid = ?', (sys.argv[2],)).fetchone()[0])";
    let output = std::process::Command::new(venv.join("bin/python"))
        .args(["-c", program, server.database().to_str().unwrap(), run_id])
        .output()
        .unwrap();
    String::from_utf8(output.stdout).unwrap().trim().parse().unwrap()
}
