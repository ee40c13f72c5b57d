//! Which files a run and an experiment are, and what stands in them.

use std::collections::BTreeMap;
use std::path::Path;

use mlrun::internals::entities::{ExperimentId, RunId, RunStatus};
use mlrun::internals::tracking::{ExperimentSelector, FileStore, TrackingStore};

use super::store;
use crate::harness::assert_starts_with;
use crate::tracking::{ended, new_run};

/// All files and directories under a directory. Directories end in a slash and have no content.
pub(crate) fn tree(root: &Path) -> BTreeMap<String, String> {
    let mut found = BTreeMap::new();
    let mut directories = vec![root.to_owned()];
    while let Some(directory) = directories.pop() {
        for entry in std::fs::read_dir(directory).unwrap() {
            let path = entry.unwrap().path();
            let name = path.strip_prefix(root).unwrap().to_str().unwrap().to_owned();
            if path.is_dir() {
                found.insert(format!("{name}/"), String::new());
                directories.push(path);
            } else {
                found.insert(name, std::fs::read_to_string(&path).unwrap());
            }
        }
    }
    found
}

#[tokio::test]
async fn a_run_is_a_directory_of_files() {
    let directory = tempfile::tempdir().unwrap();
    let root = directory.path().join("deep/er");
    let store = store(&root);
    let id = store.experiment(&ExperimentSelector::Default).await.unwrap();
    assert_eq!(id.as_str(), "0");
    let params = [
        ("alpha", "0.5"),
        ("empty", ""),
        ("a/b c/d", "x\ny\r\nz"),
        ("\u{fc}", "\u{1f600}\n"),
    ];
    let info = store.create_run(new_run("0", &params)).await.unwrap();
    assert_eq!(
        (info.run_name.as_str(), info.status),
        ("trial: 1", RunStatus::Running)
    );
    assert_eq!(
        info.artifact_uri,
        format!("{}/0/{}/artifacts", root.display(), info.run_id)
    );
    let later = [
        ("mlflow.runName".to_owned(), "renamed".to_owned()),
        ("x/y".to_owned(), "1".to_owned()),
    ];
    store.set_tags(&info.run_id, &later).await.unwrap();
    let status = store
        .end_run(&info.run_id, ended(RunStatus::Killed, false))
        .await
        .unwrap();
    assert_eq!(status, RunStatus::Killed);

    let run = format!("0/{}", info.run_id);
    let mut found = tree(&root);
    let experiment = found.remove("0/meta.yaml").unwrap();
    let created: Vec<&str> = experiment
        .lines()
        .filter_map(|line| line.split_once("_time: ").map(|(_, time)| time))
        .collect();
    assert_eq!(created.len(), 2);
    assert_eq!(created[0], created[1]);
    assert_eq!(
        experiment,
        format!(
            "artifact_location: {}/0\ncreation_time: {time}\nexperiment_id: '0'\nlast_update_time: {time}\n\
             lifecycle_stage: active\nname: Default\n",
            root.display(),
            time = created[0]
        )
    );
    let meta = format!(
        r"artifact_uri: {root}/0/{id}/artifacts
end_time: 1700000001000
entry_point_name: ''
experiment_id: '0'
lifecycle_stage: active
run_id: {id}
run_name: renamed
run_uuid: {id}
source_name: ''
source_type: 4
source_version: ''
start_time: 1700000000123
status: 5
tags: []
user_id: anna
",
        root = root.display(),
        id = info.run_id
    );
    let expected: BTreeMap<String, String> = [
        (".trash/", ""),
        ("0/", ""),
        ("RUN/", ""),
        ("RUN/artifacts/", ""),
        ("RUN/meta.yaml", meta.as_str()),
        ("RUN/metrics/", ""),
        ("RUN/params/", ""),
        ("RUN/params/a/", ""),
        ("RUN/params/a/b c/", ""),
        ("RUN/params/a/b c/d", "x\ny\r\nz"),
        ("RUN/params/alpha", "0.5"),
        ("RUN/params/empty", ""),
        ("RUN/params/\u{fc}", "\u{1f600}\n"),
        ("RUN/tags/", ""),
        ("RUN/tags/mlflow.runName", "renamed"),
        ("RUN/tags/mlflow.source.name", "a 'project' \u{fc}"),
        ("RUN/tags/mlflow.user", "anna"),
        ("RUN/tags/x/", ""),
        ("RUN/tags/x/y", "1"),
    ]
    .into_iter()
    .map(|(name, content)| (name.replace("RUN", &run), content.to_owned()))
    .collect();
    assert_eq!(found, expected);
}

#[tokio::test]
async fn experiments_are_found_or_made() {
    let directory = tempfile::tempdir().unwrap();
    let root = directory.path();
    let store = FileStore::open(root, "s3://bucket/runs?region=x");
    for name in [
        "first",
        "with space",
        "quoted 'name' #1",
        "12",
        "\u{fc}ber",
        "a: b",
    ] {
        let selector = ExperimentSelector::Name(name.to_owned());
        let id = store.experiment(&selector).await.unwrap();
        assert_eq!(id.as_str().len(), 18, "{name}");
        assert_eq!(store.experiment(&selector).await.unwrap(), id, "{name}");
        assert_eq!(
            store
                .experiment(&ExperimentSelector::Id(id.clone()))
                .await
                .unwrap(),
            id
        );
        let info = store.create_run(new_run(id.as_str(), &[])).await.unwrap();
        assert_eq!(
            info.artifact_uri,
            format!("s3://bucket/runs/{id}/{}/artifacts?region=x", info.run_id)
        );
        assert_eq!(store.run(&info.run_id).await.unwrap(), info);
    }
    // The directory was there: MLflow makes no default experiment then, but it is one that runs ask for.
    assert!(!root.join("0").exists());
    store.experiment(&ExperimentSelector::Default).await.unwrap();
    assert!(root.join("0/meta.yaml").exists());
}

#[tokio::test]
async fn a_renamed_experiment_keeps_its_place() {
    let directory = tempfile::tempdir().unwrap();
    let root = directory.path();
    let store = store(root);
    let named = |name: &str| ExperimentSelector::Name(name.to_owned());
    let first = store.experiment(&named("a")).await.unwrap();
    let meta = root.join(first.as_str()).join("meta.yaml");
    let renamed = std::fs::read_to_string(&meta)
        .unwrap()
        .replace("name: a\n", "name: b\n");
    std::fs::write(&meta, renamed).unwrap();
    let second = store.experiment(&named("a")).await.unwrap();
    assert_ne!(first, second);
    assert_eq!(store.experiment(&named("b")).await.unwrap(), first);
    assert_eq!(store.experiment(&named("a")).await.unwrap(), second);
}

#[tokio::test]
async fn of_several_experiments_with_one_name_the_newest_counts() {
    let directory = tempfile::tempdir().unwrap();
    let root = directory.path();
    let write = |place: &str, id: &str, stage: &str, time: u32| {
        let directory = root.join(place).join(id);
        std::fs::create_dir_all(&directory).unwrap();
        let meta = format!(
            "artifact_location: x\nname: twice\nexperiment_id: '{id}'\nlifecycle_stage: {stage}\ncreation_time: {time}\n"
        );
        std::fs::write(directory.join("meta.yaml"), meta).unwrap();
    };
    write("", "1", "active", 10);
    write("", "2", "active", 30);
    write("", "3", "active", 20);
    write(".trash", "4", "deleted", 40);
    let selector = ExperimentSelector::Name("twice".to_owned());
    assert_eq!(store(root).experiment(&selector).await.unwrap().as_str(), "2");
}

#[tokio::test]
async fn the_entry_point_s_own_verdict_is_kept() {
    let directory = tempfile::tempdir().unwrap();
    let store = store(directory.path());
    store.experiment(&ExperimentSelector::Default).await.unwrap();
    for (own, asked, kept) in [
        (RunStatus::Finished, RunStatus::Failed, RunStatus::Failed),
        (RunStatus::Failed, RunStatus::Finished, RunStatus::Failed),
        (RunStatus::Killed, RunStatus::Finished, RunStatus::Killed),
    ] {
        let info = store.create_run(new_run("0", &[])).await.unwrap();
        store.end_run(&info.run_id, ended(own, false)).await.unwrap();
        assert_eq!(
            store.end_run(&info.run_id, ended(asked, true)).await.unwrap(),
            kept
        );
        assert_eq!(store.run(&info.run_id).await.unwrap().status, kept);
    }
}

#[tokio::test]
async fn values_too_long_are_cut_and_names_are_made_up() {
    let directory = tempfile::tempdir().unwrap();
    let store = store(directory.path());
    store.experiment(&ExperimentSelector::Default).await.unwrap();
    let long = "\u{fc}".repeat(7000);
    let mut run = new_run("0", &[("long", &long)]);
    run.name = None;
    run.tags.push(("long".to_owned(), "t".repeat(9000)));
    let info = store.create_run(run).await.unwrap();
    let path = directory.path().join("0").join(info.run_id.as_str());
    let read = |name: &str| std::fs::read_to_string(path.join(name)).unwrap();
    assert_eq!(read("params/long").chars().count(), 6000);
    assert_eq!(read("tags/long").len(), 8000);
    assert_eq!(info.run_name.split('-').count(), 3);
    assert_eq!(read("tags/mlflow.runName"), info.run_name);
}

#[tokio::test]
async fn files_may_be_read_as_the_umask_says() {
    use std::os::unix::fs::PermissionsExt;
    let directory = tempfile::tempdir().unwrap();
    let store = store(directory.path());
    store.experiment(&ExperimentSelector::Default).await.unwrap();
    let plain = directory.path().join("plain");
    std::fs::write(&plain, "").unwrap();
    let info = store.create_run(new_run("0", &[])).await.unwrap();
    let run = directory.path().join("0").join(info.run_id.as_str());
    let later = [("mlflow.user".to_owned(), "bob".to_owned())];
    store.set_tags(&info.run_id, &later).await.unwrap();
    let mode = |path: &Path| std::fs::metadata(path).unwrap().permissions().mode();
    for file in [
        run.join("meta.yaml"),
        run.join("tags/mlflow.user"),
        directory.path().join("0/meta.yaml"),
    ] {
        assert_eq!(mode(&file), mode(&plain), "{}", file.display());
    }
}

#[tokio::test]
async fn ids_that_are_none_lead_nowhere() {
    let directory = tempfile::tempdir().unwrap();
    let store = store(&directory.path().join("store"));
    for id in ["", "..", "../x", "/etc", ".trash", "a/b", "no-such-run"] {
        let error = store.run(&RunId::new(id)).await.unwrap_err().to_string();
        assert_starts_with(&error, &format!("run '{id}' does not exist"));
        let selector = ExperimentSelector::Id(ExperimentId::new(id));
        let error = store.experiment(&selector).await.unwrap_err().to_string();
        assert_starts_with(&error, &format!("experiment '{id}' does not exist"));
    }
    assert!(!directory.path().join("store").exists());
}
