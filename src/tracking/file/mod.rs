//! A file store: a directory of text files with the layout of MLflow's file store.
//!
//! ```text
//! ROOT/EXPERIMENT/meta.yaml                  ROOT/.trash/EXPERIMENT/…        deleted experiments
//! ROOT/EXPERIMENT/RUN/meta.yaml              status, times, name
//! ROOT/EXPERIMENT/RUN/params/KEY             one file per parameter; slashes in keys are directories
//! ROOT/EXPERIMENT/RUN/tags/KEY               one file per tag
//! ROOT/EXPERIMENT/RUN/{metrics,artifacts}/   for the entry point
//! ROOT/.mlrun-creates-RUN                    a run that is being created
//! ```
//!
//! There are no locks, because locks fail on some network file systems. A run or experiment exists once its
//! `meta.yaml` does, which is written last and atomically.

mod experiments;
mod io;
mod meta;
mod models;
mod overview;
mod runs;
mod unfinished;
mod yaml_text;

use std::path::PathBuf;
use std::sync::Arc;

use async_trait::async_trait;

use self::io::FileStoreError;
use super::limits::LongValues;
use super::store::StoreRules;
use super::{ExperimentSelector, FinishedRuns, ModelSelector, NewRun, RunEnd, TrackingError, TrackingStore};
use crate::entities::{ExperimentId, Metric, RunData, RunId, RunInfo, RunStatus};

/// The directory of deleted experiments.
const TRASH: &str = ".trash";

/// The directory of the model registry, beside the experiments.
const MODELS: &str = "models";

/// A tracking store in a directory.
#[derive(Debug)]
pub struct FileStore {
    files: Arc<Files>,
}

/// The store's directory. Its functions block.
#[derive(Debug)]
struct Files {
    root: PathBuf,
    /// The path or URI below which new experiments keep their artifacts.
    artifact_root: String,
    long_values: LongValues,
}

impl FileStore {
    /// The store in this directory, given by an absolute path. New experiments keep their artifacts below
    /// `artifact_root`, the store's path or `file:` URI. The directory is created by the first call that writes.
    pub fn open(path: impl Into<PathBuf>, artifact_root: impl Into<String>) -> Self {
        Self {
            files: Arc::new(Files {
                root: path.into(),
                artifact_root: artifact_root.into(),
                long_values: LongValues::from_environment(),
            }),
        }
    }

    /// Runs blocking work on another thread, so that signals are handled while a slow file system blocks it.
    async fn aside<T: Send + 'static>(
        &self,
        work: impl FnOnce(&Files) -> Result<T, TrackingError> + Send + 'static,
    ) -> Result<T, TrackingError> {
        let files = Arc::clone(&self.files);
        match tokio::task::spawn_blocking(move || work(&files)).await {
            Ok(result) => result,
            Err(error) => std::panic::resume_unwind(error.into_panic()),
        }
    }
}

#[async_trait]
impl TrackingStore for FileStore {
    async fn experiment(&self, selector: &ExperimentSelector) -> Result<ExperimentId, TrackingError> {
        let selector = selector.clone();
        self.aside(move |files| files.experiment(&selector)).await
    }

    async fn look_for_experiment(
        &self,
        selector: &ExperimentSelector,
    ) -> Result<Option<ExperimentId>, TrackingError> {
        let selector = selector.clone();
        self.aside(move |files| files.look_for_experiment(&selector))
            .await
    }

    async fn artifact_location(&self, experiment_id: &ExperimentId) -> Result<String, TrackingError> {
        let id = experiment_id.clone();
        self.aside(move |files| Ok(files.active_experiment(&id)?.artifact_location))
            .await
    }

    async fn create_run(&self, new_run: NewRun) -> Result<RunInfo, TrackingError> {
        self.aside(move |files| files.create_run(new_run)).await
    }

    async fn run(&self, run_id: &RunId) -> Result<RunInfo, TrackingError> {
        let run_id = run_id.clone();
        self.aside(move |files| files.run(&run_id)).await
    }

    async fn run_data(&self, run_id: &RunId) -> Result<RunData, TrackingError> {
        let run_id = run_id.clone();
        self.aside(move |files| files.run_data(&run_id)).await
    }

    async fn metrics(&self, run_id: &RunId) -> Result<Vec<Metric>, TrackingError> {
        let run_id = run_id.clone();
        self.aside(move |files| files.metrics(&run_id)).await
    }

    async fn finished_runs(&self, wanted: &FinishedRuns) -> Result<Vec<RunData>, TrackingError> {
        let wanted = wanted.clone();
        self.aside(move |files| files.finished_runs(&wanted)).await
    }

    async fn newest_runs(&self, limit: usize) -> Result<Vec<RunData>, TrackingError> {
        self.aside(move |files| files.newest_runs(limit)).await
    }

    async fn newest_experiments(&self, limit: usize) -> Result<Vec<(ExperimentId, String)>, TrackingError> {
        self.aside(move |files| files.newest_experiments(limit)).await
    }

    async fn set_tags(&self, run_id: &RunId, tags: &[(String, String)]) -> Result<(), TrackingError> {
        let (run_id, tags) = (run_id.clone(), tags.to_vec());
        self.aside(move |files| files.set_tags(&run_id, &tags)).await
    }

    async fn end_run(&self, run_id: &RunId, end: RunEnd) -> Result<RunStatus, TrackingError> {
        let run_id = run_id.clone();
        self.aside(move |files| files.end_run(&run_id, end)).await
    }

    async fn model_location(&self, selector: &ModelSelector) -> Result<String, TrackingError> {
        let selector = selector.clone();
        self.aside(move |files| files.find_model(&selector)).await
    }
}

impl StoreRules for Files {
    type Fault = FileStoreError;

    fn shown(&self) -> String {
        self.root.display().to_string()
    }

    fn long_values(&self) -> LongValues {
        self.long_values
    }
}

/// Whether this is a valid id of a run or experiment, and thus a safe name of a directory. The rule is MLflow's.
fn is_id(text: &str, longest: usize) -> bool {
    let mut characters = text.chars();
    characters
        .next()
        .is_some_and(|first| first.is_ascii_alphanumeric())
        && characters.all(|other| other.is_alphanumeric() || matches!(other, '_' | '-'))
        && text.chars().count() <= longest
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids_are_plain_names() {
        for (text, expected) in [
            ("0", true),
            ("0123456789abcdef0123456789abcdef", true),
            ("my-run_1", true),
            ("", false),
            ("..", false),
            (".trash", false),
            ("-a", false),
            ("a/b", false),
            ("a\0", false),
            (&"a".repeat(64), true),
            (&"a".repeat(65), false),
        ] {
            assert_eq!(is_id(text, 64), expected, "{text:?}");
        }
    }
}
