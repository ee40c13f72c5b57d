//! Stores that go away while an entry point runs: real servers, stopped and started again.

use std::process::Child;
use std::time::{Duration, Instant};

use rustix::process::Signal;

use crate::harness::running::{send, start_with, wait_for_entry_point, waits_for_go};
use crate::harness::{MlflowServer, StoreContents, assert_contains_all, mlflow3};

/// The settings of a person who does not want to wait.
const IMPATIENT: [(&str, &str); 4] = [
    ("MLFLOW_HTTP_REQUEST_MAX_RETRIES", "1"),
    ("MLFLOW_HTTP_REQUEST_BACKOFF_FACTOR", "0"),
    ("MLFLOW_HTTP_REQUEST_BACKOFF_JITTER", "0"),
    ("MLRUN_RECORD_TIMEOUT", "2"),
];

fn ended(child: Child) -> (Option<i32>, String) {
    let output = child.wait_with_output().unwrap();
    (output.status.code(), String::from_utf8(output.stderr).unwrap())
}

#[test]
fn the_end_is_recorded_by_a_server_that_comes_back() {
    let Some(venv) = mlflow3() else { return };
    let mut server = MlflowServer::start(&venv);
    for (end, code, status) in [("exit 0", 0, "FINISHED"), ("exit 3", 1, "FAILED")] {
        let project = waits_for_go(end);
        let patient = [
            IMPATIENT[0],
            IMPATIENT[1],
            IMPATIENT[2],
            ("MLRUN_RECORD_TIMEOUT", "120"),
        ];
        let mut child = start_with(&project, server.url(), &patient);
        wait_for_entry_point(&project, &mut child);
        server.stop();
        project.sandbox().write("project/go", "");
        // The server is away when the first tries are made.
        std::thread::sleep(Duration::from_secs(1));
        assert!(child.try_wait().unwrap().is_none(), "it gave up");
        server.restart();
        let (exit, said) = ended(child);
        assert_eq!(exit, Some(code), "{said}");
        assert_contains_all(
            &said,
            &["is not recorded yet (", "; retrying in ", ", for up to 2m"],
        );
        let runs = StoreContents::of_sqlite(&server.database()).runs;
        assert_eq!(runs.last().unwrap().status, status);
    }
}

#[test]
fn an_end_that_no_server_takes_is_told() {
    let Some(venv) = mlflow3() else { return };
    let mut server = MlflowServer::start(&venv);
    let mut running = Vec::new();
    for (end, status, line) in [
        ("exit 0", "FINISHED", "') succeeded ==="),
        ("exit 3", "FAILED", "The entry point ended with exit code 3"),
    ] {
        let project = waits_for_go(end);
        let mut child = start_with(&project, server.url(), &IMPATIENT);
        wait_for_entry_point(&project, &mut child);
        running.push((project, child, status, line));
    }
    server.stop();
    for (project, child, status, line) in running {
        project.sandbox().write("project/go", "");
        let (exit, said) = ended(child);
        // A run that the store does not know to have succeeded has not.
        assert_eq!(exit, Some(1), "{said}");
        let info = project.run_info();
        assert_eq!((&info["status"], &info["exit_code"]), (&status.into(), &1.into()));
        let id = info["run_id"].as_str().unwrap();
        let error = format!("error: the end of run '{id}' ({status}) could not be recorded");
        let hint = format!("MlflowClient().set_terminated('{id}', '{status}')");
        assert_contains_all(
            &said,
            &[line, &error, "nothing is listening at that address", &hint],
        );
    }
}

#[test]
fn a_signal_shortens_the_wait_for_a_server() {
    let Some(venv) = mlflow3() else { return };
    let mut server = MlflowServer::start(&venv);
    let project = waits_for_go("exit 0");
    let mut child = start_with(
        &project,
        server.url(),
        &[IMPATIENT[0], IMPATIENT[1], IMPATIENT[2]],
    );
    wait_for_entry_point(&project, &mut child);
    server.stop();
    project.sandbox().write("project/go", "");
    std::thread::sleep(Duration::from_secs(1));
    let begun = Instant::now();
    send(&child, Signal::TERM);
    std::thread::sleep(Duration::from_millis(200));
    send(&child, Signal::TERM);
    let (exit, said) = ended(child);
    assert_eq!(exit, Some(1), "{said}");
    assert!(begun.elapsed() < Duration::from_secs(5), "{:?}", begun.elapsed());
    assert_contains_all(
        &said,
        &["(FINISHED) could not be recorded in time", "set_terminated("],
    );
}
