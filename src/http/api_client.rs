//! Calls of JSON APIs: credentials, retries, redirects and responses.

use std::sync::Arc;

use async_trait::async_trait;
use reqwest::header::{AUTHORIZATION, CONTENT_TYPE, HeaderMap, HeaderValue, RETRY_AFTER, USER_AGENT};
use reqwest::{Method, Request, StatusCode, Url};
use serde::Serialize;
use serde::de::DeserializeOwned;

use super::client::{AGENT, MOST_REDIRECTS};
use super::connection::{ApiResponse, Call, Connection, ConnectionSettings};
use super::error::{ApiError, Fault, code_and_message, excerpt};
use super::server_access::{may_see_credentials, redirect_target};
use crate::redact::without_credentials;
use crate::retrying::retrying;

/// The properties of a JSON API.
#[async_trait]
pub(crate) trait Api: Send + Sync {
    type Error: From<ApiError> + Send;

    /// The API's name: `MLflow`.
    const NAME: &'static str;

    /// The server's name in messages: `the tracking server`.
    const SERVER: &'static str;

    /// Where the credentials were found, for messages.
    fn credentials(&self) -> Option<String> {
        None
    }

    /// Adds the current credentials to a request with this body.
    async fn authorize(&self, _request: &mut Request, _body: &[u8]) -> Result<(), Self::Error> {
        Ok(())
    }

    /// Looks for other credentials than the refused ones, and gives whether there are any.
    async fn renew(&self, _refused: &HeaderValue) -> bool {
        false
    }

    /// If redirects must not be followed: a clause for the message.
    fn forbids_redirects(&self) -> Option<&'static str> {
        None
    }

    /// The message of a refusal that only means that the server is overloaded.
    fn overload(&self, _answer: &ApiResponse) -> Option<String> {
        None
    }

    /// Removes secrets from the body of a refusal, because a server may repeat the request.
    async fn redacted(&self, body: Vec<u8>) -> Vec<u8> {
        body
    }
}

/// The outcome of one attempt.
pub(crate) struct Outcome {
    answer: Result<ApiResponse, ApiError>,
    /// Why another attempt may succeed, for messages.
    reason: Option<String>,
}

impl Outcome {
    /// Whether the server may have carried out the request.
    pub(crate) fn is_unclear(&self) -> bool {
        match &self.answer {
            Ok(answer) if self.reason.is_none() => answer.status.is_success(),
            Ok(answer) => answer.status != StatusCode::TOO_MANY_REQUESTS,
            Err(error) => !matches!(error.fault(), Some(Fault::Refused | Fault::UnknownHost)),
        }
    }

    /// Whether the server may still be working on the request.
    pub(crate) fn is_timeout(&self) -> bool {
        matches!(&self.answer, Err(error) if matches!(error.fault(), Some(Fault::Timeout(_))))
    }
}

#[derive(Debug, Clone)]
pub(crate) struct ApiClient<A> {
    api: A,
    base: Url,
    /// Headers of every request, including redirected ones.
    headers: HeaderMap,
    connection: Arc<Connection>,
}

impl<A: Api> ApiClient<A> {
    /// A client of the server at `base`, a URL without credentials.
    pub(crate) fn new(api: A, base: Url, mut headers: HeaderMap, connection: Arc<Connection>) -> Self {
        headers.insert(USER_AGENT, HeaderValue::from_static(AGENT));
        Self {
            api,
            base,
            headers,
            connection,
        }
    }

    /// The server's address without a trailing slash.
    pub(crate) fn address(&self) -> &str {
        self.base.as_str().trim_end_matches('/')
    }

    pub(crate) fn settings(&self) -> &ConnectionSettings {
        &self.connection.settings
    }

    /// The parts for building another kind of client: the API, the address and the headers of every request.
    pub(crate) fn into_parts(self) -> (A, Url, HeaderMap) {
        (self.api, self.base, self.headers)
    }

    pub(crate) async fn get<T: DeserializeOwned>(
        &self,
        path: &str,
        query: &[(&str, &str)],
    ) -> Result<T, A::Error> {
        let call = Call::new(Method::GET, path);
        self.value(Call { query, ..call }).await
    }

    /// Sends a request that is safe to repeat.
    pub(crate) async fn post<T: DeserializeOwned>(
        &self,
        path: &str,
        body: &impl Serialize,
    ) -> Result<T, A::Error> {
        self.value(Call::json(path, body)).await
    }

    pub(crate) async fn value<T: DeserializeOwned>(&self, call: Call<'_>) -> Result<T, A::Error> {
        self.read(call.path, self.tried(&call).await?).await
    }

    /// Sends a request; any status but success is an error.
    pub(crate) async fn call(&self, call: Call<'_>) -> Result<ApiResponse, A::Error> {
        let answer = self.tried(&call).await?.answer?;
        if answer.status.is_success() {
            Ok(answer)
        } else {
            Err(self.refusal(call.path, answer).await)
        }
    }

    /// Sends the request until another attempt would not change the outcome.
    async fn tried(&self, call: &Call<'_>) -> Result<Outcome, A::Error> {
        let mut tries = 1;
        loop {
            let outcome = self.attempt(call, tries).await?;
            let is_last = outcome.is_unclear() && !call.is_repeatable;
            if is_last || !self.pause(&mut tries, &outcome).await {
                return Ok(outcome);
            }
        }
    }

    /// One attempt: sends the request, follows redirects, and renews refused credentials once. Fails if another attempt
    /// would not help.
    pub(crate) async fn attempt(&self, call: &Call<'_>, tries: u32) -> Result<Outcome, A::Error> {
        let mut url = self.url(call);
        let mut headers = self.headers.clone();
        let kind = call.content_type.and_then(|kind| kind.parse().ok());
        headers.extend(kind.map(|kind: HeaderValue| (CONTENT_TYPE, kind)));
        let (mut is_trusted, mut is_renewed, mut credentials) = (true, false, None);
        for _ in 0..=MOST_REDIRECTS {
            let mut request = Request::new(call.method.clone(), url.clone());
            *request.headers_mut() = headers.clone();
            if is_trusted {
                self.api.authorize(&mut request, &call.content.head).await?;
                credentials = request.headers().get(AUTHORIZATION).cloned();
            }
            let answer = match self.connection.exchange(call, request, tries).await {
                Ok(answer) => answer,
                Err(error) => match &error {
                    ApiError::NoAnswer { fault, reason, .. } if fault.is_transient() => {
                        let reason = Some(reason.clone());
                        let answer = Err(error);
                        return Ok(Outcome { answer, reason });
                    }
                    _ => return Err(error.into()),
                },
            };
            let Some(target) = redirect_target(&url, answer.status, &answer.headers) else {
                if let (401 | 403, Some(sent), false) = (answer.status.as_u16(), &credentials, is_renewed)
                    && self.api.renew(sent).await
                {
                    (url, is_trusted, is_renewed) = (self.url(call), true, true);
                    continue;
                }
                let reason = self.why_transient(&answer);
                let answer = Ok(answer);
                return Ok(Outcome { answer, reason });
            };
            let is_web = matches!(target.scheme(), "http" | "https");
            // The other statuses turn the call into a GET, which would do something else.
            let is_same = call.method == Method::GET || matches!(answer.status.as_u16(), 307 | 308);
            let reason = self.api.forbids_redirects();
            let reason = reason.or((is_same && !is_web).then_some("which is not an http(s) address"));
            if reason.is_some() || !is_same {
                return Err(redirected(call, &target, reason));
            }
            is_trusted &= may_see_credentials(&url, &target);
            url = target;
        }
        let reason = format!("after {MOST_REDIRECTS} other redirects");
        Err(redirected(call, &url, Some(&reason)))
    }

    /// If a later request may get another response: the reason, for messages.
    fn why_transient(&self, answer: &ApiResponse) -> Option<String> {
        if self.settings().retry.is_transient(answer.status, &answer.headers) {
            return Some(format!("it returned {}", answer.status));
        }
        let message = self.api.overload(answer)?;
        Some(format!("it returned {}: {message}", answer.status))
    }

    /// Waits before the next attempt and counts it; gives `false` if there is none left. Because waiting can take
    /// minutes, the log says each time why, for how long, and how to stop it.
    pub(crate) async fn pause(&self, tries: &mut u32, outcome: &Outcome) -> bool {
        let Some(reason) = &outcome.reason else {
            return false;
        };
        let retry = &self.settings().retry;
        let answer = outcome.answer.as_ref().ok();
        // The server may have too many clients, so their retries must spread out.
        let is_of_load = answer.is_some() || outcome.is_timeout();
        let retry_after = answer.and_then(|answer| answer.header(RETRY_AFTER));
        let Some(pause) = retry.pause_after(*tries, is_of_load, retry_after) else {
            return false;
        };
        *tries += 1;
        tracing::warn!(
            "{} {} is not available ({reason}); {}",
            A::SERVER,
            self.address(),
            retrying(pause, *tries, retry.max_retries + 1)
        );
        tokio::time::sleep(pause).await;
        true
    }

    fn url(&self, call: &Call<'_>) -> Url {
        let mut url = self.base.clone();
        url.set_path(&format!("{}{}", url.path().trim_end_matches('/'), call.path));
        if !call.query.is_empty() {
            url.query_pairs_mut().extend_pairs(call.query);
        }
        url
    }

    /// The value in the response, or the server's refusal.
    pub(crate) async fn read<T: DeserializeOwned>(
        &self,
        path: &str,
        outcome: Outcome,
    ) -> Result<T, A::Error> {
        let answer = outcome.answer?;
        let body: &[u8] = match answer.body.trim_ascii() {
            // Some servers send this instead of MLflow's empty object.
            b"" | b"200 OK" => b"{}",
            body => body,
        };
        if answer.status != StatusCode::OK || !body.starts_with(b"{") {
            return Err(self.refusal(path, answer).await);
        }
        serde_json::from_slice(body).map_err(|error| ApiError::malformed(A::NAME, path, error).into())
    }

    /// The error for a refusal.
    async fn refusal(&self, path: &str, answer: ApiResponse) -> A::Error {
        let body = self.api.redacted(answer.body).await;
        let said = code_and_message(&body).filter(|_| !answer.status.is_success());
        let (code, message) = match said {
            Some((code, message)) => (Some(code), message),
            None => (None, excerpt(&body)),
        };
        A::Error::from(ApiError::Refused {
            endpoint: path.to_owned(),
            status: answer.status.as_u16(),
            code,
            message,
            tries: answer.tries,
            credentials: self.api.credentials(),
        })
    }
}

fn redirected<E: From<ApiError>>(call: &Call<'_>, target: &Url, reason: Option<&str>) -> E {
    E::from(ApiError::Redirect {
        endpoint: call.path.to_owned(),
        target: without_credentials(target.as_str()),
        why_not: reason.map(|reason| format!(", {reason}")).unwrap_or_default(),
    })
}
