//! How jobs end, and the status of their runs.

use std::process::Stdio;

use fake_databricks::{Fault, JobState, Output, Settings};
use rustix::process::Signal;

use super::{project, recorded, run, run_id_of_job, start, stored, workspace};
use crate::harness::assert_contains;
use crate::harness::running::{send, wait_until};

fn ends(life_cycle_state: &str, result_state: Option<&str>, message: &str) -> Settings {
    Settings {
        job: vec![
            JobState::on("PENDING", "Waiting for cluster"),
            JobState::on("RUNNING", "In run"),
            JobState::end(life_cycle_state, result_state, message),
        ],
        ..Settings::default()
    }
}

#[test]
fn without_wait_the_run_goes_on_elsewhere() {
    let Some(fake) = workspace(Settings::default()) else {
        return;
    };
    let project = project(&fake);
    let finished = run(&project, &[]).with_code(0);
    assert_eq!(finished.stdout(), "");
    let stored = recorded(&finished);
    assert_eq!(stored.status, "RUNNING");
    let tag = |name: &str| stored.tags[name].as_str();
    assert_eq!(tag("mlflow.project.backend"), "databricks");
    assert_eq!(tag("mlflow.databricks.shellJobRunID"), "9000000001");
    assert_eq!(tag("mlflow.databricks.shellJobID"), "701");
    assert_eq!(tag("mlflow.databricks.webappURL"), fake.url());
    let page = format!("{}/?o=0#job/701/run/9000000001", fake.url());
    assert_eq!(tag("mlflow.databricks.runURL"), page);
    let lines: Vec<&str> = finished.stderr().lines().collect();
    assert!(
        lines.contains(&format!("=== Check the run's status at {page} ===").as_str()),
        "{lines:?}"
    );
    // The second run of the same files uploads nothing.
    fake.forget_requests();
    let _finished = run(&project, &[]).with_code(0);
    let lines: Vec<String> = fake.requests().iter().map(|request| request.line()).collect();
    assert_eq!(
        lines,
        [
            "GET /api/2.0/dbfs/get-status",
            "GET /api/2.0/dbfs/get-status",
            "POST /api/2.0/jobs/runs/submit",
            "GET /api/2.0/jobs/runs/get",
        ]
    );
}

#[test]
fn states_are_shown_and_the_job_s_end_is_the_run_s() {
    for (life_cycle_state, result_state, message, status, told) in [
        ("TERMINATED", Some("SUCCESS"), "", "FINISHED", None),
        (
            "TERMINATED",
            Some("FAILED"),
            "Command exited with code 3",
            "FAILED",
            Some("ended with state FAILED: Command exited with code 3"),
        ),
        (
            "TERMINATED",
            Some("TIMEDOUT"),
            "Timed out",
            "FAILED",
            Some("ended with state TIMEDOUT: Timed out"),
        ),
        (
            "TERMINATED",
            Some("CANCELED"),
            "Run cancelled.",
            "KILLED",
            Some("ended with state CANCELED: Run cancelled."),
        ),
        (
            "INTERNAL_ERROR",
            None,
            "Unexpected failure while waiting for the cluster: no instances",
            "FAILED",
            Some(
                "ended with state INTERNAL_ERROR: Unexpected failure while waiting for the cluster: no instances",
            ),
        ),
        (
            "INTERNAL_ERROR",
            Some("FAILED"),
            "Library installation failed",
            "FAILED",
            Some("ended with state FAILED: Library installation failed"),
        ),
        (
            "SKIPPED",
            None,
            "An existing run was active",
            "FAILED",
            Some("ended with state SKIPPED: An existing run was active"),
        ),
    ] {
        let Some(fake) = workspace(ends(life_cycle_state, result_state, message)) else {
            return;
        };
        let project = project(&fake);
        let finished = run(&project, &["--wait"]);
        let text = finished.stderr();
        finished.expect_code(match status {
            "FINISHED" => 0,
            "KILLED" => 137,
            _ => 1,
        });
        assert_eq!(recorded(&finished).status, status, "{text}");
        let page = text.find("=== Check the run's status at").unwrap();
        let running = text
            .find("=== Databricks job run 9000000001: RUNNING (In run) ===")
            .unwrap();
        let result = result_state
            .map(|result| format!(" {result}"))
            .unwrap_or_default();
        let end = text
            .find(&format!(
                "=== Databricks job run 9000000001: {life_cycle_state}{result}"
            ))
            .unwrap_or_else(|| panic!("{text}"));
        assert!(page < running && running < end, "{text}");
        if let Some(told) = told {
            let told = format!(
                "error: Databricks job run 9000000001 {told}\nhint: see {}/",
                fake.url()
            );
            assert_contains(text, &told);
        }
    }
}

#[test]
fn what_the_job_wrote_is_shown() {
    let Some(fake) = workspace(Settings {
        output: Output {
            logs: Some("epoch 1\nepoch 2\n".to_owned()),
            error: Some("ValueError: no data".to_owned()),
            error_trace: Some("Traceback:\n  train.py, line 3\n".to_owned()),
        },
        ..ends("TERMINATED", Some("FAILED"), "Workload failed")
    }) else {
        return;
    };
    let project = project(&fake);
    let finished = run(&project, &["--wait"]).with_code(1);
    assert_eq!(finished.stdout(), "epoch 1\nepoch 2\n");
    let text = finished.stderr();
    assert_contains(
        text,
        "ended with state FAILED: Workload failed\n  ValueError: no data\n",
    );
    assert_contains(text, "Traceback:\n  train.py, line 3\n");
    let finished = run(&project, &["--wait", "--no-logs"]);
    assert_eq!(finished.stdout(), "");
}

#[test]
fn a_signal_cancels_the_job() {
    for (signal, code) in [(Signal::INT, 130), (Signal::TERM, 143)] {
        let Some(fake) = workspace(Settings {
            job: vec![JobState::on("RUNNING", "In run"); 2],
            ..Settings::default()
        }) else {
            return;
        };
        let project = project(&fake);
        let mut child = start(&project, &["--wait"], Stdio::null());
        wait_until("questions about the job", || {
            let requests = fake.requests();
            requests
                .iter()
                .filter(|request| request.path.ends_with("runs/get"))
                .count()
                >= 2
        });
        send(&child, signal);
        assert_eq!(child.wait().unwrap().code(), Some(code));
        assert_eq!(
            fake.job_states()[0].result_state.as_deref(),
            Some("CANCELED"),
            "{signal:?}"
        );
        assert_eq!(stored(&run_id_of_job(&fake)).status, "KILLED");
    }
}

#[test]
fn a_job_that_does_not_start_in_time_is_canceled() {
    let Some(fake) = workspace(Settings {
        job: vec![JobState::on("PENDING", "Waiting for cluster"); 2],
        ..Settings::default()
    }) else {
        return;
    };
    let project = project(&fake);
    let finished = run(&project, &["--wait", "--start-timeout", "1s"]);
    finished.expect_code(1);
    assert_contains(
        finished.stderr(),
        "error: Databricks job run 9000000001 did not start in time (state PENDING), so mlrun canceled it",
    );
    assert_eq!(fake.job_states()[0].result_state.as_deref(), Some("CANCELED"));
    assert_eq!(recorded(&finished).status, "FAILED");
}

#[test]
fn a_lost_answer_makes_no_second_job() {
    let Some(fake) = workspace(Settings::default()) else {
        return;
    };
    fake.fail(Fault::new(
        "POST /jobs/runs/submit",
        2,
        fake_databricks::Action::BreakAfter,
    ));
    let project = project(&fake);
    run(&project, &["--wait"]).expect_code(0);
    assert_eq!(fake.submitted().len(), 1);
}
