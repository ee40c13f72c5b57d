//! Asking services for access tokens.

use std::time::Duration;

use bytes::Bytes;
use reqsign::{Error, HttpSend};
use reqwest::Client;

use super::StoreError;
use crate::http::{READ_TIMEOUT, in_words, innermost, local_client};

/// Sends reqsign's requests for access tokens, and says why a service gives none.
#[derive(Debug, Clone)]
pub(super) struct OauthSender(Client);

impl OauthSender {
    pub(super) fn new(client: Client) -> Self {
        Self(client)
    }

    /// For a service of the machine itself, which no proxy reaches and which answers at once or not at all.
    pub(super) fn local(timeout: Duration) -> Result<Self, StoreError> {
        Ok(Self(local_client(timeout)?))
    }
}

impl HttpSend for OauthSender {
    async fn http_send(&self, request: http::Request<Bytes>) -> reqsign::Result<http::Response<Bytes>> {
        let request = reqwest::Request::try_from(request)
            .map_err(|error| Error::request_invalid(innermost(&error.without_url())))?;
        let exchange = async {
            let answer = self.0.execute(request).await?;
            let (status, headers) = (answer.status(), answer.headers().clone());
            let mut whole = http::Response::new(answer.bytes().await?);
            (*whole.status_mut(), *whole.headers_mut()) = (status, headers);
            Ok::<_, reqwest::Error>(whole)
        };
        let answer = tokio::time::timeout(READ_TIMEOUT, exchange)
            .await
            .map_err(|_| Error::unexpected(format!("no answer within {}", in_words(READ_TIMEOUT))))?
            .map_err(|error| Error::unexpected(innermost(&error.without_url())))?;
        match answer.status().is_success() {
            true => Ok(answer),
            false => Err(Error::credential_invalid(refusal(&answer))),
        }
    }
}

/// The status, and the first line of what the service says (RFC 6749, section 5.2).
fn refusal(answer: &http::Response<Bytes>) -> String {
    let said: serde_json::Value = serde_json::from_slice(answer.body()).unwrap_or_default();
    let said = [&said["error_description"], &said["error"]]
        .into_iter()
        .find_map(serde_json::Value::as_str)
        .and_then(|said| said.lines().next());
    match said {
        Some(said) => format!("the answer was {} ({said})", answer.status()),
        None => format!("the answer was {}", answer.status()),
    }
}

/// Why there are no credentials: all that an error of reqsign says.
pub(super) fn reason(error: &Error) -> String {
    let mut text = error.to_string();
    let mut next = std::error::Error::source(error);
    while let Some(cause) = next {
        let cause_text = cause.to_string();
        if !text.contains(&cause_text) {
            text.push_str(&format!(": {cause_text}"));
        }
        next = cause.source();
    }
    text
}
