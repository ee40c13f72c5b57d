//! `databricks://scope:key`: the address and the token of a workspace, kept as secrets of another.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde::Deserialize;

use super::client::Client;
use super::credentials::{Credentials, Kind, parse_host};
use super::error::{DatabricksError, malformed};
use super::session::Session;
use crate::redact::Secret;

/// Reads the two secrets of the workspace of `session`.
pub(super) async fn credentials(
    session: Session,
    scope: &str,
    key: &str,
) -> Result<Credentials, DatabricksError> {
    let client = Client::new(session.into());
    let source = format!("the secrets {key}-host and {key}-token of the scope {scope}");
    let host = secret(&client, scope, &format!("{key}-host")).await?;
    let token = secret(&client, scope, &format!("{key}-token")).await?;
    let (host, workspace_id) = parse_host(host.trim(), &source)?;
    Ok(Credentials {
        host,
        workspace_id,
        is_insecure: false,
        is_of_environment: false,
        kind: Kind::Token(Secret::new(token)),
        source,
    })
}

async fn secret(client: &Client, scope: &str, key: &str) -> Result<String, DatabricksError> {
    #[derive(Deserialize)]
    struct Answer {
        value: String,
    }
    const ENDPOINT: &str = "/api/2.0/secrets/get";
    let answer: Answer = client
        .api
        .get(ENDPOINT, &[("scope", scope), ("key", key)])
        .await?;
    let text = STANDARD.decode(answer.value).ok();
    text.and_then(|bytes| String::from_utf8(bytes).ok())
        .ok_or_else(|| {
            malformed(
                ENDPOINT,
                format!("the secret {key} of the scope {scope} is no text"),
            )
        })
}
