//! Who asks Google's cloud, found as Google's own libraries find it: "Application Default Credentials".

use std::path::{Path, PathBuf};
use std::sync::PoisonError;
use std::time::Duration;

use percent_encoding::{percent_decode_str, utf8_percent_encode};
use reqsign::Signer;
use reqsign::google::{
    Credential, RequestSigner, ServiceAccountImpersonationCredentialProvider,
    ServiceAccountImpersonationGrant, ServiceAccountTokenCredentialProvider, StaticCredentialProvider,
    VmMetadataCredentialProvider,
};
use reqwest::{Client, Method, Request, Url};
use serde_json::{Value, json};

use super::StoreError;
use crate::aws::UNRESERVED;
use crate::env_vars;
use crate::http::local_client;
use crate::http::signing::{self, Refused, Sender};

/// What a token is asked for.
const SCOPE: &str = "https://www.googleapis.com/auth/devstorage.read_write";
/// Where tokens are made if a file does not name another place.
const TOKEN_URI: &str = "https://oauth2.googleapis.com/token";
/// Where tokens of accounts are made that another account may stand for.
const IMPERSONATION_URI: &str = "https://iamcredentials.googleapis.com/v1/projects/-/serviceAccounts/";
/// The metadata server of Google's machines.
const METADATA_HOST: &str = "metadata.google.internal";
const METADATA_TIMEOUT: Duration = Duration::from_secs(3);

/// The types of credentials in files, and what each needs.
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

/// Who asks.
pub(super) struct GcsCredentials {
    /// Nothing if nobody asks.
    signer: Option<Signer<Credential>>,
    /// Where the credentials come from, or why there are none.
    source: String,
    refused: Refused,
}

impl GcsCredentials {
    /// Looks for credentials: the file that the variable names, the one that `gcloud` made, or the
    /// machine's own. With an emulator nobody needs any.
    pub(super) async fn find(is_emulator: bool, client: &Client) -> Result<Self, StoreError> {
        let variable = &env_vars::non_empty;
        if let Some(path) = variable(env_vars::GOOGLE_APPLICATION_CREDENTIALS) {
            let source = env_vars::GOOGLE_APPLICATION_CREDENTIALS.to_owned();
            return Self::of_file(Path::new(&path), source, client);
        }
        let anonymous = |source: String| Self {
            signer: None,
            source,
            refused: Refused::default(),
        };
        if is_emulator {
            return Ok(anonymous("the emulator needs none".to_owned()));
        }
        let directory = variable(env_vars::CLOUDSDK_CONFIG)
            .map(PathBuf::from)
            .or_else(|| Some(Path::new(&variable(env_vars::HOME)?).join(".config/gcloud")));
        let file = directory.map(|directory| directory.join("application_default_credentials.json"));
        if let Some(file) = file.as_ref().filter(|file| file.exists()) {
            return Self::of_file(file, file.display().to_string(), client);
        }
        Ok(match of_machine().await {
            Ok(signer) => Self {
                signer: Some(signer),
                source: "the machine's service account".to_owned(),
                refused: Refused::default(),
            },
            Err(reason) => anonymous(format!(
                "{} is not set; {} does not exist; the metadata server gives none ({reason})",
                env_vars::GOOGLE_APPLICATION_CREDENTIALS,
                file.map_or_else(
                    || "a file of gcloud".to_owned(),
                    |file| format!("'{}'", file.display())
                ),
            )),
        })
    }

    fn of_file(path: &Path, source: String, client: &Client) -> Result<Self, StoreError> {
        let unusable = |reason: String| StoreError::Settings {
            what: format!("the credentials file '{}'", path.display()),
            reason,
        };
        let text = std::fs::read(path).map_err(|error| unusable(error.to_string()))?;
        let file: Value = serde_json::from_slice(&text).map_err(|_| unusable("it is no JSON".to_owned()))?;
        let (signer, refused) = signer_of(&file, client).map_err(unusable)?;
        Ok(Self {
            signer: Some(signer),
            source,
            refused,
        })
    }

    /// Adds the token to a request.
    pub(super) async fn sign(&self, request: &mut Request) -> Result<(), StoreError> {
        let Some(signer) = &self.signer else {
            return Ok(());
        };
        let signed = signing::sign(signer, request).await;
        signed.map_err(|reason| StoreError::Settings {
            what: format!("the credentials from {}", self.source),
            reason: self
                .refused
                .lock()
                .unwrap_or_else(PoisonError::into_inner)
                .take()
                .unwrap_or(reason),
        })
    }

    /// Who asks, for a person.
    pub(super) fn asker(&self) -> String {
        match self.signer {
            None => format!("a request without credentials ({})", self.source),
            Some(_) => format!("the credentials from {}", self.source),
        }
    }
}

/// What signs requests by the credentials in a file; the error says why they cannot be used.
fn signer_of(file: &Value, client: &Client) -> Result<(Signer<Credential>, Refused), String> {
    let signer = RequestSigner::new("storage");
    let read = |file: &Value| StaticCredentialProvider::new(with_format(file).to_string());
    let token_of = |file: &Value| ServiceAccountTokenCredentialProvider::from_provider(read(file));
    let kind = kind_of(file)?;
    if kind != "impersonated_service_account" {
        let sender = sender(file, client);
        let refused = sender.refused();
        let context = sender.context();
        // A signer keeps what the provider gives: that must be the token already.
        let signer = match kind {
            "service_account" => Signer::new(context, token_of(file).with_scope(SCOPE), signer),
            _ => Signer::new(context, read(file).with_scope(SCOPE), signer),
        };
        return Ok((signer, refused));
    }
    let source = &file["source_credentials"];
    let url = file["service_account_impersonation_url"]
        .as_str()
        .unwrap_or_default();
    let account = url
        .split_once("/serviceAccounts/")
        .and_then(|(_, rest)| rest.strip_suffix(":generateAccessToken"))
        .ok_or("its service_account_impersonation_url names no account")?;
    let account = percent_decode_str(account).decode_utf8_lossy();
    let delegates = file["delegates"].as_array().into_iter().flatten();
    let delegates = delegates.filter_map(|name| name.as_str()?.rsplit('/').next());
    let grant = ServiceAccountImpersonationGrant::new(&*account, [SCOPE]).with_delegates(delegates);
    let address = format!(
        "{IMPERSONATION_URI}{}:generateAccessToken",
        utf8_percent_encode(&account, UNRESERVED)
    );
    let sender = sender(source, client).moved(address, url.to_owned());
    let refused = sender.refused();
    let provider = match kind_of(source)? {
        "service_account" => ServiceAccountImpersonationCredentialProvider::new(token_of(source), grant),
        _ => ServiceAccountImpersonationCredentialProvider::new(read(source), grant),
    };
    Ok((Signer::new(sender.context(), provider, signer), refused))
}

/// How the credentials in a file ask for tokens.
fn sender(file: &Value, client: &Client) -> Sender {
    let sender = Sender::new(client.clone());
    match file["token_uri"].as_str() {
        Some(uri) => sender.moved(TOKEN_URI.to_owned(), uri.to_owned()),
        None => sender,
    }
}

/// An external account with the format of its token, which is text where the file does not say.
fn with_format(file: &Value) -> Value {
    let mut file = file.clone();
    if let Some(source) = file["credential_source"].as_object_mut() {
        source
            .entry("format")
            .or_insert_with(|| json!({ "type": "text" }));
    }
    file
}

/// What signs requests as the machine's service account; the error says why there is none.
async fn of_machine() -> Result<Signer<Credential>, String> {
    let host = env_vars::non_empty(env_vars::GCE_METADATA_HOST).unwrap_or_else(|| METADATA_HOST.to_owned());
    let client = local_client(METADATA_TIMEOUT).map_err(|error| error.to_string())?;
    let context = Sender::new(client).once().context();
    let provider = VmMetadataCredentialProvider::new()
        .with_endpoint(host)
        .with_scope(SCOPE);
    let signer = Signer::new(context, provider, RequestSigner::new("storage"));
    // It keeps the token, or says why there is none.
    let url = Url::parse(TOKEN_URI).map_err(|error| error.to_string())?;
    signing::sign(&signer, &mut Request::new(Method::GET, url)).await?;
    Ok(signer)
}

/// The type of the credentials in a file, if all their parts are there.
fn kind_of(file: &Value) -> Result<&'static str, String> {
    let kind = file["type"].as_str().unwrap_or_default();
    let Some((kind, parts)) = TYPES.iter().find(|(name, _)| *name == kind) else {
        let names = TYPES.map(|(name, _)| name).join(", ");
        return Err(format!(
            "credentials of type '{kind}' are not available; these are: {names}"
        ));
    };
    match parts.iter().find(|part| file[**part].is_null()) {
        Some(part) => Err(format!(
            "a part of the credentials of type '{kind}' is missing: '{part}'"
        )),
        None => Ok(kind),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn files_that_are_no_credentials_are_told() {
        let directory = tempfile::tempdir().unwrap();
        let file = directory.path().join("key.json");
        let client = Client::new();
        for (text, expected) in [
            ("geheim", "it is no JSON"),
            (
                r#"{"type": "service_account", "private_key": "geheim"}"#,
                "a part of the credentials of type 'service_account' is missing",
            ),
            (r#"{"type": "gdch_service_account"}"#, "are not available"),
        ] {
            std::fs::write(&file, text).unwrap();
            let error = GcsCredentials::of_file(&file, "x".to_owned(), &client)
                .err()
                .unwrap()
                .to_string();
            assert!(error.contains(expected) && !error.contains("geheim"), "{error}");
        }
    }
}
