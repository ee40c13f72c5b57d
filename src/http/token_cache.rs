//! A cache for access tokens until they expire.

use std::time::{Duration, Instant};

use serde::Deserialize;
use tokio::sync::Mutex;

use crate::redact::Secret;

/// The lifetime of a token if the service does not state it.
const USUAL_LIFE: Duration = Duration::from_secs(3600);

/// A token is replaced this long before it expires, or in the last quarter of a shorter lifetime.
const LONGEST_MARGIN: Duration = Duration::from_secs(300);

/// An access token as OAuth services give it (RFC 6749, section 5.1).
#[derive(Deserialize)]
pub(crate) struct TokenResponse {
    access_token: String,
    /// In seconds; some services send it as text.
    expires_in: Option<serde_json::Value>,
}

#[derive(Debug, Clone)]
pub(crate) struct Token {
    value: Secret,
    stale_at: Instant,
}

impl From<TokenResponse> for Token {
    fn from(answer: TokenResponse) -> Self {
        let seconds = answer.expires_in.as_ref().and_then(|seconds| {
            let number = seconds.as_u64();
            number.or_else(|| seconds.as_str()?.parse().ok())
        });
        let life = seconds.map_or(USUAL_LIFE, Duration::from_secs);
        let fresh_for = life.saturating_sub(LONGEST_MARGIN.min(life / 4));
        let now = Instant::now();
        Self {
            value: Secret::new(answer.access_token),
            stale_at: now.checked_add(fresh_for).unwrap_or(now + USUAL_LIFE),
        }
    }
}

/// The current token. The first caller that finds it stale replaces it, and the others wait.
#[derive(Debug, Default)]
pub(crate) struct TokenCache(Mutex<Option<Token>>);

impl TokenCache {
    pub(crate) async fn get<E>(&self, renew: impl Future<Output = Result<Token, E>>) -> Result<Secret, E> {
        let mut kept = self.0.lock().await;
        let is_fresh = |token: &&Token| Instant::now() < token.stale_at;
        if let Some(token) = kept.as_ref().filter(is_fresh) {
            return Ok(token.value.clone());
        }
        Ok(kept.insert(renew.await?).value.clone())
    }

    /// The last token, even if it is stale.
    pub(crate) async fn last(&self) -> Option<Secret> {
        self.0.lock().await.as_ref().map(|token| token.value.clone())
    }

    /// Forgets the token after a server has refused it.
    pub(crate) async fn clear(&self) {
        *self.0.lock().await = None;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_token_is_kept_until_it_ends_soon_or_is_refused() {
        let cache = TokenCache::default();
        let get = async |name: &str, seconds: u64| {
            let answer = format!(r#"{{"access_token": "{name}", "expires_in": "{seconds}"}}"#);
            let token = async { serde_json::from_str::<TokenResponse>(&answer).map(Token::from) };
            cache.get(token).await.unwrap().expose().to_owned()
        };
        assert_eq!(get("first", 3600).await, "first");
        assert_eq!(get("second", 0).await, "first");
        cache.clear().await;
        assert_eq!(get("third", 0).await, "third");
        assert_eq!(cache.last().await, Some(Secret::new("third")));
        assert_eq!(get("fourth", 60).await, "fourth");
        assert_eq!(get("fifth", 60).await, "fourth");
    }
}
