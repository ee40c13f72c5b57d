//! `wasbs://` and `abfss://`: Azure Blob Storage.

mod credentials;

use std::collections::HashMap;
use std::sync::Mutex;

use async_trait::async_trait;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use opendal::services;
use reqwest::header::{CONTENT_LENGTH, CONTENT_RANGE, HeaderMap};
use reqwest::{Client, Request};
use tokio::sync::OnceCell;

use crate::artifact::azure::credentials::Who;
use crate::artifact::checksum::{Algorithm, Checksum, md5_of};
use crate::artifact::error::{RepositoryError, Result};
use crate::artifact::http_request::{HttpRequest, Service, Whole, text, usual_client};
use crate::artifact::object_repository::{ObjectRepository, ObjectService};
use crate::artifact::repository::{ArtifactRepository, locked};
use crate::aws::{element, refusal};
use crate::http::Content;
use crate::python_paths::quote_part;

const NAME: &str = "Azure Storage";
/// The marks of directories in listings of accounts with real directories.
const DIRECTORY_SIGNS: [&str; 2] = [
    "<hdi_isfolder>true</hdi_isfolder>",
    "<ResourceType>directory</ResourceType>",
];

/// The place that a URI names.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(in crate::artifact) struct AzureUri {
    pub(in crate::artifact) container: String,
    pub(in crate::artifact) account: String,
    /// The account's blob host.
    pub(in crate::artifact) host: String,
    pub(in crate::artifact) key: String,
}

impl AzureUri {
    /// Reads `//container@account.host/path`, the part after the scheme.
    pub(in crate::artifact) fn parse(rest: &str) -> Result<Self, String> {
        let form = "write wasbs://CONTAINER@ACCOUNT.blob.core.windows.net/PATH, or abfss:// with .dfs.";
        let rest = rest.strip_prefix("//").ok_or(form)?;
        let (authority, key) = rest.split_once('/').unwrap_or((rest, ""));
        let (container, host) = authority.split_once('@').ok_or(form)?;
        let (account, domain) = host.split_once('.').ok_or(form)?;
        if container.is_empty() || account.is_empty() || domain.is_empty() {
            return Err(form.to_owned());
        }
        // Both interfaces of an account have the same data.
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

pub(in crate::artifact) struct Azure {
    client: Client,
    container: String,
    who: OnceCell<Who>,
    /// The MD5 of the file whose blocks have been uploaded.
    whole: Mutex<Option<Checksum>>,
}

impl Azure {
    /// The place, with the account's settings from the environment. This sends no requests.
    pub(in crate::artifact) fn open(place: &AzureUri) -> Result<Box<dyn ArtifactRepository>> {
        let client = usual_client()?;
        let (endpoint, who) = credentials::find(&place.account, &place.host, &client)?;
        let builder = services::Azblob::default()
            .endpoint(&endpoint)
            .container(&quote_part(&place.container).to_string())
            .skip_signature();
        let service = Self {
            client,
            container: place.container.clone(),
            who: OnceCell::new_with(who),
            whole: Mutex::default(),
        };
        Ok(Box::new(ObjectRepository::new(service, builder, &place.key)?))
    }

    async fn who(&self) -> Result<&Who> {
        self.who.get_or_try_init(credentials::of_machine).await
    }

    /// Sends a request of the library with additions: checksums, the request for the directories' marks, and block ids
    /// of the usual length.
    async fn send(&self, mut request: HttpRequest) -> Result<Whole> {
        let query: HashMap<_, _> = request.url.query_pairs().into_owned().collect();
        let call = query.get("comp").map_or("", String::as_str);
        if call == "list" {
            request.url.query_pairs_mut().append_pair("include", "metadata");
            let (status, headers, listing) = request.whole(self).await?;
            return Ok((status, headers, with_slashes(&listing).into()));
        }
        if let Some(id) = query.get("blockid") {
            let pairs = [("comp", call), ("blockid", &long_id(id))];
            request.url.query_pairs_mut().clear().extend_pairs(pairs);
        }
        if call == "blocklist" {
            request.content = Content::bytes(with_long_ids(&request.content.head));
            if let Some(whole) = locked(&self.whole).take() {
                request = request.header("x-ms-blob-content-md5", &whole.to_base64());
            }
        }
        let bytes = request.content.head.clone();
        if !bytes.is_empty() {
            request = request.header("content-md5", &md5_of(bytes).await?);
        }
        request.whole(self).await
    }
}

#[async_trait]
impl ObjectService for Azure {
    const MOST_PARTS: u64 = 50_000;

    fn place(&self) -> String {
        format!("the container '{}'", self.container)
    }

    fn missing(&self, key: &str, said: Option<String>) -> String {
        match said {
            Some(_) => format!("the container '{}' has no blob '{key}'", self.container),
            None => format!(
                "no blob in the container '{}' has a name that begins with '{key}'",
                self.container
            ),
        }
    }

    fn checksum(&self, headers: &HeaderMap) -> Option<Checksum> {
        // In a response with a range, the other header is the MD5 of the range.
        let name = if headers.contains_key(CONTENT_RANGE) {
            "x-ms-blob-content-md5"
        } else {
            "content-md5"
        };
        Checksum::from_base64(Algorithm::Md5, text(headers, name)?)
    }

    fn whole_md5(&self) -> Option<&Mutex<Option<Checksum>>> {
        Some(&self.whole)
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

    async fn authorize(&self, request: &mut Request, content: &Content) -> Result<()> {
        if content.length() > 0 {
            // The account key's signature covers this header.
            request
                .headers_mut()
                .insert(CONTENT_LENGTH, content.length().into());
        }
        let signed = self.who().await?.sign(request).await;
        signed.map_err(|(what, reason)| RepositoryError::settings(what, reason))
    }

    async fn asker(&self) -> String {
        let who = self.who().await;
        who.map_or_else(|error| error.to_string(), ToString::to_string)
    }

    fn said(&self, body: &str) -> Option<String> {
        let body = body.trim_start_matches('\u{feff}');
        let said = refusal(body)?;
        // The other lines are the request's id and time.
        let said = said.lines().next()?;
        let detail = element(body, "AuthenticationErrorDetail").unwrap_or_default();
        let detail = detail.lines().next().unwrap_or_default();
        // Other details only repeat the string to sign.
        Some(
            if detail.contains(" date header ") || detail.contains(" time frame") {
                format!("{said} {detail}")
            } else {
                said.to_owned()
            },
        )
    }

    async fn whole(&self, request: &HttpRequest) -> Option<Result<Whole>> {
        Some(self.send(request.clone()).await)
    }
}

/// A block id with the length of Microsoft's Python library: all blocks of a blob must have ids of the same length,
/// including leftover blocks of another program.
fn long_id(id: &str) -> String {
    STANDARD.encode(format!("{id:0>48}"))
}

/// A list of blocks with their long ids.
fn with_long_ids(list: &[u8]) -> String {
    let list = String::from_utf8_lossy(list);
    let parts = list.split('<').map(|part| match part.strip_prefix("Latest>") {
        Some(id) => format!("Latest>{}", long_id(id)),
        None => part.to_owned(),
    });
    parts.collect::<Vec<_>>().join("<")
}

/// Adds the usual trailing slash to the real directories in a listing.
fn with_slashes(listing: &[u8]) -> String {
    let listing = String::from_utf8_lossy(listing);
    let blobs = listing.split_inclusive("</Blob>");
    let blobs = blobs.map(|blob| {
        if DIRECTORY_SIGNS.iter().any(|sign| blob.contains(sign)) {
            blob.replacen("</Name>", "/</Name>", 1)
        } else {
            blob.to_owned()
        }
    });
    blobs.collect()
}
