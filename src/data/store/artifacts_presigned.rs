//! Artifacts of a tracking server that passes none on itself (`--artifacts-presigned-only`, from MLflow
//! 3.18): it signs addresses in its storage, and clients read and write there without it.
//!
//! A signed address is a credential. No text holds more of one than its host, and the storage learns
//! nothing of who asks the tracking server.

use std::collections::HashMap;
use std::ops::Range;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};

use async_trait::async_trait;
use bytes::Bytes;
use futures_util::{StreamExt as _, TryStreamExt as _, stream};
use reqwest::header::HeaderMap;
use reqwest::redirect::Policy;
use reqwest::{Client, Method, Response, Url};
use serde::Deserialize;
use serde_json::{Value, json};
use tokio::sync::OnceCell;

use super::artifacts::{Artifacts, ListEntry, NAME, body, ranged, size};
use super::exchange::{Ask, Content, Service, text, tried};
use super::parts::{at_once, part_size, parts};
use super::s3::{ignores_tls, refusal_of_storage};
use super::{Body, Object, StoreError};
use crate::env_vars;
use crate::http::{self, SentFile, Verification};

/// The storage that signed addresses lead to.
pub(super) const STORAGE: &str = "the storage behind the tracking server";

/// No kind of storage takes more parts.
const MOST_PARTS: u64 = 10_000;

/// What is known of a server's way to hand out artifacts.
#[derive(Default)]
pub(super) struct Presigned {
    is_needed: AtomicBool,
    storage: OnceCell<Storage>,
    /// The directory of an upload that has begun and not ended, and what the server knows the upload by. Its
    /// parts cost money until it ends.
    unfinished: Mutex<Option<(String, Value)>>,
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

    /// Sends a request to where a signed address leads.
    async fn send(&self, ask: Ask) -> Result<Response, StoreError> {
        let storage = self.storage.get_or_try_init(|| async { Storage::new() }).await?;
        let host = ask.url.host_str().unwrap_or_default().to_owned();
        ask.send(storage).await.map_err(|problem| match problem {
            StoreError::NoAnswer { fault, reason } => StoreError::NoAnswer {
                fault,
                reason: format!("{reason} ({host}, the storage that the tracking server refers to)"),
            },
            problem => problem,
        })
    }

    /// Sends all parts of a file, each to its own address. Gives what the server is to be told of them.
    async fn send_parts(
        &self,
        signed: Vec<Signed>,
        file: &SentFile,
        size: u64,
    ) -> Result<Vec<Value>, StoreError> {
        let bytes = match file.length() {
            0 => stream::iter([Ok(Bytes::new())]).boxed(),
            _ => parts(file, size, None).boxed(),
        };
        bytes
            .zip(stream::iter(signed))
            .map(|(bytes, signed)| Ok::<_, StoreError>((bytes?, signed)))
            .map_ok(|(bytes, signed)| async move {
                let mut ask = signed.ask(Method::PUT)?;
                ask.content = Content::Bytes(bytes);
                let answer = self.send(ask).await?;
                // Not every storage tells its parts apart by tags.
                let tag = text(answer.headers(), "etag").unwrap_or_default();
                let number = signed.part_number.unwrap_or(1);
                Ok(json!({ "part_number": number, "etag": tag, "url": signed.url }))
            })
            .try_buffered(at_once(size))
            .try_collect()
            .await
    }

    fn unfinished(&self) -> MutexGuard<'_, Option<(String, Value)>> {
        self.unfinished.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// An address to read from or to write to, good for a time.
#[derive(Deserialize)]
struct Signed {
    url: String,
    /// What must go with the request.
    headers: Option<HashMap<String, String>>,
    /// Of an artifact that is there.
    #[serde(default, deserialize_with = "size")]
    file_size: Option<u64>,
    /// Of an upload, from 1.
    part_number: Option<u64>,
}

impl Signed {
    fn ask(&self, method: Method) -> Result<Ask, StoreError> {
        let url = Url::parse(&self.url).ok();
        let url = url.filter(|url| matches!(url.scheme(), "http" | "https") && url.has_host());
        let mut ask = Ask::new(
            method,
            url.ok_or_else(|| StoreError::strange(NAME, "a signed address that is none"))?,
        );
        if let Some(headers) = &self.headers {
            ask.headers = HeaderMap::try_from(headers)
                .map_err(|_| StoreError::strange(NAME, "a header for the storage that is none"))?;
        }
        for value in ask.headers.values_mut() {
            value.set_sensitive(true);
        }
        Ok(ask)
    }
}

#[derive(Deserialize)]
struct BegunAnswer {
    upload_id: Option<String>,
    credentials: Vec<Signed>,
}

impl Artifacts {
    /// Begins to read an artifact from the storage.
    pub(super) async fn open_presigned(
        &self,
        object: &Object,
        range: Option<&Range<u64>>,
        validator: Option<&str>,
    ) -> Result<Body, StoreError> {
        let url = self.service_url("presigned", &object.key)?;
        let signed = self.ask(Method::GET, url).text(self).await?;
        let signed: Signed =
            serde_json::from_str(&signed).map_err(|_| StoreError::strange(NAME, "no signed address"))?;
        let ask = ranged(signed.ask(Method::GET)?, range, "if-match", validator);
        body(STORAGE, self.presigned.send(ask).await?, signed.file_size)
    }

    /// Puts a file into the storage, at this whole path. It appears when all of its parts are there.
    pub(super) async fn put_presigned(&self, path: &str, file: &SentFile) -> Result<(), StoreError> {
        let (directory, name) = path.rsplit_once('/').unwrap_or(("", path));
        let size = part_size(file.length(), MOST_PARTS);
        // An empty file has a part too.
        let count = file.length().div_ceil(size).max(1);
        let begin = self.upload_ask("create", directory, &json!({ "path": name, "num_parts": count }))?;
        let begun: BegunAnswer = serde_json::from_str(&begin.text(self).await?)
            .map_err(|_| StoreError::strange(NAME, "no signed addresses"))?;
        let mut upload = json!({ "path": name });
        if let Some(id) = begun.upload_id {
            upload["upload_id"] = id.into();
        }
        *self.presigned.unfinished() = Some((directory.to_owned(), upload.clone()));
        let mut signed = begun.credentials;
        signed.sort_by_key(|signed| signed.part_number);
        if signed.len() as u64 != count {
            let reason = format!("{} signed addresses where {count} were asked for", signed.len());
            return Err(StoreError::strange(NAME, reason));
        }
        upload["parts"] = self.presigned.send_parts(signed, file, size).await?.into();
        // Until here nobody sees the file.
        file.check().map_err(StoreError::unreadable)?;
        let complete = &self.upload_ask("complete", directory, &upload)?;
        let was_unclear = &AtomicBool::new(false);
        tried(|| async move {
            match complete.text_once(self).await {
                // An earlier try may have done it, of which the answer was lost.
                Err(_)
                    if was_unclear.swap(true, Ordering::Relaxed)
                        && self.is_there(directory, name, file.length()).await =>
                {
                    Ok(())
                }
                completed => completed.map(drop),
            }
        })
        .await?;
        *self.presigned.unfinished() = None;
        Ok(())
    }

    /// Whether the directory has a file of this name and length.
    async fn is_there(&self, directory: &str, name: &str, length: u64) -> bool {
        let entries = self.entries(directory).await.unwrap_or_default();
        let is_it =
            |entry: &ListEntry| !entry.is_dir && entry.path == name && entry.file_size == Some(length);
        entries.iter().any(is_it)
    }

    fn upload_ask(&self, what: &str, directory: &str, about: &Value) -> Result<Ask, StoreError> {
        let url = self.service_url(&format!("mpu/{what}"), directory)?;
        let ask = self.ask(Method::POST, url);
        let mut ask = ask.header("content-type", "application/json");
        ask.content = Content::Bytes(about.to_string().into());
        Ok(ask)
    }

    /// Removes the parts of an upload that has not ended.
    pub(super) async fn abort_unfinished(&self) -> Result<(), StoreError> {
        let unfinished = self.presigned.unfinished().take();
        let Some((directory, upload)) = unfinished else {
            return Ok(());
        };
        let abort = self.upload_ask("abort", &directory, &upload)?;
        abort.send(self).await.map(drop)
    }
}

/// Whether the storage takes the address for one that is no longer good: it is asked for anew.
pub(super) fn may_have_expired(problem: &StoreError) -> bool {
    matches!(
        problem,
        StoreError::Refused {
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
    fn new() -> Result<Self, StoreError> {
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
