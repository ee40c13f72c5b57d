//! Credentials and addresses for Azure Storage.

use std::collections::HashMap;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};
use openssl::error::ErrorStack;
use openssl::hash::MessageDigest;
use openssl::pkcs12::Pkcs12;
use openssl::pkey::{Id, PKey, Private};
use openssl::sign::Signer;
use openssl::x509::X509;
use reqsign::azure::{
    ClientSecretCredentialProvider, Credential, ImdsCredentialProvider, RequestSigner,
    StaticCredentialProvider, WorkloadIdentityCredentialProvider,
};
use reqsign::time::Timestamp;
use reqsign::{Context, Error, ProvideCredential};
use reqwest::{Client, Url};

use crate::artifact::error::{RepositoryError, Result};
use crate::env_vars;
use crate::http::local_client;
use crate::http::signing::{Identity, Sender};
use crate::process::ProgramCall;
use crate::redact::Secret;

/// The meaning of `UseDevelopmentStorage=true`, from Microsoft's documentation of Azurite.
const EMULATOR: &str = "AccountName=devstoreaccount1;BlobEndpoint=http://127.0.0.1:10000/devstoreaccount1;\
    AccountKey=Eby8vdM02xNOcqFlqUwJPLlmEtlCDXJ1OUzFT50uSRZ6IFsuFq2UVErCz4I6tq/K1SZFPTOtr/KBHBeksoGMGw==";
const AUTHORITY: &str = "https://login.microsoftonline.com";
/// The resource for tokens of `az`.
const RESOURCE: &str = "https://storage.azure.com/";
const METADATA: &str = "http://169.254.169.254";
const METADATA_TIMEOUT: Duration = Duration::from_secs(2);
/// How long a token of `az` is used; its tokens are valid for at least five more minutes.
const COMMAND_LINE_TIME: Duration = Duration::from_secs(300);
/// How long a signed claim is valid.
const LIFETIME: Duration = Duration::from_secs(600);
const PASSWORD: &str = env_vars::AZURE_CLIENT_CERTIFICATE_PASSWORD;

/// The address of the account's blobs, and the identity in the environment. If there is none, use [`of_machine`].
/// This sends no requests. `client` is for the token service.
pub(super) fn find(account: &str, host: &str, client: &Client) -> Result<(String, Option<Who>)> {
    let variable = &env_vars::non_empty;
    let sender = Sender::new(client.clone());
    if let Some(text) = variable(env_vars::AZURE_STORAGE_CONNECTION_STRING) {
        let (endpoint, who) = of_connection_string(&text, sender)?;
        return Ok((endpoint, Some(who)));
    }
    let (key, signature) = (
        env_vars::AZURE_STORAGE_ACCESS_KEY,
        env_vars::AZURE_STORAGE_SAS_TOKEN,
    );
    let who = match (variable(key), variable(signature)) {
        (Some(value), _) => Some(of_key(account, &value, sender, key)?),
        (None, Some(value)) => Some(of_signature(&value, sender, signature)),
        (None, None) => of_application(sender),
    };
    Ok((format!("https://{host}"), who))
}

/// Parses `AccountName=…;AccountKey=…;EndpointSuffix=…`, as shown in Azure's portal.
fn of_connection_string(text: &str, sender: Sender) -> Result<(String, Who)> {
    let name = env_vars::AZURE_STORAGE_CONNECTION_STRING;
    let pairs = text.split(';').filter_map(|part| part.split_once('='));
    let pairs = pairs.map(|(key, value)| (key.trim().to_ascii_lowercase(), value.trim()));
    let pairs: HashMap<String, &str> = pairs.collect();
    let get = |key: &str| pairs.get(key).copied();
    if get("usedevelopmentstorage").is_some_and(|value| value.eq_ignore_ascii_case("true")) {
        return of_connection_string(EMULATOR, sender);
    }
    let account = get("accountname");
    let usual_endpoint = |account| {
        let protocol = get("defaultendpointsprotocol").unwrap_or("https");
        let suffix = get("endpointsuffix").unwrap_or("core.windows.net");
        format!("{protocol}://{account}.blob.{suffix}")
    };
    let unusable = |reason| RepositoryError::settings(name, reason);
    let endpoint = get("blobendpoint")
        .map(str::to_owned)
        .or_else(|| account.map(usual_endpoint))
        .ok_or_else(|| unusable("it has neither AccountName nor BlobEndpoint"))?;
    let endpoint = Url::parse(&endpoint).map_err(|_| unusable("its BlobEndpoint is not a URL"))?;
    let who = match (get("accountkey"), get("sharedaccesssignature")) {
        (Some(key), _) => of_key(account.unwrap_or_default(), key, sender, name)?,
        (None, Some(signature)) => of_signature(signature, sender, name),
        (None, None) => return Err(unusable("it has neither AccountKey nor SharedAccessSignature")),
    };
    Ok((endpoint.into(), who))
}

pub(super) type Who = Identity<Credential>;

fn of(sender: Sender, provider: impl ProvideCredential<Credential = Credential>, source: &str) -> Who {
    Identity::new(sender, provider, RequestSigner::new(), source)
}

fn of_key(account: &str, key: &str, sender: Sender, source: &str) -> Result<Who> {
    if STANDARD.decode(key).is_err() {
        let reason = "the account's key is not valid base64";
        return Err(RepositoryError::settings(source, reason));
    }
    let provider = StaticCredentialProvider::new_shared_key(account, key);
    Ok(of(sender, provider, source))
}

fn of_signature(signature: &str, sender: Sender, source: &str) -> Who {
    let provider = StaticCredentialProvider::new_sas_token(signature.trim_start_matches('?'));
    of(sender, provider, source)
}

/// The application in the variables, if they also contain its secret, certificate or token.
fn of_application(sender: Sender) -> Option<Who> {
    let variable = &env_vars::non_empty;
    let tenant = variable(env_vars::AZURE_TENANT_ID)?;
    let application = variable(env_vars::AZURE_CLIENT_ID)?;
    let authority = authority();
    if let Some(secret) = variable(env_vars::AZURE_CLIENT_SECRET) {
        let provider = ClientSecretCredentialProvider::new()
            .with_tenant_id(tenant)
            .with_client_id(application)
            .with_client_secret(secret)
            .with_authority_host(authority);
        return Some(of(sender, provider, env_vars::AZURE_CLIENT_SECRET));
    }
    let exchange = WorkloadIdentityCredentialProvider::new()
        .with_tenant_id(&tenant)
        .with_client_id(&application)
        .with_authority_host(&authority);
    if let Some(file) = variable(env_vars::AZURE_CLIENT_CERTIFICATE_PATH) {
        let certificate = Certificate {
            file,
            password: variable(env_vars::AZURE_CLIENT_CERTIFICATE_PASSWORD).map(Secret::new),
            application,
            audience: format!("{authority}/{tenant}/oauth2/v2.0/token"),
            exchange,
        };
        return Some(of(sender, certificate, env_vars::AZURE_CLIENT_CERTIFICATE_PATH));
    }
    let file = variable(env_vars::AZURE_FEDERATED_TOKEN_FILE)?;
    let provider = exchange.with_federated_token_file(file);
    Some(of(sender, provider, env_vars::AZURE_FEDERATED_TOKEN_FILE))
}

/// The machine's identity, otherwise the user's `az login`, otherwise anonymous.
pub(super) async fn of_machine() -> Result<Who> {
    let host = env_vars::non_empty(env_vars::AZURE_POD_IDENTITY_AUTHORITY_HOST);
    let host = host.as_deref().unwrap_or(METADATA).trim_end_matches('/');
    let provider =
        ImdsCredentialProvider::new().with_endpoint(format!("{host}/metadata/identity/oauth2/token"));
    let sender = Sender::new(local_client(METADATA_TIMEOUT)?).once();
    let mut tried = format!(
        "{}, {}, {}, {} and {} are not set",
        env_vars::AZURE_STORAGE_CONNECTION_STRING,
        env_vars::AZURE_STORAGE_ACCESS_KEY,
        env_vars::AZURE_STORAGE_SAS_TOKEN,
        env_vars::AZURE_CLIENT_SECRET,
        env_vars::AZURE_CLIENT_CERTIFICATE_PATH,
    );
    for who in [
        of(sender.clone(), provider, "the machine's managed identity"),
        of(sender, CommandLine, "`az login`"),
    ] {
        match who.if_found().await {
            Ok(who) => return Ok(who),
            Err(reason) => tried.push_str(&format!("; {reason}")),
        }
    }
    Ok(Identity::nobody(tried))
}

fn authority() -> String {
    let host = env_vars::non_empty(env_vars::AZURE_AUTHORITY_HOST).unwrap_or_else(|| AUTHORITY.to_owned());
    let scheme = if host.contains("://") { "" } else { "https://" };
    format!("{scheme}{}", host.trim_end_matches('/'))
}

/// The login of Azure's command-line program. reqsign's provider ignores the time zone of a token's expiry.
#[derive(Debug)]
struct CommandLine;

impl ProvideCredential for CommandLine {
    type Credential = Credential;

    async fn provide_credential(&self, _: &Context) -> reqsign::Result<Option<Credential>> {
        let call = ProgramCall::new("az").arguments(["account", "get-access-token", "--output", "json"]);
        let captured = call.arguments(["--resource", RESOURCE]).capture().await;
        let captured = captured.map_err(|error| {
            let text = error.to_string();
            Error::credential_invalid(text.lines().next().unwrap_or_default())
        })?;
        let answer: serde_json::Value = serde_json::from_slice(&captured.stdout)
            .map_err(|_| Error::credential_invalid("its output is not valid JSON"))?;
        let token = answer["accessToken"]
            .as_str()
            .ok_or_else(|| Error::credential_invalid("it printed no access token"))?;
        let end = Timestamp::now() + COMMAND_LINE_TIME;
        Ok(Some(Credential::with_bearer_token(token, Some(end))))
    }
}

/// An application with a certificate: each token request has a new claim, signed with the certificate's key.
/// reqsign's provider does not support PKCS #12, keys with passwords, or chains.
#[derive(Debug)]
struct Certificate {
    /// Contains the certificate and its key, as PEM or PKCS #12.
    file: String,
    password: Option<Secret>,
    application: String,
    /// The recipient of the claim.
    audience: String,
    /// Exchanges the claim for a token.
    exchange: WorkloadIdentityCredentialProvider,
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
    /// The certificates, beginning with the key's, and the key.
    fn open(&self, bytes: &[u8]) -> Result<(Vec<X509>, PKey<Private>), String> {
        let is_pem = bytes.windows(10).any(|window| window == b"-----BEGIN");
        let password = self.password.as_ref().map_or("", Secret::expose);
        let (certificates, key) = if is_pem {
            let key = PKey::private_key_from_pem_passphrase(bytes, password.as_bytes());
            (X509::stack_from_pem(bytes).unwrap_or_default(), key.ok())
        } else {
            let opened = Pkcs12::from_der(bytes).and_then(|archive| archive.parse2(password));
            let opened = opened.map_err(|_| format!("not a PEM or PKCS #12 file, or {PASSWORD} is wrong"))?;
            let others = opened.ca.into_iter().flatten();
            (opened.cert.into_iter().chain(others).collect(), opened.pkey)
        };
        let key = key.ok_or_else(|| format!("it has no private key, or {PASSWORD} is wrong"))?;
        if key.id() != Id::RSA {
            return Err("its private key is not an RSA key".to_owned());
        }
        if certificates.is_empty() {
            Err("it has no certificate".to_owned())
        } else {
            Ok((certificates, key))
        }
    }

    /// A signed claim of the application's identity. Source: Microsoft's page "Microsoft identity platform application
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
