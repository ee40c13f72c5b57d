//! Real MLflow servers, and what their own clients read of the runs that were recorded there.

use std::io::{Read, Write};
use std::net::TcpStream;
use std::path::{Path, PathBuf};
use std::process::{Child, Stdio};
use std::time::{Duration, Instant};

use mlrun::internals::entities::{RunId, RunStatus, UnixMillis};
use mlrun::internals::tracking::{ExperimentSelector, NewRun, RunEnd, TrackingStore};
use serde_json::{Value, json};

use super::ServerFixture;
use super::{new_run, store, told};
use crate::harness::certificates::{self, pem, text};
use crate::harness::{Requirement, assert_contains, free_port, require};
use crate::harness::{clean_command, python};
use crate::tracking::suite::store_suite;

/// Prints a run as the client of the same MLflow sees it.
const READ_RUN: &str = r#"
import json, sys
from mlflow.tracking import MlflowClient
run = MlflowClient().get_run(sys.argv[1])
print(json.dumps({"params": run.data.params, "tags": run.data.tags, "status": run.info.status, "name": run.info.run_name,
    "experiment": run.info.experiment_id, "artifacts": run.info.artifact_uri, "user": run.info.user_id,
    "start": run.info.start_time, "end": run.info.end_time}))
"#;

/// Runs a server in a process group of its own and ends the whole of it as soon as its input ends,
/// which it does in every case when the test program is gone. Ends itself where the server does.
const GUARD: &str = r#"
set -m
{ "$0" "$@" </dev/null; kill -TERM $$; } &
group=$!
cat >/dev/null
kill -KILL -- "-$group"
"#;

/// A running `mlflow server` with a directory of its own.
struct Server {
    guard: Child,
    directory: tempfile::TempDir,
    address: String,
    venv: PathBuf,
}

impl Server {
    fn start(venv: &Path, arguments: &[&str], variables: &[(&str, &str)]) -> Self {
        let directory = tempfile::tempdir().unwrap();
        let port = free_port();
        let log = std::fs::File::create(directory.path().join("log")).unwrap();
        let guard = clean_command(Path::new("bash"), directory.path())
            .args(["-c", GUARD])
            .arg(venv.join("bin/mlflow"))
            .args([
                "server",
                "--host",
                "127.0.0.1",
                "--workers",
                "1",
                "--port",
                &port.to_string(),
            ])
            .args([
                "--backend-store-uri",
                "sqlite:///server.db",
                "--default-artifact-root",
                "./artifacts",
            ])
            .args(arguments)
            // The server's own background jobs are not asked for here and take long to start.
            .env("MLFLOW_SERVER_ENABLE_JOB_EXECUTION", "false")
            .envs(variables.iter().copied())
            .stdin(Stdio::piped())
            .stdout(log.try_clone().unwrap())
            .stderr(log)
            .spawn()
            .unwrap();
        let mut server = Self {
            guard,
            directory,
            address: format!("127.0.0.1:{port}"),
            venv: venv.to_owned(),
        };
        server.wait_until_it_listens();
        server
    }

    fn wait_until_it_listens(&mut self) {
        let began = Instant::now();
        while !self.is_healthy() {
            let log = || std::fs::read_to_string(self.directory.path().join("log")).unwrap();
            if let Some(exit) = self.guard.try_wait().unwrap() {
                panic!("the server ended: {exit}\n{}", log());
            }
            assert!(
                began.elapsed() < Duration::from_secs(180),
                "the server does not start:\n{}",
                log()
            );
            std::thread::sleep(Duration::from_millis(100));
        }
    }

    /// A server behind TLS is taken for healthy when it takes connections.
    fn is_healthy(&self) -> bool {
        let Ok(mut stream) = TcpStream::connect(&self.address) else {
            return false;
        };
        stream.set_read_timeout(Some(Duration::from_secs(5))).unwrap();
        let _ = stream.write_all(b"GET /health HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n");
        let mut answer = String::new();
        let _ = stream.read_to_string(&mut answer);
        answer.is_empty() || answer.starts_with("HTTP/1.1 200") || answer.starts_with("HTTP/1.1 401")
    }

    fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    /// Runs Python with this server as tracking server. Gives what it prints, as JSON.
    fn python(&self, uri: &str, variables: &[(&str, &str)], code: &str, arguments: &[&str]) -> Value {
        python(&self.venv, self.directory.path(), uri, variables, code, arguments)
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        drop(self.guard.stdin.take());
        let _ = self.guard.wait();
    }
}

fn ended(status: RunStatus, keep_failure: bool) -> RunEnd {
    RunEnd {
        status,
        end_time: UnixMillis(1_700_000_001_000),
        keep_failure,
    }
}

/// Writes a run and compares it with what the client of the same MLflow reads.
async fn whole_run(server: &Server) {
    let url = server.url();
    let store = store(&url, &[]).unwrap();
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

    let read = server.python(&url, &[], READ_RUN, &[info.run_id.as_str()]);
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
async fn refusals(server: &Server) {
    let url = server.url();
    let store = store(&url, &[]).unwrap();
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
    let gone = server.python(&url, &[], deleting, &[]);
    let (experiment, run) = (gone[0].as_str().unwrap(), gone[1].as_str().unwrap());
    for selector in [
        ExperimentSelector::Name("gone".to_owned()),
        ExperimentSelector::Id(mlrun::ExperimentId::new(experiment)),
    ] {
        let error = store.experiment(&selector).await.unwrap_err().to_string();
        assert!(
            error.ends_with(&format!("is deleted in the tracking store {url}")),
            "{error}"
        );
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
    let Some(venv) = require(Requirement::Mlflow3) else {
        return;
    };
    let server = Server::start(&venv, &[], &[]);
    whole_run(&server).await;
    refusals(&server).await;
    store_suite(&ServerFixture::new(server.url())).await;
    fifty_creators(&server.url()).await;

    let elsewhere = store(&format!("{}/wrong/path", server.url()), &[]).unwrap();
    let error = told(&elsewhere.run(&RunId::new("abc")).await.unwrap_err());
    assert_contains(
        &error,
        "answered 404 Not Found: a page titled '404 Not Found'\nhint: no MLflow server",
    );
    let workspace = store(&server.url(), &[("MLFLOW_WORKSPACE", "team")]).unwrap();
    let error = told(&workspace.create_run(new_run(&[])).await.unwrap_err());
    assert_contains(&error, "the server has no workspaces");
}

#[tokio::test]
async fn mlflow_3_18_takes_whole_runs() {
    let Some(venv) = require(Requirement::Mlflow318) else {
        return;
    };
    let server = Server::start(&venv, &[], &[]);
    whole_run(&server).await;
    refusals(&server).await;
    store_suite(&ServerFixture::new(server.url())).await;
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
    let server = Server::start(&venv, &[], &[]);
    whole_run(&server).await;
    refusals(&server).await;
}

#[tokio::test]
async fn a_server_with_users_wants_to_know_which() {
    let Some(venv) = require(Requirement::Mlflow3) else {
        return;
    };
    let secret = [
        ("MLFLOW_FLASK_SERVER_SECRET_KEY", "only-for-this-test"),
        ("MLFLOW_AUTH_ADMIN_PASSWORD", "pass-phrase-1234"),
    ];
    let server = Server::start(&venv, &["--app-name", "basic-auth"], &secret);
    let admin = ("MLFLOW_TRACKING_USERNAME", "admin");
    let right = ("MLFLOW_TRACKING_PASSWORD", "pass-phrase-1234");
    let wrong = ("MLFLOW_TRACKING_PASSWORD", "geheim");
    let nobody = store(&server.url(), &[]).unwrap();
    let error = told(&nobody.create_run(new_run(&[])).await.unwrap_err());
    assert_contains(&error, "answered 401 Unauthorized: You are not authenticated.");
    assert!(
        error.ends_with(
            "hint: set MLFLOW_TRACKING_USERNAME and MLFLOW_TRACKING_PASSWORD, or MLFLOW_TRACKING_TOKEN"
        ),
        "{error}"
    );
    let stranger = store(&server.url(), &[admin, wrong]).unwrap();
    let error = told(&stranger.create_run(new_run(&[])).await.unwrap_err());
    assert!(
        error.ends_with(
            "hint: the server did not accept the credentials from MLFLOW_TRACKING_USERNAME and MLFLOW_TRACKING_PASSWORD"
        ),
        "{error}"
    );
    let by_variables = store(&server.url(), &[admin, right]).unwrap();
    let info = by_variables.create_run(new_run(&[("a", "1")])).await.unwrap();
    let by_url = store(
        &format!("http://admin:pass-phrase-1234@{}", server.address),
        &[wrong],
    )
    .unwrap();
    by_url
        .end_run(&info.run_id, ended(RunStatus::Finished, true))
        .await
        .unwrap();
    let read = server.python(&server.url(), &[admin, right], READ_RUN, &[info.run_id.as_str()]);
    assert_eq!(
        (&read["status"], &read["params"]),
        (&json!("FINISHED"), &json!({"a": "1"}))
    );
    assert_eq!(by_url.run_url(&info), by_variables.run_url(&info));
}

#[tokio::test]
async fn a_server_behind_tls_is_reached_with_its_own_certificate() {
    let Some(venv) = require(Requirement::Mlflow3) else {
        return;
    };
    let files = tempfile::tempdir().unwrap();
    let own = certificates::server("127.0.0.1", None);
    let (key, certificate) = (files.path().join("key.pem"), files.path().join("certificate.pem"));
    std::fs::write(&key, text(own.key.private_key_to_pem_pkcs8().unwrap())).unwrap();
    std::fs::write(&certificate, pem(&own.certificate)).unwrap();
    let (key, certificate) = (key.to_str().unwrap(), certificate.to_str().unwrap());
    let options = format!("--ssl-keyfile {key} --ssl-certfile {certificate}");
    let server = Server::start(&venv, &["--uvicorn-opts", &options], &[]);
    let url = format!("https://{}", server.address);
    let variables = [("MLFLOW_TRACKING_SERVER_CERT_PATH", certificate)];
    let trusting = store(&url, &variables).unwrap();
    let info = trusting.create_run(new_run(&[("a", "1")])).await.unwrap();
    trusting
        .end_run(&info.run_id, ended(RunStatus::Finished, true))
        .await
        .unwrap();
    let read = server.python(&url, &variables, READ_RUN, &[info.run_id.as_str()]);
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
