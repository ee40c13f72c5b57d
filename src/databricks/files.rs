//! Files in DBFS, in the workspace itself and in Unity Catalog volumes. Source: the references of the DBFS API 2.0,
//! the Workspace API 2.0 and the Files API 2.0.

use std::fmt;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use backon::{ConstantBuilder, Retryable as _};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use reqwest::Method;
use reqwest::header::CONTENT_LENGTH;
use serde::Deserialize;
use serde_json::{Value, json};

use super::error::{DatabricksError, Result, found, malformed, unreadable};
use super::session::Client;
use crate::http::{ApiError, Call, Content, SentFile};
use crate::python_paths::quote;
use crate::retrying::retrying;

impl Client {
    /// Sends a local file within the content of a call. `sent` counts its bytes.
    async fn send_file(&self, local: &Path, sent: &Arc<AtomicU64>, mut call: Call<'_>) -> Result<()> {
        call.content.file = Some(SentFile::open(local).map_err(unreadable(local))?);
        call.content.sent = Arc::clone(sent);
        match self.call(call).await {
            Err(DatabricksError::Api(ApiError::Content(source))) => Err(unreadable(local)(source)),
            outcome => outcome.map(drop),
        }
    }

    /// The size of a file in a volume, if it exists. `path` is absolute: `/Volumes/catalog/schema/volume/file`.
    pub(crate) async fn volume_file_size(&self, path: &str) -> Result<Option<u64>> {
        let endpoint = format!("/api/2.0/fs/files{}", quote(path));
        let answer = found(self.call(Call::new(Method::HEAD, &endpoint)).await)?;
        Ok(answer.map(|answer| {
            let length = answer.header(CONTENT_LENGTH).map(str::parse);
            length.and_then(Result::ok).unwrap_or_default()
        }))
    }

    /// Creates a directory in a volume, including its parents.
    pub(crate) async fn volume_mkdirs(&self, path: &str) -> Result<()> {
        let endpoint = format!("/api/2.0/fs/directories{}", quote(path));
        let made = self.call(Call::new(Method::PUT, &endpoint));
        made.await.map(|_| ())
    }

    /// Uploads a file to a volume, replacing an existing one. `sent` counts the bytes.
    pub(crate) async fn volume_upload(&self, local: &Path, path: &str, sent: &Arc<AtomicU64>) -> Result<()> {
        let endpoint = format!("/api/2.0/fs/files{}", quote(path));
        let call = Call {
            query: &[("overwrite", "true")],
            content_type: Some("application/octet-stream"),
            ..Call::new(Method::PUT, &endpoint)
        };
        self.send_file(local, sent, call).await
    }

    /// The size of a workspace file, if it exists. `path` is absolute, with or without `/Workspace`.
    pub(crate) async fn workspace_file_size(&self, path: &str) -> Result<Option<u64>> {
        let query = [("path", api_path(path))];
        let status = self.get::<Value>("/api/2.0/workspace/get-status", &query);
        Ok(found(status.await)?.map(|status| status["size"].as_u64().unwrap_or_default()))
    }

    /// Creates a workspace directory, including its parents.
    pub(crate) async fn workspace_mkdirs(&self, path: &str) -> Result<()> {
        let body = json!({ "path": api_path(path) });
        self.done("/api/2.0/workspace/mkdirs", &body).await
    }

    /// Uploads a workspace file, replacing an existing one. `sent` counts the bytes.
    pub(crate) async fn workspace_upload(
        &self,
        local: &Path,
        path: &str,
        sent: &Arc<AtomicU64>,
    ) -> Result<()> {
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
            content: Content {
                tail: tail.into(),
                ..Content::bytes(head)
            },
            ..Call::new(Method::POST, "/api/2.0/workspace/import")
        };
        self.send_file(local, sent, call).await
    }
}

/// The path for the API, without the `/Workspace` that clusters see as the root.
fn api_path(path: &str) -> &str {
    match path.strip_prefix("/Workspace") {
        Some(rest) if rest.starts_with('/') => rest,
        _ => path,
    }
}

/// The most bytes of a block, a read or a `put`.
pub(crate) const BLOCK: usize = 1024 * 1024;

/// How often an upload restarts if a block is lost.
const MOST_RETRIES: usize = 4;
const MOST_ATTEMPTS: u32 = 5;

/// An absolute DBFS path without a scheme: `/dir/file`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct DbfsPath(String);

impl DbfsPath {
    /// Parses `dbfs:/dir/file` or `/dir/file`.
    pub(crate) fn new(text: &str) -> Self {
        let path = text.strip_prefix("dbfs:").unwrap_or(text);
        Self(format!("/{}", path.trim_matches('/')))
    }

    #[must_use]
    pub(crate) fn join(&self, name: &str) -> Self {
        Self(format!("{}/{name}", self.0.trim_end_matches('/')))
    }

    pub(crate) fn as_str(&self) -> &str {
        &self.0
    }

    /// The path in a cluster's file system.
    pub(crate) fn fuse(&self) -> String {
        format!("/dbfs{}", self.0)
    }
}

impl fmt::Display for DbfsPath {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "dbfs:{}", self.0)
    }
}

/// A file or directory in a workspace.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub(crate) struct FileStatus {
    pub(crate) path: String,
    #[serde(default)]
    pub(crate) is_dir: bool,
    /// The size in bytes; 0 for a directory.
    #[serde(default)]
    pub(crate) file_size: u64,
}

impl Client {
    pub(crate) async fn dbfs_status(&self, path: &DbfsPath) -> Result<Option<FileStatus>> {
        let query = [("path", path.as_str())];
        found(self.get("/api/2.0/dbfs/get-status", &query).await)
    }

    /// The contents of a directory, or the file itself.
    pub(crate) async fn dbfs_list(&self, path: &DbfsPath) -> Result<Vec<FileStatus>> {
        #[derive(Deserialize)]
        struct ListResponse {
            #[serde(default)]
            files: Vec<FileStatus>,
        }
        let query = [("path", path.as_str())];
        let answer: ListResponse = self.get("/api/2.0/dbfs/list", &query).await?;
        Ok(answer.files)
    }

    /// Reads at most [`BLOCK`] bytes from `offset`; empty at the end of the file.
    pub(crate) async fn dbfs_read(&self, path: &DbfsPath, offset: u64, length: usize) -> Result<Vec<u8>> {
        const ENDPOINT: &str = "/api/2.0/dbfs/read";
        let (offset, length) = (offset.to_string(), length.min(BLOCK).to_string());
        let query = [
            ("path", path.as_str()),
            ("offset", offset.as_str()),
            ("length", length.as_str()),
        ];
        let answer: Value = self.get(ENDPOINT, &query).await?;
        STANDARD
            .decode(answer["data"].as_str().unwrap_or_default())
            .map_err(|error| malformed(ENDPOINT, format!("its data is not valid base64: {error}")))
    }

    /// Moves a file; the new path must not exist.
    pub(crate) async fn dbfs_move(&self, from: &DbfsPath, to: &DbfsPath) -> Result<()> {
        let body = json!({ "source_path": from.as_str(), "destination_path": to.as_str() });
        self.done("/api/2.0/dbfs/move", &body).await
    }

    /// Removes a file, or a directory with its contents.
    pub(crate) async fn dbfs_delete(&self, path: &DbfsPath, recursive: bool) -> Result<()> {
        let body = json!({ "path": path.as_str(), "recursive": recursive });
        self.done("/api/2.0/dbfs/delete", &body).await
    }

    /// Uploads a file: as a whole to the workspace's direct path, or in blocks if that is refused. An existing file is
    /// replaced only after the upload is complete. `sent` counts the bytes.
    pub(crate) async fn dbfs_upload(
        &self,
        local: &Path,
        path: &DbfsPath,
        sent: &Arc<AtomicU64>,
    ) -> Result<()> {
        // MLflow's client uploads to this path; not every workspace has it.
        let endpoint = quote(&path.fuse()).to_string();
        let call = Call::new(Method::POST, &endpoint);
        match self.send_file(local, sent, call).await {
            Ok(()) => return Ok(()),
            Err(error) if error.is_already_there() => {}
            Err(error) if is_refusal_of_direct_path(&error) => {
                tracing::info!("uploading {path} in blocks, because the direct upload was refused: {error}");
            }
            Err(error) => return Err(error),
        }
        self.dbfs_upload_blocks(local, path, sent).await
    }

    /// Uploads in blocks to a temporary name and renames the complete file, so a partial upload is never taken for it.
    async fn dbfs_upload_blocks(&self, local: &Path, path: &DbfsPath, sent: &Arc<AtomicU64>) -> Result<()> {
        let part = DbfsPath(format!("{}.{}.part", path.0, uuid::Uuid::new_v4().simple()));
        let uploaded = async {
            let retries = ConstantBuilder::new()
                .with_delay(Duration::ZERO)
                .with_max_times(MOST_RETRIES);
            let send = || self.dbfs_send_blocks(local, &part, sent);
            let mut attempt = 1;
            let told = |error: &DatabricksError, pause| {
                attempt += 1;
                tracing::warn!(
                    "the upload of {path} broke off ({error}); {}",
                    retrying(pause, attempt, MOST_ATTEMPTS)
                );
            };
            let expected = send.retry(retries).when(is_lost).notify(told).await?;
            let found = self.dbfs_status(&part).await?.map_or(0, |file| file.file_size);
            if found != expected {
                return Err(DatabricksError::Setup {
                    text: format!("{part} has {found} bytes after uploading {expected}"),
                    hint: "run the command again",
                });
            }
            self.dbfs_replace(&part, path).await
        };
        let uploaded = uploaded.await;
        if uploaded.is_err() {
            // A leftover does no harm, because nothing reads its name.
            let _ = self.dbfs_delete(&part, false).await;
        }
        uploaded
    }

    async fn dbfs_replace(&self, part: &DbfsPath, path: &DbfsPath) -> Result<()> {
        match self.dbfs_move(part, path).await {
            Err(error) if error.is_already_there() => {
                self.dbfs_delete(path, false).await?;
                self.dbfs_move(part, path).await
            }
            other => other,
        }
    }

    /// Sends all blocks and gives the file's length.
    async fn dbfs_send_blocks(&self, local: &Path, path: &DbfsPath, sent: &Arc<AtomicU64>) -> Result<u64> {
        let once = |path, body: &Value| Call {
            is_repeatable: false,
            ..Call::json(path, body)
        };
        let file = SentFile::open(local).map_err(unreadable(local))?;
        let body = json!({ "path": path.as_str(), "overwrite": true });
        let created: Value = self.post("/api/2.0/dbfs/create", &body).await?;
        let handle = &created["handle"];
        let mut offset = 0;
        while offset < file.length() {
            sent.store(offset, Ordering::Relaxed);
            let end = file.length().min(offset + BLOCK as u64);
            let block = file.read(offset..end).await.map_err(unreadable(local))?;
            let body = json!({ "handle": handle, "data": STANDARD.encode(&block) });
            let _: Value = self.value(once("/api/2.0/dbfs/add-block", &body)).await?;
            offset = end;
        }
        file.check().map_err(unreadable(local))?;
        sent.store(offset, Ordering::Relaxed);
        let body = json!({ "handle": handle });
        let _: Value = self.value(once("/api/2.0/dbfs/close", &body)).await?;
        Ok(offset)
    }

    /// Sends a request whose response is empty.
    pub(super) async fn done(&self, path: &str, body: &Value) -> Result<()> {
        let _: Value = self.post(path, body).await?;
        Ok(())
    }
}

/// Whether a block may be lost. Nothing tells whether it was added, so all blocks are sent again.
fn is_lost(error: &DatabricksError) -> bool {
    matches!(error, DatabricksError::Api(ApiError::NoAnswer { .. }))
        || error.status().is_some_and(|status| status >= 500)
        || error.code() == Some("RESOURCE_DOES_NOT_EXIST")
}

/// Whether only the direct path refused, and the API may succeed.
fn is_refusal_of_direct_path(error: &DatabricksError) -> bool {
    matches!(
        error.status(),
        Some(300..=399 | 400 | 403 | 404 | 405 | 411 | 413 | 415 | 501)
    )
}
