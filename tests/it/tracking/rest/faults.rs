//! Servers that fail: what is tried again, how often, and what a person reads at the end.

use std::time::{Duration, Instant};

use mlrun::RunId;
use mlrun::internals::tracking::TrackingStore;

use super::store;
use crate::harness::scripted::{ScriptedServer, Step};
use crate::harness::{Sandbox, assert_contains, assert_ends_with, free_port};
use crate::tracking::told;

const RUN: &str =
    r#"{"run":{"info":{"run_id":"abc","experiment_id":"0","status":"RUNNING","artifact_uri":"a"}}}"#;

fn run() -> Step {
    Step::json(200, RUN)
}

fn error(status: u16, code: &str, message: &str) -> Step {
    Step::json(
        status,
        &format!(r#"{{"error_code":"{code}","message":"{message}"}}"#),
    )
}

/// Asks for a run. Gives "ok", or what a person reads with `STORE` for the server's address.
async fn ask(server: &ScriptedServer, variables: &[(&str, &str)]) -> String {
    let store = store(&server.url(), variables).unwrap();
    match store.run(&RunId::new("abc")).await {
        Ok(info) => {
            assert_eq!(info.run_id.as_str(), "abc");
            "ok".to_owned()
        }
        Err(error) => told(&error)
            .replace(&server.url(), "STORE")
            .replace("cannot read the tracking store STORE: ", "… "),
    }
}

#[tokio::test]
async fn transient_failures_are_tried_again() {
    let at_once = [("MLFLOW_HTTP_REQUEST_MAX_RETRIES", "0")];
    let quick: [(&str, &str); 0] = [];
    for (name, variables, steps, expected) in [
        (
            "500 twice",
            &quick[..],
            vec![error(500, "INTERNAL_ERROR", "x"), Step::page(500, ""), run()],
            "ok",
        ),
        (
            "429",
            &quick,
            vec![error(429, "REQUEST_LIMIT_EXCEEDED", "x"), run()],
            "ok",
        ),
        (
            "503, 504",
            &quick,
            vec![Step::page(503, "busy"), Step::page(504, "busy"), run()],
            "ok",
        ),
        (
            "408, 502",
            &quick,
            vec![Step::page(408, ""), Step::page(502, ""), run()],
            "ok",
        ),
        (
            "closed twice",
            &quick,
            vec![Step::Close, Step::Close, run()],
            "ok",
        ),
        (
            "cut short",
            &quick,
            vec![
                Step::Raw(b"HTTP/1.1 200 OK\r\nContent-Length: 500\r\n\r\n{\"run\":".to_vec()),
                run(),
            ],
            "ok",
        ),
        (
            "500 to the end",
            &quick,
            vec![error(500, "INTERNAL_ERROR", "the database is gone"); 3],
            "… INTERNAL_ERROR: the database is gone (after 3 attempts)",
        ),
        (
            "a page with 502 to the end",
            &quick,
            vec![Step::page(502, "<html><head><title>502 Bad\n Gateway</title>"); 3],
            "… /api/2.0/mlflow/runs/get returned 502 Bad Gateway: a page titled '502 Bad Gateway' (after 3 attempts)",
        ),
        (
            "no retries",
            &at_once,
            vec![error(500, "INTERNAL_ERROR", "x")],
            "… INTERNAL_ERROR: x",
        ),
        (
            "413 with a pause asked for",
            &quick,
            vec![Step::page(413, "").header("Retry-After", "0"), run()],
            "ok",
        ),
    ] {
        let server = ScriptedServer::start(steps);
        assert_eq!(ask(&server, variables).await, expected, "{name}");
        assert_eq!(server.steps_left(), 0, "{name}");
    }
}

#[tokio::test]
async fn a_refusal_is_told_in_one_line() {
    let page = "/api/2.0/mlflow/runs/get returned 500 Internal Server Error";
    let long = "x".repeat(3000);
    for (body, expected) in [
        (
            r#"{"error_code":"BAD","message":"BAD: it is"}"#.to_owned(),
            "BAD: it is".to_owned(),
        ),
        (r#"{"error_code":1}"#.to_owned(), "1: ".to_owned()),
        (
            r#"{"error":"invalid_client","error_description":"No"}"#.to_owned(),
            "invalid_client: No".to_owned(),
        ),
        (
            format!(r#"{{"error_code":"E","message":"{long}"}}"#),
            format!("E: {}…", &long[..1500]),
        ),
        (
            r#"{"detail":"Not Found"}"#.to_owned(),
            format!(r#"{page}: {{"detail":"Not Found"}}"#),
        ),
        (
            "<!doctype html><TITLE lang='en'>\n Log  in </TITLE>".to_owned(),
            format!("{page}: a page titled 'Log in'"),
        ),
        ("<html></html>".to_owned(), format!("{page}: a page")),
        (
            "bad\r\n\u{1b}[31mgateway".to_owned(),
            format!("{page}: bad [31mgateway"),
        ),
        (long.clone(), format!("{page}: {}…", &long[..200])),
        (String::new(), page.to_owned()),
    ] {
        let server = ScriptedServer::start(vec![Step::page(500, &body)]);
        let told = ask(&server, &[("MLFLOW_HTTP_REQUEST_MAX_RETRIES", "0")]).await;
        assert_eq!(told, format!("… {expected}"));
    }
}

#[tokio::test]
async fn other_failures_are_told_at_once() {
    let denied = "hint: set MLFLOW_TRACKING_USERNAME and MLFLOW_TRACKING_PASSWORD, or MLFLOW_TRACKING_TOKEN";
    let elsewhere = "hint: this does not seem to be an MLflow server; check the host, port and path in MLFLOW_TRACKING_URI";
    let get = "/api/2.0/mlflow/runs/get";
    for (step, expected) in [
        (
            error(404, "RESOURCE_DOES_NOT_EXIST", "Run 'abc' not found"),
            "run 'abc' does not exist in the tracking store STORE".to_owned(),
        ),
        (
            error(400, "INVALID_PARAMETER_VALUE", "bad id"),
            "the tracking store STORE refused run 'abc': bad id".to_owned(),
        ),
        (
            error(
                400,
                "INVALID_PARAMETER_VALUE",
                "The run abc must be in the 'active' state.",
            ),
            "run 'abc' is deleted in the tracking store STORE\n\
             hint: restore it with `mlflow runs restore --run-id ID`, or use another run"
                .to_owned(),
        ),
        (
            error(501, "NOT_IMPLEMENTED", "no"),
            "… NOT_IMPLEMENTED: no".to_owned(),
        ),
        (
            Step::page(
                404,
                "<!doctype html>\n<title>404 Not Found</title>\n<h1>Not Found</h1>",
            ),
            format!("… {get} returned 404 Not Found: a page titled '404 Not Found'\n{elsewhere}"),
        ),
        (
            Step::page(200, "<html><title>Welcome to nginx!</title>"),
            format!("… {get} returned 200 OK: a page titled 'Welcome to nginx!'\n{elsewhere}"),
        ),
        (
            Step::json(404, r#"{"detail":"Not Found"}"#),
            format!("… {get} returned 404 Not Found: {{\"detail\":\"Not Found\"}}\n{elsewhere}"),
        ),
        (
            Step::page(401, "You are not authenticated."),
            format!("… {get} returned 401 Unauthorized: You are not authenticated.\n{denied}"),
        ),
        (
            error(403, "PERMISSION_DENIED", "Permission denied"),
            format!("… PERMISSION_DENIED: Permission denied\n{denied}"),
        ),
        (
            Step::json(
                403,
                "Invalid Host header - possible DNS rebinding attack detected",
            ),
            format!(
                "… {get} returned 403 Forbidden: Invalid Host header - possible DNS rebinding attack detected\n\
                 hint: allow this host name when you start the server: `mlflow server --allowed-hosts HOST`"
            ),
        ),
        (
            Step::json(200, "{\"run\":"),
            format!(
                "… the response of {get} is not a valid MLflow response: EOF while parsing a value at line 1 column 7"
            ),
        ),
        (
            Step::json(200, "{}"),
            format!(
                "… the response of {get} is not a valid MLflow response: missing field `run` at line 1 column 2"
            ),
        ),
        (
            Step::json(200, r#"{"run":{"info":{"run_id":"a","status":"LOST"}}}"#),
            "… the response of /api/2.0/mlflow/runs is not a valid MLflow response: unknown status 'LOST'"
                .to_owned(),
        ),
        (
            Step::json(200, r#"{"run":{"info":[]}}"#),
            "… the response of /api/2.0/mlflow/runs is not a valid MLflow response: the run has no id"
                .to_owned(),
        ),
        (
            Step::json(200, "null"),
            format!("… {get} returned 200 OK: null\n{elsewhere}"),
        ),
        (
            Step::Raw(b"\x15\x03\x01\x00\x02\x02\x46".to_vec()),
            "… the server does not speak the protocol of the address\n\
             hint: check whether MLFLOW_TRACKING_URI should begin with http:// or https://"
                .to_owned(),
        ),
        (
            Step::Endless,
            format!("… the response of {get} is larger than 64.0 MiB"),
        ),
        (
            Step::redirect(302, "ftp://example.org/"),
            format!(
                "… the server redirects {get} to 'ftp://example.org/', which is not an http(s) address\n\
                 hint: set MLFLOW_TRACKING_URI to the address after the redirect; a redirect to a login page means that the server requires credentials"
            ),
        ),
    ] {
        let server = ScriptedServer::start(vec![step]);
        assert_eq!(ask(&server, &[]).await, expected);
        assert_eq!(server.lines().len(), 1, "{expected}");
    }
}

#[tokio::test]
async fn a_server_s_pause_is_kept_unless_it_is_not_respected() {
    for (respects, least, most) in [("true", 1000, 10_000), ("false", 0, 900)] {
        let limited = error(429, "REQUEST_LIMIT_EXCEEDED", "x").header("Retry-After", "1");
        let server = ScriptedServer::start(vec![limited, run()]);
        let began = Instant::now();
        let variables = [("MLFLOW_HTTP_RESPECT_RETRY_AFTER_HEADER", respects)];
        assert_eq!(ask(&server, &variables).await, "ok");
        let took = began.elapsed();
        assert!(took >= Duration::from_millis(least), "{respects}: {took:?}");
        assert!(took < Duration::from_millis(most), "{respects}: {took:?}");
    }
}

#[tokio::test]
async fn a_slow_server_ends_in_a_timeout() {
    let server = ScriptedServer::start(vec![Step::Stall, Step::Stall]);
    let variables = [
        ("MLFLOW_HTTP_REQUEST_TIMEOUT", "1"),
        ("MLFLOW_HTTP_REQUEST_MAX_RETRIES", "1"),
    ];
    assert_eq!(
        ask(&server, &variables).await,
        "… no response within 1s (after 2 attempts)\n\
         hint: check that the server works, or increase MLFLOW_HTTP_REQUEST_TIMEOUT (now 1s)"
    );
    assert_eq!(server.lines().len(), 2);
}

#[tokio::test]
async fn an_address_where_nothing_listens_is_told_so() {
    let url = format!("http://127.0.0.1:{}", free_port());
    let refused = store(&url, &[])
        .unwrap()
        .run(&RunId::new("abc"))
        .await
        .unwrap_err();
    assert_eq!(
        told(&refused),
        format!(
            "cannot read the tracking store {url}: connection refused (after 3 attempts)\n\
             hint: nothing is listening at that address; start the server, or correct MLFLOW_TRACKING_URI"
        )
    );
    let unknown = store("http://no-such-host.invalid:5000", &[]).unwrap();
    let unknown = told(&unknown.run(&RunId::new("abc")).await.unwrap_err());
    assert_ends_with(
        &unknown,
        "hint: check the host name in MLFLOW_TRACKING_URI and the network connection",
    );
}

#[tokio::test]
async fn redirects_are_followed_as_far_as_they_can_be() {
    let target = ScriptedServer::start(vec![run(), run()]);
    let token = [("MLFLOW_TRACKING_TOKEN", "t0ken")];
    let there = format!("{}/moved?run_id=abc", target.url());
    for status in [302, 308] {
        let server = ScriptedServer::start(vec![Step::redirect(status, &there)]);
        assert_eq!(ask(&server, &token).await, "ok");
    }
    // Another port is another server: it does not get the credentials.
    assert!(
        target
            .seen()
            .iter()
            .all(|seen| seen.header("authorization").is_empty())
    );
    assert_eq!(target.lines(), ["GET /moved?run_id=abc"; 2]);

    let server = ScriptedServer::start(vec![Step::redirect(301, "/there"), run()]);
    assert_eq!(ask(&server, &token).await, "ok");
    assert_eq!(server.seen()[1].line(), "GET /there");
    assert_eq!(server.seen()[1].header("authorization"), "Bearer t0ken");

    let server = ScriptedServer::start(vec![Step::redirect(302, "/again"); 40]);
    let told = ask(&server, &[]).await;
    assert_contains(&told, "'STORE/again', after 30 other redirects\n");
    assert_eq!(server.lines().len(), 31);

    let server = ScriptedServer::start(vec![Step::redirect(302, "/there"), run()]);
    let told = ask(&server, &[("MLFLOW_ALLOW_HTTP_REDIRECTS", "false")]).await;
    assert_contains(&told, "MLFLOW_ALLOW_HTTP_REDIRECTS does not allow");
}

#[tokio::test]
async fn a_change_is_not_turned_into_a_question_by_a_redirect() {
    let server = ScriptedServer::start(vec![Step::redirect(302, "https://user:pw@sso.example.org/login")]);
    let made = store(&server.url(), &[])
        .unwrap()
        .create_run(super::new_run(&[]))
        .await;
    assert_eq!(
        told(&made.unwrap_err()).lines().next().unwrap(),
        format!(
            "cannot write to the tracking store {}: the server redirects /api/2.0/mlflow/runs/create to 'https://sso.example.org/login'",
            server.url()
        )
    );
    let server = ScriptedServer::start(vec![Step::redirect(307, "/there"), run()]);
    store(&server.url(), &[])
        .unwrap()
        .create_run(super::new_run(&[]))
        .await
        .unwrap();
    assert_eq!(server.lines()[1], "POST /there");
    assert_eq!(server.seen()[0].body, server.seen()[1].body);
}

#[test]
fn the_person_learns_of_a_retry_when_it_begins() {
    let server = ScriptedServer::start(vec![Step::page(503, ""), Step::Close, run()]);
    let sandbox = Sandbox::new();
    sandbox.write("MLproject", "entry_points: {main: {command: 'true'}}");
    let output = sandbox
        .mlrun()
        .args([
            "run",
            ".",
            "--env-manager",
            "local",
            "--run-id",
            "abc",
            "--dry-run",
            "--verbose",
        ])
        .env("MLFLOW_TRACKING_URI", server.url())
        .env("MLFLOW_HTTP_REQUEST_MAX_RETRIES", "2")
        .env("MLFLOW_HTTP_REQUEST_BACKOFF_FACTOR", "0")
        .env("MLFLOW_HTTP_REQUEST_BACKOFF_JITTER", "0")
        .output()
        .unwrap();
    let told = String::from_utf8(output.stderr).unwrap();
    let told: Vec<String> = told
        .lines()
        .filter_map(|line| {
            Some(
                line.split_once("the tracking server ")?
                    .1
                    .replace(&server.url(), "STORE"),
            )
        })
        .collect();
    assert_eq!(
        told,
        [
            "STORE is not available (it returned 503 Service Unavailable); retrying at once (attempt 2 of 3)",
            "STORE is not available (connection closed before message completed); retrying at once (attempt 3 of 3)",
        ]
    );
    assert_eq!(output.status.code(), Some(0));
}
