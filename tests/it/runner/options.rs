//! `--timeout`, `--exit-code` and `--log-output`, with real processes and a real server.

use std::path::PathBuf;
use std::process::{Child, Stdio};
use std::time::{Duration, Instant};

use rustix::process::Signal;

use crate::harness::docker::DockerProject;
use crate::harness::running::{assert_nothing_lives, send, tree, wait_for_entry_point};
use crate::harness::{MlflowServer, Project, StoreContents, assert_contains, assert_starts_with, mlflow3};

fn project(command: &str) -> Project {
    Project::new().mlproject(&format!("entry_points:\n  main:\n    command: \"{command}\"\n"))
}

#[test]
fn a_run_that_takes_too_long_is_ended() {
    let project = tree();
    let begun = Instant::now();
    let finished = project.run(["--timeout", "1s", "--run-info", "info.json"]);
    finished.expect_code(124);
    assert!(begun.elapsed() < Duration::from_secs(10), "{:?}", begun.elapsed());
    let run = finished.store();
    assert_eq!(run.run().status, "KILLED");
    let line = format!(
        "=== Run (ID '{}') exceeded its 1s timeout; stopping it ===",
        run.run().run_id
    );
    assert_contains(finished.stderr(), &line);
    assert_nothing_lives(&project);
    let info = project.run_info();
    assert_eq!(
        (&info["status"], &info["exit_code"]),
        (&"KILLED".into(), &124.into())
    );
}

#[test]
fn a_limit_that_is_not_reached_changes_nothing() {
    for (command, code) in [("exit 0", 0), ("exit 5", 1)] {
        project(command).run(["--timeout", "1h"]).expect_code(code);
    }
    let wrong = project("exit 0");
    let finished = wrong.run(["--timeout", "soon"]).with_code(2);
    assert_contains(finished.stderr(), "write a number with a unit (s, m, h, d or w)");
}

#[test]
fn the_exit_code_is_whose_it_shall_be() {
    for (command, own) in [("exit 0", 0), ("exit 7", 7), ("exit 1", 1), ("kill -9 $$", 137)] {
        let project = project(command);
        let expected = i32::from(own != 0);
        project.run([]).expect_code(expected);
        project.run(["--exit-code", "mlrun"]).expect_code(expected);
        let finished = project.run(["--exit-code", "entry-point"]).with_code(own);
        let status = if own == 0 { "FINISHED" } else { "FAILED" };
        let runs = finished.store().runs;
        assert!(runs.iter().all(|run| run.status == status), "{command}: {runs:?}");
    }
    // What is not the entry point's end is mlrun's own.
    project("exit 7")
        .run(["--exit-code", "entry-point", "-P", "a=1", "-e", "none.py"])
        .expect_code(1);
}

/// The kept output of the only run in a store.
fn logs(contents: &StoreContents) -> [String; 2] {
    let directory = PathBuf::from(&contents.run().artifact_uri).join("logs");
    ["stdout.txt", "stderr.txt"].map(|name| {
        std::fs::read_to_string(directory.join(name)).unwrap_or_else(|error| format!("{name}: {error}"))
    })
}

#[test]
fn output_is_shown_and_kept() {
    for (end, code) in [("true", 0), ("exit 3", 1)] {
        let project = project(&format!("echo out; echo err >&2; printf ä; {end}"));
        let finished = project.run(["--log-output"]).with_code(code);
        assert_eq!(finished.stdout(), "out\nä");
        assert_contains(finished.stderr(), "\nerr\n");
        assert_eq!(logs(&finished.store()), ["out\nä", "err\n"]);
        let left = std::fs::read_dir(project.sandbox().root().join("tmp"))
            .unwrap()
            .count();
        assert_eq!(left, 0, "a temporary file is left");
    }
}

#[test]
fn much_output_is_kept_whole_and_in_no_memory() {
    let project = project("head -c 200000000 /dev/zero; seq 3 >&2");
    let finished = project.run(["--log-output"]).with_code(0);
    assert_eq!(finished.stdout().len(), 200_000_000);
    let [out, err] = logs(&finished.store());
    assert_eq!((out.len(), err.as_str()), (200_000_000, "1\n2\n3\n"));
}

fn start(project: &Project, uri: &str) -> Child {
    let mut command = project.sandbox().interruptible_mlrun();
    command.args(["run", "project", "--env-manager", "local", "--log-output"]);
    command
        .env("MLFLOW_TRACKING_URI", uri)
        .stdout(Stdio::null())
        .stderr(Stdio::piped());
    command.spawn().unwrap()
}

#[test]
fn the_output_of_a_killed_run_is_kept_too() {
    let project = project("echo before; touch ready; sleep 1000");
    let mut child = start(&project, "");
    wait_for_entry_point(&project, &mut child);
    send(&child, Signal::TERM);
    assert_eq!(child.wait().unwrap().code(), Some(143));
    let contents = project.store();
    assert_eq!(contents.run().status, "KILLED");
    assert_eq!(logs(&contents), ["before\n", ""]);
    assert_nothing_lives(&project);
}

#[test]
fn a_background_process_does_not_hold_the_end_back() {
    let project = project("(sleep 30; echo late) & echo early");
    let begun = Instant::now();
    let finished = project.run(["--log-output"]).with_code(0);
    assert!(begun.elapsed() < Duration::from_secs(15), "{:?}", begun.elapsed());
    assert_eq!(logs(&finished.store())[0], "early\n");
}

#[test]
fn output_reaches_a_server_that_serves_artifacts() {
    let Some(venv) = mlflow3() else { return };
    let server = MlflowServer::start(&venv);
    let project = project("echo out; echo err >&2; exit 3").env("MLFLOW_TRACKING_URI", server.url());
    project.run(["--log-output"]).expect_code(1);
    let contents = StoreContents::of_sqlite(&server.database());
    let run = contents.run();
    assert_starts_with(&run.artifact_uri, "mlflow-artifacts:");
    let read = "import sys, mlflow.artifacts as a\n\
                print(a.load_text('runs:/' + sys.argv[1] + '/logs/stdout.txt') + a.load_text('runs:/' + sys.argv[1] + '/logs/stderr.txt'), end='')";
    let mut python = project.sandbox().command(venv.join("bin/python"));
    python
        .args(["-W", "ignore", "-c", read, &run.run_id])
        .env("MLFLOW_TRACKING_URI", server.url());
    let output = python.env("MLFLOW_DISABLE_TELEMETRY", "true").output().unwrap();
    let said = String::from_utf8_lossy(&output.stderr);
    assert_eq!(String::from_utf8_lossy(&output.stdout), "out\nerr\n", "{said}");
}

#[test]
fn output_that_cannot_be_kept_is_told_and_is_no_failure() {
    let project = project("echo out; rm -rf ../mlruns; touch ../mlruns");
    let finished = project.run(["--log-output"]).with_code(0);
    assert_eq!(finished.stdout(), "out\n");
    let run_id = finished.store().run().run_id.clone();
    let warning = format!("warning: the logs of run '{run_id}' could not be saved as artifacts: ");
    assert_contains(finished.stderr(), &warning);
}

#[test]
fn the_output_of_a_container_is_kept() {
    let Some(project) = DockerProject::new("", "sh -c 'echo out; echo err >&2'") else {
        return;
    };
    let finished = project.run(&["--log-output"]).with_code(0);
    assert_eq!(finished.stdout(), "out\n");
    assert_eq!(logs(&finished.store()), ["out\n", "err\n"]);
}
