//! `--dry-run` shows the `docker run` that the run makes, whatever store and experiment it is in.

use std::path::Path;

use serde_json::Value;

use crate::harness;
use crate::harness::{MlflowServer, Project, assert_lacks, mlflow3};

/// Answers as an engine that has the image, and writes down how it is called to run something.
const ENGINE: &str = r#"#!/bin/bash
case $1 in
image) echo 0123 ;;
build)
  while [ $# -gt 1 ]; do
    [ "$1" = --iidfile ] && echo 4567 >"$2"
    shift
  done
  cat >/dev/null
  ;;
run)
  printf '%s\0' "$@" >"$TMPDIR/../calls"
  printf '%s %s' "$MLFLOW_RUN_ID" "$MLFLOW_EXPERIMENT_ID" >"$TMPDIR/../ids"
  ;;
esac
"#;

/// Makes an experiment for each kind of place, and prints the id of a run in the first one.
const MAKE: &str = "import json, sys
from mlflow import MlflowClient
client = MlflowClient()
for name, location in zip(sys.argv[1::2], sys.argv[2::2]):
    client.create_experiment(name, artifact_location=location)
run = client.create_run(client.get_experiment_by_name(sys.argv[1]).experiment_id)
print(json.dumps(run.info.run_id))
";

fn project(uri: &str) -> Project {
    let project = Project::new()
        .mlproject(
            r"name: test
docker_env:
  image: base
  volumes: ['$(pwd)/data:/data']
  environment: [[A, b]]
entry_points: {main: {command: python train.py}}
",
        )
        .env("MLFLOW_TRACKING_URI", uri)
        .env("AWS_ACCESS_KEY_ID", "key")
        .env("AWS_SECRET_ACCESS_KEY", "geheim")
        .env("GOOGLE_APPLICATION_CREDENTIALS", "<sandbox>/home/google.json")
        .env("AZURE_STORAGE_CONNECTION_STRING", "geheim")
        .env("MLFLOW_KERBEROS_USER", "anna");
    let sandbox = project.sandbox();
    sandbox.write_executable(sandbox.root().join("bin/docker"), ENGINE);
    std::fs::create_dir(sandbox.root().join("home/.aws")).unwrap();
    project
}

/// The arguments of the container's program in the dry run and in the run, with what only one of them can
/// know made alike.
fn both(project: &Project, arguments: &[&str]) -> [Vec<String>; 2] {
    let all = [&["run", "project"], arguments].concat();
    let finished = project.mlrun(&[&all[..], &["--dry-run", "--json"]].concat());
    finished.expect_code(0);
    assert_lacks(finished.stdout(), "geheim");
    let shown: Value = serde_json::from_str(finished.stdout()).unwrap();
    let shown = shown["container"].as_array().unwrap()[1..].iter();
    let shown = shown.map(|word| word.as_str().unwrap().to_owned()).collect();
    project.mlrun(&all).expect_code(0);
    let read = |name: &str| std::fs::read_to_string(project.sandbox().root().join(name)).unwrap();
    let (calls, ids) = (read("calls"), read("ids"));
    let (run_id, experiment_id) = ids.split_once(' ').unwrap();
    let alike = |words: Vec<String>| {
        let mut words = words.into_iter();
        let mut alike = Vec::new();
        while let Some(word) = words.next() {
            match word.as_str() {
                "--cidfile" => drop(words.next()),
                "--env-file" => drop(words.next().map(|_| alike.push(word))),
                // The image's name, and its id.
                "test" | "4567" => alike.push("<image>".to_owned()),
                _ => alike.push(
                    word.replace("<run id>", run_id)
                        .replace("<experiment id>", experiment_id),
                ),
            }
        }
        alike
    };
    [
        alike(shown),
        alike(calls.split_terminator('\0').map(str::to_owned).collect()),
    ]
}

/// Makes experiments at this store, and compares runs in each of them and in others.
fn compare(venv: &Path, project: &Project, uri: &str) {
    let elsewhere = project.sandbox().root().join("else:where").display().to_string();
    let locations = [
        ("amazon", "s3://bucket/base", "AWS_SECRET_ACCESS_KEY"),
        ("google", "gs://bucket/base", "<sandbox>/home/google.json:/.gcs"),
        (
            "azure",
            "wasbs://c@a.blob.core.windows.net/base",
            "AZURE_STORAGE_CONNECTION_STRING",
        ),
        ("hadoop", "hdfs://name/base", "MLFLOW_KERBEROS_USER"),
        ("here", elsewhere.as_str(), "--mount"),
    ];
    // A server of today takes no other hosts than its own.
    let is_possible =
        |(_, location, _): &(_, &str, _)| !(uri.starts_with("http") && location.starts_with("hdfs:"));
    let locations: Vec<_> = locations.into_iter().filter(is_possible).collect();
    let made: Vec<&str> = locations
        .iter()
        .flat_map(|(name, location, _)| [*name, *location])
        .collect();
    let run = harness::python(venv, project.sandbox().root(), uri, &[], MAKE, &made);
    for (name, _, word) in &locations {
        let [shown, called] = both(project, &["--experiment-name", name]);
        assert_eq!(shown, called, "{uri} {name}");
        let word = project.sandbox().expand(word);
        assert!(called.contains(&word), "{word}: {called:?}");
    }
    let [shown, called] = both(project, &["--run-id", run.as_str().unwrap()]);
    assert_eq!(shown, called, "{uri}");
    assert_eq!(shown[3], format!("mlrun-{}", run.as_str().unwrap()));
}

#[test]
fn a_run_makes_the_call_that_a_dry_run_shows() {
    let Some(venv) = mlflow3() else { return };
    for uri in ["sqlite:///<sandbox>/work/store/own.db", "<sandbox>/work/mlruns"] {
        let project = project(uri);
        // A new store, then one that is there; a new experiment, then one that is there.
        for arguments in [
            &[][..],
            &[],
            &["--experiment-name", "new"],
            &["--experiment-name", "new"],
        ] {
            let [shown, called] = both(&project, arguments);
            assert_eq!(shown, called, "{uri} {arguments:?}");
        }
        compare(&venv, &project, &project.sandbox().expand(uri));
    }
}

/// A server alone decides where artifacts are, also those of an experiment that is not there yet.
#[test]
fn a_server_s_own_place_for_artifacts_is_shown() {
    let Some(venv) = mlflow3() else { return };
    let root = [
        "--default-artifact-root",
        "s3://bucket/root",
        "--no-serve-artifacts",
    ];
    let server = MlflowServer::start_with(&venv, &root, &[]);
    let project = project(server.url());
    for arguments in [
        &[][..],
        &["--experiment-name", "new"],
        &["--experiment-name", "new"],
    ] {
        let [shown, called] = both(&project, arguments);
        assert_eq!(shown, called, "{arguments:?}");
        assert!(
            called.iter().any(|word| word == "AWS_SECRET_ACCESS_KEY"),
            "{called:?}"
        );
    }
    compare(&venv, &project, server.url());
}
