//! Experiments in a file store.

use std::fs;
use std::io::ErrorKind;
use std::path::{Path, PathBuf};

use super::io::{FileStoreError, create_directory, create_new, create_parents, list};
use super::meta::{ExperimentMeta, META_FILE, read_text};
use super::{Files, MODELS, TRASH, is_id};
use crate::entities::{ExperimentId, LifecycleStage, UnixMillis};
use crate::tracking::artifact_uri::append_to_uri_path;
use crate::tracking::store::StoreRules as _;
use crate::tracking::{ExperimentSelector, TrackingError};

const DEFAULT_ID: &str = "0";
const DEFAULT_NAME: &str = "Default";

/// The longest experiment id, in characters.
const MAX_ID_LENGTH: usize = 64;

/// The smallest new experiment id, and the number of ids: all numbers with 18 digits, as in MLflow.
const FIRST_ID: u64 = 100_000_000_000_000_000;
const ID_COUNT: u64 = 900_000_000_000_000_000;

impl Files {
    pub(super) fn experiment(&self, selector: &ExperimentSelector) -> Result<ExperimentId, TrackingError> {
        match selector {
            ExperimentSelector::Default => {
                self.ensure_store()
                    .and_then(|()| self.ensure_default_experiment())
                    .map_err(|error| self.unwritable(error))?;
                Ok(ExperimentId::new(DEFAULT_ID))
            }
            ExperimentSelector::Id(id) => {
                self.active_experiment(id)?;
                Ok(id.clone())
            }
            ExperimentSelector::Name(name) => self.experiment_found_or_made(name),
        }
    }

    /// Finds the experiment without creating it.
    pub(super) fn look_for_experiment(
        &self,
        selector: &ExperimentSelector,
    ) -> Result<Option<ExperimentId>, TrackingError> {
        match selector {
            ExperimentSelector::Default => match self.active_experiment(&ExperimentId::new(DEFAULT_ID)) {
                Ok(_) => Ok(Some(ExperimentId::new(DEFAULT_ID))),
                Err(TrackingError::NotFound { .. }) => Ok(None),
                Err(error) => Err(error),
            },
            ExperimentSelector::Id(id) => self.active_experiment(id).map(|_| Some(id.clone())),
            ExperimentSelector::Name(name) => self.active_experiment_named(name),
        }
    }

    /// The experiment with this id; a deleted one is an error.
    pub(super) fn active_experiment(&self, id: &ExperimentId) -> Result<ExperimentMeta, TrackingError> {
        let missing = || self.not_found("experiment", id);
        if !is_id(id.as_str(), MAX_ID_LENGTH) {
            return Err(missing());
        }
        self.check_root().map_err(|error| self.unreadable(error))?;
        let directory = self.root.join(id.as_str());
        let meta = ExperimentMeta::read(&directory).map_err(|error| self.unreadable(error))?;
        match meta {
            Some(meta) if meta.lifecycle_stage == LifecycleStage::Deleted => {
                Err(self.deleted("experiment", id))
            }
            Some(meta) if meta.experiment_id == id.as_str() => Ok(meta),
            Some(meta) => Err(self.unreadable(FileStoreError::Meta {
                path: directory.join(META_FILE),
                reason: format!("belongs to another experiment, '{}'", meta.experiment_id),
            })),
            None if self.root.join(TRASH).join(id.as_str()).is_dir() => Err(self.deleted("experiment", id)),
            None => Err(missing()),
        }
    }

    fn experiment_found_or_made(&self, name: &str) -> Result<ExperimentId, TrackingError> {
        self.check_experiment_name(name)?;
        self.ensure_store().map_err(|error| self.unwritable(error))?;
        match self.active_experiment_named(name)? {
            Some(found) => Ok(found),
            None => self.make_experiment(name).map_err(|error| self.unwritable(error)),
        }
    }

    fn active_experiment_named(&self, name: &str) -> Result<Option<ExperimentId>, TrackingError> {
        let found = self.experiment_by_name(name);
        match found.map_err(|error| self.unreadable(error))? {
            Some(found) if found.lifecycle_stage == LifecycleStage::Deleted => {
                Err(self.deleted("experiment", name))
            }
            found => Ok(found.map(|meta| ExperimentId::new(meta.experiment_id))),
        }
    }

    /// The experiment with this name. If several clients have created it at the same time, an active one counts, and
    /// then the newest, as in MLflow.
    fn experiment_by_name(&self, name: &str) -> Result<Option<ExperimentMeta>, FileStoreError> {
        if let Some(own) = self.experiment_made_here(name)? {
            return Ok(Some(own));
        }
        for parent in [self.root.clone(), self.root.join(TRASH)] {
            let mut found: Vec<ExperimentMeta> = Vec::new();
            for directory in experiment_directories(&parent)? {
                if let Some(text) = read_text(&directory)?
                    && may_hold(&text, name)
                    && let Some(meta) = understood(&directory, &text)
                    && meta.name == name
                {
                    found.push(meta);
                }
            }
            let newest = found.into_iter().min_by(|one, other| {
                let by_time = other.creation_time.cmp(&one.creation_time);
                by_time.then_with(|| one.experiment_id.cmp(&other.experiment_id))
            });
            if newest.is_some() {
                return Ok(newest);
            }
        }
        Ok(None)
    }

    /// Finds an experiment that mlrun created, whose directory follows from its name, without a search.
    fn experiment_made_here(&self, name: &str) -> Result<Option<ExperimentMeta>, FileStoreError> {
        let directory = self.root.join(id_for(name, 0));
        let Some(text) = read_text(&directory)? else {
            return Ok(None);
        };
        Ok(understood(&directory, &text)
            .filter(|meta| meta.name == name && meta.lifecycle_stage == LifecycleStage::Active))
    }

    /// Creates an experiment. The id follows from the name, so clients that create the same experiment use the same
    /// directory, and the first `meta.yaml` counts.
    fn make_experiment(&self, name: &str) -> Result<ExperimentId, FileStoreError> {
        let mut attempt = 0;
        loop {
            let id = id_for(name, attempt);
            attempt += 1;
            if self.root.join(TRASH).join(&id).exists() {
                continue;
            }
            self.write_experiment(&id, name)?;
            let directory = self.root.join(&id);
            let meta = ExperimentMeta::read(&directory)?;
            // Another experiment, which has been renamed, may have the id.
            if meta.is_some_and(|meta| meta.name == name && meta.lifecycle_stage == LifecycleStage::Active) {
                return Ok(ExperimentId::new(id));
            }
        }
    }

    /// Writes an experiment's directory and `meta.yaml`, unless they exist.
    fn write_experiment(&self, id: &str, name: &str) -> Result<(), FileStoreError> {
        let directory = self.root.join(id);
        create_directory(&directory)?;
        let now = UnixMillis::now().0;
        let meta = ExperimentMeta {
            experiment_id: id.to_owned(),
            name: name.to_owned(),
            artifact_location: append_to_uri_path(&self.artifact_root, &[id]),
            lifecycle_stage: LifecycleStage::Active,
            creation_time: Some(now),
            last_update_time: Some(now),
        };
        create_new(&directory.join(META_FILE), &directory, &meta.to_yaml()).map(drop)
    }

    /// Creates the store's directory and its default experiment, unless they exist.
    fn ensure_store(&self) -> Result<(), FileStoreError> {
        if !self.root.exists() {
            create_parents(&self.root)?;
            if create_directory(&self.root)? {
                self.ensure_default_experiment()?;
            }
        }
        self.check_root()?;
        let trash = self.root.join(TRASH);
        if !trash.is_dir() {
            create_directory(&trash)?;
        }
        Ok(())
    }

    fn ensure_default_experiment(&self) -> Result<(), FileStoreError> {
        if self.root.join(DEFAULT_ID).join(META_FILE).exists() {
            return Ok(());
        }
        self.write_experiment(DEFAULT_ID, DEFAULT_NAME)
    }

    fn check_root(&self) -> Result<(), FileStoreError> {
        match fs::metadata(&self.root) {
            Ok(metadata) if metadata.is_dir() => Ok(()),
            Ok(_) => Err(FileStoreError::NotADirectory {
                path: self.root.clone(),
            }),
            // A missing store is empty.
            Err(error) if error.kind() == ErrorKind::NotFound => Ok(()),
            Err(error) => Err(FileStoreError::io("read", &self.root)(error)),
        }
    }

    /// The directories of all experiments but the deleted ones.
    pub(super) fn active_experiment_directories(&self) -> Result<Vec<PathBuf>, FileStoreError> {
        self.check_root()?;
        experiment_directories(&self.root)
    }

    /// The directories of all experiments, the deleted ones last.
    pub(super) fn all_experiment_directories(&self) -> Result<Vec<PathBuf>, FileStoreError> {
        self.check_root()?;
        let mut directories = experiment_directories(&self.root)?;
        directories.extend(experiment_directories(&self.root.join(TRASH))?);
        Ok(directories)
    }
}

/// The directories in `parent` that may be experiments.
fn experiment_directories(parent: &Path) -> Result<Vec<PathBuf>, FileStoreError> {
    let may_be_experiment = |entry: &fs::DirEntry| {
        let name = entry.file_name();
        let is_named_so = name
            .to_str()
            .is_some_and(|name| is_id(name, MAX_ID_LENGTH) && name != MODELS);
        // Anything but a regular file may be a directory or a link to one; reading its meta.yaml decides.
        is_named_so && !entry.file_type().is_ok_and(|kind| kind.is_file())
    };
    let entries = list(parent)?.into_iter().filter(may_be_experiment);
    Ok(entries.map(|entry| entry.path()).collect())
}

/// The experiment in a directory. An invalid one, or one with another id than its directory, is skipped with a
/// warning, because the others are still usable.
fn understood(directory: &Path, text: &[u8]) -> Option<ExperimentMeta> {
    let name = directory.file_name()?.to_str()?;
    match ExperimentMeta::parse(&directory.join(META_FILE), text) {
        Ok(meta) if meta.experiment_id == name => Some(meta),
        Ok(meta) => {
            tracing::warn!(
                "skipping the experiment in '{}': its id is '{}'",
                directory.display(),
                meta.experiment_id
            );
            None
        }
        Err(error) => {
            tracing::warn!("skipping an experiment: {error}");
            None
        }
    }
}

/// Whether a `meta.yaml` may contain this name, to avoid parsing most files of a large store. A name of plain
/// characters is written without escapes.
fn may_hold(text: &[u8], name: &str) -> bool {
    let is_plain = name
        .bytes()
        .all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_' | b'.'));
    !is_plain || text.windows(name.len()).any(|window| window == name.as_bytes())
}

/// The id for a new experiment of this name. Each `attempt` gives another one, in case the first ids exist.
fn id_for(name: &str, attempt: u32) -> String {
    // FNV-1a: short, and the same in every version of mlrun.
    let hash = name
        .bytes()
        .chain(attempt.to_le_bytes())
        .fold(0xcbf2_9ce4_8422_2325_u64, |hash, byte| {
            (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3)
        });
    (FIRST_ID + hash % ID_COUNT).to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids_have_18_digits_and_follow_from_the_name() {
        assert_eq!(id_for("a", 0), id_for("a", 0));
        assert_ne!(id_for("a", 0), id_for("a", 1));
        assert_ne!(id_for("a", 0), id_for("b", 0));
        for number in 0..1000 {
            assert_eq!(id_for(&format!("experiment {number}"), 0).len(), 18);
        }
    }

    #[test]
    fn only_files_that_may_hold_the_name_are_understood() {
        let text = b"name: my-experiment_1.0\n";
        for (name, expected) in [
            ("my-experiment_1.0", true),
            ("experiment", true),
            ("other", false),
            ("it's other", true),
            ("\u{fc}", true),
        ] {
            assert_eq!(may_hold(text, name), expected, "{name}");
        }
    }
}
