//! `gs://`: Google Cloud Storage.

use async_trait::async_trait;
use opendal::services;
use percent_encoding::utf8_percent_encode;
use reqsign::google::Credential;
use reqwest::header::{ACCEPT_ENCODING, HeaderMap, HeaderValue};
use reqwest::redirect::Policy;
use reqwest::{Client, Method, Request, Url};
use tokio::sync::OnceCell;

use super::exchange::{Content, Service};
use super::gcs_credentials;
use super::objects::{ObjectService, ObjectStore};
use super::parts::PART;
use super::{Store, StoreError};
use crate::aws::UNRESERVED;
use crate::data::checksum::{Algorithm, Checksum};
use crate::env_vars;
use crate::http::signing::Identity;
use crate::http::{self, SentFile, Verification};

const NAME: &str = "Google Cloud Storage";
const ENDPOINT: &str = "https://storage.googleapis.com";
/// What a listing shall tell.
const LISTED: &str = "nextPageToken,prefixes,items(name,size,etag,generation,md5Hash,contentType,updated)";

/// A bucket and how it is reached.
pub(in crate::data) struct Gcs {
    client: Client,
    endpoint: String,
    is_emulator: bool,
    identity: OnceCell<Identity<Credential>>,
    bucket: String,
}

impl Gcs {
    /// The place with what the environment says of the service. Nothing is sent.
    pub(in crate::data) fn open(bucket: &str, key: &str) -> Result<Box<dyn Store>, StoreError> {
        let emulator = env_vars::non_empty(env_vars::STORAGE_EMULATOR_HOST);
        let is_emulator = emulator.is_some();
        let endpoint = match emulator {
            None => ENDPOINT.to_owned(),
            Some(host) if host.contains("://") => host,
            Some(host) => format!("http://{host}"),
        };
        let endpoint = endpoint.trim_end_matches('/').to_owned();
        if !Url::parse(&endpoint).is_ok_and(|url| url.has_host()) {
            return Err(StoreError::Settings {
                what: format!("{} '{endpoint}'", env_vars::STORAGE_EMULATOR_HOST),
                reason: "it is no address such as http://host:9023".to_owned(),
            });
        }
        let verification = Verification::from_variables(&env_vars::non_empty);
        let builder = services::Gcs::default()
            .endpoint(&endpoint)
            .bucket(&utf8_percent_encode(bucket, UNRESERVED).to_string())
            .skip_signature();
        let service = Self {
            client: http::client(Some(&verification), Policy::none())?,
            endpoint,
            is_emulator,
            identity: OnceCell::new(),
            bucket: bucket.to_owned(),
        };
        Ok(Box::new(ObjectStore::new(service, builder, key)?))
    }

    async fn identity(&self) -> Result<&Identity<Credential>, StoreError> {
        self.identity
            .get_or_try_init(|| gcs_credentials::find(self.is_emulator, &self.client))
            .await
    }

    /// The address that begins an upload.
    pub(super) fn upload_url(&self, key: &str) -> Result<Url, StoreError> {
        let [bucket, key] = [&self.bucket, key].map(|name| utf8_percent_encode(name, UNRESERVED));
        let address = format!(
            "{}/upload/storage/v1/b/{bucket}/o?uploadType=resumable&name={key}",
            self.endpoint
        );
        Url::parse(&address).map_err(|error| strange(error.to_string()))
    }
}

#[async_trait]
impl ObjectService for Gcs {
    const MOST_PARTS: u64 = 1;

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

    /// The library puts parts by the XML interface only, which needs further rights and emulators do not have.
    async fn put(&self, key: &str, file: &SentFile) -> Option<Result<(), StoreError>> {
        match file.length() > PART {
            true => Some(self.put_in_parts(key, file).await),
            false => None,
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

    async fn authorize(&self, request: &mut Request, _content: &Content) -> Result<(), StoreError> {
        let url = request.url();
        if url.query().is_some_and(|query| query.contains("alt=media")) {
            // Else it unpacks by itself what is packed there, and can then give neither ranges nor checksums.
            let packed = HeaderValue::from_static("gzip");
            request.headers_mut().insert(ACCEPT_ENCODING, packed);
        } else if request.method() == Method::GET && url.path().ends_with("/o") {
            request.url_mut().query_pairs_mut().append_pair("fields", LISTED);
        }
        let signed = self.identity().await?.sign(request).await;
        signed.map_err(|(what, reason)| StoreError::Settings { what, reason })
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

    fn list_names(&self) -> &'static [&'static str] {
        &["\"name\":\"", "\"name\": \""]
    }
}

pub(super) fn strange(reason: String) -> StoreError {
    StoreError::Strange { store: NAME, reason }
}
