//! The storage behind a tracking server with signed addresses.

use std::collections::HashMap;
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, Ordering};

use async_trait::async_trait;
use bytes::Bytes;
use futures_util::{StreamExt as _, TryStreamExt as _, stream};
use reqwest::header::HeaderMap;
use reqwest::redirect::Policy;
use reqwest::{Client, Method, Response, Url};
use serde::{Deserialize, Deserializer};
use serde_json::{Value, json};
use tokio::sync::OnceCell;

use crate::artifact::error::{RepositoryError, Result, STORAGE};
use crate::artifact::http_request::{HttpRequest, Service, text};
use crate::artifact::repository::{at_once, parts};
use crate::artifact::s3::ignores_tls;
use crate::aws::refusal as refusal_of_storage;
use crate::env_vars;
use crate::http::{self, Content, SentFile, Verification};

pub(super) const NAME: &str = "the tracking server";

/// Whether a server uses signed addresses, and the unfinished upload.
#[derive(Default)]
pub(super) struct Presigned {
    is_needed: AtomicBool,
    storage: OnceCell<Storage>,
    /// The directory and the identification of an unfinished upload. Its parts cost money until they are removed.
    pub(super) unfinished: Mutex<Option<(String, Value)>>,
}

impl Presigned {
    /// Whether the server is known to have signed addresses only.
    pub(super) fn is_needed(&self) -> bool {
        self.is_needed.load(Ordering::Relaxed)
    }

    /// Reads the server's capabilities, from a refusal or from its own service for them.
    pub(super) fn learn(&self, answer: &str) {
        let answer: Value = serde_json::from_str(answer).unwrap_or_default();
        if answer["artifacts_presigned_only"] == true {
            self.is_needed.store(true, Ordering::Relaxed);
        }
    }

    pub(super) async fn send(&self, request: HttpRequest) -> Result<Response> {
        let storage = self.storage.get_or_try_init(|| async { Storage::new() }).await?;
        let host = request.url.host_str().unwrap_or_default().to_owned();
        request.send(storage).await.map_err(|problem| match problem {
            RepositoryError::NoAnswer { fault, reason } => RepositoryError::NoAnswer {
                fault,
                reason: format!("{reason} ({host}, the storage that the tracking server refers to)"),
            },
            problem => problem,
        })
    }

    /// Sends all parts of a file, each to its address. Gives the parts' description for the server.
    pub(super) async fn send_parts(
        &self,
        signed: Vec<Signed>,
        file: &SentFile,
        size: u64,
    ) -> Result<Vec<Value>> {
        let bytes = match file.length() {
            0 => stream::iter([Ok(Bytes::new())]).boxed(),
            _ => parts(file, size, None).boxed(),
        };
        bytes
            .zip(stream::iter(signed))
            .map(|(bytes, signed)| Ok::<_, RepositoryError>((bytes?, signed)))
            .map_ok(|(bytes, signed)| async move {
                let request = signed.request(Method::PUT)?.with(Content::bytes(bytes));
                let answer = self.send(request).await?;
                // Not every storage has tags for parts.
                let tag = text(answer.headers(), "etag").unwrap_or_default();
                let number = signed.part_number.unwrap_or(1);
                Ok(json!({ "part_number": number, "etag": tag, "url": signed.url }))
            })
            .try_buffered(at_once(size))
            .try_collect()
            .await
    }
}

/// A temporary address for reading or writing.
#[derive(Deserialize)]
pub(super) struct Signed {
    url: String,
    /// The headers that the request needs.
    headers: Option<HashMap<String, String>>,
    /// The size of an existing artifact.
    #[serde(default, deserialize_with = "size")]
    pub(super) file_size: Option<u64>,
    /// The part of an upload, from 1.
    pub(super) part_number: Option<u64>,
}

impl Signed {
    pub(super) fn request(&self, method: Method) -> Result<HttpRequest> {
        let url = Url::parse(&self.url).ok();
        let url = url.filter(|url| matches!(url.scheme(), "http" | "https") && url.has_host());
        let mut request = HttpRequest::new(
            method,
            url.ok_or_else(|| RepositoryError::strange(NAME, "an invalid signed address"))?,
        );
        if let Some(headers) = &self.headers {
            request.headers = HeaderMap::try_from(headers)
                .map_err(|_| RepositoryError::strange(NAME, "an invalid header for the storage"))?;
        }
        for value in request.headers.values_mut() {
            value.set_sensitive(true);
        }
        Ok(request)
    }
}

/// A file's size, which some servers send as text.
pub(super) fn size<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<u64>, D::Error> {
    let value = Value::deserialize(deserializer)?;
    Ok(value.as_u64().or_else(|| value.as_str()?.parse().ok()))
}

/// Whether the signed address may have expired, so that a new one may help.
pub(super) fn may_have_expired(problem: &RepositoryError) -> bool {
    matches!(
        problem,
        RepositoryError::Refused {
            store: STORAGE,
            status: 400 | 401 | 403,
            ..
        }
    )
}

/// The storage of signed addresses. It has a separate client, because the tracking server's may send a client
/// certificate or trust any server.
struct Storage(Client);

impl Storage {
    fn new() -> Result<Self> {
        let verification = if ignores_tls() {
            Verification::Off
        } else {
            Verification::from_variables(&env_vars::non_empty)
        };
        Ok(Self(http::client(Some(&verification), Policy::none())?))
    }
}

#[async_trait]
impl Service for Storage {
    fn name(&self) -> &'static str {
        STORAGE
    }

    fn client(&self) -> &Client {
        &self.0
    }

    // Requests need no credentials, because the address is signed.
    async fn asker(&self) -> String {
        "an address signed by the tracking server".to_owned()
    }

    fn said(&self, body: &str) -> Option<String> {
        refusal_of_storage(body)
    }

    fn follows_redirects(&self) -> bool {
        true
    }
}
