//! Who asks: tokens, users, service principals.

use std::collections::HashMap;
use std::time::{Duration, Instant};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::json;

use crate::reply::Reply;
use crate::request::Request;
use crate::{CLIENT, TOKEN, USER, Workspace};

pub(crate) struct Auth {
    tokens: Vec<String>,
    access_tokens: HashMap<String, Instant>,
    given: u32,
    life: Duration,
}

impl Auth {
    pub(crate) fn new(life: Duration) -> Self {
        Self {
            tokens: vec![TOKEN.to_owned()],
            access_tokens: HashMap::new(),
            given: 0,
            life,
        }
    }

    pub(crate) fn accept(&mut self, token: &str) {
        self.tokens.push(token.to_owned());
    }

    pub(crate) fn revoke(&mut self, token: &str) {
        self.tokens.retain(|known| known != token);
    }

    pub(crate) fn expire(&mut self) {
        self.access_tokens.clear();
    }

    pub(crate) fn check(&self, request: &Request) -> Result<(), Reply> {
        let header = request.header("authorization").unwrap_or_default();
        let (scheme, value) = header.split_once(' ').unwrap_or_default();
        match scheme {
            "Bearer" if self.tokens.iter().any(|token| token == value) => Ok(()),
            "Bearer" => match self.access_tokens.get(value) {
                Some(end) if *end > Instant::now() => Ok(()),
                _ if value.starts_with("eyJ") => Err(Reply::error(
                    401,
                    "UNAUTHENTICATED",
                    "ExpiredToken: the access token has expired",
                )),
                _ => Err(Reply::error(403, "403", "Invalid access token.")),
            },
            "Basic" if value == STANDARD.encode(format!("{}:{}", USER.0, USER.1)) => Ok(()),
            "Basic" => Err(Reply::error(401, "401", "Invalid username or password.")),
            _ => Err(Reply::error(
                401,
                "401",
                "Credential was not sent or was of an unsupported type for this API.",
            )),
        }
    }

    /// An access token. Source: RFC 6749, section 4.4.
    fn give(&mut self, request: &Request) -> Reply {
        let client = STANDARD.encode(format!("{}:{}", CLIENT.0, CLIENT.1));
        if request.header("authorization") != Some(&format!("Basic {client}")) {
            let text =
                json!({ "error": "invalid_client", "error_description": "Client authentication failed" });
            return Reply {
                status: 401,
                ..Reply::json(&text)
            };
        }
        let body = String::from_utf8_lossy(&request.body);
        let mut pairs: Vec<&str> = body.split('&').collect();
        pairs.sort_unstable();
        if pairs != ["grant_type=client_credentials", "scope=all-apis"] {
            let text = json!({ "error": "invalid_request", "error_description": format!("unexpected form: {body}") });
            return Reply {
                status: 400,
                ..Reply::json(&text)
            };
        }
        self.given += 1;
        let token = format!("eyJfake.access.token.{}", self.given);
        self.access_tokens
            .insert(token.clone(), Instant::now() + self.life);
        Reply::json(&json!({
            "access_token": token,
            "scope": "all-apis",
            "token_type": "Bearer",
            "expires_in": self.life.as_secs(),
        }))
    }
}

/// Endpoints that need no token.
pub(crate) fn open_endpoint(workspace: &mut Workspace, request: &Request) -> Option<Reply> {
    let url = &workspace.url;
    match (request.method.as_str(), request.path.as_str()) {
        ("GET", "/.well-known/databricks-config") => Some(Reply::json(&json!({
            "oidc_endpoint": format!("{url}/oidc"),
            "workspace_id": "0",
        }))),
        ("GET", "/oidc/.well-known/oauth-authorization-server") => Some(Reply::json(&json!({
            "issuer": format!("{url}/oidc"),
            "authorization_endpoint": format!("{url}/oidc/v1/authorize"),
            "token_endpoint": format!("{url}/oidc/v1/token"),
            "grant_types_supported": ["client_credentials", "authorization_code", "refresh_token"],
        }))),
        ("POST", "/oidc/v1/token") => Some(workspace.auth.give(request)),
        _ => None,
    }
}

/// Who the user is.
pub(crate) fn answer(request: &Request) -> Option<Reply> {
    request.is("GET", &["2.0"], "preview/scim/v2/Me").then(|| {
        Reply::json(&json!({
            "schemas": ["urn:ietf:params:scim:schemas:core:2.0:User"],
            "id": "1000",
            "userName": USER.0,
            "active": true,
        }))
    })
}
