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
use reqsign::{Context, Error, ProvideCredential};
use reqwest::{Client, Url};

use super::StoreError;
use super::azure_certificate::Certificate;
use crate::env_vars;
use crate::http::local_client;
use crate::http::signing::{Identity, Sender};
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

/// The address of this account's blobs, and who asks, by what the environment says. If no variable says who
/// asks, the [machine](of_machine) and a person are to be looked for. Nothing is sent. `client` reaches the
/// service that gives tokens.
pub(super) fn find(account: &str, host: &str, client: &Client) -> Result<(String, Option<Who>), StoreError> {
    let variable = &env_vars::non_empty;
    let sender = Sender::new(client.clone());
    if let Some(text) = variable(env_vars::AZURE_STORAGE_CONNECTION_STRING) {
        let (endpoint, who) = of_connection_string(&text, sender)?;
        return Ok((endpoint, Some(who)));
    }
    let who = if let Some(key) = variable(env_vars::AZURE_STORAGE_ACCESS_KEY) {
        Some(of_key(account, &key, sender, env_vars::AZURE_STORAGE_ACCESS_KEY)?)
    } else if let Some(signature) = variable(env_vars::AZURE_STORAGE_SAS_TOKEN) {
        Some(of_signature(
            &signature,
            sender,
            env_vars::AZURE_STORAGE_SAS_TOKEN,
        ))
    } else {
        of_application(sender)
    };
    Ok((format!("https://{host}"), who))
}

/// `AccountName=…;AccountKey=…;EndpointSuffix=…`, as Azure's portal shows it.
fn of_connection_string(text: &str, sender: Sender) -> Result<(String, Who), StoreError> {
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
    let endpoint = get("blobendpoint")
        .map(str::to_owned)
        .or_else(|| account.map(usual_endpoint))
        .ok_or_else(|| unusable(name, "it has no AccountName and no BlobEndpoint"))?;
    let endpoint = Url::parse(&endpoint).map_err(|_| unusable(name, "its BlobEndpoint is not a URL"))?;
    let who = match (get("accountkey"), get("sharedaccesssignature")) {
        (Some(key), _) => of_key(account.unwrap_or_default(), key, sender, name)?,
        (None, Some(signature)) => of_signature(signature, sender, name),
        (None, None) => {
            let reason = "it has no AccountKey and no SharedAccessSignature";
            return Err(unusable(name, reason));
        }
    };
    Ok((endpoint.into(), who))
}

pub(super) type Who = Identity<Credential>;

fn of(sender: Sender, provider: impl ProvideCredential<Credential = Credential>, source: &str) -> Who {
    Identity::new(sender, provider, RequestSigner::new(), source)
}

fn of_key(account: &str, key: &str, sender: Sender, source: &str) -> Result<Who, StoreError> {
    if STANDARD.decode(key).is_err() {
        return Err(unusable(source, "the account's key is not valid base64"));
    }
    let provider = StaticCredentialProvider::new_shared_key(account, key);
    Ok(of(sender, provider, source))
}

fn of_signature(signature: &str, sender: Sender, source: &str) -> Who {
    let provider = StaticCredentialProvider::new_sas_token(signature.trim_start_matches('?'));
    of(sender, provider, source)
}

/// The application that variables name, if they also say how it proves who it is.
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

/// The machine's identity, or the person who has logged in, or nobody.
pub(super) async fn of_machine() -> Result<Who, StoreError> {
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
        let sender = || Sender::new(Client::new());
        for (text, endpoint) in [
            (
                "DefaultEndpointsProtocol=https;AccountName=a;AccountKey=eA==;EndpointSuffix=core.chinacloudapi.cn",
                "https://a.blob.core.chinacloudapi.cn/",
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
            let (address, _) = of_connection_string(text, sender()).unwrap();
            assert_eq!(address, endpoint, "{text}");
        }
        for text in [
            "geheim",
            "AccountName=a",
            "AccountKey=geheim",
            "BlobEndpoint=geheim;AccountKey=x",
            "AccountName=a;AccountKey=geheim!",
        ] {
            let error = of_connection_string(text, sender());
            let error = error.err().unwrap().to_string();
            assert!(!error.contains("geheim"), "{error}");
        }
    }
}
