//! The file store: a directory an experiment, in it a directory a run.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

use super::{StoreContents, StoredExperiment, StoredRun};

pub(super) fn read(path: &Path) -> StoreContents {
    let mut contents = StoreContents::default();
    for experiment in directories_with_meta(path) {
        let meta = read_meta(&experiment.join("meta.yaml"));
        contents.experiments.push(StoredExperiment {
            experiment_id: value(&meta, "experiment_id"),
            name: value(&meta, "name"),
            artifact_location: value(&meta, "artifact_location"),
            lifecycle_stage: value(&meta, "lifecycle_stage"),
        });
        contents
            .runs
            .extend(directories_with_meta(&experiment).iter().map(|run| read_run(run)));
    }
    contents
        .experiments
        .sort_by(|a, b| a.experiment_id.cmp(&b.experiment_id));
    contents.runs.sort_by_key(|run| run.start_time);
    contents
}

fn read_run(directory: &Path) -> StoredRun {
    let meta = read_meta(&directory.join("meta.yaml"));
    let status = match value(&meta, "status").as_str() {
        "1" => "RUNNING",
        "2" => "SCHEDULED",
        "3" => "FINISHED",
        "4" => "FAILED",
        "5" => "KILLED",
        other => panic!("{}: status {other}", directory.display()),
    };
    StoredRun {
        run_id: value(&meta, "run_id"),
        experiment_id: value(&meta, "experiment_id"),
        name: value(&meta, "run_name"),
        status: status.to_owned(),
        start_time: value(&meta, "start_time").parse().ok(),
        end_time: value(&meta, "end_time").parse().ok(),
        lifecycle_stage: value(&meta, "lifecycle_stage"),
        artifact_uri: value(&meta, "artifact_uri"),
        user: value(&meta, "user_id"),
        source: ["source_type", "source_name", "source_version", "entry_point_name"]
            .map(|key| value(&meta, key)),
        params: read_values(&directory.join("params")),
        tags: read_values(&directory.join("tags")),
    }
}

fn directories_with_meta(path: &Path) -> Vec<PathBuf> {
    let entries = fs::read_dir(path).unwrap().map(|entry| entry.unwrap().path());
    entries.filter(|path| path.join("meta.yaml").is_file()).collect()
}

/// The files below a directory by their relative path: a param's or tag's key may hold slashes.
fn read_values(directory: &Path) -> BTreeMap<String, String> {
    let mut values = BTreeMap::new();
    let mut open = vec![directory.to_owned()];
    while let Some(current) = open.pop() {
        let Ok(entries) = fs::read_dir(&current) else {
            continue;
        };
        for entry in entries {
            let path = entry.unwrap().path();
            if path.is_dir() {
                open.push(path);
            } else {
                let key = path.strip_prefix(directory).unwrap().to_str().unwrap().to_owned();
                values.insert(key, fs::read_to_string(&path).unwrap());
            }
        }
    }
    values
}

fn value(meta: &BTreeMap<String, String>, key: &str) -> String {
    meta.get(key).cloned().unwrap_or_default()
}

/// Reads the one flat mapping of scalars that these files are. `null` becomes the empty text.
fn read_meta(path: &Path) -> BTreeMap<String, String> {
    let text = fs::read_to_string(path).unwrap();
    let mut meta: Vec<(String, String)> = Vec::new();
    for line in text.lines() {
        if let Some(continuation) = line.strip_prefix("  ") {
            let (_, value) = meta.last_mut().unwrap();
            value.push(' ');
            value.push_str(continuation);
        } else if let Some((key, value)) = line.split_once(':') {
            meta.push((key.to_owned(), value.trim().to_owned()));
        }
    }
    meta.into_iter()
        .map(|(key, value)| (key, plain(&value)))
        .collect()
}

/// A scalar's text without its quotes.
fn plain(scalar: &str) -> String {
    if let Some(quoted) = scalar.strip_prefix('\'').and_then(|rest| rest.strip_suffix('\'')) {
        quoted.replace("''", "'")
    } else if scalar.starts_with('"') {
        // PyYAML writes double quotes around text that JSON would escape in nearly the same way.
        serde_json::from_str(&scalar.replace("\\x", "\\u00")).unwrap()
    } else if scalar == "null" {
        String::new()
    } else {
        scalar.to_owned()
    }
}

#[test]
fn metadata_is_read_as_it_is_written() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("meta.yaml");
    fs::write(
        &path,
        "a: 'it''s'\nb: null\nc: one\n  two\nd: \"\\xFC\"\ne: file:///x\n",
    )
    .unwrap();
    let meta = read_meta(&path);
    let expected = [
        ("a", "it's"),
        ("b", ""),
        ("c", "one two"),
        ("d", "ü"),
        ("e", "file:///x"),
    ];
    assert_eq!(
        meta,
        expected
            .map(|(key, value)| (key.to_owned(), value.to_owned()))
            .into()
    );
}
