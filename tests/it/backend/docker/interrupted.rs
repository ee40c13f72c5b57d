//! Signals: no container is left, in no state, and no run stays `RUNNING`.

use std::process::Child;
use std::time::{Duration, Instant};

use rustix::process::Signal;

use crate::harness::docker::DockerProject;
use crate::harness::running::{send, wait_until};
use crate::harness::{StoredRun, assert_contains};

fn start(project: &DockerProject) -> Child {
    project.project.started(&["run", "project"]).spawn().unwrap()
}

fn runs(project: &DockerProject) -> Vec<StoredRun> {
    project.project.store().runs
}

#[track_caller]
fn assert_nothing_is_left(project: &DockerProject, moment: &str) {
    for run in runs(project) {
        assert_eq!(run.status, "KILLED", "{moment}");
        let name = format!("mlrun-{}", run.run_id);
        assert_eq!(project.docker.containers(&name), "", "{moment}");
    }
}

/// A project whose container says that it runs by a file of this machine.
fn waiting(command: &str) -> Option<DockerProject> {
    let project = DockerProject::new("volumes: [\"$(pwd)/out:/out\"]", command)?;
    Some(project.file("out/there", "").file(".dockerignore", "out"))
}

#[test]
fn a_signal_ends_the_container_and_the_run() {
    let Some(project) =
        waiting("trap 'touch /out/ended; exit 0' TERM; touch /out/ready; while :; do sleep 0.05; done")
    else {
        return;
    };
    let out = project.project.sandbox().work().join("project/out");
    for (signal, code) in [(Signal::TERM, 143), (Signal::INT, 130), (Signal::HUP, 129)] {
        let mut child = start(&project);
        wait_until("the entry point's start", || out.join("ready").exists());
        send(&child, signal);
        assert_eq!(child.wait().unwrap().code(), Some(code));
        assert!(
            out.join("ended").exists(),
            "the container must get the time to end well"
        );
        assert_nothing_is_left(&project, "in mid run");
        for file in ["ready", "ended"] {
            std::fs::remove_file(out.join(file)).unwrap();
        }
    }
}

#[test]
fn a_second_signal_kills_the_container_at_once() {
    let Some(project) =
        waiting("trap 'touch /out/asked' TERM; touch /out/ready; while :; do sleep 0.05; done")
    else {
        return;
    };
    let out = project.project.sandbox().work().join("project/out");
    let mut child = start(&project);
    wait_until("the entry point's start", || out.join("ready").exists());
    send(&child, Signal::TERM);
    wait_until("the entry point's signal", || out.join("asked").exists());
    let begun = Instant::now();
    // Signals that follow at once belong to the same request.
    wait_until("the end", || {
        send(&child, Signal::TERM);
        std::thread::sleep(Duration::from_millis(150));
        child.try_wait().unwrap().is_some()
    });
    assert!(begun.elapsed() < Duration::from_secs(8), "{:?}", begun.elapsed());
    assert_eq!(child.wait().unwrap().code(), Some(143));
    assert_nothing_is_left(&project, "after a second signal");
}

#[test]
fn a_signal_in_any_moment_leaves_no_container() {
    let Some(project) = waiting("trap 'exit 0' TERM; while :; do sleep 0.05; done") else {
        return;
    };
    // So many times, at moments spread over all that happens until the container runs.
    let count = std::env::var("MLRUN_TEST_SIGNALS").map_or(8, |count| count.parse().unwrap());
    for step in 0..count {
        let delay = Duration::from_millis(1200) * step / count;
        let mut child = start(&project);
        // The moment is the point here.
        std::thread::sleep(delay);
        send(&child, Signal::TERM);
        let status = child.wait().unwrap();
        let moment = format!("after {delay:?} ({status})");
        assert_nothing_is_left(&project, &moment);
        let temporary = project.project.sandbox().root().join("tmp");
        let left: Vec<_> = std::fs::read_dir(temporary).unwrap().collect();
        assert!(left.is_empty(), "{moment}: {left:?}");
    }
}

#[test]
fn a_cancellation_removes_the_container_that_a_killed_mlrun_left() {
    let Some(project) = waiting("trap '' TERM; touch /out/ready; while :; do sleep 0.05; done") else {
        return;
    };
    let out = project.project.sandbox().work().join("project/out");
    let mut child = start(&project);
    wait_until("the entry point's start", || out.join("ready").exists());
    let id = runs(&project).remove(0).run_id;
    let name = format!("mlrun-{id}");
    child.kill().unwrap();
    child.wait().unwrap();
    assert_ne!(project.docker.containers(&name), "");
    let mut cancel = project.project.sandbox().mlrun();
    let output = cancel.args(["cancel", &id]).output().unwrap();
    let told = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(0), "{told}");
    assert_contains(&told, &format!("Removed the run's container {name}\n"));
    assert_nothing_is_left(&project, "after a cancellation");
}
