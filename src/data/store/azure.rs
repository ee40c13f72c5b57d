//! `wasbs://` and `abfss://`: Azure's blob storage.

use std::ops::Range;
use std::path::Path;

use async_trait::async_trait;
use percent_encoding::utf8_percent_encode;
use quick_xml::de::from_str;
use reqwest::header::HeaderValue;
use reqwest::redirect::Policy;
use reqwest::{Client, Method, Request, StatusCode, Url};
use serde::Deserialize;
use tokio::sync::OnceCell;

use super::azure_credentials::Access;
use super::exchange::{Ask, Content, Service, start_of, text};
use super::list::{directory_prefix, path_below};
use super::parts::PART;
use super::{Body, Found, Listing, Object, Source, Store, StoreError, open_file};
use crate::aws::{UNRESERVED, UNRESERVED_PATH};
use crate::data::checksum::{Algorithm, Checksum};
use crate::env_vars;
use crate::http::{self, Verification};

const NAME: &str = "Azure's storage";
/// The version of the interface that is asked for.
const VERSION: &str = "2021-12-02";

/// Where a URI says that its data is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(in crate::data) struct AzurePlace {
    pub(in crate::data) container: String,
    /// The account's name.
    pub(in crate::data) account: String,
    /// The account's host for blobs.
    pub(in crate::data) host: String,
    pub(in crate::data) key: String,
}

impl AzurePlace {
    /// Reads `//container@account.host/path`, as it stands after the scheme.
    pub(in crate::data) fn parse(rest: &str) -> Result<Self, String> {
        let form =
            "it must be wasbs://<container>@<account>.blob.core.windows.net/<path>, or abfss:// and .dfs.";
        let rest = rest.strip_prefix("//").ok_or(form)?;
        let (authority, key) = rest.split_once('/').unwrap_or((rest, ""));
        let (container, host) = authority.split_once('@').ok_or(form)?;
        let (account, domain) = host.split_once('.').ok_or(form)?;
        if container.is_empty() || account.is_empty() || domain.is_empty() {
            return Err(form.to_owned());
        }
        // Both interfaces of an account show the same data.
        let domain = match domain.strip_prefix("dfs.") {
            Some(rest) => format!("blob.{rest}"),
            None => domain.replace(".dfs.", ".blob."),
        };
        Ok(Self {
            container: container.to_owned(),
            account: account.to_owned(),
            host: format!("{account}.{domain}"),
            key: key.to_owned(),
        })
    }
}

/// A container's blob, or the beginning of the names of many.
pub(in crate::data) struct Azure {
    client: Client,
    place: AzurePlace,
    access: OnceCell<Access>,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct ListAnswer {
    #[serde(default)]
    blobs: Blobs,
    next_marker: Option<String>,
}

#[derive(Deserialize, Default)]
struct Blobs {
    #[serde(rename = "Blob", default)]
    blobs: Vec<Blob>,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Blob {
    name: String,
    properties: Properties,
    metadata: Option<Metadata>,
}

#[derive(Deserialize)]
struct Properties {
    #[serde(rename = "Content-Length")]
    length: Option<u64>,
    #[serde(rename = "Content-MD5")]
    md5: Option<String>,
    #[serde(rename = "Etag")]
    tag: Option<String>,
    #[serde(rename = "ResourceType")]
    kind: Option<String>,
}

#[derive(Deserialize)]
struct Metadata {
    hdi_isfolder: Option<String>,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Refusal {
    code: String,
    message: Option<String>,
}

impl Blob {
    /// Accounts with real directories list them too.
    fn is_directory(&self) -> bool {
        let marked = self
            .metadata
            .as_ref()
            .and_then(|metadata| metadata.hdi_isfolder.as_deref());
        self.properties.kind.as_deref() == Some("directory")
            || marked == Some("true")
            || self.name.ends_with('/')
    }
}

impl Azure {
    /// The place; nothing is sent.
    pub(in crate::data) fn new(place: &AzurePlace) -> Result<Self, StoreError> {
        let verification = Verification::from_variables(&env_vars::non_empty);
        Ok(Self {
            client: http::client(Some(&verification), Policy::none())?,
            place: place.clone(),
            access: OnceCell::new(),
        })
    }

    async fn access(&self) -> Result<&Access, StoreError> {
        self.access
            .get_or_try_init(async || {
                let endpoint = Url::parse(&format!("https://{}", self.place.host))
                    .map_err(|error| strange(error.to_string()))?;
                Access::find(&self.place.account, endpoint, &self.client).await
            })
            .await
    }

    /// The address of a blob, or of the container, with a query.
    pub(super) async fn url(&self, key: Option<&str>, query: &str) -> Result<Url, StoreError> {
        let access = self.access().await?;
        let mut address = access.endpoint.as_str().trim_end_matches('/').to_owned();
        address.push_str(&format!(
            "/{}",
            utf8_percent_encode(&self.place.container, UNRESERVED)
        ));
        if let Some(key) = key {
            address.push_str(&format!("/{}", utf8_percent_encode(key, UNRESERVED_PATH)));
        }
        if !query.is_empty() {
            address.push_str(&format!("?{query}"));
        }
        Url::parse(&address).map_err(|error| strange(error.to_string()))
    }

    async fn list(&self, next: Option<&str>) -> Result<Listing, StoreError> {
        let prefix = directory_prefix(&self.place.key);
        let mut query = format!(
            "restype=container&comp=list&include=metadata&prefix={}",
            utf8_percent_encode(&prefix, UNRESERVED)
        );
        if let Some(next) = next {
            query.push_str(&format!("&marker={}", utf8_percent_encode(next, UNRESERVED)));
        }
        let url = self.url(None, &query).await?;
        let text = Ask::new(Method::GET, url).text(self).await?;
        let answer: ListAnswer = from_str(text.trim_start_matches('\u{feff}'))
            .map_err(|_| strange("no list of blobs".to_owned()))?;
        let mut listing = Listing {
            next: answer.next_marker.filter(|next| !next.is_empty()),
            ..Listing::default()
        };
        for blob in answer.blobs.blobs {
            let Some(path) = path_below(&prefix, &blob.name)? else {
                continue;
            };
            if blob.is_directory() {
                listing.empty_directories.push(path);
                continue;
            }
            let properties = blob.properties;
            listing.objects.push(Object {
                key: blob.name,
                path,
                size: properties.length,
                validator: properties.tag.map(|tag| match tag.starts_with('"') {
                    true => tag,
                    false => format!("\"{tag}\""),
                }),
                checksum: properties
                    .md5
                    .and_then(|md5| Checksum::from_base64(Algorithm::Md5, &md5)),
            });
        }
        Ok(listing)
    }

    async fn head(&self) -> Result<Object, StoreError> {
        let url = self.url(Some(&self.place.key), "").await?;
        let answer = Ask::new(Method::HEAD, url).send(self).await?;
        let headers = answer.headers();
        Ok(Object {
            key: self.place.key.clone(),
            path: String::new(),
            size: text(headers, "content-length").and_then(|length| length.parse().ok()),
            validator: text(headers, "etag").map(str::to_owned),
            checksum: text(headers, "content-md5").and_then(|md5| Checksum::from_base64(Algorithm::Md5, md5)),
        })
    }
}

#[async_trait]
impl Store for Azure {
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
        let key = &self.place.key;
        if key.is_empty() || key.ends_with('/') {
            listed?;
            return Err(StoreError::Missing {
                said: format!(
                    "no blob's name in the container '{}' begins with '{key}'",
                    self.place.container
                ),
            });
        }
        match self.head().await {
            Ok(object) => Ok(Found::File(object)),
            Err(problem) => match (listed, problem) {
                (Err(listed), StoreError::Missing { .. }) => Err(listed),
                (Ok(_), StoreError::Missing { .. }) => Err(StoreError::Missing {
                    said: format!("the container '{}' has no blob '{key}'", self.place.container),
                }),
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
        let mut ask = Ask::new(Method::GET, self.url(Some(&object.key), "").await?);
        if let Some(range) = &range {
            let last = range.end.saturating_sub(1);
            ask = ask.header("x-ms-range", &format!("bytes={}-{last}", range.start));
        }
        if let Some(validator) = validator {
            ask = ask.header("if-match", validator);
        }
        let answer = ask.send(self).await?;
        let start = start_of(&answer).ok_or_else(|| strange("no Content-Range".to_owned()))?;
        let headers = answer.headers();
        let md5 = text(headers, "content-md5").filter(|_| answer.status() == StatusCode::OK);
        Ok(Body {
            start,
            length: answer.content_length(),
            validator: text(headers, "etag").map(str::to_owned),
            checksum: md5.and_then(|md5| Checksum::from_base64(Algorithm::Md5, md5)),
            source: Source::Http(Box::new(answer)),
        })
    }

    async fn put(&self, path: &str, file: &Path) -> Result<(), StoreError> {
        let file = open_file(file)?;
        let key = format!("{}{path}", directory_prefix(&self.place.key));
        match file.length() <= PART {
            true => self.put_at_once(&key, &file).await,
            false => self.put_in_blocks(&key, &file).await,
        }
    }

    fn has_ranges(&self) -> bool {
        true
    }
}

#[async_trait]
impl Service for Azure {
    fn name(&self) -> &'static str {
        NAME
    }

    fn client(&self) -> &Client {
        &self.client
    }

    async fn authorize(&self, request: &mut Request, content: &Content) -> Result<(), StoreError> {
        let mut head = ::http::Request::builder()
            .method(request.method().clone())
            .uri(request.url().as_str())
            .body(())
            .map_err(|error| strange(error.to_string()))?
            .into_parts()
            .0;
        head.headers.clone_from(request.headers());
        head.headers
            .insert("x-ms-version", HeaderValue::from_static(VERSION));
        head.headers.insert("content-length", content.length().into());
        self.access().await?.sign(&mut head).await?;
        *request.url_mut() = Url::parse(&head.uri.to_string()).map_err(|error| strange(error.to_string()))?;
        *request.headers_mut() = head.headers;
        Ok(())
    }

    async fn asker(&self) -> String {
        match self.access().await {
            Ok(access) => access.asker(),
            Err(error) => error.to_string(),
        }
    }

    fn said(&self, body: &str) -> Option<String> {
        let refusal: Refusal = from_str(body.trim_start_matches('\u{feff}')).ok()?;
        let message = refusal.message.unwrap_or_default();
        // What follows are the request's number and time.
        Some(match message.lines().next().unwrap_or_default() {
            "" => refusal.code,
            message => format!("{}: {message}", refusal.code),
        })
    }
}

pub(super) fn strange(reason: String) -> StoreError {
    StoreError::Strange { store: NAME, reason }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_name_the_account_s_blobs() {
        for (rest, host, container, key) in [
            (
                "//c@a.blob.core.windows.net/x/y",
                "a.blob.core.windows.net",
                "c",
                "x/y",
            ),
            ("//c@a.dfs.core.windows.net", "a.blob.core.windows.net", "c", ""),
            (
                "//c@a.privatelink.dfs.core.windows.net/x",
                "a.privatelink.blob.core.windows.net",
                "c",
                "x",
            ),
        ] {
            let place = AzurePlace::parse(rest).unwrap();
            assert_eq!(
                (place.host.as_str(), place.container.as_str(), place.key.as_str()),
                (host, container, key)
            );
        }
        for rest in ["c@a.b/x", "//a.blob.core.windows.net/x", "//c@a/x", "//@a.b/x"] {
            assert!(AzurePlace::parse(rest).is_err(), "{rest}");
        }
    }

    #[test]
    fn a_list_is_read() {
        let text = "<?xml version=\"1.0\" encoding=\"utf-8\"?><EnumerationResults ContainerName=\"c\"><Prefix>p/</Prefix>\
            <Blobs><Blob><Name>p/a</Name><Properties><Etag>0x8D</Etag><Content-Length>3</Content-Length>\
            <Content-MD5>kAFQmDzST7DWlj99KOF/cg==</Content-MD5><BlobType>BlockBlob</BlobType></Properties><Metadata /></Blob>\
            <Blob><Name>p/d</Name><Properties><Content-Length>0</Content-Length></Properties>\
            <Metadata><hdi_isfolder>true</hdi_isfolder></Metadata></Blob></Blobs><NextMarker /></EnumerationResults>";
        let answer: ListAnswer = from_str(text).unwrap();
        let blobs = answer.blobs.blobs;
        assert_eq!(
            (blobs[0].name.as_str(), blobs[0].properties.length),
            ("p/a", Some(3))
        );
        assert!(!blobs[0].is_directory() && blobs[1].is_directory());
        assert!(answer.next_marker.unwrap_or_default().is_empty());
    }
}
