//! Requests to a workspace: who asks, retries, and what the answers mean.

use std::sync::Arc;
use std::time::{Duration, SystemTime};

use reqwest::header::{ACCEPT, AUTHORIZATION, CONTENT_LENGTH, CONTENT_TYPE, RETRY_AFTER, USER_AGENT};
use reqwest::{Method, StatusCode};
use serde::Serialize;
use serde::de::DeserializeOwned;

use super::answer::Answer;
use super::error::DatabricksError;
use super::payload::Payload;
use super::session::Session;
use crate::http::{Fault, classify, in_words, random_fraction};

/// Longer answers are refused.
const LONGEST_BODY: usize = 64 * 1024 * 1024;

/// The slowest connection that an upload may take, in bytes per second.
const SLOWEST: u64 = 50 * 1024;

/// A client of one workspace.
#[derive(Debug, Clone)]
pub struct Client {
    session: Arc<Session>,
}

/// A request to be sent.
pub(super) struct Call<'a> {
    pub(super) method: Method,
    /// The path, percent-encoded where that is needed.
    pub(super) path: &'a str,
    pub(super) query: &'a [(&'a str, &'a str)],
    pub(super) content_type: Option<&'a str>,
    pub(super) payload: Payload,
    /// Whether it may be sent again when nobody knows whether it has been done.
    pub(super) is_repeatable: bool,
}

impl<'a> Call<'a> {
    pub(super) fn new(method: Method, path: &'a str) -> Self {
        Self {
            method,
            path,
            query: &[],
            content_type: None,
            payload: Payload::Empty,
            is_repeatable: true,
        }
    }
}

/// A failed try that may be followed by another.
enum Failure {
    Status(StatusCode, Option<String>),
    NoAnswer(String),
}

impl Client {
    /// A client for this workspace.
    pub fn new(session: Arc<Session>) -> Self {
        Self { session }
    }

    /// The workspace.
    pub fn session(&self) -> &Arc<Session> {
        &self.session
    }

    pub(super) async fn get<T: DeserializeOwned>(
        &self,
        path: &str,
        query: &[(&str, &str)],
    ) -> Result<T, DatabricksError> {
        let call = Call {
            query,
            ..Call::new(Method::GET, path)
        };
        self.call(call).await?.json(path)
    }

    pub(super) async fn post<T: DeserializeOwned>(
        &self,
        path: &str,
        body: &impl Serialize,
    ) -> Result<T, DatabricksError> {
        self.call(json_call(path, body)).await?.json(path)
    }

    /// As [`Client::post`], for what would be done twice if it were sent twice.
    pub(super) async fn post_once<T: DeserializeOwned>(
        &self,
        path: &str,
        body: &impl Serialize,
    ) -> Result<T, DatabricksError> {
        let call = Call {
            is_repeatable: false,
            ..json_call(path, body)
        };
        self.call(call).await?.json(path)
    }

    /// Sends the request until there is an answer that another try would not change, and gives it
    /// where the workspace did not refuse.
    pub(super) async fn call(&self, call: Call<'_>) -> Result<Answer, DatabricksError> {
        let retry = self.session.settings.retry;
        let (mut tries, mut renewed) = (0, false);
        loop {
            tries += 1;
            let authorization = self.session.authorization().await?;
            let failure = match self.exchange(&call, &authorization.header).await? {
                Ok(answer) if answer.status.is_success() => return Ok(answer),
                Ok(answer) if is_denied(&answer) && !renewed => {
                    renewed = true;
                    if self.session.renew(&authorization).await {
                        tries -= 1;
                        continue;
                    }
                    return Err(self.refused(&call, answer, tries, authorization.source).await);
                }
                Ok(answer) => {
                    let after = answer.headers.get(RETRY_AFTER);
                    let after = after.and_then(|value| value.to_str().ok()).map(str::to_owned);
                    let may_be_done = answer.status != StatusCode::TOO_MANY_REQUESTS;
                    let is_transient = retry.is_transient(answer.status, after.is_some());
                    let is_last = tries > retry.max_retries || (may_be_done && !call.is_repeatable);
                    if !is_transient || is_last {
                        return Err(self.refused(&call, answer, tries, authorization.source).await);
                    }
                    Failure::Status(answer.status, after)
                }
                Err((fault, reason)) => {
                    let may_be_done = !matches!(fault, Fault::Refused | Fault::UnknownHost);
                    let is_last = tries > retry.max_retries || (may_be_done && !call.is_repeatable);
                    if !fault.is_transient() || is_last {
                        return Err(DatabricksError::NoAnswer {
                            host: self.session.address().to_owned(),
                            endpoint: call.path.to_owned(),
                            fault,
                            reason,
                            tries,
                        });
                    }
                    Failure::NoAnswer(reason)
                }
            };
            let pause = self.pause(tries, &failure);
            self.tell(&call, tries, pause, &failure);
            tokio::time::sleep(pause).await;
        }
    }

    async fn refused(
        &self,
        call: &Call<'_>,
        mut answer: Answer,
        tries: u32,
        credentials: String,
    ) -> DatabricksError {
        answer.tries = tries;
        answer.credentials = credentials;
        // A service may repeat what it was sent.
        let text = String::from_utf8_lossy(&answer.body);
        answer.body = self.session.redact(&text).await.into_bytes();
        answer.refusal(call.path)
    }

    /// One request and its answer; or why there is none.
    async fn exchange(
        &self,
        call: &Call<'_>,
        authorization: &reqwest::header::HeaderValue,
    ) -> Result<Result<Answer, (Fault, String)>, DatabricksError> {
        let mut url = self.session.url(call.path);
        if !call.query.is_empty() {
            url.query_pairs_mut().extend_pairs(call.query);
        }
        let mut request = self
            .session
            .http()
            .request(call.method.clone(), url)
            .header(USER_AGENT, concat!("mlrun/", env!("CARGO_PKG_VERSION")))
            .header(ACCEPT, "application/json")
            .header(AUTHORIZATION, authorization);
        if let Some(id) = self.session.workspace_id() {
            request = request.header("x-databricks-org-id", id);
        }
        if let Some(content_type) = call.content_type {
            request = request.header(CONTENT_TYPE, content_type);
        }
        if let Some((body, length)) = call.payload.body() {
            if let Some(length) = length {
                request = request.header(CONTENT_LENGTH, length);
            }
            request = request.body(body);
        }
        let timeout = self.session.settings.timeout + Duration::from_secs(call.payload.length() / SLOWEST);
        let outcome = tokio::time::timeout(timeout, async {
            let mut answer = request.send().await?;
            let mut body = Vec::new();
            while let Some(data) = answer.chunk().await? {
                body.extend_from_slice(&data);
                if body.len() > LONGEST_BODY {
                    break;
                }
            }
            Ok::<_, reqwest::Error>((answer.status(), std::mem::take(answer.headers_mut()), body))
        });
        Ok(match outcome.await {
            Ok(Ok((_, _, body))) if body.len() > LONGEST_BODY => {
                return Err(DatabricksError::Malformed {
                    endpoint: call.path.to_owned(),
                    reason: format!("it is longer than {LONGEST_BODY} bytes"),
                });
            }
            Ok(Ok((status, headers, body))) => Ok(Answer {
                status,
                headers,
                body,
                tries: 1,
                credentials: String::new(),
            }),
            Ok(Err(error)) => {
                call.payload.check()?;
                Err(classify(&error.without_url(), timeout))
            }
            Err(_) => Err((
                Fault::Timeout(timeout),
                format!("no answer within {}", in_words(timeout)),
            )),
        })
    }

    fn pause(&self, tries: u32, failure: &Failure) -> Duration {
        let retry = self.session.settings.retry;
        match failure {
            Failure::Status(_, Some(after)) => retry.asked_pause(Some(after), SystemTime::now()),
            _ => None,
        }
        .unwrap_or_else(|| retry.pause(tries, random_fraction()))
    }

    /// Waiting can take minutes: the person learns at once why.
    fn tell(&self, call: &Call<'_>, tries: u32, pause: Duration, failure: &Failure) {
        let reason = match failure {
            Failure::Status(status, _) => format!("it answered {status}"),
            Failure::NoAnswer(reason) => reason.clone(),
        };
        let most = self.session.settings.retry.max_retries + 1;
        let text = format!(
            "{} cannot be asked for {} ({reason}); try {} of {most} in {}",
            self.session.address(),
            call.path,
            tries + 1,
            in_words(pause),
        );
        if tries == 1 {
            tracing::warn!("{text}");
        } else {
            tracing::info!("{text}");
        }
    }
}

fn json_call<'a>(path: &'a str, body: &impl Serialize) -> Call<'a> {
    let text = serde_json::to_string(body).expect("the bodies hold only text, numbers, lists and maps");
    Call {
        content_type: Some("application/json"),
        payload: Payload::Json(text),
        ..Call::new(Method::POST, path)
    }
}

/// Whether the workspace does not accept the credentials. An expired token is a 403 at some
/// endpoints.
fn is_denied(answer: &Answer) -> bool {
    let says = |part: &[u8]| answer.body.windows(part.len()).any(|window| window == part);
    answer.status == StatusCode::UNAUTHORIZED
        || (answer.status == StatusCode::FORBIDDEN && (says(b"nvalid access token") || says(b"nvalid token")))
}
