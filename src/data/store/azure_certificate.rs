//! Applications that prove who they are by a claim that a certificate's key has signed. `reqsign`'s own
//! provider reads no PKCS #12, no keys with passwords and no chains.

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

const PASSWORD: &str = env_vars::AZURE_CLIENT_CERTIFICATE_PASSWORD;

/// Credentials for a claim, which is made anew each time.
#[derive(Debug)]
pub(super) struct Certificate {
    /// With the certificate and its key, as PEM or PKCS #12.
    pub(super) file: String,
    pub(super) password: Option<Secret>,
    pub(super) application: String,
    /// The address that the claim is for.
    pub(super) audience: String,
    /// Gives a token for the claim.
    pub(super) exchange: WorkloadIdentityCredentialProvider,
}

impl ProvideCredential for Certificate {
    type Credential = Credential;

    async fn provide_credential(&self, context: &Context) -> reqsign::Result<Option<Credential>> {
        let claim = std::fs::read(&self.file)
            .map_err(|error| error.to_string())
            .and_then(|bytes| self.open(&bytes))
            .and_then(|(certificates, key)| {
                let claim = self.claim(&certificates, &key);
                claim.map_err(|error| format!("its private key cannot sign: {error}"))
            })
            .map_err(|reason| Error::credential_invalid(format!("'{}': {reason}", self.file)))?;
        let exchange = self.exchange.clone().with_subject_token(claim);
        exchange.provide_credential(context).await
    }
}

impl Certificate {
    /// The certificates, that of the key first, and the key.
    fn open(&self, bytes: &[u8]) -> Result<(Vec<X509>, PKey<Private>), String> {
        let is_pem = bytes.windows(10).any(|window| window == b"-----BEGIN");
        let password = self.password.as_ref().map_or("", Secret::expose);
        let (certificates, key) = match is_pem {
            true => {
                let key = PKey::private_key_from_pem_passphrase(bytes, password.as_bytes());
                (X509::stack_from_pem(bytes).unwrap_or_default(), key.ok())
            }
            false => {
                let opened = Pkcs12::from_der(bytes).and_then(|archive| archive.parse2(password));
                let opened = opened
                    .map_err(|_| format!("it is not a PEM or PKCS #12 file, or {PASSWORD} is wrong"))?;
                let others = opened.ca.into_iter().flatten();
                (opened.cert.into_iter().chain(others).collect(), opened.pkey)
            }
        };
        let key = key.ok_or_else(|| format!("it has no private key, or {PASSWORD} is wrong"))?;
        if key.id() != Id::RSA {
            return Err("its private key is not an RSA key".to_owned());
        }
        match certificates.is_empty() {
            true => Err("it has no certificate".to_owned()),
            false => Ok((certificates, key)),
        }
    }

    /// A signed claim to be this application. From Microsoft's page "Microsoft identity platform application
    /// authentication certificate credentials".
    fn claim(&self, certificates: &[X509], key: &PKey<Private>) -> Result<String, ErrorStack> {
        let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        let mut header = serde_json::json!({"alg": "RS256", "typ": "JWT"});
        if let Some(certificate) = certificates.first() {
            let digest = certificate.digest(MessageDigest::sha1())?;
            header["x5t"] = URL_SAFE_NO_PAD.encode(digest).into();
        }
        let sends_chain = env_vars::non_empty(env_vars::AZURE_CLIENT_SEND_CERTIFICATE_CHAIN);
        if sends_chain.is_some_and(|value| matches!(value.to_ascii_lowercase().as_str(), "1" | "true")) {
            let chain = certificates
                .iter()
                .map(|certificate| Ok(STANDARD.encode(certificate.to_der()?)));
            header["x5c"] = chain.collect::<Result<Vec<String>, ErrorStack>>()?.into();
        }
        let claims = serde_json::json!({
            "aud": self.audience, "iss": self.application, "sub": self.application,
            "jti": uuid::Uuid::new_v4().to_string(), "nbf": now.as_secs(), "exp": (now + LIFETIME).as_secs(),
        });
        let text = [header, claims]
            .map(|part| URL_SAFE_NO_PAD.encode(part.to_string()))
            .join(".");
        let mut signer = Signer::new(MessageDigest::sha256(), key)?;
        signer.update(text.as_bytes())?;
        let signature = URL_SAFE_NO_PAD.encode(signer.sign_to_vec()?);
        Ok(format!("{text}.{signature}"))
    }
}
