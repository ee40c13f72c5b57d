//! Where a model's artifacts are, by the server's model registry.

use serde::{Deserialize, Serialize};

use super::RestStore;
use super::error::RestError;
use crate::tracking::{ModelSelector, TrackingError};

#[derive(Deserialize)]
struct DownloadUri {
    artifact_uri: String,
}

#[derive(Deserialize)]
struct Version {
    version: String,
}

#[derive(Deserialize)]
struct VersionAnswer {
    model_version: Version,
}

#[derive(Deserialize)]
struct VersionsAnswer {
    #[serde(default)]
    model_versions: Vec<Version>,
}

#[derive(Serialize)]
struct LatestVersions<'a> {
    name: &'a str,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    stages: Vec<&'a str>,
}

#[derive(Deserialize)]
struct LoggedAnswer {
    model: Logged,
}

#[derive(Deserialize)]
struct Logged {
    info: LoggedInfo,
}

#[derive(Deserialize)]
struct LoggedInfo {
    artifact_uri: String,
}

impl RestStore {
    /// The location of a model's artifacts.
    pub(super) async fn find_model(&self, selector: &ModelSelector) -> Result<String, TrackingError> {
        let asked = selector.to_string();
        let found = self.location(selector).await;
        found
            .map_err(|error| self.about("model", &asked, "read", error))?
            .ok_or_else(|| TrackingError::NotFound {
                what: "model",
                id: asked,
                store: self.store(),
            })
    }

    async fn location(&self, selector: &ModelSelector) -> Result<Option<String>, RestError> {
        let (name, version) = match selector {
            ModelSelector::Logged { id } => {
                let endpoint = format!("/api/2.0/mlflow/logged-models/{}", super::quoted(id));
                let answer: LoggedAnswer = self.client.get(&endpoint, &[]).await?;
                return Ok(Some(answer.model.info.artifact_uri));
            }
            ModelSelector::Version { name, version } => (name, version.clone()),
            ModelSelector::Alias { name, alias } => {
                let query = [("name", name.as_str()), ("alias", alias.as_str())];
                let endpoint = "/api/2.0/mlflow/registered-models/alias";
                let answer: VersionAnswer = self.client.get(endpoint, &query).await?;
                (name, answer.model_version.version)
            }
            ModelSelector::Latest { name, stage } => {
                let body = LatestVersions {
                    name,
                    stages: stage.as_deref().into_iter().collect(),
                };
                let endpoint = "/api/2.0/mlflow/registered-models/get-latest-versions";
                let answer: VersionsAnswer = self.client.post(endpoint, &body).await?;
                let newest = answer
                    .model_versions
                    .into_iter()
                    .max_by_key(|version| version.version.parse::<u64>().unwrap_or_default());
                match newest {
                    Some(newest) => (name, newest.version),
                    None => return Ok(None),
                }
            }
        };
        let query = [("name", name.as_str()), ("version", version.as_str())];
        let endpoint = "/api/2.0/mlflow/model-versions/get-download-uri";
        let answer: DownloadUri = self.client.get(endpoint, &query).await?;
        Ok(Some(answer.artifact_uri))
    }
}
