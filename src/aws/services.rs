//! Keys that services lend: a container's, the instance's metadata, and single sign-on.

use std::error::Error as _;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use bytes::Bytes;
use reqsign::aws::{Credential, ECSCredentialProvider, IMDSv2CredentialProvider, SSOCredentialProvider};
use reqsign::{Context, FileRead, HttpSend, ProvideCredential, StaticEnv};
use reqwest::Client;
use reqwest::redirect::Policy;

use super::error::AwsError;
use super::profiles::Profile;
use super::settings::AwsSettings;
use super::sign::Credentials;
use crate::env_vars;
use crate::http::{client, innermost, local_client};

pub(super) const SINGLE_SIGN_ON: &str = "AWS single sign-on";

/// Where a container's service listens.
const CONTAINER_HOST: &str = "http://169.254.170.2";
/// How long a container's service may take.
const CONTAINER_TIMEOUT: Duration = Duration::from_secs(5);
/// Where an instance's metadata is.
const INSTANCE_HOST: &str = "http://169.254.169.254";
/// How long the instance's metadata may take, unless `AWS_METADATA_SERVICE_TIMEOUT` says otherwise.
const INSTANCE_TIMEOUT: Duration = Duration::from_secs(1);
/// How long the service of single sign-on may take.
const SIGN_ON_TIMEOUT: Duration = Duration::from_secs(60);

/// Keys from the container's service, if a variable names one.
pub(super) async fn of_container(settings: &AwsSettings) -> Result<Option<Credentials>, AwsError> {
    let (relative, full) = (
        env_vars::AWS_CONTAINER_CREDENTIALS_RELATIVE_URI,
        env_vars::AWS_CONTAINER_CREDENTIALS_FULL_URI,
    );
    let (name, address) = match (settings.variable(relative), settings.variable(full)) {
        (Some(path), _) => (relative, format!("{CONTAINER_HOST}{path}")),
        (None, Some(uri)) => (full, uri.to_owned()),
        (None, None) => return Ok(None),
    };
    let mut provider = ECSCredentialProvider::new().with_endpoint(address);
    if let Some(path) = settings.variable(env_vars::AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE) {
        provider = provider.with_auth_token_file(path);
    } else if let Some(token) = settings.variable(env_vars::AWS_CONTAINER_AUTHORIZATION_TOKEN) {
        provider = provider.with_auth_token(token);
    }
    let sender = Sender::new(local_client(CONTAINER_TIMEOUT)?, CONTAINER_TIMEOUT);
    let keys = ask(provider, &sender, settings).await;
    let keys = keys.map_err(|reason| AwsError::Refused {
        service: "the container's credentials service",
        what: name.to_owned(),
        reason,
    })?;
    Ok(Some(Credentials {
        keys,
        source: "the container's role".to_owned(),
    }))
}

/// Keys from the instance's metadata; the text says why there are none.
pub(super) async fn of_instance(settings: &AwsSettings) -> Result<Credentials, String> {
    let disabled = env_vars::AWS_EC2_METADATA_DISABLED;
    if settings.is_true(disabled) {
        return Err(format!("the instance's metadata is switched off by {disabled}"));
    }
    let host = settings
        .variable(env_vars::AWS_EC2_METADATA_SERVICE_ENDPOINT)
        .unwrap_or(INSTANCE_HOST)
        .trim_end_matches('/');
    let timeout = settings
        .variable(env_vars::AWS_METADATA_SERVICE_TIMEOUT)
        .and_then(|value| value.parse().ok())
        .map_or(INSTANCE_TIMEOUT, Duration::from_secs);
    let told = |reason: String| format!("the instance's metadata gives none ({reason})");
    let client = local_client(timeout).map_err(|error| told(error.to_string()))?;
    let sender = Sender::new(client, timeout);
    let provider = IMDSv2CredentialProvider::new().with_endpoint(host);
    let keys = ask(provider, &sender, settings).await.map_err(told)?;
    Ok(Credentials {
        keys,
        source: format!("the instance's role '{}'", sender.last_part()),
    })
}

/// Keys for who has logged in with `aws sso login`, if the profile is made for that.
pub(super) async fn of_sign_on(
    settings: &AwsSettings,
    profile: &Profile<'_>,
) -> Result<Option<Credentials>, AwsError> {
    let (Some(account), Some(role)) = (profile.get("sso_account_id"), profile.get("sso_role_name")) else {
        return Ok(None);
    };
    let session = profile.get("sso_session");
    let section = session.map(|name| (name, settings.profiles.section("sso-session", name)));
    if let Some((name, None)) = section {
        return Err(profile.unusable(format!("there is no sso-session '{name}'")));
    }
    let setting = |key: &str| {
        let of_session = section
            .and_then(|(_, section)| section?.get(key))
            .map(String::as_str);
        of_session.or_else(|| profile.get(key))
    };
    let (Some(region), Some(start_url)) = (setting("sso_region"), setting("sso_start_url")) else {
        return Err(profile.unusable("sso_region or sso_start_url is missing".to_owned()));
    };
    let address = settings.endpoint_url("sso").map_or_else(
        || format!("https://portal.sso.{region}.amazonaws.com"),
        str::to_owned,
    );
    let address = address.trim_end_matches('/');
    // The login's file is named after the session, or the start URL of a profile without one.
    let provider = SSOCredentialProvider::new()
        .with_account_id(account)
        .with_role_name(role)
        .with_region(region)
        .with_start_url(session.unwrap_or(start_url))
        .with_endpoint(format!("{address}/federation/credentials"));
    let verification = settings.verification();
    let client = client(
        address.starts_with("https").then_some(&verification),
        Policy::none(),
    )?;
    let sender = Sender::new(client, SIGN_ON_TIMEOUT);
    let keys = ask(provider, &sender, settings).await;
    let keys = keys.map_err(|reason| AwsError::Refused {
        service: SINGLE_SIGN_ON,
        what: format!("the AWS profile '{}'", profile.name),
        reason,
    })?;
    Ok(Some(Credentials {
        keys,
        source: format!("the single sign-on of the AWS profile '{}'", profile.name),
    }))
}

/// What the provider gives; the text says why it gives nothing.
async fn ask(
    provider: impl ProvideCredential<Credential = Credential>,
    sender: &Sender,
    settings: &AwsSettings,
) -> Result<Credential, String> {
    let home = settings.variable(env_vars::HOME).map(PathBuf::from);
    let context = Context::new()
        .with_http_send(sender.clone())
        .with_file_read(Files)
        .with_env(StaticEnv {
            home_dir: home,
            ..StaticEnv::default()
        });
    match provider.provide_credential(&context).await {
        Ok(Some(keys)) => Ok(keys),
        Ok(None) => Err("it has none".to_owned()),
        Err(error) => Err(error
            .source()
            .map_or_else(|| error.to_string(), |source| format!("{error}: {source}"))),
    }
}

/// Sends a provider's requests by one of our clients.
#[derive(Debug, Clone)]
struct Sender {
    client: Client,
    timeout: Duration,
    /// The path of the last request.
    path: Arc<Mutex<String>>,
}

impl Sender {
    fn new(client: Client, timeout: Duration) -> Self {
        Self {
            client,
            timeout,
            path: Arc::default(),
        }
    }

    /// What the last request was about: the last part of its path.
    fn last_part(&self) -> String {
        let path = self.path.lock().unwrap_or_else(PoisonError::into_inner);
        path.rsplit('/').next().unwrap_or_default().to_owned()
    }
}

impl HttpSend for Sender {
    async fn http_send(&self, request: http::Request<Bytes>) -> reqsign::Result<http::Response<Bytes>> {
        request
            .uri()
            .path()
            .clone_into(&mut self.path.lock().unwrap_or_else(PoisonError::into_inner));
        let broken = |error: reqwest::Error| reqsign::Error::unexpected(innermost(&error.without_url()));
        let mut request = reqwest::Request::try_from(request).map_err(broken)?;
        *request.timeout_mut() = Some(self.timeout);
        let answer = self.client.execute(request).await.map_err(broken)?;
        let status = answer.status();
        // A role's name may stand in a line.
        let bytes = answer.bytes().await.map_err(broken)?;
        let mut answer = http::Response::new(Bytes::copy_from_slice(bytes.trim_ascii_end()));
        *answer.status_mut() = status;
        Ok(answer)
    }
}

/// Reads the file of a login, or of a token.
#[derive(Debug)]
struct Files;

impl FileRead for Files {
    async fn file_read(&self, path: &str) -> reqsign::Result<Vec<u8>> {
        let text = String::from_utf8_lossy(&std::fs::read(path)?).into_owned();
        // So old versions of `aws` end a time.
        Ok(text.replace("UTC\"", "Z\"").into_bytes())
    }
}
