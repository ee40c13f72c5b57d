//! The library: runs that a Rust program starts, in the process of the tests themselves.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use mlrun::EnvManager;
use mlrun::internals::entities::{RunId, RunStatus};
use mlrun::internals::events::Silent;
use mlrun::internals::process::ProgramExit;
use mlrun::{Event, Launched, Progress, RunError, RunRequest, Signals, Transfer};

use crate::harness::{Sandbox, StoreContents, block_on};

const MLPROJECT: &str = "\
entry_points:
  main:
    parameters: {name: string}
    command: 'echo {name} $MLFLOW_RUN_ID $EXTRA > out.txt'
  exit:
    parameters: {code: float}
    command: 'exit {code}'
  sleep:
    command: 'trap : TERM; (sleep 600 & echo $! > sleeper; wait) & echo $$ > shell; wait; wait; exit 3'
";

/// A directory with a project of its own.
fn project() -> (Sandbox, PathBuf) {
    let sandbox = Sandbox::new();
    sandbox.write("MLproject", MLPROJECT);
    let work = sandbox.work();
    (sandbox, work)
}

fn request(directory: &Path) -> RunRequest {
    RunRequest::new(".")
        .env_manager(EnvManager::Local)
        .current_directory(directory)
        .tracking_uri("sqlite:///runs.db")
}

/// What the store has; read in a thread of its own, since the harness has a runtime of its own.
fn stored(directory: &Path) -> StoreContents {
    let database = directory.join("runs.db");
    std::thread::spawn(move || StoreContents::of_sqlite(&database))
        .join()
        .unwrap()
}

async fn file(path: &Path) -> String {
    for _ in 0..1000 {
        match std::fs::read_to_string(path) {
            Ok(text) if text.ends_with('\n') => return text.trim().to_owned(),
            _ => tokio::time::sleep(Duration::from_millis(20)).await,
        }
    }
    panic!("{} was not written", path.display());
}

fn is_alive(process: &str) -> bool {
    std::fs::read_to_string(format!("/proc/{process}/stat"))
        .is_ok_and(|stat| !stat.rsplit_once(')').unwrap().1.starts_with(" Z"))
}

/// Keeps what programs wait for.
#[derive(Default)]
struct Heard(Mutex<Vec<String>>);

impl Progress for Heard {
    fn info(&self, _line: &str) {}
    fn warning(&self, _line: &str) {}
    fn output(&self, _bytes: &[u8]) {}
    fn transfer(&self, _transfer: Transfer<'_>) {}

    fn event(&self, event: &Event<'_>, line: &str) {
        if let Event::RunStarted { run_id, command, .. } = event {
            assert!(line.contains(run_id) && line.contains(command), "{line}");
            self.0.lock().unwrap().push((*run_id).to_owned());
        }
    }
}

#[test]
fn a_program_hears_of_a_run_s_start() {
    let (_sandbox, work) = project();
    let heard = Arc::new(Heard::default());
    block_on(async {
        let request = request(&work).entry_point("exit").parameter("code", "0");
        let progress = Arc::<Heard>::clone(&heard);
        let run = mlrun::run_with(request, Signals::on_request().unwrap(), progress)
            .await
            .unwrap();
        assert!(run.wait().await.is_success());
        assert_eq!(*heard.0.lock().unwrap(), [run.run_id().to_string()]);
    });
}

#[test]
fn runs_of_one_process_do_not_see_each_other() {
    let projects: Vec<_> = (0..4).map(|_| project()).collect();
    block_on(async {
        let mut tasks = Vec::new();
        for (index, (_, work)) in projects.iter().enumerate() {
            let mut request = request(work).parameter("name", format!("n{index}"));
            request.variables.push(("EXTRA".to_owned(), format!("e{index}")));
            // Any thread of a runtime may start a run.
            tasks.push(tokio::spawn(mlrun::run(request)));
        }
        for (index, task) in tasks.into_iter().enumerate() {
            let run = task.await.unwrap().unwrap();
            let ending = run.wait().await;
            assert!(ending.is_success(), "{ending:?}");
            assert_eq!(run.status(), RunStatus::Finished);
            let work = &projects[index].1;
            let expected = format!("n{index} {} e{index}", run.run_id());
            assert_eq!(file(&work.join("out.txt")).await, expected);
            let store = stored(work);
            assert_eq!(store.runs.len(), 1);
            assert_eq!(store.runs[0].run_id, run.run_id().as_str());
            assert_eq!(store.runs[0].status, "FINISHED");
        }
    });
}

#[test]
fn each_thread_may_have_a_runtime_of_its_own() {
    std::thread::scope(|scope| {
        for code in 1..5 {
            scope.spawn(move || {
                let (_sandbox, work) = project();
                let request = request(&work).entry_point("exit").parameter("code", code);
                let ending = block_on(async { mlrun::run(request).await.unwrap().wait().await });
                let expected = Launched::Exited(ProgramExit::Code(code));
                assert_eq!(ending.launched.unwrap(), expected);
            });
        }
    });
}

#[test]
fn an_exit_code_is_told_and_children_of_the_program_stay_its_own() {
    let (_sandbox, work) = project();
    block_on(async {
        let mut own = Command::new("sh").args(["-c", "exit 7"]).spawn().unwrap();
        let mut failing = request(&work).entry_point("exit").parameter("code", 5);
        failing.parent_run = Some(RunId::new("0123456789abcdef0123456789abcdef"));
        let run = mlrun::run(failing).await.unwrap();
        let ending = run.wait().await;
        let expected = Launched::Exited(ProgramExit::Code(5));
        assert_eq!(ending.launched.as_ref().unwrap(), &expected);
        assert_eq!(ending.status(), RunStatus::Failed);
        // A second look gives the same.
        assert_eq!(run.wait().await.status(), RunStatus::Failed);
        assert_eq!(own.wait().unwrap().code(), Some(7));
        let parent = RunRequest::new(".").parent_run(run.run_id().clone());
        let nested = RunRequest {
            parent_run: parent.parent_run,
            ..request(&work).parameter("name", "nested")
        };
        let nested = mlrun::run(nested).await.unwrap();
        nested.wait().await;
        let store = stored(&work);
        let tag = |id: &RunId| {
            let stored = store
                .runs
                .iter()
                .find(|stored| stored.run_id == id.as_str())
                .unwrap();
            stored.tags.get("mlflow.parentRunId").cloned()
        };
        assert_eq!(tag(run.run_id()), None);
        assert_eq!(tag(nested.run_id()).as_deref(), Some(run.run_id().as_str()));
    });
}

#[test]
fn a_cancelled_run_leaves_no_process() {
    let (_sandbox, work) = project();
    block_on(async {
        let run = mlrun::run(request(&work).entry_point("sleep")).await.unwrap();
        assert_eq!(run.status(), RunStatus::Running);
        let (shell, sleeper) = (file(&work.join("shell")).await, file(&work.join("sleeper")).await);
        assert!(is_alive(&sleeper));
        let waiter = run.clone();
        let waiting = tokio::spawn(async move { waiter.wait().await });
        run.cancel();
        let ending = waiting.await.unwrap();
        assert!(matches!(ending.launched, Ok(Launched::Interrupted { .. })));
        assert_eq!(run.status(), RunStatus::Killed);
        assert!(!is_alive(&shell) && !is_alive(&sleeper));
        let store = stored(&work);
        assert_eq!(store.runs[0].status, "KILLED");
    });
}

#[test]
fn signals_that_a_program_hands_over_cut_its_run_short() {
    let (_sandbox, work) = project();
    block_on(async {
        let signals = Signals::on_request().unwrap();
        signals.request().send();
        let sleep = || request(&work).entry_point("sleep");
        let early = mlrun::run_with(sleep(), signals, Arc::new(Silent)).await;
        let error = early.unwrap_err();
        assert!(matches!(error, RunError::Interrupted { .. }), "{error:?}");
        assert!(!work.join("runs.db").exists());

        let signals = Signals::on_request().unwrap();
        let signal = signals.request();
        let run = mlrun::run_with(sleep(), signals, Arc::new(Silent)).await.unwrap();
        let sleeper = file(&work.join("sleeper")).await;
        signal.send();
        let ending = run.wait().await;
        assert!(matches!(ending.launched, Ok(Launched::Interrupted { .. })));
        assert!(!is_alive(&sleeper));
        assert_eq!(stored(&work).runs[0].status, "KILLED");
    });
}

#[test]
fn what_is_wrong_is_told_before_there_is_a_run() {
    let (_sandbox, work) = project();
    block_on(async {
        let error = mlrun::run(request(&work)).await.unwrap_err();
        assert!(matches!(error, RunError::Project(_)), "{error:?}");
        assert_eq!(error.to_string(), "No value given for missing parameters: 'name'");
        assert!(error.hint().unwrap().contains("-P name="), "{:?}", error.hint());
        let error = mlrun::run(request(&work).entry_point("nope")).await.unwrap_err();
        assert!(error.to_string().contains("'nope'"), "{error}");
    });
    assert!(!work.join("runs.db").exists());
}

#[test]
fn a_run_whose_starter_gives_up_while_it_is_created_ends() {
    let (_sandbox, work) = project();
    block_on(async {
        // Some of these are dropped before the run is there, some in between, some after.
        for delay in [0, 1, 2, 4, 8, 16, 32] {
            let starting = mlrun::run(request(&work).parameter("name", "x"));
            if let Ok(run) = tokio::time::timeout(Duration::from_millis(delay), starting).await {
                run.unwrap().wait().await;
            }
        }
        let database = work.join("runs.db");
        // As long as a busy machine may need for seven runs.
        for _ in 0..3_000 {
            let running = |run: &crate::harness::StoredRun| run.status == "RUNNING";
            if database.exists() && !stored(&work).runs.iter().any(running) {
                return;
            }
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
        panic!("a run stays RUNNING: {:?}", stored(&work).runs);
    });
}
