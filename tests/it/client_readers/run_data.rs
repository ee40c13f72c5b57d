//! What mlrun reads of runs that a real client made is what that client reads of them.

use std::collections::BTreeMap;

use mlrun::internals::entities::{LifecycleStage, RunData, RunId};
use mlrun::internals::tracking::{self, ExperimentSelector, FinishedRuns, TrackingUri};
use serde_json::{Value, json};

use super::Client;
use crate::harness::{MlflowServer, Sandbox};

/// A run as the client's program shows it; without its metrics and its experiment's name.
fn shown(run: &RunData) -> Value {
    let map = |pairs: &[(String, String)]| pairs.iter().cloned().collect::<BTreeMap<_, _>>();
    json!({
        "run_id": run.info.run_id.as_str(),
        "name": run.info.run_name,
        "status": run.info.status.as_str(),
        "start_time": run.start_time.map(|time| time.0),
        "end_time": run.end_time.map(|time| time.0),
        "lifecycle_stage": run.lifecycle_stage.as_str(),
        "artifact_uri": run.info.artifact_uri,
        "user": run.user,
        "params": map(&run.params),
        "tags": map(&run.tags),
    })
}

async fn assert_same_run(uri: &str, from_client: &Value) {
    let uri = TrackingUri::resolve(Some(uri), std::path::Path::new("/")).unwrap();
    let store = tracking::open(&uri).await.unwrap();
    let mut expected = from_client["runs"][0].clone();
    for key in ["experiment", "metrics"] {
        expected.as_object_mut().unwrap().remove(key);
    }
    let run_id = RunId::new(expected["run_id"].as_str().unwrap());
    let run = store.run_data(&run_id).await.unwrap();
    assert_eq!(shown(&run), expected, "{uri}");
    assert_eq!(run.lifecycle_stage, LifecycleStage::Active);
    assert_eq!(run.param("before"), Some("yes"));

    let selector = ExperimentSelector::Name("made before".to_owned());
    let wanted = FinishedRuns {
        experiment_id: store.experiment(&selector).await.unwrap(),
        tags: vec![("mlflow.source.type".to_owned(), "LOCAL".to_owned())],
        limit: 5,
    };
    assert_eq!(store.finished_runs(&wanted).await.unwrap(), [run], "{uri}");
}

#[tokio::test]
#[expect(clippy::await_holding_lock, reason = "the test is alone in its runtime")]
async fn mlrun_reads_the_runs_that_clients_made() {
    let (Some(mut newest), Some(mut older)) = (Client::newest(), Client::older()) else {
        return;
    };
    for client in [&mut *newest, &mut *older] {
        let sandbox = Sandbox::new();
        let server = MlflowServer::start(client.venv());
        for uri in [
            format!("sqlite:///{}/mlflow.db", sandbox.work().display()),
            format!("file://{}/mlruns", sandbox.work().display()),
            server.url().to_owned(),
        ] {
            client.make(&uri);
            let read = client.read(&uri);
            assert_same_run(&uri, &read).await;
        }
    }
}
