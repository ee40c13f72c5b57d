//! Files that are put to Google Cloud Storage. From Google's pages on "Resumable uploads".

use reqwest::header::{LOCATION, RANGE};
use reqwest::{Method, Response, StatusCode, Url};

use super::exchange::{Ask, Content, FIRST_PAUSE, MOST_TRIES, text, whole_text};
use super::gcs::{Gcs, strange};
use super::parts::PART;
use super::{StoreError, content_type};
use crate::data::checksum::{Algorithm, Checksum, Sum};
use crate::http::{SentFile, may_see_credentials};

/// How often an upload is begun again whose session the service has forgotten.
const MOST_SESSIONS: u32 = 3;

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
    pub(super) async fn put_in_parts(&self, name: &str, file: &SentFile) -> Result<(), StoreError> {
        let mut sessions = 1;
        loop {
            let session = self.begin(name, file).await?;
            match self.send_parts(&session, file).await {
                // The service may forget an upload at any time; then it is to be begun again.
                Err(StoreError::Missing { .. }) if sessions < MOST_SESSIONS => sessions += 1,
                done => return done,
            }
        }
    }

    async fn begin(&self, name: &str, file: &SentFile) -> Result<Session, StoreError> {
        let url = self.upload_url(name)?;
        let mut ask = Ask::new(Method::POST, url.clone())
            .header("x-upload-content-type", content_type(name))
            .header("x-upload-content-length", &file.length().to_string())
            .header("content-type", "application/json");
        let about = serde_json::json!({ "name": name, "contentType": content_type(name) });
        ask.content = Content::Bytes(about.to_string().into());
        let answer = ask.send(self).await?;
        Session::at(
            &url,
            text(answer.headers(), LOCATION.as_str()).unwrap_or_default(),
        )
    }

    /// Sends part after part, from where the service says that it goes on.
    async fn send_parts(&self, session: &Session, file: &SentFile) -> Result<(), StoreError> {
        let length = file.length();
        let mut sum = SumInOrder::new();
        let (mut offset, mut tries) = (0, 1);
        loop {
            let sent = if offset == length {
                self.state(session, length).await
            } else {
                self.send_part(session, file, offset, &mut sum).await
            };
            let state = match sent {
                Err(problem) if tries < MOST_TRIES && problem.is_transient() => {
                    tracing::debug!(try_number = tries, problem = %problem, "a part was not taken");
                    tokio::time::sleep(FIRST_PAUSE * 2u32.pow(tries - 1)).await;
                    self.state(session, length).await?
                }
                state => state?,
            };
            let arrived = match state {
                State::Done(object) => return sum.check(&object, length),
                State::Going(arrived) if arrived > sum.summed => {
                    return Err(strange("more has arrived than was sent".to_owned()));
                }
                State::Going(arrived) => arrived,
            };
            tries = match arrived > offset {
                true => 1,
                false if tries == MOST_TRIES => {
                    return Err(strange("it takes no more of the file".to_owned()));
                }
                false => tries + 1,
            };
            offset = arrived;
        }
    }

    async fn send_part(
        &self,
        session: &Session,
        file: &SentFile,
        offset: u64,
        sum: &mut SumInOrder,
    ) -> Result<State, StoreError> {
        let length = file.length();
        let end = length.min(offset + PART);
        let bytes = file.read(offset..end).await.map_err(StoreError::unreadable)?;
        sum.add(offset, &bytes);
        let mut ask = session.ask(&format!("bytes {offset}-{}/{length}", end - 1));
        if end == length {
            // Until here nobody sees the object.
            file.check().map_err(StoreError::unreadable)?;
            let crc32c = sum.finish().to_base64();
            ask = ask.header("x-goog-hash", &format!("crc32c={crc32c}"));
        }
        ask.content = Content::Bytes(bytes);
        state_of(ask.send_once(self).await?).await
    }

    /// Asks how far the upload is.
    async fn state(&self, session: &Session, length: u64) -> Result<State, StoreError> {
        let ask = session.ask(&format!("bytes */{length}"));
        state_of(ask.send(self).await?).await
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

    fn ask(&self, range: &str) -> Ask {
        let mut ask = Ask::new(Method::PUT, self.url.clone()).header("content-range", range);
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

/// The checksum of a file whose parts may be read more than once.
struct SumInOrder {
    sum: Option<Sum>,
    /// How much of the file is in it.
    summed: u64,
    whole: Option<Checksum>,
}

impl SumInOrder {
    fn new() -> Self {
        Self {
            sum: Some(Sum::new(Algorithm::Crc32c)),
            summed: 0,
            whole: None,
        }
    }

    /// Adds what is new of a part, which begins at most where the last one ended.
    fn add(&mut self, offset: u64, bytes: &[u8]) {
        let known = usize::try_from(self.summed.saturating_sub(offset)).unwrap_or(usize::MAX);
        if let (Some(sum), Some(new)) = (&mut self.sum, bytes.get(known..)) {
            sum.add(new);
            self.summed += new.len() as u64;
        }
    }

    /// The checksum of all that was added. Nothing may be added afterwards.
    fn finish(&mut self) -> &Checksum {
        let sum = &mut self.sum;
        let empty = || Checksum::of(Algorithm::Crc32c, &[]);
        self.whole
            .get_or_insert_with(|| sum.take().map_or_else(empty, Sum::finish))
    }

    /// Whether the object that the service describes is the file.
    fn check(&mut self, object: &str, length: u64) -> Result<(), StoreError> {
        let object: serde_json::Value =
            serde_json::from_str(object).map_err(|_| strange("no description of an object".to_owned()))?;
        let size = object["size"].as_str().and_then(|size| size.parse::<u64>().ok());
        if let Some(size) = size.filter(|size| *size != length) {
            return Err(StoreError::Damaged {
                reason: format!("it has {length} bytes, and {size} arrived"),
            });
        }
        let arrived = object["crc32c"].as_str();
        match arrived.and_then(|sum| Checksum::from_base64(Algorithm::Crc32c, sum)) {
            Some(arrived) => self.finish().check(&arrived),
            None => Ok(()),
        }
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
            let asks = session.map(|session| !session.ask("bytes */1").is_anonymous);
            assert_eq!(asks, expected, "{location}");
        }
    }

    #[test]
    fn parts_that_come_again_are_summed_once() {
        let mut sum = SumInOrder::new();
        for (offset, bytes) in [(0, "1234"), (2, "3456"), (2, "34"), (6, "789")] {
            sum.add(offset, bytes.as_bytes());
        }
        assert_eq!(sum.summed, 9);
        assert_eq!(sum.finish().to_base64(), "4waSgw==");
        for (object, is_right) in [
            (r#"{"size": "9", "crc32c": "4waSgw=="}"#, true),
            (r#"{"name": "x"}"#, true),
            (r#"{"size": "8"}"#, false),
            (r#"{"size": "9", "crc32c": "4waSgg=="}"#, false),
            ("", false),
        ] {
            assert_eq!(sum.check(object, 9).is_ok(), is_right, "{object}");
        }
    }
}
