//! Files of a workspace itself and of volumes of Unity Catalog. Source: the references of the Workspace API
//! 2.0 and of the Files API 2.0.

use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::AtomicU64;

use bytes::Bytes;
use percent_encoding::utf8_percent_encode;
use reqwest::Method;
use reqwest::header::CONTENT_LENGTH;
use serde_json::{Value, json};

use super::error::{DatabricksError, found, unreadable};
use super::session::Client;
use crate::http::{ApiError, Call, Content, SentFile};
use crate::python_paths::UNRESERVED_PATH;

impl Client {
    /// Sends a file of this machine, with what goes before and after it. `sent` counts its bytes.
    pub(super) async fn send_file(
        &self,
        local: &Path,
        (head, tail): (Bytes, Bytes),
        sent: &Arc<AtomicU64>,
        call: Call<'_>,
    ) -> Result<(), DatabricksError> {
        let content = Content {
            head,
            file: Some(SentFile::open(local).map_err(unreadable(local))?),
            tail,
            sent: Arc::clone(sent),
        };
        match self.call(Call { content, ..call }).await {
            Err(DatabricksError::Api(ApiError::Content(source))) => Err(unreadable(local)(source)),
            outcome => outcome.map(drop),
        }
    }

    /// The size of a file in a volume; `None` where there is none. `path` is absolute:
    /// `/Volumes/catalog/schema/volume/file`.
    pub(crate) async fn volume_file_size(&self, path: &str) -> Result<Option<u64>, DatabricksError> {
        let endpoint = format!("/api/2.0/fs/files{}", encode(path));
        let answer = found(self.call(Call::new(Method::HEAD, &endpoint)).await)?;
        Ok(answer.map(|answer| {
            let length = answer.header(CONTENT_LENGTH).map(str::parse);
            length.and_then(Result::ok).unwrap_or_default()
        }))
    }

    /// Makes a directory in a volume and those above it, where they are not there.
    pub(crate) async fn volume_mkdirs(&self, path: &str) -> Result<(), DatabricksError> {
        let endpoint = format!("/api/2.0/fs/directories{}", encode(path));
        let made = self.call(Call::new(Method::PUT, &endpoint));
        made.await.map(|_| ())
    }

    /// Uploads a file into a volume; one that is there is replaced. `sent` counts the bytes.
    pub(crate) async fn volume_upload(
        &self,
        local: &Path,
        path: &str,
        sent: &Arc<AtomicU64>,
    ) -> Result<(), DatabricksError> {
        let endpoint = format!("/api/2.0/fs/files{}", encode(path));
        let call = Call {
            query: &[("overwrite", "true")],
            content_type: Some("application/octet-stream"),
            ..Call::new(Method::PUT, &endpoint)
        };
        self.send_file(local, Default::default(), sent, call).await
    }

    /// The size of a file of the workspace; `None` where there is none. `path` is absolute, with or
    /// without `/Workspace` before it.
    pub(crate) async fn workspace_file_size(&self, path: &str) -> Result<Option<u64>, DatabricksError> {
        let query = [("path", api_path(path))];
        let status = self.get::<Value>("/api/2.0/workspace/get-status", &query);
        Ok(found(status.await)?.map(|status| status["size"].as_u64().unwrap_or_default()))
    }

    /// Makes a directory of the workspace and those above it, where they are not there.
    pub(crate) async fn workspace_mkdirs(&self, path: &str) -> Result<(), DatabricksError> {
        let body = json!({ "path": api_path(path) });
        let _: Value = self.post("/api/2.0/workspace/mkdirs", &body).await?;
        Ok(())
    }

    /// Uploads a file into the workspace; one that is there is replaced. `sent` counts the bytes.
    pub(crate) async fn workspace_upload(
        &self,
        local: &Path,
        path: &str,
        sent: &Arc<AtomicU64>,
    ) -> Result<(), DatabricksError> {
        let boundary = uuid::Uuid::new_v4().simple().to_string();
        let fields = [
            ("path", api_path(path)),
            ("format", "AUTO"),
            ("overwrite", "true"),
        ];
        let fields = fields.map(|(name, value)| {
            format!("--{boundary}\r\nContent-Disposition: form-data; name=\"{name}\"\r\n\r\n{value}\r\n")
        });
        let head = fields.concat();
        let head = format!(
            "{head}--{boundary}\r\nContent-Disposition: form-data; name=\"content\"; filename=\"content\"\r\n\
             Content-Type: application/octet-stream\r\n\r\n"
        );
        let tail = format!("\r\n--{boundary}--\r\n");
        let content_type = format!("multipart/form-data; boundary={boundary}");
        let call = Call {
            content_type: Some(&content_type),
            ..Call::new(Method::POST, "/api/2.0/workspace/import")
        };
        let around = (head.into(), tail.into());
        self.send_file(local, around, sent, call).await
    }
}

/// A path as it stands in a URL.
pub(super) fn encode(path: &str) -> String {
    utf8_percent_encode(path, UNRESERVED_PATH).to_string()
}

/// The path as the API has it: clusters see the workspace's root as `/Workspace`.
fn api_path(path: &str) -> &str {
    match path.strip_prefix("/Workspace") {
        Some(rest) if rest.starts_with('/') => rest,
        _ => path,
    }
}
