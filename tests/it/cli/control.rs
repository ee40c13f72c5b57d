//! `mlrun status`, `wait` and `cancel` of runs on this machine: real processes, also killed ones.

use std::process::{Child, Command, Stdio};
use std::time::Duration;

use mlrun::internals::entities::{ExperimentId, RunStatus, UnixMillis};
use mlrun::internals::tracking::{self, NewRun, RunEnd, TrackingStore, TrackingUri};
use rustix::process::Signal;
use serde_json::Value;
use sqlx::sqlite::SqliteConnectOptions;
use sqlx::{ConnectOptions, Executor as _, Row as _};

use crate::harness::running::{
    assert_nothing_lives, send, start, statuses, tree, wait_for_entry_point, wait_until,
};
use crate::harness::{Finished, MlflowServer, Project, StoreContents, assert_contains, block_on, mlflow3};

/// The id of the only run in the project's default stores.
fn run_id(project: &Project) -> String {
    let work = project.sandbox().work();
    let mut runs = StoreContents::of_sqlite(&work.join("mlflow.db")).runs;
    runs.extend(StoreContents::of_directory(&work.join("mlruns")).runs);
    assert_eq!(runs.len(), 1);
    runs.remove(0).run_id
}

/// A run whose entry point has begun.
fn running(project: &Project, uri: &str) -> (Child, String) {
    let mut child = start(project, uri);
    wait_for_entry_point(project, &mut child);
    let id = run_id(project);
    (child, id)
}

fn json(project: &Project, run_id: &str) -> Value {
    let finished = project.mlrun(&["status", run_id, "--json"]).with_code(0);
    serde_json::from_str(finished.stdout()).unwrap()
}

#[track_caller]
fn assert_says(finished: &Finished<'_>, code: i32, texts: &[&str]) {
    finished.expect_code(code);
    let said = format!("{}{}", finished.stdout(), finished.stderr());
    for text in texts {
        assert!(said.contains(text), "no '{text}' in:\n{said}");
    }
}

/// The test's own child is a zombie until it is waited for; the process counts as ended then.
fn kill_9(mut child: Child) {
    child.kill().unwrap();
    child.wait().unwrap();
}

#[test]
fn a_running_run_is_shown_and_cancelled() {
    for uri in ["", "mlruns"] {
        let project = tree();
        let (mut child, id) = running(&project, uri);
        let project = project.env("MLFLOW_TRACKING_URI", uri);
        let shown = project.mlrun(&["status", &id]);
        let process = format!("process      {} on ", child.id());
        assert_says(
            &shown,
            0,
            &["status       RUNNING\n", "entry point  main\n", &process],
        );
        let status = json(&project, &id);
        assert_eq!(status["status"], "RUNNING");
        assert_eq!(status["process"]["state"], "running");
        assert_eq!(status["process"]["pid"], child.id());
        assert_eq!(status["backend"], "local");

        let reaper = std::thread::spawn(move || child.wait().unwrap());
        assert_says(&project.mlrun(&["cancel", &id]), 0, &["was cancelled: KILLED"]);
        assert_eq!(reaper.join().unwrap().code(), Some(143));
        assert_eq!(statuses(&project), ["KILLED"]);
        assert_nothing_lives(&project);
        assert_says(&project.mlrun(&["wait", &id]), 137, &["has ended: KILLED"]);
        assert_says(
            &project.mlrun(&["cancel", &id]),
            0,
            &["has already ended: KILLED"],
        );
        assert_eq!(json(&project, &id)["process"]["state"], "gone");
        assert_eq!(json(&project, &id)["notes"], serde_json::json!([]));
    }
}

#[test]
fn a_wait_gives_the_end_of_the_run() {
    for (command, code, status) in [("exit 0", 0, "FINISHED"), ("exit 7", 1, "FAILED")] {
        let project = Project::new().mlproject(&format!(
            "entry_points:\n  main:\n    command: \"touch ready; until [ -e go ]; do sleep 0.01; done; {command}\"\n"
        ));
        let (mut child, id) = running(&project, "");
        let mut waiting = project.sandbox().mlrun();
        waiting.args(["wait", &id]).stderr(Stdio::piped());
        let waiting = waiting.spawn().unwrap();
        project.sandbox().write("project/go", "");
        child.wait().unwrap();
        let waited = waiting.wait_with_output().unwrap();
        assert_eq!(waited.status.code(), Some(code));
        let said = String::from_utf8(waited.stderr).unwrap();
        assert_contains(&said, &format!("has ended: {status}"));
    }
}

#[test]
fn a_signal_ends_the_waiting_alone() {
    let project = tree();
    let (mut child, id) = running(&project, "");
    let mut command = project.sandbox().interruptible_mlrun();
    command.args(["wait", &id]);
    let mut waiting = command.stderr(Stdio::piped()).spawn().unwrap();
    // It listens to signals once it has them caught.
    let status = format!("/proc/{}/status", waiting.id());
    wait_until("the handler", || {
        let text = std::fs::read_to_string(&status).unwrap_or_default();
        let caught = text.lines().find_map(|line| line.strip_prefix("SigCgt:\t"));
        u64::from_str_radix(caught.unwrap_or("0"), 16).unwrap() & 0b10 != 0
    });
    send(&waiting, Signal::INT);
    assert_eq!(waiting.wait().unwrap().code(), Some(130));
    assert!(child.try_wait().unwrap().is_none());
    assert_eq!(statuses(&project), ["RUNNING"]);
    send(&child, Signal::TERM);
    child.wait().unwrap();
}

#[test]
fn a_run_whose_process_was_killed_is_told_and_ended() {
    for uri in ["", "mlruns"] {
        let project = tree();
        let (child, id) = running(&project, uri);
        let project = project.env("MLFLOW_TRACKING_URI", uri);
        let process = format!("its process {} on host ", child.id());
        kill_9(child);
        assert_nothing_lives(&project);
        assert_eq!(statuses(&project), ["RUNNING"]);
        let shown = project.mlrun(&["status", &id]);
        let way_out = format!("`mlrun cancel {id}` records it as KILLED");
        let facts = ["status       RUNNING", &process, "is gone", &way_out];
        assert_says(&shown, 0, &facts);
        assert_eq!(json(&project, &id)["process"]["state"], "gone");
        let waited = project.mlrun(&["wait", &id]);
        assert_says(
            &waited,
            1,
            &[
                "cannot tell how run",
                &process,
                "its status is still RUNNING",
                &way_out,
            ],
        );
        assert_eq!(statuses(&project), ["RUNNING"]);

        let cancelled = project.mlrun(&["cancel", &id]);
        assert_says(&cancelled, 0, &["is gone", "was cancelled: KILLED"]);
        assert_eq!(statuses(&project), ["KILLED"]);
        assert_says(&project.mlrun(&["wait", &id]), 137, &[]);
    }
}

/// Changes what the run's tag says of its process.
fn change_process(project: &Project, change: impl FnOnce(&mut Value)) {
    let options = SqliteConnectOptions::new().filename(project.sandbox().work().join("mlflow.db"));
    block_on(async {
        let mut connection = options.connect().await.unwrap();
        let row = connection
            .fetch_one("SELECT value FROM tags WHERE key = 'mlrun.project.process'")
            .await
            .unwrap();
        let mut process: Value = serde_json::from_str(row.get(0)).unwrap();
        change(&mut process);
        sqlx::query("UPDATE tags SET value = ? WHERE key = 'mlrun.project.process'")
            .bind(process.to_string())
            .execute(&mut connection)
            .await
            .unwrap();
    });
}

#[test]
fn no_process_but_the_run_s_own_is_signalled() {
    let project = tree();
    let (mut child, id) = running(&project, "");
    // As if the id had gone to another process since.
    change_process(&project, |process| process["start"] = 1.into());
    assert_says(
        &project.mlrun(&["cancel", &id]),
        0,
        &["is gone", "was cancelled: KILLED"],
    );
    assert!(child.try_wait().unwrap().is_none(), "it was signalled");
    send(&child, Signal::TERM);
    child.wait().unwrap();
}

#[test]
fn a_run_on_another_host_is_left_to_that_host() {
    let project = tree();
    let (mut child, id) = running(&project, "");
    change_process(&project, |process| {
        process["boot"] = "another".into();
        process["host"] = "node7".into();
    });
    let host = format!("host node7 (process {})", child.id());
    let ssh = format!(
        "ssh node7 MLFLOW_TRACKING_URI=sqlite:///{}",
        project.sandbox().work().display()
    );
    assert_says(
        &project.mlrun(&["status", &id]),
        0,
        &[&host, "cannot be seen from here", &ssh],
    );
    assert_eq!(json(&project, &id)["process"]["state"], "elsewhere");
    assert_says(
        &project.mlrun(&["cancel", &id]),
        1,
        &["cannot cancel", &host, &ssh],
    );
    assert_eq!(statuses(&project), ["RUNNING"]);
    assert!(child.try_wait().unwrap().is_none(), "it was signalled");

    let mut waiting = project.sandbox().mlrun().args(["wait", &id]).spawn().unwrap();
    send(&child, Signal::TERM);
    child.wait().unwrap();
    assert_eq!(waiting.wait().unwrap().code(), Some(137));
}

/// A run as another program makes it, without a word of where it runs.
async fn foreign_run(store: &dyn TrackingStore) -> String {
    let new_run = NewRun {
        experiment_id: ExperimentId::new("0"),
        user: "ada".to_owned(),
        name: Some("plain".to_owned()),
        start_time: UnixMillis::now(),
        tags: vec![("mlflow.source.type".to_owned(), "LOCAL".to_owned())],
        params: vec![("alpha".to_owned(), "1".to_owned())],
    };
    store.create_run(new_run).await.unwrap().run_id.to_string()
}

fn spawn_wait(project: &Project, run_id: &str) -> Child {
    let mut command: Command = project.sandbox().mlrun();
    command.args(["wait", run_id]).spawn().unwrap()
}

#[tokio::test]
async fn runs_that_mlrun_did_not_start_are_shown_and_waited_for() {
    let project = Project::new();
    let uri = TrackingUri::resolve(Some("sqlite:///mlflow.db"), &project.sandbox().work()).unwrap();
    let store = tracking::open(&uri).await.unwrap();
    let id = foreign_run(store.as_ref()).await;
    assert_says(
        &project.mlrun(&["status", &id]),
        0,
        &["status       RUNNING", "(plain)"],
    );
    let status = json(&project, &id);
    assert_eq!(status["params"]["alpha"], "1");
    assert_eq!(status["process"], Value::Null);
    let refused = project.mlrun(&["cancel", &id]);
    assert_says(
        &refused,
        1,
        &[
            "cannot cancel",
            "no tag mlflow.project.backend",
            "where it was started",
        ],
    );
    let run_id = mlrun::RunId::new(id.clone());
    assert_eq!(store.run(&run_id).await.unwrap().status, RunStatus::Running);

    let mut waiting = spawn_wait(&project, &id);
    tokio::time::sleep(Duration::from_millis(300)).await;
    assert!(waiting.try_wait().unwrap().is_none());
    let end = RunEnd {
        status: RunStatus::Failed,
        end_time: UnixMillis::now(),
        keep_failure: false,
    };
    store.end_run(&run_id, end).await.unwrap();
    assert_eq!(waiting.wait().unwrap().code(), Some(1));
}

#[test]
fn a_server_s_run_is_cancelled() {
    let Some(venv) = mlflow3() else { return };
    let server = MlflowServer::start(&venv);
    let project = tree();
    let mut child = start(&project, server.url());
    wait_for_entry_point(&project, &mut child);
    let contents = StoreContents::of_sqlite(&server.database());
    let id = contents.run().run_id.clone();
    let project = project.env("MLFLOW_TRACKING_URI", server.url());
    let page = format!("page         {}/#/experiments/0/runs/{id}\n", server.url());
    assert_says(&project.mlrun(&["status", &id]), 0, &["RUNNING", &page]);
    let reaper = std::thread::spawn(move || child.wait().unwrap());
    assert_says(&project.mlrun(&["cancel", &id]), 0, &["was cancelled: KILLED"]);
    assert_eq!(reaper.join().unwrap().code(), Some(143));
    assert_eq!(
        StoreContents::of_sqlite(&server.database()).run().status,
        "KILLED"
    );
    assert_nothing_lives(&project);
}

#[test]
fn what_is_not_there_is_told_and_not_made() {
    let project = Project::new();
    for command in ["status", "wait", "cancel"] {
        let missing = project.mlrun(&[command, "0123"]);
        assert_says(
            &missing,
            1,
            &["there is no tracking store at", "hint: set MLFLOW_TRACKING_URI"],
        );
        assert!(!project.sandbox().work().join("mlflow.db").exists());
    }
    let project = project.command("exit 0");
    project.run([]).expect_code(0);
    for command in ["status", "wait", "cancel"] {
        let missing = project.mlrun(&[command, "0123"]);
        assert_says(
            &missing,
            1,
            &["run '0123' does not exist", "hint: set MLFLOW_TRACKING_URI"],
        );
    }
}

#[test]
fn a_local_run_cannot_be_left_alone() {
    let project = Project::new().command("exit 0");
    let refused = project.run(["--no-wait"]);
    assert_says(
        &refused,
        2,
        &[
            "--no-wait does not work for local runs: they end with mlrun",
            "background",
        ],
    );
    project.run(["--no-wait", "--wait"]).expect_code(0);
}
