//! Temporary keys from services: the container's, the instance's metadata, single sign-on, and the security token
//! service (STS) for roles.

use std::path::PathBuf;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use form_urlencoded::Serializer;
use reqsign::aws::{Credential, ECSCredentialProvider, IMDSv2CredentialProvider, SSOCredentialProvider};
use reqsign::{Context, FileRead, ProvideCredential, StaticEnv};
use reqwest::Url;
use reqwest::header::CONTENT_TYPE;
use reqwest::redirect::Policy;

use super::settings::{AwsSettings, is_true};
use super::sign::{Credentials, Payload};
use super::{AwsError, Result, element, refusal, regional_address};
use crate::env_vars;
use crate::http::signing::Sender;
use crate::http::{READ_TIMEOUT, client, innermost, local_client};

const CONTAINER_HOST: &str = "http://169.254.170.2";
const CONTAINER_TIMEOUT: Duration = Duration::from_secs(5);
const INSTANCE_HOST: &str = "http://169.254.169.254";
/// The default timeout for the instance's metadata (`AWS_METADATA_SERVICE_TIMEOUT` overrides it).
const INSTANCE_TIMEOUT: Duration = Duration::from_secs(1);

/// Keys from the container's service, if a variable has its address.
pub(super) async fn of_container(settings: &AwsSettings) -> Result<Option<Credentials>> {
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
    let context = Sender::new(local_client(CONTAINER_TIMEOUT)?).context();
    let refused = |reason| {
        let service = "the container credentials service";
        AwsError::new(format!("{service} ({name}) returned no credentials: {reason}"))
    };
    let keys = ask(provider, &context).await.map_err(refused)?;
    Ok(Some(Credentials::found(keys, "the container's role".to_owned())))
}

/// Keys from the instance's metadata; the error says why there are none.
pub(super) async fn of_instance(settings: &AwsSettings) -> Result<Credentials, String> {
    let disabled = env_vars::AWS_EC2_METADATA_DISABLED;
    if is_true(settings.variable(disabled)) {
        return Err(format!("{disabled} disables the instance metadata"));
    }
    let host = settings
        .variable(env_vars::AWS_EC2_METADATA_SERVICE_ENDPOINT)
        .unwrap_or(INSTANCE_HOST)
        .trim_end_matches('/');
    let timeout = settings
        .variable(env_vars::AWS_METADATA_SERVICE_TIMEOUT)
        .and_then(|value| value.parse().ok())
        .map_or(INSTANCE_TIMEOUT, Duration::from_secs);
    let none = |reason: String| format!("no credentials in the instance metadata ({reason})");
    let client = local_client(timeout).map_err(|error| none(error.to_string()))?;
    let sender = Sender::new(client).once();
    let provider = IMDSv2CredentialProvider::new().with_endpoint(host);
    let keys = ask(provider, &sender.clone().context()).await.map_err(none)?;
    let source = format!("the instance's role '{}'", sender.last_part());
    Ok(Credentials::found(keys, source))
}

/// Keys of an `aws sso login`, if the profile is configured for that.
pub(super) async fn of_sign_on(settings: &AwsSettings, profile: &str) -> Result<Option<Credentials>> {
    let get = |key: &str| settings.setting(profile, key);
    let (Some(account), Some(role)) = (get("sso_account_id"), get("sso_role_name")) else {
        return Ok(None);
    };
    let unusable = |reason: &str| AwsError::of_profile(profile, reason);
    let session = get("sso_session");
    if let Some(name) = session.filter(|name| settings.heading("sso-session", name).is_none()) {
        return Err(unusable(&format!("its sso_session '{name}' does not exist")));
    }
    let setting = |key: &str| {
        let of_session = session.and_then(|name| settings.configured("sso-session", name, key));
        of_session.or_else(|| get(key))
    };
    let (Some(region), Some(start_url)) = (setting("sso_region"), setting("sso_start_url")) else {
        return Err(unusable("sso_region or sso_start_url is missing"));
    };
    let address = settings.endpoint_url("sso").map_or_else(
        || format!("https://portal.sso.{region}.amazonaws.com"),
        str::to_owned,
    );
    let address = address.trim_end_matches('/');
    // The login's file is named after the session, or the start URL of a profile without a session.
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
    let context = Sender::new(client)
        .context()
        .with_file_read(Login)
        .with_env(StaticEnv {
            home_dir: settings.variable(env_vars::HOME).map(PathBuf::from),
            ..StaticEnv::default()
        });
    let name = format!("the AWS profile '{profile}'");
    let keys = ask(provider, &context).await.map_err(|reason| {
        AwsError::with_hint(
            format!("AWS single sign-on returned no credentials for {name}: {reason}"),
            "log in again with `aws sso login`",
        )
    })?;
    let source = format!("the single sign-on of {name}");
    Ok(Some(Credentials::found(keys, source)))
}

/// The provider's keys; the error says why there are none.
async fn ask(
    provider: impl ProvideCredential<Credential = Credential>,
    context: &Context,
) -> Result<Credential, String> {
    match provider.provide_credential(context).await {
        Ok(keys) => keys.ok_or_else(|| "it has no credentials".to_owned()),
        Err(error) => Err(innermost(&error)),
    }
}

#[derive(Debug)]
struct Login;

impl FileRead for Login {
    async fn file_read(&self, path: &str) -> reqsign::Result<Vec<u8>> {
        let text = String::from_utf8_lossy(&std::fs::read(path)?).into_owned();
        // Old versions of `aws` write times like this.
        Ok(text.replace("UTC\"", "Z\"").into_bytes())
    }
}

/// A role to assume.
#[derive(Default)]
pub(super) struct Role<'a> {
    pub(super) arn: &'a str,
    pub(super) session_name: Option<&'a str>,
    pub(super) external_id: Option<&'a str>,
    /// In seconds.
    pub(super) duration: Option<&'a str>,
    /// The file with the identity provider's token, if the role is not assumed with keys.
    pub(super) token_file: Option<&'a str>,
}

impl Role<'_> {
    /// Gets the role's keys, signed with the caller's keys or by the token.
    pub(super) async fn assume(
        &self,
        settings: &AwsSettings,
        asker: Option<&Credentials>,
    ) -> Result<Credentials> {
        let role = format!("the role '{}'", self.arn);
        let refused = |reason: &str| {
            let service = "AWS STS";
            AwsError::new(format!("{service} returned no credentials for {role}: {reason}"))
        };
        let token = self.token_file.map(|file| {
            let text = std::fs::read_to_string(file);
            text.map_err(|error| AwsError::unreadable(file.as_ref(), error))
        });
        let form = self.form(token.transpose()?.as_deref().map(str::trim));
        let address = match (settings.endpoint_url("sts"), settings.named_region()) {
            (Some(address), _) => address.to_owned(),
            (None, None | Some("aws-global")) => "https://sts.amazonaws.com/".to_owned(),
            (None, Some(region)) => regional_address("sts", region),
        };
        let url = Url::parse(&address).map_err(|error| refused(&format!("'{address}': {error}")))?;
        let verification = settings.verification();
        let client = client((url.scheme() == "https").then_some(&verification), Policy::none())?;
        let request = client.post(url).timeout(READ_TIMEOUT).body(form.clone());
        let request = request.header(CONTENT_TYPE, "application/x-www-form-urlencoded");
        let broken = |error: reqwest::Error| refused(&innermost(&error.without_url()));
        let mut request = request.build().map_err(broken)?;
        if let Some(credentials) = asker {
            let payload = Payload::Bytes(form.as_bytes());
            let service = ("sts", settings.region());
            credentials.sign(service, &mut request, payload).await?;
        }
        let answer = client.execute(request).await.map_err(broken)?;
        let status = answer.status();
        let text = answer.text().await.map_err(broken)?;
        if !status.is_success() {
            let reason = refusal(&text).unwrap_or_else(|| format!("it returned {status}"));
            return Err(refused(&reason));
        }
        let part = |name: &str| element(&text, name).ok_or_else(|| refused("its response contains no keys"));
        let keys = Credential {
            access_key_id: part("AccessKeyId")?,
            secret_access_key: part("SecretAccessKey")?,
            session_token: Some(part("SessionToken")?),
            expires_in: part("Expiration")?.parse().ok(),
        };
        Ok(Credentials::found(keys, role))
    }

    fn form(&self, token: Option<&str>) -> String {
        let since_epoch = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        let default_name = format!("mlrun-session-{}", since_epoch.as_secs());
        let action = match token {
            None => "AssumeRole",
            Some(_) => "AssumeRoleWithWebIdentity",
        };
        let pairs = [
            ("Action", Some(action)),
            ("Version", Some("2011-06-15")),
            ("RoleArn", Some(self.arn)),
            ("RoleSessionName", self.session_name.or(Some(&default_name))),
            ("ExternalId", self.external_id),
            ("DurationSeconds", self.duration),
            ("WebIdentityToken", token),
        ];
        let pairs = pairs.into_iter().filter_map(|(name, value)| Some((name, value?)));
        Serializer::new(String::new()).extend_pairs(pairs).finish()
    }
}
