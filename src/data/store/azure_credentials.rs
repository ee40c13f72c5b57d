//! Who asks Azure's storage, and where it is.

use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use openssl::hash::MessageDigest;
use openssl::pkey::PKey;
use openssl::sign::Signer;
use reqwest::header::{CONTENT_TYPE, HeaderMap};
use reqwest::{Client, Method, Url};

use super::StoreError;
use super::token::{self, KeptToken, Token};
use crate::env_vars;
use crate::http::local_client;
use crate::process::ProgramCall;
use crate::redact::Secret;

/// The account and key that every emulator knows. From Microsoft's documentation of Azurite.
const EMULATOR_ACCOUNT: &str = "devstoreaccount1";
const EMULATOR_KEY: &str =
    "Eby8vdM02xNOcqFlqUwJPLlmEtlCDXJ1OUzFT50uSRZ6IFsuFq2UVErCz4I6tq/K1SZFPTOtr/KBHBeksoGMGw==";
const EMULATOR_ENDPOINT: &str = "http://127.0.0.1:10000/devstoreaccount1";
const AUTHORITY: &str = "https://login.microsoftonline.com";
/// What a token is asked for.
const SCOPE: &str = "https://storage.azure.com/.default";
const RESOURCE: &str = "https://storage.azure.com/";
const METADATA: &str = "http://169.254.169.254/metadata/identity/oauth2/token";
const METADATA_TIMEOUT: Duration = Duration::from_secs(2);

/// The account's address, and who asks.
pub(super) struct Access {
    pub(super) endpoint: Url,
    account: String,
    kind: Kind,
    /// Where the credentials come from, or why there are none.
    source: String,
    token: KeptToken,
}

enum Kind {
    SharedKey(Secret),
    /// A query that is a permission.
    Signature(Secret),
    ClientSecret {
        tenant: String,
        client: String,
        secret: Secret,
    },
    TokenFile {
        tenant: String,
        client: String,
        file: String,
    },
    ManagedIdentity {
        client: Option<String>,
    },
    CommandLine,
    Anonymous,
}

impl Access {
    /// What the environment says of this account.
    pub(super) async fn find(account: &str, endpoint: &str) -> Result<Self, StoreError> {
        let variable = &env_vars::non_empty;
        if let Some(text) = variable(env_vars::AZURE_STORAGE_CONNECTION_STRING) {
            return Self::of_connection_string(&text);
        }
        let endpoint = Url::parse(endpoint).map_err(|error| super::azure::strange(error.to_string()))?;
        let access = |kind, source: &str| Self {
            endpoint: endpoint.clone(),
            account: account.to_owned(),
            kind,
            source: source.to_owned(),
            token: KeptToken::default(),
        };
        if let Some(key) = variable(env_vars::AZURE_STORAGE_ACCESS_KEY) {
            let kind = Kind::SharedKey(Secret::new(key));
            return Ok(access(kind, env_vars::AZURE_STORAGE_ACCESS_KEY));
        }
        if let Some(signature) = variable(env_vars::AZURE_STORAGE_SAS_TOKEN) {
            let kind = Kind::Signature(Secret::new(signature.trim_start_matches('?')));
            return Ok(access(kind, env_vars::AZURE_STORAGE_SAS_TOKEN));
        }
        let client = variable(env_vars::AZURE_CLIENT_ID);
        if let (Some(tenant), Some(client)) = (variable(env_vars::AZURE_TENANT_ID), client.clone()) {
            if let Some(secret) = variable(env_vars::AZURE_CLIENT_SECRET) {
                let secret = Secret::new(secret);
                let kind = Kind::ClientSecret {
                    tenant,
                    client,
                    secret,
                };
                return Ok(access(kind, env_vars::AZURE_CLIENT_SECRET));
            }
            if let Some(file) = variable(env_vars::AZURE_FEDERATED_TOKEN_FILE) {
                let kind = Kind::TokenFile { tenant, client, file };
                return Ok(access(kind, env_vars::AZURE_FEDERATED_TOKEN_FILE));
            }
        }
        let mut tried = format!(
            "{}, {}, {} and {} are not set",
            env_vars::AZURE_STORAGE_CONNECTION_STRING,
            env_vars::AZURE_STORAGE_ACCESS_KEY,
            env_vars::AZURE_STORAGE_SAS_TOKEN,
            env_vars::AZURE_CLIENT_SECRET
        );
        for (kind, source) in [
            (Kind::ManagedIdentity { client }, "the machine's managed identity"),
            (Kind::CommandLine, "`az login`"),
        ] {
            let access = access(kind, source);
            match access.token.get(access.renew(None)).await {
                Ok(_) => return Ok(access),
                Err(reason) => tried.push_str(&format!("; {source}: {reason}")),
            }
        }
        Ok(access(Kind::Anonymous, &tried))
    }

    /// `AccountName=…;AccountKey=…;EndpointSuffix=…`, as Azure's portal shows it.
    fn of_connection_string(text: &str) -> Result<Self, StoreError> {
        let name = env_vars::AZURE_STORAGE_CONNECTION_STRING;
        let unusable = |reason: &str| StoreError::Settings {
            what: name.to_owned(),
            reason: reason.to_owned(),
        };
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
        let account = match is_emulator {
            true => Some(EMULATOR_ACCOUNT.to_owned()),
            false => get("AccountName"),
        };
        let endpoint = match (get("BlobEndpoint"), &account) {
            (Some(endpoint), _) => endpoint,
            (None, _) if is_emulator => EMULATOR_ENDPOINT.to_owned(),
            (None, Some(account)) => format!(
                "{}://{account}.blob.{}",
                get("DefaultEndpointsProtocol").unwrap_or_else(|| "https".to_owned()),
                get("EndpointSuffix").unwrap_or_else(|| "core.windows.net".to_owned())
            ),
            (None, None) => return Err(unusable("it has no AccountName and no BlobEndpoint")),
        };
        let endpoint = Url::parse(&endpoint).map_err(|_| unusable("its BlobEndpoint is no URL"))?;
        let key = match is_emulator {
            true => Some(EMULATOR_KEY.to_owned()),
            false => get("AccountKey"),
        };
        let kind = match (key, get("SharedAccessSignature")) {
            (Some(key), _) => Kind::SharedKey(Secret::new(key)),
            (None, Some(signature)) => Kind::Signature(Secret::new(signature.trim_start_matches('?'))),
            (None, None) => return Err(unusable("it has no AccountKey and no SharedAccessSignature")),
        };
        Ok(Self {
            endpoint,
            account: account.unwrap_or_default(),
            kind,
            source: name.to_owned(),
            token: KeptToken::default(),
        })
    }

    /// The value of the `Authorization` header for a request with these headers, and whether the query
    /// says who asks instead.
    pub(super) async fn authorization(
        &self,
        client: &Client,
        method: &Method,
        url: &Url,
        headers: &HeaderMap,
        length: u64,
    ) -> Result<Option<String>, StoreError> {
        let failed = |reason: String| StoreError::Settings {
            what: format!("the credentials from {}", self.source),
            reason,
        };
        match &self.kind {
            Kind::Anonymous | Kind::Signature(_) => Ok(None),
            Kind::SharedKey(key) => {
                let text = string_to_sign(&self.account, method, url, headers, length);
                let signature = sign(key, &text).map_err(failed)?;
                Ok(Some(format!("SharedKey {}:{signature}", self.account)))
            }
            _ => {
                let token = self.token.get(self.renew(Some(client))).await.map_err(failed)?;
                Ok(Some(format!("Bearer {}", token.expose())))
            }
        }
    }

    /// What has to be added to the query.
    pub(super) fn signature(&self) -> Option<&Secret> {
        match &self.kind {
            Kind::Signature(signature) => Some(signature),
            _ => None,
        }
    }

    /// Who asks, for a person.
    pub(super) fn asker(&self) -> String {
        match self.kind {
            Kind::Anonymous => format!("a request without credentials ({})", self.source),
            _ => format!("the credentials from {}", self.source),
        }
    }

    async fn renew(&self, client: Option<&Client>) -> Result<Token, String> {
        let variable = &env_vars::non_empty;
        let authority = variable(env_vars::AZURE_AUTHORITY_HOST).unwrap_or_else(|| AUTHORITY.to_owned());
        let ask = async |tenant: &str, form: String| {
            let Some(client) = client else {
                return Err("no client".to_owned());
            };
            let url = format!("{}/{tenant}/oauth2/v2.0/token", authority.trim_end_matches('/'));
            let request = client
                .post(url)
                .header(CONTENT_TYPE, "application/x-www-form-urlencoded")
                .body(form);
            token::ask(request).await
        };
        match &self.kind {
            Kind::ClientSecret {
                tenant,
                client,
                secret,
            } => {
                let pairs = [
                    ("grant_type", "client_credentials"),
                    ("client_id", client.as_str()),
                    ("client_secret", secret.expose()),
                    ("scope", SCOPE),
                ];
                ask(tenant, form(&pairs)).await
            }
            Kind::TokenFile { tenant, client, file } => {
                let token = std::fs::read_to_string(file).map_err(|error| format!("'{file}': {error}"))?;
                let pairs = [
                    ("grant_type", "client_credentials"),
                    ("client_id", client.as_str()),
                    (
                        "client_assertion_type",
                        "urn:ietf:params:oauth:client-assertion-type:jwt-bearer",
                    ),
                    ("client_assertion", token.trim()),
                    ("scope", SCOPE),
                ];
                ask(tenant, form(&pairs)).await
            }
            Kind::ManagedIdentity { client } => {
                let http = local_client(METADATA_TIMEOUT).map_err(|error| error.to_string())?;
                let mut query = vec![("api-version", "2018-02-01"), ("resource", RESOURCE)];
                query.extend(client.as_deref().map(|client| ("client_id", client)));
                let url = format!("{METADATA}?{}", form(&query));
                token::ask(http.get(url).header("metadata", "true")).await
            }
            Kind::CommandLine => from_command_line().await,
            Kind::SharedKey(_) | Kind::Signature(_) | Kind::Anonymous => Err("there is no token".to_owned()),
        }
    }
}

/// Asks Azure's command line program, where somebody has logged in.
async fn from_command_line() -> Result<Token, String> {
    let call = ProgramCall::new("az").arguments(["account", "get-access-token", "--output", "json"]);
    let call = call.arguments(["--resource", RESOURCE]);
    let captured = call.capture().await.map_err(|error| {
        let text = error.to_string();
        text.lines().next().unwrap_or_default().to_owned()
    })?;
    let answer: serde_json::Value =
        serde_json::from_str(&captured.text()).map_err(|_| "it wrote no JSON".to_owned())?;
    match answer["accessToken"].as_str() {
        // It keeps its tokens itself, and gives one with at least five minutes left.
        Some(token) => Ok(Token::new(token.to_owned(), Some(300))),
        None => Err("it wrote no access token".to_owned()),
    }
}

/// What is signed with an account's key. From Microsoft's page "Authorize with Shared Key".
fn string_to_sign(account: &str, method: &Method, url: &Url, headers: &HeaderMap, length: u64) -> String {
    let header = |name: &str| {
        headers
            .get(name)
            .and_then(|value| value.to_str().ok())
            .unwrap_or_default()
    };
    let length = match length {
        0 => String::new(),
        length => length.to_string(),
    };
    let mut of_azure: Vec<String> = headers
        .iter()
        .filter(|(name, _)| name.as_str().starts_with("x-ms-"))
        .map(|(name, value)| format!("{name}:{}\n", value.to_str().unwrap_or_default().trim()))
        .collect();
    of_azure.sort();
    let mut query: Vec<(String, String)> = url
        .query_pairs()
        .map(|(name, value)| (name.to_lowercase(), value.into_owned()))
        .collect();
    query.sort();
    let query: String = query
        .iter()
        .map(|(name, value)| format!("\n{name}:{value}"))
        .collect();
    format!(
        "{method}\n{}\n{}\n{length}\n{}\n{}\n\n{}\n{}\n{}\n\n{}\n{}/{account}{}{query}",
        header("content-encoding"),
        header("content-language"),
        header("content-md5"),
        header("content-type"),
        header("if-modified-since"),
        header("if-match"),
        header("if-none-match"),
        header("range"),
        of_azure.concat(),
        url.path(),
    )
}

fn sign(key: &Secret, text: &str) -> Result<String, String> {
    let key = STANDARD
        .decode(key.expose())
        .map_err(|_| "the account's key is not in base 64".to_owned())?;
    let signature = || {
        let key = PKey::hmac(&key)?;
        let mut signer = Signer::new(MessageDigest::sha256(), &key)?;
        signer.update(text.as_bytes())?;
        signer.sign_to_vec()
    };
    let signature = signature().map_err(|error| error.to_string())?;
    Ok(STANDARD.encode(signature))
}

/// Pairs as the body of a form.
fn form(pairs: &[(&str, &str)]) -> String {
    form_urlencoded::Serializer::new(String::new())
        .extend_pairs(pairs)
        .finish()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn connection_strings_are_read() {
        for (text, endpoint, account) in [
            (
                "DefaultEndpointsProtocol=https;AccountName=a;AccountKey=eA==;EndpointSuffix=core.chinacloudapi.cn",
                "https://a.blob.core.chinacloudapi.cn/",
                "a",
            ),
            (
                "AccountName=devstoreaccount1;AccountKey=eA==;BlobEndpoint=http://127.0.0.1:1/devstoreaccount1;",
                "http://127.0.0.1:1/devstoreaccount1",
                "devstoreaccount1",
            ),
            ("UseDevelopmentStorage=true", EMULATOR_ENDPOINT, EMULATOR_ACCOUNT),
            (
                "BlobEndpoint=https://h/;SharedAccessSignature=?sig=geheim",
                "https://h/",
                "",
            ),
        ] {
            let access = Access::of_connection_string(text).unwrap();
            assert_eq!(
                (access.endpoint.as_str(), access.account.as_str()),
                (endpoint, account),
                "{text}"
            );
        }
        for text in [
            "geheim",
            "AccountName=a",
            "AccountKey=geheim",
            "BlobEndpoint=geheim;AccountKey=x",
        ] {
            let error = Access::of_connection_string(text).err().unwrap().to_string();
            assert!(!error.contains("geheim"), "{error}");
        }
    }
}
