//! Real MLflow servers, and what their own clients read of the runs that were recorded there.

use mlrun::internals::entities::{RunId, RunStatus};
use mlrun::internals::tracking::{ExperimentSelector, NewRun, TrackingStore};
use serde_json::{Value, json};

use super::ServerFixture;
use super::{new_run, store};
use crate::harness::certificates::{self, pem, text};
use crate::harness::python;
use crate::harness::{MlflowServer, Requirement, assert_contains, assert_ends_with, mlflow3, require};
use crate::tracking::suite::store_suite;
use crate::tracking::{ended, told};

/// Prints a run as the client of the same MLflow sees it.
const READ_RUN: &str = r#"
import json, sys
from mlflow.tracking import MlflowClient
run = MlflowClient().get_run(sys.argv[1])
print(json.dumps({"params": run.data.params, "tags": run.data.tags, "status": run.info.status, "name": run.info.run_name,
    "experiment": run.info.experiment_id, "artifacts": run.info.artifact_uri, "user": run.info.user_id,
    "start": run.info.start_time, "end": run.info.end_time}))
"#;

/// Runs Python with a tracking server. Gives what it prints, as JSON.
fn ask(
    server: &MlflowServer,
    uri: &str,
    variables: &[(&str, &str)],
    code: &str,
    arguments: &[&str],
) -> Value {
    python(server.venv(), &server.work(), uri, variables, code, arguments)
}

/// Writes a run and compares it with what the client of the same MLflow reads.
async fn whole_run(server: &MlflowServer) {
    let url = server.url();
    let store = store(url, &[]).unwrap();
    let name = ExperimentSelector::Name("Größe / 'x' + y&z".to_owned());
    let experiment_id = store.experiment(&name).await.unwrap();
    assert_eq!(store.experiment(&name).await.unwrap(), experiment_id);
    let by_id = ExperimentSelector::Id(experiment_id.clone());
    assert_eq!(store.experiment(&by_id).await.unwrap(), experiment_id);

    let many: Vec<(String, String)> = (0..250)
        .map(|index| (format!("p{index}"), "v".repeat(500)))
        .collect();
    let mut params = vec![
        ("alpha".to_owned(), "0.5".to_owned()),
        ("text".to_owned(), "line\nbreak \u{1f600} 'quoted' \\ ".to_owned()),
        ("empty".to_owned(), String::new()),
        ("a/b".to_owned(), "c".to_owned()),
    ];
    params.extend(many);
    let info = store
        .create_run(NewRun {
            experiment_id: experiment_id.clone(),
            params: params.clone(),
            ..new_run(&[])
        })
        .await
        .unwrap();
    assert_eq!(
        (info.run_name.as_str(), info.status),
        ("trial", RunStatus::Running)
    );
    let later = [
        ("late".to_owned(), "tag".to_owned()),
        ("mlflow.runName".to_owned(), "renamed".to_owned()),
    ];
    store.set_tags(&info.run_id, &later).await.unwrap();
    let status = store
        .end_run(&info.run_id, ended(RunStatus::Killed, false))
        .await
        .unwrap();
    assert_eq!(status, RunStatus::Killed);
    let kept = store
        .end_run(&info.run_id, ended(RunStatus::Finished, true))
        .await
        .unwrap();
    assert_eq!(kept, RunStatus::Killed);

    let read = ask(server, url, &[], READ_RUN, &[info.run_id.as_str()]);
    let params: Value = params
        .into_iter()
        .map(|(key, value)| (key, Value::String(value)))
        .collect();
    let expected = json!({
        "params": params,
        "tags": {
            "mlflow.user": "anna", "mlflow.source.name": "a 'project' \u{fc}",
            "mlflow.runName": "renamed", "late": "tag",
        },
        "status": "KILLED", "name": "renamed", "experiment": experiment_id.as_str(), "artifacts": info.artifact_uri,
        "user": "anna", "start": 1_700_000_000_123_i64, "end": 1_700_000_001_000_i64,
    });
    assert_eq!(read, expected);
    assert_eq!(store.run(&info.run_id).await.unwrap().run_name, "renamed");
}

/// The errors of a real server in words that a person can use.
async fn refusals(server: &MlflowServer) {
    let url = server.url();
    let store = store(url, &[]).unwrap();
    let missing = store.run(&RunId::new("0123456789abcdef0123456789abcdef")).await;
    assert_eq!(
        told(&missing.unwrap_err()),
        format!("run '0123456789abcdef0123456789abcdef' does not exist in the tracking store {url}")
    );
    let selector = ExperimentSelector::Id(mlrun::ExperimentId::new("987654"));
    let missing = store.experiment(&selector).await.unwrap_err();
    assert_eq!(
        missing.to_string(),
        format!("experiment '987654' does not exist in the tracking store {url}")
    );

    let deleting = r#"
import json
from mlflow.tracking import MlflowClient
client = MlflowClient()
experiment = client.create_experiment("gone")
client.delete_experiment(experiment)
run = client.create_run("0").info.run_id
client.delete_run(run)
print(json.dumps([experiment, run]))
"#;
    let gone = ask(server, url, &[], deleting, &[]);
    let (experiment, run) = (gone[0].as_str().unwrap(), gone[1].as_str().unwrap());
    for selector in [
        ExperimentSelector::Name("gone".to_owned()),
        ExperimentSelector::Id(mlrun::ExperimentId::new(experiment)),
    ] {
        let error = store.experiment(&selector).await.unwrap_err().to_string();
        assert_ends_with(&error, &format!("is deleted in the tracking store {url}"));
    }
    let mut in_deleted = new_run(&[]);
    in_deleted.experiment_id = mlrun::ExperimentId::new(experiment);
    let error = store.create_run(in_deleted).await.unwrap_err().to_string();
    assert_eq!(
        error,
        format!("experiment '{experiment}' is deleted in the tracking store {url}")
    );
    let error = store
        .end_run(&RunId::new(run), ended(RunStatus::Finished, false))
        .await
        .unwrap_err();
    assert_eq!(
        error.to_string(),
        format!("run '{run}' is deleted in the tracking store {url}")
    );
}

#[tokio::test]
async fn mlflow_3_takes_whole_runs() {
    let Some(venv) = mlflow3() else { return };
    let server = MlflowServer::start(&venv);
    whole_run(&server).await;
    refusals(&server).await;
    store_suite(&ServerFixture::new(server.url().to_owned())).await;
    fifty_creators(server.url()).await;

    let elsewhere = store(&format!("{}/wrong/path", server.url()), &[]).unwrap();
    let error = told(&elsewhere.run(&RunId::new("abc")).await.unwrap_err());
    assert_contains(
        &error,
        "returned 404 Not Found: a page titled '404 Not Found'\nhint: this does not seem to be an MLflow server",
    );
    let workspace = store(server.url(), &[("MLFLOW_WORKSPACE", "team")]).unwrap();
    let error = told(&workspace.create_run(new_run(&[])).await.unwrap_err());
    assert_contains(&error, "the server does not support workspaces");
}

#[tokio::test]
async fn mlflow_3_18_takes_whole_runs() {
    let Some(venv) = require(Requirement::Mlflow318) else {
        return;
    };
    let server = MlflowServer::start(&venv);
    whole_run(&server).await;
    refusals(&server).await;
    store_suite(&ServerFixture::new(server.url().to_owned())).await;
}

/// One experiment comes out, and everybody gets it.
async fn fifty_creators(url: &str) {
    let creators: Vec<_> = (0..50)
        .map(|_| {
            let store = store(url, &[]).unwrap();
            tokio::spawn(async move {
                store
                    .experiment(&ExperimentSelector::Name("raced".to_owned()))
                    .await
            })
        })
        .collect();
    let mut found = Vec::new();
    for creator in creators {
        found.push(creator.await.unwrap().unwrap());
    }
    assert!(found.iter().all(|id| *id == found[0]), "{found:?}");
}

#[tokio::test]
async fn mlflow_2_takes_whole_runs() {
    let Some(venv) = require(Requirement::Mlflow2) else {
        return;
    };
    let server = MlflowServer::start(&venv);
    whole_run(&server).await;
    refusals(&server).await;
}

#[tokio::test]
async fn a_server_with_users_wants_to_know_which() {
    let Some(venv) = mlflow3() else { return };
    let secret = [
        ("MLFLOW_FLASK_SERVER_SECRET_KEY", "only-for-this-test".to_owned()),
        ("MLFLOW_AUTH_ADMIN_PASSWORD", "pass-phrase-1234".to_owned()),
    ];
    let server = MlflowServer::start_with(&venv, &["--app-name", "basic-auth"], &secret);
    let admin = ("MLFLOW_TRACKING_USERNAME", "admin");
    let right = ("MLFLOW_TRACKING_PASSWORD", "pass-phrase-1234");
    let wrong = ("MLFLOW_TRACKING_PASSWORD", "geheim");
    let nobody = store(server.url(), &[]).unwrap();
    let error = told(&nobody.create_run(new_run(&[])).await.unwrap_err());
    assert_contains(&error, "returned 401 Unauthorized: You are not authenticated.");
    assert_ends_with(
        &error,
        "hint: set MLFLOW_TRACKING_USERNAME and MLFLOW_TRACKING_PASSWORD, or MLFLOW_TRACKING_TOKEN",
    );
    let stranger = store(server.url(), &[admin, wrong]).unwrap();
    let error = told(&stranger.create_run(new_run(&[])).await.unwrap_err());
    assert_ends_with(
        &error,
        "hint: check the credentials from MLFLOW_TRACKING_USERNAME and MLFLOW_TRACKING_PASSWORD; the server rejected them",
    );
    let by_variables = store(server.url(), &[admin, right]).unwrap();
    let info = by_variables.create_run(new_run(&[("a", "1")])).await.unwrap();
    let by_url = store(
        &format!(
            "http://admin:pass-phrase-1234@{}",
            server.url().trim_start_matches("http://")
        ),
        &[wrong],
    )
    .unwrap();
    by_url
        .end_run(&info.run_id, ended(RunStatus::Finished, true))
        .await
        .unwrap();
    let read = ask(
        &server,
        server.url(),
        &[admin, right],
        READ_RUN,
        &[info.run_id.as_str()],
    );
    assert_eq!(
        (&read["status"], &read["params"]),
        (&json!("FINISHED"), &json!({"a": "1"}))
    );
    assert_eq!(by_url.run_url(&info), by_variables.run_url(&info));
}

#[tokio::test]
async fn a_server_behind_tls_is_reached_with_its_own_certificate() {
    let Some(venv) = mlflow3() else { return };
    let files = tempfile::tempdir().unwrap();
    let own = certificates::server("127.0.0.1", None);
    let (key, certificate) = (files.path().join("key.pem"), files.path().join("certificate.pem"));
    std::fs::write(&key, text(own.key.private_key_to_pem_pkcs8().unwrap())).unwrap();
    std::fs::write(&certificate, pem(&own.certificate)).unwrap();
    let (key, certificate) = (key.to_str().unwrap(), certificate.to_str().unwrap());
    let options = format!("--ssl-keyfile {key} --ssl-certfile {certificate}");
    let server = MlflowServer::start_with(&venv, &["--uvicorn-opts", &options], &[]);
    let url = format!("https://{}", server.url().trim_start_matches("http://"));
    let variables = [("MLFLOW_TRACKING_SERVER_CERT_PATH", certificate)];
    let trusting = store(&url, &variables).unwrap();
    let info = trusting.create_run(new_run(&[("a", "1")])).await.unwrap();
    trusting
        .end_run(&info.run_id, ended(RunStatus::Finished, true))
        .await
        .unwrap();
    let read = ask(&server, &url, &variables, READ_RUN, &[info.run_id.as_str()]);
    assert_eq!(
        (&read["status"], &read["params"]),
        (&json!("FINISHED"), &json!({"a": "1"}))
    );
    let error = store(&url, &[]).unwrap().run(&info.run_id).await.unwrap_err();
    assert_contains(
        &told(&error),
        "the server's certificate is not trusted: self-signed certificate",
    );
}
