//! A real server whose answers are lost or replaced on their way: nothing is created twice, and every run
//! ends.

use mlrun::internals::entities::{RunStatus, UnixMillis};
use mlrun::internals::tracking::{RunEnd, TrackingStore};

use super::post;
use super::{new_run, store};
use crate::harness::relay::{Fate, Relay};
use crate::harness::scripted::Seen;
use crate::harness::{MlflowServer, Project, StoreContents, StoredRun, assert_contains};

const POOL: &str = "QueuePool limit of size 5 overflow 10 reached, connection timed out, timeout 30.00 (Background on this error at: https://sqlalche.me/e/20/3o7r)";
const LOCKED: &str = "(sqlite3.OperationalError) database is locked\n[SQL: INSERT INTO runs]";
const UNIQUE: &str = "(sqlite3.IntegrityError) UNIQUE constraint failed: params.key, params.run_uuid\n[SQL: INSERT INTO params (\"key\", value, run_uuid) VALUES (?, ?, ?)]\n[parameters: ('a', '1', 'x')]";

/// A project that is run at this address, without pauses between tries.
fn project(url: &str) -> Project {
    Project::new()
        .mlproject("entry_points: {main: {parameters: {a: {default: 1}}, command: 'true {a}'}}")
        .env("MLFLOW_TRACKING_URI", url)
        .env("MLFLOW_HTTP_REQUEST_BACKOFF_FACTOR", "0")
        .env("MLFLOW_HTTP_REQUEST_BACKOFF_JITTER", "0")
}

/// The runs with this name that are not deleted.
fn runs(server: &MlflowServer, name: &str) -> Vec<StoredRun> {
    let all = StoreContents::of_sqlite(&server.database()).runs.into_iter();
    all.filter(|run| run.name == name && run.lifecycle_stage == "active")
        .collect()
}

/// What a server can do with a request and then not say.
fn unclear() -> [Fate; 6] {
    [
        Fate::Replace(200, "{\"run\":".to_owned()),
        Fate::Lose,
        Fate::Replace(502, "<title>Bad Gateway</title>".to_owned()),
        Fate::error_instead(503, "TEMPORARILY_UNAVAILABLE", LOCKED),
        Fate::error_instead(400, "BAD_REQUEST", POOL),
        Fate::error_instead(500, "INTERNAL_ERROR", "something"),
    ]
}

#[test]
fn a_run_whose_creation_is_not_answered_is_found() {
    let Some(server) = MlflowServer::shared() else {
        return;
    };
    for (index, fate) in unclear().into_iter().enumerate() {
        let name = format!("created without an answer {index}");
        let told = fate.clone();
        let relay = Relay::start(server.url(), move |seen, before| {
            match (seen.path().ends_with("runs/create"), before) {
                (true, 0) => fate.clone(),
                _ => Fate::Pass,
            }
        });
        let project = project(&relay.url());
        project.run(["--run-name", &name]).expect_code(0);
        let found = runs(server, &name);
        assert_eq!(found.len(), 1, "{told:?}");
        assert_eq!(found[0].status, "FINISHED", "{told:?}");
        assert_eq!(found[0].params["a"], "1", "{told:?}");
        assert_eq!(relay.count("runs/create"), 1, "{told:?}");
    }
}

#[test]
fn a_run_that_was_not_created_is_created_by_the_next_try() {
    let Some(server) = MlflowServer::shared() else {
        return;
    };
    let relay = Relay::start(server.url(), |seen, before| {
        match (seen.path().ends_with("runs/create"), before) {
            (true, 0) => Fate::error(400, "BAD_REQUEST", POOL),
            (true, 1) => Fate::error(429, "REQUEST_LIMIT_EXCEEDED", "slow down"),
            _ => Fate::Pass,
        }
    });
    project(&relay.url())
        .run(["--run-name", "created later"])
        .expect_code(0);
    let found = runs(server, "created later");
    assert_eq!(found.len(), 1);
    assert_eq!(found[0].status, "FINISHED");
    assert_eq!(relay.count("runs/create"), 3);
    // After the first try, which may have created it, and after the last, for what came late.
    assert_eq!(relay.count("runs/search"), 2);
}

#[test]
fn a_run_that_appears_after_the_look_for_it_is_removed() {
    let Some(server) = MlflowServer::shared() else {
        return;
    };
    let relay = Relay::start(server.url(), |seen, before| {
        match (seen.path().rsplit('/').next(), before) {
            (Some("create"), 0) => Fate::Lose,
            // As if the server had not come to it yet.
            (Some("search"), 0) => Fate::Refuse(200, "{}".to_owned()),
            _ => Fate::Pass,
        }
    });
    project(&relay.url())
        .run(["--run-name", "created twice"])
        .expect_code(0);
    assert_eq!(relay.count("runs/create"), 2);
    let found = runs(server, "created twice");
    assert_eq!(found.len(), 1);
    assert_eq!(found[0].status, "FINISHED");
}

#[test]
fn a_creation_that_stands_in_the_server_s_queue_is_not_sent_again() {
    let Some(server) = MlflowServer::shared() else {
        return;
    };
    for path in ["runs/create", "experiments/create"] {
        // Two looks find nothing before the server comes to it.
        let relay = Relay::start(server.url(), first(path, 1, Fate::Late(2)));
        let name = format!("stood in a queue {path}");
        let project = project(&relay.url()).env("MLFLOW_HTTP_REQUEST_TIMEOUT", "3");
        project
            .run(["--run-name", &name, "--experiment-name", &name])
            .expect_code(0);
        assert_eq!(relay.count(path), 1);
        let found = runs(server, &name);
        assert_eq!((found.len(), found[0].status.as_str()), (1, "FINISHED"));
    }
}

#[tokio::test]
async fn a_run_without_tags_of_its_own_is_found_by_its_start() {
    let Some(server) = MlflowServer::shared() else {
        return;
    };
    let relay = Relay::start(server.url(), |seen, before| {
        match (seen.path().ends_with("runs/create"), before) {
            (true, 0) => Fate::Lose,
            _ => Fate::Pass,
        }
    });
    let mut new_run = new_run(&[("a", "1")]);
    new_run.name = Some("found by its start".to_owned());
    new_run.start_time = UnixMillis::now();
    // Another run, at the same time.
    let mut other = new_run.clone();
    other.tags.push(("other".to_owned(), "1".to_owned()));
    let direct = store(server.url(), &[]).unwrap();
    let other = direct.create_run(other).await.unwrap();
    let info = store(&relay.url(), &[])
        .unwrap()
        .create_run(new_run)
        .await
        .unwrap();
    assert_ne!(info.run_id, other.run_id);
    assert_eq!(relay.count("runs/create"), 1);
}

#[test]
fn an_experiment_whose_creation_is_not_answered_is_found() {
    let Some(server) = MlflowServer::shared() else {
        return;
    };
    for (index, fate) in unclear().into_iter().enumerate() {
        let name = format!("experiment without an answer {index}");
        let relay = Relay::start(server.url(), move |seen, before| {
            match (seen.path().ends_with("experiments/create"), before) {
                (true, 0) => fate.clone(),
                _ => Fate::Pass,
            }
        });
        project(&relay.url())
            .run(["--experiment-name", &name])
            .expect_code(0);
        let contents = StoreContents::of_sqlite(&server.database());
        let found: Vec<_> = contents
            .experiments
            .iter()
            .filter(|other| other.name == name)
            .collect();
        assert_eq!(found.len(), 1);
        let in_it = contents
            .runs
            .iter()
            .filter(|run| run.experiment_id == found[0].experiment_id);
        assert_eq!(in_it.count(), 1);
        assert_eq!(relay.count("experiments/create"), 1);
    }
}

/// Answers the request of this path so until it has come this often.
fn first(path: &'static str, times: usize, fate: Fate) -> impl Fn(&Seen, usize) -> Fate {
    move |seen, before| {
        if seen.path().ends_with(path) && before < times {
            fate.clone()
        } else {
            Fate::Pass
        }
    }
}

#[test]
fn no_run_stays_running_at_a_busy_server() {
    let Some(server) = MlflowServer::shared() else {
        return;
    };
    let busy = [
        ("runs/update", Fate::error(400, "BAD_REQUEST", POOL)),
        (
            "runs/update",
            Fate::error(
                409,
                "ABORTED",
                "(psycopg2.errors.DeadlockDetected) deadlock detected",
            ),
        ),
        ("runs/update", Fate::error_instead(400, "BAD_REQUEST", LOCKED)),
        ("runs/get", Fate::error(400, "BAD_REQUEST", POOL)),
        (
            "runs/log-batch",
            Fate::error(
                422,
                "BAD_REQUEST",
                "(pymysql.err.OperationalError) (1040, 'Too many connections')",
            ),
        ),
        ("runs/log-batch", Fate::Lose),
    ];
    for (index, (path, fate)) in busy.into_iter().enumerate() {
        let name = format!("busy {index}");
        // More often than one request is sent: the end is not given up then.
        let times = if path == "runs/update" { 4 } else { 2 };
        let relay = Relay::start(server.url(), first(path, times, fate.clone()));
        let project = project(&relay.url()).env("MLFLOW_HTTP_REQUEST_MAX_RETRIES", "2");
        project.run(["--run-name", &name]).expect_code(0);
        let found = runs(server, &name);
        assert_eq!(
            (found.len(), found[0].status.as_str()),
            (1, "FINISHED"),
            "{path} {fate:?}"
        );
        assert_eq!(found[0].params["a"], "1");
        assert_eq!(relay.count(path), times + 1);
    }
}

#[test]
fn a_parameter_that_is_there_already_is_logged_if_it_has_the_value() {
    let Some(server) = MlflowServer::shared() else {
        return;
    };
    for (index, text) in [
        UNIQUE,
        "(psycopg2.errors.UniqueViolation) duplicate key value violates unique constraint \"param_pk\"\nDETAIL:  Key (key, run_uuid)=(a, x) already exists.",
        "(pymysql.err.IntegrityError) (1062, \"Duplicate entry 'a-x' for key 'PRIMARY'\")",
    ]
    .into_iter()
    .enumerate()
    {
        // The first request comes late, and meets the second one.
        let fate = Fate::error_instead(400, "BAD_REQUEST", text);
        let name = format!("there already {index}");
        let relay = Relay::start(server.url(), first("runs/log-batch", 1, fate));
        project(&relay.url()).run(["--run-name", &name]).expect_code(0);
        assert_eq!(relay.count("runs/log-batch"), 1);
        assert_eq!(runs(server, &name)[0].status, "FINISHED");

        // It was another one's row, and went with it.
        let name = format!("gone again {index}");
        let relay = Relay::start(server.url(), first("runs/log-batch", 1, Fate::error(400, "BAD_REQUEST", text)));
        project(&relay.url()).run(["--run-name", &name]).expect_code(0);
        assert_eq!(relay.count("runs/log-batch"), 2);
        assert_eq!(runs(server, &name)[0].params["a"], "1");
    }
}

#[test]
fn a_parameter_with_another_value_is_refused() {
    let Some(server) = MlflowServer::shared() else {
        return;
    };
    let url = server.url().to_owned();
    let relay = Relay::start(server.url(), move |seen, _| {
        if !seen.path().ends_with("log-batch") {
            return Fate::Pass;
        }
        // Somebody else is quicker.
        let run_id = seen.json()["run_id"].as_str().unwrap().to_owned();
        log_param(&url, &run_id, "a", "2");
        Fate::error(400, "BAD_REQUEST", UNIQUE)
    });
    let project = project(&relay.url());
    let finished = project.run(["--run-name", "another value", "--run-info", "info.json"]);
    finished.expect_code(1);
    let text = "the parameter 'a' of run '";
    assert_contains(finished.stderr(), text);
    let text = "it is already logged with the value '2', not '1'";
    assert_contains(finished.stderr(), text);
    let found = runs(server, "another value");
    assert_eq!((found.len(), found[0].status.as_str()), (1, "FAILED"));
}

/// Logs a parameter past the program.
fn log_param(url: &str, run_id: &str, key: &str, value: &str) {
    let body = serde_json::json!({"run_id": run_id, "params": [{"key": key, "value": value}]});
    post(url, "runs/log-batch", body);
}

#[tokio::test]
async fn an_overloaded_server_does_not_turn_killed_into_failed() {
    let Some(server) = MlflowServer::shared() else {
        return;
    };
    let relay = Relay::start(
        server.url(),
        first("runs/update", 9, Fate::error(400, "BAD_REQUEST", POOL)),
    );
    let direct = store(server.url(), &[]).unwrap();
    let info = direct.create_run(new_run(&[])).await.unwrap();
    let end = RunEnd {
        status: RunStatus::Killed,
        end_time: UnixMillis::now(),
        keep_failure: false,
    };
    let error = store(&relay.url(), &[])
        .unwrap()
        .end_run(&info.run_id, end)
        .await
        .unwrap_err();
    assert!(error.may_pass(), "{error}");
    assert_eq!(relay.count("runs/update"), 3);
    assert_eq!(direct.run(&info.run_id).await.unwrap().status, RunStatus::Running);
}
