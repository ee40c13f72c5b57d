//! The client of MLflow's REST API: credentials and refusals.

use std::sync::Arc;

use async_trait::async_trait;
use openssl::sha::sha256;
use reqwest::header::{ACCEPT, AUTHORIZATION, HeaderMap, HeaderValue};
use reqwest::redirect::Policy;
use reqwest::{Request, Url};

use super::auth::{Credentials, Signer};
use super::database_text::tells_overload;
use super::error::RestError;
use super::kubernetes::WORKSPACE;
use super::settings::RestSettings;
use crate::databricks::Session;
use crate::env_vars::VariableError;
use crate::http::{
    Api, ApiClient, ApiError, ApiResponse, Connection, MOST_REDIRECTS, RequestSigner, ServerAccess,
    code_and_message, excerpt,
};
use crate::redact::without_credentials;

/// A client of one tracking server.
pub(super) type Client = ApiClient<Tracking>;

/// The API of a tracking server, with the credentials.
#[derive(Debug)]
pub(super) struct Tracking {
    authorization: Option<HeaderValue>,
    /// The source of the credentials.
    credentials: Option<String>,
    /// Creates credentials for every request, if a variable requires that.
    signer: Option<Signer>,
    /// Gives the credentials for every request, if they change.
    session: Option<Arc<Session>>,
    follows_redirects: bool,
}

/// A client of the server at this URL.
pub(super) fn client(url: &str, settings: &RestSettings) -> Result<Client, RestError> {
    let mut base = parse_base(url)?;
    let host = base.host_str().unwrap_or_default();
    let credentials = match &settings.signer {
        None => Credentials::from_url(&base, url)
            .or_else(|| settings.credentials.clone())
            .or_else(|| Credentials::from_netrc(&settings.netrc, host)),
        Some(Signer::Aws(_)) => None,
        // A token has precedence over the account's; a password does not.
        Some(Signer::Kubernetes(_)) => settings
            .credentials
            .clone()
            .filter(|credentials| credentials.is_token),
    };
    // Neither fails for a URL with a host, which has been checked.
    let _ = (base.set_username(""), base.set_password(None));
    let mut headers = HeaderMap::new();
    headers.insert(ACCEPT, HeaderValue::from_static("*/*"));
    if let Some(workspace) = &settings.workspace {
        let value = HeaderValue::from_str(workspace).map_err(|_| VariableError {
            name: crate::env_vars::MLFLOW_WORKSPACE,
            value: workspace.clone(),
            expected: "a name without control characters".to_owned(),
        })?;
        headers.insert(WORKSPACE, value);
    }
    let signed_by = settings.signer.as_ref().map(|signer| signer.source().to_owned());
    let api = Tracking {
        authorization: credentials.as_ref().map(Credentials::header).transpose()?,
        credentials: credentials.map(|credentials| credentials.source).or(signed_by),
        signer: settings.signer.clone(),
        session: None,
        follows_redirects: settings.follows_redirects,
    };
    let connection = Connection::new(settings.connection.clone());
    Ok(ApiClient::new(api, base, headers, Arc::new(connection)))
}

/// A client of the tracking server of a Databricks workspace.
pub(super) fn client_of_workspace(session: Arc<Session>) -> Client {
    session.client_of(Tracking {
        authorization: None,
        credentials: None,
        signer: None,
        follows_redirects: true,
        session: Some(Arc::clone(&session)),
    })
}

/// The access to the server at this URL for artifacts.
pub(super) fn server_access(url: &str) -> Result<ServerAccess, RestError> {
    let settings = RestSettings::from_environment()?;
    let (api, url, mut headers) = client(url, &settings)?.into_parts();
    headers.extend(api.authorization.map(|value| (AUTHORIZATION, value)));
    let redirects = if settings.follows_redirects {
        Policy::limited(MOST_REDIRECTS)
    } else {
        Policy::none()
    };
    let client = settings.connection.client(redirects, url.scheme() == "https");
    Ok(ServerAccess {
        client: client.map_err(ApiError::from)?,
        url,
        headers,
        credentials: api.credentials,
        signer: api
            .signer
            .map(|signer| Arc::new(signer) as Arc<dyn RequestSigner>),
        follows_redirects: settings.follows_redirects,
    })
}

#[async_trait]
impl Api for Tracking {
    type Error = RestError;
    const NAME: &'static str = "MLflow";
    const SERVER: &'static str = "the tracking server";

    fn credentials(&self) -> Option<String> {
        match &self.session {
            Some(session) => session.credentials(),
            None => self.credentials.clone(),
        }
    }

    async fn authorize(&self, request: &mut Request, body: &[u8]) -> Result<(), RestError> {
        if let Some(session) = &self.session {
            session.authorize(request, body).await?;
        }
        let authorization = self.authorization.clone();
        request
            .headers_mut()
            .extend(authorization.map(|value| (AUTHORIZATION, value)));
        if let Some(signer) = &self.signer {
            signer.add_to(request, &sha256(body)).await?;
        }
        Ok(())
    }

    async fn renew(&self, refused: &HeaderValue) -> bool {
        match &self.session {
            Some(session) => session.renew(refused).await,
            None => false,
        }
    }

    fn forbids_redirects(&self) -> Option<&'static str> {
        (!self.follows_redirects).then_some("which MLFLOW_ALLOW_HTTP_REDIRECTS does not allow")
    }

    async fn redacted(&self, body: Vec<u8>) -> Vec<u8> {
        match &self.session {
            Some(session) => session.redacted(body).await,
            None => body,
        }
    }

    fn overload(&self, answer: &ApiResponse) -> Option<String> {
        let (code, said) = match code_and_message(&answer.body) {
            Some((code, message)) => (Some(code), message),
            None => (None, excerpt(&answer.body)),
        };
        // Only the first line, since the statement and its values may follow.
        let first = || excerpt(said.lines().next().unwrap_or_default().as_bytes());
        tells_overload(answer.status.as_u16(), code.as_deref(), &said).then(first)
    }
}

/// The base of all URLs. A query or fragment, usually copied from a browser, is an error, because it would be lost.
fn parse_base(text: &str) -> Result<Url, RestError> {
    let refused = |reason: &str| RestError::Setup {
        text: format!("the tracking URI '{}' {reason}", without_credentials(text)),
        hint: "set MLFLOW_TRACKING_URI to the server's address, such as https://HOST:5000",
    };
    let url =
        Url::parse(text.trim()).map_err(|error| refused(&format!("is not a valid address: {error}")))?;
    if !matches!(url.scheme(), "http" | "https") || !url.has_host() {
        return Err(refused("is not an http:// or https:// address"));
    }
    if url.fragment().is_some() || url.query().is_some() {
        return Err(refused("must not have a part after '?' or '#'"));
    }
    Ok(url)
}
