//! What is said about a file that is put to S3.

use reqwest::header::HeaderMap;

use super::StoreError;
use crate::env_vars;

/// `MLFLOW_S3_UPLOAD_EXTRA_ARGS`, which is JSON with the names of Amazon's Python library.
pub(super) fn upload_headers() -> Result<HeaderMap, StoreError> {
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
            "RequestPayer" => "x-amz-request-payer",
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
