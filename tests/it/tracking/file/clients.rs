//! Real MLflow versions on the same directory: they read what mlrun wrote, mlrun uses what they wrote,
//! and the files are the same.

use std::path::Path;

use mlrun::internals::entities::{ExperimentId, RunId, RunStatus};
use mlrun::internals::tracking::{ExperimentSelector, FileStore, TrackingStore};
use serde_json::{Value, json};

use super::store;
use crate::harness::python;
use crate::harness::{Requirement, mlflow3, require};
use crate::tracking::{ended, new_run};

const VERSIONS: [Requirement; 2] = [Requirement::Mlflow2, Requirement::Mlflow3];

/// Prints all runs of all experiments.
const READ_ALL: &str = r#"
import json
from mlflow.entities import ViewType
from mlflow.tracking import MlflowClient
client, found = MlflowClient(), {}
for experiment in client.search_experiments(view_type=ViewType.ALL):
    runs = client.search_runs([experiment.experiment_id], run_view_type=ViewType.ALL)
    found[experiment.name] = {
        "id": experiment.experiment_id, "location": experiment.artifact_location, "stage": experiment.lifecycle_stage,
        "runs": [{
            "id": run.info.run_id, "params": run.data.params, "tags": run.data.tags, "status": run.info.status,
            "name": run.info.run_name, "artifacts": run.info.artifact_uri, "user": run.info.user_id,
            "start": run.info.start_time, "end": run.info.end_time,
        } for run in runs],
    }
print(json.dumps(found))
"#;

fn read_all(venv: &Path, root: &Path, uri: &str) -> Value {
    python(venv, root.parent().unwrap(), uri, &[], READ_ALL, &[])
}

#[tokio::test]
async fn clients_read_what_was_written() {
    for version in VERSIONS {
        let Some(venv) = require(version) else { continue };
        let directory = tempfile::tempdir().unwrap();
        let root = directory.path().join("a b");
        let uri = format!("file://{}", root.display().to_string().replace(' ', "%20"));
        let store = FileStore::open(&root, &uri);
        let named = ExperimentSelector::Name("Gr\u{f6}\u{df}e: #1".to_owned());
        let id = store.experiment(&named).await.unwrap();
        let params = [
            ("alpha", "0.5"),
            ("empty", ""),
            ("a/b", "x\ny\r\nz\n"),
            ("u", "\u{1f600} '\""),
        ];
        let info = store.create_run(new_run(id.as_str(), &params)).await.unwrap();
        store
            .set_tags(&info.run_id, &[("late".to_owned(), "a\nb".to_owned())])
            .await
            .unwrap();
        let running = json!({
            "id": info.run_id.as_str(),
            "params": {"alpha": "0.5", "empty": "", "a/b": "x\ny\r\nz\n", "u": "\u{1f600} '\""},
            "tags": {"mlflow.user": "anna", "mlflow.source.name": "a 'project' \u{fc}", "mlflow.runName": "trial: 1",
                "late": "a\nb"},
            "status": "RUNNING", "name": "trial: 1", "user": "anna", "start": 1_700_000_000_123_i64, "end": null,
            "artifacts": format!("{uri}/{id}/{}/artifacts", info.run_id),
        });
        let expected = |run: &Value| {
            json!({
                "Default": {"id": "0", "location": format!("{uri}/0"), "stage": "active", "runs": []},
                "Gr\u{f6}\u{df}e: #1": {"id": id.as_str(), "location": format!("{uri}/{id}"), "stage": "active",
                    "runs": [run]},
            })
        };
        assert_eq!(read_all(&venv, &root, &uri), expected(&running), "{version:?}");
        store
            .end_run(&info.run_id, ended(RunStatus::Killed, true))
            .await
            .unwrap();
        let mut killed = running.clone();
        killed["status"] = json!("KILLED");
        killed["end"] = json!(1_700_000_001_000_i64);
        assert_eq!(read_all(&venv, &root, &uri), expected(&killed), "{version:?}");
    }
}

/// Makes experiments and runs, some of them deleted; prints their ids.
const WRITE: &str = r#"
import json
from mlflow.tracking import MlflowClient
client = MlflowClient()
named = client.create_experiment("named: #1 \u00fc")
gone = client.create_experiment("gone")
client.create_run(gone)
client.delete_experiment(gone)
run = client.create_run(named, start_time=5, tags={"mlflow.user": "bob", "a": "b"})
client.log_param(run.info.run_id, "a/b", "x\ny")
client.log_metric(run.info.run_id, "loss", 0.5)
failed = client.create_run("0")
client.set_terminated(failed.info.run_id, "FAILED")
deleted = client.create_run("0")
client.delete_run(deleted.info.run_id)
print(json.dumps({"named": named, "gone": gone, "run": run.info.run_id, "failed": failed.info.run_id,
    "deleted": deleted.info.run_id, "artifacts": run.info.artifact_uri}))
"#;

#[tokio::test]
async fn what_clients_wrote_is_used() {
    for version in VERSIONS {
        let Some(venv) = require(version) else { continue };
        let directory = tempfile::tempdir().unwrap();
        let root = directory.path().join("mlruns");
        let made = python(&venv, directory.path(), "./mlruns", &[], WRITE, &[]);
        let id = |name: &str| made[name].as_str().unwrap().to_owned();
        let store = store(&root);
        let selected = |name: &str| ExperimentSelector::Name(name.to_owned());
        let named = store.experiment(&selected("named: #1 \u{fc}")).await.unwrap();
        assert_eq!(named.as_str(), id("named"));
        let gone = store.experiment(&selected("gone")).await.unwrap_err().to_string();
        assert!(
            gone.starts_with("experiment 'gone' is deleted"),
            "{version:?}: {gone}"
        );
        let by_id = ExperimentSelector::Id(ExperimentId::new(id("gone")));
        let gone = store.experiment(&by_id).await.unwrap_err().to_string();
        assert!(gone.contains("is deleted"), "{version:?}: {gone}");

        let run = RunId::new(id("run"));
        let info = store.run(&run).await.unwrap();
        assert_eq!(
            (info.artifact_uri, info.status),
            (id("artifacts"), RunStatus::Running)
        );
        store
            .set_tags(&run, &[("mlflow.runName".to_owned(), "mine".to_owned())])
            .await
            .unwrap();
        store
            .end_run(&run, ended(RunStatus::Finished, true))
            .await
            .unwrap();
        let failed = RunId::new(id("failed"));
        let kept = store
            .end_run(&failed, ended(RunStatus::Finished, true))
            .await
            .unwrap();
        assert_eq!(kept, RunStatus::Failed);
        let deleted = RunId::new(id("deleted"));
        let error = store
            .end_run(&deleted, ended(RunStatus::Finished, true))
            .await
            .unwrap_err();
        assert!(error.to_string().contains("is deleted"), "{version:?}: {error}");
        let again = store.create_run(new_run(named.as_str(), &[])).await.unwrap();

        let found = read_all(&venv, &root, "./mlruns");
        let runs = found["named: #1 \u{fc}"]["runs"].as_array().unwrap();
        assert_eq!(runs.len(), 2, "{version:?}");
        let read = runs.iter().find(|found| found["id"] == run.as_str()).unwrap();
        assert_eq!(
            (
                &read["status"],
                &read["name"],
                &read["end"],
                &read["start"],
                &read["user"]
            ),
            (
                &json!("FINISHED"),
                &json!("mine"),
                &json!(1_700_000_001_000_i64),
                &json!(5),
                &json!("bob")
            )
        );
        assert_eq!(read["params"], json!({"a/b": "x\ny"}));
        assert_eq!(
            read["tags"],
            json!({"mlflow.runName": "mine", "mlflow.user": "bob", "a": "b"})
        );
        assert!(runs.iter().any(|found| found["id"] == again.run_id.as_str()));
    }
}

/// Writes the same experiment and run as the test does, with MLflow's own file store.
const WRITE_SAME: &str = r#"
import json, sys
from mlflow.entities import RunTag
from mlflow.store.tracking.file_store import FileStore
store = FileStore(sys.argv[1], sys.argv[2])
experiment = store.create_experiment(sys.argv[3])
tags = [RunTag("mlflow.user", "anna"), RunTag("mlflow.source.name", "a 'project' \u00fc")]
run = store.create_run(experiment, "anna", 1700000000123, tags, "trial: 1")
print(json.dumps([experiment, run.info.run_id]))
"#;

/// The lines of a `meta.yaml` with the same words for ids and times, without those that only MLflow 3
/// writes.
fn comparable(root: &Path, experiment: &str, run: Option<&str>) -> Vec<String> {
    let directory = root.join(experiment).join(run.unwrap_or_default());
    let text = std::fs::read_to_string(directory.join("meta.yaml")).unwrap();
    let text = text
        .replace(root.to_str().unwrap(), "ROOT")
        .replace(experiment, "EXPERIMENT")
        .replace(run.unwrap_or("no run"), "RUN");
    let only_3 = [
        "effective_trace_archival_retention: ",
        "trace_location: ",
        "workspace: ",
    ];
    text.lines()
        .filter(|line| !only_3.iter().any(|start| line.starts_with(start)))
        .map(|line| match line.split_once("_time: ") {
            Some((name, _)) if name != "start" && name != "end" => format!("{name}_time: TIME"),
            _ => line.to_owned(),
        })
        .collect()
}

#[tokio::test]
async fn the_files_are_the_reference_s_own() {
    for version in VERSIONS {
        let Some(venv) = require(version) else { continue };
        for (scheme, name) in [("", "my experiment"), ("file://", "12"), ("", "a: #b \u{e4}")] {
            let theirs = tempfile::tempdir().unwrap();
            let root = theirs.path().join("s");
            let uri = format!("{scheme}{}", root.display());
            let made = python(&venv, theirs.path(), &uri, &[], WRITE_SAME, &[&uri, &uri, name]);
            let (their_experiment, their_run) = (made[0].as_str().unwrap(), made[1].as_str().unwrap());

            let ours = tempfile::tempdir().unwrap();
            let our_root = ours.path().join("s");
            let store = FileStore::open(&our_root, format!("{scheme}{}", our_root.display()));
            let experiment = store
                .experiment(&ExperimentSelector::Name(name.to_owned()))
                .await
                .unwrap()
                .to_string();
            let run = store.create_run(new_run(&experiment, &[])).await.unwrap().run_id;

            for (their_id, our_id) in [("0", "0"), (their_experiment, &experiment)] {
                assert_eq!(
                    comparable(&root, their_id, None),
                    comparable(&our_root, our_id, None),
                    "{version:?} {name}"
                );
            }
            let mut our_lines = comparable(&our_root, &experiment, Some(run.as_str()));
            if version == Requirement::Mlflow3 {
                our_lines.retain(|line| line != "run_uuid: RUN");
            }
            assert_eq!(
                comparable(&root, their_experiment, Some(their_run)),
                our_lines,
                "{version:?} {name}"
            );
            let names = |root: &Path, experiment: &str, run: &str| -> Vec<String> {
                let shown = |name: &String| name.replace(experiment, "EXPERIMENT").replace(run, "RUN");
                super::layout::tree(root).keys().map(shown).collect()
            };
            let (mut theirs, mut ours) = (
                names(&root, their_experiment, their_run),
                names(&our_root, &experiment, run.as_str()),
            );
            theirs.sort();
            ours.sort();
            assert_eq!(theirs, ours, "{version:?}");
        }
    }
}

/// Reads every `meta.yaml` of a directory's runs and writes it again. Prints the ones whose name is not
/// the tag's, or that are then other bytes.
const WRITE_AGAIN: &str = r#"
import json, pathlib, sys, yaml
different = []
for path in pathlib.Path(sys.argv[1]).glob("0/*/meta.yaml"):
    text = path.read_bytes()
    meta = yaml.load(text, Loader=yaml.CSafeLoader)
    name = (path.parent / "tags" / "mlflow.runName").read_bytes().decode()
    again = yaml.dump(meta, Dumper=yaml.CSafeDumper, default_flow_style=False, allow_unicode=True).encode()
    if meta["run_name"] != name or again != text:
        different.append([name, text.decode()])
print(json.dumps(different))
"#;

#[tokio::test]
async fn any_name_is_written_as_pyyaml_writes_it() {
    let Some(venv) = mlflow3() else { return };
    let directory = tempfile::tempdir().unwrap();
    let store = store(directory.path());
    store.experiment(&ExperimentSelector::Default).await.unwrap();
    let parts = [
        "a",
        " ",
        "  ",
        ": ",
        " #",
        "-",
        "?",
        ",",
        "[",
        "}",
        "&",
        "*",
        "!",
        "|",
        "'",
        "\"",
        "%",
        "@",
        "\\",
        "\n",
        "\t",
        "\u{fc}",
        "\u{65e5}",
        "~",
        "=",
        "<<",
        "0",
        "1.5",
        "1e5",
        "yes",
        "null",
        "---",
        "\r",
        "\u{85}",
        "\u{2028}",
        "\u{a0}",
        "\u{feff}",
        "\u{7f}",
        "12:30",
        "2024-01-02",
        "word word word word word word word word word word ",
    ];
    let mut names: Vec<String> = parts.iter().map(|part| (*part).to_owned()).collect();
    for (index, one) in parts.iter().enumerate() {
        let other = parts[(index * 7 + 3) % parts.len()];
        names.push(format!("{one}{other}"));
        names.push(format!("a{one}{other}b"));
        names.push(format!("{other}{one}{one}{other}{one}"));
    }
    for name in names {
        let mut run = new_run("0", &[]);
        run.name = Some(name);
        store.create_run(run).await.unwrap();
    }
    let root = directory.path().to_str().unwrap();
    let different = python(&venv, directory.path(), root, &[], WRITE_AGAIN, &[root]);
    assert_eq!(different, json!([]));
}
