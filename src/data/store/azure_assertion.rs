//! Applications that prove who they are by an assertion instead of a secret: a token of another identity
//! provider, or a claim that a certificate's key has signed.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};
use openssl::error::ErrorStack;
use openssl::hash::MessageDigest;
use openssl::pkcs12::Pkcs12;
use openssl::pkey::{Id, PKey, Private};
use openssl::sign::Signer;
use openssl::x509::X509;
use reqsign::azure::{Credential, WorkloadIdentityCredentialProvider};
use reqsign::{Context, Error, ProvideCredential};

use crate::env_vars;
use crate::redact::Secret;

/// How long a signed claim can be used.
const LIFETIME: Duration = Duration::from_secs(600);

/// What proves who the application is.
#[derive(Debug)]
pub(super) enum Assertion {
    /// A file that another program writes anew before its token ends.
    TokenFile(String),
    Certificate {
        /// The certificate and its key, as PEM or PKCS #12.
        file: String,
        password: Option<Secret>,
        /// The application.
        client: String,
        /// The address that the claim is for.
        audience: String,
    },
}

/// Credentials for an assertion, which is made anew each time.
#[derive(Debug)]
pub(super) struct Asserted {
    assertion: Assertion,
    exchange: WorkloadIdentityCredentialProvider,
}

impl Asserted {
    pub(super) fn new(assertion: Assertion, exchange: WorkloadIdentityCredentialProvider) -> Self {
        Self { assertion, exchange }
    }
}

impl ProvideCredential for Asserted {
    type Credential = Credential;

    async fn provide_credential(&self, context: &Context) -> reqsign::Result<Option<Credential>> {
        let assertion = self.assertion.text().map_err(Error::credential_invalid)?;
        let exchange = self.exchange.clone().with_subject_token(assertion.trim());
        exchange.provide_credential(context).await
    }
}

impl Assertion {
    fn text(&self) -> Result<String, String> {
        match self {
            Self::TokenFile(file) => {
                std::fs::read_to_string(file).map_err(|error| format!("'{file}': {error}"))
            }
            Self::Certificate {
                file,
                password,
                client,
                audience,
            } => {
                let bytes = std::fs::read(file).map_err(|error| format!("'{file}': {error}"))?;
                let (certificates, key) =
                    open(&bytes, password.as_ref()).map_err(|reason| format!("'{file}': {reason}"))?;
                signed_claim(&certificates, &key, client, audience)
                    .map_err(|error| format!("the key in '{file}' cannot sign: {error}"))
            }
        }
    }
}

/// The certificates, that of the key first, and the key.
fn open(bytes: &[u8], password: Option<&Secret>) -> Result<(Vec<X509>, PKey<Private>), String> {
    let is_pem = bytes.windows(10).any(|window| window == b"-----BEGIN");
    let password = password.map_or("", Secret::expose);
    let (certificates, key) = match is_pem {
        true => {
            let key = PKey::private_key_from_pem_passphrase(bytes, password.as_bytes());
            (X509::stack_from_pem(bytes).unwrap_or_default(), key.ok())
        }
        false => {
            let opened = Pkcs12::from_der(bytes).and_then(|archive| archive.parse2(password));
            let opened =
                opened.map_err(|_| format!("it is not a PEM or PKCS #12 file, or {PASSWORD} is wrong"))?;
            let others = opened.ca.into_iter().flatten();
            (opened.cert.into_iter().chain(others).collect(), opened.pkey)
        }
    };
    let Some(key) = key else {
        return Err(format!("it has no private key, or {PASSWORD} is wrong"));
    };
    if key.id() != Id::RSA {
        return Err("its private key is not an RSA key".to_owned());
    }
    match certificates.is_empty() {
        true => Err("it has no certificate".to_owned()),
        false => Ok((certificates, key)),
    }
}

const PASSWORD: &str = env_vars::AZURE_CLIENT_CERTIFICATE_PASSWORD;

/// A signed claim to be this application. From Microsoft's page "Microsoft identity platform application
/// authentication certificate credentials".
fn signed_claim(
    certificates: &[X509],
    key: &PKey<Private>,
    client: &str,
    audience: &str,
) -> Result<String, ErrorStack> {
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    let mut header = serde_json::json!({"alg": "RS256", "typ": "JWT"});
    if let Some(certificate) = certificates.first() {
        header["x5t"] = URL_SAFE_NO_PAD
            .encode(certificate.digest(MessageDigest::sha1())?)
            .into();
    }
    let sends_chain = env_vars::non_empty(env_vars::AZURE_CLIENT_SEND_CERTIFICATE_CHAIN);
    if sends_chain.is_some_and(|value| matches!(value.to_ascii_lowercase().as_str(), "1" | "true")) {
        let chain = certificates
            .iter()
            .map(|certificate| Ok(STANDARD.encode(certificate.to_der()?)));
        header["x5c"] = chain.collect::<Result<Vec<String>, ErrorStack>>()?.into();
    }
    let claims = serde_json::json!({
        "aud": audience, "iss": client, "sub": client, "jti": uuid::Uuid::new_v4().to_string(),
        "nbf": now.as_secs(), "exp": (now + LIFETIME).as_secs(),
    });
    let text = [header, claims]
        .map(|part| URL_SAFE_NO_PAD.encode(part.to_string()))
        .join(".");
    let mut signer = Signer::new(MessageDigest::sha256(), key)?;
    signer.update(text.as_bytes())?;
    Ok(format!(
        "{text}.{}",
        URL_SAFE_NO_PAD.encode(signer.sign_to_vec()?)
    ))
}
