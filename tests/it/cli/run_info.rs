//! `--run-info`: what a script reads of a run.

use serde_json::Value;

use crate::harness::{Project, assert_contains, assert_golden};

#[test]
fn the_file_tells_how_a_run_ended() {
    for (command, status, code) in [("true", "FINISHED", 0), ("exit 3", "FAILED", 1)] {
        let project =
            Project::new().mlproject(&format!("entry_points: {{main: {{command: \"{command}\"}}}}"));
        project.run(["--run-info", "info.json"]).expect_code(code);
        let contents = project.store();
        let run = contents.run();
        let info = project.run_info();
        assert_eq!(info["run_id"], run.run_id.as_str());
        assert_eq!(info["artifact_uri"], run.artifact_uri.as_str());
        assert_eq!(info["experiment_id"], "0");
        assert_eq!(info["status"], status);
        assert_eq!(info["exit_code"], code);
    }
}

#[test]
fn the_file_is_there_while_the_entry_point_runs() {
    let project = Project::new().command("cat ../info.json");
    let finished = project.run(["--run-info", "info.json"]).with_code(0);
    let seen: Value = serde_json::from_str(finished.stdout()).unwrap();
    assert_eq!(seen["status"], "RUNNING");
    assert_eq!(seen["exit_code"], Value::Null);
    assert_eq!(seen["run_id"], project.run_info()["run_id"]);
}

#[test]
fn a_file_that_cannot_be_written_is_told_before_there_is_a_run() {
    for path in ["missing/info.json", "project"] {
        let project = Project::new().command("touch ../ran");
        project.run(["--run-info", path]).expect_code(1);
        assert!(!project.sandbox().work().join("mlflow.db").exists());
        assert!(!project.sandbox().work().join("ran").exists());
    }
}

#[test]
fn a_file_that_cannot_be_written_any_more_leaves_no_run_running() {
    let project = Project::new().command("rm -r ../results");
    project.sandbox().write("results/keep", "");
    let finished = project.run(["--run-info", "results/info.json"]);
    finished.expect_code(1);
    assert_contains(finished.stderr(), "cannot write the run info");
    let contents = project.store();
    assert_eq!(contents.run().status, "FINISHED");
}

/// The whole file, with what differs from run to run replaced.
fn whole(project: &Project) -> String {
    let mut info = project.run_info();
    let id = info["run_id"].as_str().map(str::to_owned);
    if id.is_some() {
        info["run_name"] = "<name>".into();
        info["backend"]["ids"]["mlrun.project.process"] = "<process>".into();
    }
    info["mlrun_version"] = "<version>".into();
    for (_, seconds) in info["timings"].as_object_mut().unwrap() {
        if let Some(number) = seconds.as_f64() {
            assert!((0.0..60.0).contains(&number), "{number}");
            *seconds = "<seconds>".into();
        }
    }
    let text = project.sandbox().anonymous(&format!("{info:#}\n"));
    match id {
        Some(id) => text.replace(&id, "<run>"),
        None => text,
    }
}

#[test]
fn the_file_tells_all() {
    let project = Project::new()
        .mlproject("entry_points: {main: {command: 'exit 3'}}")
        .env("MLFLOW_TRACKING_URI", "sqlite:///<sandbox>/work/store.db");
    project
        .sandbox()
        .shell("cd project && git init -q && git add -A && git commit -qm one && git remote add origin https://me:secret@host/org/repo");
    project.run(["--run-info", "info.json"]).expect_code(1);
    let mut text = format!("A failed entry point:\n{}", whole(&project));
    project
        .run(["--run-info", "info.json", "-e", "nope"])
        .expect_code(1);
    text.push_str(&format!("\nNo run:\n{}", whole(&project)));
    assert_golden("run-info", &text);
}

#[test]
fn the_entry_points_own_end_is_told() {
    for (command, code, signal, interrupted_by) in [
        ("exit 0", Some(0), None, None),
        ("exit 77", Some(77), None, None),
        ("kill -9 $$", None, Some(9), None),
        ("kill -TERM $PPID; sleep 600", None, None, Some("SIGTERM")),
    ] {
        let project =
            Project::new().mlproject(&format!("entry_points: {{main: {{command: \"{command}\"}}}}"));
        let finished = project.run(["--run-info", "info.json"]);
        let info = project.run_info();
        assert_eq!(info["entry_point"]["exit_code"], Value::from(code), "{command}");
        assert_eq!(info["entry_point"]["signal"], Value::from(signal), "{command}");
        assert_eq!(
            info["entry_point"]["interrupted_by"],
            Value::from(interrupted_by),
            "{command}"
        );
        assert_eq!(info["exit_code"], finished.code(), "{command}");
    }
}

#[test]
fn times_add_up() {
    let project = Project::new().command("sleep 0.3");
    project.run(["--run-info", "info.json"]).expect_code(0);
    let timings = &project.run_info()["timings"];
    assert!(timings["run"].as_f64().unwrap() >= 0.3, "{timings}");
    for phase in ["fetch", "environment", "data"] {
        assert!(
            timings[phase].as_f64().is_some_and(|seconds| seconds < 30.0),
            "{timings}"
        );
    }
}

/// What an earlier run left must not be taken for the result of one that never began.
#[test]
fn a_run_that_never_began_is_told_too() {
    let project = Project::new().command("true");
    project.run(["--run-info", "info.json"]).expect_code(0);
    project
        .run(["--run-info", "info.json", "-e", "nope"])
        .expect_code(1);
    let info = project.run_info();
    assert_eq!(info["run_id"], Value::Null);
    assert_eq!(info["status"], Value::Null);
    assert_eq!(info["exit_code"], 1);
    assert!(info["error"].as_str().unwrap().contains("'nope'"), "{info}");
}

#[test]
fn a_dry_run_leaves_the_file_alone() {
    let project = Project::new().command("true");
    project
        .run(["--run-info", "info.json", "--dry-run"])
        .expect_code(0);
    assert!(!project.sandbox().work().join("info.json").exists());
}
