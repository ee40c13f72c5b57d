//! Credentials, and the signatures that are made with them.

use std::fmt;

use openssl::sha::sha256;
use percent_encoding::{percent_decode_str, percent_encode, utf8_percent_encode};
use reqsign::aws::{Credential, RequestSigner};
use reqsign::{Context, SignRequest as _, SigningCredential as _};
use reqwest::header::{HOST, HeaderMap, HeaderName, HeaderValue};
use reqwest::{Method, Url};

use super::UNRESERVED_PATH;
use super::error::AwsError;

/// The header with the hash of what a request brings.
const CONTENT_HASH: HeaderName = HeaderName::from_static("x-amz-content-sha256");

/// The keys that requests are signed with.
#[derive(Clone)]
pub struct Credentials {
    pub(super) keys: Credential,
    /// Where they come from, for a person.
    pub source: String,
}

/// A request's body, as far as the signature is concerned.
#[derive(Debug, Clone, Copy)]
pub enum Payload<'a> {
    /// These bytes.
    Bytes(&'a [u8]),
    /// The bytes that have this SHA-256.
    Sha256(&'a [u8; 32]),
    /// It is not signed; S3 takes that.
    Unsigned,
}

impl Credentials {
    /// Whether they can be used for a while.
    pub(super) fn are_fresh(&self) -> bool {
        self.keys.is_valid()
    }

    /// Adds the headers that make the request a signed one by Signature Version 4, for a service such as
    /// `s3`. All headers that are there are signed, and must not change any more.
    ///
    /// # Errors
    /// Credentials that no header can carry, or that have expired.
    pub async fn sign(
        &self,
        (service, region): (&str, &str),
        method: &Method,
        url: &Url,
        headers: &mut HeaderMap,
        payload: Payload<'_>,
    ) -> Result<(), AwsError> {
        let refused = |reason: String| AwsError::Unsignable {
            source_name: self.source.clone(),
            reason,
        };
        let url = match service {
            "s3" => url.clone(),
            _ => with_path_encoded_twice(url),
        };
        let request = http::Request::builder().method(method).uri(url.as_str());
        let request = request.body(()).map_err(|error| refused(error.to_string()))?;
        let (mut parts, ()) = request.into_parts();
        parts.headers.clone_from(headers);
        let hash = match payload {
            Payload::Bytes(bytes) => hex(&sha256(bytes)),
            Payload::Sha256(hash) => hex(hash),
            Payload::Unsigned => "UNSIGNED-PAYLOAD".to_owned(),
        };
        // Digits and letters.
        if let Ok(hash) = HeaderValue::from_str(&hash) {
            parts.headers.insert(CONTENT_HASH, hash);
        }
        RequestSigner::new(service, region)
            .sign_request(&Context::new(), &mut parts, Some(&self.keys), None)
            .await
            .map_err(|error| refused(error.to_string()))?;
        // The client adds it by itself.
        parts.headers.remove(HOST);
        *headers = parts.headers;
        Ok(())
    }
}

impl fmt::Debug for Credentials {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Credentials")
            .field("source", &self.source)
            .finish_non_exhaustive()
    }
}

/// The address as the signer must see it for all services but S3, which sign the encoded path in an
/// encoded form. The signer itself decodes a path once.
fn with_path_encoded_twice(url: &Url) -> Url {
    let decoded: Vec<u8> = percent_decode_str(url.path()).collect();
    let once = percent_encode(&decoded, UNRESERVED_PATH).to_string();
    let mut url = url.clone();
    url.set_path(&utf8_percent_encode(&once, UNRESERVED_PATH).to_string());
    url
}

/// The bytes in lower-case hexadecimal digits.
fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}
