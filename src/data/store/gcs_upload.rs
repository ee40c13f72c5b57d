//! Large files that are put to Google Cloud Storage. From Google's pages on "Resumable uploads".

use backon::{BackoffBuilder as _, Retryable as _};
use futures_util::TryStreamExt as _;
use reqwest::header::{LOCATION, RANGE};
use reqwest::{Method, StatusCode, Url};
use serde_json::{Value, json};

use super::exchange::{Ask, Content, text, tried};
use super::gcs::{Gcs, strange};
use super::parts::{PART, parts};
use super::{StoreError, content_type};
use crate::data::checksum::{Algorithm, Checksum, Sum};
use crate::http::{SentFile, may_see_credentials, pauses};

/// How often an upload is begun again whose session the service has forgotten.
const MOST_SESSIONS: usize = 3;

/// The status by which the service says that it waits for more.
const GOES_ON: StatusCode = StatusCode::PERMANENT_REDIRECT;

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

    /// The request that takes the file's parts.
    async fn begin(&self, key: &str, file: &SentFile) -> Result<Ask, StoreError> {
        let url = self.upload_url(key)?;
        let mut ask = Ask::new(Method::POST, url.clone())
            .header("x-upload-content-type", content_type(key))
            .header("x-upload-content-length", &file.length().to_string())
            .header("content-type", "application/json");
        let about = json!({ "name": key, "contentType": content_type(key) });
        ask.content = Content::Bytes(about.to_string().into());
        let answer = ask.send(self).await?;
        let location = text(answer.headers(), LOCATION.as_str());
        session(&url, location.unwrap_or_default())
    }

    /// Sends part after part, from where the service says that it goes on.
    async fn send_parts(&self, session: &Ask, file: &SentFile) -> Result<(), StoreError> {
        let mut sum = Sum::new(Algorithm::Crc32c);
        let read = parts(file, PART, Some(&mut sum));
        read.try_for_each(|_| async { Ok(()) }).await?;
        let whole = sum.finish();
        let (mut offset, mut left) = (0, pauses().build());
        loop {
            let sent = self.send_part(session, file, offset, &whole).await;
            let sent = match sent {
                Err(problem) if problem.is_transient() => {
                    tracing::debug!(problem = %problem, "a part was not taken");
                    tokio::time::sleep(left.next().ok_or(problem)?).await;
                    tried(|| self.send_part(session, file, file.length(), &whole)).await?
                }
                sent => sent?,
            };
            let Some(arrived) = sent else { return Ok(()) };
            if arrived > offset {
                left = pauses().build();
            } else if left.next().is_none() {
                return Err(strange("it takes no more of the file".to_owned()));
            }
            offset = arrived;
        }
    }

    /// Sends the part that begins there; after the last one it is asked how far the upload is. Gives how many
    /// bytes have arrived, or nothing if the object is there.
    async fn send_part(
        &self,
        session: &Ask,
        file: &SentFile,
        start: u64,
        whole: &Checksum,
    ) -> Result<Option<u64>, StoreError> {
        let length = file.length();
        let end = length.min(start.saturating_add(PART));
        let range = match start < end {
            true => format!("bytes {start}-{}/{length}", end - 1),
            false => format!("bytes */{length}"),
        };
        let mut ask = session.clone().header("content-range", &range);
        ask.content = Content::Bytes(file.read(start..end).await.map_err(StoreError::unreadable)?);
        if end == length {
            // Until here nobody sees the object.
            file.check().map_err(StoreError::unreadable)?;
            ask = ask.header("x-goog-hash", &format!("crc32c={}", whole.to_base64()));
        }
        let (status, headers, object) = ask.whole_once(self).await?;
        if status != GOES_ON {
            return check(&object, whole, length).map(|()| None);
        }
        // `bytes=0-LAST`; none if nothing has arrived.
        let Some(range) = text(&headers, RANGE.as_str()) else {
            return Ok(Some(0));
        };
        let last = range.rsplit('-').next().and_then(|last| last.parse::<u64>().ok());
        match last {
            Some(last) => Ok(Some(last.saturating_add(1))),
            None => Err(strange(format!("the Range '{range}'"))),
        }
    }
}

/// The request for the parts of an upload that the service at `url` has begun at this location. Who knows the
/// location may write the object. If it is not the service's own, it does not get the service's credentials.
fn session(url: &Url, location: &str) -> Result<Ask, StoreError> {
    // What was to be sent by TLS is not sent without it.
    let is_safe = |to: &Url| matches!((url.scheme(), to.scheme()), ("http", "http") | (_, "https"));
    let address = url.join(location).ok().filter(|_| !location.is_empty());
    let Some(address) = address.filter(is_safe) else {
        return Err(strange("no address for the file's parts".to_owned()));
    };
    let is_trusted = may_see_credentials(url, &address);
    let mut ask = Ask::new(Method::PUT, address);
    ask.accepts = Some(GOES_ON);
    ask.is_anonymous = !is_trusted;
    Ok(ask)
}

/// Whether the object that the service describes is the file.
fn check(object: &[u8], whole: &Checksum, length: u64) -> Result<(), StoreError> {
    let object: Value =
        serde_json::from_slice(object).map_err(|_| strange("no description of an object".to_owned()))?;
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
            (google, "/upload?upload_id=x", Some(false)),
            (google, "https://elsewhere.example/upload?upload_id=x", Some(true)),
            (google, "https://storage.googleapis.com:8443/upload", Some(true)),
            (google, "http://storage.googleapis.com/upload?upload_id=x", None),
            (google, "ftp://storage.googleapis.com/x", None),
            (google, "", None),
            (emulator, "http://127.0.0.1:9023/upload?upload_id=x", Some(false)),
            (emulator, "http://gcs:9023/upload?upload_id=x", Some(true)),
            ("http://gcs/o", "https://gcs/upload", Some(false)),
            (emulator, "https://127.0.0.1/upload", Some(true)),
        ] {
            let session = session(&Url::parse(url).unwrap(), location).ok();
            let is_anonymous = session.map(|ask| ask.is_anonymous);
            assert_eq!(is_anonymous, expected, "{location}");
        }
    }
}
