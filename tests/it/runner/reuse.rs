//! `--reuse`: what a finished run has done already is not done again.

use std::fs;

use serde_json::Value;

use crate::harness::{Finished, Printed, Project, StoreContents, assert_contains, block_on, mlflow3};

/// A committed project whose entry points leave a line in `work/log` whenever they run.
fn project() -> Project {
    let project = Project::new()
        .mlproject(
            "entry_points:
  main:
    parameters: {a: {type: float, default: 1}, data: {type: path, default: ../data}}
    command: 'echo main {a} >> ../log'
  other: {command: 'echo other >> ../log'}
  fail: {command: 'echo fail >> ../log; exit 3'}
  verdict: {command: 'echo verdict >> ../log; kill $PPID; sleep 600'}
",
        )
        .file("train.py", "1\n");
    project.sandbox().write("data/deep/file.csv", "1\n");
    project
        .sandbox()
        .shell("git init -q project && cd project && git add -A && git commit -qm one");
    project
}

/// How often entry points have run.
fn times_run(project: &Project) -> usize {
    fs::read_to_string(project.sandbox().work().join("log")).map_or(0, |log| log.lines().count())
}

fn is_reused(finished: &Finished<'_>) -> bool {
    finished.expect_code(0);
    let mut lines = finished.stderr().lines();
    lines.any(|line| line.starts_with("=== Run (ID '") && line.contains("') is reused: "))
}

const MAIN: [&str; 3] = ["-P", "data=data", "--reuse"];

#[test]
fn what_was_done_is_not_done_again() {
    // It does not matter whether the first one was asked to reuse.
    for first in [&["-P", "data=data"][..], &MAIN] {
        let project = project();
        let mut arguments = vec!["run", "project", "--no-conda", "--run-info", "info.json"];
        arguments.extend(first);
        project.mlrun(&arguments).expect_code(0);
        let before = project.run_info();
        assert_eq!(before["reused"], false);
        let store = fs::read(project.sandbox().work().join("mlflow.db")).unwrap();
        let files = project.sandbox().files();

        let again = project.run(["-P", "data=data", "--reuse", "--run-info", "info.json"]);
        assert!(is_reused(&again), "{}", again.stderr());
        let run_id = before["run_id"].as_str().unwrap();
        assert_eq!(
            again.stderr(),
            format!(
                "=== Run (ID '{run_id}') is reused: it FINISHED with the same entry point, parameters and commit ===\n"
            )
        );
        assert_eq!(again.stdout(), "");
        assert_eq!(times_run(&project), 1);
        let after = project.run_info();
        for key in [
            "run_id",
            "experiment_id",
            "run_name",
            "artifact_uri",
            "status",
            "exit_code",
            "tracking_uri",
        ] {
            assert_eq!(after[key], before[key], "{key}");
        }
        assert_eq!(after["status"], "FINISHED");
        assert_eq!(after["reused"], true);
        // Nothing was created or changed.
        assert_eq!(
            fs::read(project.sandbox().work().join("mlflow.db")).unwrap(),
            store
        );
        assert_eq!(project.sandbox().files(), files);
    }
}

#[test]
fn what_differs_is_done() {
    for (change, arguments) in [
        ("another value", &["-P", "data=data", "-P", "a=2"][..]),
        ("another entry point", &["-e", "other"]),
        ("an undeclared parameter", &["-P", "data=data", "-P", "b=2"]),
        (
            "another experiment",
            &["-P", "data=data", "--experiment-name", "x"],
        ),
        (
            "another path of the same data",
            &["-P", "data=project/../data/deep"],
        ),
    ] {
        let project = project();
        project.run(MAIN).expect_code(0);
        let mut all = vec!["run", "project", "--no-conda", "--reuse"];
        all.extend(arguments);
        let second = project.mlrun(&all);
        assert!(!is_reused(&second), "{change}: {}", second.stderr());
        assert_eq!(times_run(&project), 2, "{change}");
        // Having been done, it need not be done again.
        assert!(is_reused(&project.mlrun(&all)), "{change}");
        assert!(is_reused(&project.run(MAIN)), "{change}");
    }
}

#[test]
fn another_state_of_the_files_is_another_project() {
    for (change, expected) in [
        (
            "cd project && echo 2 > train.py && git commit -qam two",
            "No finished run of the experiment matches",
        ),
        (
            "echo 2 > project/train.py",
            "not reusing a run: 'train.py' has uncommitted changes",
        ),
        (
            "echo 2 > project/new.py",
            "not reusing a run: 'new.py' is not committed; commit it, or add it to .gitignore",
        ),
        (
            "echo 2 >> data/deep/file.csv",
            "': the data of the parameter 'data' has changed since",
        ),
        (
            "touch data/deep/new.csv",
            "': the data of the parameter 'data' has changed since",
        ),
        (
            "rm -r project/.git",
            "not reusing a run: the project is not at a Git commit, so nothing shows whether it has changed",
        ),
    ] {
        let project = project();
        project.run(MAIN).expect_code(0);
        project.sandbox().shell(change);
        let second = project.run(MAIN);
        assert!(!is_reused(&second), "{change}");
        assert!(
            second.stderr().contains(expected),
            "{change}: {}",
            second.stderr()
        );
        assert_eq!(times_run(&project), 2, "{change}");
    }
}

#[test]
fn a_relative_path_is_another_one_elsewhere() {
    let project = project();
    project.sandbox().write("elsewhere/data/file.csv", "2\n");
    let uri = format!("sqlite:///{}/work/mlflow.db", project.sandbox().root().display());
    let project = project.env("MLFLOW_TRACKING_URI", &uri);
    project.run(MAIN).expect_code(0);
    let elsewhere = project
        .sandbox()
        .mlrun()
        .current_dir(project.sandbox().work().join("elsewhere"))
        .args(["run", "../project", "--no-conda"])
        .args(MAIN)
        .env("MLFLOW_TRACKING_URI", &uri)
        .output()
        .unwrap();
    let text = String::from_utf8(elsewhere.stderr).unwrap();
    assert!(
        elsewhere.status.success() && !text.contains(" is reused"),
        "{text}"
    );
    assert_eq!(times_run(&project), 2);
}

#[test]
fn only_a_good_end_is_reused() {
    for (entry_point, code) in [("fail", 1), ("verdict", 143)] {
        let project = project();
        for _ in 0..2 {
            project.run(["-e", entry_point, "--reuse"]).expect_code(code);
        }
        assert_eq!(times_run(&project), 2, "{entry_point}");
    }
    // A run of files that were no commit's has not done what the commit does.
    let project = project();
    project.sandbox().shell("echo 2 > project/train.py");
    project.run(["-e", "other"]).expect_code(0);
    project.sandbox().shell("cd project && git checkout -q train.py");
    assert!(!is_reused(&project.run(["-e", "other", "--reuse"])));
    assert!(is_reused(&project.run(["-e", "other", "--reuse"])));
}

#[test]
fn the_newest_of_several_is_reused() {
    let project = project();
    project.run(["-e", "other"]).expect_code(0);
    let last = project.run(["-e", "other"]);
    let newest = last.store().runs.pop().unwrap();
    let reused = project.run(["-e", "other", "--reuse"]);
    assert_contains(reused.stderr(), &newest.run_id);
}

#[test]
fn what_a_client_logs_besides_makes_no_difference() {
    let project = project();
    project
        .run(["-e", "other", "--run-info", "info.json"])
        .expect_code(0);
    let run_id = project.run_info()["run_id"].as_str().unwrap().to_owned();
    project.sandbox().shell(&format!("test -n '{run_id}'"));
    let database = project.sandbox().work().join("mlflow.db");
    block_on(async {
        use sqlx::ConnectOptions as _;
        let mut connection = sqlx::sqlite::SqliteConnectOptions::new()
            .filename(database)
            .connect()
            .await
            .unwrap();
        sqlx::query("INSERT INTO params (run_uuid, key, value) VALUES (?, 'epochs', '10')")
            .bind(&run_id)
            .execute(&mut connection)
            .await
            .unwrap();
    });
    assert!(is_reused(&project.run(["-e", "other", "--reuse"])));
}

#[test]
fn file_stores_are_searched_too() {
    let project = project().env("MLFLOW_TRACKING_URI", "./store");
    project.run(MAIN).expect_code(0);
    assert!(is_reused(&project.run(MAIN)));
    assert_eq!(
        StoreContents::of_directory(&project.sandbox().work().join("store"))
            .runs
            .len(),
        1
    );
}

#[test]
fn clones_are_reused() {
    let project = project();
    let arguments = [
        "run",
        "file://<sandbox>/work/project",
        "-v",
        "main",
        "--no-conda",
        "-e",
        "other",
        "--reuse",
    ];
    let outside = "cd project && sed -i 's#../log#$HOME/../work/log#' MLproject && git commit -qam two";
    project.sandbox().shell(outside);
    project.mlrun(&arguments).expect_code(0);
    // What is not committed is not in the clone.
    project.sandbox().shell("echo 2 > project/train.py");
    assert!(is_reused(&project.mlrun(&arguments)));
    assert_eq!(times_run(&project), 1);
}

/// The reference does not tell whether its run was of the commit's files.
#[test]
fn a_run_of_the_reference_is_not_reused() {
    let Some(venv) = mlflow3() else { return };
    let project = project();
    project
        .sandbox()
        .command(venv.join("bin/mlflow"))
        .args(["run", "project", "--env-manager", "local", "-e", "other"])
        .env("MLFLOW_TRACKING_URI", "sqlite:///mlflow.db")
        .env("MLFLOW_DISABLE_TELEMETRY", "true")
        .printed();
    let project = project.env("MLFLOW_TRACKING_URI", "sqlite:///mlflow.db");
    assert!(!is_reused(&project.run(["-e", "other", "--reuse"])));
    assert!(is_reused(&project.run(["-e", "other", "--reuse"])));
    assert_eq!(times_run(&project), 2);
}

#[test]
fn a_dry_run_says_what_would_be_reused() {
    let project = project();
    let dry_run = |added: &[&str]| {
        let mut arguments = vec!["run", "project", "--no-conda", "--dry-run"];
        arguments.extend(MAIN.iter().chain(added));
        let finished = project.mlrun(&arguments).with_code(0);
        finished.stdout().to_owned()
    };
    let row = || {
        let text = dry_run(&[]);
        let mut rows = text.lines().filter_map(|line| line.strip_prefix("reuse "));
        rows.next().unwrap().trim_start().to_owned()
    };
    let reusable = || serde_json::from_str::<Value>(&dry_run(&["--json"])).unwrap()["reusable_run"].take();
    let none = "no run: no finished run of the experiment matches";
    assert_eq!((row().as_str(), reusable()), (none, Value::Null));
    assert!(!project.sandbox().work().join("mlflow.db").exists());

    project
        .run(["-P", "data=data", "--run-info", "info.json"])
        .expect_code(0);
    let run_id = project.run_info()["run_id"].take();
    let files = project.sandbox().files();
    let told = format!("run {} matches, so nothing would run", run_id.as_str().unwrap());
    assert_eq!((row(), reusable()), (told, run_id));
    assert_eq!(project.sandbox().files(), files);
    assert_eq!(times_run(&project), 1);

    project.sandbox().write("project/new.py", "");
    let reason = "no run: 'new.py' is not committed; commit it, or add it to .gitignore";
    assert_eq!((row().as_str(), reusable()), (reason, Value::Null));
}

#[test]
fn an_existing_run_cannot_be_reused_too() {
    let finished = project();
    let finished = finished.run(["--reuse", "--run-id", "x"]).with_code(2);
    assert_contains(finished.stderr(), "--reuse and --run-id cannot be used together");
}

#[test]
fn the_library_reuses_too() {
    let project = project();
    let run = || {
        let request = mlrun::RunRequest {
            reuse: true,
            ..mlrun::RunRequest::new("project")
                .entry_point("other")
                .env_manager(mlrun::EnvManager::Local)
                .tracking_uri("sqlite:///runs.db")
                .current_directory(project.sandbox().work())
        };
        block_on(async {
            let run = mlrun::run(request).await.unwrap();
            assert!(run.wait().await.is_success());
            run.run_id().clone()
        })
    };
    assert_eq!(run(), run());
    assert_eq!(times_run(&project), 1);
}
