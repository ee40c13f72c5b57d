//! HTTP downloads into a file.

use std::fs::File;
use std::io::{self, Seek as _, Write as _};
use std::time::Duration;

use backon::{BackoffBuilder as _, ExponentialBuilder};
use bytes::Bytes;
use reqwest::header::{CONTENT_RANGE, CONTENT_TYPE, ETAG, HeaderValue, IF_RANGE, LAST_MODIFIED, RANGE};
use reqwest::{Response, StatusCode, Url};
use tokio::time::timeout;

use crate::quantity;
use crate::retrying::retrying;

use super::client::{MOST_REDIRECTS, READ_TIMEOUT};
use super::error::{ClientError, Fault, after_tries, classify, shown_status};
use super::server_access::ServerAccess;

/// The pauses before an interrupted download is continued or restarted.
const RETRIES: ExponentialBuilder = ExponentialBuilder::new()
    .with_min_delay(Duration::from_millis(500))
    .with_max_times(4);
const MOST_ATTEMPTS: u32 = 5;

#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Downloaded {
    pub(crate) bytes: u64,
    /// Whether its content type is HTML.
    pub(crate) is_page: bool,
}

/// Why a download failed. No variant contains the URL, which may have credentials.
#[derive(Debug, thiserror::Error)]
pub enum DownloadError {
    #[error("not a valid URL: {reason}")]
    Url { reason: String },
    #[error(transparent)]
    Client(#[from] ClientError),
    #[error("{reason}{}", after_tries(*.tries))]
    NoAnswer {
        fault: Fault,
        reason: String,
        tries: u32,
    },
    #[error("the server redirects more than {MOST_REDIRECTS} times, or to an invalid address")]
    Redirects,
    #[error("the server returned {}", shown_status(*.status))]
    Status {
        status: u16,
        /// The source of the credentials that were sent.
        credentials: Option<String>,
    },
    #[error("it is larger than the limit of {} GiB", .limit >> 30)]
    TooLarge { limit: u64 },
    #[error("cannot write the file")]
    Unwritable(#[source] io::Error),
}

impl From<reqwest::Error> for DownloadError {
    fn from(error: reqwest::Error) -> Self {
        if error.is_redirect() {
            Self::Redirects
        } else {
            Self::silent(classify(&error.without_url(), READ_TIMEOUT))
        }
    }
}

impl DownloadError {
    fn silent((fault, reason): (Fault, String)) -> Self {
        Self::NoAnswer {
            fault,
            reason,
            tries: 1,
        }
    }

    fn is_transient(&self) -> bool {
        match self {
            Self::NoAnswer { fault, .. } => fault.is_interruption(),
            Self::Status { status, .. } => matches!(status, 429 | 502 | 503 | 504),
            _ => false,
        }
    }

    pub(crate) fn hint(&self) -> Option<String> {
        let text = match self {
            Self::Client(error) => return error.hint(),
            Self::NoAnswer { fault, .. } => return fault.download_hint(),
            Self::Status { status, credentials } => match (status, credentials) {
                (401 | 403, Some(source)) => {
                    return Some(format!(
                        "check the credentials from {source}; the server rejected them"
                    ));
                }
                (401 | 403, None) => {
                    "add credentials to the URL (https://USER:TOKEN@HOST/…) or to ~/.netrc for this host"
                }
                (404 | 410, _) => "check the address; some hosts also return this if you have no access",
                (407, _) => "add the proxy's user and password to HTTPS_PROXY or HTTP_PROXY",
                _ => return None,
            },
            Self::Unwritable(error) if error.kind() == io::ErrorKind::StorageFull => {
                "free some space, or set TMPDIR to a directory on a larger disk"
            }
            _ => return None,
        };
        Some(text.to_owned())
    }
}

/// Downloads `url` into the empty `file`, at most `limit` bytes. An interrupted download is continued if the server
/// supports that. `on_progress` gets the received bytes and the total.
///
/// It uses the same proxies, trusted certificates and netrc files as Python's `requests`.
pub(crate) async fn download(
    url: &str,
    file: &mut File,
    limit: u64,
    on_progress: &mut (dyn FnMut(u64, Option<u64>) + Send),
) -> Result<Downloaded, DownloadError> {
    let url = Url::parse(url).map_err(|error| DownloadError::Url {
        reason: error.to_string(),
    })?;
    let host = url.host_str().map(str::to_owned);
    let mut received = Received {
        source: ServerAccess::of_url(&url, true)?,
        file,
        limit,
        on_progress,
        bytes: 0,
        validator: None,
        is_page: false,
    };
    let (mut count, mut pauses) = (1, RETRIES.build());
    while let Err(mut error) = received.fetch().await {
        let Some(pause) = pauses.next().filter(|_| error.is_transient()) else {
            if let DownloadError::NoAnswer { tries, .. } = &mut error {
                *tries = count;
            }
            return Err(error);
        };
        count += 1;
        tracing::warn!(
            "the download from {} broke off ({error}); {}",
            host.as_deref().unwrap_or("the server"),
            retrying(pause, count, MOST_ATTEMPTS)
        );
        tokio::time::sleep(pause).await;
    }
    Ok(Downloaded {
        bytes: received.bytes,
        is_page: received.is_page,
    })
}

/// Waits for the server, but not longer than [`READ_TIMEOUT`].
async fn in_time<T>(sent: impl Future<Output = reqwest::Result<T>>) -> Result<T, DownloadError> {
    match timeout(READ_TIMEOUT, sent).await {
        Ok(sent) => Ok(sent?),
        Err(_) => {
            let reason = format!("no response within {}", quantity::duration(READ_TIMEOUT));
            Err(DownloadError::silent((Fault::Broken, reason)))
        }
    }
}

struct Received<'a> {
    source: ServerAccess,
    file: &'a mut File,
    limit: u64,
    on_progress: &'a mut (dyn FnMut(u64, Option<u64>) + Send),
    bytes: u64,
    /// Identifies the version of the server's file; without it a download cannot be continued.
    validator: Option<HeaderValue>,
    is_page: bool,
}

impl Received<'_> {
    /// One attempt: fetches the missing part, if the server's file has not changed.
    async fn fetch(&mut self) -> Result<(), DownloadError> {
        let source = &self.source;
        let mut request = source
            .client
            .get(source.url.clone())
            .headers(source.headers.clone());
        if let Some(validator) = self.validator.as_ref().filter(|_| self.bytes > 0) {
            let missing = format!("bytes={}-", self.bytes);
            request = request.header(RANGE, missing).header(IF_RANGE, validator);
        }
        let mut answer = in_time(request.send()).await?;
        self.begin(&answer)?;
        let total = answer.content_length().map(|rest| self.bytes + rest);
        let mut chunk = Some(Bytes::new());
        while let Some(bytes) = chunk {
            self.bytes += bytes.len() as u64;
            if total.unwrap_or_default().max(self.bytes) > self.limit {
                return Err(DownloadError::TooLarge { limit: self.limit });
            }
            self.file.write_all(&bytes).map_err(DownloadError::Unwritable)?;
            (self.on_progress)(self.bytes, total);
            chunk = in_time(answer.chunk()).await?;
        }
        Ok(())
    }

    /// Reads a response's head. If the server sends the whole file again, the download restarts.
    fn begin(&mut self, answer: &Response) -> Result<(), DownloadError> {
        let (status, headers) = (answer.status(), answer.headers());
        let begins = |name, part: &str| {
            let value = headers.get(name).map(HeaderValue::as_bytes);
            value.is_some_and(|value| value.starts_with(part.as_bytes()))
        };
        let is_part = status == StatusCode::PARTIAL_CONTENT;
        let is_refused_part = status == StatusCode::RANGE_NOT_SATISFIABLE && self.bytes > 0;
        if !status.is_success() && !is_refused_part {
            return Err(DownloadError::Status {
                status: status.as_u16(),
                credentials: self.source.credentials.clone(),
            });
        }
        if !(is_part && begins(CONTENT_RANGE, &format!("bytes {}-", self.bytes))) {
            self.start_anew().map_err(DownloadError::Unwritable)?;
            if is_part || is_refused_part {
                let reason = "the server did not send the requested part of the file";
                return Err(DownloadError::silent((Fault::Broken, reason.to_owned())));
            }
        }
        // A strong entity tag, otherwise the time of the last change (RFC 9110, section 13.1.5).
        let tag = headers.get(ETAG).filter(|_| !begins(ETAG, "W/"));
        self.validator = tag.or_else(|| headers.get(LAST_MODIFIED)).cloned();
        self.is_page = begins(CONTENT_TYPE, "text/html");
        Ok(())
    }

    fn start_anew(&mut self) -> io::Result<()> {
        self.bytes = 0;
        self.validator = None;
        self.file.set_len(0)?;
        self.file.rewind()
    }
}
