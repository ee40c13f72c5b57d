//! mlrun killed by `SIGKILL`, as by an out-of-memory killer: what it started ends too.

use std::fs;
use std::path::Path;
use std::process::{Child, Command};
use std::time::Duration;

use rustix::process::{Pid, Signal, kill_process};
use serde_json::json;

use crate::harness::running::{
    assert_nothing_lives, processes, start, statuses, tree, wait_for_entry_point, wait_until,
};
use crate::harness::{Project, StoreContents, assert_contains, describe, mlflow3};

/// Moments of a short run, spread over it in a fixed order that looks random.
fn moments(count: u32, length: Duration) -> impl Iterator<Item = Duration> {
    (0..count).map(move |number| length * (number * 7 % count) / count)
}

fn kill(mut child: Child) {
    child.kill().unwrap();
    child.wait().unwrap();
}

#[test]
fn nothing_outlives_mlrun_whenever_it_is_killed() {
    // Set before the entry point's start, at it, and after it.
    for (number, moment) in moments(30, Duration::from_millis(60)).enumerate() {
        let project = tree();
        let child = start(&project, ["", "mlruns"][number % 2]);
        std::thread::sleep(moment);
        kill(child);
        assert_nothing_lives(&project);
    }
}

#[test]
fn nothing_outlives_mlrun_whatever_it_runs() {
    for command in [
        "sleep 1000 & sleep 1000 & touch ready; sleep 1000",
        "(setsid sleep 1000 &); (setsid bash -c 'sleep 1001 & sleep 1002; true' &); touch ready; sleep 1000; true",
        "trap 'touch asked; exit 0' TERM; touch ready; while :; do sleep 0.01; done",
        "trap '' TERM; touch ready; while :; do sleep 0.01; done",
        "touch ready; kill -STOP $$",
        "touch ready; exec sleep 1000",
    ] {
        let project =
            Project::new().mlproject(&format!("entry_points:\n  main:\n    command: \"{command}\"\n"));
        let mut child = start(&project, "");
        wait_for_entry_point(&project, &mut child);
        kill(child);
        assert_nothing_lives(&project);
        let asked = project.sandbox().work().join("project/asked").exists();
        assert_eq!(
            asked,
            command.contains("asked"),
            "it has time to end well: {command}"
        );
    }
}

/// The signals of a program's own faults cannot be handled, but they end no less.
#[test]
fn nothing_outlives_an_mlrun_that_crashes() {
    for signal in [Signal::SEGV, Signal::BUS, Signal::ILL, Signal::FPE] {
        let project = tree();
        let mut child = start(&project, "");
        wait_for_entry_point(&project, &mut child);
        // A handler that looks for an overflow of the stack takes the first of some of them.
        wait_until("the crash", || {
            let _ = kill_process(Pid::from_raw(i32::try_from(child.id()).unwrap()).unwrap(), signal);
            child.try_wait().unwrap().is_some()
        });
        assert_eq!(child.wait().unwrap().code(), None);
        assert_nothing_lives(&project);
    }
}

/// Processes without the variables of mlrun are those of its group still.
#[test]
fn nothing_outlives_mlrun_that_has_no_variables() {
    let project = Project::new().command("env -i sleep 1000 & echo $! >other; mv other ready; wait");
    let mut child = start(&project, "");
    wait_for_entry_point(&project, &mut child);
    let other = fs::read_to_string(project.sandbox().work().join("project/ready")).unwrap();
    kill(child);
    wait_until("the end of the other one", || !is_running(other.trim()));
}

fn is_running(pid: &str) -> bool {
    let stat = fs::read_to_string(format!("/proc/{pid}/stat")).unwrap_or_default();
    stat.rsplit_once(") ")
        .is_some_and(|(_, rest)| !rest.starts_with('Z'))
}

#[test]
fn an_mlrun_below_a_killed_one_ends_its_own_run() {
    for inner in ["exec", ""] {
        let mlrun = env!("CARGO_BIN_EXE_mlrun");
        let project = tree();
        project.sandbox().write(
            "outer/MLproject",
            format!("entry_points:\n  main:\n    command: \"cd ..; {inner} {mlrun} run project --env-manager local; true\"\n"),
        );
        let mut command = project.started(&["run", "outer", "--env-manager", "local"]);
        let mut child = command.spawn().unwrap();
        wait_for_entry_point(&project, &mut child);
        kill(child);
        assert_nothing_lives(&project);
        let mut found = statuses(&project);
        found.sort();
        assert_eq!(
            found,
            ["KILLED", "RUNNING"],
            "the inner one knew, the outer one could not"
        );
    }
}

#[test]
fn a_connection_of_git_ends_with_mlrun() {
    let project = Project::new();
    let uri = "ssh://git@localhost/project.git";
    let mut command = project.started(&["run", uri, "--env-manager", "local"]);
    command.env("GIT_SSH_COMMAND", "sleep 1000 & touch ready; sleep 1000; :");
    let mut child = command.spawn().unwrap();
    let ready = project.sandbox().work().join("ready");
    wait_until("the connection", || {
        assert!(child.try_wait().unwrap().is_none(), "ended too early");
        ready.exists()
    });
    kill(child);
    assert_nothing_lives(&project);
}

#[test]
fn what_a_run_leaves_in_the_background_on_purpose_stays() {
    let project = Project::new().command("setsid sleep 1000 & sleep 1001 & true");
    assert_eq!(start(&project, "").wait().unwrap().code(), Some(0));
    assert_eq!(statuses(&project), ["FINISHED"]);
    let left = processes(project.sandbox().root());
    assert_eq!(left.len(), 2, "{left:?}");
    for pid in marked(&project) {
        kill_process(Pid::from_raw(pid).unwrap(), Signal::KILL).unwrap();
    }
    assert_nothing_lives(&project);
}

fn marked(project: &Project) -> Vec<i32> {
    let home = format!("{}/home", project.sandbox().root().display());
    mlrun::internals::process::processes_with_variable("HOME", &home)
}

/// The guard of an mlrun: it has a name of its own and mlrun's id as an argument.
fn guard_of(child: &Child) -> Pid {
    let is_guard = |path: &Path| {
        let call = fs::read(path.join("cmdline")).unwrap_or_default();
        call.starts_with(format!("run-guard\0{}:", child.id()).as_bytes())
    };
    let mut found = None;
    wait_until("the guard", || {
        let entries = fs::read_dir("/proc").unwrap().map(|entry| entry.unwrap());
        found = entries
            .filter(|entry| is_guard(&entry.path()))
            .find_map(|entry| Pid::from_raw(entry.file_name().to_str()?.parse().ok()?));
        found.is_some()
    });
    found.unwrap()
}

#[test]
fn a_cancellation_ends_what_is_left() {
    for uri in ["", "mlruns"] {
        let project = tree();
        let mut child = start(&project, uri);
        wait_for_entry_point(&project, &mut child);
        let work = project.sandbox().work();
        let mut runs = StoreContents::of_sqlite(&work.join("mlflow.db")).runs;
        runs.extend(StoreContents::of_directory(&work.join("mlruns")).runs);
        let id = runs.remove(0).run_id;
        // As if it had been killed with mlrun.
        kill_process(guard_of(&child), Signal::KILL).unwrap();
        let process = child.id();
        kill(child);
        assert!(
            !processes(project.sandbox().root()).is_empty(),
            "the leader alone ended"
        );

        // It has the run's id, and is none of the run's.
        let mut bystander = Command::new("sleep")
            .arg("1000")
            .env("MLFLOW_RUN_ID", &id)
            .spawn()
            .unwrap();
        let project = project.env("MLFLOW_TRACKING_URI", uri);
        let shown = project.mlrun(&["status", &id]);
        let way_out = format!("; `mlrun cancel {id}` stops them");
        assert_contains(shown.stdout(), &way_out);
        let cancelled = project.mlrun(&["cancel", &id]).with_code(0);
        for text in [
            format!("its process {process} on host "),
            "Stopping the processes it left behind: ".to_owned(),
            format!(
                "are still running: {}; if they belong to the run, stop them with `kill ",
                bystander.id()
            ),
            "was cancelled: KILLED".to_owned(),
        ] {
            assert!(
                cancelled.stderr().contains(&text),
                "no '{text}' in:\n{}",
                cancelled.stderr()
            );
        }
        assert_nothing_lives(&project);
        assert!(bystander.try_wait().unwrap().is_none(), "it was signalled");
        bystander.kill().unwrap();
        bystander.wait().unwrap();
        assert_eq!(statuses(&project), ["KILLED"]);
    }
}

/// The directories of runs in the store's default experiment, and which of them are whole.
fn run_directories(project: &Project) -> Vec<(String, bool)> {
    let experiment = project.sandbox().work().join("mlruns/0");
    let entries = fs::read_dir(experiment).into_iter().flatten().flatten();
    entries
        .filter(|entry| entry.path().is_dir())
        .map(|entry| {
            let name = entry.file_name().into_string().unwrap();
            (name, entry.path().join("meta.yaml").exists())
        })
        .collect()
}

fn store_run(project: &Project, arguments: &[&str]) -> Command {
    let mut command = project.started(&["run", "project", "--env-manager", "local"]);
    command.args(arguments).env("MLFLOW_TRACKING_URI", "mlruns");
    command
}

#[test]
fn a_half_made_run_is_removed_by_the_next_start() {
    // Many parameters make a creation that lasts.
    let parameters: Vec<String> = (0..400).map(|number| format!("-Pp{number}=1")).collect();
    let parameters: Vec<&str> = parameters.iter().map(String::as_str).collect();
    let project = Project::new().command("true");
    assert!(store_run(&project, &[]).status().unwrap().success());
    let mut halves = 0;
    for number in 0..40_u32 {
        let mut child = store_run(&project, &parameters).spawn().unwrap();
        let before = run_directories(&project).len();
        // It is killed while its directory is being filled, sooner or later.
        wait_until("a directory", || {
            child.try_wait().unwrap().is_some() || run_directories(&project).len() > before
        });
        std::thread::sleep(Duration::from_micros(u64::from(number) * 100));
        kill(child);
        halves += run_directories(&project)
            .iter()
            .filter(|(_, is_whole)| !is_whole)
            .count();
        if number % 8 == 7 {
            assert!(store_run(&project, &[]).status().unwrap().success());
            let found = run_directories(&project);
            assert!(found.iter().all(|(_, is_whole)| *is_whole), "{found:?}");
        }
    }
    assert!(halves > 0, "no creation was hit");
    let root = project.sandbox().work().join("mlruns");
    let notes = fs::read_dir(root).unwrap().filter(|entry| {
        let name = entry.as_ref().unwrap().file_name();
        name.to_string_lossy().contains("creates")
    });
    assert_eq!(notes.count(), 0);
}

const OLD: &str = "2001-02-03T04:05:06Z";

/// A directory as a client that was killed has left it, without a word of who made it.
fn half_made(project: &Project, id: &str, script: &str) {
    project
        .sandbox()
        .shell(&format!("mkdir -p mlruns/0/{id} && cd mlruns/0/{id} && {script}"));
}

#[test]
fn only_what_nobody_creates_is_removed() {
    let project = Project::new().command("true");
    assert!(store_run(&project, &[]).status().unwrap().success());
    let parts = "mkdir params tags metrics artifacts; echo 1 >params/a";
    let age = format!("find . -exec touch -d {OLD} {{}} +");
    let id = |number: u32| format!("{number:032x}");
    half_made(&project, &id(1), &format!("{parts}; {age}"));
    half_made(&project, &id(2), &age);
    half_made(&project, &id(3), parts);
    half_made(
        &project,
        &id(4),
        &format!("{parts}; echo model >artifacts/model; {age}"),
    );
    half_made(&project, &id(5), &format!("echo mine >notes.txt; {age}"));
    half_made(&project, "my-directory", &age);
    // As another mlrun does at this moment: this very test.
    let own = mlrun::internals::process::ProcessIdentity::own().unwrap();
    let own: serde_json::Value = serde_json::from_str(&own.to_tag()).unwrap();
    let gone = json!({"start": 1});
    let elsewhere = json!({"boot": "another", "host": "node7"});
    for (number, change) in [(6, json!({})), (7, gone), (8, elsewhere.clone()), (9, elsewhere)] {
        half_made(&project, &id(number), parts);
        let mut process = own.clone();
        process
            .as_object_mut()
            .unwrap()
            .extend(change.as_object().unwrap().clone());
        let note = json!({"experiment": "0", "process": process}).to_string();
        let path = format!("mlruns/.mlrun-creates-{}", id(number));
        project.sandbox().write(&path, note);
        if number == 9 {
            project.sandbox().shell(&format!("touch -d {OLD} {path}"));
        }
    }
    assert!(store_run(&project, &[]).status().unwrap().success());
    let left = run_directories(&project);
    let is_left = |name: &str| left.iter().any(|(found, _)| found == name);
    for (number, expected) in [
        (1, false),
        (2, false),
        (3, true),
        (4, true),
        (5, true),
        (6, true),
        (7, false),
        (8, true),
        (9, false),
    ] {
        assert_eq!(is_left(&id(number)), expected, "{number}: {left:?}");
    }
    assert!(is_left("my-directory"));
}

#[test]
fn mlflow_lists_runs_beside_half_made_ones() {
    let Some(venv) = mlflow3() else { return };
    let project = Project::new().command("true");
    assert!(store_run(&project, &[]).status().unwrap().success());
    half_made(
        &project,
        &format!("{:032x}", 1),
        "mkdir params tags; echo 1 >params/a",
    );
    half_made(&project, &format!("{:032x}", 2), "true");
    project
        .sandbox()
        .write(format!("mlruns/.mlrun-creates-{:032x}", 3), "{}");
    let whole = run_directories(&project)
        .into_iter()
        .find(|(_, is_whole)| *is_whole)
        .unwrap()
        .0;
    let mut command = project.sandbox().command(venv.join("bin/mlflow"));
    command.args(["runs", "list", "--experiment-id", "0"]);
    command.envs([
        ("MLFLOW_TRACKING_URI", "mlruns"),
        ("MLFLOW_ALLOW_FILE_STORE", "true"),
        ("MLFLOW_DISABLE_TELEMETRY", "true"),
    ]);
    let output = command.output().unwrap();
    assert!(output.status.success(), "{}", describe(&output));
    let listed = String::from_utf8_lossy(&output.stdout);
    assert!(listed.contains(&whole), "{}", describe(&output));
}
