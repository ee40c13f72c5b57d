//! The file store: its files, what fails and how, many writers at once, and real MLflow clients on it.

mod clients;
mod failures;
mod layout;
mod many_writers;

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use async_trait::async_trait;
use mlrun::internals::entities::{ExperimentId, RunId};
use mlrun::internals::tracking::{FileStore, TrackingStore, TrackingUri};
use mlrun::internals::yaml::{self, Value};

use crate::tracking::suite::{RecordedRun, StoreFixture, store_suite};
use layout::tree;

/// The store in this directory, with artifacts beside the runs.
fn store(root: &Path) -> FileStore {
    FileStore::open(root, root.to_str().unwrap())
}

struct Directory(tempfile::TempDir);

impl Directory {
    fn root(&self) -> PathBuf {
        self.0.path().join("mlruns")
    }

    fn run(&self, run_id: &RunId) -> PathBuf {
        let experiments = std::fs::read_dir(self.root()).unwrap();
        let runs = experiments.map(|entry| entry.unwrap().path().join(run_id.as_str()));
        runs.into_iter()
            .find(|run| run.join("meta.yaml").exists())
            .unwrap()
    }
}

fn mark_as_deleted(directory: &Path) {
    let meta = directory.join("meta.yaml");
    let text = std::fs::read_to_string(&meta).unwrap();
    std::fs::write(
        &meta,
        text.replace("lifecycle_stage: active", "lifecycle_stage: deleted"),
    )
    .unwrap();
}

#[async_trait]
impl StoreFixture for Directory {
    async fn open(&self) -> Box<dyn TrackingStore> {
        let uri = TrackingUri::resolve(Some("./mlruns"), self.0.path()).unwrap();
        mlrun::internals::tracking::open(&uri).await.unwrap()
    }

    async fn recorded(&self, run_id: &RunId) -> RecordedRun {
        let run = self.run(run_id);
        let meta = yaml::parse(&std::fs::read(run.join("meta.yaml")).unwrap()).unwrap();
        let text = |key: &str| meta.as_mapping().unwrap().get(key).unwrap().value.to_python_str();
        let pairs = |name: &str| -> BTreeMap<String, String> {
            let files = tree(&run.join(name)).into_iter();
            files.filter(|(key, _)| !key.ends_with('/')).collect()
        };
        let statuses = ["RUNNING", "SCHEDULED", "FINISHED", "FAILED", "KILLED"];
        RecordedRun {
            experiment_id: text("experiment_id"),
            name: text("run_name"),
            user: text("user_id"),
            status: statuses[text("status").parse::<usize>().unwrap() - 1].to_owned(),
            start_time: text("start_time").parse().unwrap(),
            end_time: match meta.as_mapping().unwrap().get("end_time").unwrap().value {
                Value::Null => None,
                _ => Some(text("end_time").parse().unwrap()),
            },
            artifact_uri: text("artifact_uri"),
            tags: pairs("tags"),
            params: pairs("params"),
        }
    }

    async fn delete_experiment(&self, experiment_id: &ExperimentId) {
        let directory = self.root().join(experiment_id.as_str());
        mark_as_deleted(&directory);
        std::fs::rename(directory, self.root().join(".trash").join(experiment_id.as_str())).unwrap();
    }

    async fn delete_run(&self, run_id: &RunId) {
        mark_as_deleted(&self.run(run_id));
    }
}

#[tokio::test]
async fn it_does_what_every_store_must() {
    store_suite(&Directory(tempfile::tempdir().unwrap())).await;
}
