//! `--run-info`: what a script reads of a run.

use serde_json::Value;

use crate::harness::{Project, StoreContents};

fn info(project: &Project) -> Value {
    let text = std::fs::read_to_string(project.sandbox().work().join("info.json")).unwrap();
    serde_json::from_str(&text).unwrap()
}

#[test]
fn the_file_tells_how_a_run_ended() {
    for (command, status, code) in [("true", "FINISHED", 0), ("exit 3", "FAILED", 1)] {
        let project =
            Project::new().mlproject(&format!("entry_points: {{main: {{command: \"{command}\"}}}}"));
        project.run(["--run-info", "info.json"]).expect_code(code);
        let contents = StoreContents::of_sqlite(&project.sandbox().work().join("mlflow.db"));
        let run = contents.run();
        let info = info(&project);
        assert_eq!(info["run_id"], run.run_id.as_str());
        assert_eq!(info["artifact_uri"], run.artifact_uri.as_str());
        assert_eq!(info["experiment_id"], "0");
        assert_eq!(info["status"], status);
        assert_eq!(info["exit_code"], code);
    }
}

#[test]
fn the_file_is_there_while_the_entry_point_runs() {
    let project = Project::new().mlproject("entry_points: {main: {command: cat ../info.json}}");
    let finished = project.run(["--run-info", "info.json"]);
    finished.expect_code(0);
    let seen: Value = serde_json::from_str(finished.stdout()).unwrap();
    assert_eq!(seen["status"], "RUNNING");
    assert_eq!(seen["exit_code"], Value::Null);
    assert_eq!(seen["run_id"], info(&project)["run_id"]);
}

#[test]
fn a_file_that_cannot_be_written_is_told_before_there_is_a_run() {
    for path in ["missing/info.json", "project"] {
        let project = Project::new().mlproject("entry_points: {main: {command: touch ../ran}}");
        project.run(["--run-info", path]).expect_code(1);
        assert!(!project.sandbox().work().join("mlflow.db").exists());
        assert!(!project.sandbox().work().join("ran").exists());
    }
}

#[test]
fn a_file_that_cannot_be_written_any_more_leaves_no_run_running() {
    let project = Project::new().mlproject("entry_points: {main: {command: rm -r ../results}}");
    project.sandbox().write("results/keep", "");
    let finished = project.run(["--run-info", "results/info.json"]);
    finished.expect_code(1);
    assert!(
        finished.stderr().contains("cannot write the run info"),
        "{}",
        finished.stderr()
    );
    let contents = StoreContents::of_sqlite(&project.sandbox().work().join("mlflow.db"));
    assert_eq!(contents.run().status, "FINISHED");
}
