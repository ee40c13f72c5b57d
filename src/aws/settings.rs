//! The settings for Amazon's services, from variables, then from the profile in `~/.aws/credentials` and
//! `~/.aws/config`.

use std::collections::HashMap;
use std::path::PathBuf;

use super::{AwsError, Result};
use crate::env_vars;
use crate::http::Verification;
use crate::ini::IniFile;
use crate::python_paths::expand_user;

/// The region if none is configured.
const DEFAULT_REGION: &str = "us-east-1";

/// The settings of the environment and the files. Not `Debug`, because some are secret.
pub struct AwsSettings {
    variables: HashMap<&'static str, String>,
    credentials: IniFile,
    config: IniFile,
    /// The two files, for messages.
    pub(super) places: String,
    /// The profile's name, and whether a variable chose it.
    pub(super) profile: String,
    pub(super) is_profile_asked: bool,
}

impl AwsSettings {
    /// Reads the variables and the two files. A missing file counts as empty.
    pub fn read(variable: &dyn Fn(&str) -> Option<String>) -> Result<Self> {
        let home = PathBuf::from(variable(env_vars::HOME).unwrap_or_default());
        let read = |name: &str, file: &str| {
            let path = match variable(name) {
                Some(path) => expand_user(&path, &home),
                None => home.join(".aws").join(file),
            };
            match IniFile::read(&path) {
                Ok(file) => Ok((file.unwrap_or_default(), path)),
                Err(error) => Err(AwsError::unreadable(&path, error)),
            }
        };
        let (credentials, credentials_path) = read(env_vars::AWS_SHARED_CREDENTIALS_FILE, "credentials")?;
        let (config, config_path) = read(env_vars::AWS_CONFIG_FILE, "config")?;
        let asked = variable(env_vars::AWS_DEFAULT_PROFILE).or_else(|| variable(env_vars::AWS_PROFILE));
        Ok(Self {
            variables: env_vars::AWS_VARIABLES
                .into_iter()
                .filter_map(|name| Some((name, variable(name)?)))
                .collect(),
            credentials,
            config,
            places: format!("{} or {}", credentials_path.display(), config_path.display()),
            is_profile_asked: asked.is_some(),
            profile: asked.unwrap_or_else(|| "default".to_owned()),
        })
    }

    /// The value of a variable, if it is set and not empty.
    pub fn variable(&self, name: &str) -> Option<&str> {
        self.variables.get(name).map(String::as_str)
    }

    /// The heading of a section of the configuration file, such as `[sso-session "corp"]`.
    pub(super) fn heading(&self, kind: &str, name: &str) -> Option<&str> {
        let is_it = |heading: &&str| match shlex::split(heading).as_deref() {
            Some([first, rest @ ..]) => first == kind && rest.join(" ") == name,
            _ => false,
        };
        // `[default]` may omit the word, and `[profile default]` has precedence.
        let is_plain = |heading: &&str| kind == "profile" && name == "default" && *heading == name;
        let mut names = self.config.names();
        names.find(is_it).or_else(|| self.config.names().find(is_plain))
    }

    pub(super) fn configured(&self, kind: &str, name: &str, key: &str) -> Option<&str> {
        let value = self.config.value(self.heading(kind, name)?, key);
        value.map(without_comment)
    }

    pub(super) fn has_profile(&self, name: &str) -> bool {
        self.credentials.section(name).is_some() || self.heading("profile", name).is_some()
    }

    /// A setting of this profile; the credentials file has precedence.
    pub(super) fn setting(&self, profile: &str, key: &str) -> Option<&str> {
        let value = self.credentials.value(profile, key).map(without_comment);
        value.or_else(|| self.configured("profile", profile, key))
    }

    /// A setting of the chosen profile.
    pub fn of_profile(&self, key: &str) -> Option<&str> {
        self.setting(&self.profile, key)
    }

    /// The region, if one is configured.
    pub fn named_region(&self) -> Option<&str> {
        self.variable(env_vars::AWS_DEFAULT_REGION)
            .or_else(|| self.variable(env_vars::AWS_REGION))
            .or_else(|| self.of_profile("region"))
    }

    /// The region, or the default one.
    pub fn region(&self) -> &str {
        self.named_region().unwrap_or(DEFAULT_REGION)
    }

    /// A configured address of a service (`s3`, `sts`, `sso`): from the service's variable, the variable for all
    /// services, the profile's `services` section, or the profile.
    pub fn endpoint_url(&self, service: &str) -> Option<&str> {
        let ignored = self.of_profile("ignore_configured_endpoint_urls");
        if is_true(self.variable(env_vars::AWS_IGNORE_CONFIGURED_ENDPOINT_URLS)) || is_true(ignored) {
            return None;
        }
        let own = format!("{}_{}", env_vars::AWS_ENDPOINT_URL, service.to_ascii_uppercase());
        let nested = format!("{service}.endpoint_url");
        self.variable(&own)
            .or_else(|| self.variable(env_vars::AWS_ENDPOINT_URL))
            .or_else(|| self.configured("services", self.of_profile("services")?, &nested))
            .or_else(|| self.of_profile(&nested))
            .or_else(|| self.of_profile("endpoint_url"))
    }

    pub(crate) fn verification(&self) -> Verification {
        let variable = |name: &str| self.variable(name).map(str::to_owned);
        Verification::of_first([env_vars::AWS_CA_BUNDLE, env_vars::REQUESTS_CA_BUNDLE], &variable)
    }
}

pub(super) fn is_true(value: Option<&str>) -> bool {
    value.is_some_and(|value| value.eq_ignore_ascii_case("true"))
}

/// Removes a comment, which begins with white space and `#` or `;`.
fn without_comment(value: &str) -> &str {
    let mut signs = value.match_indices(['#', ';']);
    let comment = signs.find(|(at, _)| value[..*at].ends_with(char::is_whitespace));
    comment.map_or(value, |(at, _)| value[..at].trim_end())
}
