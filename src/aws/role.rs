//! Roles: keys that Amazon's security token service (STS) lends.

use std::time::{SystemTime, UNIX_EPOCH};

use form_urlencoded::Serializer;
use reqsign::aws::Credential;
use reqwest::Url;
use reqwest::header::CONTENT_TYPE;
use reqwest::redirect::Policy;

use super::settings::AwsSettings;
use super::sign::{Credentials, Payload};
use super::{AwsError, element, refusal, regional_address};
use crate::http::{READ_TIMEOUT, client, innermost};

/// A role that somebody shall have.
#[derive(Default)]
pub(super) struct Role<'a> {
    pub(super) arn: &'a str,
    pub(super) session_name: Option<&'a str>,
    pub(super) external_id: Option<&'a str>,
    /// In seconds.
    pub(super) duration: Option<&'a str>,
    /// The file with the identity provider's token of who asks, if it is not somebody with keys.
    pub(super) token_file: Option<&'a str>,
}

impl Role<'_> {
    /// Asks for the role's keys, with those of who asks.
    pub(super) async fn assume(
        &self,
        settings: &AwsSettings,
        asker: Option<&Credentials>,
    ) -> Result<Credentials, AwsError> {
        let role = format!("the role '{}'", self.arn);
        let refused = |reason: &str| {
            let service = "Amazon's security token service (STS)";
            AwsError::new(format!("{service} gave no credentials for {role}: {reason}"))
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
            let reason = refusal(&text).unwrap_or_else(|| format!("it answered {status}"));
            return Err(refused(&reason));
        }
        let part = |name: &str| element(&text, name).ok_or_else(|| refused("its answer holds no keys"));
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
