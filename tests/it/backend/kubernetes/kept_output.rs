//! `--log-output`: the pods' output becomes artifacts of the run.

use std::path::PathBuf;

use rustix::process::Signal;

use super::cluster::{ClusterProject, Running};
use crate::harness::{Sandbox, assert_lacks};

/// The kept output of the only run.
fn kept(cluster: &ClusterProject) -> String {
    let directory = PathBuf::from(&cluster.run().artifact_uri).join("logs");
    let names: Vec<_> = std::fs::read_dir(&directory)
        .unwrap()
        .map(|entry| entry.unwrap().file_name())
        .collect();
    assert_eq!(names, ["stdout-stderr.txt"]);
    assert_nothing_is_left(cluster.project.sandbox());
    std::fs::read_to_string(directory.join("stdout-stderr.txt")).unwrap()
}

fn assert_nothing_is_left(sandbox: &Sandbox) {
    let left = std::fs::read_dir(sandbox.root().join("tmp")).unwrap().count();
    assert_eq!(left, 0, "a temporary file is left");
}

/// Starts a run whose entry point has written two lines.
fn begun<'a>(cluster: &'a ClusterProject, arguments: &[&str]) -> Running<'a> {
    let running = cluster.start(&[&["--log-output"], arguments].concat());
    let pod = cluster.server.pod(0);
    cluster.server.start_pod(&pod);
    cluster.server.log(&pod, "out");
    cluster.server.log(&pod, "err");
    running.wait_for_stderr("Job started.\n");
    running
}

#[test]
fn output_is_shown_and_kept_however_the_run_ends() {
    for (exit_code, code) in [(0, 0), (3, 1)] {
        let cluster = ClusterProject::new();
        let running = begun(&cluster, &[]);
        let pod = cluster.server.pod(0);
        cluster.server.log_bytes(&pod, "without an end: ä".as_bytes());
        cluster.server.end_pod(&pod, exit_code, "Error");
        cluster
            .server
            .end_job((exit_code != 0).then_some(("BackoffLimitExceeded", "too many")));
        let ended = running.end().with_code(code);
        assert_eq!(ended.stdout, "out\nerr\nwithout an end: ä");
        assert_eq!(kept(&cluster), ended.stdout);
    }
}

#[test]
fn output_of_a_run_that_is_ended_is_kept() {
    for code in [143, 137] {
        let cluster = ClusterProject::new();
        let running = begun(&cluster, &[]);
        running.wait_for_stdout("err\n");
        if code == 143 {
            running.signal(Signal::TERM);
        } else {
            let run_id = cluster.run().run_id;
            cluster.start_mlrun(&["cancel", &run_id]).end().expect_code(0);
        }
        running.end().expect_code(code);
        assert_eq!(kept(&cluster), "out\nerr\n");
        assert_eq!(cluster.run().status, "KILLED");
    }
}

#[test]
fn output_is_kept_though_it_is_not_shown() {
    let cluster = ClusterProject::new();
    let running = begun(&cluster, &["--no-logs"]);
    cluster.server.end_pod(&cluster.server.pod(0), 0, "Completed");
    cluster.server.end_job(None);
    let ended = running.end().with_code(0);
    assert_eq!(ended.stdout, "");
    assert_eq!(kept(&cluster), "out\nerr\n");
}

#[test]
fn options_without_effect_are_told() {
    let cluster = ClusterProject::new();
    let ended = cluster
        .start(&["--no-wait", "--log-output", "--storage-dir", "downloads"])
        .end();
    ended
        .expect_code(0)
        .expect_stderr("warning: ignoring --log-output: mlrun does not wait for this run")
        .expect_stderr("add --wait\n")
        .expect_stderr("warning: ignoring --storage-dir: the backend downloads no data to this machine\n");
    assert_nothing_is_left(cluster.project.sandbox());
    // Nobody has asked for it this time.
    let cluster = ClusterProject::new().env("MLFLOW_TMP_DIR", "downloads");
    let ended = cluster.start(&["--no-wait"]).end();
    assert_lacks(&ended.stderr, "is not used");
}
