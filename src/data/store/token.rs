//! Access tokens that end after some time, kept until then.

use std::time::{Duration, Instant};

use serde::Deserialize;
use tokio::sync::Mutex;

use crate::http::{READ_TIMEOUT, in_words, innermost};
use crate::redact::Secret;

/// A token that ends within this time is replaced before it is used.
const SPARE_TIME: Duration = Duration::from_secs(120);

/// An access token as OAuth services give it (RFC 6749, section 5.1).
#[derive(Deserialize)]
pub(super) struct TokenAnswer {
    access_token: String,
    /// In seconds; some services write it as text.
    expires_in: Option<serde_json::Value>,
}

/// An access token and its end.
#[derive(Debug, Clone)]
pub(super) struct Token {
    pub(super) value: Secret,
    ends: Option<Instant>,
}

impl Token {
    /// A token that ends so many seconds from now.
    pub(super) fn new(value: String, seconds: Option<u64>) -> Self {
        let ends = seconds.and_then(|seconds| Instant::now().checked_add(Duration::from_secs(seconds)));
        Self {
            value: Secret::new(value),
            ends,
        }
    }
}

impl From<TokenAnswer> for Token {
    fn from(answer: TokenAnswer) -> Self {
        let seconds = answer.expires_in.as_ref().and_then(|seconds| {
            let number = seconds.as_u64();
            number.or_else(|| seconds.as_str()?.parse().ok())
        });
        Self::new(answer.access_token, seconds)
    }
}

/// The token that is in use.
#[derive(Debug, Default)]
pub(super) struct KeptToken(Mutex<Option<Token>>);

impl KeptToken {
    /// The token, or a new one where it ends soon.
    pub(super) async fn get<E>(&self, renew: impl Future<Output = Result<Token, E>>) -> Result<Secret, E> {
        let mut kept = self.0.lock().await;
        let is_fresh = |token: &&Token| token.ends.is_none_or(|ends| ends > Instant::now() + SPARE_TIME);
        if let Some(token) = kept.as_ref().filter(is_fresh) {
            return Ok(token.value.clone());
        }
        let token = renew.await?;
        let value = token.value.clone();
        *kept = Some(token);
        Ok(value)
    }
}

/// Sends a request for a token and reads the answer; the text says what went wrong.
pub(super) async fn ask(request: reqwest::RequestBuilder) -> Result<Token, String> {
    let exchange = async {
        let answer = request.send().await?;
        let status = answer.status();
        Ok::<_, reqwest::Error>((status, answer.text().await?))
    };
    let (status, text) = tokio::time::timeout(READ_TIMEOUT, exchange)
        .await
        .map_err(|_| format!("no answer within {}", in_words(READ_TIMEOUT)))?
        .map_err(|error| innermost(&error.without_url()))?;
    if !status.is_success() {
        let said: serde_json::Value = serde_json::from_str(&text).unwrap_or_default();
        let said = [&said["error_description"], &said["error"]]
            .into_iter()
            .find_map(serde_json::Value::as_str)
            .and_then(|said| said.lines().next());
        return Err(match said {
            Some(said) => format!("the answer was {status} ({said})"),
            None => format!("the answer was {status}"),
        });
    }
    let answer: TokenAnswer =
        serde_json::from_str(&text).map_err(|_| "the answer holds no access token".to_owned())?;
    Ok(answer.into())
}
