//! A workspace with valid credentials: access tokens are renewed before they expire, and rejected credentials are
//! looked up again.

use std::fmt;
use std::sync::{Arc, Mutex};

use async_trait::async_trait;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use reqwest::header::{ACCEPT, AUTHORIZATION, HeaderMap, HeaderValue};
use reqwest::{Method, Request, Url};
use serde::Deserialize;
use serde_json::Value;

use super::credentials::{BASIC, Credentials, DatabricksProfile, PROGRAM, TOKEN, parse_host};
use super::error::LOG_IN;
use super::error::{DatabricksError, Result, malformed, unsendable};
use crate::env_vars::{self, DATABRICKS_CONFIG_PROFILE, DATABRICKS_VARIABLES};
use crate::http::{
    Api, ApiClient, ApiError, Call, Connection, ConnectionSettings, Content, Token, TokenCache,
    TokenResponse, Verification, basic, bearer,
};
use crate::process::ProgramCall;
use crate::redact::Secret;

/// A workspace and its credentials.
pub(crate) struct Session {
    profile: DatabricksProfile,
    host: Url,
    workspace_id: Option<String>,
    connection: Arc<Connection>,
    headers: HeaderMap,
    credentials: Mutex<Credentials>,
    token: TokenCache,
}

pub(crate) type Client = ApiClient<Arc<Session>>;

/// The environment of another process that uses the same workspace: the credentials in use, not all profiles. The
/// variables are those of MLflow's client (`get_databricks_env_vars`, MLflow 3.17).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct WorkspaceAccess {
    /// Names and values. They include the tracking URI, because the other process may not have the profile.
    pub variables: Vec<(&'static str, Secret)>,
    /// Variables of this process with other credentials, which the other process must not get.
    pub others: Vec<&'static str>,
    /// Whether the credentials are a token of the `databricks` program, which expires. Processes of the same user on
    /// this machine can get one themselves.
    pub is_of_login: bool,
}

impl fmt::Debug for Session {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Session({})", self.host)
    }
}

impl Session {
    /// Finds the workspace and its credentials. Only credentials in another workspace's secrets need requests.
    pub(crate) async fn open(profile: &DatabricksProfile) -> Result<Arc<Self>> {
        let session = Self::new(profile, Credentials::find(profile)?)?;
        let Some((scope, key)) = &profile.secret else {
            return Ok(session);
        };
        let client = session.client();
        let host = client.secret(scope, &format!("{key}-host")).await?;
        let token = client.secret(scope, &format!("{key}-token")).await?;
        let source = format!("the secrets {key}-host and {key}-token in the scope {scope}");
        let (host, workspace_id) = parse_host(host.trim(), &source)?;
        let credentials = Credentials {
            host,
            workspace_id,
            is_insecure: false,
            login: TOKEN,
            values: vec![("DATABRICKS_TOKEN", Secret::new(token))],
            is_of_environment: false,
            source,
        };
        Self::new(profile, credentials)
    }

    fn new(profile: &DatabricksProfile, credentials: Credentials) -> Result<Arc<Self>> {
        let mut settings = ConnectionSettings::from_variables(&env_vars::non_empty)?;
        if credentials.is_insecure {
            settings.verification = Verification::Off;
        }
        let mut headers = HeaderMap::new();
        headers.insert(ACCEPT, HeaderValue::from_static("application/json"));
        if let Some(id) = &credentials.workspace_id {
            let value = HeaderValue::from_str(id).map_err(|_| unsendable(&credentials.source))?;
            headers.insert("x-databricks-org-id", value);
        }
        Ok(Arc::new(Self {
            profile: profile.clone(),
            host: credentials.host.clone(),
            workspace_id: credentials.workspace_id.clone(),
            connection: Arc::new(Connection::new(settings)),
            headers,
            credentials: Mutex::new(credentials),
            token: TokenCache::default(),
        }))
    }

    /// A client of the workspace's APIs.
    pub(crate) fn client(self: &Arc<Self>) -> Client {
        self.client_of(Arc::clone(self))
    }

    pub(crate) fn client_of<A: Api>(&self, api: A) -> ApiClient<A> {
        self.client_at(self.host.clone(), self.headers.clone(), api)
    }

    /// A client of another address, with the same connection settings.
    pub(super) fn client_at<A: Api>(&self, base: Url, headers: HeaderMap, api: A) -> ApiClient<A> {
        ApiClient::new(api, base, headers, Arc::clone(&self.connection))
    }

    /// The workspace's address without a trailing slash.
    pub(crate) fn address(&self) -> &str {
        self.host.as_str().trim_end_matches('/')
    }

    pub(crate) fn page(&self, fragment: &str) -> String {
        let query = match self.workspace_id.as_deref() {
            None | Some("0") => String::new(),
            Some(id) => format!("?o={id}"),
        };
        format!("{}/{query}#{fragment}", self.address())
    }

    /// The environment of another process that uses this workspace.
    pub(crate) async fn access(&self) -> Result<WorkspaceAccess> {
        let credentials = self.current();
        let mut variables = vec![
            (env_vars::MLFLOW_TRACKING_URI, Secret::new("databricks")),
            (env_vars::DATABRICKS_HOST, Secret::new(self.address())),
        ];
        let id = self.workspace_id.as_deref().map(Secret::new);
        variables.extend(id.map(|id| ("DATABRICKS_WORKSPACE_ID", id)));
        variables.extend(credentials.values.iter().cloned());
        let is_of_login = credentials.login == PROGRAM;
        if is_of_login {
            variables.push(("DATABRICKS_TOKEN", self.access_token(&credentials).await?));
        }
        if credentials.is_insecure {
            variables.push(("DATABRICKS_INSECURE", Secret::new("True")));
        }
        let is_set = |name: &str| variables.iter().any(|(other, _)| *other == name);
        let mut others: Vec<_> = DATABRICKS_VARIABLES
            .into_iter()
            .filter(|name| !credentials.is_of_environment && !is_set(name))
            .collect();
        let inherited = env_vars::non_empty(DATABRICKS_CONFIG_PROFILE);
        if inherited.is_some() && inherited != self.profile.asked_for() {
            others.push(DATABRICKS_CONFIG_PROFILE);
        }
        Ok(WorkspaceAccess {
            variables,
            others,
            is_of_login,
        })
    }

    /// The `Authorization` header of the next request.
    async fn authorization(&self) -> Result<HeaderValue> {
        let credentials = self.current();
        let header = match (credentials.login, &credentials.values[..]) {
            (TOKEN, [(_, token)]) => bearer(token.expose()),
            (BASIC, [(_, user), (_, password)]) => basic(user.expose(), password.expose()),
            _ => bearer(self.access_token(&credentials).await?.expose()),
        };
        header.ok_or_else(|| unsendable(&credentials.source))
    }

    /// The access token of these credentials; fetches a new one if the last one expires soon.
    async fn access_token(&self, credentials: &Credentials) -> Result<Secret> {
        self.token.get(self.new_access_token(credentials)).await
    }

    fn current(&self) -> Credentials {
        self.lock().clone()
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, Credentials> {
        self.credentials
            .lock()
            .unwrap_or_else(std::sync::PoisonError::into_inner)
    }
}

impl Client {
    /// Reads a text from the workspace's secrets.
    async fn secret(&self, scope: &str, key: &str) -> Result<String> {
        const ENDPOINT: &str = "/api/2.0/secrets/get";
        let answer: Value = self.get(ENDPOINT, &[("scope", scope), ("key", key)]).await?;
        let bytes = answer["value"]
            .as_str()
            .and_then(|text| STANDARD.decode(text).ok());
        let text = bytes.and_then(|bytes| String::from_utf8(bytes).ok());
        text.ok_or_else(|| {
            let reason = format!("the secret {key} in the scope {scope} is not text");
            malformed(ENDPOINT, reason)
        })
    }
}

#[async_trait]
impl Api for Arc<Session> {
    type Error = DatabricksError;
    const NAME: &'static str = "Databricks";
    const SERVER: &'static str = "the Databricks workspace";

    fn credentials(&self) -> Option<String> {
        Some(self.lock().source.clone())
    }

    async fn authorize(&self, request: &mut Request, _body: &[u8]) -> Result<()> {
        let authorization = self.authorization().await?;
        request.headers_mut().insert(AUTHORIZATION, authorization);
        Ok(())
    }

    /// Gets a fresh access token, or a token that has been added to the configuration file in the meantime.
    async fn renew(&self, refused: &HeaderValue) -> bool {
        let is_other = async || self.authorization().await.is_ok_and(|now| now != *refused);
        if is_other().await {
            return true;
        }
        match self.current().login {
            TOKEN | BASIC if self.profile.secret.is_some() => return false,
            TOKEN | BASIC => match Credentials::find(&self.profile) {
                Ok(found) if found.host == self.host => *self.lock() = found,
                _ => return false,
            },
            _ => self.token.clear().await,
        }
        is_other().await
    }

    fn forbids_redirects(&self) -> Option<&'static str> {
        Some("which mlrun does not follow")
    }

    async fn redacted(&self, body: Vec<u8>) -> Vec<u8> {
        let secret = self.current().values.pop().map(|(_, secret)| secret);
        let secrets = secret.into_iter().chain(self.token.last().await);
        let text = String::from_utf8_lossy(&body).into_owned();
        secrets
            .filter(|secret| !secret.expose().is_empty())
            .fold(text, |text, secret| text.replace(secret.expose(), "****"))
            .into_bytes()
    }
}

/// A service whose client always sends the same credentials.
#[derive(Debug)]
struct TokenService;

#[async_trait]
impl Api for TokenService {
    type Error = ApiError;
    const NAME: &'static str = "OAuth";
    const SERVER: &'static str = "the OAuth service";

    fn forbids_redirects(&self) -> Option<&'static str> {
        Some("which mlrun does not follow")
    }
}

impl Session {
    pub(super) async fn new_access_token(&self, credentials: &Credentials) -> Result<Token> {
        match &credentials.values[..] {
            [(_, client_id), (_, secret)] => {
                self.token_by_oauth(&credentials.source, client_id.expose(), secret.expose())
                    .await
            }
            _ => self.token_by_program().await,
        }
    }

    /// Source: Databricks' documentation of OAuth for service principals (machine to machine).
    async fn token_by_oauth(&self, source: &str, client_id: &str, client_secret: &str) -> Result<Token> {
        #[derive(Deserialize)]
        struct Endpoints {
            token_endpoint: String,
        }
        let failed = |reason: String| no_token(source, &reason, CHECK_SECRET);
        let discovery = self.client_of(TokenService);
        let endpoints: Endpoints = discovery
            .get("/oidc/.well-known/oauth-authorization-server", &[])
            .await
            .map_err(|error| failed(error.to_string()))?;
        let mut endpoint = Url::parse(&endpoints.token_endpoint)
            .map_err(|error| failed(format!("its token endpoint: {error}")))?;
        if self.address().starts_with("https:") && endpoint.scheme() != "https" {
            return Err(failed("its token endpoint is not an https:// address".to_owned()));
        }
        let headers = basic(client_id, client_secret).map(|value| (AUTHORIZATION, value));
        let path = endpoint.path().to_owned();
        endpoint.set_path("");
        let client = self.client_at(endpoint, headers.into_iter().collect(), TokenService);
        let call = Call {
            content_type: Some("application/x-www-form-urlencoded"),
            content: Content::bytes("grant_type=client_credentials&scope=all-apis"),
            ..Call::new(Method::POST, &path)
        };
        let answer: Result<TokenResponse, ApiError> = client.value(call).await;
        answer
            .map(Token::from)
            .map_err(|error| failed(error.to_string().replace(client_secret, "****")))
    }

    async fn token_by_program(&self) -> Result<Token> {
        let call = ProgramCall::new("databricks").arguments(["auth", "token", "--host", self.address()]);
        let captured = call.capture().await.map_err(|source| DatabricksError::Program {
            host: self.address().to_owned(),
            source,
        })?;
        serde_json::from_slice(&captured.stdout)
            .map(|answer: TokenResponse| answer.into())
            .map_err(|_| {
                let reason = "the program 'databricks' printed no token";
                no_token(self.address(), reason, LOG_IN)
            })
    }
}

const CHECK_SECRET: &str = "check client_id and client_secret; the secret may have expired";

fn no_token(source: &str, reason: &str, hint: &'static str) -> DatabricksError {
    DatabricksError::Setup {
        text: format!("no access token for {source}: {reason}"),
        hint,
    }
}
