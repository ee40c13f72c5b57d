//! Answers that only mean that the server or its database has too much to do, whatever their status is.

use mlrun::RunId;
use mlrun::internals::tracking::TrackingStore;

use super::store;
use crate::harness::scripted::{ScriptedServer, Step};
use crate::tracking::told;

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
    let usual = [
        "QueuePool limit of size 5 overflow 10 reached, connection timed out, timeout 30.00 (Background on this error at: https://sqlalche.me/e/20/3o7r)",
        "(sqlite3.OperationalError) database is locked\n[SQL: UPDATE runs SET status=? WHERE run_uuid = ?]\n[parameters: ('FINISHED', 'abc')]",
        "(psycopg2.errors.DeadlockDetected) deadlock detected\nDETAIL:  Process 17 waits for ShareLock",
        "(raised as a result of Query-invoked autoflush; consider using a session.no_autoflush block if this autoflush is occurring prematurely)\n(sqlite3.OperationalError) database is locked",
        "(psycopg2.OperationalError) connection to server at \"127.0.0.1\", port 5432 failed: FATAL:  sorry, too many clients already",
        "(psycopg2.OperationalError) server closed the connection unexpectedly",
        "(psycopg2.OperationalError) FATAL:  remaining connection slots are reserved for roles with the SUPERUSER attribute",
        "(psycopg2.errors.QueryCanceled) canceling statement due to lock timeout",
        "(pymysql.err.OperationalError) (1205, 'Lock wait timeout exceeded; try restarting transaction')",
        "(pymysql.err.InterfaceError) (0, '')",
        "(MySQLdb.OperationalError) (2006, 'MySQL server has gone away')",
        "(pyodbc.Error) ('40001', '[40001] Transaction was deadlocked on lock resources. Rerun the transaction. (1205)')",
        "database is locked",
        "OperationalError: database is locked",
        "Too many connections",
        "(psycopg2.InterfaceError) connection already closed",
        "This Session's transaction has been rolled back due to a previous exception during flush. Original exception was: (sqlite3.OperationalError) database is locked",
        "(pymysql.err.OperationalError) (2013, 'Lost connection to MySQL server during query')",
    ];
    let others = [
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
            "INTERNAL_ERROR",
            "(psycopg2.OperationalError) FATAL:  sorry, too many clients already",
        ),
    ];
    for (status, code, message) in usual
        .map(|message| (400, "BAD_REQUEST", message))
        .into_iter()
        .chain(others)
    {
        let run = Step::json(200, RUN);
        let (asked, requests) = ask(vec![
            error(status, code, message),
            error(status, code, message),
            run,
        ])
        .await;
        assert_eq!((asked, requests), (Ok(()), 3), "{message}");
        // A verdict of the server's own.
        let (asked, requests) = ask(vec![error(status, "INVALID_PARAMETER_VALUE", message)]).await;
        assert_eq!((asked.is_err(), requests), (true, 1), "{message}");
    }
    let plain = Step::page(
        400,
        "QueuePool limit of size 5 overflow 10 reached, connection timed out",
    );
    assert_eq!(ask(vec![plain, Step::json(200, RUN)]).await, (Ok(()), 2));
}

#[tokio::test]
async fn what_only_quotes_such_words_is_final() {
    let usual = [
        "Invalid value 'QueuePool limit of size 5 reached, connection timed out'",
        "(sqlite3.IntegrityError) CHECK constraint failed: status\n[SQL: UPDATE runs]\n[parameters: ('deadlock', 'database is locked')]",
        "(psycopg2.errors.UniqueViolation) duplicate key value violates unique constraint \"param_pk\"\nDETAIL:  Key (key, run_uuid)=(deadlock, abc) already exists.",
        "(pymysql.err.IntegrityError) (1062, \"Duplicate entry 'too many connections-abc' for key 'PRIMARY'\")",
        "(pymysql.err.DataError) (1406, \"Data too long for column 'timed out' at row 1\")",
        "(psycopg2.errors.StringDataRightTruncation) value too long: timed out",
        "Param value \"Deadlock: timed out\" is too long",
        "No such run: 'connection timed out'",
        "",
    ];
    let others = [
        (
            400,
            "INVALID_PARAMETER_VALUE",
            "Invalid value 'database is locked' for parameter 'run_id'",
        ),
        (
            400,
            "RESOURCE_ALREADY_EXISTS",
            "Experiment(name=database is locked) already exists.",
        ),
        (403, "PERMISSION_DENIED", "Too many connections"),
        (404, "RESOURCE_DOES_NOT_EXIST", "No run: timed out"),
    ];
    for (status, code, message) in usual
        .map(|message| (400, "BAD_REQUEST", message))
        .into_iter()
        .chain(others)
    {
        let (asked, requests) = ask(vec![error(status, code, message), Step::json(200, RUN)]).await;
        assert_eq!(requests, 1, "{message}");
        assert!(asked.is_err(), "{message}");
    }
}

#[tokio::test]
async fn a_row_that_is_there_already_is_known_in_all_databases() {
    let tag = ("a".to_owned(), "b".to_owned());
    let set = async |code: &str, text: &str| {
        let tagged = RUN.replace(
            r#""artifact_uri":"a"}"#,
            r#""artifact_uri":"a"},"data":{"tags":[{"key":"a","value":"b"}]}"#,
        );
        let server = ScriptedServer::start(vec![error(400, code, text), Step::json(200, &tagged)]);
        let store = store(&server.url(), &[]).unwrap();
        let set = store
            .set_tags(&RunId::new("abc"), std::slice::from_ref(&tag))
            .await;
        (set.is_ok(), server.lines().len())
    };
    for text in [
        "(sqlite3.IntegrityError) UNIQUE constraint failed: params.key, params.run_uuid\n[SQL: INSERT]",
        "UNIQUE constraint failed: params.key, params.run_uuid",
        "(psycopg2.errors.UniqueViolation) duplicate key value violates unique constraint \"param_pk\"",
        "(psycopg2.IntegrityError) duplicate key value violates unique constraint \"param_pk\"",
        "(pymysql.err.IntegrityError) (1062, \"Duplicate entry 'a-b' for key 'PRIMARY'\")",
        "This Session's transaction has been rolled back due to a previous exception during flush. Original exception was: (sqlite3.IntegrityError) UNIQUE constraint failed: params.key",
    ] {
        assert_eq!(set("BAD_REQUEST", text).await, (true, 2), "{text}");
        assert_eq!(set("INVALID_PARAMETER_VALUE", text).await, (false, 1), "{text}");
    }
    let foreign =
        "(sqlite3.IntegrityError) FOREIGN KEY constraint failed\n[parameters: ('UNIQUE constraint failed',)]";
    assert_eq!(set("BAD_REQUEST", foreign).await, (false, 1));
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
        "cannot read the tracking store STORE: BAD_REQUEST: QueuePool limit of size 5 overflow 10 reached, connection timed out (after 3 attempts)\n\
         hint: try again later, or start the server with more workers and a larger connection pool (MLFLOW_SQLALCHEMYSTORE_POOL_SIZE)"
    );
}
