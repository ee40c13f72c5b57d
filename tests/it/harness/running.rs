//! Runs that a test looks at and signals while they go on.

use std::path::Path;
use std::process::{Child, Stdio};
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, kill_process};

use super::{Project, StoreContents};

/// How long a condition may take to come true before the test fails.
const LIMIT: Duration = Duration::from_secs(180);

/// A project whose command starts a tree of processes, says so in the file `ready`, and waits.
pub(crate) fn tree() -> Project {
    Project::new().command("(sleep 1000 & setsid sleep 1000 & sleep 1000) & sleep 1000 & touch ready; wait")
}

/// An entry point that says when it is there, and ends with this command when the file `go` is there.
pub(crate) fn waits_for_go(end: &str) -> Project {
    Project::new().command(&format!(
        "touch ready; until [ -e go ]; do sleep 0.01; done; {end}"
    ))
}

pub(crate) fn start(project: &Project, tracking_uri: &str) -> Child {
    let mut command = project.started(&["run", "project", "--env-manager", "local"]);
    command.env("MLFLOW_TRACKING_URI", tracking_uri);
    command.spawn().unwrap()
}

/// As [`start`], with its result in `info.json`, and with these variables; what it says can be read.
pub(crate) fn start_with(project: &Project, tracking_uri: &str, variables: &[(&str, &str)]) -> Child {
    let arguments = [
        "run",
        "project",
        "--env-manager",
        "local",
        "--run-info",
        "info.json",
    ];
    let mut command = project.started(&arguments);
    command.env("MLFLOW_TRACKING_URI", tracking_uri);
    command.envs(variables.iter().copied());
    command.stderr(Stdio::piped()).spawn().unwrap()
}

pub(crate) fn send(child: &Child, signal: Signal) {
    kill_process(Pid::from_child(child), signal).unwrap();
}

#[track_caller]
pub(crate) fn wait_until(what: &str, mut condition: impl FnMut() -> bool) {
    let start = Instant::now();
    while !condition() {
        assert!(start.elapsed() < LIMIT, "not in time: {what}");
        std::thread::sleep(Duration::from_millis(1));
    }
}

#[track_caller]
pub(crate) fn wait_for_entry_point(project: &Project, child: &mut Child) {
    let ready = project.sandbox().work().join("project/ready");
    wait_until("the entry point's start", || {
        let end = child.try_wait().unwrap();
        assert!(end.is_none(), "ended before the entry point: {end:?}");
        ready.exists()
    });
}

/// The processes that were started in the sandbox, by the variables that all of them inherit.
pub(crate) fn processes(sandbox: &Path) -> Vec<String> {
    let mark = format!("HOME={}/home", sandbox.display());
    let mut found = Vec::new();
    for entry in std::fs::read_dir("/proc").unwrap() {
        let path = entry.unwrap().path();
        let environment = std::fs::read(path.join("environ")).unwrap_or_default();
        if environment
            .split(|byte| *byte == 0)
            .any(|variable| variable == mark.as_bytes())
        {
            let command = std::fs::read(path.join("cmdline")).unwrap_or_default();
            found.push(String::from_utf8_lossy(&command).replace('\0', " "));
        }
    }
    found
}

#[track_caller]
pub(crate) fn assert_nothing_lives(project: &Project) {
    // A process that was killed may take a moment to disappear.
    wait_until("the end of all processes", || {
        processes(project.sandbox().root()).is_empty()
    });
}

/// The statuses of the runs in the two stores that a sandbox may have.
pub(crate) fn statuses(project: &Project) -> Vec<String> {
    let mut runs = project.store().runs;
    runs.extend(StoreContents::of_directory(&project.sandbox().work().join("mlruns")).runs);
    runs.into_iter().map(|run| run.status).collect()
}
