//! Large files that are put to Google Cloud Storage. From Google's pages on "Resumable uploads".

use backon::{BackoffBuilder as _, Retryable as _};
use futures_util::TryStreamExt as _;
use reqwest::header::{LOCATION, RANGE};
use reqwest::{Method, Response, StatusCode, Url};
use serde_json::{Value, json};

use super::exchange::{Ask, Content, pauses, text, whole_text};
use super::gcs::{Gcs, strange};
use super::parts::{PART, parts};
use super::{StoreError, content_type};
use crate::data::checksum::{Algorithm, Checksum, Sum};
use crate::http::{SentFile, may_see_credentials};

/// How often an upload is begun again whose session the service has forgotten.
const MOST_SESSIONS: usize = 3;

/// The status by which the service says that it waits for more.
const GOES_ON: StatusCode = StatusCode::PERMANENT_REDIRECT;

/// The address that takes the file's parts. Who knows it may write the object.
struct Session {
    url: Url,
    /// Whether the address is the service's own: nobody else gets its credentials.
    is_trusted: bool,
}

/// What the service says of an upload.
enum State {
    /// So many bytes have arrived.
    Going(u64),
    /// The object is there; its description.
    Done(String),
}

impl Gcs {
    /// Puts a file in parts, of which the last one makes the object.
    pub(super) async fn put_in_parts(&self, key: &str, file: &SentFile) -> Result<(), StoreError> {
        let put = || async {
            let session = self.begin(key, file).await?;
            self.send_parts(&session, file).await
        };
        // The service may forget an upload at any time.
        put.retry(pauses().with_max_times(MOST_SESSIONS - 1))
            .when(|problem| matches!(problem, StoreError::Missing { .. }))
            .await
    }

    async fn begin(&self, key: &str, file: &SentFile) -> Result<Session, StoreError> {
        let url = self.upload_url(key)?;
        let mut ask = Ask::new(Method::POST, url.clone())
            .header("x-upload-content-type", content_type(key))
            .header("x-upload-content-length", &file.length().to_string())
            .header("content-type", "application/json");
        let about = json!({ "name": key, "contentType": content_type(key) });
        ask.content = Content::Bytes(about.to_string().into());
        let answer = ask.send(self).await?;
        let location = text(answer.headers(), LOCATION.as_str());
        Session::at(&url, location.unwrap_or_default())
    }

    /// Sends part after part, from where the service says that it goes on.
    async fn send_parts(&self, session: &Session, file: &SentFile) -> Result<(), StoreError> {
        let length = file.length();
        let whole = sum_of(file).await?;
        let (mut offset, mut left) = (0, pauses().build());
        loop {
            let sent = self.send_part(session, file, offset, &whole).await;
            let state = match sent {
                Err(problem) if problem.is_transient() => {
                    tracing::debug!(problem = %problem, "a part was not taken");
                    tokio::time::sleep(left.next().ok_or(problem)?).await;
                    state_of(session.ask(length, length, length).send(self).await?).await?
                }
                state => state?,
            };
            let arrived = match state {
                State::Done(object) => return check(&object, &whole, length),
                State::Going(arrived) => arrived,
            };
            if arrived > offset {
                left = pauses().build();
            } else if left.next().is_none() {
                return Err(strange("it takes no more of the file".to_owned()));
            }
            offset = arrived;
        }
    }

    /// Sends the part that begins there; after the last one it is asked how far the upload is.
    async fn send_part(
        &self,
        session: &Session,
        file: &SentFile,
        start: u64,
        whole: &Checksum,
    ) -> Result<State, StoreError> {
        let length = file.length();
        let end = length.min(start.saturating_add(PART));
        let mut ask = session.ask(start, end, length);
        ask.content = Content::Bytes(file.read(start..end).await.map_err(StoreError::unreadable)?);
        if end == length {
            // Until here nobody sees the object.
            file.check().map_err(StoreError::unreadable)?;
            ask = ask.header("x-goog-hash", &format!("crc32c={}", whole.to_base64()));
        }
        state_of(ask.send_once(self).await?).await
    }
}

impl Session {
    /// The session that the service at `url` has at this location.
    fn at(url: &Url, location: &str) -> Result<Self, StoreError> {
        // What was to be sent by TLS is not sent without it.
        let is_safe = |to: &Url| matches!((url.scheme(), to.scheme()), ("http", "http") | (_, "https"));
        let address = url.join(location).ok().filter(|_| !location.is_empty());
        match address.filter(is_safe) {
            Some(address) => Ok(Self {
                is_trusted: may_see_credentials(url, &address),
                url: address,
            }),
            None => Err(strange("no address for the file's parts".to_owned())),
        }
    }

    /// The request that brings these bytes; no bytes ask how far the upload is.
    fn ask(&self, start: u64, end: u64, length: u64) -> Ask {
        let range = match start < end {
            true => format!("bytes {start}-{}/{length}", end - 1),
            false => format!("bytes */{length}"),
        };
        let mut ask = Ask::new(Method::PUT, self.url.clone()).header("content-range", &range);
        ask.accepts = Some(GOES_ON);
        ask.is_anonymous = !self.is_trusted;
        ask
    }
}

async fn state_of(answer: Response) -> Result<State, StoreError> {
    if answer.status() != GOES_ON {
        return Ok(State::Done(whole_text(answer).await?));
    }
    // `bytes=0-LAST`; none where nothing has arrived.
    let Some(range) = text(answer.headers(), RANGE.as_str()) else {
        return Ok(State::Going(0));
    };
    let last = range.rsplit('-').next().and_then(|last| last.parse::<u64>().ok());
    match last {
        Some(last) => Ok(State::Going(last.saturating_add(1))),
        None => Err(strange(format!("the Range '{range}'"))),
    }
}

async fn sum_of(file: &SentFile) -> Result<Checksum, StoreError> {
    let mut sum = Sum::new(Algorithm::Crc32c);
    let parts = parts(file, PART, Some(&mut sum));
    parts.try_for_each(|_| async { Ok(()) }).await?;
    Ok(sum.finish())
}

/// Whether the object that the service describes is the file.
fn check(object: &str, whole: &Checksum, length: u64) -> Result<(), StoreError> {
    let object: Value =
        serde_json::from_str(object).map_err(|_| strange("no description of an object".to_owned()))?;
    let size = object["size"].as_str().and_then(|size| size.parse::<u64>().ok());
    if let Some(size) = size.filter(|size| *size != length) {
        return Err(StoreError::Damaged {
            reason: format!("it has {length} bytes, and {size} arrived"),
        });
    }
    let arrived = object["crc32c"].as_str();
    match arrived.and_then(|sum| Checksum::from_base64(Algorithm::Crc32c, sum)) {
        Some(arrived) => whole.check(&arrived),
        None => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn credentials_stay_with_the_service() {
        let google = "https://storage.googleapis.com/upload/storage/v1/b/b/o?uploadType=resumable";
        let emulator = "http://127.0.0.1:9023/upload/storage/v1/b/b/o";
        for (url, location, expected) in [
            (
                google,
                "https://storage.googleapis.com/upload?upload_id=x",
                Some(true),
            ),
            (google, "/upload?upload_id=x", Some(true)),
            (
                google,
                "https://elsewhere.example/upload?upload_id=x",
                Some(false),
            ),
            (google, "https://storage.googleapis.com:8443/upload", Some(false)),
            (google, "http://storage.googleapis.com/upload?upload_id=x", None),
            (google, "ftp://storage.googleapis.com/x", None),
            (google, "", None),
            (emulator, "http://127.0.0.1:9023/upload?upload_id=x", Some(true)),
            (emulator, "http://gcs:9023/upload?upload_id=x", Some(false)),
        ] {
            let session = Session::at(&Url::parse(url).unwrap(), location).ok();
            let asks = session.map(|session| session.is_trusted);
            assert_eq!(asks, expected, "{location}");
        }
    }
}
