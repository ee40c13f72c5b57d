//! Roles: keys that Amazon's security token service (STS) lends.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use percent_encoding::utf8_percent_encode;
use quick_xml::de::from_str;
use reqwest::header::{CONTENT_TYPE, HeaderMap, HeaderValue};
use reqwest::redirect::Policy;
use reqwest::{Method, Url};
use serde::Deserialize;

use super::Credentials;
use super::error::AwsError;
use super::settings::AwsSettings;
use super::sign::{Payload, Signing, UNRESERVED};
use crate::http::{client, innermost};
use crate::redact::Secret;
use crate::utc;

const SERVICE: &str = "Amazon's security token service (STS)";

/// A role that somebody shall have.
#[derive(Debug, Clone)]
pub(super) struct Role<'a> {
    pub(super) arn: &'a str,
    pub(super) session_name: Option<&'a str>,
    pub(super) external_id: Option<&'a str>,
    /// In seconds.
    pub(super) duration: Option<&'a str>,
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
struct Refusal {
    #[serde(rename = "Error")]
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
    /// The role for who has these credentials.
    pub(super) async fn assume(
        &self,
        settings: &AwsSettings,
        credentials: &Credentials,
    ) -> Result<Credentials, AwsError> {
        self.ask(settings, &self.form("AssumeRole", None), Some(credentials))
            .await
    }

    /// The role for who has this token of an identity provider.
    pub(super) async fn assume_with_token(
        &self,
        settings: &AwsSettings,
        token: &Secret,
    ) -> Result<Credentials, AwsError> {
        let form = self.form("AssumeRoleWithWebIdentity", Some(token));
        self.ask(settings, &form, None).await
    }

    fn form(&self, action: &str, token: Option<&Secret>) -> String {
        let since_epoch = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        let session = self.session_name.map_or_else(
            || format!("mlrun-session-{}", since_epoch.as_secs()),
            str::to_owned,
        );
        let pairs = [
            ("Action", Some(action)),
            ("Version", Some("2011-06-15")),
            ("RoleArn", Some(self.arn)),
            ("RoleSessionName", Some(session.as_str())),
            ("ExternalId", self.external_id),
            ("DurationSeconds", self.duration),
            ("WebIdentityToken", token.map(Secret::expose)),
        ];
        let pairs: Vec<String> = pairs
            .into_iter()
            .filter_map(|(name, value)| {
                value.map(|value| format!("{name}={}", utf8_percent_encode(value, UNRESERVED)))
            })
            .collect();
        pairs.join("&")
    }

    async fn ask(
        &self,
        settings: &AwsSettings,
        form: &str,
        credentials: Option<&Credentials>,
    ) -> Result<Credentials, AwsError> {
        let refused = |reason: String| AwsError::Refused {
            service: SERVICE,
            what: format!("the role '{}'", self.arn),
            reason,
        };
        let region = settings.region();
        let address = settings
            .endpoint_url("sts")
            .map_or_else(|| endpoint(settings.named_region()), str::to_owned);
        let url = Url::parse(&address).map_err(|error| refused(format!("'{address}': {error}")))?;
        let mut headers = HeaderMap::new();
        headers.insert(
            CONTENT_TYPE,
            HeaderValue::from_static("application/x-www-form-urlencoded"),
        );
        if let Some(credentials) = credentials {
            let signing = Signing {
                credentials,
                region,
                service: "sts",
                time: SystemTime::now(),
            };
            signing.sign(&Method::POST, &url, &mut headers, Payload::Bytes(form.as_bytes()))?;
        }
        let verification = settings.verification();
        let client = client((url.scheme() == "https").then_some(&verification), Policy::none())?;
        let request = client
            .post(url)
            .headers(headers)
            .timeout(Duration::from_secs(60))
            .body(form.to_owned());
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
        Ok(Credentials {
            access_key_id: keys.access_key_id,
            secret_access_key: Secret::new(keys.secret_access_key),
            session_token: Some(Secret::new(keys.session_token)),
            expires: utc::parse_rfc3339(&keys.expiration),
            source: format!("the role '{}'", self.arn),
        })
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
