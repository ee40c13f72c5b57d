//! Access tokens: of a service principal by OAuth, or of a user by the `databricks` program.

use async_trait::async_trait;
use reqwest::header::AUTHORIZATION;
use reqwest::{Method, Url};
use serde::Deserialize;

use super::credentials::Credentials;
use super::error::DatabricksError;
use super::session::Session;
use crate::http::{Api, ApiError, Call, Content, Token, TokenResponse, basic};
use crate::process::ProgramCall;

/// The program that keeps a user's login.
const PROGRAM: &str = "databricks";

/// A service that asks for no credentials but those that its client always sends.
#[derive(Debug)]
struct TokenService;

#[async_trait]
impl Api for TokenService {
    type Error = ApiError;
    const NAME: &'static str = "an OAuth service";
    const SERVER: &'static str = "the OAuth service";

    fn forbids_redirects(&self) -> Option<&'static str> {
        Some("which is not followed")
    }
}

impl Session {
    /// Gets an access token for these credentials.
    pub(super) async fn new_access_token(&self, credentials: &Credentials) -> Result<Token, DatabricksError> {
        match &credentials.values[..] {
            [(_, client_id), (_, secret)] => {
                self.token_by_oauth(&credentials.source, client_id.expose(), secret.expose())
                    .await
            }
            _ => self.token_by_program().await,
        }
    }

    /// Source: Databricks' documentation of OAuth for service principals (machine to machine).
    async fn token_by_oauth(
        &self,
        source: &str,
        client_id: &str,
        client_secret: &str,
    ) -> Result<Token, DatabricksError> {
        #[derive(Deserialize)]
        struct Endpoints {
            token_endpoint: String,
        }
        let failed = |reason: String| none(source, &reason);
        let discovery = self.client_of(TokenService);
        let endpoints: Endpoints = discovery
            .get("/oidc/.well-known/oauth-authorization-server", &[])
            .await
            .map_err(|error| failed(error.to_string()))?;
        let mut endpoint = Url::parse(&endpoints.token_endpoint)
            .map_err(|error| failed(format!("its token endpoint: {error}")))?;
        if self.address().starts_with("https:") && endpoint.scheme() != "https" {
            return Err(failed(
                "its token endpoint is not at an https:// address".to_owned(),
            ));
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

    async fn token_by_program(&self) -> Result<Token, DatabricksError> {
        let call = ProgramCall::new(PROGRAM).arguments(["auth", "token", "--host", self.address()]);
        let captured = call.capture().await.map_err(|source| DatabricksError::Program {
            host: self.address().to_owned(),
            source,
        })?;
        serde_json::from_slice(&captured.stdout)
            .map(|answer: TokenResponse| answer.into())
            .map_err(|_| {
                let reason = "the databricks program gave none; log in with `databricks auth login`";
                none(self.address(), reason)
            })
    }
}

fn none(source: &str, reason: &str) -> DatabricksError {
    DatabricksError::Setup {
        text: format!("no access token for {source}: {reason}"),
        hint: "check client_id and client_secret; the secret may have expired",
    }
}
