//! A server that creates a run and refuses what follows: the run is named, and ended or said how to end.

use serde_json::Value;

use super::post;
use crate::harness::relay::{Fate, Relay};
use crate::harness::{Finished, MlflowServer, Project, StoreContents, StoredRun};

fn project(url: &str) -> Project {
    Project::new()
        .mlproject("entry_points: {main: {parameters: {a: {default: 1}}, command: touch ../../began}}")
        .env("MLFLOW_TRACKING_URI", url)
        .env("MLFLOW_HTTP_REQUEST_MAX_RETRIES", "1")
        .env("MLFLOW_HTTP_REQUEST_BACKOFF_FACTOR", "0")
        .env("MLFLOW_HTTP_REQUEST_BACKOFF_JITTER", "0")
        .env("MLRUN_RECORD_TIMEOUT", "0")
}

/// What `--run-info` tells, and the run that it names as the server has it.
fn reported(project: &Project, server: &MlflowServer) -> (Value, StoredRun) {
    let text = std::fs::read_to_string(project.sandbox().work().join("info.json")).unwrap();
    let info: Value = serde_json::from_str(&text).unwrap();
    let mut runs = StoreContents::of_sqlite(&server.database()).runs.into_iter();
    let run = runs.find(|run| info["run_id"] == run.run_id.as_str());
    (info, run.expect("the report must name the run"))
}

#[track_caller]
fn assert_says(finished: &Finished<'_>, parts: &[&str]) {
    for part in parts {
        assert!(
            finished.stderr().contains(part),
            "no '{part}' in:\n{}",
            finished.stderr()
        );
    }
}

#[test]
fn a_run_that_gets_no_parameters_is_named_and_ended() {
    let Some(server) = MlflowServer::shared() else {
        return;
    };
    for (fate, reason) in [
        (Fate::Refuse(401, "no".to_owned()), "401 Unauthorized"),
        (
            Fate::error(403, "PERMISSION_DENIED", "Permission denied"),
            "PERMISSION_DENIED: Permission denied",
        ),
        (Fate::error(400, "INVALID_PARAMETER_VALUE", "bad"), "refused run"),
        (
            Fate::error(503, "TEMPORARILY_UNAVAILABLE", "busy"),
            "TEMPORARILY_UNAVAILABLE: busy",
        ),
        (Fate::Lose, "connection closed"),
    ] {
        let relay = Relay::start(server.url(), move |seen, _| {
            if seen.path().ends_with("log-batch") {
                fate.clone()
            } else {
                Fate::Pass
            }
        });
        let project = project(&relay.url());
        let finished = project.run(["--run-info", "info.json"]).with_code(1);
        let (info, run) = reported(&project, server);
        let id = &run.run_id;
        assert_says(
            &finished,
            &[
                &format!(
                    "error: run '{id}' was created, but its tags and parameters could not be stored; it is FAILED\n"
                ),
                &format!("=== Run (ID '{id}') failed ==="),
                reason,
            ],
        );
        assert_eq!(
            (&info["status"], run.status.as_str()),
            (&"FAILED".into(), "FAILED")
        );
        assert_eq!(info["exit_code"], 1);
        assert!(info["error"].as_str().unwrap().contains(id), "{info}");
        assert!(run.end_time.is_some());
        assert!(!project.sandbox().root().join("began").exists());
    }
}

#[test]
fn a_run_that_cannot_be_ended_either_can_be_ended_by_hand() {
    let Some(server) = MlflowServer::shared() else {
        return;
    };
    let relay = Relay::start(server.url(), |seen, _| {
        if seen.path().ends_with("log-batch") || seen.path().ends_with("update") {
            Fate::error(403, "PERMISSION_DENIED", "Permission denied")
        } else {
            Fate::Pass
        }
    });
    let project = project(&relay.url());
    let finished = project.run(["--run-info", "info.json"]).with_code(1);
    let (info, run) = reported(&project, server);
    let id = &run.run_id;
    assert_says(
        &finished,
        &[
            &format!(
                "error: run '{id}' was created, but its tags and parameters could not be stored; it is still RUNNING"
            ),
            &format!("`mlrun cancel {id}`"),
        ],
    );
    assert_eq!(
        (&info["status"], run.status.as_str()),
        (&"RUNNING".into(), "RUNNING")
    );

    let mut cancel = project.sandbox().mlrun();
    let cancelled = cancel
        .args(["cancel", id])
        .env("MLFLOW_TRACKING_URI", server.url())
        .output()
        .unwrap();
    assert!(
        cancelled.status.success(),
        "{}",
        String::from_utf8_lossy(&cancelled.stderr)
    );
    assert_eq!(reported(&project, server).1.status, "KILLED");
}

#[test]
fn a_run_that_is_taken_and_cannot_be_tagged_is_ended_unless_it_had_ended() {
    let Some(server) = MlflowServer::shared() else {
        return;
    };
    let made = project(server.url());
    made.run(["--run-info", "info.json"]).expect_code(0);
    let (_, ended) = reported(&made, server);
    for (before, after) in [("FINISHED", "FINISHED"), ("RUNNING", "FAILED")] {
        let relay = Relay::start(server.url(), |seen, _| {
            if seen.path().ends_with("log-batch") {
                Fate::error(403, "PERMISSION_DENIED", "Permission denied")
            } else {
                Fate::Pass
            }
        });
        if before == "RUNNING" {
            set_running(server, &ended.run_id);
        }
        let project = project(&relay.url());
        let finished = project.run(["--run-id", &ended.run_id, "--run-info", "info.json"]);
        finished.expect_code(1);
        let (info, run) = reported(&project, server);
        assert_eq!((&info["status"], run.status.as_str()), (&after.into(), after));
        assert_says(
            &finished,
            &[&format!(
                "run '{}' was found, but its tags and parameters could not be stored; it is {after}",
                run.run_id
            )],
        );
    }
}

fn set_running(server: &MlflowServer, run_id: &str) {
    let body = serde_json::json!({"run_id": run_id, "status": "RUNNING"});
    post(server.url(), "runs/update", body);
}

#[test]
fn an_end_that_is_refused_after_a_failed_preparation_is_told() {
    let Some(server) = MlflowServer::shared() else {
        return;
    };
    let relay = Relay::start(server.url(), |seen, _| {
        if seen.path().ends_with("update") {
            Fate::error(403, "PERMISSION_DENIED", "Permission denied")
        } else {
            Fate::Pass
        }
    });
    let project = project(&relay.url())
        .mlproject("entry_points: {main: {parameters: {data: path}, command: 'true {data}'}}");
    let finished = project.mlrun(&[
        "run",
        "project",
        "--env-manager",
        "local",
        "-P",
        &format!("data={}/nothing.csv", relay.url()),
        "--run-info",
        "info.json",
    ]);
    finished.expect_code(1);
    let (_, run) = reported(&project, server);
    let id = &run.run_id;
    assert_says(
        &finished,
        &[
            "nothing.csv",
            &format!("the end of run '{id}' (FAILED) could not be recorded"),
            &format!("`mlrun cancel {id}`"),
        ],
    );
    assert_eq!(run.status, "RUNNING");
}
