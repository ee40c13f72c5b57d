//! Credentials and signatures.

use std::fmt::Display;
use std::time::{Duration, SystemTime};

use percent_encoding::{percent_decode_str, percent_encode};
use reqsign::aws::{Credential, RequestSigner};
use reqsign::hash::{hex_hmac_sha256, hex_sha256, hmac_sha256};
use reqsign::time::Timestamp;
use reqsign::{Context, SignRequest as _};
use reqwest::header::{HOST, HeaderMap, HeaderName, HeaderValue};
use reqwest::{Method, Request, Url};

use super::{AwsError, Result};
use crate::http::signing::head_of;
use crate::python_paths::{UNRESERVED_PATH, quote, quote_part};
use crate::redact::Secret;

/// Credentials that expire within this time are replaced.
const SPARE_TIME: Duration = Duration::from_secs(120);

/// The keys for signing requests.
#[derive(Clone)]
pub struct Credentials {
    /// The key's public half.
    pub access_key_id: String,
    /// The key's secret half.
    pub secret_access_key: Secret,
    /// The session token of temporary keys.
    pub session_token: Option<Secret>,
    /// When they expire.
    pub expires: Option<SystemTime>,
    /// Where they were found, for messages.
    pub source: String,
}

/// A request's body, as the signature sees it.
pub enum Payload<'a> {
    /// These bytes.
    Bytes(&'a [u8]),
    /// Bytes with this SHA-256.
    Sha256(&'a [u8; 32]),
    /// Not signed; S3 accepts that.
    Unsigned,
}

/// The parameters of a signature.
pub struct Signing<'a> {
    /// The keys.
    pub credentials: &'a Credentials,
    /// Such as `us-east-1`.
    pub region: &'a str,
    /// The service's name in signatures, such as `execute-api`.
    pub service: &'a str,
    /// The time of the request.
    pub time: SystemTime,
}

impl Payload<'_> {
    fn hash(self) -> String {
        match self {
            Self::Bytes(bytes) => hex_sha256(bytes),
            Self::Sha256(hash) => hex::encode(hash),
            Self::Unsigned => "UNSIGNED-PAYLOAD".to_owned(),
        }
    }
}

impl Credentials {
    pub(super) fn found(keys: Credential, source: String) -> Self {
        Self {
            access_key_id: keys.access_key_id,
            secret_access_key: Secret::new(keys.secret_access_key),
            session_token: keys.session_token.map(Secret::new),
            expires: keys.expires_in.map(Timestamp::as_system_time),
            source,
        }
    }

    /// Whether they do not expire soon.
    pub(super) fn are_fresh(&self) -> bool {
        self.expires
            .is_none_or(|expires| expires > SystemTime::now() + SPARE_TIME)
    }

    /// Signs a request to S3 or the token service. All its headers are signed, so they must not change afterwards.
    pub(crate) async fn sign(
        &self,
        (service, region): (&str, &str),
        request: &mut Request,
        payload: Payload<'_>,
    ) -> Result<()> {
        let mut head = head_of(request).map_err(|error| self.refused(error))?;
        let hash = self.value(&payload.hash())?;
        head.headers.insert("x-amz-content-sha256", hash);
        let keys = Credential {
            access_key_id: self.access_key_id.clone(),
            secret_access_key: self.secret_access_key.expose().to_owned(),
            session_token: self.session_token.as_ref().map(|token| token.expose().to_owned()),
            // They are fresh.
            expires_in: None,
        };
        RequestSigner::new(service, region)
            .sign_request(&Context::new(), &mut head, Some(&keys), None)
            .await
            .map_err(|error| self.refused(error))?;
        // The client adds it.
        head.headers.remove(HOST);
        *request.headers_mut() = head.headers;
        Ok(())
    }

    fn value(&self, text: &str) -> Result<HeaderValue> {
        HeaderValue::from_str(text).map_err(|error| self.refused(error))
    }

    fn refused(&self, reason: impl Display) -> AwsError {
        let source = &self.source;
        AwsError::new(format!(
            "cannot sign a request with the credentials from {source}: {reason}"
        ))
    }
}

impl Signing<'_> {
    /// Gives the signature headers for a request to a gateway. As in MLflow's client, only the host, the time and the
    /// session token are signed, because proxies may change other headers. The library would sign one more.
    pub fn sign(
        &self,
        method: &Method,
        url: &Url,
        headers: &mut HeaderMap,
        payload: Payload<'_>,
    ) -> Result<()> {
        let credentials = self.credentials;
        let time = jiff::Timestamp::try_from(self.time).map_err(|error| credentials.refused(error))?;
        let time = time.strftime("%Y%m%dT%H%M%SZ").to_string();
        let host = url.authority().rsplit('@').next().unwrap_or_default();
        let mut signed = vec![("host", host), ("x-amz-date", &time)];
        if let Some(token) = &credentials.session_token {
            signed.push(("x-amz-security-token", token.expose()));
        }
        let names = Vec::from_iter(signed.iter().map(|(name, _)| *name)).join(";");
        let lines = signed.iter().map(|(name, value)| format!("{name}:{value}\n"));
        let lines = String::from_iter(lines);
        let canonical = format!(
            "{method}\n{}\n{}\n{lines}\n{names}\n{}",
            canonical_path(url),
            canonical_query(url),
            payload.hash()
        );
        let scope = format!("{}/{}/{}/aws4_request", &time[..8], self.region, self.service);
        let to_sign = format!(
            "AWS4-HMAC-SHA256\n{time}\n{scope}\n{}",
            hex_sha256(canonical.as_bytes())
        );
        let secret = format!("AWS4{}", credentials.secret_access_key.expose());
        let key = scope.split('/').fold(secret.into_bytes(), |key, part| {
            hmac_sha256(&key, part.as_bytes())
        });
        let signature = hex_hmac_sha256(&key, to_sign.as_bytes());
        let authorization = format!(
            "AWS4-HMAC-SHA256 Credential={}/{scope}, SignedHeaders={names}, Signature={signature}",
            credentials.access_key_id
        );
        signed.push(("authorization", &authorization));
        for (name, text) in &signed[1..] {
            let mut value = credentials.value(text)?;
            value.set_sensitive(*name != "x-amz-date");
            headers.insert(HeaderName::from_static(name), value);
        }
        Ok(())
    }
}

/// The path with every part encoded twice, as all services except S3 sign it.
fn canonical_path(url: &Url) -> String {
    let decoded: Vec<u8> = percent_decode_str(url.path()).collect();
    let once = percent_encode(&decoded, UNRESERVED_PATH).to_string();
    quote(&once).to_string()
}

/// The canonical query. A `+` in it counts as a space, so callers must not use one.
fn canonical_query(url: &Url) -> String {
    let pairs = url.query_pairs();
    let pairs = pairs.map(|(name, value)| format!("{}={}", quote_part(&name), quote_part(&value)));
    let mut pairs = Vec::from_iter(pairs);
    pairs.sort();
    pairs.join("&")
}
