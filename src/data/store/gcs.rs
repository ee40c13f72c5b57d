//! `gs://`: Google Cloud Storage, by its JSON interface.

use std::ops::Range;
use std::path::Path;

use async_trait::async_trait;
use percent_encoding::utf8_percent_encode;
use reqwest::header::{AUTHORIZATION, HeaderValue};
use reqwest::redirect::Policy;
use reqwest::{Client, Method, Request, Url};
use serde::Deserialize;
use tokio::sync::OnceCell;

use super::exchange::{Ask, Content, Service, start_of};
use super::gcs_credentials::GcsCredentials;
use super::list::{directory_prefix, path_below};
use super::parts::PART;
use super::{Body, Found, Listing, Object, Source, Store, StoreError, open_file};
use crate::aws::UNRESERVED;
use crate::data::checksum::{Algorithm, Checksum};
use crate::env_vars;
use crate::http::{self, Verification};

const NAME: &str = "Google Cloud Storage";
const ENDPOINT: &str = "https://storage.googleapis.com";
/// What is asked of each object.
const FIELDS: &str = "name,size,md5Hash,crc32c,generation,contentEncoding";

/// A bucket's object, or the beginning of the names of many.
pub(in crate::data) struct Gcs {
    client: Client,
    endpoint: String,
    is_emulator: bool,
    credentials: OnceCell<GcsCredentials>,
    bucket: String,
    key: String,
}

#[derive(Deserialize)]
struct ListAnswer {
    #[serde(default)]
    items: Vec<Entry>,
    #[serde(rename = "nextPageToken")]
    next: Option<String>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Entry {
    name: String,
    size: Option<serde_json::Value>,
    md5_hash: Option<String>,
    crc32c: Option<String>,
    generation: Option<serde_json::Value>,
    content_encoding: Option<String>,
}

impl Entry {
    fn into_object(self, path: String) -> Object {
        // The store unpacks what was uploaded with that encoding: then these are not those of the data.
        if self.content_encoding.as_deref() == Some("gzip") {
            return Object {
                key: self.name,
                path,
                ..Object::default()
            };
        }
        let text =
            |value: &serde_json::Value| value.as_str().map_or_else(|| value.to_string(), str::to_owned);
        let checksum = |algorithm, sum: Option<String>| Checksum::from_base64(algorithm, sum?.as_str());
        Object {
            key: self.name,
            path,
            size: self.size.as_ref().and_then(|size| text(size).parse().ok()),
            validator: self.generation.as_ref().map(text),
            checksum: checksum(Algorithm::Crc32c, self.crc32c)
                .or_else(|| checksum(Algorithm::Md5, self.md5_hash)),
        }
    }
}

impl Gcs {
    /// The place with what the environment says of the service. Nothing is sent.
    pub(in crate::data) fn new(bucket: &str, key: &str) -> Result<Self, StoreError> {
        let emulator = env_vars::non_empty(env_vars::STORAGE_EMULATOR_HOST);
        let is_emulator = emulator.is_some();
        let endpoint = emulator.map_or_else(
            || ENDPOINT.to_owned(),
            |host| match host.contains("://") {
                true => host,
                false => format!("http://{host}"),
            },
        );
        let endpoint = endpoint.trim_end_matches('/').to_owned();
        if !Url::parse(&endpoint).is_ok_and(|url| url.has_host()) {
            return Err(StoreError::Settings {
                what: format!("{} '{endpoint}'", env_vars::STORAGE_EMULATOR_HOST),
                reason: "it is no address such as http://host:9023".to_owned(),
            });
        }
        let verification = Verification::from_variables(&env_vars::non_empty);
        Ok(Self {
            client: http::client(Some(&verification), Policy::none())?,
            endpoint,
            is_emulator,
            credentials: OnceCell::new(),
            bucket: bucket.to_owned(),
            key: key.to_owned(),
        })
    }

    async fn credentials(&self) -> Result<&GcsCredentials, StoreError> {
        self.credentials
            .get_or_try_init(|| GcsCredentials::find(self.is_emulator))
            .await
    }

    /// The address of a call below `before` for `after` the bucket.
    pub(super) fn url(&self, before: &str, after: &str, query: &[(&str, &str)]) -> Result<Url, StoreError> {
        let bucket = utf8_percent_encode(&self.bucket, UNRESERVED);
        let query: Vec<String> = query
            .iter()
            .map(|(name, value)| format!("{name}={}", utf8_percent_encode(value, UNRESERVED)))
            .collect();
        let address = format!(
            "{}{before}/storage/v1/b/{bucket}/o{after}?{}",
            self.endpoint,
            query.join("&")
        );
        Url::parse(&address).map_err(|error| strange(error.to_string()))
    }

    fn object_url(&self, before: &str, key: &str, query: &[(&str, &str)]) -> Result<Url, StoreError> {
        self.url(
            before,
            &format!("/{}", utf8_percent_encode(key, UNRESERVED)),
            query,
        )
    }

    async fn list(&self, next: Option<&str>) -> Result<Listing, StoreError> {
        let prefix = directory_prefix(&self.key);
        let fields = format!("nextPageToken,items({FIELDS})");
        let mut query = vec![
            ("prefix", prefix.as_str()),
            ("fields", &fields),
            ("maxResults", "1000"),
        ];
        query.extend(next.map(|next| ("pageToken", next)));
        let text = Ask::new(Method::GET, self.url("", "", &query)?)
            .text(self)
            .await?;
        let answer: ListAnswer =
            serde_json::from_str(&text).map_err(|_| strange("no list of objects".to_owned()))?;
        let mut listing = Listing {
            next: answer.next.filter(|next| !next.is_empty()),
            ..Listing::default()
        };
        for entry in answer.items {
            match path_below(&prefix, &entry.name)? {
                None => {}
                Some(path) if entry.name.ends_with('/') => listing.empty_directories.push(path),
                Some(path) => listing.objects.push(entry.into_object(path)),
            }
        }
        Ok(listing)
    }
}

#[async_trait]
impl Store for Gcs {
    async fn find(&self) -> Result<Found, StoreError> {
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
        let url = self.object_url("", &self.key, &[("fields", FIELDS)])?;
        match Ask::new(Method::GET, url).text(self).await {
            Ok(text) => {
                let entry: Entry =
                    serde_json::from_str(&text).map_err(|_| strange("no object".to_owned()))?;
                Ok(Found::File(entry.into_object(String::new())))
            }
            Err(problem) => match (listed, problem) {
                (Err(listed), StoreError::Missing { .. }) => Err(listed),
                (_, problem) => Err(problem),
            },
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
        let mut query = vec![("alt", "media")];
        query.extend(validator.map(|generation| ("generation", generation)));
        let mut ask = Ask::new(Method::GET, self.object_url("/download", &object.key, &query)?);
        if let Some(range) = &range {
            ask = ask.header(
                "range",
                &format!("bytes={}-{}", range.start, range.end.saturating_sub(1)),
            );
        }
        let answer = ask.send(self).await?;
        let start = start_of(&answer).ok_or_else(|| strange("no Content-Range".to_owned()))?;
        Ok(Body {
            start,
            length: answer.content_length(),
            validator: validator.map(str::to_owned),
            checksum: None,
            source: Source::Http(Box::new(answer)),
        })
    }

    async fn put(&self, path: &str, file: &Path) -> Result<(), StoreError> {
        let file = open_file(file)?;
        let name = format!("{}{path}", directory_prefix(&self.key));
        match file.length() <= PART {
            true => self.put_at_once(&name, &file).await,
            false => self.put_in_parts(&name, &file).await,
        }
    }

    fn has_ranges(&self) -> bool {
        true
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
        let credentials = self.credentials().await?;
        if let Some(token) = credentials.token(&self.client).await? {
            let value = HeaderValue::from_str(&format!("Bearer {}", token.expose()));
            let mut value = value.map_err(|_| strange("the token cannot be sent".to_owned()))?;
            value.set_sensitive(true);
            request.headers_mut().insert(AUTHORIZATION, value);
        }
        Ok(())
    }

    async fn asker(&self) -> String {
        match self.credentials().await {
            Ok(credentials) => credentials.asker(),
            Err(error) => error.to_string(),
        }
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

pub(super) fn strange(reason: String) -> StoreError {
    StoreError::Strange { store: NAME, reason }
}
