//! `meta.yaml`: the data of an experiment or run, except its tags and parameters.
//!
//! It is written byte for byte like MLflow 2, so that both MLflow 2 and 3 can read it. MLflow 2 cannot read runs that
//! MLflow 3 has written, because they have no `run_uuid`.

use std::path::{Path, PathBuf};

use super::io::{FileStoreError, read_file};
use super::yaml_text::{self, Field};
use crate::entities::{LifecycleStage, RunStatus};
use crate::yaml::{self, Mapping, Value};

/// The file's name.
pub(super) const META_FILE: &str = "meta.yaml";

/// The other directories of a run.
pub(super) const PARAMS: &str = "params";
pub(super) const TAGS: &str = "tags";
pub(super) const METRICS: &str = "metrics";
pub(super) const ARTIFACTS: &str = "artifacts";

/// The longest run id, in characters.
pub(super) const MAX_ID_LENGTH: usize = 256;

/// The source type that older versions recorded here; always `LOCAL` today.
const SOURCE_TYPE_LOCAL: i64 = 4;

/// An experiment's `meta.yaml`.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct ExperimentMeta {
    pub(super) experiment_id: String,
    pub(super) name: String,
    pub(super) artifact_location: String,
    pub(super) lifecycle_stage: LifecycleStage,
    /// In milliseconds; missing in experiments of old versions.
    pub(super) creation_time: Option<i64>,
    pub(super) last_update_time: Option<i64>,
}

impl ExperimentMeta {
    /// Reads the file in an experiment's directory, if it exists.
    pub(super) fn read(directory: &Path) -> Result<Option<Self>, FileStoreError> {
        Fields::read(directory)?.map(Self::of).transpose()
    }

    pub(super) fn parse(path: &Path, text: &[u8]) -> Result<Self, FileStoreError> {
        Self::of(Fields::parse(path, text)?)
    }

    fn of(fields: Fields) -> Result<Self, FileStoreError> {
        Ok(Self {
            experiment_id: fields.required_text("experiment_id")?,
            name: fields.required_text("name")?,
            artifact_location: fields.text("artifact_location")?.unwrap_or_default(),
            lifecycle_stage: fields.lifecycle_stage()?,
            creation_time: fields.number("creation_time")?,
            last_update_time: fields.number("last_update_time")?,
        })
    }

    pub(super) fn to_yaml(&self) -> Vec<u8> {
        yaml_text::mapping(&[
            ("artifact_location", Field::Text(&self.artifact_location)),
            ("creation_time", Field::number_or_null(self.creation_time)),
            ("experiment_id", Field::Text(&self.experiment_id)),
            ("last_update_time", Field::number_or_null(self.last_update_time)),
            ("lifecycle_stage", Field::Text(self.lifecycle_stage.as_str())),
            ("name", Field::Text(&self.name)),
        ])
    }
}

/// A run's `meta.yaml`.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct RunMeta {
    pub(super) run_id: String,
    pub(super) experiment_id: String,
    /// Missing in runs of versions before MLflow 2.
    pub(super) run_name: Option<String>,
    pub(super) artifact_uri: String,
    pub(super) user_id: String,
    pub(super) status: RunStatus,
    pub(super) lifecycle_stage: LifecycleStage,
    pub(super) start_time: Option<i64>,
    pub(super) end_time: Option<i64>,
}

impl RunMeta {
    /// Reads the file in a run's directory, if it exists.
    pub(super) fn read(directory: &Path) -> Result<Option<Self>, FileStoreError> {
        Fields::read(directory)?.map(Self::of).transpose()
    }

    fn of(fields: Fields) -> Result<Self, FileStoreError> {
        let run_id = match fields.text("run_id")? {
            Some(run_id) => run_id,
            None => fields.required_text("run_uuid")?,
        };
        // As in MLflow, a run without a status is running.
        let status = match fields.number("status")? {
            None => RunStatus::Running,
            Some(number) => RunStatus::from_number(number)
                .ok_or_else(|| fields.wrong(format!("has the unknown status {number}")))?,
        };
        Ok(Self {
            run_id,
            experiment_id: fields.required_text("experiment_id")?,
            run_name: fields.text("run_name")?,
            artifact_uri: fields.text("artifact_uri")?.unwrap_or_default(),
            user_id: fields.text("user_id")?.unwrap_or_default(),
            status,
            lifecycle_stage: fields.lifecycle_stage()?,
            start_time: fields.number("start_time")?,
            end_time: fields.number("end_time")?,
        })
    }

    pub(super) fn to_yaml(&self) -> Vec<u8> {
        yaml_text::mapping(&[
            ("artifact_uri", Field::Text(&self.artifact_uri)),
            ("end_time", Field::number_or_null(self.end_time)),
            ("entry_point_name", Field::Text("")),
            ("experiment_id", Field::Text(&self.experiment_id)),
            ("lifecycle_stage", Field::Text(self.lifecycle_stage.as_str())),
            ("run_id", Field::Text(&self.run_id)),
            (
                "run_name",
                self.run_name.as_deref().map_or(Field::Null, Field::Text),
            ),
            ("run_uuid", Field::Text(&self.run_id)),
            ("source_name", Field::Text("")),
            ("source_type", Field::Number(SOURCE_TYPE_LOCAL)),
            ("source_version", Field::Text("")),
            ("start_time", Field::number_or_null(self.start_time)),
            ("status", Field::Number(self.status.number())),
            ("tags", Field::EmptyList),
            ("user_id", Field::Text(&self.user_id)),
        ])
    }
}

/// The file's text, if it exists.
pub(super) fn read_text(directory: &Path) -> Result<Option<Vec<u8>>, FileStoreError> {
    read_file(&directory.join(META_FILE))
}

/// Some text values of a directory's `meta.yaml`, if it exists.
pub(super) fn read_texts<const N: usize>(
    directory: &Path,
    keys: [&str; N],
) -> Result<Option<[Option<String>; N]>, FileStoreError> {
    let Some(fields) = Fields::read(directory)? else {
        return Ok(None);
    };
    let mut texts = [const { None }; N];
    for (text, key) in texts.iter_mut().zip(keys) {
        *text = fields.text(key)?;
    }
    Ok(Some(texts))
}

/// The values of a `meta.yaml` of any version.
struct Fields {
    path: PathBuf,
    mapping: Mapping,
}

impl Fields {
    /// Reads the file in a directory, if it exists.
    fn read(directory: &Path) -> Result<Option<Self>, FileStoreError> {
        match read_text(directory)? {
            Some(text) => Self::parse(&directory.join(META_FILE), &text).map(Some),
            None => Ok(None),
        }
    }

    fn parse(path: &Path, text: &[u8]) -> Result<Self, FileStoreError> {
        let node = yaml::parse(text).map_err(|source| FileStoreError::Yaml {
            path: path.to_owned(),
            source,
        })?;
        let Value::Map(mapping) = node.value else {
            return Err(FileStoreError::Meta {
                path: path.to_owned(),
                reason: "is empty or not a mapping".to_owned(),
            });
        };
        Ok(Self {
            path: path.to_owned(),
            mapping,
        })
    }

    fn wrong(&self, reason: String) -> FileStoreError {
        FileStoreError::Meta {
            path: self.path.clone(),
            reason,
        }
    }

    /// Text, even if an old version wrote a number.
    fn text(&self, key: &str) -> Result<Option<String>, FileStoreError> {
        match self.mapping.get(key).map(|node| &node.value) {
            None | Some(Value::Null) => Ok(None),
            Some(value @ (Value::Str(_) | Value::Int(_))) => Ok(Some(value.to_python_str())),
            Some(_) => Err(self.wrong(format!("has an invalid {key} (not text)"))),
        }
    }

    fn required_text(&self, key: &str) -> Result<String, FileStoreError> {
        self.text(key)?.ok_or_else(|| self.wrong(format!("has no {key}")))
    }

    fn lifecycle_stage(&self) -> Result<LifecycleStage, FileStoreError> {
        let name = self.text("lifecycle_stage")?;
        Ok(LifecycleStage::from_name(&name.unwrap_or_default()))
    }

    fn number(&self, key: &str) -> Result<Option<i64>, FileStoreError> {
        match self.mapping.get(key).map(|node| &node.value) {
            None | Some(Value::Null) => Ok(None),
            Some(Value::Int(number)) => i64::try_from(number)
                .map(Some)
                .map_err(|_| self.wrong(format!("has an invalid {key} (too large: {number})"))),
            Some(_) => Err(self.wrong(format!("has an invalid {key} (not a whole number)"))),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn run(text: &str) -> Result<RunMeta, String> {
        let meta = Fields::parse(Path::new("m"), text.as_bytes()).and_then(RunMeta::of);
        meta.map_err(|error| error.to_string())
    }

    #[test]
    fn files_of_other_versions_are_read() {
        let old = "run_uuid: abc\nexperiment_id: 0\nstatus: 3\nname: ''\nend_time: 12\nsource_type: 3\n";
        let meta = run(old).unwrap();
        assert_eq!((meta.run_id.as_str(), meta.experiment_id.as_str()), ("abc", "0"));
        assert_eq!(
            (meta.status, meta.end_time, meta.run_name),
            (RunStatus::Finished, Some(12), None)
        );
        let new =
            "run_id: abc\nexperiment_id: '5'\nworkspace: default\ntrace_location: null\nnew: {a: [1]}\n";
        let meta = run(new).unwrap();
        assert_eq!(
            (meta.status, meta.lifecycle_stage.as_str()),
            (RunStatus::Running, "active")
        );
        let experiment = b"experiment_id: 7\nname: 12\n";
        let meta = ExperimentMeta::parse(Path::new("m"), experiment).unwrap();
        assert_eq!((meta.experiment_id.as_str(), meta.name.as_str()), ("7", "12"));
    }

    #[test]
    fn invalid_meta_files_are_reported() {
        for (text, expected) in [
            ("", "'m' is empty or not a mapping"),
            ("[]", "'m' is empty or not a mapping"),
            ("a: [", "'m' is not valid YAML"),
            ("experiment_id: 0", "'m' has no run_uuid"),
            ("run_id: a", "'m' has no experiment_id"),
            ("run_id: [a]", "'m' has an invalid run_id (not text)"),
            (
                "run_id: a\nexperiment_id: 0\nstatus: 9",
                "'m' has the unknown status 9",
            ),
            (
                "run_id: a\nexperiment_id: 0\nstatus: RUNNING",
                "'m' has an invalid status (not a whole number)",
            ),
            (
                "run_id: a\nexperiment_id: 0\nend_time: 99999999999999999999",
                "'m' has an invalid end_time (too large: 99999999999999999999)",
            ),
        ] {
            assert_eq!(run(text).unwrap_err(), expected, "{text}");
        }
    }
}
