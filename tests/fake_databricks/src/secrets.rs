//! The Secrets API 2.0, as far as it is read.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde::Deserialize;
use serde_json::json;

use crate::Workspace;
use crate::reply::Reply;
use crate::request::Request;

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Get {
    scope: String,
    key: String,
}

pub(crate) fn answer(workspace: &Workspace, request: &Request) -> Option<Reply> {
    if !request.is("GET", &["2.0"], "secrets/get") {
        return None;
    }
    let Get { scope, key } = match request.arguments() {
        Ok(arguments) => arguments,
        Err(reply) => return Some(reply),
    };
    let value = workspace.secrets.get(&(scope.clone(), key.clone()));
    Some(match value {
        Some(value) => Reply::json(&json!({ "key": key, "value": STANDARD.encode(value) })),
        None => Reply::not_found(&format!(
            "Secret does not exist with scope: {scope} and key: {key}"
        )),
    })
}
