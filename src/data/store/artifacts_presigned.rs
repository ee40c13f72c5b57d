//! Artifacts of a tracking server that passes none on itself (`--artifacts-presigned-only`, from MLflow
//! 3.18): it signs addresses in its storage, and clients read and write there without it.
//!
//! A signed address is a credential. No text holds more of one than its host, and the storage learns
//! nothing of who asks the tracking server.

use std::collections::BTreeMap;
use std::ops::Range;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Mutex, OnceLock, PoisonError};
use std::time::Duration;

use async_trait::async_trait;
use backon::{ConstantBuilder, Retryable as _};
use bytes::Bytes;
use futures_util::{StreamExt as _, TryStreamExt as _, stream};
use reqwest::header::{HeaderName, HeaderValue};
use reqwest::redirect::Policy;
use reqwest::{Client, Method, Request, Response, Url};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use super::artifacts::{Artifacts, NAME, body, ranged, size, strange};
use super::exchange::{Ask, Content, Service, text, tried};
use super::parts::{at_once, part_size, parts, why_not_aborted};
use super::s3::{ignores_tls, refusal_of_storage};
use super::{Body, Object, StoreError};
use crate::env_vars;
use crate::http::{self, SentFile, Verification};

/// The storage that signed addresses lead to.
pub(super) const STORAGE: &str = "the storage behind the tracking server";

/// No kind of storage takes more parts.
const MOST_PARTS: u64 = 10_000;

/// An address that is no longer good is asked for anew.
const ONCE_MORE: ConstantBuilder = ConstantBuilder::new()
    .with_delay(Duration::ZERO)
    .with_max_times(1);

/// What is known of a server's way to hand out artifacts.
#[derive(Debug, Default)]
pub(super) struct Presigned {
    is_needed: AtomicBool,
    storage: OnceLock<Storage>,
    /// An upload that has begun and not ended. Its parts cost money until it does.
    unfinished: Mutex<Option<Upload>>,
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
        let storage = match self.storage.get() {
            Some(storage) => storage,
            None => {
                let storage = Storage::new()?;
                self.storage.get_or_init(|| storage)
            }
        };
        let host = ask.url.host_str().unwrap_or_default().to_owned();
        ask.send(storage).await.map_err(|problem| match problem {
            StoreError::NoAnswer { fault, reason } => StoreError::NoAnswer {
                fault,
                reason: format!("{reason} ({host}, the storage that the tracking server refers to)"),
            },
            problem => problem,
        })
    }

    /// Sends all parts of a file, each to its own address.
    async fn send_parts(
        &self,
        signed: Vec<Signed>,
        file: &SentFile,
        size: u64,
    ) -> Result<Vec<Arrived>, StoreError> {
        let bytes = match file.length() {
            0 => stream::iter([Ok(Bytes::new())]).boxed(),
            _ => parts(file, size, None).boxed(),
        };
        let mut arrived: Vec<Arrived> = bytes
            .zip(stream::iter(signed))
            .map(|(bytes, signed)| Ok::<_, StoreError>((bytes?, signed)))
            .map_ok(|(bytes, signed)| async move {
                let mut ask = signed.ask(Method::PUT)?;
                ask.content = Content::Bytes(bytes);
                let answer = self.send(ask).await?;
                Ok(Arrived {
                    part_number: signed.part_number.unwrap_or(1),
                    // Not every storage tells its parts apart by tags.
                    etag: text(answer.headers(), "etag").unwrap_or_default().to_owned(),
                    url: signed.url,
                })
            })
            .try_buffer_unordered(at_once(size))
            .try_collect()
            .await?;
        arrived.sort_by_key(|arrived| arrived.part_number);
        Ok(arrived)
    }

    /// Takes note of the upload that goes on, and gives the one that did.
    fn begin(&self, upload: Option<Upload>) -> Option<Upload> {
        let mut unfinished = self.unfinished.lock().unwrap_or_else(PoisonError::into_inner);
        std::mem::replace(&mut *unfinished, upload)
    }
}

/// An address to read from or to write to, good for a time.
#[derive(Deserialize)]
struct Signed {
    url: String,
    /// What must go with the request.
    headers: Option<BTreeMap<String, String>>,
    /// Of an artifact that is there.
    #[serde(default, deserialize_with = "size")]
    file_size: Option<u64>,
    /// Of an upload, from 1.
    part_number: Option<u64>,
}

#[derive(Deserialize)]
struct BegunAnswer {
    upload_id: Option<String>,
    credentials: Vec<Signed>,
}

/// An upload in parts.
#[derive(Debug, Clone)]
struct Upload {
    /// The whole path of the file.
    path: String,
    /// What the storage calls it, if it has such a name.
    id: Option<String>,
}

impl Upload {
    /// The directory, and the file's name in it.
    fn split(&self) -> (&str, &str) {
        self.path.rsplit_once('/').unwrap_or(("", &self.path))
    }
}

/// A part that has arrived.
#[derive(Serialize)]
struct Arrived {
    part_number: u64,
    etag: String,
    url: String,
}

impl Artifacts {
    /// Begins to read an artifact from the storage.
    pub(super) async fn open_presigned(
        &self,
        object: &Object,
        range: Option<Range<u64>>,
        validator: Option<&str>,
    ) -> Result<Body, StoreError> {
        (|| self.open_signed(object, range.as_ref(), validator))
            .retry(ONCE_MORE)
            .when(may_have_expired)
            .await
    }

    async fn open_signed(
        &self,
        object: &Object,
        range: Option<&Range<u64>>,
        validator: Option<&str>,
    ) -> Result<Body, StoreError> {
        let url = self.service_url("presigned", &object.key)?;
        let signed = self.ask(Method::GET, url).text(self).await?;
        let signed: Signed = serde_json::from_str(&signed).map_err(|_| strange(NAME, "no signed address"))?;
        let ask = ranged(signed.ask(Method::GET)?, range, "if-match", validator);
        body(STORAGE, self.presigned.send(ask).await?, signed.file_size)
    }

    /// Puts a file into the storage, below the place. It appears when all of its parts are there.
    pub(super) async fn put_presigned(&self, path: &str, file: &SentFile) -> Result<(), StoreError> {
        let path = self.below(path);
        // All addresses were signed when the upload began: a new one gets new ones.
        (|| self.put_signed_parts(&path, file))
            .retry(ONCE_MORE)
            .when(may_have_expired)
            .await
    }

    async fn put_signed_parts(&self, path: &str, file: &SentFile) -> Result<(), StoreError> {
        let size = part_size(file.length(), MOST_PARTS);
        // An empty file has a part too.
        let count = file.length().div_ceil(size).max(1);
        let mut upload = Upload {
            path: path.to_owned(),
            id: None,
        };
        let about = json!({ "num_parts": count });
        let begun = self.ask_about("create", &upload, about)?.text(self).await?;
        let begun: BegunAnswer =
            serde_json::from_str(&begun).map_err(|_| strange(NAME, "no signed addresses"))?;
        upload.id = begun.upload_id;
        self.presigned.begin(Some(upload.clone()));
        let put = async {
            let mut signed = begun.credentials;
            signed.sort_by_key(|signed| signed.part_number);
            if signed.len() as u64 != count {
                let reason = format!("{} signed addresses where {count} were asked for", signed.len());
                return Err(strange(NAME, &reason));
            }
            let arrived = self.presigned.send_parts(signed, file, size).await?;
            // Until here nobody sees the file.
            file.check().map_err(StoreError::unreadable)?;
            self.complete(&upload, &arrived, file.length()).await
        };
        let put = put.await;
        match put {
            Ok(()) => drop(self.presigned.begin(None)),
            Err(_) => self.abort_unfinished().await,
        }
        put
    }

    /// Makes the file of its parts.
    async fn complete(&self, upload: &Upload, arrived: &[Arrived], length: u64) -> Result<(), StoreError> {
        let ask = self.ask_about("complete", upload, json!({ "parts": arrived }))?;
        let was_unclear = AtomicBool::new(false);
        tried(|| async {
            match ask.text_once(self).await {
                // An earlier try may have done it, of which the answer was lost.
                Err(_)
                    if was_unclear.swap(true, Ordering::Relaxed) && self.is_there(upload, length).await =>
                {
                    Ok(())
                }
                completed => completed.map(drop),
            }
        })
        .await
    }

    /// Whether the directory has a file of this name and length.
    async fn is_there(&self, upload: &Upload, length: u64) -> bool {
        let (directory, name) = upload.split();
        let listed = self.entries(directory).await;
        listed.is_ok_and(|entries| entries.iter().any(|entry| entry.is_file(name, length)))
    }

    fn ask_about(&self, what: &str, upload: &Upload, mut about: Value) -> Result<Ask, StoreError> {
        let (directory, name) = upload.split();
        about["path"] = name.into();
        if let Some(id) = &upload.id {
            about["upload_id"] = id.as_str().into();
        }
        let url = self.service_url(&format!("mpu/{what}"), directory)?;
        let mut ask = self
            .ask(Method::POST, url)
            .header("content-type", "application/json");
        ask.content = Content::Bytes(about.to_string().into());
        Ok(ask)
    }

    /// Removes the parts of an upload that has not ended.
    pub(super) async fn abort_unfinished(&self) {
        let Some(upload) = self.presigned.begin(None) else {
            return;
        };
        let aborted = async { self.ask_about("abort", &upload, json!({}))?.send(self).await };
        if let Some(problem) = why_not_aborted(aborted).await {
            tracing::warn!(
                "cannot remove the parts of '{}' that have been uploaded: {problem}",
                upload.path
            );
        }
    }
}

impl Signed {
    fn ask(&self, method: Method) -> Result<Ask, StoreError> {
        let url = Url::parse(&self.url).ok();
        let url = url.filter(|url| matches!(url.scheme(), "http" | "https") && url.has_host());
        let url = url.ok_or_else(|| strange(NAME, "a signed address that is none"))?;
        let mut ask = Ask::new(method, url);
        for (name, value) in self.headers.iter().flatten() {
            let name = HeaderName::try_from(name.as_str());
            let (Ok(name), Ok(mut value)) = (name, HeaderValue::try_from(value.as_str())) else {
                return Err(strange(NAME, "a header for the storage that is none"));
            };
            value.set_sensitive(true);
            ask.headers.insert(name, value);
        }
        Ok(ask)
    }
}

/// Whether the storage takes the address for one that is no longer good.
fn may_have_expired(problem: &StoreError) -> bool {
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
#[derive(Debug)]
struct Storage {
    client: Client,
}

impl Storage {
    fn new() -> Result<Self, StoreError> {
        let verification = match ignores_tls() {
            true => Verification::Off,
            false => Verification::from_variables(&env_vars::non_empty),
        };
        Ok(Self {
            client: http::client(Some(&verification), Policy::none())?,
        })
    }
}

#[async_trait]
impl Service for Storage {
    fn name(&self) -> &'static str {
        STORAGE
    }

    fn client(&self) -> &Client {
        &self.client
    }

    async fn authorize(&self, _request: &mut Request, _content: &Content) -> Result<(), StoreError> {
        // The address itself says who may.
        Ok(())
    }

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
