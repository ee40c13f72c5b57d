//! `MLFLOW_S3_UPLOAD_EXTRA_ARGS`: JSON with the argument names of Amazon's Python library.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use reqwest::header::{HeaderMap, HeaderName, HeaderValue};
use reqwest::{Method, Url};
use serde_json::{Map, Value};

use crate::artifact::checksum::{Algorithm, Checksum};
use crate::artifact::error::{RepositoryError, Result};
use crate::env_vars;

/// The kinds of S3 requests.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Operation {
    List,
    Describe,
    Read,
    Put,
    Begin,
    Part,
    Complete,
    Abort,
}

impl Operation {
    pub(super) fn of(method: &Method, url: &Url) -> Self {
        let query = url.query().unwrap_or_default();
        match *method {
            Method::HEAD => Self::Describe,
            Method::DELETE => Self::Abort,
            Method::POST if query.starts_with("uploadId=") => Self::Complete,
            Method::POST => Self::Begin,
            Method::PUT if query.starts_with("partNumber=") => Self::Part,
            Method::PUT => Self::Put,
            _ if query.starts_with("list-type=") => Self::List,
            _ => Self::Read,
        }
    }
}

const PAYER: &str = "x-amz-request-payer";
const OWNER: &str = "x-amz-expected-bucket-owner";
/// The prefix of headers with a customer-provided key.
const CUSTOMER_KEY: &str = "x-amz-server-side-encryption-customer-";

/// The headers from this variable, and from the variable with the bucket's owner.
#[derive(Default)]
pub(super) struct ExtraArguments {
    headers: HeaderMap,
    owner: Option<HeaderValue>,
    /// An unsupported argument, which prevents uploads.
    unsupported: Option<String>,
}

impl ExtraArguments {
    /// Reads the variables.
    pub(super) fn read() -> Result<Self> {
        let mut all = Self::default();
        let owner = env_vars::MLFLOW_S3_EXPECTED_BUCKET_OWNER;
        if let Some(text) = env_vars::non_empty(owner) {
            let value = text.parse();
            all.owner = Some(value.map_err(|_| RepositoryError::settings(owner, "its value is not valid"))?);
        }
        let name = env_vars::MLFLOW_S3_UPLOAD_EXTRA_ARGS;
        let Some(text) = env_vars::non_empty(name) else {
            return Ok(all);
        };
        let mut arguments: Map<String, Value> =
            serde_json::from_str(&text).map_err(|error| RepositoryError::settings(name, error))?;
        // The service requires the encoded key and its MD5, which Amazon's library adds for its caller.
        if let Some(Value::String(key)) = arguments.get("SSECustomerKey")
            && !arguments.contains_key("SSECustomerKeyMD5")
        {
            let md5 = Checksum::of(Algorithm::Md5, key.as_bytes()).to_base64();
            let key = STANDARD.encode(key);
            arguments.insert("SSECustomerKey".to_owned(), key.into());
            arguments.insert("SSECustomerKeyMD5".to_owned(), md5.into());
        }
        for (argument, value) in &arguments {
            let added = match (header_of(argument), value) {
                (Some(header), value) => all.insert(header, argument, value),
                (None, Value::Object(pairs)) if argument == "Metadata" => {
                    let mut pairs = pairs
                        .iter()
                        .map(|(key, value)| (format!("x-amz-meta-{key}"), value));
                    pairs.try_for_each(|(header, value)| all.insert(&header, argument, value))
                }
                (None, _) => {
                    all.unsupported = Some(argument.clone());
                    Ok(())
                }
            };
            added.map_err(|reason| RepositoryError::settings(name, reason))?;
        }
        Ok(all)
    }

    fn insert(&mut self, header: &str, argument: &str, value: &Value) -> Result<(), String> {
        let name = HeaderName::try_from(header);
        let text = value.as_str().map(HeaderValue::try_from);
        let (Ok(name), Some(Ok(mut text))) = (name, text) else {
            return Err(format!(
                "the value of '{argument}' is not text that is valid in a header"
            ));
        };
        text.set_sensitive(header.starts_with(CUSTOMER_KEY));
        self.headers.insert(name, text);
        Ok(())
    }

    /// Adds the headers of a request.
    pub(super) fn apply(&self, kind: Operation, headers: &mut HeaderMap) -> Result<()> {
        let is_put = !matches!(kind, Operation::List | Operation::Describe | Operation::Read);
        if let Some(argument) = self.unsupported.as_ref().filter(|_| is_put) {
            let name = env_vars::MLFLOW_S3_UPLOAD_EXTRA_ARGS;
            let reason = format!("'{argument}' is not supported");
            return Err(RepositoryError::settings(name, reason));
        }
        if let Some(owner) = &self.owner {
            headers.insert(OWNER, owner.clone());
        }
        for (name, value) in &self.headers {
            let counts = match name.as_str() {
                PAYER => true,
                OWNER => is_put,
                name if name.starts_with(CUSTOMER_KEY) => !matches!(kind, Operation::List | Operation::Abort),
                _ => matches!(kind, Operation::Put | Operation::Begin),
            };
            if counts {
                headers.insert(name, value.clone());
            }
        }
        Ok(())
    }
}

/// The header for a text argument.
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
