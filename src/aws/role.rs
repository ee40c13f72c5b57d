//! Roles: keys that Amazon's security token service (STS) lends.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use form_urlencoded::Serializer;
use quick_xml::de::from_str;
use reqsign::aws::Credential;
use reqwest::header::{CONTENT_TYPE, HeaderMap, HeaderValue};
use reqwest::redirect::Policy;
use reqwest::{Method, Url};
use serde::Deserialize;

use super::error::AwsError;
use super::settings::AwsSettings;
use super::sign::{Credentials, Payload};
use crate::http::{client, innermost};

const TIMEOUT: Duration = Duration::from_secs(60);

/// A role that somebody shall have.
pub(super) struct Role<'a> {
    pub(super) arn: &'a str,
    pub(super) session_name: Option<&'a str>,
    pub(super) external_id: Option<&'a str>,
    /// In seconds.
    pub(super) duration: Option<&'a str>,
}

/// Who asks for a role.
pub(super) enum Asker<'a> {
    /// Who has these keys.
    Keys(&'a Credentials),
    /// Who has this token of an identity provider.
    Token(&'a str),
}

#[derive(Deserialize)]
struct Answer {
    #[serde(rename = "AssumeRoleResult", alias = "AssumeRoleWithWebIdentityResult")]
    result: AnswerResult,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct AnswerResult {
    credentials: AnswerKeys,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct AnswerKeys {
    access_key_id: String,
    secret_access_key: String,
    session_token: String,
    expiration: String,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Refusal {
    error: RefusalReason,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct RefusalReason {
    code: String,
    #[serde(default)]
    message: String,
}

impl Role<'_> {
    /// Asks for the role's keys.
    pub(super) async fn assume(
        &self,
        settings: &AwsSettings,
        asker: Asker<'_>,
    ) -> Result<Credentials, AwsError> {
        let refused = |reason: String| AwsError::Refused {
            service: "Amazon's security token service (STS)",
            what: format!("the role '{}'", self.arn),
            reason,
        };
        let form = self.form(&asker);
        let address = settings
            .endpoint_url("sts")
            .map_or_else(|| endpoint(settings.named_region()), str::to_owned);
        let url = Url::parse(&address).map_err(|error| refused(format!("'{address}': {error}")))?;
        let mut headers = HeaderMap::new();
        headers.insert(
            CONTENT_TYPE,
            HeaderValue::from_static("application/x-www-form-urlencoded"),
        );
        if let Asker::Keys(credentials) = asker {
            let payload = Payload::Bytes(form.as_bytes());
            let service = ("sts", settings.region());
            credentials
                .sign(service, &Method::POST, &url, &mut headers, payload)
                .await?;
        }
        let verification = settings.verification();
        let client = client((url.scheme() == "https").then_some(&verification), Policy::none())?;
        let request = client.post(url).headers(headers).timeout(TIMEOUT).body(form);
        let broken = |error: reqwest::Error| refused(innermost(&error.without_url()));
        let answer = request.send().await.map_err(broken)?;
        let status = answer.status();
        let text = answer.text().await.map_err(broken)?;
        if !status.is_success() {
            let reason = from_str::<Refusal>(&text).map_or_else(
                |_| format!("it answered {status}"),
                |refusal| format!("{}: {}", refusal.error.code, refusal.error.message),
            );
            return Err(refused(reason));
        }
        let answer: Answer = from_str(&text).map_err(|_| refused("its answer holds no keys".to_owned()))?;
        let keys = answer.result.credentials;
        let keys = Credential {
            access_key_id: keys.access_key_id,
            secret_access_key: keys.secret_access_key,
            session_token: Some(keys.session_token),
            expires_in: keys.expiration.parse().ok(),
        };
        Ok(Credentials::found(keys, format!("the role '{}'", self.arn)))
    }

    fn form(&self, asker: &Asker<'_>) -> String {
        let since_epoch = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        let default_name = format!("mlrun-session-{}", since_epoch.as_secs());
        let (action, token) = match asker {
            Asker::Keys(_) => ("AssumeRole", None),
            Asker::Token(token) => ("AssumeRoleWithWebIdentity", Some(*token)),
        };
        let pairs = [
            ("Action", Some(action)),
            ("Version", Some("2011-06-15")),
            ("RoleArn", Some(self.arn)),
            (
                "RoleSessionName",
                Some(self.session_name.unwrap_or(&default_name)),
            ),
            ("ExternalId", self.external_id),
            ("DurationSeconds", self.duration),
            ("WebIdentityToken", token),
        ];
        let pairs = pairs.into_iter().filter_map(|(name, value)| Some((name, value?)));
        Serializer::new(String::new()).extend_pairs(pairs).finish()
    }
}

/// The service of a region, which is in a domain of its own in China.
fn endpoint(region: Option<&str>) -> String {
    match region {
        None | Some("aws-global") => "https://sts.amazonaws.com/".to_owned(),
        Some(region) if region.starts_with("cn-") => format!("https://sts.{region}.amazonaws.com.cn/"),
        Some(region) => format!("https://sts.{region}.amazonaws.com/"),
    }
}
