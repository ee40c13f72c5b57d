//! `MLFLOW_S3_UPLOAD_EXTRA_ARGS`, which is JSON with the names of Amazon's Python library.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use reqwest::header::{HeaderMap, HeaderName, HeaderValue};
use serde_json::Value;

use super::super::StoreError;
use crate::data::checksum::{Algorithm, Checksum};
use crate::env_vars;

const PAYER: &str = "x-amz-request-payer";
const OWNER: &str = "x-amz-expected-bucket-owner";
/// The headers with a key that only the customer has begin so.
const CUSTOMER_KEY: &str = "x-amz-server-side-encryption-customer-";

/// What a request is about.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum About {
    /// The names of objects, or the end of an upload.
    Names,
    /// An object's content, or a part of one.
    Content,
    /// An object that is made.
    NewObject,
}

/// The headers that requests get by this variable and by that with the bucket's owner.
#[derive(Debug, Default)]
pub(super) struct ExtraArguments {
    headers: HeaderMap,
    /// The owner that the bucket must have.
    owner: Option<HeaderValue>,
    /// Why nothing can be put.
    unsupported: Option<String>,
}

impl ExtraArguments {
    /// Reads the variables.
    ///
    /// # Errors
    /// A variable with what no header can carry, or with no JSON object.
    pub(super) fn read() -> Result<Self, StoreError> {
        let owner = env_vars::MLFLOW_S3_EXPECTED_BUCKET_OWNER;
        let mut all = Self::default();
        if let Some(text) = env_vars::non_empty(owner) {
            let value = text
                .parse()
                .map_err(|_| refused(owner, "its value is not valid".to_owned()))?;
            all.owner = Some(value);
        }
        let name = env_vars::MLFLOW_S3_UPLOAD_EXTRA_ARGS;
        let Some(text) = env_vars::non_empty(name) else {
            return Ok(all);
        };
        let arguments: serde_json::Map<String, Value> =
            serde_json::from_str(&text).map_err(|error| refused(name, error.to_string()))?;
        let key = arguments.get("SSECustomerKey").and_then(Value::as_str);
        let is_plain_key = !arguments.contains_key("SSECustomerKeyMD5");
        for (argument, value) in &arguments {
            all.add(argument, value).map_err(|reason| refused(name, reason))?;
        }
        // The service wants the key encoded and summed up, which Amazon's library does for its caller.
        if let Some(key) = key.filter(|_| is_plain_key) {
            let md5 = Checksum::of(Algorithm::Md5, key.as_bytes()).to_base64();
            for (last, value) in [("key", STANDARD.encode(key)), ("key-md5", md5)] {
                // Letters, digits and signs of this encoding.
                if let (Ok(name), Ok(mut value)) = (
                    HeaderName::try_from(format!("{CUSTOMER_KEY}{last}")),
                    HeaderValue::try_from(value),
                ) {
                    value.set_sensitive(true);
                    all.headers.insert(name, value);
                }
            }
        }
        Ok(all)
    }

    fn add(&mut self, argument: &str, value: &Value) -> Result<(), String> {
        let Some(header) = header_of(argument) else {
            match (argument, value) {
                ("Metadata", Value::Object(pairs)) => {
                    for (key, value) in pairs {
                        self.insert(&format!("x-amz-meta-{key}"), argument, value)?;
                    }
                }
                _ => self.unsupported = Some(format!("'{argument}' is not supported")),
            }
            return Ok(());
        };
        self.insert(header, argument, value)
    }

    fn insert(&mut self, header: &str, argument: &str, value: &Value) -> Result<(), String> {
        let name = HeaderName::try_from(header);
        let text = value.as_str().map(HeaderValue::try_from);
        let (Ok(name), Some(Ok(mut text))) = (name, text) else {
            return Err(format!(
                "the value of '{argument}' is not a text that a header can carry"
            ));
        };
        text.set_sensitive(header.starts_with(CUSTOMER_KEY));
        self.headers.insert(name, text);
        Ok(())
    }

    /// Adds the headers of a request. `is_put` says whether it belongs to an upload.
    ///
    /// # Errors
    /// An upload with arguments that are not supported.
    pub(super) fn apply(
        &self,
        about: About,
        is_put: bool,
        headers: &mut HeaderMap,
    ) -> Result<(), StoreError> {
        if let Some(reason) = self.unsupported.as_ref().filter(|_| is_put) {
            return Err(refused(env_vars::MLFLOW_S3_UPLOAD_EXTRA_ARGS, reason.clone()));
        }
        if let Some(owner) = &self.owner {
            headers.insert(OWNER, owner.clone());
        }
        for (name, value) in &self.headers {
            let counts = match name.as_str() {
                PAYER => true,
                OWNER => is_put,
                name if name.starts_with(CUSTOMER_KEY) => about != About::Names,
                _ => about == About::NewObject,
            };
            if counts {
                headers.insert(name, value.clone());
            }
        }
        Ok(())
    }
}

/// The header for an argument that is a text.
fn header_of(argument: &str) -> Option<&'static str> {
    Some(match argument {
        "ACL" => "x-amz-acl",
        "CacheControl" => "cache-control",
        "ContentDisposition" => "content-disposition",
        "ContentEncoding" => "content-encoding",
        "ContentLanguage" => "content-language",
        "ContentType" => "content-type",
        "ExpectedBucketOwner" => OWNER,
        "Expires" => "expires",
        "GrantFullControl" => "x-amz-grant-full-control",
        "GrantRead" => "x-amz-grant-read",
        "GrantReadACP" => "x-amz-grant-read-acp",
        "GrantWriteACP" => "x-amz-grant-write-acp",
        "ObjectLockLegalHoldStatus" => "x-amz-object-lock-legal-hold",
        "ObjectLockMode" => "x-amz-object-lock-mode",
        "ObjectLockRetainUntilDate" => "x-amz-object-lock-retain-until-date",
        "RequestPayer" => PAYER,
        "SSECustomerAlgorithm" => "x-amz-server-side-encryption-customer-algorithm",
        "SSECustomerKey" => "x-amz-server-side-encryption-customer-key",
        "SSECustomerKeyMD5" => "x-amz-server-side-encryption-customer-key-md5",
        "SSEKMSEncryptionContext" => "x-amz-server-side-encryption-context",
        "SSEKMSKeyId" => "x-amz-server-side-encryption-aws-kms-key-id",
        "ServerSideEncryption" => "x-amz-server-side-encryption",
        "StorageClass" => "x-amz-storage-class",
        "Tagging" => "x-amz-tagging",
        "WebsiteRedirectLocation" => "x-amz-website-redirect-location",
        _ => return None,
    })
}

fn refused(what: &str, reason: String) -> StoreError {
    StoreError::Settings {
        what: what.to_owned(),
        reason,
    }
}
