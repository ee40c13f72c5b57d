//! Reads a tracking store as it lies on the disk, without MLflow and without the code under test.

mod file;
mod sqlite;

use std::collections::BTreeMap;
use std::path::Path;

/// All experiments and runs of a store.
#[derive(Debug, Default)]
pub(crate) struct StoreContents {
    /// In the order of their ids.
    pub(crate) experiments: Vec<StoredExperiment>,
    /// In the order in which they began.
    pub(crate) runs: Vec<StoredRun>,
}

/// One experiment.
#[derive(Debug)]
pub(crate) struct StoredExperiment {
    pub(crate) experiment_id: String,
    pub(crate) name: String,
    pub(crate) artifact_location: String,
    pub(crate) lifecycle_stage: String,
}

/// One run. Texts that the store does not have are empty.
#[derive(Debug, Clone)]
pub(crate) struct StoredRun {
    pub(crate) run_id: String,
    pub(crate) experiment_id: String,
    pub(crate) name: String,
    /// The name of the status, such as `FINISHED`.
    pub(crate) status: String,
    pub(crate) start_time: Option<i64>,
    pub(crate) end_time: Option<i64>,
    pub(crate) lifecycle_stage: String,
    pub(crate) artifact_uri: String,
    pub(crate) user: String,
    /// The source's type, name and version and the entry point: what the oldest clients wrote
    /// beside the tags.
    pub(crate) source: [String; 4],
    pub(crate) params: BTreeMap<String, String>,
    pub(crate) tags: BTreeMap<String, String>,
}

impl StoreContents {
    /// Reads a SQLite store; empty where there is no such file.
    pub(crate) fn of_sqlite(path: &Path) -> Self {
        if path.is_file() {
            sqlite::read(path)
        } else {
            Self::default()
        }
    }

    /// Reads a file store; empty where there is no such directory.
    pub(crate) fn of_directory(path: &Path) -> Self {
        if path.is_dir() {
            file::read(path)
        } else {
            Self::default()
        }
    }

    /// Moves a new SQLite store's default experiment to where the store would have made it in this
    /// directory.
    pub(crate) fn move_sqlite(path: &Path, directory: &Path) {
        sqlite::set_default_artifact_location(path, directory.join("mlruns/0").to_str().unwrap());
    }

    /// The experiment that a run belongs to.
    pub(crate) fn experiment(&self, experiment_id: &str) -> Option<&StoredExperiment> {
        self.experiments
            .iter()
            .find(|experiment| experiment.experiment_id == experiment_id)
    }

    /// The only run.
    ///
    /// # Panics
    /// When there is not exactly one.
    #[track_caller]
    pub(crate) fn run(&self) -> &StoredRun {
        match self.runs.as_slice() {
            [run] => run,
            runs => panic!("{} runs in the store, not one", runs.len()),
        }
    }
}
