//! Finds a model's artifacts in the server's model registry.

use serde_json::{Value, json};

use super::RestStore;
use super::error::RestError;
use crate::http::ApiError;
use crate::tracking::store::StoreRules as _;
use crate::tracking::{ModelSelector, TrackingError};

impl RestStore {
    /// The location of a model's artifacts.
    pub(super) async fn find_model(&self, selector: &ModelSelector) -> Result<String, TrackingError> {
        let asked = selector.to_string();
        let found = self.location(selector).await;
        found
            .map_err(|error| self.about("model", &asked, "read", error))?
            .ok_or_else(|| self.not_found("model", &asked))
    }

    async fn location(&self, selector: &ModelSelector) -> Result<Option<String>, RestError> {
        let (name, version) = match selector {
            ModelSelector::Logged { id } => {
                let endpoint = format!("/api/2.0/mlflow/logged-models/{}", super::quoted(id));
                let answer = self.client.get(&endpoint, &[]).await?;
                return text_at(&endpoint, &answer, "/model/info/artifact_uri").map(Some);
            }
            ModelSelector::Version { name, version } => (name, version.clone()),
            ModelSelector::Alias { name, alias } => {
                let query = [("name", name.as_str()), ("alias", alias.as_str())];
                let endpoint = "/api/2.0/mlflow/registered-models/alias";
                let answer = self.client.get(endpoint, &query).await?;
                (name, text_at(endpoint, &answer, "/model_version/version")?)
            }
            ModelSelector::Latest { name, stage } => {
                let mut body = json!({ "name": name });
                if let Some(stage) = stage {
                    body["stages"] = json!([stage]);
                }
                let endpoint = "/api/2.0/mlflow/registered-models/get-latest-versions";
                let answer: Value = self.client.post(endpoint, &body).await?;
                let versions = answer["model_versions"].as_array().into_iter().flatten();
                let numbers = versions.filter_map(|version| version["version"].as_str()?.parse::<u64>().ok());
                match numbers.max() {
                    Some(newest) => (name, newest.to_string()),
                    None => return Ok(None),
                }
            }
        };
        let query = [("name", name.as_str()), ("version", version.as_str())];
        let endpoint = "/api/2.0/mlflow/model-versions/get-download-uri";
        let answer = self.client.get(endpoint, &query).await?;
        text_at(endpoint, &answer, "/artifact_uri").map(Some)
    }
}

/// The required text at this place in a response.
fn text_at(endpoint: &str, answer: &Value, pointer: &str) -> Result<String, RestError> {
    let found = answer.pointer(pointer).and_then(Value::as_str);
    found.map(str::to_owned).ok_or_else(|| {
        let reason = format!("it has no {}", pointer[1..].replace('/', "."));
        ApiError::malformed("MLflow", endpoint, reason).into()
    })
}
