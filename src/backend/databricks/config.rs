//! `--backend-config` for Databricks: the job's cluster, and mlrun's own settings.

use std::path::Path;

use serde_json::{Map, Value};

use crate::backend::BackendConfig;
use crate::backend::error::ServiceError;

const UPLOAD_PATH: &str = "upload-path";
const MLFLOW_VERSION: &str = "mlflow-version";
const UPLOAD_PATHS: &str =
    "dbfs:/directory, /Volumes/catalog/schema/volume/directory or /Workspace/directory";

/// The configuration, checked as far as possible without the workspace.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct JobConfig {
    /// The specification of the new cluster, as in the Databricks API.
    pub(super) new_cluster: Map<String, Value>,
    pub(super) libraries: Vec<Value>,
    /// The `pip` requirement for MLflow on the cluster; `None` to use the cluster's own MLflow.
    pub(super) mlflow: Option<String>,
    /// The directory to upload the project to, if not MLflow's own in DBFS.
    pub(super) upload_path: Option<String>,
    pub(super) ignored: Vec<String>,
}

impl JobConfig {
    /// Reads both forms: `{"new_cluster": …, "libraries": …}`, or only the specification of the cluster.
    pub(super) fn read(config: Option<&BackendConfig>) -> Result<Self, ServiceError> {
        let config = config.ok_or_else(|| {
            ServiceError::setup(
                "the databricks backend needs --backend-config",
                "pass a JSON file with the new cluster: -c cluster.json; it holds {\"new_cluster\": \
                {\"spark_version\": …}}",
            )
        })?;
        let refused = |key: &str, expected: &str| refused(config.file.as_deref(), key, expected);
        let Value::Object(mut map) = config.value.clone() else {
            return Err(refused("", "an object"));
        };
        if map.contains_key("existing_cluster_id") {
            return Err(ServiceError::setup(
                "the backend config names an existing cluster, but projects run on new clusters",
                "replace existing_cluster_id with new_cluster",
            ));
        }
        let mlflow = match map.shift_remove(MLFLOW_VERSION) {
            None => Some("mlflow".to_owned()),
            Some(Value::Null) => None,
            Some(Value::String(version)) => Some(requirement(&version)),
            Some(_) => return Err(refused(MLFLOW_VERSION, "a version such as \"3.1.0\", or null")),
        };
        let upload_path = match map.shift_remove(UPLOAD_PATH) {
            None => None,
            Some(Value::String(path)) if is_upload_path(&path) => Some(path),
            Some(_) => return Err(refused(UPLOAD_PATH, UPLOAD_PATHS)),
        };
        let (new_cluster, libraries, ignored) = match map.shift_remove("new_cluster") {
            None => (map, Vec::new(), Vec::new()),
            Some(Value::Object(cluster)) => {
                let libraries = match map.shift_remove("libraries") {
                    None => Vec::new(),
                    Some(Value::Array(libraries)) => libraries,
                    Some(_) => return Err(refused("libraries", "a list")),
                };
                (cluster, libraries, map.into_iter().map(|(key, _)| key).collect())
            }
            Some(_) => return Err(refused("new_cluster", "an object")),
        };
        Ok(Self {
            new_cluster,
            libraries,
            mlflow,
            upload_path,
            ignored,
        })
    }

    /// The libraries, plus MLflow if it is not among them.
    pub(super) fn libraries_with_mlflow(&self) -> Vec<Value> {
        let mut libraries = self.libraries.clone();
        let has_mlflow = libraries
            .iter()
            .any(|library| package(library).is_some_and(is_mlflow));
        if let Some(mlflow) = self.mlflow.as_deref().filter(|_| !has_mlflow) {
            libraries.push(pypi(mlflow));
        }
        libraries
    }
}

fn refused(file: Option<&Path>, key: &str, expected: &str) -> ServiceError {
    let file = file.map_or_else(String::new, |file| format!(" {}", file.display()));
    let config = format!("the backend config{file}");
    let problem = match key {
        "" => format!("{config} must be {expected}"),
        key => format!("'{key}' in {config} must be {expected}"),
    };
    ServiceError::failed(problem, None, None)
}

pub(super) fn pypi(package: &str) -> Value {
    serde_json::json!({ "pypi": { "package": package } })
}

fn package(library: &Value) -> Option<&str> {
    library.get("pypi")?.get("package")?.as_str()
}

/// Whether a requirement is for MLflow, by name or by repository.
fn is_mlflow(package: &str) -> bool {
    let package = package.trim();
    if let Some(rest) = package.strip_prefix("git+https://github.com/") {
        let name = rest.split('/').nth(1).unwrap_or_default();
        return name.starts_with("mlflow");
    }
    let end = package.find(|letter: char| !letter.is_ascii_alphanumeric() && !"-_.".contains(letter));
    let name = &package[..end.unwrap_or(package.len())];
    matches!(name.to_ascii_lowercase().as_str(), "mlflow" | "mlflow-skinny")
}

/// Turns `3.1.0` or `>=2,<3` into a requirement.
fn requirement(version: &str) -> String {
    let version = version.trim();
    match version.chars().next() {
        None => "mlflow".to_owned(),
        Some(first) if first.is_ascii_digit() => format!("mlflow=={version}"),
        Some('<' | '>' | '=' | '~' | '!') => format!("mlflow{version}"),
        // A whole requirement, such as a URL.
        Some(_) => version.to_owned(),
    }
}

fn is_upload_path(path: &str) -> bool {
    let parts = |rest: &str| rest.split('/').filter(|part| !part.is_empty()).count();
    if path.split('/').any(|part| part == ".." || part == ".") || path.contains(['\n', '\0']) {
        return false;
    }
    let forms = [("/Volumes/", 3), ("/Workspace/", 1), ("dbfs:/", 1)];
    let mut rests = forms
        .into_iter()
        .filter_map(|(start, least)| Some((path.strip_prefix(start)?, least)));
    rests.any(|(rest, least)| parts(rest) >= least)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn read(value: Value) -> Result<JobConfig, String> {
        let config = BackendConfig { value, file: None };
        JobConfig::read(Some(&config)).map_err(|error| error.to_string())
    }

    #[test]
    fn both_forms_are_read() {
        let cluster = json!({ "spark_version": "15.4.x", "num_workers": 1 });
        let plain = read(cluster.clone()).unwrap();
        assert_eq!(Value::Object(plain.new_cluster.clone()), cluster);
        assert_eq!(plain.libraries_with_mlflow(), [pypi("mlflow")]);
        let whole = read(json!({
            "new_cluster": cluster, "libraries": [pypi("pandas")], "upload-path": "/Volumes/a/b/c",
            "mlflow-version": "2.9.2", "timeout": 3,
        }))
        .unwrap();
        assert_eq!(whole.new_cluster, plain.new_cluster);
        assert_eq!(
            whole.libraries_with_mlflow(),
            [pypi("pandas"), pypi("mlflow==2.9.2")]
        );
        assert_eq!(whole.upload_path.as_deref(), Some("/Volumes/a/b/c"));
        assert_eq!(whole.ignored, ["timeout"]);
    }

    #[test]
    fn mlflow_is_asked_for_once() {
        for (package, version, expected) in [
            ("pandas", json!(">=2,<3"), &["pandas", "mlflow>=2,<3"][..]),
            ("pandas", json!(null), &["pandas"]),
            ("mlflow==2.1", json!("3.0"), &["mlflow==2.1"]),
            ("MLflow[extras]", json!("3.0"), &["MLflow[extras]"]),
            (
                "git+https://github.com/me/mlflow@main",
                json!("3.0"),
                &["git+https://github.com/me/mlflow@main"],
            ),
            (
                "mlflow-export-import",
                json!("3.0"),
                &["mlflow-export-import", "mlflow==3.0"],
            ),
        ] {
            let config = read(json!({
                "new_cluster": {}, "libraries": [pypi(package)], "mlflow-version": version,
            }));
            let expected: Vec<Value> = expected.iter().map(|package| pypi(package)).collect();
            assert_eq!(config.unwrap().libraries_with_mlflow(), expected, "{package}");
        }
    }

    #[test]
    fn what_cannot_be_used_is_told() {
        for (value, expected) in [
            (json!([]), "the backend config must be an object"),
            (
                json!({ "new_cluster": 1 }),
                "'new_cluster' in the backend config must be an object",
            ),
            (
                json!({ "new_cluster": {}, "libraries": {} }),
                "'libraries' in the backend config must be a list",
            ),
            (
                json!({ "mlflow-version": 3 }),
                "'mlflow-version' in the backend config must be a version such as \"3.1.0\", or null",
            ),
            (
                json!({ "upload-path": "/Volumes/a" }),
                "'upload-path' in the backend config must be dbfs:/directory, /Volumes/catalog/schema/volume/directory or /Workspace/directory",
            ),
            (
                json!({ "upload-path": "/Workspace/../x" }),
                "'upload-path' in the backend config must be dbfs:/directory, /Volumes/catalog/schema/volume/directory or /Workspace/directory",
            ),
            (
                json!({ "existing_cluster_id": "x" }),
                "the backend config names an existing cluster, but projects run on new clusters",
            ),
        ] {
            assert_eq!(read(value).unwrap_err(), expected);
        }
        assert!(JobConfig::read(None).is_err());
    }
}
