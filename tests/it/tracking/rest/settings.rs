//! What variables, files and the address itself say about a server, and who asks it.

use mlrun::internals::entities::{RunId, RunStatus, UnixMillis};
use mlrun::internals::tracking::{RestSettings, RunEnd, TrackingStore};

use super::store;
use crate::harness::scripted::{ScriptedServer, Step};
use crate::harness::{assert_contains, assert_ends_with, assert_lacks};
use crate::tracking::told;

const RUN: &str =
    r#"{"run":{"info":{"run_id":"abc","experiment_id":"0","status":"RUNNING","artifact_uri":"a"}}}"#;

/// What the server is asked by, when the store asks for a run.
async fn authorization(user_info: &str, variables: &[(&str, &str)]) -> String {
    let server = ScriptedServer::start(vec![Step::json(200, RUN)]);
    let url = format!("http://{user_info}{}", server.address);
    let store = store(&url, variables).unwrap();
    store.run(&RunId::new("abc")).await.unwrap();
    let shown = format!("{store:?}");
    for secret in ["geheim", "p@ss", "t0ken"] {
        assert_lacks(&shown, secret);
    }
    server.seen()[0].header("authorization").to_owned()
}

#[tokio::test]
async fn variables_come_before_the_file_and_a_password_before_a_token() {
    let home = tempfile::tempdir().unwrap();
    std::fs::create_dir(home.path().join(".mlflow")).unwrap();
    let file = "[other]\nmlflow_tracking_username = no\n\n[mlflow]\n# who\nMLFLOW_TRACKING_USERNAME = anna\n\
                mlflow_tracking_password: 100%%=geheim\n";
    std::fs::write(home.path().join(".mlflow/credentials"), file).unwrap();
    let user = ("MLFLOW_TRACKING_USERNAME", "bob");
    let password = ("MLFLOW_TRACKING_PASSWORD", "geheim");
    let token = ("MLFLOW_TRACKING_TOKEN", "t0ken");
    let home = ("HOME", home.path().to_str().unwrap());
    let (bob, anna) = ("Basic Ym9iOmdlaGVpbQ==", "Basic YW5uYToxMDAlPWdlaGVpbQ==");
    for (user_info, variables, expected) in [
        ("", vec![], ""),
        ("", vec![user], ""),
        ("", vec![user, password], bob),
        ("", vec![token], "Bearer t0ken"),
        ("", vec![user, token], "Bearer t0ken"),
        ("", vec![user, password, token], bob),
        ("", vec![home], anna),
        // bob:100%=geheim
        ("", vec![home, user], "Basic Ym9iOjEwMCU9Z2VoZWlt"),
        ("", vec![home, token], anna),
        ("user@", vec![], ""),
        // user:
        ("user:@", vec![], "Basic dXNlcjo="),
        // user:p@ss
        ("user:p%40ss@", vec![user, password], "Basic dXNlcjpwQHNz"),
        // :t0ken
        (":t0ken@", vec![token], "Basic OnQwa2Vu"),
    ] {
        let found = authorization(user_info, &variables).await;
        assert_eq!(found, expected, "{user_info} {variables:?}");
    }
}

#[test]
fn what_no_header_can_carry_is_refused_without_showing_it() {
    let variables = [("MLFLOW_TRACKING_TOKEN", "t0ken\nx")];
    let error = told(&store("http://host", &variables).unwrap_err());
    assert_eq!(
        error,
        "cannot open the tracking store http://host: the value of MLFLOW_TRACKING_TOKEN contains a line break or \
         another invalid character\nhint: remove the line break at the end"
    );
}

#[test]
fn what_is_no_server_s_address_is_refused_without_its_password() {
    for (url, expected) in [
        (
            "http://",
            "the tracking URI 'http://' is not a valid address: empty host",
        ),
        (
            "http://u:secret@host:port/",
            "the tracking URI 'http://host:port/' is not a valid address: invalid port number",
        ),
        (
            "ftp://u:secret@host/",
            "the tracking URI 'ftp://host/' is not an http:// or https:// address",
        ),
        (
            "http://host/#/experiments/0",
            "the tracking URI 'http://host/#/experiments/0' must not have a part after '?' or '#'",
        ),
    ] {
        let error = told(&store(url, &[]).unwrap_err());
        let hint = "\nhint: set MLFLOW_TRACKING_URI to the server's address, such as https://HOST:5000";
        assert_ends_with(&error, &format!(": {expected}{hint}"));
        assert_lacks(&error, "secret");
    }
}

#[test]
fn a_bad_value_is_named_with_what_is_expected() {
    let insecure = ("MLFLOW_TRACKING_INSECURE_TLS", "true");
    for (variables, expected) in [
        (
            &[("MLFLOW_HTTP_REQUEST_MAX_RETRIES", "abc")][..],
            "MLFLOW_HTTP_REQUEST_MAX_RETRIES is 'abc', but must be a whole number from 0 to 10",
        ),
        (
            &[("_MLFLOW_HTTP_REQUEST_MAX_RETRIES_LIMIT", "5")],
            "MLFLOW_HTTP_REQUEST_MAX_RETRIES is '7', but must be a whole number from 0 to 5",
        ),
        (
            &[("MLFLOW_HTTP_REQUEST_BACKOFF_JITTER", "nan")],
            "MLFLOW_HTTP_REQUEST_BACKOFF_JITTER is 'nan', but must be a number of seconds that is not negative",
        ),
        (
            &[("MLFLOW_TRACKING_AWS_SIGV4", "yes")],
            "MLFLOW_TRACKING_AWS_SIGV4 is 'yes', but must be true, false, 1 or 0",
        ),
        (
            &[("MLFLOW_TRACKING_AUTH", "my-company")],
            "the authentication plug-in 'my-company' (MLFLOW_TRACKING_AUTH) is Python code, which mlrun cannot load",
        ),
        (
            &[insecure, ("MLFLOW_TRACKING_SERVER_CERT_PATH", "/s")],
            "MLFLOW_TRACKING_INSECURE_TLS and MLFLOW_TRACKING_SERVER_CERT_PATH are both set",
        ),
    ] {
        let error = RestSettings::from_variables(&|name| {
            let found = variables.iter().find(|(known, _)| *known == name);
            found.map(|(_, value)| (*value).to_owned())
        });
        let error = error.unwrap_err();
        assert_eq!(error.to_string(), expected);
        assert!(error.hint().is_some(), "{expected}");
    }
}

#[tokio::test]
async fn values_are_read_as_the_reference_reads_them() {
    let variables = [
        ("MLFLOW_HTTP_REQUEST_MAX_RETRIES", " 3 "),
        ("MLFLOW_HTTP_REQUEST_BACKOFF_JITTER", "1e-3"),
        ("MLFLOW_HTTP_REQUEST_TIMEOUT", "7"),
        ("MLFLOW_HTTP_RESPECT_RETRY_AFTER_HEADER", "False"),
        ("MLFLOW_TRACKING_AWS_SIGV4", "false"),
        ("MLFLOW_ALLOW_HTTP_REDIRECTS", "0"),
        ("MLFLOW_WORKSPACE", " team "),
    ];
    let has_workspaces = Step::json(200, r#"{"workspaces_enabled":true}"#);
    let busy = Step::page(503, "").header("Retry-After", "60");
    let mut steps = vec![has_workspaces];
    steps.extend(vec![busy; 3]);
    steps.push(Step::redirect(307, "/there"));
    let server = ScriptedServer::start(steps);
    let store = store(&server.url(), &variables).unwrap();
    let error = told(&store.run(&RunId::new("abc")).await.unwrap_err());
    assert_contains(&error, "MLFLOW_ALLOW_HTTP_REDIRECTS does not allow");
    assert_eq!(server.lines().len(), 5);
    assert_eq!(server.seen()[1].header("x-mlflow-workspace"), "team");
    let silent = ScriptedServer::start(vec![Step::Stall]);
    let variables = [
        ("MLFLOW_HTTP_REQUEST_MAX_RETRIES", "0"),
        ("MLFLOW_HTTP_REQUEST_TIMEOUT", " 1"),
    ];
    let end = RunEnd {
        status: RunStatus::Finished,
        end_time: UnixMillis(1),
        keep_failure: false,
    };
    let silent = super::store(&silent.url(), &variables).unwrap();
    let error = told(&silent.end_run(&RunId::new("abc"), end).await.unwrap_err());
    assert_contains(&error, "no response within 1s\n");
}
