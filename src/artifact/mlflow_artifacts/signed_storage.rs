//! The storage that a tracking server signs addresses in, and what is known of the server's way to hand them
//! out.

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

/// What is known of a server's way to hand out artifacts.
#[derive(Default)]
pub(super) struct Presigned {
    is_needed: AtomicBool,
    storage: OnceCell<Storage>,
    /// The directory of an upload that has begun and not ended, and what the server knows the upload by. Its
    /// parts cost money until it ends.
    pub(super) unfinished: Mutex<Option<(String, Value)>>,
}

impl Presigned {
    /// Whether the server is known to pass nothing on.
    pub(super) fn is_needed(&self) -> bool {
        self.is_needed.load(Ordering::Relaxed)
    }

    /// Takes in what the server says of itself, in a refusal or where it was asked.
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

    /// Sends all parts of a file, each to its own address. Gives what the server is to be told of them.
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
                // Not every storage tells its parts apart by tags.
                let tag = text(answer.headers(), "etag").unwrap_or_default();
                let number = signed.part_number.unwrap_or(1);
                Ok(json!({ "part_number": number, "etag": tag, "url": signed.url }))
            })
            .try_buffered(at_once(size))
            .try_collect()
            .await
    }
}

/// An address to read from or to write to, good for a time.
#[derive(Deserialize)]
pub(super) struct Signed {
    url: String,
    /// What must go with the request.
    headers: Option<HashMap<String, String>>,
    /// Of an artifact that is there.
    #[serde(default, deserialize_with = "size")]
    pub(super) file_size: Option<u64>,
    /// Of an upload, from 1.
    pub(super) part_number: Option<u64>,
}

impl Signed {
    pub(super) fn request(&self, method: Method) -> Result<HttpRequest> {
        let url = Url::parse(&self.url).ok();
        let url = url.filter(|url| matches!(url.scheme(), "http" | "https") && url.has_host());
        let mut request = HttpRequest::new(
            method,
            url.ok_or_else(|| RepositoryError::strange(NAME, "a signed address that is none"))?,
        );
        if let Some(headers) = &self.headers {
            request.headers = HeaderMap::try_from(headers)
                .map_err(|_| RepositoryError::strange(NAME, "a header for the storage that is none"))?;
        }
        for value in request.headers.values_mut() {
            value.set_sensitive(true);
        }
        Ok(request)
    }
}

/// A file's size, which some servers write as text.
pub(super) fn size<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<u64>, D::Error> {
    let value = Value::deserialize(deserializer)?;
    Ok(value.as_u64().or_else(|| value.as_str()?.parse().ok()))
}

/// Whether the storage takes the address for one that is no longer good: it is asked for anew.
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

/// What signed addresses lead to. It has a client of its own: that of the tracking server may show a
/// certificate, or trust any server.
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

    // No request is authorized: the address itself says who may.
    async fn asker(&self) -> String {
        "an address that the tracking server signed".to_owned()
    }

    fn said(&self, body: &str) -> Option<String> {
        refusal_of_storage(body)
    }

    fn follows_redirects(&self) -> bool {
        true
    }
}
