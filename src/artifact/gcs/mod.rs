//! `gs://`: Google Cloud Storage.

mod credentials;

use std::fmt::Display;

use async_trait::async_trait;
use backon::{BackoffBuilder as _, Retryable as _};
use futures_util::TryStreamExt as _;
use opendal::services;
use reqsign::google::Credential;
use reqwest::header::{ACCEPT_ENCODING, HeaderMap, HeaderValue, LOCATION, RANGE};
use reqwest::{Client, Method, Request, StatusCode, Url};
use serde_json::{Value, json};
use tokio::sync::OnceCell;

use crate::artifact::checksum::{Algorithm, Checksum, Sum};
use crate::artifact::error::{RepositoryError, Result};
use crate::artifact::http_request::{HttpRequest, Service, text, tried, usual_client};
use crate::artifact::object_repository::{ObjectRepository, ObjectService};
use crate::artifact::repository::{ArtifactRepository, PART, content_type, parts};
use crate::env_vars;
use crate::http::{Content, SentFile, may_see_credentials, pauses, signing::Identity};
use crate::python_paths::quote_part;

const NAME: &str = "Google Cloud Storage";
const ENDPOINT: &str = "https://storage.googleapis.com";
const LISTED: &str = "nextPageToken,prefixes,items(name,size,etag,generation,md5Hash,contentType,updated)";

/// The most sessions for an upload if the service forgets them.
const MOST_SESSIONS: usize = 3;

/// The status for an incomplete upload.
const GOES_ON: StatusCode = StatusCode::PERMANENT_REDIRECT;

pub(in crate::artifact) struct Gcs {
    client: Client,
    endpoint: String,
    is_emulator: bool,
    identity: OnceCell<Identity<Credential>>,
    bucket: String,
}

impl Gcs {
    /// The place, with the settings of the environment. This sends no requests.
    pub(in crate::artifact) fn open(bucket: &str, key: &str) -> Result<Box<dyn ArtifactRepository>> {
        let emulator = env_vars::non_empty(env_vars::STORAGE_EMULATOR_HOST);
        let is_emulator = emulator.is_some();
        let endpoint = match emulator {
            None => ENDPOINT.to_owned(),
            Some(host) if host.contains("://") => host,
            Some(host) => format!("http://{host}"),
        };
        let endpoint = endpoint.trim_end_matches('/').to_owned();
        if !Url::parse(&endpoint).is_ok_and(|url| url.has_host()) {
            let what = format!("{} '{endpoint}'", env_vars::STORAGE_EMULATOR_HOST);
            return Err(RepositoryError::settings(
                what,
                "not an address such as http://HOST:9023",
            ));
        }
        let builder = services::Gcs::default()
            .endpoint(&endpoint)
            .bucket(&quote_part(bucket).to_string())
            .skip_signature();
        let service = Self {
            client: usual_client()?,
            endpoint,
            is_emulator,
            identity: OnceCell::new(),
            bucket: bucket.to_owned(),
        };
        Ok(Box::new(ObjectRepository::new(service, builder, key)?))
    }

    async fn identity(&self) -> Result<&Identity<Credential>> {
        self.identity
            .get_or_try_init(|| credentials::find(self.is_emulator, &self.client))
            .await
    }

    /// Uploads a file in parts; the last one creates the object. Source: Google's pages on "Resumable uploads".
    async fn put_in_parts(&self, key: &str, file: &SentFile) -> Result<()> {
        let put = || async {
            let session = self.begin(key, file).await?;
            self.send_parts(&session, file).await
        };
        // The service may forget an upload at any time.
        put.retry(pauses().with_max_times(MOST_SESSIONS - 1))
            .when(|problem| matches!(problem, RepositoryError::Missing(_)))
            .await
    }

    /// Starts an upload and gives the request for its parts.
    async fn begin(&self, key: &str, file: &SentFile) -> Result<HttpRequest> {
        let [bucket, name] = [&self.bucket, key].map(quote_part);
        let path = format!("upload/storage/v1/b/{bucket}/o?uploadType=resumable&name={name}");
        let url = Url::parse(&format!("{}/{path}", self.endpoint)).map_err(strange)?;
        let about = json!({ "name": key, "contentType": content_type(key) });
        let request = HttpRequest::new(Method::POST, url.clone())
            .header("x-upload-content-length", &file.length().to_string())
            .header("content-type", "application/json")
            .with(Content::bytes(about.to_string()));
        let answer = request.send(self).await?;
        let location = text(answer.headers(), LOCATION.as_str());
        session(&url, location.unwrap_or_default())
    }

    /// Sends the parts one after another, each from the offset that the service reports.
    async fn send_parts(&self, session: &HttpRequest, file: &SentFile) -> Result<()> {
        let mut sum = Sum::new(Algorithm::Crc32c);
        let read = parts(file, PART, Some(&mut sum));
        read.try_for_each(|_| async { Ok(()) }).await?;
        let whole = sum.finish();
        let (mut offset, mut left) = (0, pauses().build());
        loop {
            let sent = self.send_part(session, file, offset, &whole).await;
            let sent = match sent {
                Err(problem) if problem.is_transient() => {
                    tracing::debug!(problem = %problem, "a part was refused");
                    tokio::time::sleep(left.next().ok_or(problem)?).await;
                    tried(|| self.send_part(session, file, file.length(), &whole)).await?
                }
                sent => sent?,
            };
            let Some(arrived) = sent else { return Ok(()) };
            if arrived > offset {
                left = pauses().build();
            } else if left.next().is_none() {
                return Err(strange("it does not accept the rest of the file"));
            }
            offset = arrived;
        }
    }

    /// Sends the part from `start`; after the last part it asks for the state of the upload. Gives the number of
    /// received bytes, or `None` if the object is complete.
    async fn send_part(
        &self,
        session: &HttpRequest,
        file: &SentFile,
        start: u64,
        whole: &Checksum,
    ) -> Result<Option<u64>> {
        let length = file.length();
        let end = length.min(start.saturating_add(PART));
        let range = if start < end {
            format!("bytes {start}-{}/{length}", end - 1)
        } else {
            format!("bytes */{length}")
        };
        let bytes = file.read(start..end).await.map_err(RepositoryError::unreadable)?;
        let request = session.clone().header("content-range", &range);
        let mut request = request.with(Content::bytes(bytes));
        if end == length {
            // Until now the object is not visible.
            file.check().map_err(RepositoryError::unreadable)?;
            request = request.header("x-goog-hash", &format!("crc32c={}", whole.to_base64()));
        }
        let (status, headers, object) = request.whole_once(self).await?;
        if status != GOES_ON {
            return check(&object, whole).map(|()| None);
        }
        // `bytes=0-LAST`; missing if nothing has arrived.
        let Some(range) = text(&headers, RANGE.as_str()) else {
            return Ok(Some(0));
        };
        let last = range.rsplit('-').next().and_then(|last| last.parse::<u64>().ok());
        match last {
            Some(last) => Ok(Some(last.saturating_add(1))),
            None => Err(strange(format_args!("invalid Range '{range}'"))),
        }
    }
}

#[async_trait]
impl ObjectService for Gcs {
    fn place(&self) -> String {
        format!("the bucket '{}'", self.bucket)
    }

    fn checksum(&self, headers: &HeaderMap) -> Option<Checksum> {
        let sums = headers.get_all("x-goog-hash").iter();
        let mut sums = sums
            .filter_map(|value| value.to_str().ok())
            .flat_map(|value| value.split(','));
        let crc32c = sums.find_map(|sum| sum.trim().strip_prefix("crc32c="))?;
        Checksum::from_base64(Algorithm::Crc32c, crc32c)
    }

    fn unpacks(&self) -> bool {
        true
    }

    /// The library uploads parts only by the XML interface, which needs more permissions and which emulators lack.
    async fn put(&self, key: &str, file: &SentFile) -> Option<Result<()>> {
        if file.length() > PART {
            Some(self.put_in_parts(key, file).await)
        } else {
            None
        }
    }
}

#[async_trait]
impl Service for Gcs {
    fn name(&self) -> &'static str {
        NAME
    }

    fn client(&self) -> &Client {
        &self.client
    }

    async fn authorize(&self, request: &mut Request, _content: &Content) -> Result<()> {
        let url = request.url();
        if url.query().is_some_and(|query| query.contains("alt=media")) {
            // Otherwise it decompresses objects, and then supports neither ranges nor checksums.
            let packed = HeaderValue::from_static("gzip");
            request.headers_mut().insert(ACCEPT_ENCODING, packed);
        } else if request.method() == Method::GET && url.path().ends_with("/o") {
            request.url_mut().query_pairs_mut().append_pair("fields", LISTED);
        }
        let signed = self.identity().await?.sign(request).await;
        signed.map_err(|(what, reason)| RepositoryError::settings(what, reason))
    }

    async fn asker(&self) -> String {
        let identity = self.identity().await;
        identity.map_or_else(|error| error.to_string(), ToString::to_string)
    }

    fn said(&self, body: &str) -> Option<String> {
        let answer: serde_json::Value = serde_json::from_str(body).ok()?;
        let error = &answer["error"];
        let message = error["message"].as_str()?;
        Some(match error["errors"][0]["reason"].as_str() {
            Some(reason) => format!("{reason}: {message}"),
            None => message.to_owned(),
        })
    }
}

fn strange(reason: impl Display) -> RepositoryError {
    RepositoryError::strange(NAME, reason)
}

/// The request for the parts of an upload that the service at `url` has started at this location. The location itself
/// permits writing the object. On another server it must not get the service's credentials.
fn session(url: &Url, location: &str) -> Result<HttpRequest> {
    // Never downgrade from HTTPS to HTTP.
    let is_safe = |to: &Url| matches!((url.scheme(), to.scheme()), ("http", "http") | (_, "https"));
    let address = url.join(location).ok().filter(|_| !location.is_empty());
    let Some(address) = address.filter(is_safe) else {
        return Err(strange("no valid address for the file's parts"));
    };
    let is_trusted = may_see_credentials(url, &address);
    let mut request = HttpRequest::new(Method::PUT, address);
    request.accepts = Some(GOES_ON);
    request.is_anonymous = !is_trusted;
    Ok(request)
}

/// Checks that the described object has this checksum.
fn check(object: &[u8], whole: &Checksum) -> Result<()> {
    let object: Value = serde_json::from_slice(object).map_err(|_| strange("no description of an object"))?;
    let arrived = object["crc32c"].as_str();
    match arrived.and_then(|sum| Checksum::from_base64(Algorithm::Crc32c, sum)) {
        Some(arrived) => whole.check(&arrived),
        None => Ok(()),
    }
}
