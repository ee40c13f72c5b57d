//! Credentials that the machine itself gives: a container's service, or the instance's metadata.

use std::time::Duration;

use reqwest::{Client, Method, Url};
use serde::Deserialize;

use super::Credentials;
use super::error::AwsError;
use super::settings::AwsSettings;
use crate::env_vars;
use crate::http::{innermost, local_client};
use crate::redact::Secret;
use crate::utc;

/// Where a container's service listens.
const CONTAINER_HOST: &str = "http://169.254.170.2";
/// Where an instance's metadata is.
const INSTANCE_HOST: &str = "http://169.254.169.254";
/// How long the instance's metadata may take, where `AWS_METADATA_SERVICE_TIMEOUT` says nothing else.
const INSTANCE_TIMEOUT: Duration = Duration::from_secs(1);
/// How long a container's service may take.
const CONTAINER_TIMEOUT: Duration = Duration::from_secs(5);
const ROLES: &str = "/latest/meta-data/iam/security-credentials/";

/// The keys as the services and programs that give them write them.
#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(super) struct GivenKeys {
    access_key_id: String,
    secret_access_key: String,
    #[serde(alias = "SessionToken")]
    token: Option<String>,
    expiration: Option<String>,
}

impl GivenKeys {
    pub(super) fn into_credentials(self, source: String) -> Credentials {
        Credentials {
            access_key_id: self.access_key_id,
            secret_access_key: Secret::new(self.secret_access_key),
            session_token: self.token.filter(|token| !token.is_empty()).map(Secret::new),
            expires: self.expiration.as_deref().and_then(utc::parse_rfc3339),
            source,
        }
    }
}

/// What the container's service gives, where a variable says that there is one.
pub(super) async fn of_container(settings: &AwsSettings) -> Result<Option<Credentials>, AwsError> {
    let (name, address) = match (
        settings.variable(env_vars::AWS_CONTAINER_CREDENTIALS_RELATIVE_URI),
        settings.variable(env_vars::AWS_CONTAINER_CREDENTIALS_FULL_URI),
    ) {
        (Some(path), _) => (
            env_vars::AWS_CONTAINER_CREDENTIALS_RELATIVE_URI,
            format!("{CONTAINER_HOST}{path}"),
        ),
        (None, Some(uri)) => (env_vars::AWS_CONTAINER_CREDENTIALS_FULL_URI, uri.to_owned()),
        (None, None) => return Ok(None),
    };
    let refused = |reason: String| AwsError::Refused {
        service: "the container's credentials service",
        what: name.to_owned(),
        reason,
    };
    let url = Url::parse(&address).map_err(|error| refused(error.to_string()))?;
    let token = match settings.variable(env_vars::AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE) {
        Some(path) => Some(
            std::fs::read_to_string(path)
                .map_err(|source| AwsError::File {
                    path: path.into(),
                    source,
                })?
                .trim()
                .to_owned(),
        ),
        None => settings
            .variable(env_vars::AWS_CONTAINER_AUTHORIZATION_TOKEN)
            .map(str::to_owned),
    };
    let client = local_client(CONTAINER_TIMEOUT)?;
    let mut request = client.get(url);
    if let Some(token) = token {
        request = request.header("authorization", token);
    }
    let text = answer(request).await.map_err(refused)?;
    let keys: GivenKeys = serde_json::from_str(&text).map_err(|error| refused(error.to_string()))?;
    Ok(Some(keys.into_credentials("the container's role".to_owned())))
}

/// What the instance's metadata gives; the text says why there is nothing.
pub(super) async fn of_instance(settings: &AwsSettings) -> Result<Credentials, String> {
    if settings
        .variable(env_vars::AWS_EC2_METADATA_DISABLED)
        .is_some_and(|value| value.eq_ignore_ascii_case("true"))
    {
        return Err("the instance's metadata is switched off by AWS_EC2_METADATA_DISABLED".to_owned());
    }
    let host = settings
        .variable(env_vars::AWS_EC2_METADATA_SERVICE_ENDPOINT)
        .unwrap_or(INSTANCE_HOST)
        .trim_end_matches('/')
        .to_owned();
    let told = |reason: String| format!("the instance's metadata gives none ({reason})");
    let timeout = settings
        .variable(env_vars::AWS_METADATA_SERVICE_TIMEOUT)
        .and_then(|value| value.parse().ok())
        .map_or(INSTANCE_TIMEOUT, Duration::from_secs);
    let client = local_client(timeout).map_err(|error| told(error.to_string()))?;
    from_instance(&client, &host).await.map_err(told)
}

async fn from_instance(client: &Client, host: &str) -> Result<Credentials, String> {
    let request = client
        .request(Method::PUT, format!("{host}/latest/api/token"))
        .header("x-aws-ec2-metadata-token-ttl-seconds", "21600");
    let token = answer(request).await?;
    let get = async |path: String| {
        let request = client
            .get(format!("{host}{path}"))
            .header("x-aws-ec2-metadata-token", &token);
        answer(request).await
    };
    let roles = get(ROLES.to_owned()).await?;
    let role = roles.lines().next().unwrap_or_default().trim();
    if role.is_empty() {
        return Err("it has no role".to_owned());
    }
    let text = get(format!("{ROLES}{role}")).await?;
    let keys: GivenKeys = serde_json::from_str(&text).map_err(|_| {
        let code: serde_json::Value = serde_json::from_str(&text).unwrap_or_default();
        format!(
            "role '{role}': {}",
            code["Code"].as_str().unwrap_or("no keys in the answer")
        )
    })?;
    Ok(keys.into_credentials(format!("the instance's role '{role}'")))
}

async fn answer(request: reqwest::RequestBuilder) -> Result<String, String> {
    let answer = request
        .send()
        .await
        .map_err(|error| innermost(&error.without_url()))?;
    if !answer.status().is_success() {
        return Err(format!("it answered {}", answer.status()));
    }
    answer
        .text()
        .await
        .map_err(|error| innermost(&error.without_url()))
}
