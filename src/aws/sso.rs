//! Keys for who has logged in with `aws sso login`.

use std::path::PathBuf;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use openssl::sha::sha1;
use reqwest::Url;
use reqwest::redirect::Policy;
use serde::Deserialize;

use super::Credentials;
use super::error::AwsError;
use super::profiles::Profile;
use super::settings::AwsSettings;
use super::sign::hex;
use crate::env_vars;
use crate::http::{client, innermost};
use crate::redact::Secret;
use crate::utc;

pub(super) const SERVICE: &str = "AWS single sign-on";

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct CachedToken {
    access_token: String,
    expires_at: String,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Answer {
    role_credentials: RoleKeys,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct RoleKeys {
    access_key_id: String,
    secret_access_key: String,
    session_token: String,
    /// In milliseconds since 1970.
    expiration: u64,
}

/// What a profile with `sso_account_id` gives; nothing for one without.
pub(super) async fn of_profile(
    settings: &AwsSettings,
    profile: Profile<'_>,
) -> Result<Option<Credentials>, AwsError> {
    let (Some(account), Some(role)) = (profile.get("sso_account_id"), profile.get("sso_role_name")) else {
        return Ok(None);
    };
    let unusable = |reason: String| AwsError::Unusable {
        what: format!("the AWS profile '{}'", profile.name),
        reason,
    };
    let session = profile.get("sso_session");
    if let Some(session) = session.filter(|session| !settings.profiles.has_sso_session(session)) {
        return Err(unusable(format!("there is no sso-session '{session}'")));
    }
    let setting = |key: &str| {
        session
            .and_then(|session| settings.profiles.sso_session(session, key))
            .or_else(|| profile.get(key))
    };
    let (Some(region), Some(start_url)) = (setting("sso_region"), setting("sso_start_url")) else {
        return Err(unusable("sso_region or sso_start_url is missing".to_owned()));
    };
    let refused = |reason: String| AwsError::Refused {
        service: SERVICE,
        what: format!("the AWS profile '{}'", profile.name),
        reason,
    };
    let token = cached_token(settings, session.unwrap_or(start_url)).map_err(refused)?;
    let address = settings.variable(env_vars::AWS_ENDPOINT_URL).map_or_else(
        || format!("https://portal.sso.{region}.amazonaws.com"),
        str::to_owned,
    );
    let mut url = Url::parse(&address).map_err(|error| refused(error.to_string()))?;
    url.set_path("/federation/credentials");
    url.query_pairs_mut()
        .append_pair("role_name", role)
        .append_pair("account_id", account);
    let verification = settings.verification();
    let client = client((url.scheme() == "https").then_some(&verification), Policy::none())?;
    let broken = |error: reqwest::Error| refused(innermost(&error.without_url()));
    let request = client.get(url).header("x-amz-sso_bearer_token", token.expose());
    let answer = request.send().await.map_err(broken)?;
    let status = answer.status();
    let text = answer.text().await.map_err(broken)?;
    if !status.is_success() {
        let said: serde_json::Value = serde_json::from_str(&text).unwrap_or_default();
        let message = said["message"].as_str().map(|message| format!(": {message}"));
        return Err(refused(format!(
            "it answered {status}{}",
            message.unwrap_or_default()
        )));
    }
    let answer: Answer =
        serde_json::from_str(&text).map_err(|_| refused("its answer holds no keys".to_owned()))?;
    let keys = answer.role_credentials;
    Ok(Some(Credentials {
        access_key_id: keys.access_key_id,
        secret_access_key: Secret::new(keys.secret_access_key),
        session_token: Some(Secret::new(keys.session_token)),
        expires: Some(UNIX_EPOCH + Duration::from_millis(keys.expiration)),
        source: format!("the single sign-on of the AWS profile '{}'", profile.name),
    }))
}

/// The token that `aws sso login` left for this session or start URL.
fn cached_token(settings: &AwsSettings, key: &str) -> Result<Secret, String> {
    let home = settings.variable(env_vars::HOME).unwrap_or_default();
    let file = PathBuf::from(home)
        .join(".aws/sso/cache")
        .join(format!("{}.json", hex(&sha1(key.as_bytes()))));
    let text = std::fs::read_to_string(&file).map_err(|_| "nobody has logged in".to_owned())?;
    let token: CachedToken =
        serde_json::from_str(&text).map_err(|_| format!("'{}' holds no token", file.display()))?;
    match utc::parse_rfc3339(&token.expires_at) {
        Some(end) if end > SystemTime::now() => Ok(Secret::new(token.access_token)),
        _ => Err("the login has expired".to_owned()),
    }
}
