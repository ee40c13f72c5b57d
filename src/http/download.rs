//! Downloads over HTTP, straight into a file.

use std::fs::File;
use std::io::{self, Seek as _, SeekFrom, Write as _};
use std::time::Duration;

use reqwest::header::{
    CONTENT_RANGE, CONTENT_TYPE, ETAG, HeaderMap, HeaderValue, IF_RANGE, LAST_MODIFIED, RANGE,
};
use reqwest::redirect::Policy;
use reqwest::{Client, RequestBuilder, Response, StatusCode, Url};

use super::certificates::Verification;
use super::client::{ClientError, MOST_REDIRECTS, READ_TIMEOUT, reading_client};
use super::fault::{Fault, classify};
use super::netrc;

/// How often a download that breaks off is begun or continued.
const MOST_TRIES: u32 = 5;

/// The pause before the second try; each later one is twice as long.
const FIRST_PAUSE: Duration = Duration::from_millis(500);

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
    Url {
        /// Why.
        reason: String,
    },
    /// No client can be made.
    #[error(transparent)]
    Client(#[from] ClientError),
    /// The server gave no answer, or broke it off.
    #[error("{reason}{}", if *.tries > 1 { format!(" (after {tries} tries)") } else { String::new() })]
    NoAnswer {
        /// The kind of failure.
        fault: Fault,
        /// What happened.
        reason: String,
        /// How often it was tried.
        tries: u32,
    },
    /// The server refused.
    #[error("the server answered {}", StatusCode::from_u16(*.status).map_or_else(|_| status.to_string(), |status| status.to_string()))]
    Status {
        /// The status of the answer.
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

impl DownloadError {
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
    let source = Source::new(url)?;
    let mut received = Received {
        file,
        limit,
        bytes: 0,
        validator: None,
        is_page: false,
    };
    let mut tries = 1;
    loop {
        let problem = match source.fetch(&mut received, on_progress).await {
            Ok(()) => break,
            Err(problem) => problem,
        };
        if tries == MOST_TRIES || !problem.is_transient() {
            return Err(problem.into_error(&source, tries));
        }
        tracing::debug!(
            try_number = tries,
            received = received.bytes,
            "a download broke off"
        );
        tokio::time::sleep(FIRST_PAUSE * 2u32.pow(tries - 1)).await;
        tries += 1;
    }
    Ok(Downloaded {
        bytes: received.bytes,
        is_page: received.is_page,
    })
}

/// Where something is downloaded from.
struct Source {
    url: Url,
    client: Client,
    /// A user and password from a netrc file.
    login: Option<(String, String)>,
    /// Where the credentials come from that are sent.
    credentials: Option<String>,
}

impl Source {
    fn new(url: &str) -> Result<Self, DownloadError> {
        let variable = &crate::env_vars::non_empty;
        let url = Url::parse(url).map_err(|error| DownloadError::Url {
            reason: error.to_string(),
        })?;
        let verification = Verification::from_variables(variable);
        let verification = (url.scheme() == "https").then_some(&verification);
        let client = reading_client(verification, Policy::limited(MOST_REDIRECTS))?;
        let has_user = !url.username().is_empty() || url.password().is_some();
        let login = url
            .host_str()
            .filter(|_| !has_user)
            .and_then(|host| netrc::login(&netrc::files(variable), host));
        let credentials = match (&login, has_user) {
            (_, true) => Some("the URL".to_owned()),
            (Some(login), false) => Some(login.file.display().to_string()),
            (None, false) => None,
        };
        Ok(Self {
            url,
            client,
            login: login.map(|login| (login.user, login.password)),
            credentials,
        })
    }

    /// One try: all that is still missing.
    async fn fetch(
        &self,
        received: &mut Received<'_>,
        on_progress: &mut (dyn FnMut(u64, Option<u64>) + Send),
    ) -> Result<(), Problem> {
        let mut request = self.client.get(self.url.clone());
        if let Some((user, password)) = &self.login {
            request = request.basic_auth(user, Some(password));
        }
        let mut answer = received.continued(request).send().await?;
        if answer.status() == StatusCode::RANGE_NOT_SATISFIABLE && received.bytes > 0 {
            received.start_anew()?;
            return Err(Problem::Broken("the server could not continue".to_owned()));
        }
        if !answer.status().is_success() {
            return Err(Problem::Status(answer.status()));
        }
        received.begin(&answer)?;
        let total = answer.content_length().map(|rest| received.bytes + rest);
        if total.is_some_and(|total| total > received.limit) {
            return Err(Problem::TooLarge(received.limit));
        }
        on_progress(received.bytes, total);
        while let Some(chunk) = answer.chunk().await? {
            received.add(&chunk)?;
            on_progress(received.bytes, total);
        }
        Ok(())
    }
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
    fn begin(&mut self, answer: &Response) -> Result<(), Problem> {
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
                return Err(Problem::Broken(
                    "the server sent another part than was asked for".to_owned(),
                ));
            }
            self.start_anew()?;
        }
        self.validator = validator(headers);
        self.is_page = text(CONTENT_TYPE).is_some_and(|kind| kind.starts_with("text/html"));
        Ok(())
    }

    fn start_anew(&mut self) -> Result<(), Problem> {
        self.file.set_len(0).map_err(Problem::Unwritable)?;
        self.file.seek(SeekFrom::Start(0)).map_err(Problem::Unwritable)?;
        self.bytes = 0;
        self.validator = None;
        Ok(())
    }

    fn add(&mut self, chunk: &[u8]) -> Result<(), Problem> {
        self.bytes += chunk.len() as u64;
        if self.bytes > self.limit {
            return Err(Problem::TooLarge(self.limit));
        }
        self.file.write_all(chunk).map_err(Problem::Unwritable)
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

/// Why one try failed.
enum Problem {
    Connection(reqwest::Error),
    Broken(String),
    Status(StatusCode),
    TooLarge(u64),
    Unwritable(io::Error),
}

impl From<reqwest::Error> for Problem {
    fn from(error: reqwest::Error) -> Self {
        Self::Connection(error.without_url())
    }
}

impl Problem {
    /// Whether another try may end otherwise.
    fn is_transient(&self) -> bool {
        match self {
            Self::Connection(error) => {
                let (fault, _) = classify(error, READ_TIMEOUT);
                !error.is_redirect()
                    && !error.is_builder()
                    && fault.is_transient()
                    && !matches!(fault, Fault::Refused | Fault::UnknownHost)
            }
            Self::Broken(_) => true,
            Self::Status(status) => matches!(status.as_u16(), 429 | 502 | 503 | 504),
            Self::TooLarge(_) | Self::Unwritable(_) => false,
        }
    }

    fn into_error(self, source: &Source, tries: u32) -> DownloadError {
        match self {
            Self::Connection(error) if error.is_redirect() => DownloadError::NoAnswer {
                fault: Fault::Broken,
                reason: format!("the server redirects more than {MOST_REDIRECTS} times, or to no address"),
                tries,
            },
            Self::Connection(error) => {
                let (fault, reason) = classify(&error, READ_TIMEOUT);
                DownloadError::NoAnswer { fault, reason, tries }
            }
            Self::Broken(reason) => DownloadError::NoAnswer {
                fault: Fault::Broken,
                reason,
                tries,
            },
            Self::Status(status) => DownloadError::Status {
                status: status.as_u16(),
                credentials: source.credentials.clone(),
            },
            Self::TooLarge(limit) => DownloadError::TooLarge { limit },
            Self::Unwritable(error) => DownloadError::Unwritable(error),
        }
    }
}
