//! What people read when an environment cannot be had, as golden texts.

use std::fs;

use super::tiny_project;
use crate::harness::{Finished, Project, assert_golden};

/// The transcript with paths and versions of this machine replaced.
fn text(finished: &Finished<'_>) -> String {
    let mut text = String::new();
    for line in finished.transcript().lines() {
        // Which Pythons the machine has is not the project's business.
        match line.split_once("bin/python3 is ") {
            Some((start, _)) => text.push_str(&format!("{start}bin/python3 is <version>\n")),
            None => text.push_str(&format!("{line}\n")),
        }
    }
    text
}

#[test]
fn environment_files() {
    let mut topic = String::new();
    for file in [
        "python: 3.11\n",
        "dependencies: numpy\n",
        "dependencies:\n- pip:\n  - numpy\n",
        "pyhton: '3.11'\n",
        "- numpy\n",
        "",
        "python: [\n",
        "dependencies: ['-r missing.txt']\n",
    ] {
        let project = Project::new()
            .mlproject("python_env: python_env.yaml\nentry_points: {main: {command: 'true'}}\n")
            .file("python_env.yaml", file);
        let finished = project.mlrun(&["run", "project"]);
        finished.expect_code(1);
        assert!(finished.store().runs.is_empty(), "no run is created");
        topic.push_str(&format!("# python_env.yaml: {file:?}\n{}\n", text(&finished)));
    }
    assert_golden("errors-environment-files", &topic);
}

#[test]
fn missing_programs() {
    let Some(project) = tiny_project() else { return };
    let mut topic = String::new();
    let bin = project.sandbox().root().join("bin");
    let project = project.file("python_env.yaml", "python: '3.0'\n");
    fs::remove_file(bin.join("uv")).unwrap();
    for arguments in [
        &["run", "project"][..],
        &["run", "project", "--env-manager", "uv"],
        &["run", "project", "--env-manager", "conda"],
        &["env", "rm", "mlflow-0"],
        &["env", "prune", "--older-than", "soon"],
    ] {
        topic.push_str(&text(&project.mlrun(arguments)));
        topic.push('\n');
    }
    assert_golden("errors-environments", &topic);
}

#[test]
fn a_failed_installation_shows_its_last_lines() {
    for manager in ["virtualenv", "uv"] {
        let Some(project) = tiny_project() else { return };
        let project = project.file(
            "python_env.yaml",
            "dependencies: [./wheels/missing-1.0-py3-none-any.whl]\n",
        );
        let finished = project.mlrun(&["run", "project", "--env-manager", manager, "-q"]);
        finished.expect_code(1);
        let error = finished.stderr().split("error: `").nth(1).unwrap();
        assert!(error.contains("failed with exit code "), "{}", finished.stderr());
        assert!(
            error.contains("missing-1.0-py3-none-any.whl"),
            "{}",
            finished.stderr()
        );
        assert_eq!(finished.store().run().status, "FAILED");
    }
}
