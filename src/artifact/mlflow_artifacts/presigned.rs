//! Artifacts of a tracking server with signed addresses only (`--artifacts-presigned-only`, from MLflow 3.18): it
//! signs addresses in its storage, and clients use the storage directly.
//!
//! A signed address is a credential. Messages contain only its host, and the storage does not get the credentials for
//! the tracking server.

use std::ops::Range;
use std::sync::atomic::{AtomicBool, Ordering};

use reqwest::Method;
use serde::Deserialize;
use serde_json::{Value, json};

use crate::artifact::error::{RepositoryError, Result, STORAGE};
use crate::artifact::http_request::{HttpRequest, tried};
use crate::artifact::mlflow_artifacts::signed_storage::{NAME, Signed};
use crate::artifact::mlflow_artifacts::{Artifacts, FileInfo, body, ranged};
use crate::artifact::repository::{Body, Object, locked, part_size};
use crate::http::{Content, SentFile};

/// No kind of storage accepts more parts.
const MOST_PARTS: u64 = 10_000;

#[derive(Deserialize)]
struct CreateMultipartUploadResponse {
    upload_id: Option<String>,
    credentials: Vec<Signed>,
}

impl Artifacts {
    /// Starts to read an artifact from the storage.
    pub(super) async fn open_presigned(&self, object: &Object, range: Option<&Range<u64>>) -> Result<Body> {
        let url = self.service_url("presigned", &object.key)?;
        let signed = self
            .request(Method::GET, url)
            .json::<Signed>(self, "not a signed address");
        let signed = signed.await?;
        let request = ranged(signed.request(Method::GET)?, object, range, "if-match");
        body(STORAGE, self.presigned.send(request).await?, signed.file_size)
    }

    /// Uploads a file to this full path in the storage. It appears when all its parts are uploaded.
    pub(super) async fn put_presigned(&self, path: &str, file: &SentFile) -> Result<()> {
        let (directory, name) = path.rsplit_once('/').unwrap_or(("", path));
        let size = part_size(file.length(), MOST_PARTS);
        // An empty file has one part too.
        let count = file.length().div_ceil(size).max(1);
        let begin = self.upload_request("create", directory, &json!({ "path": name, "num_parts": count }))?;
        let begun: CreateMultipartUploadResponse = begin.json(self, "not signed addresses").await?;
        let mut upload = json!({ "path": name });
        if let Some(id) = begun.upload_id {
            upload["upload_id"] = id.into();
        }
        *locked(&self.presigned.unfinished) = Some((directory.to_owned(), upload.clone()));
        let mut signed = begun.credentials;
        signed.sort_by_key(|signed| signed.part_number);
        if signed.len() as u64 != count {
            let reason = format!("{} signed addresses instead of {count}", signed.len());
            return Err(RepositoryError::strange(NAME, reason));
        }
        upload["parts"] = self.presigned.send_parts(signed, file, size).await?.into();
        // Until now the file is not visible.
        file.check().map_err(RepositoryError::unreadable)?;
        let complete = &self.upload_request("complete", directory, &upload)?;
        let was_unclear = &AtomicBool::new(false);
        tried(|| async move {
            match complete.text_once(self).await {
                // An earlier attempt may have succeeded, with a lost response.
                Err(_)
                    if was_unclear.swap(true, Ordering::Relaxed)
                        && self.is_there(directory, name, file.length()).await =>
                {
                    Ok(())
                }
                completed => completed.map(drop),
            }
        })
        .await?;
        *locked(&self.presigned.unfinished) = None;
        Ok(())
    }

    /// Whether the directory has a file of this name and length.
    async fn is_there(&self, directory: &str, name: &str, length: u64) -> bool {
        let entries = self.entries(directory).await.unwrap_or_default();
        let is_it = |entry: &FileInfo| !entry.is_dir && entry.path == name && entry.file_size == Some(length);
        entries.iter().any(is_it)
    }

    fn upload_request(&self, what: &str, directory: &str, about: &Value) -> Result<HttpRequest> {
        let url = self.service_url(&format!("mpu/{what}"), directory)?;
        let request = self.request(Method::POST, url);
        let request = request.header("content-type", "application/json");
        Ok(request.with(Content::bytes(about.to_string())))
    }

    /// Removes the parts of an incomplete upload.
    pub(super) async fn abort_unfinished(&self) -> Result<()> {
        let Some((directory, upload)) = locked(&self.presigned.unfinished).take() else {
            return Ok(());
        };
        let abort = self.upload_request("abort", &directory, &upload)?;
        abort.send(self).await.map(drop)
    }
}
