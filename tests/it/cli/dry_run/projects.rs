//! Projects of every kind and from every source, for which nothing is made.

use std::process::Command;

use serde_json::Value;

use super::{dry_run, sandbox_state, wine};
use crate::harness::{Project, Requirement, require, require_docker, require_program};

/// Projects of every kind and source.
#[test]
fn projects_of_every_kind() {
    let project = wine();
    let sandbox = project.sandbox();
    sandbox.shell("cp -r project repository && cd repository && git init -q && git add . && git commit -qm first && git tag v1");
    if let Some(python) = require_program("python3") {
        sandbox.link_program("python3", &python.canonicalize().unwrap());
        sandbox.shell("cd project && python3 -m zipfile -c ../project.zip . 2>/dev/null || python3 -m zipfile -c ../project.zip MLproject");
    }
    let uv = require(Requirement::Uv);
    if let Some(uv) = &uv {
        sandbox.link_program("uv", &uv.join("bin/uv"));
    }
    let mut cases = vec![
        vec!["project", "--env-manager", "local"],
        vec!["project", "--env-manager", "virtualenv"],
        vec!["project"],
        vec!["repository", "-v", "v1", "--env-manager", "local"],
        vec![
            "file://<sandbox>/work/repository",
            "-v",
            "v1",
            "--env-manager",
            "virtualenv",
        ],
        vec!["project.zip", "--env-manager", "local"],
        vec!["project", "-e", "train.sh", "--env-manager", "local"],
    ];
    if uv.is_some() {
        cases.push(vec!["project", "--env-manager", "uv"]);
    }
    sandbox.write("project/train.sh", "");
    for mut case in cases {
        let is_fetched = case[0] != "project";
        case.extend(["-P", "data=project"]);
        let planned = dry_run(&project, &case);
        assert_eq!(planned["directory"].is_null(), is_fetched, "{case:?}");
        let is_repository = case[0].ends_with("repository");
        assert_eq!(planned["source"]["commit"].is_string(), is_repository, "{case:?}");
    }
    // Data from elsewhere is not downloaded.
    let planned = dry_run(
        &project,
        &[
            "project",
            "--env-manager",
            "local",
            "-P",
            "data=https://host.test/data.csv",
            "--storage-dir",
            "downloads",
        ],
    );
    assert_eq!(planned["downloads"][0]["uri"], "https://host.test/data.csv");
}

/// With the real conda, whose environments are looked for but not made.
#[test]
fn a_conda_project() {
    let Some(conda) = require(Requirement::Conda) else {
        return;
    };
    let project = wine()
        .file("conda.yaml", "name: dry\ndependencies: [python]\n")
        .env("MLFLOW_CONDA_HOME", conda.to_str().unwrap())
        .env("CONDA_ENVS_DIRS", "<sandbox>/work/envs")
        .env("CONDA_PKGS_DIRS", "<sandbox>/work/pkgs");
    let planned = dry_run(&project, &["project", "-P", "data=project"]);
    assert_eq!(planned["environment"]["manager"], "conda");
    assert_eq!(planned["environment"]["exists"], false);
    let command = planned["command"].as_str().unwrap();
    let name = planned["environment"]["name"].as_str().unwrap();
    assert!(
        command.contains("activate") && command.contains(name),
        "{command}"
    );
}

/// The daemon is asked for the image, and for nothing else; no image and no container is made.
#[test]
fn a_docker_project() {
    let Some(docker) = require_docker() else { return };
    let project = Project::new().mlproject(
        r"name: of-a-dry-run
docker_env: {image: 'mlrun-test/never-there:1', environment: [[TOKEN, s3cret]]}
entry_points:
  main: {command: 'echo {{}} | cat'}
",
    );
    let log = project.sandbox().root().join("bin/calls");
    std::fs::write(&log, "").unwrap();
    // What is called is what the daemon is asked.
    project.sandbox().write_executable(
        project.sandbox().root().join("bin/docker"),
        &format!(
            "#!/bin/sh\necho \"$@\" >>'{}'\nexec '{}' \"$@\"\n",
            log.display(),
            docker.display()
        ),
    );
    let images = || {
        let output = Command::new(&docker)
            .args(["images", "--all", "--format", "{{.Repository}}", "of-a-dry-run"])
            .output()
            .unwrap();
        String::from_utf8(output.stdout).unwrap()
    };
    let arguments = ["run", "project", "--dry-run", "-A", "shm-size=1g"];
    let before = sandbox_state(project.sandbox());
    let text = project.mlrun(&arguments).with_code(0);
    let mut all = arguments.to_vec();
    all.push("--json");
    let json = project.mlrun(&all);
    let planned: Value = serde_json::from_str(json.expect_code(0).stdout()).unwrap();
    let calls = std::fs::read_to_string(&log).unwrap();
    assert!(calls.lines().count() >= 2, "{calls}");
    assert!(
        calls.lines().all(|call| call.starts_with("image inspect ")),
        "{calls}"
    );
    std::fs::write(&log, "").unwrap();
    let without_log = |state: Vec<String>| -> Vec<String> {
        let is_log = |line: &String| line.contains("/bin/calls ");
        state.into_iter().filter(|line| !is_log(line)).collect()
    };
    assert_eq!(without_log(sandbox_state(project.sandbox())), without_log(before));
    assert_eq!(images(), "");
    assert_eq!(planned["environment"]["exists"], false);
    let words: Vec<&str> = planned["container"]
        .as_array()
        .unwrap()
        .iter()
        .map(|word| word.as_str().unwrap())
        .collect();
    assert_eq!(words[..3], ["docker", "run", "--rm"]);
    assert!(
        words.windows(2).any(|pair| pair == ["--shm-size", "1g"]),
        "{words:?}"
    );
    assert_eq!(
        words[words.len() - 4..],
        ["of-a-dry-run", "sh", "-c", "echo {} | cat"]
    );
    assert!(!json.stdout().contains("s3cret") && !text.stdout().contains("s3cret"));
}
