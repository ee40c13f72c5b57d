//! Access tokens: of a service principal by OAuth, or of a user by the `databricks` program.

use std::time::{Duration, Instant};

use reqwest::Url;
use reqwest::header::{ACCEPT, CONTENT_TYPE};
use serde::Deserialize;
use serde_json::Value;

use super::credentials::{Credentials, Kind};
use super::error::DatabricksError;
use super::session::Session;
use crate::http::{classify, cut, excerpt};
use crate::process::ProgramCall;
use crate::redact::Secret;

/// The program that keeps a user's login.
const PROGRAM: &str = "databricks";

/// How long a token lasts where nothing says so.
const USUAL_LIFE: Duration = Duration::from_secs(3600);

/// A token is renewed so long before its end, or in the last quarter of a shorter life.
const LONGEST_MARGIN: Duration = Duration::from_secs(300);

/// How often the token endpoint is asked before it counts as broken.
const MOST_TRIES: u32 = 4;

/// A token that lasts for a while.
pub(super) struct AccessToken {
    pub(super) secret: Secret,
    stale_at: Instant,
}

impl AccessToken {
    fn new(secret: String, life: Duration) -> Self {
        Self {
            secret: Secret::new(secret),
            stale_at: Instant::now() + life.saturating_sub(LONGEST_MARGIN.min(life / 4)),
        }
    }

    /// Whether it has expired, or will soon.
    pub(super) fn is_stale(&self) -> bool {
        Instant::now() >= self.stale_at
    }
}

#[derive(Deserialize)]
struct TokenAnswer {
    access_token: String,
    #[serde(default)]
    expires_in: Option<Value>,
}

impl TokenAnswer {
    fn into_token(self) -> AccessToken {
        let seconds = match &self.expires_in {
            Some(Value::Number(number)) => number.as_u64(),
            Some(Value::String(text)) => text.parse().ok(),
            _ => None,
        };
        AccessToken::new(self.access_token, seconds.map_or(USUAL_LIFE, Duration::from_secs))
    }
}

/// Gets an access token for these credentials.
pub(super) async fn fetch(
    session: &Session,
    credentials: &Credentials,
) -> Result<AccessToken, DatabricksError> {
    match &credentials.kind {
        Kind::OAuth {
            client_id,
            client_secret,
        } => fetch_by_oauth(session, &credentials.source, client_id, client_secret).await,
        _ => fetch_by_program(session).await,
    }
}

/// Source: Databricks' documentation of OAuth for service principals (machine to machine).
async fn fetch_by_oauth(
    session: &Session,
    source: &str,
    client_id: &str,
    client_secret: &Secret,
) -> Result<AccessToken, DatabricksError> {
    #[derive(Deserialize)]
    struct Endpoints {
        token_endpoint: String,
    }
    let failed = |reason: String| DatabricksError::AccessToken {
        source_name: source.to_owned(),
        reason,
    };
    let discovery = session.url("/oidc/.well-known/oauth-authorization-server");
    let request = session.http().get(discovery).header(ACCEPT, "application/json");
    let body = exchange(session, request).await.map_err(failed)?;
    let endpoints: Endpoints = serde_json::from_slice(&body).map_err(|_| {
        failed(format!(
            "{} does not say where its token endpoint is: {}",
            session.address(),
            excerpt(&body)
        ))
    })?;
    let endpoint = Url::parse(&endpoints.token_endpoint)
        .map_err(|error| failed(format!("its token endpoint: {error}")))?;
    if session.address().starts_with("https:") && endpoint.scheme() != "https" {
        return Err(failed(
            "its token endpoint is not at an https:// address".to_owned(),
        ));
    }
    let request = session
        .http()
        .post(endpoint)
        .basic_auth(client_id, Some(client_secret.expose()))
        .header(CONTENT_TYPE, "application/x-www-form-urlencoded")
        .body("grant_type=client_credentials&scope=all-apis");
    let body = exchange(session, request)
        .await
        .map_err(|reason| failed(reason.replace(client_secret.expose(), "****")))?;
    serde_json::from_slice(&body)
        .map(TokenAnswer::into_token)
        .map_err(|_| failed("the token endpoint gave no token".to_owned()))
}

/// Sends the request until there is an answer that another try would not change, and gives its body.
async fn exchange(session: &Session, request: reqwest::RequestBuilder) -> Result<Vec<u8>, String> {
    let mut tries = 0;
    loop {
        tries += 1;
        let request = request.try_clone().expect("the body is no stream");
        let outcome = tokio::time::timeout(session.settings.timeout, async {
            let answer = request.send().await?;
            let status = answer.status();
            Ok::<_, reqwest::Error>((status, answer.bytes().await?))
        });
        let reason = match outcome.await {
            Ok(Ok((status, body))) if status.is_success() => return Ok(body.to_vec()),
            Ok(Ok((status, body))) if !session.settings.retry.is_transient(status, false) => {
                return Err(refusal(&body).unwrap_or_else(|| format!("{status}: {}", excerpt(&body))));
            }
            Ok(Ok((status, _))) => format!("{} answered {status}", session.address()),
            Ok(Err(error)) => classify(&error.without_url(), session.settings.timeout).1,
            Err(_) => format!("{} does not answer", session.address()),
        };
        if tries >= MOST_TRIES.min(session.settings.retry.max_retries + 1) {
            return Err(reason);
        }
        tokio::time::sleep(session.settings.retry.pause(tries, 1.0)).await;
    }
}

/// What OAuth says, or Databricks.
fn refusal(body: &[u8]) -> Option<String> {
    let body: Value = serde_json::from_slice(body).ok()?;
    let text = |names: [&str; 3]| {
        let found = names.into_iter().find_map(|name| body.get(name)?.as_str());
        found.map(str::to_owned)
    };
    let code = text(["error", "error_code", "errorCode"])?;
    let message = text(["error_description", "message", "errorSummary"]).unwrap_or_default();
    Some(cut(&format!("{code}: {message}"), 500))
}

async fn fetch_by_program(session: &Session) -> Result<AccessToken, DatabricksError> {
    let call = ProgramCall::new(PROGRAM).arguments(["auth", "token", "--host", session.address()]);
    let captured = call.capture().await.map_err(|source| DatabricksError::Program {
        host: session.address().to_owned(),
        source,
    })?;
    serde_json::from_slice(&captured.stdout)
        .map(TokenAnswer::into_token)
        .map_err(|_| DatabricksError::AccessToken {
            source_name: session.address().to_owned(),
            reason: "the databricks program gave none; log in with `databricks auth login`".to_owned(),
        })
}
