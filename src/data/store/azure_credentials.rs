//! Who asks Azure's storage, and where it is.

use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use http::request::Parts;
use reqsign::azure::{
    ClientSecretCredentialProvider, Credential, ImdsCredentialProvider, RequestSigner,
    StaticCredentialProvider, WorkloadIdentityCredentialProvider,
};
use reqsign::time::Timestamp;
use reqsign::{Context, Error, ProvideCredential, Signer, StaticEnv};
use reqwest::{Client, Url};

use super::StoreError;
use super::azure_assertion::{Asserted, Assertion};
use super::oauth::{OauthSender, reason};
use crate::env_vars;
use crate::process::ProgramCall;
use crate::redact::Secret;

/// The account and key that every emulator knows. From Microsoft's documentation of Azurite.
const EMULATOR_ACCOUNT: &str = "devstoreaccount1";
const EMULATOR_KEY: &str =
    "Eby8vdM02xNOcqFlqUwJPLlmEtlCDXJ1OUzFT50uSRZ6IFsuFq2UVErCz4I6tq/K1SZFPTOtr/KBHBeksoGMGw==";
const EMULATOR_ENDPOINT: &str = "http://127.0.0.1:10000/devstoreaccount1";
const AUTHORITY: &str = "https://login.microsoftonline.com";
/// What `az` is asked to give a token for.
const RESOURCE: &str = "https://storage.azure.com/";
/// The service that knows a machine's identity.
const METADATA: &str = "http://169.254.169.254";
const METADATA_TIMEOUT: Duration = Duration::from_secs(2);
/// How long a token of `az` is used: `az` keeps its tokens itself, and gives one with at least five minutes
/// left.
const COMMAND_LINE_TIME: Duration = Duration::from_secs(300);

/// The account's address, and who asks.
pub(super) struct Access {
    pub(super) endpoint: Url,
    /// Nothing for requests without credentials.
    signer: Option<Signer<Credential>>,
    /// Where the credentials come from, or why there are none.
    source: String,
}

impl Access {
    /// What the environment says of this account. `client` reaches the service that gives tokens.
    pub(super) async fn find(account: &str, endpoint: Url, client: &Client) -> Result<Self, StoreError> {
        let variable = &env_vars::non_empty;
        if let Some(text) = variable(env_vars::AZURE_STORAGE_CONNECTION_STRING) {
            return Self::of_connection_string(&text);
        }
        if let Some(key) = variable(env_vars::AZURE_STORAGE_ACCESS_KEY) {
            return Self::of_key(endpoint, account, &key, env_vars::AZURE_STORAGE_ACCESS_KEY);
        }
        if let Some(signature) = variable(env_vars::AZURE_STORAGE_SAS_TOKEN) {
            return Ok(Self::of_signature(
                endpoint,
                &signature,
                env_vars::AZURE_STORAGE_SAS_TOKEN,
            ));
        }
        let context = Context::new().with_http_send(OauthSender::new(client.clone()));
        let identity = variable(env_vars::AZURE_CLIENT_ID);
        if let (Some(tenant), Some(identity)) = (variable(env_vars::AZURE_TENANT_ID), &identity) {
            let authority = authority();
            if let Some(secret) = variable(env_vars::AZURE_CLIENT_SECRET) {
                let provider = ClientSecretCredentialProvider::new()
                    .with_tenant_id(tenant)
                    .with_client_id(identity)
                    .with_client_secret(secret)
                    .with_authority_host(authority);
                return Ok(Self::of(
                    endpoint,
                    provider,
                    context,
                    env_vars::AZURE_CLIENT_SECRET,
                ));
            }
            let certificate = variable(env_vars::AZURE_CLIENT_CERTIFICATE_PATH).map(|file| {
                let assertion = Assertion::Certificate {
                    file,
                    password: variable(env_vars::AZURE_CLIENT_CERTIFICATE_PASSWORD).map(Secret::new),
                    client: identity.clone(),
                    audience: format!("{authority}/{tenant}/oauth2/v2.0/token"),
                };
                (assertion, env_vars::AZURE_CLIENT_CERTIFICATE_PATH)
            });
            let token = || {
                let file = variable(env_vars::AZURE_FEDERATED_TOKEN_FILE)?;
                Some((Assertion::TokenFile(file), env_vars::AZURE_FEDERATED_TOKEN_FILE))
            };
            if let Some((assertion, source)) = certificate.or_else(token) {
                let exchange = WorkloadIdentityCredentialProvider::new()
                    .with_tenant_id(tenant)
                    .with_client_id(identity)
                    .with_authority_host(authority);
                return Ok(Self::of(
                    endpoint,
                    Asserted::new(assertion, exchange),
                    context,
                    source,
                ));
            }
        }
        Self::of_machine(endpoint, identity).await
    }

    /// The machine's identity, or the person who has logged in, or nobody.
    async fn of_machine(endpoint: Url, identity: Option<String>) -> Result<Self, StoreError> {
        let host = env_vars::non_empty(env_vars::AZURE_POD_IDENTITY_AUTHORITY_HOST);
        let host = host.as_deref().unwrap_or(METADATA).trim_end_matches('/');
        let provider =
            ImdsCredentialProvider::new().with_endpoint(format!("{host}/metadata/identity/oauth2/token"));
        let identity = identity.map(|identity| (env_vars::AZURE_CLIENT_ID.to_owned(), identity));
        let context = Context::new()
            .with_http_send(OauthSender::local(METADATA_TIMEOUT)?)
            .with_env(StaticEnv {
                envs: identity.into_iter().collect(),
                ..StaticEnv::default()
            });
        let mut tried = format!(
            "{}, {}, {}, {} and {} are not set",
            env_vars::AZURE_STORAGE_CONNECTION_STRING,
            env_vars::AZURE_STORAGE_ACCESS_KEY,
            env_vars::AZURE_STORAGE_SAS_TOKEN,
            env_vars::AZURE_CLIENT_SECRET,
            env_vars::AZURE_CLIENT_CERTIFICATE_PATH,
        );
        for access in [
            Self::of(
                endpoint.clone(),
                provider,
                context,
                "the machine's managed identity",
            ),
            Self::of(endpoint.clone(), CommandLine, Context::new(), "`az login`"),
        ] {
            // Whether there are credentials shows when something is signed. They are kept then.
            let mut head = http::Request::get(endpoint.as_str())
                .body(())
                .map_err(|error| super::azure::strange(error.to_string()))?
                .into_parts()
                .0;
            match access.sign_head(&mut head).await {
                Ok(()) => return Ok(access),
                Err(error) => tried.push_str(&format!("; {}: {}", access.source, reason(&error))),
            }
        }
        Ok(Self {
            endpoint,
            signer: None,
            source: tried,
        })
    }

    fn of(
        endpoint: Url,
        provider: impl ProvideCredential<Credential = Credential>,
        context: Context,
        source: &str,
    ) -> Self {
        Self {
            endpoint,
            signer: Some(Signer::new(context, provider, RequestSigner::new())),
            source: source.to_owned(),
        }
    }

    fn of_key(endpoint: Url, account: &str, key: &str, source: &str) -> Result<Self, StoreError> {
        if STANDARD.decode(key).is_err() {
            return Err(unusable(source, "the account's key is not valid base64"));
        }
        let provider = StaticCredentialProvider::new_shared_key(account, key);
        Ok(Self::of(endpoint, provider, Context::new(), source))
    }

    fn of_signature(endpoint: Url, signature: &str, source: &str) -> Self {
        let provider = StaticCredentialProvider::new_sas_token(signature.trim_start_matches('?'));
        Self::of(endpoint, provider, Context::new(), source)
    }

    /// `AccountName=…;AccountKey=…;EndpointSuffix=…`, as Azure's portal shows it.
    fn of_connection_string(text: &str) -> Result<Self, StoreError> {
        let name = env_vars::AZURE_STORAGE_CONNECTION_STRING;
        let get = |wanted: &str| {
            text.split(';').find_map(|part| {
                let (key, value) = part.split_once('=')?;
                key.trim()
                    .eq_ignore_ascii_case(wanted)
                    .then(|| value.trim().to_owned())
            })
        };
        let is_emulator =
            get("UseDevelopmentStorage").is_some_and(|value| value.eq_ignore_ascii_case("true"));
        let (account, key) = match is_emulator {
            true => (Some(EMULATOR_ACCOUNT.to_owned()), Some(EMULATOR_KEY.to_owned())),
            false => (get("AccountName"), get("AccountKey")),
        };
        let endpoint = match (get("BlobEndpoint"), &account) {
            (Some(endpoint), _) => endpoint,
            (None, _) if is_emulator => EMULATOR_ENDPOINT.to_owned(),
            (None, Some(account)) => format!(
                "{}://{account}.blob.{}",
                get("DefaultEndpointsProtocol").unwrap_or_else(|| "https".to_owned()),
                get("EndpointSuffix").unwrap_or_else(|| "core.windows.net".to_owned())
            ),
            (None, None) => return Err(unusable(name, "it has no AccountName and no BlobEndpoint")),
        };
        let endpoint = Url::parse(&endpoint).map_err(|_| unusable(name, "its BlobEndpoint is not a URL"))?;
        match (key, get("SharedAccessSignature")) {
            (Some(key), _) => Self::of_key(endpoint, &account.unwrap_or_default(), &key, name),
            (None, Some(signature)) => Ok(Self::of_signature(endpoint, &signature, name)),
            (None, None) => Err(unusable(
                name,
                "it has no AccountKey and no SharedAccessSignature",
            )),
        }
    }

    async fn sign_head(&self, head: &mut Parts) -> reqsign::Result<()> {
        match &self.signer {
            Some(signer) => signer.sign(head, None).await,
            None => Ok(()),
        }
    }

    /// Adds to a request what says who asks. It must have all its other headers, also its length.
    pub(super) async fn sign(&self, head: &mut Parts) -> Result<(), StoreError> {
        self.sign_head(head)
            .await
            .map_err(|error| unusable(&format!("the credentials from {}", self.source), &reason(&error)))
    }

    /// Who asks, for a person.
    pub(super) fn asker(&self) -> String {
        match self.signer {
            None => format!("a request without credentials ({})", self.source),
            Some(_) => format!("the credentials from {}", self.source),
        }
    }
}

fn unusable(what: &str, reason: &str) -> StoreError {
    StoreError::Settings {
        what: what.to_owned(),
        reason: reason.to_owned(),
    }
}

/// Where applications get their tokens.
fn authority() -> String {
    let host = env_vars::non_empty(env_vars::AZURE_AUTHORITY_HOST).unwrap_or_else(|| AUTHORITY.to_owned());
    let host = host.trim_end_matches('/');
    match host.contains("://") {
        true => host.to_owned(),
        false => format!("https://{host}"),
    }
}

/// Azure's command line program, where somebody has logged in. reqsign's own reads the end of a token as if
/// every machine were in Greenwich.
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn connection_strings_are_read() {
        for (text, endpoint) in [
            (
                "DefaultEndpointsProtocol=https;AccountName=a;AccountKey=eA==;EndpointSuffix=core.chinacloudapi.cn",
                "https://a.blob.core.chinacloudapi.cn/",
            ),
            (
                "AccountName=devstoreaccount1;AccountKey=eA==;BlobEndpoint=http://127.0.0.1:1/devstoreaccount1;",
                "http://127.0.0.1:1/devstoreaccount1",
            ),
            ("UseDevelopmentStorage=true", EMULATOR_ENDPOINT),
            (
                "BlobEndpoint=https://h/;SharedAccessSignature=?sig=geheim",
                "https://h/",
            ),
        ] {
            let access = Access::of_connection_string(text).unwrap();
            assert_eq!(access.endpoint.as_str(), endpoint, "{text}");
        }
        for text in [
            "geheim",
            "AccountName=a",
            "AccountKey=geheim",
            "BlobEndpoint=geheim;AccountKey=x",
            "AccountName=a;AccountKey=geheim!",
        ] {
            let error = Access::of_connection_string(text).err().unwrap().to_string();
            assert!(!error.contains("geheim"), "{error}");
        }
    }
}
