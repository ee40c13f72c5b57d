//! Requests to HTTP stores.

use std::pin::pin;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use async_trait::async_trait;
use backon::Retryable as _;
use bytes::{Bytes, BytesMut};
use reqwest::header::{AUTHORIZATION, CONTENT_LENGTH, CONTENT_RANGE, HeaderMap};
use reqwest::redirect::Policy;
use reqwest::{Client, Method, Request, Response, StatusCode, Url};
use serde::de::DeserializeOwned;

use crate::artifact::error::{RepositoryError, Result, in_brackets};
use crate::env_vars;
use crate::http::{
    self, Content, Fault, MOST_ATTEMPTS, MOST_REDIRECTS, READ_TIMEOUT, Verification, classify,
    is_transient_status, may_see_credentials, pauses,
};
use crate::quantity;
use crate::retrying::retrying;

/// A client with the environment's certificates, without redirects.
pub(super) fn usual_client() -> Result<Client> {
    let verification = Verification::from_variables(&env_vars::non_empty);
    Ok(http::client(Some(&verification), Policy::none())?)
}

/// Repeats a request while another attempt may succeed.
pub(super) async fn tried<T, F>(request: impl FnMut() -> F) -> Result<T>
where
    F: Future<Output = Result<T>>,
{
    let mut attempt = 1;
    request
        .retry(pauses())
        .when(RepositoryError::is_transient)
        .notify(|problem, pause| {
            attempt += 1;
            tracing::warn!("{problem}; {}", retrying(pause, attempt, MOST_ATTEMPTS));
        })
        .await
}

const LONGEST_REFUSAL: usize = 64 * 1024;

/// The slowest supported transfer, in bytes per second.
const SLOWEST: u64 = 50 * 1024;

/// The longest wait for a response after the whole request has been sent.
const LONGEST_HANDING_ON: Duration = Duration::from_secs(60 * 60);

/// The time to transmit 4 MiB, which may be in the connection's buffers after everything has been sent.
pub(super) const BUFFERED_TIME: Duration = Duration::from_secs((4 << 20) / SLOWEST);

pub(super) type Whole = (StatusCode, HeaderMap, Bytes);

/// A store with an HTTP API.
#[async_trait]
pub(super) trait Service: Send + Sync {
    fn name(&self) -> &'static str;

    fn client(&self) -> &Client;

    /// Adds the credentials, and may change the address. Called for every attempt; the request has no body yet.
    async fn authorize(&self, _request: &mut Request, _content: &Content) -> Result<()> {
        Ok(())
    }

    /// The identity for messages: `the credentials from …`, or `a request without credentials (…)`.
    async fn asker(&self) -> String;

    /// The store's code and message in the body of a refusal.
    fn said(&self, body: &str) -> Option<String>;

    /// Learns from a refusal, and gives whether to repeat the request with the new knowledge.
    async fn learn(&self, _status: StatusCode, _headers: &HeaderMap, _body: &str) -> bool {
        false
    }

    /// Overrides how a request of the library is sent and its whole response is read.
    async fn whole(&self, _request: &HttpRequest) -> Option<Result<Whole>> {
        None
    }

    /// Whether to follow redirects. The client itself cannot repeat a partly sent file.
    fn follows_redirects(&self) -> bool {
        false
    }
}

/// A request.
#[derive(Debug, Clone)]
pub(super) struct HttpRequest {
    pub(super) method: Method,
    pub(super) url: Url,
    pub(super) headers: HeaderMap,
    pub(super) content: Content,
    /// A status that also counts as success.
    pub(super) accepts: Option<StatusCode>,
    pub(super) is_anonymous: bool,
}

impl HttpRequest {
    pub(super) fn new(method: Method, url: Url) -> Self {
        Self {
            method,
            url,
            headers: HeaderMap::new(),
            content: Content::default(),
            accepts: None,
            is_anonymous: false,
        }
    }

    pub(super) fn header(mut self, name: &'static str, value: &str) -> Self {
        // A store cannot have a name that is invalid in a header.
        if let Ok(value) = value.parse() {
            self.headers.insert(name, value);
        }
        self
    }

    pub(super) fn with(self, content: Content) -> Self {
        Self { content, ..self }
    }

    /// Sends the request, with retries.
    pub(super) async fn send(self, service: &dyn Service) -> Result<Response> {
        tried(|| self.send_once(service)).await
    }

    /// Like [`HttpRequest::send`], but reads the whole response.
    pub(super) async fn whole(self, service: &dyn Service) -> Result<Whole> {
        tried(|| self.whole_once(service)).await
    }

    /// Like [`HttpRequest::whole`], without retries.
    pub(super) async fn whole_once(&self, service: &dyn Service) -> Result<Whole> {
        let mut answer = self.send_once(service).await?;
        let headers = std::mem::take(answer.headers_mut());
        let mut bytes = BytesMut::new();
        while let Some(chunk) = next_chunk(&mut answer).await? {
            bytes.extend_from_slice(&chunk);
        }
        Ok((answer.status(), headers, bytes.freeze()))
    }

    /// Like [`HttpRequest::send`], for a JSON response. `otherwise` is the error for an invalid one.
    pub(super) async fn json<T: DeserializeOwned>(self, service: &dyn Service, otherwise: &str) -> Result<T> {
        let text = tried(|| self.text_once(service)).await?;
        serde_json::from_str(&text).map_err(|_| RepositoryError::strange(service.name(), otherwise))
    }

    /// Like [`HttpRequest::whole_once`], for a text response.
    pub(super) async fn text_once(&self, service: &dyn Service) -> Result<String> {
        let (_, _, bytes) = self.whole_once(service).await?;
        Ok(String::from_utf8_lossy(&bytes).into_owned())
    }

    /// Like [`HttpRequest::send`], without retries.
    pub(super) async fn send_once(&self, service: &dyn Service) -> Result<Response> {
        let mut has_learned = false;
        loop {
            let mut answer = self.exchange(service).await?;
            let status = answer.status();
            if status.is_success() || self.accepts == Some(status) {
                return Ok(answer);
            }
            let body = if is_transient_status(status.as_u16()) {
                String::new()
            } else {
                refusal(&mut answer).await
            };
            // A refusal with new knowledge does not count as a failure.
            if !has_learned && service.learn(status, answer.headers(), &body).await {
                has_learned = true;
                continue;
            }
            let said = service.said(&body);
            return Err(match status {
                StatusCode::NOT_FOUND | StatusCode::GONE => RepositoryError::Missing(format!(
                    "{} returned {status}{}",
                    service.name(),
                    in_brackets(&said)
                )),
                StatusCode::PRECONDITION_FAILED => RepositoryError::changed(),
                _ => RepositoryError::refused(service.name(), status.as_u16(), said, service.asker().await),
            });
        }
    }

    /// The response to the request, after redirects.
    async fn exchange(&self, service: &dyn Service) -> Result<Response> {
        let mut url = self.url.clone();
        let mut is_trusted = !self.is_anonymous;
        for _ in 0..MOST_REDIRECTS {
            let mut request = Request::new(self.method.clone(), url.clone());
            *request.headers_mut() = self.headers.clone();
            if is_trusted {
                service.authorize(&mut request, &self.content).await?
            } else {
                drop(request.headers_mut().remove(AUTHORIZATION))
            }
            let answer = execute(service.client(), request, &self.content).await?;
            let goes_on = service.follows_redirects() && self.accepts != Some(answer.status());
            let Some(target) = redirect_target(&url, &answer).filter(|_| goes_on) else {
                return Ok(answer);
            };
            is_trusted = is_trusted && may_see_credentials(&url, &target);
            url = target;
        }
        let reason = format!("the server redirects more than {MOST_REDIRECTS} times");
        Err(RepositoryError::strange(service.name(), reason))
    }
}

/// The target of a redirect that keeps the method.
pub(super) fn redirect_target(from: &Url, answer: &Response) -> Option<Url> {
    let target = http::redirect_target(from, answer.status(), answer.headers())?;
    let is_same = answer.status() != StatusCode::SEE_OTHER;
    (is_same && matches!(target.scheme(), "http" | "https")).then_some(target)
}

/// Sends a request with this content. Fails after [`READ_TIMEOUT`] without any progress.
async fn execute(client: &Client, mut request: Request, content: &Content) -> Result<Response> {
    // Count this attempt separately from earlier ones.
    let content = &Content {
        sent: Arc::default(),
        ..content.clone()
    };
    let length = content.length();
    // A server may forward the file before it responds.
    let longest = content
        .file
        .as_ref()
        .map_or(BUFFERED_TIME, |_| LONGEST_HANDING_ON);
    let handing_on = longest.min(Duration::from_secs(length / SLOWEST));
    // Some servers require a length of zero.
    if length > 0 || matches!(*request.method(), Method::POST | Method::PUT) {
        request.headers_mut().insert(CONTENT_LENGTH, length.into());
    }
    *request.body_mut() = content.body();
    let mut exchange = pin!(client.execute(request));
    let mut seen = 0;
    loop {
        let spare = if seen == length {
            handing_on
        } else {
            Duration::ZERO
        };
        let limit = READ_TIMEOUT + spare;
        match tokio::time::timeout(limit, &mut exchange).await {
            Ok(Ok(answer)) => return Ok(answer),
            Ok(Err(error)) => {
                content.check().map_err(RepositoryError::unreadable)?;
                return Err(broken(error));
            }
            Err(_) => {}
        }
        let now = content.sent.load(Ordering::Relaxed);
        if now == seen {
            return Err(silent(limit));
        }
        seen = now;
    }
}

pub(super) async fn next_chunk(answer: &mut Response) -> Result<Option<Bytes>> {
    match tokio::time::timeout(READ_TIMEOUT, answer.chunk()).await {
        Ok(chunk) => chunk.map_err(broken),
        Err(_) => Err(silent(READ_TIMEOUT)),
    }
}

pub(super) fn silent(limit: Duration) -> RepositoryError {
    let reason = format!("the server sent nothing for {}", quantity::duration(limit));
    RepositoryError::silent(Fault::Timeout(limit), reason)
}

fn broken(error: reqwest::Error) -> RepositoryError {
    let (fault, reason) = classify(&error.without_url(), READ_TIMEOUT);
    RepositoryError::silent(fault, reason)
}

/// The beginning of a refusal's body.
async fn refusal(answer: &mut Response) -> String {
    let mut bytes = Vec::new();
    while let Ok(Some(chunk)) = next_chunk(answer).await {
        bytes.extend_from_slice(&chunk);
        if bytes.len() > LONGEST_REFUSAL {
            break;
        }
    }
    String::from_utf8_lossy(&bytes).into_owned()
}

/// The offset of the response body's first byte.
pub(super) fn start_of(store: &'static str, answer: &Response) -> Result<u64> {
    if answer.status() != StatusCode::PARTIAL_CONTENT {
        return Ok(0);
    }
    let range = text(answer.headers(), CONTENT_RANGE.as_str()).and_then(|range| range.strip_prefix("bytes "));
    let start = range.and_then(|range| range.split('-').next()?.parse().ok());
    start.ok_or_else(|| RepositoryError::strange(store, "no valid Content-Range"))
}

pub(super) fn text<'a>(headers: &'a HeaderMap, name: &str) -> Option<&'a str> {
    headers.get(name)?.to_str().ok()
}
