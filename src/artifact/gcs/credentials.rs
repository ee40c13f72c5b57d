//! Credentials for Google Cloud, found as in Google's libraries: "Application Default Credentials".

use std::path::{Path, PathBuf};
use std::time::Duration;

use reqsign::ProvideCredential;
use reqsign::google::{
    Credential, RequestSigner, ServiceAccountImpersonationCredentialProvider,
    ServiceAccountImpersonationGrant, ServiceAccountTokenCredentialProvider, StaticCredentialProvider,
    VmMetadataCredentialProvider,
};
use reqwest::Client;
use serde_json::{Value, json};

use crate::artifact::error::{RepositoryError, Result};
use crate::env_vars;
use crate::http::local_client;
use crate::http::signing::{Identity, Sender};
use crate::python_paths::{quote_part, unquote};

/// The scope of tokens.
const SCOPE: &str = "https://www.googleapis.com/auth/devstorage.read_write";
/// The default token service.
const TOKEN_URI: &str = "https://oauth2.googleapis.com/token";
/// The token service for impersonated accounts.
const IMPERSONATION_URI: &str = "https://iamcredentials.googleapis.com/v1/projects/-/serviceAccounts/";
const METADATA_HOST: &str = "metadata.google.internal";
const METADATA_TIMEOUT: Duration = Duration::from_secs(3);

/// The types of credentials files, and the fields that each needs.
const TYPES: [(&str, &[&str]); 4] = [
    ("service_account", &["client_email", "private_key"]),
    (
        "authorized_user",
        &["client_id", "client_secret", "refresh_token"],
    ),
    (
        "external_account",
        &["audience", "subject_token_type", "token_url", "credential_source"],
    ),
    (
        "impersonated_service_account",
        &["service_account_impersonation_url", "source_credentials"],
    ),
];

/// Finds credentials in the variable's file, in `gcloud`'s file, or on the machine. An emulator needs none.
pub(super) async fn find(is_emulator: bool, client: &Client) -> Result<Identity<Credential>> {
    let variable = &env_vars::non_empty;
    let named = env_vars::GOOGLE_APPLICATION_CREDENTIALS;
    if let Some(path) = variable(named) {
        return of_file(Path::new(&path), named, client);
    }
    if is_emulator {
        return Ok(Identity::nobody("an emulator needs none".to_owned()));
    }
    let directory = variable(env_vars::CLOUDSDK_CONFIG)
        .map(PathBuf::from)
        .or_else(|| Some(Path::new(&variable(env_vars::HOME)?).join(".config/gcloud")));
    let file = directory.map(|directory| directory.join("application_default_credentials.json"));
    let file = file.unwrap_or_default();
    if file.exists() {
        return of_file(&file, &file.display().to_string(), client);
    }
    let host = variable(env_vars::GCE_METADATA_HOST).unwrap_or_else(|| METADATA_HOST.to_owned());
    let sender = Sender::new(local_client(METADATA_TIMEOUT)?).once();
    let provider = VmMetadataCredentialProvider::new()
        .with_endpoint(host)
        .with_scope(SCOPE);
    let found = identity(sender, provider, "the machine's service account")
        .if_found()
        .await;
    Ok(found.unwrap_or_else(|reason| {
        let file = file.display();
        Identity::nobody(format!("{named} is not set; '{file}' does not exist; {reason}"))
    }))
}

fn identity(
    sender: Sender,
    provider: impl ProvideCredential<Credential = Credential>,
    source: &str,
) -> Identity<Credential> {
    Identity::new(sender, provider, RequestSigner::new("storage"), source)
}

fn of_file(path: &Path, source: &str, client: &Client) -> Result<Identity<Credential>> {
    let unusable = |reason| {
        let what = format!("the credentials file '{}'", path.display());
        RepositoryError::settings(what, reason)
    };
    let text = std::fs::read(path).map_err(|error| unusable(error.to_string()))?;
    let file = serde_json::from_slice(&text).map_err(|_| unusable("not valid JSON".to_owned()))?;
    of_json(&file, source, client).map_err(unusable)
}

/// The identity of a credentials file; the error says why it is unusable.
fn of_json(file: &Value, source: &str, client: &Client) -> Result<Identity<Credential>, String> {
    let read = |file: &Value| StaticCredentialProvider::new(with_format(file).to_string());
    let token_of = |file: &Value| ServiceAccountTokenCredentialProvider::from_provider(read(file));
    // A signer caches what the provider gives, so it must give the token itself.
    match kind_of(file)? {
        "service_account" => {
            let provider = token_of(file).with_scope(SCOPE);
            return Ok(identity(sender(file, client), provider, source));
        }
        "impersonated_service_account" => {}
        _ => {
            let provider = read(file).with_scope(SCOPE);
            return Ok(identity(sender(file, client), provider, source));
        }
    }
    let base = &file["source_credentials"];
    let url = &file["service_account_impersonation_url"];
    let url = url.as_str().unwrap_or_default();
    let account = url
        .split_once("/serviceAccounts/")
        .and_then(|(_, rest)| rest.strip_suffix(":generateAccessToken"))
        .ok_or("its service_account_impersonation_url contains no account")?;
    let account = unquote(account);
    let delegates = file["delegates"].as_array().into_iter().flatten();
    let delegates = delegates.filter_map(|name| name.as_str()?.rsplit('/').next());
    let grant = ServiceAccountImpersonationGrant::new(&*account, [SCOPE]).with_delegates(delegates);
    let account = quote_part(&account);
    let address = format!("{IMPERSONATION_URI}{account}:generateAccessToken");
    let sender = sender(base, client).moved(address, url.to_owned());
    Ok(match kind_of(base)? {
        "service_account" => {
            let provider = ServiceAccountImpersonationCredentialProvider::new(token_of(base), grant);
            identity(sender, provider, source)
        }
        _ => {
            let provider = ServiceAccountImpersonationCredentialProvider::new(read(base), grant);
            identity(sender, provider, source)
        }
    })
}

/// The sender of a file's token requests.
fn sender(file: &Value, client: &Client) -> Sender {
    let uri = file["token_uri"].as_str().unwrap_or(TOKEN_URI);
    Sender::new(client.clone()).moved(TOKEN_URI.to_owned(), uri.to_owned())
}

/// Adds the default format (text) of an external account's token.
fn with_format(file: &Value) -> Value {
    let mut file = file.clone();
    if let Some(source) = file["credential_source"].as_object_mut() {
        let format = json!({ "type": "text" });
        source.entry("format").or_insert(format);
    }
    file
}

/// The type of the credentials in a file, if they are complete.
fn kind_of(file: &Value) -> Result<&'static str, String> {
    let kind = file["type"].as_str().unwrap_or_default();
    let Some((kind, parts)) = TYPES.iter().find(|(name, _)| *name == kind) else {
        let names = TYPES.map(|(name, _)| name).join(", ");
        return Err(format!(
            "credentials of type '{kind}' are not supported, only: {names}"
        ));
    };
    match parts.iter().find(|part| file[**part].is_null()) {
        Some(part) => Err(format!(
            "credentials of type '{kind}' need '{part}', which is missing"
        )),
        None => Ok(kind),
    }
}
