//! Answers that only mean that the server or its database has too much to do, whatever their status is.

use mlrun::run::RunId;
use mlrun::tracking::TrackingStore;

use super::{store, told};
use crate::harness::scripted::{ScriptedServer, Step};

const RUN: &str =
    r#"{"run":{"info":{"run_id":"abc","experiment_id":"0","status":"RUNNING","artifact_uri":"a"}}}"#;

fn error(status: u16, code: &str, message: &str) -> Step {
    let body = serde_json::json!({"error_code": code, "message": message});
    Step::json(status, &body.to_string())
}

/// Asks for a run; gives what a person reads of an error, and the number of requests.
async fn ask(steps: Vec<Step>) -> (Result<(), String>, usize) {
    let server = ScriptedServer::start(steps);
    let asked = store(&server.url(), &[]).unwrap().run(&RunId::new("abc")).await;
    let asked = asked
        .map(|_| ())
        .map_err(|error| told(&error).replace(&server.url(), "STORE"));
    (asked, server.lines().len())
}

#[tokio::test]
async fn overload_is_temporary_whatever_its_status() {
    for (status, code, message) in [
        (
            400,
            "BAD_REQUEST",
            "QueuePool limit of size 5 overflow 10 reached, connection timed out, timeout 30.00 (Background on this error at: https://sqlalche.me/e/20/3o7r)",
        ),
        (
            400,
            "BAD_REQUEST",
            "(sqlite3.OperationalError) database is locked\n[SQL: UPDATE runs SET status=? WHERE run_uuid = ?]\n[parameters: ('FINISHED', 'abc')]",
        ),
        (
            400,
            "BAD_REQUEST",
            "(psycopg2.errors.DeadlockDetected) deadlock detected\nDETAIL:  Process 17 waits for ShareLock",
        ),
        (
            409,
            "ABORTED",
            "Deadlock found when trying to get lock; try restarting transaction",
        ),
        (
            422,
            "BAD_REQUEST",
            "(pymysql.err.OperationalError) (1040, 'Too many connections')",
        ),
        (
            400,
            "BAD_REQUEST",
            "(psycopg2.InterfaceError) connection already closed",
        ),
        (
            400,
            "INTERNAL_ERROR",
            "(psycopg2.OperationalError) FATAL:  sorry, too many clients already",
        ),
        (
            400,
            "BAD_REQUEST",
            "This Session's transaction has been rolled back due to a previous exception during flush. Original exception was: (sqlite3.OperationalError) database is locked",
        ),
        (
            400,
            "BAD_REQUEST",
            "(pymysql.err.OperationalError) (2013, 'Lost connection to MySQL server during query')",
        ),
    ] {
        let run = Step::json(200, RUN);
        let (asked, requests) = ask(vec![
            error(status, code, message),
            error(status, code, message),
            run,
        ])
        .await;
        assert_eq!((asked, requests), (Ok(()), 3), "{message}");
    }
    let plain = Step::page(
        400,
        "QueuePool limit of size 5 overflow 10 reached, connection timed out",
    );
    assert_eq!(ask(vec![plain, Step::json(200, RUN)]).await, (Ok(()), 2));
}

#[tokio::test]
async fn what_only_quotes_such_words_is_final() {
    for (status, code, message) in [
        (
            400,
            "INVALID_PARAMETER_VALUE",
            "Invalid value 'database is locked' for parameter 'run_id'",
        ),
        (
            400,
            "BAD_REQUEST",
            "Invalid value 'QueuePool limit of size 5 reached, connection timed out'",
        ),
        (
            400,
            "BAD_REQUEST",
            "(sqlite3.IntegrityError) CHECK constraint failed: status\n[SQL: UPDATE runs]\n[parameters: ('deadlock', 'database is locked')]",
        ),
        (
            400,
            "RESOURCE_ALREADY_EXISTS",
            "Experiment(name=database is locked) already exists.",
        ),
        (403, "PERMISSION_DENIED", "Too many connections"),
        (404, "RESOURCE_DOES_NOT_EXIST", "No run: timed out"),
    ] {
        let (asked, requests) = ask(vec![error(status, code, message), Step::json(200, RUN)]).await;
        assert_eq!(requests, 1, "{message}");
        assert!(asked.is_err(), "{message}");
    }
}

#[tokio::test]
async fn overload_to_the_end_is_told_with_what_helps() {
    let steps = vec![
        error(
            400,
            "BAD_REQUEST",
            "QueuePool limit of size 5 overflow 10 reached, connection timed out"
        );
        3
    ];
    let (asked, requests) = ask(steps).await;
    assert_eq!(requests, 3);
    assert_eq!(
        asked.unwrap_err(),
        "cannot read the tracking store STORE: BAD_REQUEST: QueuePool limit of size 5 overflow 10 reached, connection timed out (after 3 tries)\n\
         hint: the server is overloaded: try again later, or start it with more workers and a larger connection pool (MLFLOW_SQLALCHEMYSTORE_POOL_SIZE)"
    );
}
