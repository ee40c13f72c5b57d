//! A workspace with credentials that stay valid: access tokens are renewed before they expire, and
//! what the workspace no longer accepts is looked up anew.

use std::fmt;
use std::sync::{Arc, Mutex};

use reqwest::Url;
use reqwest::header::{ACCEPT, HeaderMap, HeaderValue};

use super::access_token;
use super::credentials::{Credentials, Kind};
use super::error::{DatabricksError, unsendable};
use super::profile::DatabricksProfile;
use super::secrets;
use crate::env_vars;
use crate::http::{Api, ApiClient, Connection, ConnectionSettings, TokenCache, Verification, basic, bearer};
use crate::redact::Secret;

/// A workspace and who asks it.
pub(crate) struct Session {
    profile: DatabricksProfile,
    host: Url,
    workspace_id: Option<String>,
    connection: Arc<Connection>,
    /// What goes with every request.
    headers: HeaderMap,
    credentials: Mutex<Credentials>,
    token: TokenCache,
}

impl fmt::Debug for Session {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Session")
            .field("host", &self.address())
            .finish_non_exhaustive()
    }
}

impl Session {
    /// Finds the workspace and its credentials. Sends requests only where these are secrets of
    /// another workspace.
    pub(crate) async fn open(profile: &DatabricksProfile) -> Result<Self, DatabricksError> {
        let settings = ConnectionSettings::from_variables(&env_vars::non_empty)?;
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
        mut settings: ConnectionSettings,
    ) -> Result<Self, DatabricksError> {
        if credentials.is_insecure {
            settings.verification = Verification::Off;
        }
        let mut headers = HeaderMap::new();
        headers.insert(ACCEPT, HeaderValue::from_static("application/json"));
        if let Some(id) = &credentials.workspace_id {
            let value = HeaderValue::from_str(id).map_err(|_| unsendable(&credentials.source))?;
            headers.insert("x-databricks-org-id", value);
        }
        Ok(Self {
            profile,
            host: credentials.host.clone(),
            workspace_id: credentials.workspace_id.clone(),
            connection: Arc::new(Connection::new(settings)),
            headers,
            credentials: Mutex::new(credentials),
            token: TokenCache::default(),
        })
    }

    /// A client of one of the workspace's APIs.
    pub(crate) fn client<A: Api>(&self, api: A) -> ApiClient<A> {
        self.client_at(self.host.clone(), self.headers.clone(), api)
    }

    /// A client of another address, which is reached as the workspace is.
    pub(super) fn client_at<A: Api>(&self, base: Url, headers: HeaderMap, api: A) -> ApiClient<A> {
        ApiClient::new(api, base, headers, Arc::clone(&self.connection))
    }

    /// The workspace's address without a slash at its end.
    pub(crate) fn address(&self) -> &str {
        self.host.as_str().trim_end_matches('/')
    }

    /// The workspace's id, where several share one address.
    pub(crate) fn workspace_id(&self) -> Option<&str> {
        self.workspace_id.as_deref()
    }

    /// Where a person finds the credentials.
    pub(crate) fn source(&self) -> String {
        self.credentials().source
    }

    /// The address of a page of the workspace.
    pub(crate) fn page(&self, fragment: &str) -> String {
        let query = match self.workspace_id() {
            None | Some("0") => String::new(),
            Some(id) => format!("?o={id}"),
        };
        format!("{}/{query}#{fragment}", self.address())
    }

    /// What the next request says about who asks.
    pub(crate) async fn authorization(&self) -> Result<HeaderValue, DatabricksError> {
        let credentials = self.credentials();
        let header = match &credentials.kind {
            Kind::Token(token) => bearer(token.expose()),
            Kind::Basic { user, password } => basic(user, password.expose()),
            Kind::OAuth { .. } | Kind::Program => bearer(self.access_token(&credentials).await?.expose()),
        };
        header.ok_or_else(|| unsendable(&credentials.source))
    }

    /// The access token that these credentials give, fetched if there is none that lasts.
    pub(super) async fn access_token(&self, credentials: &Credentials) -> Result<Secret, DatabricksError> {
        self.token.get(access_token::fetch(self, credentials)).await
    }

    /// The profile that was asked for by name.
    pub(super) fn profile_name(&self) -> Option<String> {
        let named = self.profile.name.clone();
        named.or_else(|| env_vars::non_empty(env_vars::DATABRICKS_CONFIG_PROFILE))
    }

    /// Looks for other credentials than the ones that the workspace refused. Says whether there are
    /// any: a fresh access token, or a token that somebody put into the configuration file meanwhile.
    pub(crate) async fn renew(&self, refused: &HeaderValue) -> bool {
        let now = self.authorization().await;
        if now.is_ok_and(|now| now != *refused) {
            return true;
        }
        match self.credentials().kind {
            Kind::OAuth { .. } | Kind::Program => self.token.clear().await,
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
        now.is_ok_and(|now| now != *refused)
    }

    /// The text without any credential that is in use.
    pub(crate) async fn redact(&self, text: &str) -> String {
        let credentials = self.credentials();
        let mut secrets = match &credentials.kind {
            Kind::Token(secret) | Kind::Basic { password: secret, .. } => vec![secret.clone()],
            Kind::OAuth { client_secret, .. } => vec![client_secret.clone()],
            Kind::Program => Vec::new(),
        };
        secrets.extend(self.token.last().await);
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
