//! A file that is put to S3 by one request, and what is said about it.

use reqwest::Method;
use reqwest::header::HeaderMap;

use super::super::content_type;
use super::super::exchange::{Ask, Content};
use super::{S3, StoreError};
use crate::data::checksum::{Algorithm, Checksum};
use crate::env_vars;
use crate::http::SentFile;

/// Of the headers about an object this one belongs to every request.
const REQUEST_PAYER: &str = "x-amz-request-payer";

impl S3 {
    /// A request that makes an object, or begins to.
    pub(super) fn ask_to_put(&self, method: Method, key: &str, query: &str) -> Result<Ask, StoreError> {
        let mut ask = self.ask_about(method, key, query)?;
        ask = ask.header("content-type", content_type(key));
        ask.headers.extend(upload_headers()?);
        Ok(ask)
    }

    /// A request about an object that is being put.
    pub(super) fn ask_about(&self, method: Method, key: &str, query: &str) -> Result<Ask, StoreError> {
        let mut url = self.object_url(key)?;
        url.set_query(Some(query).filter(|query| !query.is_empty()));
        let mut ask = self.ask(method, url);
        if let Some(payer) = upload_headers()?.remove(REQUEST_PAYER) {
            ask.headers.insert(REQUEST_PAYER, payer);
        }
        Ok(ask)
    }

    pub(super) async fn put_at_once(&self, key: &str, file: &SentFile) -> Result<(), StoreError> {
        let bytes = file.read(0..file.length()).await;
        let bytes = bytes.map_err(StoreError::unreadable)?;
        let md5 = Checksum::of(Algorithm::Md5, &bytes);
        let mut ask = self
            .ask_to_put(Method::PUT, key, "")?
            .header("content-md5", &md5.to_base64());
        ask.content = Content::Bytes(bytes);
        ask.send(self).await.map(drop)
    }
}

/// `MLFLOW_S3_UPLOAD_EXTRA_ARGS`, which is JSON with the names of Amazon's Python library.
fn upload_headers() -> Result<HeaderMap, StoreError> {
    let mut headers = HeaderMap::new();
    let Some(text) = env_vars::non_empty(env_vars::MLFLOW_S3_UPLOAD_EXTRA_ARGS) else {
        return Ok(headers);
    };
    let refused = |reason: String| StoreError::Settings {
        what: env_vars::MLFLOW_S3_UPLOAD_EXTRA_ARGS.to_owned(),
        reason,
    };
    let arguments: serde_json::Map<String, serde_json::Value> =
        serde_json::from_str(&text).map_err(|error| refused(error.to_string()))?;
    for (name, value) in arguments {
        let header = match name.as_str() {
            "ACL" => "x-amz-acl",
            "CacheControl" => "cache-control",
            "ContentType" => "content-type",
            "GrantFullControl" => "x-amz-grant-full-control",
            "GrantRead" => "x-amz-grant-read",
            "GrantReadACP" => "x-amz-grant-read-acp",
            "GrantWriteACP" => "x-amz-grant-write-acp",
            "RequestPayer" => REQUEST_PAYER,
            "SSEKMSEncryptionContext" => "x-amz-server-side-encryption-context",
            "SSEKMSKeyId" => "x-amz-server-side-encryption-aws-kms-key-id",
            "ServerSideEncryption" => "x-amz-server-side-encryption",
            "StorageClass" => "x-amz-storage-class",
            "Tagging" => "x-amz-tagging",
            _ => return Err(refused(format!("'{name}' is not supported"))),
        };
        let value = value.as_str().and_then(|value| value.parse().ok());
        headers.insert(
            header,
            value.ok_or_else(|| refused(format!("the value of '{name}' is no text")))?,
        );
    }
    Ok(headers)
}
