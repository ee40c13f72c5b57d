//! Podman and nerdctl in docker's place, as small programs that write down how they are called.

use std::os::unix::fs::symlink;

use crate::harness::{Project, assert_starts_with};

/// Answers as an engine that has the image, and builds another one.
const ENGINE: &str = r#"#!/bin/bash
echo "${0##*/} $*" >>"$TMPDIR/../calls"
case $1 in
image) echo 0123 ;;
build)
  while [ $# -gt 1 ]; do
    case $1 in
    --iidfile) echo 4567 >"$2" ;;
    --file) cat "$2" "$2.dockerignore" >>"$TMPDIR/../calls" ;;
    esac
    shift
  done
  ;;
esac
"#;

fn calls(engine: &str, variable: Option<&str>) -> String {
    let mut project = Project::new()
        .mlproject("name: test\ndocker_env: {image: base}\nentry_points: {main: {command: \"true\"}}\n")
        .file(".dockerignore", "data\n");
    let root = project.sandbox().root().to_owned();
    project
        .sandbox()
        .write_executable(root.join("bin").join(engine), ENGINE);
    if let Some(value) = variable {
        project = project.env("MLRUN_DOCKER_CMD", value);
    }
    let finished = project.mlrun(&["run", "project"]).with_code(0);
    assert_eq!(finished.store().run().tags["mlflow.docker.image.id"], "4567");
    let calls = std::fs::read_to_string(root.join("calls")).unwrap();
    let run_id = &finished.store().run().run_id.clone();
    let mut text = project.sandbox().anonymous(&calls).replace(run_id, "<run>");
    // The directory of the build has a name of its own each time.
    while let Some(start) = text.find("mlrun-") {
        let Some(length) = text[start..].find('/').filter(|length| *length < 24) else {
            break;
        };
        text.replace_range(start..start + length, "<temporary>");
    }
    text
}

#[test]
fn podman_builds_from_the_directory() {
    let calls = calls("podman", None);
    let expected = "podman image inspect --format {{.Id}} -- base\n\
        podman build --tag test --iidfile <sandbox>/tmp/<temporary>/image-id --file <sandbox>/tmp/<temporary>/Dockerfile \
        --ignorefile <sandbox>/tmp/<temporary>/Dockerfile.dockerignore <sandbox>/work/project\n\
        FROM base\nCOPY . /mlflow/projects/code\nWORKDIR /mlflow/projects/code\n\
        .git\nmlruns\nmlflow.db\nmlflow.db-journal\nmlflow.db-wal\ndata\n\
        podman run --rm --name mlrun-<run> ";
    assert_starts_with(&calls, expected);
}

/// They take no tar, so that what links lead to is copied into a directory first.
#[test]
fn what_links_lead_to_is_built_from_a_copy() {
    let project = Project::new()
        .mlproject("name: test\ndocker_env: {image: base}\nentry_points: {main: {command: \"true\"}}\n")
        .file(".dockerignore", "data\n")
        .file("data", "");
    let sandbox = project.sandbox();
    let root = sandbox.root().to_owned();
    sandbox.write("shared.py", "shared\n");
    symlink("../shared.py", sandbox.work().join("project/shared.py")).unwrap();
    // Keeps its build context, the last argument.
    let engine = format!("{ENGINE}[ -d \"$1\" ] && cp -a \"$1\" \"$TMPDIR/../built\"\nexit 0\n");
    sandbox.write_executable(root.join("bin/podman"), &engine);
    project.mlrun(&["run", "project"]).expect_code(0);
    let built = root.join("built");
    let read = |name: &str| std::fs::read_to_string(built.join(name)).unwrap();
    assert_eq!(
        read("Dockerfile").lines().nth(1),
        Some("COPY project /mlflow/projects/code")
    );
    assert_eq!(read("project/shared.py"), "shared\n");
    assert!(!built.join("project/shared.py").is_symlink());
    assert!(!built.join("project/data").exists());
}

#[test]
fn nerdctl_is_found_and_podman_may_be_named() {
    assert!(calls("nerdctl", None).starts_with("nerdctl image inspect "));
    assert!(calls("podman-remote", Some("podman-remote")).contains("--ignorefile"));
}
