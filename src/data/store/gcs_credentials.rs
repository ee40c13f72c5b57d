//! Who asks Google's cloud, found as Google's own libraries find it: "Application Default Credentials".

use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use openssl::hash::MessageDigest;
use openssl::pkey::PKey;
use openssl::sign::Signer;
use percent_encoding::utf8_percent_encode;
use reqwest::Client;
use reqwest::header::CONTENT_TYPE;
use serde::Deserialize;

use super::StoreError;
use super::token::{self, KeptToken, Token};
use crate::aws::UNRESERVED;
use crate::env_vars;
use crate::http::local_client;
use crate::redact::Secret;

/// What a token is asked for.
const SCOPE: &str = "https://www.googleapis.com/auth/devstorage.read_write";
/// Where tokens are made.
const TOKEN_URI: &str = "https://oauth2.googleapis.com/token";
/// The metadata server of Google's machines.
const METADATA_HOST: &str = "metadata.google.internal";
const METADATA_PATH: &str = "/computeMetadata/v1/instance/service-accounts/default/token";
const METADATA_TIMEOUT: Duration = Duration::from_secs(3);

/// A file of credentials.
#[derive(Clone, Deserialize)]
#[serde(tag = "type", rename_all = "snake_case")]
enum KeyFile {
    ServiceAccount {
        client_email: String,
        private_key: Secret,
        private_key_id: Option<String>,
        token_uri: Option<String>,
    },
    AuthorizedUser {
        client_id: String,
        client_secret: Secret,
        refresh_token: Secret,
        token_uri: Option<String>,
    },
    #[serde(other)]
    Other,
}

enum Kind {
    File(Box<KeyFile>),
    Metadata,
    Anonymous,
}

/// Who asks.
pub(super) struct GcsCredentials {
    kind: Kind,
    /// Where the credentials come from, or why there are none.
    source: String,
    token: KeptToken,
}

impl GcsCredentials {
    /// Looks for credentials: the file that the variable names, the one that `gcloud` made, or the
    /// machine's own. With an emulator nobody needs any.
    pub(super) async fn find(is_emulator: bool) -> Result<Self, StoreError> {
        let variable = &env_vars::non_empty;
        if let Some(path) = variable(env_vars::GOOGLE_APPLICATION_CREDENTIALS) {
            return Self::of_file(
                Path::new(&path),
                env_vars::GOOGLE_APPLICATION_CREDENTIALS.to_owned(),
            );
        }
        if is_emulator {
            return Ok(Self::anonymous("the emulator needs none".to_owned()));
        }
        let directory = variable(env_vars::CLOUDSDK_CONFIG)
            .map(PathBuf::from)
            .or_else(|| {
                let home = variable(env_vars::HOME)?;
                Some(Path::new(&home).join(".config/gcloud"))
            });
        let file = directory.map(|directory| directory.join("application_default_credentials.json"));
        if let Some(file) = file.as_ref().filter(|file| file.exists()) {
            return Self::of_file(file, file.display().to_string());
        }
        let found = Self {
            kind: Kind::Metadata,
            source: "the machine's service account".to_owned(),
            token: KeptToken::default(),
        };
        match found.token.get(from_metadata()).await {
            Ok(_) => Ok(found),
            Err(reason) => Ok(Self::anonymous(format!(
                "{} is not set; {} does not exist; the metadata server gives none ({reason})",
                env_vars::GOOGLE_APPLICATION_CREDENTIALS,
                file.map_or_else(
                    || "a file of gcloud".to_owned(),
                    |file| format!("'{}'", file.display())
                ),
            ))),
        }
    }

    fn anonymous(reason: String) -> Self {
        Self {
            kind: Kind::Anonymous,
            source: reason,
            token: KeptToken::default(),
        }
    }

    fn of_file(path: &Path, source: String) -> Result<Self, StoreError> {
        let unusable = |reason: String| StoreError::Settings {
            what: format!("the credentials file '{}'", path.display()),
            reason,
        };
        let text = std::fs::read(path).map_err(|error| unusable(error.to_string()))?;
        let value: serde_json::Value =
            serde_json::from_slice(&text).map_err(|_| unusable("it is no JSON".to_owned()))?;
        let kind = value["type"].as_str().unwrap_or_default().to_owned();
        let file: KeyFile = serde_json::from_value(value)
            .map_err(|_| unusable(format!("a part of the credentials of type '{kind}' is missing")))?;
        if matches!(file, KeyFile::Other) {
            return Err(unusable(format!(
                "credentials of type '{kind}' are not available; service_account and authorized_user are"
            )));
        }
        Ok(Self {
            kind: Kind::File(Box::new(file)),
            source,
            token: KeptToken::default(),
        })
    }

    /// The token of a request; nothing where nobody asks.
    pub(super) async fn token(&self, client: &Client) -> Result<Option<Secret>, StoreError> {
        let failed = |reason: String| StoreError::Settings {
            what: format!("the credentials from {}", self.source),
            reason,
        };
        match &self.kind {
            Kind::Anonymous => Ok(None),
            Kind::Metadata => self.token.get(from_metadata()).await.map(Some).map_err(failed),
            Kind::File(file) => self.token.get(file.renew(client)).await.map(Some).map_err(failed),
        }
    }

    /// Who asks, for a person.
    pub(super) fn asker(&self) -> String {
        match self.kind {
            Kind::Anonymous => format!("a request without credentials ({})", self.source),
            Kind::File(_) | Kind::Metadata => format!("the credentials from {}", self.source),
        }
    }
}

impl KeyFile {
    async fn renew(&self, client: &Client) -> Result<Token, String> {
        let (uri, form) = match self {
            Self::ServiceAccount {
                client_email,
                private_key,
                private_key_id,
                token_uri,
            } => {
                let uri = token_uri.as_deref().unwrap_or(TOKEN_URI);
                let assertion = assertion(client_email, private_key, private_key_id.as_deref(), uri)?;
                let grant = "urn:ietf:params:oauth:grant-type:jwt-bearer";
                (uri, form(&[("grant_type", grant), ("assertion", &assertion)]))
            }
            Self::AuthorizedUser {
                client_id,
                client_secret,
                refresh_token,
                token_uri,
            } => (
                token_uri.as_deref().unwrap_or(TOKEN_URI),
                form(&[
                    ("grant_type", "refresh_token"),
                    ("client_id", client_id),
                    ("client_secret", client_secret.expose()),
                    ("refresh_token", refresh_token.expose()),
                ]),
            ),
            Self::Other => return Err("they are of an unknown type".to_owned()),
        };
        let request = client
            .post(uri)
            .header(CONTENT_TYPE, "application/x-www-form-urlencoded")
            .body(form);
        token::ask(request).await
    }
}

/// Pairs as the body of a form.
pub(super) fn form(pairs: &[(&str, &str)]) -> String {
    let pairs: Vec<String> = pairs
        .iter()
        .map(|(name, value)| format!("{name}={}", utf8_percent_encode(value, UNRESERVED)))
        .collect();
    pairs.join("&")
}

/// A signed claim to be this account (RFC 7523).
fn assertion(email: &str, key: &Secret, key_id: Option<&str>, audience: &str) -> Result<String, String> {
    let now = SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .unwrap_or_default()
        .as_secs();
    let header = serde_json::json!({"alg": "RS256", "typ": "JWT", "kid": key_id});
    let claims = serde_json::json!({
        "iss": email, "scope": SCOPE, "aud": audience, "iat": now, "exp": now + 3600,
    });
    let encode = |value: &serde_json::Value| URL_SAFE_NO_PAD.encode(value.to_string());
    let text = format!("{}.{}", encode(&header), encode(&claims));
    let signature = || {
        let key = PKey::private_key_from_pem(key.expose().as_bytes())?;
        let mut signer = Signer::new(MessageDigest::sha256(), &key)?;
        signer.update(text.as_bytes())?;
        signer.sign_to_vec()
    };
    let signature = signature().map_err(|_| "the private key cannot sign".to_owned())?;
    Ok(format!("{text}.{}", URL_SAFE_NO_PAD.encode(signature)))
}

async fn from_metadata() -> Result<Token, String> {
    let host = env_vars::non_empty(env_vars::GCE_METADATA_HOST).unwrap_or_else(|| METADATA_HOST.to_owned());
    let client = local_client(METADATA_TIMEOUT).map_err(|error| error.to_string())?;
    let request = client
        .get(format!("http://{host}{METADATA_PATH}"))
        .header("metadata-flavor", "Google");
    token::ask(request).await
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_claim_is_signed_with_the_account_s_key() {
        let rsa = openssl::rsa::Rsa::generate(2048).unwrap();
        let pem = String::from_utf8(rsa.private_key_to_pem().unwrap()).unwrap();
        let signed = assertion("a@b", &Secret::new(pem), Some("k"), TOKEN_URI).unwrap();
        let parts: Vec<&str> = signed.split('.').collect();
        let claims = URL_SAFE_NO_PAD.decode(parts[1]).unwrap();
        let claims: serde_json::Value = serde_json::from_slice(&claims).unwrap();
        assert_eq!(
            (claims["iss"].as_str(), claims["scope"].as_str()),
            (Some("a@b"), Some(SCOPE))
        );
        let key = PKey::from_rsa(rsa).unwrap();
        let mut verifier = openssl::sign::Verifier::new(MessageDigest::sha256(), &key).unwrap();
        verifier
            .update(format!("{}.{}", parts[0], parts[1]).as_bytes())
            .unwrap();
        assert!(
            verifier
                .verify(&URL_SAFE_NO_PAD.decode(parts[2]).unwrap())
                .unwrap()
        );
    }

    #[test]
    fn files_that_are_no_credentials_are_told() {
        let directory = tempfile::tempdir().unwrap();
        let file = directory.path().join("key.json");
        for (text, expected) in [
            ("geheim", "it is no JSON"),
            (
                r#"{"type": "service_account", "private_key": "geheim"}"#,
                "a part of the credentials of type 'service_account' is missing",
            ),
            (r#"{"type": "external_account"}"#, "are not available"),
        ] {
            std::fs::write(&file, text).unwrap();
            let error = GcsCredentials::of_file(&file, "x".to_owned())
                .err()
                .unwrap()
                .to_string();
            assert!(error.contains(expected) && !error.contains("geheim"), "{error}");
        }
    }
}
