//! What a person reads when the store's directory is of no use.

use std::path::Path;

use mlrun::internals::entities::{ExperimentId, RunId, RunStatus};
use mlrun::internals::tracking::{ExperimentSelector, TrackingStore};

use super::layout::tree;
use super::store;
use crate::harness::{assert_contains, assert_ends_with, assert_starts_with};
use crate::tracking::{ended, new_run, told};

async fn default_of(root: &Path) -> String {
    match store(root).experiment(&ExperimentSelector::Default).await {
        Ok(id) => id.to_string(),
        Err(error) => told(&error).replace(root.to_str().unwrap(), "ROOT"),
    }
}

#[tokio::test]
async fn a_place_where_no_store_can_be_is_told() {
    let directory = tempfile::tempdir().unwrap();
    let file = directory.path().join("file");
    std::fs::write(&file, "").unwrap();
    assert_eq!(
        default_of(&file).await,
        "cannot write to the tracking store ROOT: 'ROOT' is not a directory\n\
         hint: move the file away, or set MLFLOW_TRACKING_URI to another directory"
    );
    assert_eq!(
        default_of(&file.join("below")).await,
        format!(
            "cannot write to the tracking store ROOT: cannot create the directory '{}': File exists (os error 17)\n\
             hint: move the file away that has the name of a directory",
            file.display()
        )
    );
    // Nobody may make directories there, not even root.
    let told = default_of(Path::new("/sys/mlruns")).await;
    assert_starts_with(
        &told,
        "cannot write to the tracking store ROOT: cannot create the directory 'ROOT': ",
    );
    assert_ends_with(
        &told,
        "\nhint: set MLFLOW_TRACKING_URI to a store with write permission",
    );
}

#[tokio::test]
async fn a_run_that_cannot_be_written_leaves_nothing() {
    let directory = tempfile::tempdir().unwrap();
    let root = directory.path();
    let store = store(root);
    store.experiment(&ExperimentSelector::Default).await.unwrap();
    let before = tree(root);
    let long = "\u{65e5}".repeat(200);
    for (params, expected) in [
        (
            vec![(long.as_str(), "x")],
            "File name too long (os error 36)\nhint: use a shorter key; a file store names the files of parameters and tags after their keys",
        ),
        (
            vec![("a/b", "1"), ("a", "2")],
            "refused the parameter 'a': the key 'a/b' needs a directory of that name in the file store",
        ),
        (
            vec![("../../x", "1")],
            "refused a parameter: the parameter key '../../x' is not a plain relative path; it resolves to '../../x'",
        ),
        (
            vec![("a", "1"), ("a", "2")],
            "refused a parameter: the parameter key 'a' is given twice",
        ),
        (
            vec![("a$b", "1")],
            "refused a parameter: the parameter key 'a$b' contains the character '$'",
        ),
    ] {
        let error = store.create_run(new_run("0", &params)).await.unwrap_err();
        assert_ends_with(&told(&error), expected);
        assert_eq!(tree(root), before);
    }
}

#[tokio::test]
async fn broken_files_are_named() {
    let directory = tempfile::tempdir().unwrap();
    let root = directory.path();
    let store = store(root);
    store.experiment(&ExperimentSelector::Default).await.unwrap();
    let info = store.create_run(new_run("0", &[])).await.unwrap();
    let meta = root.join("0").join(info.run_id.as_str()).join("meta.yaml");
    let good = std::fs::read_to_string(&meta).unwrap();
    let shown = meta.display().to_string();
    for (text, expected) in [
        ("a: [".to_owned(), format!("'{shown}' is not valid YAML")),
        (String::new(), format!("'{shown}' is empty or not a mapping")),
        (
            good.replace("experiment_id: '0'", "experiment_id: '1'"),
            format!(
                "'{shown}' belongs to another run, '{}' of experiment '1'",
                info.run_id
            ),
        ),
        (
            good.replace("status: 1", "status: 7"),
            format!("'{shown}' has the unknown status 7"),
        ),
    ] {
        std::fs::write(&meta, &text).unwrap();
        let error = store
            .end_run(&info.run_id, ended(RunStatus::Finished, true))
            .await
            .unwrap_err();
        assert_contains(&told(&error), &expected);
        assert!(error.hint().is_some());
        assert_eq!(std::fs::read_to_string(&meta).unwrap(), text);
    }
    // A directory of the same name among another run's artifacts is no run.
    std::fs::remove_file(&meta).unwrap();
    let error = store.run(&info.run_id).await.unwrap_err().to_string();
    assert_starts_with(&error, &format!("run '{}' does not exist", info.run_id));
}

#[tokio::test]
async fn a_broken_experiment_does_not_hide_the_others() {
    let directory = tempfile::tempdir().unwrap();
    let root = directory.path();
    for (id, text) in [
        ("1", "name: wanted\nexperiment_id: ["),
        ("2", ""),
        ("3", "name: wanted\nexperiment_id: '9'\n"),
        ("5", "name: wanted\nexperiment_id: '5'\n"),
    ] {
        std::fs::create_dir(root.join(id)).unwrap();
        std::fs::write(root.join(id).join("meta.yaml"), text).unwrap();
    }
    std::fs::create_dir(root.join("4")).unwrap();
    std::fs::write(root.join("file"), "").unwrap();
    let store = store(root);
    let wanted = ExperimentSelector::Name("wanted".to_owned());
    assert_eq!(store.experiment(&wanted).await.unwrap().as_str(), "5");
    let selected = |id: &str| ExperimentSelector::Id(ExperimentId::new(id));
    let error = store.experiment(&selected("1")).await.unwrap_err();
    assert_contains(&told(&error), "is not valid YAML");
    let error = store.experiment(&selected("3")).await.unwrap_err();
    assert_contains(&told(&error), "belongs to another experiment, '9'");
    let error = store.experiment(&selected("4")).await.unwrap_err();
    assert!(
        error.to_string().starts_with("experiment '4' does not exist"),
        "{error}"
    );
}

#[tokio::test]
async fn what_is_deleted_takes_nothing() {
    let directory = tempfile::tempdir().unwrap();
    let root = directory.path();
    let store = store(root);
    let named = ExperimentSelector::Name("gone".to_owned());
    let id = store.experiment(&named).await.unwrap();
    let info = store.create_run(new_run(id.as_str(), &[])).await.unwrap();
    let replace = |file: &Path| {
        let text = std::fs::read_to_string(file).unwrap();
        std::fs::write(file, text.replace("stage: active", "stage: deleted")).unwrap();
    };
    replace(
        &root
            .join(id.as_str())
            .join(info.run_id.as_str())
            .join("meta.yaml"),
    );
    let gone = format!("run '{}' is deleted", info.run_id);
    let tags = [("a".to_owned(), "b".to_owned())];
    let error = store.set_tags(&info.run_id, &tags).await.unwrap_err().to_string();
    assert_starts_with(&error, &gone);
    let error = store
        .end_run(&info.run_id, ended(RunStatus::Failed, true))
        .await
        .unwrap_err()
        .to_string();
    assert_starts_with(&error, &gone);

    replace(&root.join(id.as_str()).join("meta.yaml"));
    for moved in [false, true] {
        if moved {
            std::fs::rename(root.join(id.as_str()), root.join(".trash").join(id.as_str())).unwrap();
        }
        let error = store.experiment(&named).await.unwrap_err().to_string();
        assert_starts_with(&error, "experiment 'gone' is deleted");
        let error = store
            .create_run(new_run(id.as_str(), &[]))
            .await
            .unwrap_err()
            .to_string();
        assert_starts_with(&error, &format!("experiment '{id}' is deleted"));
        let error = store.run(&info.run_id).await.unwrap_err().to_string();
        assert_starts_with(&error, &gone);
    }
    let error = store.run(&RunId::new("other")).await.unwrap_err().to_string();
    assert_starts_with(&error, "run 'other' does not exist");
}
