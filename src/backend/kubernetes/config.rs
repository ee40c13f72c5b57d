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

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn read(value: Value) -> Result<KubernetesConfig, String> {
        KubernetesConfig::read(&BackendConfig { value, file: None }).map_err(|error| {
            let hint = error.hint().unwrap_or_default();
            format!("{error}; {hint}")
        })
    }

    #[test]
    fn the_three_keys_are_read() {
        let config = read(json!({
            "kube-context": "docker-for-desktop",
            "repository-uri": "username/mlflow-kubernetes-example",
            "kube-job-template-path": "/Users/username/path/to/kubernetes_job_template.yaml",
            "kube_context": "typo",
        }));
        assert_eq!(
            config,
            Ok(KubernetesConfig {
                context: Some("docker-for-desktop".to_owned()),
                repository: "username/mlflow-kubernetes-example".to_owned(),
                template: "/Users/username/path/to/kubernetes_job_template.yaml".into(),
                warnings: vec![
                    "the key 'kube_context' of the backend config is not used; did you mean 'kube-context'?"
                        .to_owned()
                ],
            })
        );
    }

    #[test]
    fn what_is_missing_or_wrong_is_named() {
        for (value, expected) in [
            (
                json!({}),
                "the backend config lacks 'repository-uri' and 'kube-job-template-path'",
            ),
            (
                json!({"repository-uri": "", "kube-job-template-path": "x"}),
                "the backend config lacks 'repository-uri'",
            ),
            (
                json!({"repository-url": "a/b", "kube-job-template-path": "x"}),
                "'repository-url' is not 'repository-uri'",
            ),
            (
                json!({"repository-uri": 1, "kube-job-template-path": "x"}),
                "'repository-uri' of the backend config must be text, not 1",
            ),
            (json!([1]), "the backend config must be a JSON object"),
        ] {
            let error = read(value).unwrap_err();
            assert!(error.contains(expected), "{error}");
        }
    }

    #[test]
    fn a_template_is_looked_for_beside_the_configuration_too() {
        let directory = tempfile::tempdir().unwrap();
        let file = directory.path().join("config.json");
        std::fs::write(directory.path().join("job.yaml"), "").unwrap();
        assert_eq!(
            found(Path::new("job.yaml"), Some(&file)),
            directory.path().join("job.yaml")
        );
        assert_eq!(found(Path::new("src"), Some(&file)), Path::new("src"));
        assert_eq!(found(Path::new("no.yaml"), Some(&file)), Path::new("no.yaml"));
    }
}
