//! The REST store: against scripted servers that fail in every way, and against real MLflow servers.

mod calls;
mod faults;
mod lost_answers;
mod overload;
mod real_server;
mod refused;
mod request_count;
mod settings;
mod signers;
mod tls;

use std::collections::BTreeMap;

use async_trait::async_trait;
use mlrun::internals::entities::{ExperimentId, RunId};
use mlrun::internals::tracking::{NewRun, RestSettings, RestStore, TrackingError, TrackingStore};
use serde_json::{Value, json};

use crate::harness::block_on;
use crate::tracking::suite::{RecordedRun, StoreFixture};

/// A store with these variables on top of ones that let failing tests end soon.
fn store(url: &str, variables: &[(&str, &str)]) -> Result<RestStore, TrackingError> {
    let settings = RestSettings::from_variables(&|name| {
        let quick = [
            ("MLFLOW_HTTP_REQUEST_MAX_RETRIES", "2"),
            ("MLFLOW_HTTP_REQUEST_BACKOFF_FACTOR", "0"),
            ("MLFLOW_HTTP_REQUEST_BACKOFF_JITTER", "0"),
        ];
        let mut known = variables.iter().chain(&quick);
        known
            .find(|(other, _)| *other == name)
            .map(|(_, value)| (*value).to_owned())
    })
    .expect("the variables of a test are valid");
    RestStore::new(url, &settings)
}

fn new_run(params: &[(&str, &str)]) -> NewRun {
    NewRun {
        name: Some("trial".to_owned()),
        ..super::new_run("0", params)
    }
}

/// A server that is asked past the store.
pub(crate) struct ServerFixture {
    pub(crate) url: String,
    pub(crate) client: reqwest::Client,
}

impl ServerFixture {
    pub(crate) fn new(url: String) -> Self {
        let client = reqwest::Client::builder().no_proxy().build().unwrap();
        Self { url, client }
    }

    async fn post(&self, endpoint: &str, body: Value) {
        let url = format!("{}/api/2.0/mlflow/{endpoint}", self.url);
        let sent = self.client.post(url).json(&body).send().await.unwrap();
        sent.error_for_status().unwrap();
    }
}

/// Has a server do something past the program, outside of any asynchronous runtime.
pub(super) fn post(url: &str, endpoint: &str, body: Value) {
    block_on(ServerFixture::new(url.to_owned()).post(endpoint, body));
}

#[async_trait]
impl StoreFixture for ServerFixture {
    async fn open(&self) -> Box<dyn TrackingStore> {
        Box::new(store(&self.url, &[]).unwrap())
    }

    async fn recorded(&self, run_id: &RunId) -> RecordedRun {
        let url = format!("{}/api/2.0/mlflow/runs/get?run_id={run_id}", self.url);
        let answer: Value = self.client.get(url).send().await.unwrap().json().await.unwrap();
        let (info, data) = (&answer["run"]["info"], &answer["run"]["data"]);
        let text = |key: &str| info[key].as_str().unwrap().to_owned();
        let pairs = |list: &Value| -> BTreeMap<String, String> {
            let pairs = list.as_array().map(Vec::as_slice).unwrap_or_default();
            // An empty value is left out of an answer.
            let text = |pair: &Value, key: &str| pair[key].as_str().unwrap_or_default().to_owned();
            pairs
                .iter()
                .map(|pair| (text(pair, "key"), text(pair, "value")))
                .collect()
        };
        RecordedRun {
            experiment_id: text("experiment_id"),
            name: text("run_name"),
            user: text("user_id"),
            status: text("status"),
            start_time: info["start_time"].as_i64().unwrap(),
            end_time: info["end_time"].as_i64(),
            artifact_uri: text("artifact_uri"),
            tags: pairs(&data["tags"]),
            params: pairs(&data["params"]),
        }
    }

    async fn delete_experiment(&self, experiment_id: &ExperimentId) {
        self.post(
            "experiments/delete",
            json!({"experiment_id": experiment_id.as_str()}),
        )
        .await;
    }

    async fn delete_run(&self, run_id: &RunId) {
        self.post("runs/delete", json!({"run_id": run_id.as_str()})).await;
    }
}
