//! Who asks Azure's storage, and where it is.

use std::collections::HashMap;
use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use reqsign::azure::{
    ClientSecretCredentialProvider, Credential, ImdsCredentialProvider, RequestSigner,
    StaticCredentialProvider, WorkloadIdentityCredentialProvider,
};
use reqsign::time::Timestamp;
use reqsign::{Context, Error, ProvideCredential, Signer};
use reqwest::header::CONTENT_LENGTH;
use reqwest::{Client, Method, Request, Url};
use tokio::sync::OnceCell;

use super::StoreError;
use super::azure_assertion::{Asserted, Assertion};
use crate::env_vars;
use crate::http::local_client;
use crate::http::signing::{self, Sender};
use crate::process::ProgramCall;
use crate::redact::Secret;

/// What `UseDevelopmentStorage=true` stands for. From Microsoft's documentation of Azurite.
const EMULATOR: &str = "AccountName=devstoreaccount1;BlobEndpoint=http://127.0.0.1:10000/devstoreaccount1;\
    AccountKey=Eby8vdM02xNOcqFlqUwJPLlmEtlCDXJ1OUzFT50uSRZ6IFsuFq2UVErCz4I6tq/K1SZFPTOtr/KBHBeksoGMGw==";
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
    /// If no variable says who asks, the machine and a person are looked for once it is needed.
    who: OnceCell<Who>,
}

struct Who {
    /// Nothing for requests without credentials.
    signer: Option<Signer<Credential>>,
    /// Where the credentials come from, or why there are none.
    source: String,
}

impl Access {
    /// What the environment says of this account. Nothing is sent. `client` reaches the service that gives
    /// tokens.
    pub(super) fn find(account: &str, endpoint: Url, client: &Client) -> Result<Self, StoreError> {
        let variable = &env_vars::non_empty;
        if let Some(text) = variable(env_vars::AZURE_STORAGE_CONNECTION_STRING) {
            return Self::of_connection_string(&text);
        }
        let who = if let Some(key) = variable(env_vars::AZURE_STORAGE_ACCESS_KEY) {
            Some(Who::of_key(account, &key, env_vars::AZURE_STORAGE_ACCESS_KEY)?)
        } else if let Some(signature) = variable(env_vars::AZURE_STORAGE_SAS_TOKEN) {
            Some(Who::of_signature(&signature, env_vars::AZURE_STORAGE_SAS_TOKEN))
        } else {
            Who::of_application(client)
        };
        Ok(Self {
            endpoint,
            who: OnceCell::new_with(who),
        })
    }

    async fn who(&self) -> Result<&Who, StoreError> {
        self.who.get_or_try_init(Who::of_machine).await
    }

    /// Adds to a request what says who asks. `length` is that of its content.
    pub(super) async fn sign(&self, request: &mut Request, length: u64) -> Result<(), StoreError> {
        if length > 0 {
            request.headers_mut().insert(CONTENT_LENGTH, length.into());
        }
        let who = self.who().await?;
        who.sign(request)
            .await
            .map_err(|reason| unusable(&format!("the credentials from {}", who.source), &reason))
    }

    /// Who asks, for a person.
    pub(super) async fn asker(&self) -> String {
        match self.who().await {
            Ok(Who { signer: None, source }) => format!("a request without credentials ({source})"),
            Ok(Who { source, .. }) => format!("the credentials from {source}"),
            Err(error) => error.to_string(),
        }
    }

    /// `AccountName=…;AccountKey=…;EndpointSuffix=…`, as Azure's portal shows it.
    fn of_connection_string(text: &str) -> Result<Self, StoreError> {
        let name = env_vars::AZURE_STORAGE_CONNECTION_STRING;
        let pairs = text.split(';').filter_map(|part| part.split_once('='));
        let pairs = pairs.map(|(key, value)| (key.trim().to_ascii_lowercase(), value.trim()));
        let pairs: HashMap<String, &str> = pairs.collect();
        let get = |key: &str| pairs.get(key).copied();
        if get("usedevelopmentstorage").is_some_and(|value| value.eq_ignore_ascii_case("true")) {
            return Self::of_connection_string(EMULATOR);
        }
        let account = get("accountname");
        let usual_endpoint = |account| {
            let protocol = get("defaultendpointsprotocol").unwrap_or("https");
            let suffix = get("endpointsuffix").unwrap_or("core.windows.net");
            format!("{protocol}://{account}.blob.{suffix}")
        };
        let endpoint = get("blobendpoint").map(str::to_owned);
        let endpoint = endpoint
            .or_else(|| account.map(usual_endpoint))
            .ok_or_else(|| unusable(name, "it has no AccountName and no BlobEndpoint"))?;
        let endpoint = Url::parse(&endpoint).map_err(|_| unusable(name, "its BlobEndpoint is not a URL"))?;
        let who = match (get("accountkey"), get("sharedaccesssignature")) {
            (Some(key), _) => Who::of_key(account.unwrap_or_default(), key, name)?,
            (None, Some(signature)) => Who::of_signature(signature, name),
            (None, None) => {
                let reason = "it has no AccountKey and no SharedAccessSignature";
                return Err(unusable(name, reason));
            }
        };
        Ok(Self {
            endpoint,
            who: OnceCell::new_with(Some(who)),
        })
    }
}

impl Who {
    fn of(provider: impl ProvideCredential<Credential = Credential>, context: Context, source: &str) -> Self {
        Self {
            signer: Some(Signer::new(context, provider, RequestSigner::new())),
            source: source.to_owned(),
        }
    }

    fn of_key(account: &str, key: &str, source: &str) -> Result<Self, StoreError> {
        if STANDARD.decode(key).is_err() {
            return Err(unusable(source, "the account's key is not valid base64"));
        }
        let provider = StaticCredentialProvider::new_shared_key(account, key);
        Ok(Self::of(provider, Context::new(), source))
    }

    fn of_signature(signature: &str, source: &str) -> Self {
        let provider = StaticCredentialProvider::new_sas_token(signature.trim_start_matches('?'));
        Self::of(provider, Context::new(), source)
    }

    /// The application that variables name, if they also say how it proves who it is.
    fn of_application(client: &Client) -> Option<Self> {
        let variable = &env_vars::non_empty;
        let tenant = variable(env_vars::AZURE_TENANT_ID)?;
        let identity = variable(env_vars::AZURE_CLIENT_ID)?;
        let authority = authority();
        let context = Sender::new(client.clone()).context();
        if let Some(secret) = variable(env_vars::AZURE_CLIENT_SECRET) {
            let provider = ClientSecretCredentialProvider::new()
                .with_tenant_id(tenant)
                .with_client_id(identity)
                .with_client_secret(secret)
                .with_authority_host(authority);
            return Some(Self::of(provider, context, env_vars::AZURE_CLIENT_SECRET));
        }
        let (assertion, source) = if let Some(file) = variable(env_vars::AZURE_CLIENT_CERTIFICATE_PATH) {
            let assertion = Assertion::Certificate {
                file,
                password: variable(env_vars::AZURE_CLIENT_CERTIFICATE_PASSWORD).map(Secret::new),
                client: identity.clone(),
                audience: format!("{authority}/{tenant}/oauth2/v2.0/token"),
            };
            (assertion, env_vars::AZURE_CLIENT_CERTIFICATE_PATH)
        } else {
            let file = variable(env_vars::AZURE_FEDERATED_TOKEN_FILE)?;
            (Assertion::TokenFile(file), env_vars::AZURE_FEDERATED_TOKEN_FILE)
        };
        let exchange = WorkloadIdentityCredentialProvider::new()
            .with_tenant_id(tenant)
            .with_client_id(identity)
            .with_authority_host(authority);
        Some(Self::of(Asserted::new(assertion, exchange), context, source))
    }

    /// The machine's identity, or the person who has logged in, or nobody.
    async fn of_machine() -> Result<Self, StoreError> {
        let host = env_vars::non_empty(env_vars::AZURE_POD_IDENTITY_AUTHORITY_HOST);
        let host = host.as_deref().unwrap_or(METADATA).trim_end_matches('/');
        let provider =
            ImdsCredentialProvider::new().with_endpoint(format!("{host}/metadata/identity/oauth2/token"));
        let context = Sender::new(local_client(METADATA_TIMEOUT)?).once().context();
        let mut tried = format!(
            "{}, {}, {}, {} and {} are not set",
            env_vars::AZURE_STORAGE_CONNECTION_STRING,
            env_vars::AZURE_STORAGE_ACCESS_KEY,
            env_vars::AZURE_STORAGE_SAS_TOKEN,
            env_vars::AZURE_CLIENT_SECRET,
            env_vars::AZURE_CLIENT_CERTIFICATE_PATH,
        );
        for who in [
            Self::of(provider, context, "the machine's managed identity"),
            Self::of(CommandLine, Context::new(), "`az login`"),
        ] {
            // Whether there are credentials shows when something is signed. They are kept then.
            let resource = Url::parse(RESOURCE).map_err(|error| unusable(RESOURCE, &error.to_string()))?;
            match who.sign(&mut Request::new(Method::GET, resource)).await {
                Ok(()) => return Ok(who),
                Err(reason) => tried.push_str(&format!("; {}: {reason}", who.source)),
            }
        }
        Ok(Self {
            signer: None,
            source: tried,
        })
    }

    async fn sign(&self, request: &mut Request) -> Result<(), String> {
        match &self.signer {
            Some(signer) => signing::sign(signer, request).await,
            None => Ok(()),
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
            (
                "UseDevelopmentStorage=true",
                "http://127.0.0.1:10000/devstoreaccount1",
            ),
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
