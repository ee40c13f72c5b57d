//! `--backend-config` of this backend.

use std::path::{Path, PathBuf};

use serde_json::Value;

use crate::backend::BackendConfig;
use crate::backend::error::ServiceError;
use crate::nearest::nearest;

const CONTEXT: &str = "kube-context";
const REPOSITORY: &str = "repository-uri";
const TEMPLATE: &str = "kube-job-template-path";
const KEYS: [&str; 3] = [CONTEXT, REPOSITORY, TEMPLATE];
pub(super) const WHAT_IT_IS: &str =
    "name a JSON file with repository-uri and kube-job-template-path: -c config.json";
const WHAT_THEY_ARE: &str =
    "\"repository-uri\" is the image repository to push to, \"kube-job-template-path\" the Job's YAML file";

/// The values of the configuration, checked without reading any file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct KubernetesConfig {
    /// The kubeconfig's context; the current one if `None`.
    pub(super) context: Option<String>,
    /// The repository to push the image to, without a tag.
    pub(super) repository: String,
    pub(super) template: PathBuf,
    /// Warnings about unknown keys.
    pub(super) warnings: Vec<String>,
}

impl KubernetesConfig {
    /// Reads the values. A relative template path starts at the current directory, as in `mlflow run`, or else
    /// at the directory of the configuration file.
    pub(super) fn read(config: &BackendConfig) -> Result<Self, ServiceError> {
        let value = |key: &str| {
            let value = config.value.get(key);
            value.filter(|value| !value.is_null() && *value != "")
        };
        let entries = config.value.as_object().into_iter().flatten();
        let others: Vec<&str> = entries
            .map(|(key, _)| key.as_str())
            .filter(|key| !KEYS.contains(key))
            .collect();
        let missing: Vec<_> = [REPOSITORY, TEMPLATE]
            .into_iter()
            .filter(|key| value(key).is_none())
            .collect();
        if !missing.is_empty() {
            let problem = format!("missing '{}' in the backend config", missing.join("' and '"));
            let mut meant = others.iter().map(|key| (key, nearest(key, KEYS)));
            let instead =
                meant.find_map(|(key, meant)| Some(format!("did you mean '{}' instead of '{key}'?", meant?)));
            let hint = instead.unwrap_or_else(|| WHAT_THEY_ARE.to_owned());
            return Err(ServiceError::setup(problem, hint));
        }
        let text = |key: &str| match value(key) {
            None => Ok(None),
            Some(Value::String(text)) => Ok(Some(text.clone())),
            Some(other) => {
                let problem = format!("'{key}' in the backend config must be text, not {other}");
                Err(ServiceError::setup(problem, "put it in quotes"))
            }
        };
        let template = PathBuf::from(text(TEMPLATE)?.unwrap_or_default());
        Ok(Self {
            context: text(CONTEXT)?,
            repository: text(REPOSITORY)?.unwrap_or_default(),
            template: found(&template, config.file.as_deref()),
            warnings: others.into_iter().map(unused).collect(),
        })
    }
}

fn found(template: &Path, config_file: Option<&Path>) -> PathBuf {
    let beside = config_file
        .and_then(Path::parent)
        .map(|parent| parent.join(template));
    let beside = beside.filter(|beside| !template.exists() && beside.exists());
    beside.unwrap_or_else(|| template.to_owned())
}

fn unused(key: &str) -> String {
    let meant = nearest(key, KEYS);
    let meant = meant.map_or_else(String::new, |meant| format!("; did you mean '{meant}'?"));
    format!("ignoring unknown key '{key}' in the backend config{meant}")
}
