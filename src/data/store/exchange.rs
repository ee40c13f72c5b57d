//! Requests to stores that are reached over HTTP.

use std::time::Duration;

use async_trait::async_trait;
use reqwest::header::{CONTENT_RANGE, HeaderMap};
use reqwest::{Client, Method, Request, Response, StatusCode, Url};

use super::error::{StoreError, is_transient_status};
use crate::http::{READ_TIMEOUT, classify};

/// How often a request is sent before it counts as failed.
const MOST_TRIES: u32 = 5;

/// The pause before the second try; each later one is twice as long.
pub(in crate::data) const FIRST_PAUSE: Duration = Duration::from_millis(300);

/// A refusal is read up to this length.
const LONGEST_REFUSAL: usize = 64 * 1024;

/// A store that is reached over HTTP.
#[async_trait]
pub(super) trait Service: Send + Sync {
    /// The name for a person.
    fn name(&self) -> &'static str;

    fn client(&self) -> &Client;

    /// Adds what says who asks. Called anew for every try.
    async fn authorize(&self, request: &mut Request) -> Result<(), StoreError>;

    /// Who asks, for a person: `the credentials from …`, or `a request without credentials (…)`.
    async fn asker(&self) -> String;

    /// The store's code and message in the body of a refusal.
    fn said(&self, body: &str) -> Option<String>;

    /// Whether the request shall be sent again, changed by what this refusal taught.
    async fn learn(&self, _status: StatusCode, _headers: &HeaderMap, _body: &str) -> bool {
        false
    }

    /// The address of the request, which may depend on what was learned.
    fn url(&self, url: &Url) -> Url {
        url.clone()
    }
}

/// What is asked for.
#[derive(Debug, Clone)]
pub(super) struct Ask {
    pub(super) method: Method,
    pub(super) url: Url,
    pub(super) headers: HeaderMap,
    pub(super) body: Option<bytes::Bytes>,
}

impl Ask {
    pub(super) fn new(method: Method, url: Url) -> Self {
        Self {
            method,
            url,
            headers: HeaderMap::new(),
            body: None,
        }
    }

    pub(super) fn header(mut self, name: &'static str, value: &str) -> Self {
        // What no header can carry is no name that a store could have given.
        if let Ok(value) = value.parse() {
            self.headers.insert(name, value);
        }
        self
    }

    /// Sends the request until there is an answer that another try would not change.
    pub(super) async fn send(self, service: &dyn Service) -> Result<Response, StoreError> {
        let mut tries = 1;
        let mut has_learned = false;
        loop {
            let problem = match self.try_once(service, &mut has_learned).await {
                Ok(Some(answer)) => return Ok(answer),
                Ok(None) => continue,
                Err(problem) => problem,
            };
            if tries == MOST_TRIES || !problem.is_transient() {
                return Err(problem);
            }
            tracing::debug!(try_number = tries, problem = %problem, "a request failed");
            tokio::time::sleep(FIRST_PAUSE * 2u32.pow(tries - 1)).await;
            tries += 1;
        }
    }

    /// Sends it and reads all of the answer.
    pub(super) async fn text(self, service: &dyn Service) -> Result<String, StoreError> {
        let answer = self.send(service).await?;
        answer.text().await.map_err(broken)
    }

    async fn try_once(
        &self,
        service: &dyn Service,
        has_learned: &mut bool,
    ) -> Result<Option<Response>, StoreError> {
        let mut request = Request::new(self.method.clone(), service.url(&self.url));
        *request.headers_mut() = self.headers.clone();
        *request.body_mut() = self.body.clone().map(Into::into);
        service.authorize(&mut request).await?;
        let mut answer = service.client().execute(request).await.map_err(broken)?;
        let status = answer.status();
        if status.is_success() {
            return Ok(Some(answer));
        }
        let headers = answer.headers().clone();
        let body = if is_transient_status(status.as_u16()) {
            String::new()
        } else {
            refusal(&mut answer).await
        };
        if !*has_learned && service.learn(status, &headers, &body).await {
            *has_learned = true;
            return Ok(None);
        }
        let said = service.said(&body);
        Err(match status {
            StatusCode::NOT_FOUND | StatusCode::GONE => StoreError::Missing {
                said: format!(
                    "{} answered {status}{}",
                    service.name(),
                    said.map_or_else(String::new, |said| format!(" ({said})"))
                ),
            },
            StatusCode::PRECONDITION_FAILED => StoreError::Changed,
            _ => StoreError::Refused {
                store: service.name(),
                status: status.as_u16(),
                said,
                credentials: service.asker().await,
            },
        })
    }
}

pub(super) fn broken(error: reqwest::Error) -> StoreError {
    let (fault, reason) = classify(&error.without_url(), READ_TIMEOUT);
    StoreError::NoAnswer { fault, reason }
}

/// The beginning of a refusal's body, as far as it arrives.
async fn refusal(answer: &mut Response) -> String {
    let mut bytes = Vec::new();
    while let Ok(Some(chunk)) = answer.chunk().await {
        bytes.extend_from_slice(&chunk);
        if bytes.len() > LONGEST_REFUSAL {
            break;
        }
    }
    String::from_utf8_lossy(&bytes).into_owned()
}

/// The offset of the first byte of an answer's body.
pub(super) fn start_of(answer: &Response) -> Option<u64> {
    if answer.status() != StatusCode::PARTIAL_CONTENT {
        return Some(0);
    }
    let range = answer.headers().get(CONTENT_RANGE)?.to_str().ok()?;
    range.strip_prefix("bytes ")?.split('-').next()?.parse().ok()
}

/// A header's text.
pub(super) fn text<'a>(headers: &'a HeaderMap, name: &str) -> Option<&'a str> {
    headers.get(name)?.to_str().ok()
}
