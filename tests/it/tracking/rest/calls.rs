//! What is sent: which requests, with which bodies and headers, over how many connections.

use mlrun::internals::entities::{ExperimentId, RunId, RunInfo, RunStatus, UnixMillis};
use mlrun::internals::tracking::{ExperimentSelector, FinishedRuns, RunEnd, TrackingStore};
use serde_json::json;

use super::{new_run, store};
use crate::harness::assert_ends_with;
use crate::harness::scripted::{ScriptedServer, Step};
use crate::tracking::told;

const RUN: &str = r#"{"run":{"info":{"run_id":"abc","run_uuid":"abc","run_name":"trial","experiment_id":"0",
    "status":"RUNNING","artifact_uri":"mlflow-artifacts:/0/abc/artifacts","lifecycle_stage":"active"},"data":{}}}"#;

fn ended(status: RunStatus, keep_failure: bool) -> RunEnd {
    RunEnd {
        status,
        end_time: UnixMillis(1_700_000_001_000),
        keep_failure,
    }
}

fn created() -> Step {
    Step::json(200, RUN)
}

fn empty() -> Step {
    Step::json(200, "{}")
}

fn run_with_status(status: &str) -> Step {
    Step::json(200, &RUN.replace("RUNNING", status))
}

#[tokio::test]
async fn a_whole_run_takes_four_requests_over_one_connection() {
    let server = ScriptedServer::start(vec![created(), empty(), run_with_status("RUNNING"), empty()]);
    let store = store(&format!("{}/prefix/", server.url()), &[]).unwrap();
    let id = store.experiment(&ExperimentSelector::Default).await.unwrap();
    assert_eq!(id.as_str(), "0");
    let info = store
        .create_run(new_run(&[("alpha", "0.5"), ("b", "")]))
        .await
        .unwrap();
    let expected = RunInfo {
        run_id: RunId::new("abc"),
        experiment_id: ExperimentId::new("0"),
        run_name: "trial".to_owned(),
        artifact_uri: "mlflow-artifacts:/0/abc/artifacts".to_owned(),
        status: RunStatus::Running,
    };
    assert_eq!(info, expected);
    let status = store
        .end_run(&info.run_id, ended(RunStatus::Finished, true))
        .await
        .unwrap();
    assert_eq!(status, RunStatus::Finished);

    assert_eq!(
        server.lines(),
        [
            "POST /prefix/api/2.0/mlflow/runs/create",
            "POST /prefix/api/2.0/mlflow/runs/log-batch",
            "GET /prefix/api/2.0/mlflow/runs/get?run_id=abc&run_uuid=abc",
            "POST /prefix/api/2.0/mlflow/runs/update",
        ]
    );
    assert_eq!(server.connections(), 1);
    let seen = server.seen();
    assert_eq!(
        seen[0].json(),
        json!({
            "experiment_id": "0", "user_id": "anna", "run_name": "trial", "start_time": 1_700_000_000_123_i64,
            "tags": [
                {"key": "mlflow.user", "value": "anna"},
                {"key": "mlflow.source.name", "value": "a 'project' \u{fc}"},
                {"key": "mlflow.runName", "value": "trial"},
            ],
        })
    );
    assert_eq!(
        seen[1].json(),
        json!({"run_id": "abc", "params": [{"key": "alpha", "value": "0.5"}, {"key": "b", "value": ""}]})
    );
    assert_eq!(
        seen[3].json(),
        json!({"run_id": "abc", "run_uuid": "abc", "status": "FINISHED", "end_time": 1_700_000_001_000_i64})
    );
    for request in &seen {
        assert_eq!(
            request.header("user-agent"),
            concat!("mlrun/", env!("CARGO_PKG_VERSION"))
        );
        assert_eq!(request.header("host"), server.address.to_string());
        assert_eq!(request.header("authorization"), "");
        let is_post = request.method == "POST";
        assert_eq!(
            request.header("content-type"),
            if is_post { "application/json" } else { "" }
        );
    }
}

#[tokio::test]
async fn without_params_and_verdict_two_requests_are_enough() {
    let server = ScriptedServer::start(vec![created(), empty()]);
    let store = store(&server.url(), &[]).unwrap();
    let mut nameless = new_run(&[]);
    nameless.name = None;
    let info = store.create_run(nameless).await.unwrap();
    let status = store
        .end_run(&info.run_id, ended(RunStatus::Killed, false))
        .await
        .unwrap();
    assert_eq!(status, RunStatus::Killed);
    assert_eq!(server.lines().len(), 2);
    let body = server.seen()[0].json();
    assert!(body.get("run_name").is_none(), "{body}");
    assert_eq!(body["tags"].as_array().unwrap().len(), 2);
}

#[tokio::test]
async fn params_go_in_batches_and_a_refused_one_ends_the_run() {
    let refused = Step::json(
        400,
        r#"{"error_code":"INVALID_PARAMETER_VALUE","message":"Param value is too long"}"#,
    );
    let server = ScriptedServer::start(vec![created(), empty(), refused, empty()]);
    let store = store(&server.url(), &[]).unwrap();
    let mut run = new_run(&[]);
    run.params = (0..150)
        .map(|index| (format!("p{index}"), index.to_string()))
        .collect();
    let error = store.create_run(run).await.unwrap_err();
    assert_eq!(
        told(&error),
        format!(
            "the tracking store {} refused run 'abc': Param value is too long",
            server.url()
        )
    );
    let seen = server.seen();
    assert_eq!(seen[1].json()["params"].as_array().unwrap().len(), 100);
    assert_eq!(seen[2].json()["params"].as_array().unwrap().len(), 50);
    assert_eq!(seen[3].line(), "POST /api/2.0/mlflow/runs/update");
    assert_eq!(seen[3].json()["status"], "FAILED");
}

#[tokio::test]
async fn a_request_holds_as_many_params_as_a_server_takes() {
    for (count, value, expected) in [
        (0, "v".to_owned(), vec![]),
        (1, "v".to_owned(), vec![1]),
        (100, "v".to_owned(), vec![100]),
        (201, "v".to_owned(), vec![100, 100, 1]),
        (100, "v".repeat(6000), vec![100]),
        (100, "\u{1}".repeat(6000), vec![24, 24, 24, 24, 4]),
    ] {
        let mut steps = vec![created()];
        steps.extend(vec![empty(); expected.len()]);
        let server = ScriptedServer::start(steps);
        let mut run = new_run(&[]);
        run.params = (0..count)
            .map(|index| (format!("k{index}"), value.clone()))
            .collect();
        store(&server.url(), &[]).unwrap().create_run(run).await.unwrap();
        let seen = server.seen();
        let sizes = seen[1..]
            .iter()
            .map(|seen| seen.json()["params"].as_array().unwrap().len());
        assert_eq!(sizes.collect::<Vec<_>>(), expected);
    }
}

#[tokio::test]
async fn a_search_asks_for_what_can_be_written_in_a_filter() {
    for (tag, expected) in [
        (None, ""),
        (
            Some(("mlflow.source.git.commit", "abc")),
            " and tags.`mlflow.source.git.commit` = 'abc'",
        ),
        (Some(("a b", "")), " and tags.`a b` = ''"),
        (Some(("a", "it's")), ""),
        (Some(("a", "a\nb")), ""),
    ] {
        let server = ScriptedServer::start(vec![empty()]);
        let wanted = FinishedRuns {
            experiment_id: ExperimentId::new("0"),
            tags: tag
                .iter()
                .map(|(key, value)| ((*key).to_owned(), (*value).to_owned()))
                .collect(),
            limit: 1,
        };
        let store = store(&server.url(), &[]).unwrap();
        assert_eq!(store.finished_runs(&wanted).await.unwrap(), []);
        assert_eq!(
            server.seen()[0].json()["filter"],
            format!("attributes.status = 'FINISHED'{expected}")
        );
    }
}

#[tokio::test]
async fn runs_are_read_from_all_kinds_of_servers() {
    let expected = RunInfo {
        run_id: RunId::new("a"),
        experiment_id: ExperimentId::new("1"),
        run_name: "n".to_owned(),
        artifact_uri: "s3://b".to_owned(),
        status: RunStatus::Failed,
    };
    let least = RunInfo {
        run_id: RunId::new("a"),
        experiment_id: ExperimentId::new(""),
        run_name: String::new(),
        artifact_uri: String::new(),
        status: RunStatus::Running,
    };
    let unread = "expected text, got [\"a\"]";
    for (run, expected) in [
        (
            json!({
                "info": {"run_id": "a", "run_uuid": "a", "run_name": "n", "experiment_id": "1", "status": "FAILED",
                    "artifact_uri": "s3://b", "start_time": 1, "new": {}},
                "data": {"params": [{"key": "k"}]},
                "inputs": {},
            }),
            Ok(&expected),
        ),
        (
            json!({
                "info": {"run_uuid": "a", "experiment_id": 1, "status": 4, "artifact_uri": "s3://b"},
                "data": {"tags": [{"key": "x", "value": null}, {"key": "mlflow.runName", "value": "n"}]},
            }),
            Ok(&expected),
        ),
        (json!({"info": {"run_id": "a"}}), Ok(&least)),
        (json!({"info": {"run_id": ["a"]}}), Err(unread)),
    ] {
        let server = ScriptedServer::start(vec![Step::json(200, &json!({ "run": run }).to_string())]);
        let read = store(&server.url(), &[]).unwrap().run(&RunId::new("a")).await;
        match (read, expected) {
            (Ok(read), Ok(expected)) => assert_eq!(read, *expected),
            (Err(error), Err(expected)) => assert_ends_with(&told(&error), expected),
            (read, expected) => panic!("{read:?} is not {expected:?}"),
        }
    }
}

#[tokio::test]
async fn the_entry_point_s_own_verdict_is_kept() {
    for (found, asked, kept, requests) in [
        ("RUNNING", RunStatus::Finished, RunStatus::Finished, 2),
        ("FINISHED", RunStatus::Finished, RunStatus::Finished, 2),
        ("FAILED", RunStatus::Finished, RunStatus::Failed, 1),
        ("KILLED", RunStatus::Finished, RunStatus::Killed, 1),
    ] {
        let server = ScriptedServer::start(vec![run_with_status(found), empty()]);
        let store = store(&server.url(), &[]).unwrap();
        let status = store
            .end_run(&RunId::new("abc"), ended(asked, true))
            .await
            .unwrap();
        assert_eq!(status, kept, "{found}");
        assert_eq!(server.lines().len(), requests, "{found}");
    }
}

#[tokio::test]
async fn a_server_that_knows_no_killed_runs_gets_a_failed_one() {
    let refused = Step::json(
        400,
        r#"{"error_code":"INVALID_PARAMETER_VALUE","message":"Unknown status KILLED"}"#,
    );
    let server = ScriptedServer::start(vec![refused, empty()]);
    let store = store(&server.url(), &[]).unwrap();
    let status = store
        .end_run(&RunId::new("abc"), ended(RunStatus::Killed, false))
        .await
        .unwrap();
    assert_eq!(status, RunStatus::Failed);
    assert_eq!(server.seen()[1].json()["status"], "FAILED");
}

#[tokio::test]
async fn experiments_are_found_or_made() {
    let named = |id: &str, stage: &str| {
        Step::json(
            200,
            &format!(r#"{{"experiment":{{"experiment_id":"{id}","name":"e","lifecycle_stage":"{stage}"}}}}"#),
        )
    };
    let missing = || {
        Step::json(
            404,
            r#"{"error_code":"RESOURCE_DOES_NOT_EXIST","message":"No such"}"#,
        )
    };
    let taken = || {
        Step::json(
            400,
            r#"{"error_code":"RESOURCE_ALREADY_EXISTS","message":"Taken"}"#,
        )
    };
    let made = || Step::json(200, r#"{"experiment_id":7}"#);
    let by_name = ExperimentSelector::Name("a b/ü".to_owned());
    let by_id = ExperimentSelector::Id(ExperimentId::new("5"));
    for (selector, steps, expected) in [
        (&by_name, vec![named("3", "active")], Ok("3")),
        (&by_name, vec![missing(), made()], Ok("7")),
        (&by_name, vec![missing(), taken(), named("4", "active")], Ok("4")),
        (
            &by_name,
            vec![named("3", "deleted")],
            Err("experiment 'a b/ü' is deleted in the tracking store"),
        ),
        (
            &by_name,
            vec![missing(), taken(), named("3", "deleted")],
            Err("experiment 'a b/ü' is deleted in the tracking store"),
        ),
        (
            &by_name,
            vec![missing(), taken(), missing()],
            Err("the tracking store"),
        ),
        (&by_id, vec![named("5", "active")], Ok("5")),
        (
            &by_id,
            vec![missing()],
            Err("experiment '5' does not exist in the tracking store"),
        ),
        (
            &by_id,
            vec![named("5", "deleted")],
            Err("experiment '5' is deleted in the tracking store"),
        ),
    ] {
        let count = steps.len();
        let server = ScriptedServer::start(steps);
        let store = store(&server.url(), &[]).unwrap();
        match (store.experiment(selector).await, expected) {
            (Ok(id), Ok(expected)) => assert_eq!(id.as_str(), expected),
            (Err(error), Err(expected)) => assert!(error.to_string().starts_with(expected), "{error}"),
            (found, expected) => panic!("{selector:?}: {found:?} is not {expected:?}"),
        }
        assert_eq!(server.lines().len(), count, "{selector:?}");
    }
    let server = ScriptedServer::start(vec![named("3", "active")]);
    let by_name = store(&server.url(), &[]).unwrap().experiment(&by_name).await;
    assert_eq!(by_name.unwrap().as_str(), "3");
    assert_eq!(
        server.lines(),
        ["GET /api/2.0/mlflow/experiments/get-by-name?experiment_name=a+b%2F%C3%BC"]
    );
}

#[tokio::test]
async fn credentials_reach_the_server_and_nothing_else() {
    let user = ("MLFLOW_TRACKING_USERNAME", "anna");
    let password = ("MLFLOW_TRACKING_PASSWORD", "geheim");
    let token = ("MLFLOW_TRACKING_TOKEN", "t0ken");
    for (user_info, variables, expected) in [
        ("", vec![user, password], "Basic YW5uYTpnZWhlaW0="),
        ("", vec![token], "Bearer t0ken"),
        ("bob:p%40ss@", vec![token], "Basic Ym9iOnBAc3M="),
        ("bob@", vec![token], "Bearer t0ken"),
    ] {
        let denied = Step::json(403, r#"{"error_code":"PERMISSION_DENIED","message":"No"}"#);
        let server = ScriptedServer::start(vec![denied]);
        let url = format!("http://{user_info}{}", server.address);
        let store = store(&url, &variables).unwrap();
        let error = store.run(&RunId::new("abc")).await.unwrap_err();
        assert_eq!(server.seen()[0].header("authorization"), expected);
        let info = RunInfo {
            run_id: RunId::new("abc"),
            experiment_id: ExperimentId::new("0"),
            run_name: String::new(),
            artifact_uri: String::new(),
            status: RunStatus::Running,
        };
        let page = store.run_url(&info).unwrap();
        assert_eq!(
            page,
            format!("http://{}/#/experiments/0/runs/abc", server.address)
        );
        let shown = format!("{} {error:?} {store:?}", told(&error));
        for secret in [
            "geheim",
            "t0ken",
            "p%40ss",
            "p@ss",
            expected.split(' ').next_back().unwrap(),
        ] {
            assert!(!shown.contains(secret), "{secret} in {shown}");
        }
    }
}

#[tokio::test]
async fn a_workspace_is_sent_when_the_server_has_any() {
    let workspace = [("MLFLOW_WORKSPACE", "my team")];
    let has_some = Step::json(200, r#"{"store_type":"SqlStore","workspaces_enabled":true}"#);
    let server = ScriptedServer::start(vec![has_some, created(), empty()]);
    let with_workspace = store(&server.url(), &workspace).unwrap();
    let info = with_workspace.create_run(new_run(&[])).await.unwrap();
    with_workspace
        .end_run(&info.run_id, ended(RunStatus::Finished, false))
        .await
        .unwrap();
    assert_eq!(server.lines()[0], "GET /api/3.0/mlflow/server-info");
    assert!(
        server
            .seen()
            .iter()
            .all(|seen| seen.header("x-mlflow-workspace") == "my team")
    );
    assert_eq!(
        with_workspace.run_url(&info).unwrap(),
        format!("{}/#/experiments/0/runs/abc?workspace=my%20team", server.url())
    );

    for without in [
        Step::json(200, r#"{"workspaces_enabled":false}"#),
        Step::page(404, "<title>404 Not Found</title>"),
    ] {
        let server = ScriptedServer::start(vec![without]);
        let store = store(&server.url(), &workspace).unwrap();
        let error = store.create_run(new_run(&[])).await.unwrap_err();
        assert_eq!(
            told(&error),
            format!(
                "cannot use the tracking store {}: the server does not support workspaces, but MLFLOW_WORKSPACE is 'my team'\n\
                 hint: unset MLFLOW_WORKSPACE, or start the server with --enable-workspaces",
                server.url()
            )
        );
        assert_eq!(server.lines().len(), 1);
    }
}

#[tokio::test]
async fn requests_go_through_the_proxy_that_the_environment_names() {
    let proxy = ScriptedServer::start(vec![created()]);
    let address = format!("http://pat:geheim@{}", proxy.address);
    let variables = [
        ("http_proxy", address.as_str()),
        ("HTTP_PROXY", "http://upper.test:1"),
    ];
    let through = store("http://tracking.test:5000", &variables).unwrap();
    through.create_run(new_run(&[])).await.unwrap();
    assert_eq!(
        proxy.lines(),
        ["POST http://tracking.test:5000/api/2.0/mlflow/runs/create"]
    );
    assert_eq!(
        proxy.seen()[0].header("proxy-authorization"),
        "Basic cGF0OmdlaGVpbQ=="
    );

    let server = ScriptedServer::start(vec![created()]);
    let variables = [("http_proxy", address.as_str()), ("no_proxy", "127.0.0.1")];
    let direct = store(&server.url(), &variables).unwrap();
    direct.create_run(new_run(&[])).await.unwrap();
    assert_eq!(server.lines().len(), 1);
    assert_eq!(proxy.lines().len(), 1);

    let socks = store(
        &server.url(),
        &[("ALL_PROXY", "socks5://pat:geheim@localhost:1080")],
    )
    .unwrap();
    let error = socks.create_run(new_run(&[])).await.unwrap_err();
    assert_eq!(
        told(&error),
        format!(
            "cannot write to the tracking store {}: the proxy 'socks5://localhost:1080' cannot be used: SOCKS proxies are not supported\n\
             hint: use an http:// proxy, or add the server's host to NO_PROXY",
            server.url()
        )
    );
}
