//! The search for credentials, one place after another.

use std::sync::Arc;

use reqsign::time::Timestamp;
use serde_json::Value;
use tokio::sync::Mutex;

use super::services::{self, Role};
use super::settings::AwsSettings;
use super::sign::Credentials;
use super::{AwsError, Result};
use crate::env_vars;
use crate::process::ProgramCall;
use crate::redact::Secret;

/// The limit for chained roles; a longer chain is probably a loop.
const MOST_ROLES: usize = 8;

/// Finds credentials, caches them, and finds new ones when they expire.
#[derive(Clone)]
pub(crate) struct CredentialsProvider {
    settings: Arc<AwsSettings>,
    found: Arc<Mutex<Option<Credentials>>>,
}

impl CredentialsProvider {
    pub(crate) fn new(settings: AwsSettings) -> Self {
        Self {
            settings: Arc::new(settings),
            found: Arc::default(),
        }
    }

    pub(crate) fn settings(&self) -> &AwsSettings {
        &self.settings
    }

    /// Credentials that do not expire soon.
    pub(crate) async fn credentials(&self) -> Result<Credentials> {
        let mut found = self.found.lock().await;
        if let Some(credentials) = found.as_ref().filter(|credentials| credentials.are_fresh()) {
            return Ok(credentials.clone());
        }
        Ok(found.insert(self.settings.find_credentials().await?).clone())
    }
}

impl AwsSettings {
    async fn find_credentials(&self) -> Result<Credentials> {
        let mut tried = Vec::new();
        match self.keys_of_variables() {
            Ok(credentials) => return Ok(credentials),
            Err(reason) => tried.push(reason),
        }
        // Only a profile with a role has precedence over the web identity in the variables.
        if self.of_profile("role_arn").is_none()
            && let (token_file @ Some(_), Some(arn)) = (
                self.variable(env_vars::AWS_WEB_IDENTITY_TOKEN_FILE),
                self.variable(env_vars::AWS_ROLE_ARN),
            )
        {
            let role = Role {
                arn,
                session_name: self.variable(env_vars::AWS_ROLE_SESSION_NAME),
                token_file,
                ..Role::default()
            };
            return role.assume(self, None).await;
        }
        let (profile, places) = (&self.profile, &self.places);
        if self.has_profile(profile) {
            if let Some(credentials) = self.of_profile_named(profile, MOST_ROLES).await? {
                return Ok(credentials);
            }
            tried.push(format!("the profile '{profile}' has no credentials"));
        } else if self.is_profile_asked {
            return Err(AwsError::with_hint(
                format!("no AWS profile '{profile}' in {places}"),
                "set AWS_PROFILE to another profile, or create this one with `aws configure --profile NAME`",
            ));
        } else {
            tried.push(format!("no default profile in {places}"));
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

    /// The keys in the variables; the error says why there are none.
    fn keys_of_variables(&self) -> Result<Credentials, String> {
        let (id, secret) = (env_vars::AWS_ACCESS_KEY_ID, env_vars::AWS_SECRET_ACCESS_KEY);
        let access_key_id = self.variable(id).ok_or_else(|| format!("{id} is not set"))?;
        let secret_access_key = self.variable(secret);
        let secret_access_key =
            secret_access_key.ok_or_else(|| format!("{id} is set, but {secret} is not"))?;
        let token = self
            .variable(env_vars::AWS_SESSION_TOKEN)
            .or_else(|| self.variable(env_vars::AWS_SECURITY_TOKEN));
        Ok(keys(access_key_id, secret_access_key, token, id.to_owned()))
    }

    /// The credentials of a profile: by a role, single sign-on, keys, or a program.
    async fn of_profile_named(&self, profile: &str, roles_left: usize) -> Result<Option<Credentials>> {
        if let Some(arn) = self.setting(profile, "role_arn") {
            return self.role_of_profile(profile, arn, roles_left).await.map(Some);
        }
        if let Some(credentials) = services::of_sign_on(self, profile).await? {
            return Ok(Some(credentials));
        }
        if let Some(credentials) = self.keys_of_profile(profile) {
            return Ok(Some(credentials));
        }
        match self.setting(profile, "credential_process") {
            Some(command) => from_process(profile, command).await.map(Some),
            None => Ok(None),
        }
    }

    async fn role_of_profile(&self, profile: &str, arn: &str, roles_left: usize) -> Result<Credentials> {
        let get = |key: &str| self.setting(profile, key);
        let unusable = |reason: &str| AwsError::of_profile(profile, reason);
        let role = Role {
            arn,
            session_name: get("role_session_name"),
            external_id: get("external_id"),
            duration: get("duration_seconds"),
            token_file: get("web_identity_token_file"),
        };
        if role.token_file.is_some() {
            return role.assume(self, None).await;
        }
        if get("mfa_serial").is_some() {
            return Err(unusable(
                "its role requires a one-time code (mfa_serial); get keys with `aws sts get-session-token` \
                and set them in AWS_ACCESS_KEY_ID, AWS_SECRET_ACCESS_KEY and AWS_SESSION_TOKEN",
            ));
        }
        let asker = match (get("source_profile"), get("credential_source")) {
            // A role may use the keys of its own profile.
            (Some(name), _) if name == profile => self.keys_of_profile(profile),
            (Some(name), _) if !self.has_profile(name) => {
                return Err(unusable(&format!("its source_profile '{name}' does not exist")));
            }
            (Some(_), _) if roles_left == 0 => {
                return Err(unusable("its source_profile refers back to itself"));
            }
            (Some(name), _) => Box::pin(self.of_profile_named(name, roles_left - 1)).await?,
            (None, Some("EcsContainer")) => services::of_container(self).await?,
            (None, Some("Environment")) => Some(self.keys_of_variables().map_err(|why| unusable(&why))?),
            (None, Some("Ec2InstanceMetadata")) => {
                let found = services::of_instance(self).await;
                Some(found.map_err(|why| unusable(&why))?)
            }
            (None, Some(source)) => {
                return Err(unusable(&format!("unknown credential_source '{source}'")));
            }
            (None, None) => {
                return Err(unusable(
                    "it has a role_arn, but no source_profile, credential_source or web_identity_token_file",
                ));
            }
        };
        let asker = asker.ok_or_else(|| unusable("no credentials found for assuming its role"))?;
        role.assume(self, Some(&asker)).await
    }

    fn keys_of_profile(&self, profile: &str) -> Option<Credentials> {
        let get = |key: &str| self.setting(profile, key);
        Some(keys(
            get("aws_access_key_id")?,
            get("aws_secret_access_key")?,
            get("aws_session_token").or_else(|| get("aws_security_token")),
            format!("the AWS profile '{profile}'"),
        ))
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

/// Runs a profile's `credential_process`, which is not a shell command, and reads the keys in its output.
async fn from_process(profile: &str, command: &str) -> Result<Credentials> {
    let what = format!("the credential_process of the AWS profile '{profile}'");
    let unusable = |reason: &str| AwsError::new(format!("{what} cannot be used: {reason}"));
    let words = shlex::split(command).filter(|words| !words.is_empty());
    let words = words.ok_or_else(|| unusable("not a valid command"))?;
    let captured = ProgramCall::new(&words[0]).arguments(&words[1..]).capture().await;
    let captured = captured.map_err(|error| AwsError::caused(format!("{what} failed"), error))?;
    let answer: Value = serde_json::from_slice(&captured.stdout).unwrap_or_default();
    let part = |name: &str| answer[name].as_str().filter(|text| !text.is_empty());
    let (Some(version), Some(id), Some(secret)) = (
        answer["Version"].as_u64(),
        part("AccessKeyId"),
        part("SecretAccessKey"),
    ) else {
        return Err(unusable("its output is not a JSON object with credentials"));
    };
    if version != 1 {
        return Err(unusable(&format!(
            "its output has Version {version} instead of 1"
        )));
    }
    let expires = part("Expiration").and_then(|text| text.parse().ok());
    Ok(Credentials {
        expires: expires.map(Timestamp::as_system_time),
        ..keys(id, secret, part("SessionToken"), what)
    })
}
