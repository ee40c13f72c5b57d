//! A workspace with credentials that stay valid: access tokens are renewed before they expire, and
//! what the workspace no longer accepts is looked up anew.

use std::fmt;
use std::sync::Mutex;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use reqwest::Url;
use reqwest::header::HeaderValue;

use super::access_token::{self, AccessToken};
use super::credentials::{Credentials, Kind};
use super::error::DatabricksError;
use super::profile::DatabricksProfile;
use super::secrets;
use super::settings::Settings;
use crate::env_vars;
use crate::redact::Secret;

/// A workspace and who asks it.
pub struct Session {
    profile: DatabricksProfile,
    host: Url,
    workspace_id: Option<String>,
    pub(super) settings: Settings,
    http: reqwest::Client,
    credentials: Mutex<Credentials>,
    /// Locked while a token is fetched, so that it is fetched once.
    token: tokio::sync::Mutex<Option<AccessToken>>,
}

impl fmt::Debug for Session {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Session")
            .field("host", &self.address())
            .finish_non_exhaustive()
    }
}

/// What the `Authorization` header says, and where that comes from.
#[derive(Debug, Clone)]
pub(crate) struct Authorization {
    /// The header's value, marked as sensitive.
    pub(crate) header: HeaderValue,
    /// Where a person finds the credentials.
    pub(crate) source: String,
}

impl Session {
    /// Finds the workspace and its credentials. Sends requests only where these are secrets of
    /// another workspace.
    ///
    /// # Errors
    /// There are no credentials, or what there is cannot be used.
    pub async fn open(profile: &DatabricksProfile) -> Result<Self, DatabricksError> {
        let settings = Settings::from_variables(&env_vars::non_empty)?;
        let mut credentials = Credentials::find(profile, &env_vars::non_empty)?;
        if let Some((scope, key)) = &profile.secret {
            let outer = Self::new(profile.clone(), credentials, settings.clone())?;
            credentials = secrets::credentials(outer, scope, key).await?;
        }
        Self::new(profile.clone(), credentials, settings)
    }

    fn new(
        profile: DatabricksProfile,
        credentials: Credentials,
        settings: Settings,
    ) -> Result<Self, DatabricksError> {
        Ok(Self {
            profile,
            host: credentials.host.clone(),
            workspace_id: credentials.workspace_id.clone(),
            http: settings.client(credentials.is_insecure)?,
            settings,
            credentials: Mutex::new(credentials),
            token: tokio::sync::Mutex::new(None),
        })
    }

    /// The workspace's address without a slash at its end.
    pub fn address(&self) -> &str {
        self.host.as_str().trim_end_matches('/')
    }

    /// The workspace's id, where several share one address.
    pub fn workspace_id(&self) -> Option<&str> {
        self.workspace_id.as_deref()
    }

    /// Whether the workspace's certificate goes unchecked, as the profile wants it.
    pub(crate) fn is_insecure(&self) -> bool {
        self.credentials().is_insecure
    }

    /// Where a person finds the credentials.
    pub(crate) fn source(&self) -> String {
        self.credentials().source
    }

    /// The address of a page of the workspace.
    pub fn page(&self, fragment: &str) -> String {
        let query = match self.workspace_id() {
            None | Some("0") => String::new(),
            Some(id) => format!("?o={id}"),
        };
        format!("{}/{query}#{fragment}", self.address())
    }

    pub(super) fn http(&self) -> &reqwest::Client {
        &self.http
    }

    /// The URL of an endpoint. `path` is absolute and percent-encoded where that is needed.
    pub(super) fn url(&self, path: &str) -> Url {
        let mut url = self.host.clone();
        url.set_path(path);
        url
    }

    /// What the next request says about who asks.
    pub(crate) async fn authorization(&self) -> Result<Authorization, DatabricksError> {
        let credentials = self.credentials();
        let text = match &credentials.kind {
            Kind::Token(token) => format!("Bearer {}", token.expose()),
            Kind::Basic { user, password } => {
                format!(
                    "Basic {}",
                    STANDARD.encode(format!("{user}:{}", password.expose()))
                )
            }
            Kind::OAuth { .. } | Kind::Program => {
                format!("Bearer {}", self.access_token(&credentials).await?.expose())
            }
        };
        let mut header = HeaderValue::from_str(&text).map_err(|_| DatabricksError::Unsendable {
            source_name: credentials.source.clone(),
        })?;
        header.set_sensitive(true);
        Ok(Authorization {
            header,
            source: credentials.source,
        })
    }

    /// The access token that these credentials give, fetched where there is none that lasts.
    pub(super) async fn access_token(&self, credentials: &Credentials) -> Result<Secret, DatabricksError> {
        let mut token = self.token.lock().await;
        let lasting = token.take().filter(|token| !token.is_stale());
        let lasting = match lasting {
            Some(token) => token,
            None => access_token::fetch(self, credentials).await?,
        };
        Ok(token.insert(lasting).secret.clone())
    }

    /// The profile that was asked for by name.
    pub(super) fn profile_name(&self) -> Option<String> {
        let named = self.profile.name.clone();
        named.or_else(|| env_vars::non_empty(env_vars::DATABRICKS_CONFIG_PROFILE))
    }

    /// Looks for other credentials than the ones that the workspace refused. Says whether there are
    /// any: a fresh access token, or a token that somebody put into the configuration file meanwhile.
    pub(crate) async fn renew(&self, refused: &Authorization) -> bool {
        let now = self.authorization().await;
        if now.is_ok_and(|now| now.header != refused.header) {
            return true;
        }
        match self.credentials().kind {
            Kind::OAuth { .. } | Kind::Program => *self.token.lock().await = None,
            Kind::Token(_) | Kind::Basic { .. } => {
                if self.profile.secret.is_some() {
                    return false;
                }
                match Credentials::find(&self.profile, &env_vars::non_empty) {
                    Ok(found) if found.host == self.host => *self.lock() = found,
                    _ => return false,
                }
            }
        }
        let now = self.authorization().await;
        now.is_ok_and(|now| now.header != refused.header)
    }

    /// The text without any credential that is in use.
    pub(crate) async fn redact(&self, text: &str) -> String {
        let credentials = self.credentials();
        let mut secrets = match &credentials.kind {
            Kind::Token(secret) | Kind::Basic { password: secret, .. } => vec![secret.clone()],
            Kind::OAuth { client_secret, .. } => vec![client_secret.clone()],
            Kind::Program => Vec::new(),
        };
        secrets.extend(self.token.lock().await.iter().map(|token| token.secret.clone()));
        secrets
            .iter()
            .filter(|secret| !secret.expose().is_empty())
            .fold(text.to_owned(), |text, secret| {
                text.replace(secret.expose(), "****")
            })
    }

    pub(super) fn credentials(&self) -> Credentials {
        self.lock().clone()
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, Credentials> {
        self.credentials
            .lock()
            .unwrap_or_else(std::sync::PoisonError::into_inner)
    }
}
