//! Files in volumes of Unity Catalog. Source: the reference of the Files API 2.0.

use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::AtomicU64;

use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};
use reqwest::Method;
use reqwest::header::CONTENT_LENGTH;

use super::client::Client;
use super::error::{DatabricksError, found};
use crate::http::Call;

/// What stays as it is in a path.
const PLAIN: &AsciiSet = &NON_ALPHANUMERIC
    .remove(b'/')
    .remove(b'_')
    .remove(b'.')
    .remove(b'-')
    .remove(b'~');

/// A path as it stands in a URL.
pub(super) fn encode(path: &str) -> String {
    utf8_percent_encode(path, PLAIN).to_string()
}

impl Client {
    /// The size of a file in a volume; `None` where there is none. `path` is absolute:
    /// `/Volumes/catalog/schema/volume/file`.
    pub(crate) async fn volume_file_size(&self, path: &str) -> Result<Option<u64>, DatabricksError> {
        let endpoint = format!("/api/2.0/fs/files{}", encode(path));
        let answer = found(self.api.call(Call::new(Method::HEAD, &endpoint)).await)?;
        Ok(answer.map(|answer| {
            let length = answer.header(CONTENT_LENGTH).map(str::parse);
            length.and_then(Result::ok).unwrap_or_default()
        }))
    }

    /// Makes a directory in a volume and those above it, where they are not there.
    pub(crate) async fn volume_mkdirs(&self, path: &str) -> Result<(), DatabricksError> {
        let endpoint = format!("/api/2.0/fs/directories{}", encode(path));
        let made = self.api.call(Call::new(Method::PUT, &endpoint));
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
        let sending = self.send_file(local, Default::default(), sent, call);
        sending.await.map(|_| ())
    }
}
