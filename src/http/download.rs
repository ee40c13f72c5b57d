//! Downloads over HTTP, straight into a file.

use std::fs::File;
use std::io::{self, Seek as _, SeekFrom, Write as _};
use std::time::Duration;

use backon::{BackoffBuilder as _, ExponentialBuilder};
use percent_encoding::percent_decode_str;
use reqwest::header::{
    AUTHORIZATION, CONTENT_RANGE, CONTENT_TYPE, ETAG, HeaderMap, HeaderValue, IF_RANGE, LAST_MODIFIED, RANGE,
};
use reqwest::{RequestBuilder, Response, StatusCode, Url};

use super::authorization::basic;
use super::client::{ClientError, READ_TIMEOUT, ServerAccess};
use super::excerpt::after_tries;
use super::fault::{Fault, classify};
use super::redirect::MOST_REDIRECTS;

/// When a download that breaks off is begun again or continued: four times.
const RETRIES: ExponentialBuilder = ExponentialBuilder::new()
    .with_min_delay(Duration::from_millis(500))
    .with_max_times(4);

/// What has arrived.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Downloaded {
    /// How many bytes.
    pub(crate) bytes: u64,
    /// Whether the server calls it a page of HTML.
    pub(crate) is_page: bool,
}

/// Why a download failed. No variant holds the URL, which may carry credentials.
#[derive(Debug, thiserror::Error)]
pub enum DownloadError {
    /// The text is no URL.
    #[error("it is no URL: {reason}")]
    Url { reason: String },
    /// No client can be made.
    #[error(transparent)]
    Client(#[from] ClientError),
    /// The server gave no answer, or broke it off.
    #[error("{reason}{}", after_tries(*.tries))]
    NoAnswer {
        fault: Fault,
        reason: String,
        tries: u32,
    },
    /// The server sends the client from address to address.
    #[error("the server redirects more than {MOST_REDIRECTS} times, or to no address")]
    Redirects,
    /// The server refused.
    #[error("the server answered {}", StatusCode::from_u16(*.status).map_or_else(|_| status.to_string(), |status| status.to_string()))]
    Status {
        status: u16,
        /// Where the credentials come from that were sent.
        credentials: Option<String>,
    },
    /// There is more than may be downloaded.
    #[error("it is larger than {} GiB, which is the most that is allowed", .limit >> 30)]
    TooLarge {
        /// The limit in bytes.
        limit: u64,
    },
    /// What arrived cannot be written.
    #[error("it cannot be written")]
    Unwritable(#[source] io::Error),
}

impl From<reqwest::Error> for DownloadError {
    fn from(error: reqwest::Error) -> Self {
        if error.is_redirect() {
            return Self::Redirects;
        }
        let (fault, reason) = classify(&error.without_url(), READ_TIMEOUT);
        Self::NoAnswer {
            fault,
            reason,
            tries: 1,
        }
    }
}

impl DownloadError {
    fn broken(reason: &str) -> Self {
        Self::NoAnswer {
            fault: Fault::Broken,
            reason: reason.to_owned(),
            tries: 1,
        }
    }

    /// Whether another try may end otherwise.
    fn is_transient(&self) -> bool {
        match self {
            Self::NoAnswer { fault, .. } => {
                fault.is_transient() && !matches!(fault, Fault::Refused | Fault::UnknownHost)
            }
            Self::Status { status, .. } => matches!(status, 429 | 502 | 503 | 504),
            _ => false,
        }
    }

    /// What the person can do about it.
    pub(crate) fn hint(&self) -> Option<String> {
        let text = match self {
            Self::Client(error) => return error.hint(),
            Self::NoAnswer { fault, .. } => fault.download_hint()?,
            Self::Status {
                status: 401 | 403,
                credentials: Some(source),
            } => {
                return Some(format!("the server did not accept the credentials from {source}"));
            }
            Self::Status {
                status: 401 | 403, ..
            } => "give credentials in the URL (https://user:token@host/…), or in ~/.netrc for this host",
            Self::Status {
                status: 404 | 410, ..
            } => "check the address; some hosts answer so too when you may not see what is there",
            Self::Status { status: 407, .. } => {
                "give the proxy's user and password in HTTPS_PROXY or HTTP_PROXY"
            }
            Self::Unwritable(error) if error.kind() == io::ErrorKind::StorageFull => {
                "free some space, or set TMPDIR to a directory on a larger disk"
            }
            _ => return None,
        };
        Some(text.to_owned())
    }
}

/// Downloads what is at `url` into the empty `file`, at most `limit` bytes. A download that breaks
/// off is continued where it ended if the server can do so. `on_progress` hears how many bytes have
/// arrived, and of how many.
///
/// Proxies, trusted certificates and netrc files are those that Python's `requests` would use.
///
/// # Errors
/// The server cannot be reached or refuses, there is too much, or the file cannot be written.
pub(crate) async fn download(
    url: &str,
    file: &mut File,
    limit: u64,
    on_progress: &mut (dyn FnMut(u64, Option<u64>) + Send),
) -> Result<Downloaded, DownloadError> {
    let url = Url::parse(url).map_err(|error| DownloadError::Url {
        reason: error.to_string(),
    })?;
    let source = source(&url)?;
    let mut received = Received {
        file,
        limit,
        bytes: 0,
        validator: None,
        is_page: false,
    };
    let mut pauses = RETRIES.build();
    let mut count = 1;
    while let Err(mut error) = fetch(&source, &mut received, on_progress).await {
        match pauses.next().filter(|_| error.is_transient()) {
            Some(pause) => {
                let received = received.bytes;
                tracing::debug!(try_number = count, received, "a download broke off");
                tokio::time::sleep(pause).await;
                count += 1;
            }
            None => {
                if let DownloadError::NoAnswer { tries, .. } = &mut error {
                    *tries = count;
                }
                return Err(error);
            }
        }
    }
    Ok(Downloaded {
        bytes: received.bytes,
        is_page: received.is_page,
    })
}

/// Where something is downloaded from. Unlike for a tracking server, a user alone is sent too: some hosts take
/// a token so.
fn source(url: &Url) -> Result<ServerAccess, ClientError> {
    let mut source = ServerAccess::reading(url)?;
    if url.password().is_none() && !url.username().is_empty() {
        let user = percent_decode_str(url.username()).decode_utf8_lossy();
        source
            .headers
            .extend(basic(&user, "").map(|value| (AUTHORIZATION, value)));
        source.credentials = Some("the URL".to_owned());
    }
    Ok(source)
}

/// One try: all that is still missing.
async fn fetch(
    source: &ServerAccess,
    received: &mut Received<'_>,
    on_progress: &mut (dyn FnMut(u64, Option<u64>) + Send),
) -> Result<(), DownloadError> {
    let request = source
        .client
        .get(source.url.clone())
        .headers(source.headers.clone());
    let mut answer = received.continued(request).send().await?;
    if answer.status() == StatusCode::RANGE_NOT_SATISFIABLE && received.bytes > 0 {
        received.start_anew()?;
        return Err(DownloadError::broken("the server could not continue"));
    }
    if !answer.status().is_success() {
        return Err(DownloadError::Status {
            status: answer.status().as_u16(),
            credentials: source.credentials.clone(),
        });
    }
    received.begin(&answer)?;
    let total = answer.content_length().map(|rest| received.bytes + rest);
    let limit = received.limit;
    if total.is_some_and(|total| total > limit) {
        return Err(DownloadError::TooLarge { limit });
    }
    on_progress(received.bytes, total);
    while let Some(chunk) = answer.chunk().await? {
        received.add(&chunk)?;
        on_progress(received.bytes, total);
    }
    Ok(())
}

/// What has arrived so far.
struct Received<'a> {
    file: &'a mut File,
    limit: u64,
    bytes: u64,
    /// What the server calls this state of its file; without it nothing can be continued.
    validator: Option<HeaderValue>,
    is_page: bool,
}

impl Received<'_> {
    /// Asks only for what is missing, as long as the server's file is still the same.
    fn continued(&self, request: RequestBuilder) -> RequestBuilder {
        match &self.validator {
            Some(validator) if self.bytes > 0 => request
                .header(RANGE, format!("bytes={}-", self.bytes))
                .header(IF_RANGE, validator),
            _ => request,
        }
    }

    /// Takes note of an answer's headers. A server that sends all again is taken at its word.
    fn begin(&mut self, answer: &Response) -> Result<(), DownloadError> {
        let headers = answer.headers();
        let text = |name| {
            headers
                .get(name)
                .and_then(|value: &HeaderValue| value.to_str().ok())
        };
        let is_rest = answer.status() == StatusCode::PARTIAL_CONTENT
            && text(CONTENT_RANGE).is_some_and(|range| range.starts_with(&format!("bytes {}-", self.bytes)));
        if !is_rest {
            if answer.status() == StatusCode::PARTIAL_CONTENT {
                self.start_anew()?;
                return Err(DownloadError::broken(
                    "the server sent another part than was asked for",
                ));
            }
            self.start_anew()?;
        }
        self.validator = validator(headers);
        self.is_page = text(CONTENT_TYPE).is_some_and(|kind| kind.starts_with("text/html"));
        Ok(())
    }

    fn start_anew(&mut self) -> Result<(), DownloadError> {
        self.file.set_len(0).map_err(DownloadError::Unwritable)?;
        self.file
            .seek(SeekFrom::Start(0))
            .map_err(DownloadError::Unwritable)?;
        self.bytes = 0;
        self.validator = None;
        Ok(())
    }

    fn add(&mut self, chunk: &[u8]) -> Result<(), DownloadError> {
        self.bytes += chunk.len() as u64;
        if self.bytes > self.limit {
            return Err(DownloadError::TooLarge { limit: self.limit });
        }
        self.file.write_all(chunk).map_err(DownloadError::Unwritable)
    }
}

/// A strong entity tag or else the time of the last change (RFC 9110, section 13.1.5).
fn validator(headers: &HeaderMap) -> Option<HeaderValue> {
    headers
        .get(ETAG)
        .filter(|tag| !tag.as_bytes().starts_with(b"W/"))
        .or_else(|| headers.get(LAST_MODIFIED))
        .cloned()
}
