//! Where credentials are looked for, one place after the other.

use std::sync::Arc;

use reqsign::aws::Credential;
use serde::Deserialize;
use tokio::sync::Mutex;

use super::error::AwsError;
use super::profiles::Profile;
use super::role::{Asker, Role};
use super::services;
use super::settings::AwsSettings;
use super::sign::Credentials;
use crate::env_vars;
use crate::process::ProgramCall;
use crate::redact::Secret;

/// More roles in a row than anybody has; a row that is longer leads back to itself.
const MOST_ROLES: usize = 8;

/// Finds credentials, keeps them, and finds new ones when they end.
#[derive(Debug, Clone)]
pub struct CredentialsProvider {
    settings: Arc<AwsSettings>,
    found: Arc<Mutex<Option<Credentials>>>,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct ProcessAnswer {
    version: u64,
    access_key_id: String,
    secret_access_key: String,
    session_token: Option<String>,
    expiration: Option<String>,
}

impl CredentialsProvider {
    /// Looks for credentials where these settings say.
    pub fn new(settings: AwsSettings) -> Self {
        Self {
            settings: Arc::new(settings),
            found: Arc::default(),
        }
    }

    /// The settings that say where to look.
    pub fn settings(&self) -> &AwsSettings {
        &self.settings
    }

    /// Credentials that are still good for a while.
    ///
    /// # Errors
    /// No place has any, or one that was asked for cannot be used.
    pub async fn credentials(&self) -> Result<Credentials, AwsError> {
        let mut found = self.found.lock().await;
        if let Some(credentials) = found.as_ref().filter(|credentials| credentials.are_fresh()) {
            return Ok(credentials.clone());
        }
        let credentials = self.settings.find_credentials().await?;
        *found = Some(credentials.clone());
        Ok(credentials)
    }
}

impl AwsSettings {
    async fn find_credentials(&self) -> Result<Credentials, AwsError> {
        let mut tried = Vec::new();
        match self.keys_of_variables() {
            Ok(credentials) => return Ok(credentials),
            Err(reason) => tried.push(reason),
        }
        let profile = self.profile();
        // Only a profile with a role comes before the identity that variables name.
        let has_role = profile
            .as_ref()
            .is_some_and(|profile| profile.get("role_arn").is_some());
        if !has_role && let Some(credentials) = self.role_of_variables().await? {
            return Ok(credentials);
        }
        match profile {
            Some(profile) => {
                if let Some(credentials) = self.of_profile_named(&profile, MOST_ROLES).await? {
                    return Ok(credentials);
                }
                tried.push(format!("the profile '{}' has none", self.profile));
            }
            None if self.is_profile_asked => {
                return Err(AwsError::NoProfile {
                    profile: self.profile.clone(),
                    places: self.profiles.places(),
                });
            }
            None => tried.push(format!("there is no profile in {}", self.profiles.places())),
        }
        tried.push(format!("{} is not set", env_vars::AWS_WEB_IDENTITY_TOKEN_FILE));
        if let Some(credentials) = services::of_container(self).await? {
            return Ok(credentials);
        }
        match services::of_instance(self).await {
            Ok(credentials) => return Ok(credentials),
            Err(reason) => tried.push(reason),
        }
        Err(AwsError::NotFound { tried })
    }

    /// The keys in the variables; the text says why there are none.
    fn keys_of_variables(&self) -> Result<Credentials, String> {
        let (id, secret) = (env_vars::AWS_ACCESS_KEY_ID, env_vars::AWS_SECRET_ACCESS_KEY);
        let Some(access_key_id) = self.variable(id) else {
            return Err(format!("{id} is not set"));
        };
        let Some(secret_access_key) = self.variable(secret) else {
            return Err(format!("{secret} is not set beside {id}"));
        };
        let token = self
            .variable(env_vars::AWS_SESSION_TOKEN)
            .or_else(|| self.variable(env_vars::AWS_SECURITY_TOKEN));
        Ok(keys(access_key_id, secret_access_key, token, id.to_owned()))
    }

    async fn role_of_variables(&self) -> Result<Option<Credentials>, AwsError> {
        let (Some(file), Some(arn)) = (
            self.variable(env_vars::AWS_WEB_IDENTITY_TOKEN_FILE),
            self.variable(env_vars::AWS_ROLE_ARN),
        ) else {
            return Ok(None);
        };
        let role = Role {
            arn,
            session_name: self.variable(env_vars::AWS_ROLE_SESSION_NAME),
            external_id: None,
            duration: None,
        };
        self.with_token_file(&role, file).await.map(Some)
    }

    async fn with_token_file(&self, role: &Role<'_>, file: &str) -> Result<Credentials, AwsError> {
        let token = std::fs::read_to_string(file).map_err(|source| AwsError::File {
            path: file.into(),
            source,
        })?;
        role.assume(self, Asker::Token(token.trim())).await
    }

    /// What a profile gives: a role, single sign-on, keys, or a program's answer.
    async fn of_profile_named(
        &self,
        profile: &Profile<'_>,
        roles_left: usize,
    ) -> Result<Option<Credentials>, AwsError> {
        if let Some(arn) = profile.get("role_arn") {
            return self.role_of_profile(profile, arn, roles_left).await.map(Some);
        }
        if let Some(credentials) = services::of_sign_on(self, profile).await? {
            return Ok(Some(credentials));
        }
        if let Some(credentials) = keys_of_profile(profile) {
            return Ok(Some(credentials));
        }
        match profile.get("credential_process") {
            Some(command) => from_process(profile, command).await.map(Some),
            None => Ok(None),
        }
    }

    async fn role_of_profile(
        &self,
        profile: &Profile<'_>,
        arn: &str,
        roles_left: usize,
    ) -> Result<Credentials, AwsError> {
        let unusable = |reason: &str| profile.unusable(reason.to_owned());
        let role = Role {
            arn,
            session_name: profile.get("role_session_name"),
            external_id: profile.get("external_id"),
            duration: profile.get("duration_seconds"),
        };
        if let Some(file) = profile.get("web_identity_token_file") {
            return self.with_token_file(&role, file).await;
        }
        if profile.get("mfa_serial").is_some() {
            return Err(unusable(
                "its role asks for a one-time code; get keys with `aws sts get-session-token` \
                 and set them as variables",
            ));
        }
        let credentials = match (profile.get("source_profile"), profile.get("credential_source")) {
            // A role may lie upon the keys of its own profile.
            (Some(name), _) if name == profile.name => keys_of_profile(profile),
            (Some(name), _) => {
                let Some(source) = self.profiles.get(name) else {
                    return Err(unusable(&format!("there is no source_profile '{name}'")));
                };
                if roles_left == 0 {
                    return Err(unusable("its source_profile leads back to itself"));
                }
                Box::pin(self.of_profile_named(&source, roles_left - 1)).await?
            }
            (None, Some("Environment")) => {
                Some(self.keys_of_variables().map_err(|reason| unusable(&reason))?)
            }
            (None, Some("Ec2InstanceMetadata")) => Some(
                services::of_instance(self)
                    .await
                    .map_err(|reason| unusable(&reason))?,
            ),
            (None, Some("EcsContainer")) => services::of_container(self).await?,
            (None, Some(other)) => {
                return Err(unusable(&format!("credential_source '{other}' is unknown")));
            }
            (None, None) => {
                return Err(unusable(
                    "it has a role_arn without source_profile, credential_source or web_identity_token_file",
                ));
            }
        };
        let credentials = credentials.ok_or_else(|| unusable("what its role is asked with has no keys"))?;
        role.assume(self, Asker::Keys(&credentials)).await
    }
}

fn keys(id: &str, secret: &str, token: Option<&str>, source: String) -> Credentials {
    Credentials {
        access_key_id: id.to_owned(),
        secret_access_key: Secret::new(secret),
        session_token: token.map(Secret::new),
        expires: None,
        source,
    }
}

fn keys_of_profile(profile: &Profile<'_>) -> Option<Credentials> {
    let token = profile
        .get("aws_session_token")
        .or_else(|| profile.get("aws_security_token"));
    Some(keys(
        profile.get("aws_access_key_id")?,
        profile.get("aws_secret_access_key")?,
        token,
        format!("the AWS profile '{}'", profile.name),
    ))
}

/// Runs the program of a profile, which is no shell command, and reads the keys that it writes.
async fn from_process(profile: &Profile<'_>, command: &str) -> Result<Credentials, AwsError> {
    let what = format!("the credential_process of the AWS profile '{}'", profile.name);
    let unusable = |reason: String| AwsError::Unusable {
        what: what.clone(),
        reason,
    };
    let words = shlex::split(command).filter(|words| !words.is_empty());
    let words = words.ok_or_else(|| unusable("it is not a valid command".to_owned()))?;
    let call = ProgramCall::new(&words[0]).arguments(&words[1..]);
    let captured = call.capture().await.map_err(|source| AwsError::Process {
        profile: profile.name.to_owned(),
        source,
    })?;
    let answer: ProcessAnswer = serde_json::from_str(&captured.text())
        .map_err(|_| unusable("its output is not a JSON object with keys".to_owned()))?;
    if answer.version != 1 {
        return Err(unusable(format!(
            "it answers in version {} instead of 1",
            answer.version
        )));
    }
    let token = answer.session_token.filter(|token| !token.is_empty());
    let keys = Credential {
        access_key_id: answer.access_key_id,
        secret_access_key: answer.secret_access_key,
        session_token: token,
        expires_in: answer.expiration.and_then(|text| text.parse().ok()),
    };
    Ok(Credentials::found(keys, what.clone()))
}
