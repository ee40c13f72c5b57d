//! The reference and mlrun make the same requests, except for the differences listed here.

use std::collections::BTreeMap;
use std::path::Path;

use fake_databricks::{FakeDatabricks, Recorded, Settings};
use serde_json::{Value, json};

use super::{CLUSTER, EXPERIMENT, project, stored, workspace};
use crate::harness::{Printed, Project, assert_ends_with, mlflow3};

/// A project with all kinds of parameters, and a file that the archive must keep unchanged.
fn files(project: Project) -> Project {
    project
        .file("deep/er/data.txt", "ä\n")
        .executable("tool.sh", "#!/bin/sh\n")
        .file("mlruns/0/meta.yaml", "not to be uploaded\n")
}

/// The arguments after `run project`.
fn arguments(config: &str) -> Vec<String> {
    let words = [
        "-b",
        "databricks",
        "-c",
        config,
        "--experiment-name",
        EXPERIMENT,
        "-P",
        "alpha=0.1",
        "-P",
        "data=/dbfs/a b.csv",
        "-P",
        "more=it's $HOME",
        "--env-manager",
        "conda",
        "--run-name",
        "my run",
    ];
    words.iter().map(|word| (*word).to_owned()).collect()
}

fn by_reference(project: &Project, venv: &Path, config: &str, has_sdk: bool) {
    project
        .sandbox()
        .command(venv.join("bin/mlflow"))
        .args(["run", "project"])
        .args(arguments(config))
        .envs(project.environment())
        .env("MLFLOW_DISABLE_TELEMETRY", "true")
        .env("MLFLOW_ENABLE_DB_SDK", has_sdk.to_string())
        .printed();
}

fn by_mlrun(project: &Project, config: &str) {
    let mut all = vec!["run".to_owned(), "project".to_owned()];
    all.extend(arguments(config));
    let all: Vec<&str> = all.iter().map(String::as_str).collect();
    project.mlrun(&all).expect_code(0);
}

/// What the test compares: each request with its arguments from query or body, the archive's name as
/// `<hash>`, and ids by their names.
#[derive(Debug, PartialEq)]
struct Call {
    line: String,
    arguments: Value,
}

fn calls(fake: &FakeDatabricks) -> Vec<Call> {
    let requests = fake.requests();
    let is_lookup = |request: &Recorded| request.path.starts_with("/.well-known/");
    let hash = requests
        .iter()
        .find_map(|request| request.path.strip_suffix(".tar.gz"))
        .map(|path| path.rsplit('/').next().unwrap().to_owned())
        .expect("an upload");
    let run_id = run_of(fake).0;
    requests
        .iter()
        .filter(|request| !is_lookup(request))
        .map(|request| {
            let is_upload = request.path.starts_with("/dbfs/");
            let arguments = match &request.body[..] {
                _ if is_upload => Value::Null,
                b"" => request
                    .query
                    .iter()
                    .map(|(key, value)| (key.clone(), json!(value)))
                    .collect(),
                _ => request.json(),
            };
            let text = arguments
                .to_string()
                .replace(&hash, "<hash>")
                .replace(&run_id, "<run>");
            Call {
                line: request.line().replace(&hash, "<hash>"),
                arguments: serde_json::from_str(&text).unwrap(),
            }
        })
        .collect()
}

/// The id of the run and its tags, as the requests have them.
fn run_of(fake: &FakeDatabricks) -> (String, BTreeMap<String, String>) {
    let body = &fake.submitted()[0];
    let command = body["shell_command_task"]["command"][2].as_str().unwrap();
    let (_, rest) = command.split_once("run_id\": \"").unwrap();
    let run_id = rest[..32].to_owned();
    let tags = stored(&run_id).tags.into_iter().collect();
    (run_id, tags)
}

/// That the bytes which were uploaded are those that the path's hash names.
fn assert_hash(fake: &FakeDatabricks) {
    let files = fake.dbfs_files();
    assert_eq!(files.len(), 1);
    let (path, contents) = files.iter().next().unwrap();
    let hash: String = openssl::sha::sha256(contents)
        .iter()
        .map(|byte| format!("{byte:02x}"))
        .collect();
    assert_ends_with(path, &format!("/projects-code/{hash}.tar.gz"));
}

/// The names in an archive, with whether a program may run them.
fn names(fake: &FakeDatabricks) -> Vec<String> {
    let contents = fake.dbfs_files().into_values().next().unwrap();
    let mut archive = tar::Archive::new(flate2::read::GzDecoder::new(contents.as_slice()));
    let mut names: Vec<String> = archive
        .entries()
        .unwrap()
        .map(|entry| {
            let entry = entry.unwrap();
            let is_program = entry.header().mode().unwrap() & 0o100 != 0;
            format!(
                "{} {is_program}",
                entry.path().unwrap().display().to_string().trim_end_matches('/')
            )
        })
        .collect();
    names.sort();
    names
}

/// The reference's calls as mlrun makes them: what the two do otherwise, and why.
fn as_mlrun_calls(mut calls: Vec<Call>, version: &str) -> Vec<Call> {
    // Before the run is created mlrun asks whether DBFS can be used.
    calls.insert(
        0,
        Call {
            line: "GET /api/2.0/dbfs/get-status".to_owned(),
            arguments: json!({ "path": "/mlflow-experiments" }),
        },
    );
    for call in &mut calls {
        if call.line != "POST /api/2.0/jobs/runs/submit" {
            continue;
        }
        let body = call.arguments.as_object_mut().unwrap();
        let text = serde_json::to_string(body).unwrap();
        // The reference pins its own version of MLflow.
        let text = text.replace(&format!("mlflow=={version}"), "mlflow");
        *body = serde_json::from_str(&text).unwrap();
        // It leaves values of its own in the specification of the cluster.
        let cluster = body["new_cluster"].as_object_mut().unwrap();
        cluster.retain(|key, _| key.to_ascii_lowercase() == *key && !key.starts_with("build_image"));
        cluster.shift_remove("docker_auth");
        // It unpacks the archive in its own words; the job itself is tested where a cluster runs it.
        let command = &mut body["shell_command_task"]["command"][2];
        *command = json!(programs(command.as_str().unwrap()));
        // With it a lost answer makes no second job.
        body.insert("idempotency_token".to_owned(), json!("<token>"));
    }
    calls
}

/// The programs that a job's command calls, in an order of their own, but for those that unpack the archive.
fn programs(command: &str) -> Vec<&str> {
    let lines = command.lines().map(|line| line.trim().trim_end_matches(" &&"));
    let mut programs: Vec<&str> = lines
        .filter(|line| {
            ["export ", "mkdir ", "mlflow ", "rsync "]
                .iter()
                .any(|program| line.starts_with(program))
        })
        .collect();
    programs.sort_unstable();
    programs
}

fn without_words(mut calls: Vec<Call>) -> Vec<Call> {
    for call in &mut calls {
        if let Some(command) = call.arguments.pointer_mut("/shell_command_task/command/2") {
            *command = json!(programs(command.as_str().unwrap()));
        }
        if let Some(token) = call.arguments.get_mut("idempotency_token") {
            assert_eq!(token.as_str().map(str::len), Some(32));
            *token = json!("<token>");
        }
    }
    calls
}

fn version(venv: &Path) -> String {
    let output = std::process::Command::new(venv.join("bin/mlflow"))
        .arg("--version")
        .output()
        .unwrap();
    let text = String::from_utf8(output.stdout).unwrap();
    text.trim().rsplit(' ').next().unwrap().to_owned()
}

#[test]
fn requests_are_the_reference_s() {
    let Some(venv) = mlflow3() else { return };
    let plain = r#"{"spark_version": "15.4.x-scala2.12", "num_workers": 1}"#;
    // With Databricks' own library under it, as it usually is, and without.
    for (config, has_sdk) in [(CLUSTER, true), (plain, false)] {
        let theirs = workspace(Settings::default()).unwrap();
        let their_project = files(project(&theirs));
        by_reference(&their_project, &venv, config, has_sdk);
        let ours = workspace(Settings::default()).unwrap();
        let our_project = files(project(&ours));
        by_mlrun(&our_project, config);

        let (expected, found) = (
            as_mlrun_calls(calls(&theirs), &version(&venv)),
            without_words(calls(&ours)),
        );
        assert_eq!(
            found.iter().map(|call| &call.line).collect::<Vec<_>>(),
            expected.iter().map(|call| &call.line).collect::<Vec<_>>()
        );
        for (found, expected) in found.iter().zip(&expected) {
            assert_eq!(found, expected);
        }
        assert_hash(&theirs);
        assert_hash(&ours);
        assert_eq!(names(&ours), names(&theirs));

        let their_tags = comparable(run_of(&theirs).1, &theirs, &their_project);
        let our_tags = comparable(run_of(&ours).1, &ours, &our_project);
        assert_eq!(our_tags, their_tags);
        assert!(our_tags.contains_key("mlflow.databricks.shellJobRunID"));
    }
}

/// Tags with the parts that differ between two workspaces and two directories replaced.
fn comparable(
    tags: BTreeMap<String, String>,
    fake: &FakeDatabricks,
    project: &Project,
) -> BTreeMap<String, String> {
    let root = project.sandbox().root().display().to_string();
    tags.into_iter()
        .map(|(key, value)| {
            let value = value
                .replace(fake.url(), "<workspace>")
                .replace(&root, "<sandbox>");
            (key, value)
        })
        .collect()
}
