//! Files of a workspace itself. Source: the reference of the Workspace API 2.0.

use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::AtomicU64;

use reqwest::Method;
use serde::Deserialize;
use serde_json::{Value, json};

use super::client::Client;
use super::error::{DatabricksError, found};
use crate::http::Call;

impl Client {
    /// The size of a file of the workspace; `None` where there is none. `path` is absolute, with or
    /// without `/Workspace` before it.
    pub(crate) async fn workspace_file_size(&self, path: &str) -> Result<Option<u64>, DatabricksError> {
        #[derive(Deserialize)]
        struct Status {
            #[serde(default)]
            size: u64,
        }
        let query = [("path", api_path(path))];
        let status = self.api.get::<Status>("/api/2.0/workspace/get-status", &query);
        Ok(found(status.await)?.map(|status| status.size))
    }

    /// Makes a directory of the workspace and those above it, where they are not there.
    pub(crate) async fn workspace_mkdirs(&self, path: &str) -> Result<(), DatabricksError> {
        let body = json!({ "path": api_path(path) });
        let _: Value = self.api.post("/api/2.0/workspace/mkdirs", &body).await?;
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
        let mut head = String::new();
        for (name, value) in [
            ("path", api_path(path)),
            ("format", "AUTO"),
            ("overwrite", "true"),
        ] {
            head.push_str(&format!(
                "--{boundary}\r\nContent-Disposition: form-data; name=\"{name}\"\r\n\r\n{value}\r\n"
            ));
        }
        head.push_str(&format!(
            "--{boundary}\r\nContent-Disposition: form-data; name=\"content\"; filename=\"content\"\r\n\
             Content-Type: application/octet-stream\r\n\r\n"
        ));
        let tail = format!("\r\n--{boundary}--\r\n");
        let content_type = format!("multipart/form-data; boundary={boundary}");
        let call = Call {
            content_type: Some(&content_type),
            ..Call::new(Method::POST, "/api/2.0/workspace/import")
        };
        let sending = self.send_file(local, (head.into(), tail.into()), sent, call);
        sending.await.map(|_| ())
    }
}

/// The path as the API has it: clusters see the workspace's root as `/Workspace`.
fn api_path(path: &str) -> &str {
    match path.strip_prefix("/Workspace") {
        Some(rest) if rest.starts_with('/') => rest,
        _ => path,
    }
}
