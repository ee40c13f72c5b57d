//! Signature Version 4, as the pages on "AWS Signature Version 4 for API requests" describe it.

use std::time::SystemTime;

use openssl::error::ErrorStack;
use openssl::hash::MessageDigest;
use openssl::pkey::PKey;
use openssl::sha::sha256;
use openssl::sign::Signer;
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, percent_decode_str, utf8_percent_encode};
use reqwest::header::{AUTHORIZATION, HOST, HeaderMap, HeaderName, HeaderValue};
use reqwest::{Method, Url};

use super::Credentials;
use crate::utc::Utc;

const ALGORITHM: &str = "AWS4-HMAC-SHA256";

/// What stays as it is in a signed request: the unreserved characters of RFC 3986.
pub(crate) const UNRESERVED: &AsciiSet = &NON_ALPHANUMERIC
    .remove(b'-')
    .remove(b'.')
    .remove(b'_')
    .remove(b'~');

/// As [`UNRESERVED`], and the slash that stands between the parts of a path.
pub(crate) const UNRESERVED_PATH: &AsciiSet = &UNRESERVED.remove(b'/');

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

/// Who signs, and for what.
#[derive(Debug, Clone, Copy)]
pub struct Signing<'a> {
    /// The keys.
    pub credentials: &'a Credentials,
    /// Such as `us-east-1`.
    pub region: &'a str,
    /// The service's name in signatures, such as `s3` or `execute-api`.
    pub service: &'a str,
    /// The time of the request.
    pub time: SystemTime,
}

/// A request that cannot be signed.
#[derive(Debug, thiserror::Error)]
pub enum SignError {
    /// A part of the credentials cannot stand in a header.
    #[error("the credentials from {source_name} hold characters that no HTTP header can carry")]
    Unsendable {
        /// Where they come from.
        source_name: String,
    },
    /// OpenSSL cannot do it.
    #[error("cannot sign a request")]
    OpenSsl(#[from] ErrorStack),
}

impl Signing<'_> {
    /// Adds the headers that make the request a signed one. All headers that are there are signed, and
    /// must not change any more.
    ///
    /// # Errors
    /// Credentials that no header can carry.
    pub fn sign(
        &self,
        method: &Method,
        url: &Url,
        headers: &mut HeaderMap,
        payload: Payload<'_>,
    ) -> Result<(), SignError> {
        let utc = Utc::of(self.time);
        let hash = match payload {
            Payload::Bytes(bytes) => hex(&sha256(bytes)),
            Payload::Sha256(hash) => hex(hash),
            Payload::Unsigned => "UNSIGNED-PAYLOAD".to_owned(),
        };
        headers.insert(HeaderName::from_static("x-amz-date"), self.value(&utc.basic())?);
        if self.is_s3() {
            headers.insert(
                HeaderName::from_static("x-amz-content-sha256"),
                self.value(&hash)?,
            );
        }
        if let Some(token) = &self.credentials.session_token {
            let mut token = self.value(token.expose())?;
            token.set_sensitive(true);
            headers.insert(HeaderName::from_static("x-amz-security-token"), token);
        }
        let (canonical_headers, signed_headers) = canonical_headers(url, headers);
        let canonical = format!(
            "{method}\n{}\n{}\n{canonical_headers}\n{signed_headers}\n{hash}",
            self.canonical_path(url),
            canonical_query(url),
        );
        let scope = format!(
            "{}/{}/{}/aws4_request",
            utc.basic_date(),
            self.region,
            self.service
        );
        let to_sign = format!(
            "{ALGORITHM}\n{}\n{scope}\n{}",
            utc.basic(),
            hex(&sha256(canonical.as_bytes()))
        );
        let mut key = format!("AWS4{}", self.credentials.secret_access_key.expose()).into_bytes();
        for part in [&utc.basic_date(), self.region, self.service, "aws4_request"] {
            key = hmac_sha256(&key, part.as_bytes())?;
        }
        let signature = hex(&hmac_sha256(&key, to_sign.as_bytes())?);
        let mut authorization = self.value(&format!(
            "{ALGORITHM} Credential={}/{scope}, SignedHeaders={signed_headers}, Signature={signature}",
            self.credentials.access_key_id
        ))?;
        authorization.set_sensitive(true);
        headers.insert(AUTHORIZATION, authorization);
        Ok(())
    }

    fn is_s3(&self) -> bool {
        self.service == "s3"
    }

    /// The path with every part encoded once for S3, and twice for all others.
    fn canonical_path(&self, url: &Url) -> String {
        let decoded = percent_decode_str(url.path()).collect::<Vec<u8>>();
        let once = percent_encoding::percent_encode(&decoded, UNRESERVED_PATH).to_string();
        if self.is_s3() {
            return once;
        }
        utf8_percent_encode(&once, UNRESERVED_PATH).to_string()
    }

    fn value(&self, text: &str) -> Result<HeaderValue, SignError> {
        HeaderValue::from_str(text).map_err(|_| SignError::Unsendable {
            source_name: self.credentials.source.clone(),
        })
    }
}

/// The headers in the form in which they are signed, and their names.
fn canonical_headers(url: &Url, headers: &HeaderMap) -> (String, String) {
    let mut lines: Vec<(String, String)> = headers
        .keys()
        .filter(|name| *name != AUTHORIZATION)
        .map(|name| {
            let values = headers.get_all(name).iter();
            let values: Vec<String> = values
                .map(|value| {
                    let text = String::from_utf8_lossy(value.as_bytes());
                    text.split_whitespace().collect::<Vec<_>>().join(" ")
                })
                .collect();
            (name.as_str().to_owned(), values.join(","))
        })
        .collect();
    if !headers.contains_key(HOST) {
        let host = url.host_str().unwrap_or_default();
        let port = url.port().map_or_else(String::new, |port| format!(":{port}"));
        lines.push(("host".to_owned(), format!("{host}{port}")));
    }
    lines.sort();
    let names: Vec<&str> = lines.iter().map(|(name, _)| name.as_str()).collect();
    let names = names.join(";");
    let text = lines.iter().map(|(name, value)| format!("{name}:{value}\n"));
    (text.collect(), names)
}

fn canonical_query(url: &Url) -> String {
    let encoded = |text: &str| {
        // A query is no form: its plus signs are plus signs.
        let decoded = percent_decode_str(text).collect::<Vec<u8>>();
        percent_encoding::percent_encode(&decoded, UNRESERVED).to_string()
    };
    let query = url.query().unwrap_or_default();
    let mut pairs: Vec<(String, String)> = query
        .split('&')
        .filter(|pair| !pair.is_empty())
        .map(|pair| {
            let (name, value) = pair.split_once('=').unwrap_or((pair, ""));
            (encoded(name), encoded(value))
        })
        .collect();
    pairs.sort();
    let pairs: Vec<String> = pairs
        .iter()
        .map(|(name, value)| format!("{name}={value}"))
        .collect();
    pairs.join("&")
}

/// The keyed hash of `bytes`.
fn hmac_sha256(key: &[u8], bytes: &[u8]) -> Result<Vec<u8>, ErrorStack> {
    let key = PKey::hmac(key)?;
    let mut signer = Signer::new(MessageDigest::sha256(), &key)?;
    signer.update(bytes)?;
    signer.sign_to_vec()
}

/// The bytes in lower-case hexadecimal digits.
pub(super) fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

#[cfg(test)]
mod tests {
    use std::time::{Duration, UNIX_EPOCH};

    use super::*;
    use crate::redact::Secret;

    /// The credentials of Amazon's own examples.
    fn example(token: Option<&str>) -> Credentials {
        Credentials {
            access_key_id: "AKIAIOSFODNN7EXAMPLE".to_owned(),
            secret_access_key: Secret::new("wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY"),
            session_token: token.map(Secret::new),
            expires: None,
            source: "a test".to_owned(),
        }
    }

    fn signed(service: &str, url: &str, headers: &[(&'static str, &'static str)]) -> String {
        let credentials = example(None);
        let signing = Signing {
            credentials: &credentials,
            region: "us-east-1",
            service,
            time: UNIX_EPOCH + Duration::from_secs(1_369_353_600),
        };
        let mut all = HeaderMap::new();
        for (name, value) in headers {
            all.insert(*name, HeaderValue::from_static(value));
        }
        let url = Url::parse(url).unwrap();
        signing
            .sign(&Method::GET, &url, &mut all, Payload::Bytes(b""))
            .unwrap();
        all[AUTHORIZATION].to_str().unwrap().to_owned()
    }

    /// The examples of Amazon's page "Signature Calculations for the Authorization Header" for S3.
    #[test]
    fn requests_are_signed_as_amazon_s_examples_are() {
        let authorization = signed(
            "s3",
            "https://examplebucket.s3.amazonaws.com/test.txt",
            &[("range", "bytes=0-9")],
        );
        assert_eq!(
            authorization,
            "AWS4-HMAC-SHA256 Credential=AKIAIOSFODNN7EXAMPLE/20130524/us-east-1/s3/aws4_request, \
             SignedHeaders=host;range;x-amz-content-sha256;x-amz-date, \
             Signature=f0e8bdb87c964420e857bd35b5d6ed310bd44f0170aba48dd91039c6036bdb41"
        );
        for (url, signature) in [
            (
                "https://examplebucket.s3.amazonaws.com/?lifecycle",
                "fea454ca298b7da1c68078a5d1bdbfbbe0d65c699e0f91ac7a200a0136783543",
            ),
            (
                "https://examplebucket.s3.amazonaws.com/?prefix=J&max-keys=2",
                "34b48302e7b5fa45bde8084f4b7868a86f0a534bc59db6670ed5711ef69dc6f7",
            ),
        ] {
            let authorization = signed("s3", url, &[]);
            assert!(authorization.ends_with(signature), "{authorization}");
        }
    }

    #[test]
    fn only_s3_encodes_a_path_once() {
        let credentials = example(None);
        let url = Url::parse("https://host/a%20b/ü+(1)").unwrap();
        for (service, expected) in [
            ("s3", "/a%20b/%C3%BC%2B%281%29"),
            ("execute-api", "/a%2520b/%25C3%25BC%252B%25281%2529"),
        ] {
            let signing = Signing {
                credentials: &credentials,
                region: "us-east-1",
                service,
                time: UNIX_EPOCH,
            };
            assert_eq!(signing.canonical_path(&url), expected);
        }
        let url = Url::parse("https://host/?b=1+1&a=%2f&a=&c").unwrap();
        assert_eq!(canonical_query(&url), "a=&a=%2F&b=1%2B1&c=");
    }

    #[test]
    fn a_token_is_signed_and_never_shown() {
        let credentials = example(Some("geheim"));
        let signing = Signing {
            credentials: &credentials,
            region: "us-east-1",
            service: "sts",
            time: UNIX_EPOCH,
        };
        let mut headers = HeaderMap::new();
        let url = Url::parse("https://sts.amazonaws.com/").unwrap();
        signing
            .sign(&Method::POST, &url, &mut headers, Payload::Bytes(b"x"))
            .unwrap();
        assert_eq!(headers["x-amz-security-token"], "geheim");
        let authorization = headers[AUTHORIZATION].to_str().unwrap();
        assert!(authorization.contains("SignedHeaders=host;x-amz-date;x-amz-security-token,"));
        let shown = format!("{headers:?} {credentials:?}");
        assert!(
            !shown.contains("geheim") && !shown.contains("wJalrXUtnFEMI"),
            "{shown}"
        );
    }
}
