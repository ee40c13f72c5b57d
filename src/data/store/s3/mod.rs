//! `s3://`: Amazon's S3, and what speaks its language.

mod answer;
mod multipart;
mod service;
mod upload;

use std::fmt;
use std::ops::Range;
use std::path::Path;
use std::sync::{Mutex, PoisonError};

use async_trait::async_trait;
use percent_encoding::utf8_percent_encode;
use reqwest::header::HeaderMap;
use reqwest::redirect::Policy;
use reqwest::{Client, Method, StatusCode, Url};

use self::answer::{ListAnswer, checksum, md5_of_tag, url_decoded};
use self::multipart::Unfinished;
pub(super) use self::service::refusal_of_storage;
use super::exchange::{Ask, start_of, text};
use super::list::{directory_prefix, path_below};
use super::parts::PART;
use super::{Body, Found, Listing, Object, Source, Store, StoreError, open_file};
use crate::aws::{AwsSettings, CredentialsProvider, UNRESERVED, UNRESERVED_PATH};
use crate::env_vars;
use crate::http::{self, Verification};

const NAME: &str = "S3";

/// A bucket's object, or the beginning of the names of many.
pub(in crate::data) struct S3 {
    client: Client,
    /// Nothing where requests shall not be signed.
    provider: Option<CredentialsProvider>,
    /// Why requests go without credentials.
    without: Mutex<Option<String>>,
    /// Learned from the first refusal where the bucket is elsewhere.
    region: Mutex<String>,
    endpoint: Endpoint,
    bucket: String,
    key: String,
    /// Headers of every request.
    headers: HeaderMap,
    /// Uploads in parts that have begun and not ended.
    unfinished: Mutex<Vec<Unfinished>>,
}

/// Where the service is.
enum Endpoint {
    /// Amazon's own, of the region; the bucket is a part of the host or of the path.
    Amazon { is_virtual: bool },
    /// Another one.
    Other { url: Url, is_virtual: bool },
}

impl fmt::Debug for S3 {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "S3({}/{})", self.bucket, self.key)
    }
}

impl S3 {
    /// The place with what the environment says of the service. Nothing is sent.
    pub(in crate::data) fn new(bucket: &str, key: &str) -> Result<Self, StoreError> {
        let variable = &env_vars::non_empty;
        let settings = AwsSettings::read(variable)?;
        let style = variable(env_vars::MLFLOW_BOTO_CLIENT_ADDRESSING_STYLE)
            .or_else(|| settings.of_profile("s3.addressing_style").map(str::to_owned))
            .unwrap_or_default();
        let own = variable(env_vars::MLFLOW_S3_ENDPOINT_URL);
        let named = own
            .as_deref()
            .map(|url| (env_vars::MLFLOW_S3_ENDPOINT_URL, url))
            .or_else(|| settings.endpoint_url("s3").map(|url| ("the endpoint of S3", url)));
        let endpoint = match named {
            Some((name, address)) => Endpoint::Other {
                url: Url::parse(address)
                    .ok()
                    .filter(Url::has_host)
                    .ok_or_else(|| StoreError::Settings {
                        what: format!("{name} '{}'", crate::redact::without_credentials(address)),
                        reason: "it is no URL such as https://host:9000".to_owned(),
                    })?,
                is_virtual: style == "virtual",
            },
            None => Endpoint::Amazon {
                is_virtual: style != "path" && can_be_host(bucket),
            },
        };
        let is_tls = match &endpoint {
            Endpoint::Amazon { .. } => true,
            Endpoint::Other { url, .. } => url.scheme() == "https",
        };
        let verification = match ignores_tls() {
            true => Verification::Off,
            false => settings.verification(),
        };
        let client = http::client(is_tls.then_some(&verification), Policy::none())?;
        let mut headers = HeaderMap::new();
        if let Some(owner) = variable(env_vars::MLFLOW_S3_EXPECTED_BUCKET_OWNER)
            && let Ok(owner) = owner.parse()
        {
            headers.insert("x-amz-expected-bucket-owner", owner);
        }
        let is_unsigned = variable(env_vars::MLFLOW_EXPERIMENTAL_S3_SIGNATURE_VERSION)
            .is_some_and(|version| version.eq_ignore_ascii_case("unsigned"));
        Ok(Self {
            client,
            region: Mutex::new(settings.region().to_owned()),
            provider: (!is_unsigned).then(|| CredentialsProvider::new(settings)),
            without: Mutex::new(is_unsigned.then(|| {
                format!(
                    "{} is unsigned",
                    env_vars::MLFLOW_EXPERIMENTAL_S3_SIGNATURE_VERSION
                )
            })),
            endpoint,
            bucket: bucket.to_owned(),
            key: key.to_owned(),
            headers,
            unfinished: Mutex::default(),
        })
    }

    fn region(&self) -> String {
        locked(&self.region).clone()
    }

    /// The bucket's address in the region.
    fn base(&self) -> Result<Url, StoreError> {
        let (url, is_virtual) = match &self.endpoint {
            Endpoint::Amazon { is_virtual } => {
                let region = self.region();
                let domain = if region.starts_with("cn-") {
                    "amazonaws.com.cn"
                } else {
                    "amazonaws.com"
                };
                let url = Url::parse(&format!("https://s3.{region}.{domain}/"));
                (
                    url.map_err(|error| strange(format!("region '{region}': {error}")))?,
                    *is_virtual,
                )
            }
            Endpoint::Other { url, is_virtual } => (url.clone(), *is_virtual),
        };
        let mut url = url;
        let path = url.path().trim_end_matches('/').to_owned();
        if is_virtual {
            let host = format!("{}.{}", self.bucket, url.host_str().unwrap_or_default());
            url.set_host(Some(&host))
                .map_err(|error| strange(error.to_string()))?;
            url.set_path(&format!("{path}/"));
        } else {
            url.set_path(&format!(
                "{path}/{}/",
                utf8_percent_encode(&self.bucket, UNRESERVED)
            ));
        }
        Ok(url)
    }

    fn object_url(&self, key: &str) -> Result<Url, StoreError> {
        let address = format!("{}{}", self.base()?, utf8_percent_encode(key, UNRESERVED_PATH));
        Url::parse(&address).map_err(|error| strange(error.to_string()))
    }

    fn ask(&self, method: Method, url: Url) -> Ask {
        let mut ask = Ask::new(method, url);
        ask.headers.clone_from(&self.headers);
        ask
    }

    async fn list(&self, next: Option<&str>) -> Result<Listing, StoreError> {
        let prefix = directory_prefix(&self.key);
        let mut url = self.base()?;
        let mut query = format!(
            "list-type=2&encoding-type=url&prefix={}",
            utf8_percent_encode(&prefix, UNRESERVED)
        );
        if let Some(next) = next {
            query.push_str(&format!(
                "&continuation-token={}",
                utf8_percent_encode(next, UNRESERVED)
            ));
        }
        url.set_query(Some(&query));
        let text = self.ask(Method::GET, url).text(self).await?;
        let answer: ListAnswer =
            quick_xml::de::from_str(&text).map_err(|_| strange("no list of objects".to_owned()))?;
        let is_encoded = answer.encoding_type.as_deref() == Some("url");
        let mut listing = Listing {
            next: answer.next_continuation_token.filter(|_| answer.is_truncated),
            ..Listing::default()
        };
        for entry in answer.contents {
            let key = if is_encoded {
                url_decoded(&entry.key)
            } else {
                entry.key
            };
            let Some(path) = path_below(&prefix, &key)? else {
                continue;
            };
            if key.ends_with('/') {
                listing.empty_directories.push(path);
            } else {
                listing.objects.push(Object {
                    path,
                    key,
                    size: Some(entry.size),
                    validator: entry.etag,
                    checksum: None,
                });
            }
        }
        Ok(listing)
    }

    async fn head(&self) -> Result<Object, StoreError> {
        let url = self.object_url(&self.key)?;
        let ask = self
            .ask(Method::HEAD, url)
            .header("x-amz-checksum-mode", "ENABLED");
        let answer = ask.send(self).await?;
        let headers = answer.headers();
        Ok(Object {
            key: self.key.clone(),
            path: String::new(),
            // The body of this answer, which is empty, is not what its header tells of.
            size: text(headers, "content-length").and_then(|length| length.parse().ok()),
            validator: text(headers, "etag").map(str::to_owned),
            checksum: checksum(headers),
        })
    }

    /// What a store says of an object that it refuses to tell of: the answer to `HEAD` has no body.
    async fn refusal_of(&self, problem: StoreError) -> StoreError {
        let Ok(url) = self.object_url(&self.key) else {
            return problem;
        };
        match self
            .ask(Method::GET, url)
            .header("range", "bytes=0-0")
            .send(self)
            .await
        {
            Err(said) => said,
            Ok(_) => problem,
        }
    }
}

#[async_trait]
impl Store for S3 {
    async fn find(&self) -> Result<Found, StoreError> {
        // Another region or a lack of credentials is learned once, not by two requests at a time.
        let listed = self.list(None).await;
        if listed.as_ref().is_err_and(|problem| !problem.is_answer()) {
            return listed.map(Found::Directory);
        }
        if let Ok(listing) = &listed
            && (!listing.objects.is_empty() || listing.next.is_some())
        {
            return Ok(Found::Directory(listed?));
        }
        if self.key.is_empty() || self.key.ends_with('/') {
            listed?;
            return Err(StoreError::Missing {
                said: format!(
                    "no object's name in the bucket '{}' begins with '{}'",
                    self.bucket, self.key
                ),
            });
        }
        match self.head().await {
            Ok(object) => Ok(Found::File(object)),
            Err(problem) => {
                let problem = self.refusal_of(problem).await;
                // Who may not list may still read; where neither is allowed both say the same.
                match (listed, problem) {
                    (Err(listed), StoreError::Missing { .. }) => Err(listed),
                    (_, problem) => Err(problem),
                }
            }
        }
    }

    async fn more(&self, next: &str) -> Result<Listing, StoreError> {
        self.list(Some(next)).await
    }

    async fn open(
        &self,
        object: &Object,
        range: Option<Range<u64>>,
        validator: Option<&str>,
    ) -> Result<Body, StoreError> {
        let mut ask = self.ask(Method::GET, self.object_url(&object.key)?);
        if let Some(range) = &range {
            ask = ask.header(
                "range",
                &format!("bytes={}-{}", range.start, range.end.saturating_sub(1)),
            );
        } else {
            ask = ask.header("x-amz-checksum-mode", "ENABLED");
        }
        if let Some(validator) = validator {
            ask = ask.header("if-match", validator);
        }
        let answer = ask.send(self).await?;
        let start = start_of(&answer).ok_or_else(|| strange("no Content-Range".to_owned()))?;
        let headers = answer.headers();
        let from_tag = text(headers, "etag").and_then(|tag| md5_of_tag(headers, tag));
        Ok(Body {
            start,
            length: answer.content_length(),
            validator: text(headers, "etag").map(str::to_owned),
            checksum: match answer.status() {
                StatusCode::OK => checksum(headers),
                _ => from_tag,
            },
            source: Source::Http(Box::new(answer)),
        })
    }

    async fn put(&self, path: &str, file: &Path) -> Result<(), StoreError> {
        let file = open_file(file)?;
        let key = format!("{}{path}", directory_prefix(&self.key));
        match file.length() <= PART {
            true => self.put_at_once(&key, &file).await,
            false => self.put_in_parts(&key, &file).await,
        }
    }

    async fn abandon(&self) {
        self.abort_unfinished().await;
    }

    fn has_ranges(&self) -> bool {
        true
    }
}

/// Whether a bucket's name can be the first part of a host's: a certificate covers no further dots.
fn can_be_host(bucket: &str) -> bool {
    let is_plain = |letter: u8| letter.is_ascii_lowercase() || letter.is_ascii_digit() || letter == b'-';
    (3..=63).contains(&bucket.len())
        && bucket.bytes().all(is_plain)
        && !bucket.starts_with('-')
        && !bucket.ends_with('-')
}

/// Whether `MLFLOW_S3_IGNORE_TLS` says that no certificate is to be checked.
pub(super) fn ignores_tls() -> bool {
    env_vars::non_empty(env_vars::MLFLOW_S3_IGNORE_TLS)
        .is_some_and(|value| value == "1" || value.eq_ignore_ascii_case("true"))
}

fn strange(reason: String) -> StoreError {
    StoreError::Strange { store: NAME, reason }
}

fn locked<T>(mutex: &Mutex<T>) -> std::sync::MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn buckets_with_odd_names_are_no_hosts() {
        for (bucket, expected) in [
            ("data", true),
            ("my-data-1", true),
            ("with.dots", false),
            ("Upper", false),
            ("under_score", false),
            ("-x1", false),
            ("ab", false),
        ] {
            assert_eq!(can_be_host(bucket), expected, "{bucket}");
        }
    }
}
