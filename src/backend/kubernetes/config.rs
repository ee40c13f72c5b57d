//! `--backend-config` of this backend.

use std::path::{Path, PathBuf};

use serde_json::Value;

use super::KubernetesError;
use crate::backend::BackendConfig;
use crate::nearest::nearest;

const CONTEXT: &str = "kube-context";
const REPOSITORY: &str = "repository-uri";
const TEMPLATE: &str = "kube-job-template-path";
const KEYS: [&str; 3] = [CONTEXT, REPOSITORY, TEMPLATE];
/// What to do without a configuration.
pub(super) const WHAT_IT_IS: &str =
    "name a JSON file with repository-uri and kube-job-template-path: -c config.json";
const WHAT_THEY_ARE: &str =
    "\"repository-uri\" is where the image is pushed to, \"kube-job-template-path\" the YAML file of the Job";

/// The values of the configuration, checked as far as no file is needed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct KubernetesConfig {
    /// The context of the kubeconfig; the current one where it is not given.
    pub(super) context: Option<String>,
    /// Where the image is pushed to, without a tag.
    pub(super) repository: String,
    /// The file that is the template of the Job.
    pub(super) template: PathBuf,
    /// What is said about keys that nobody reads.
    pub(super) warnings: Vec<String>,
}

impl KubernetesConfig {
    /// Takes the values. A relative template is looked for in the current directory, as `mlflow run`
    /// does, then beside the configuration's file.
    pub(super) fn read(config: &BackendConfig) -> Result<Self, KubernetesError> {
        let Value::Object(entries) = &config.value else {
            let problem = "the backend config must be a JSON object";
            return Err(KubernetesError::setup(problem, WHAT_IT_IS));
        };
        let is_set = |key: &str| {
            let value = entries.get(key);
            value.is_some_and(|value| !value.is_null() && value != "")
        };
        let missing: Vec<_> = [REPOSITORY, TEMPLATE]
            .into_iter()
            .filter(|key| !is_set(key))
            .collect();
        if !missing.is_empty() {
            let problem = format!("the backend config lacks '{}'", missing.join("' and '"));
            let mut others = entries.keys().filter(|key| !KEYS.contains(&key.as_str()));
            let instead = others.find_map(|key| Some(format!("'{key}' is not '{}'", nearest(key, KEYS)?)));
            let hint = instead.unwrap_or_else(|| WHAT_THEY_ARE.to_owned());
            return Err(KubernetesError::setup(problem, hint));
        }
        let text = |key: &str| match entries.get(key).filter(|_| is_set(key)) {
            None => Ok(None),
            Some(Value::String(text)) => Ok(Some(text.clone())),
            Some(other) => {
                let problem = format!("'{key}' of the backend config must be text, not {other}");
                Err(KubernetesError::setup(problem, "put it into quotes"))
            }
        };
        let template = PathBuf::from(text(TEMPLATE)?.unwrap_or_default());
        Ok(Self {
            context: text(CONTEXT)?,
            repository: text(REPOSITORY)?.unwrap_or_default(),
            template: found(&template, config.file.as_deref()),
            warnings: entries
                .keys()
                .filter(|key| !KEYS.contains(&key.as_str()))
                .map(|key| unused(key))
                .collect(),
        })
    }
}

fn found(template: &Path, config_file: Option<&Path>) -> PathBuf {
    let beside = config_file
        .and_then(Path::parent)
        .map(|parent| parent.join(template));
    match beside {
        Some(beside) if !template.exists() && beside.exists() => beside,
        _ => template.to_owned(),
    }
}

fn unused(key: &str) -> String {
    let meant = nearest(key, KEYS).map(|meant| format!("; did you mean '{meant}'?"));
    format!(
        "the key '{key}' of the backend config is not used{}",
        meant.unwrap_or_default()
    )
}
