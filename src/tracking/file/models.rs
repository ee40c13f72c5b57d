//! Finds a model's artifacts in the files of the model registry:
//!
//! ```text
//! ROOT/models/NAME/version-N/meta.yaml       source, storage_location, current_stage
//! ROOT/models/NAME/aliases/ALIAS             the number of a version
//! ROOT/EXPERIMENT/models/ID/meta.yaml        artifact_location of a logged model
//! ```

use std::fs;
use std::path::{Path, PathBuf};

use super::io::{FileStoreError, read_file};
use super::{Files, MODELS, is_id, meta};
use crate::tracking::model_selector::{DELETED_STAGE, is_in_stage};
use crate::tracking::store::StoreRules as _;
use crate::tracking::{ModelSelector, TrackingError};

/// The longest id of a logged model.
const LONGEST_ID: usize = 64;

impl Files {
    /// The location of a model's artifacts.
    pub(super) fn find_model(&self, selector: &ModelSelector) -> Result<String, TrackingError> {
        self.location(selector)
            .map_err(|error| self.unreadable(error))?
            .ok_or_else(|| self.not_found("model", selector))
    }

    fn location(&self, selector: &ModelSelector) -> Result<Option<String>, FileStoreError> {
        let directory = |name: &str| self.root.join(MODELS).join(name);
        match selector {
            ModelSelector::Logged { id } => self.of_logged(id),
            ModelSelector::Version { name, version } if is_name(name) => {
                of_version(&directory(name).join(format!("version-{version}")))
            }
            ModelSelector::Alias { name, alias } if is_name(name) && is_name(alias) => {
                let file = directory(name).join("aliases").join(alias);
                let Some(version) = read_file(&file)? else {
                    return Ok(None);
                };
                let version = String::from_utf8_lossy(&version);
                of_version(&directory(name).join(format!("version-{}", version.trim())))
            }
            ModelSelector::Latest { name, stage } if is_name(name) => {
                let newest = newest(&directory(name), stage.as_deref())?;
                newest.map_or(Ok(None), |directory| of_version(&directory))
            }
            _ => Ok(None),
        }
    }

    fn of_logged(&self, id: &str) -> Result<Option<String>, FileStoreError> {
        if !is_id(id, LONGEST_ID) {
            return Ok(None);
        }
        for experiment in self.all_experiment_directories()? {
            let directory = experiment.join(MODELS).join(id);
            if let Some([location]) = meta::read_texts(&directory, ["artifact_location"])? {
                return Ok(location);
            }
        }
        Ok(None)
    }
}

/// Whether this is the name of a single directory. Registered models may have almost any name.
fn is_name(name: &str) -> bool {
    !name.is_empty() && !name.contains(['/', '\0']) && !matches!(name, "." | "..")
}

fn of_version(directory: &Path) -> Result<Option<String>, FileStoreError> {
    let fields = ["storage_location", "source", "current_stage"];
    let Some([location, source, stage]) = meta::read_texts(directory, fields)? else {
        return Ok(None);
    };
    if stage.as_deref() == Some(DELETED_STAGE) {
        return Ok(None);
    }
    Ok(location.filter(|location| !location.is_empty()).or(source))
}

/// The directory of the highest version, in this stage (ignoring case) or in any.
fn newest(model: &Path, stage: Option<&str>) -> Result<Option<PathBuf>, FileStoreError> {
    let entries = match fs::read_dir(model) {
        Ok(entries) => entries,
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(FileStoreError::io("read", model)(error)),
    };
    let mut newest: Option<(u64, PathBuf)> = None;
    for entry in entries {
        let path = entry.map_err(FileStoreError::io("read", model))?.path();
        let name = path.file_name().unwrap_or_default().to_string_lossy();
        let Some(version) = name
            .strip_prefix("version-")
            .and_then(|number| number.parse().ok())
        else {
            continue;
        };
        let Some([of_version]) = meta::read_texts(&path, ["current_stage"])? else {
            continue;
        };
        let fits = is_in_stage(&of_version.unwrap_or_default(), stage);
        if fits && newest.as_ref().is_none_or(|(highest, _)| version > *highest) {
            newest = Some((version, path));
        }
    }
    Ok(newest.map(|(_, path)| path))
}
