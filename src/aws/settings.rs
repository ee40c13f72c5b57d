//! The settings of Amazon's services: from variables first, then from the profile in `~/.aws/credentials` and
//! `~/.aws/config`.

use std::io;
use std::path::PathBuf;

use super::error::AwsError;
use crate::env_vars;
use crate::http::Verification;
use crate::ini::IniFile;

/// The region where nothing names one.
const DEFAULT_REGION: &str = "us-east-1";

/// What the environment and the files say, read once. Some of it is secret, so it is no `Debug`.
pub struct AwsSettings {
    /// The variables that are set, by name.
    variables: Vec<(&'static str, String)>,
    credentials: IniFile,
    config: IniFile,
    /// The two files, for a person.
    pub(super) places: String,
    /// The profile's name, and whether someone asked for it.
    pub(super) profile: String,
    pub(super) is_profile_asked: bool,
}

/// A profile: what both files say of it, the credentials file first.
pub(super) struct Profile<'a> {
    pub(super) name: &'a str,
    settings: &'a AwsSettings,
}

impl AwsSettings {
    /// Reads the variables and the two files. A file that is missing is an empty one.
    ///
    /// # Errors
    /// A file that cannot be read.
    pub fn read(variable: &dyn Fn(&str) -> Option<String>) -> Result<Self, AwsError> {
        let home = PathBuf::from(variable(env_vars::HOME).unwrap_or_default());
        let read = |name: &str, file: &str| {
            let path = match variable(name) {
                Some(path) => match path.strip_prefix("~/") {
                    Some(rest) => home.join(rest),
                    None => PathBuf::from(path),
                },
                None => home.join(".aws").join(file),
            };
            match std::fs::read(&path) {
                Ok(bytes) => Ok((IniFile::parse(&String::from_utf8_lossy(&bytes)), path)),
                Err(error) if error.kind() == io::ErrorKind::NotFound => Ok((IniFile::default(), path)),
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

    /// The value of a variable that is set and not empty.
    pub fn variable(&self, name: &str) -> Option<&str> {
        let found = self.variables.iter().find(|(known, _)| *known == name);
        found.map(|(_, value)| value.as_str())
    }

    /// The heading of a section of the configuration file, such as `[sso-session "corp"]`.
    pub(super) fn heading(&self, kind: &str, name: &str) -> Option<&str> {
        let is_it = |heading: &&str| match shlex::split(heading).as_deref() {
            Some([first, rest @ ..]) => first == kind && rest.join(" ") == name,
            _ => false,
        };
        // `[default]` needs no word before it, and gives way to `[profile default]`.
        let is_plain = |heading: &&str| kind == "profile" && name == "default" && *heading == name;
        let mut names = self.config.names();
        names.find(is_it).or_else(|| self.config.names().find(is_plain))
    }

    /// A setting in a section of the configuration file.
    pub(super) fn configured(&self, kind: &str, name: &str, key: &str) -> Option<&str> {
        let value = self.config.value(self.heading(kind, name)?, key);
        value.map(without_comment)
    }

    /// The profile of this name, if one of the files has it.
    pub(super) fn profile_named<'a>(&'a self, name: &'a str) -> Option<Profile<'a>> {
        let is_there = self.credentials.section(name).is_some() || self.heading("profile", name).is_some();
        is_there.then_some(Profile { name, settings: self })
    }

    /// A setting of the profile.
    pub fn of_profile(&self, key: &str) -> Option<&str> {
        self.profile_named(&self.profile)?.get(key)
    }

    /// The region, where something names one.
    pub fn named_region(&self) -> Option<&str> {
        self.variable(env_vars::AWS_DEFAULT_REGION)
            .or_else(|| self.variable(env_vars::AWS_REGION))
            .or_else(|| self.of_profile("region"))
    }

    /// The region.
    pub fn region(&self) -> &str {
        self.named_region().unwrap_or(DEFAULT_REGION)
    }

    /// The address of a service (`s3`, `sts`, `sso`), if it is not Amazon's own: from the variable for the
    /// service, the one for all, the `services` section that the profile names, or the profile.
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

    /// What Amazon's servers are checked against.
    pub(crate) fn verification(&self) -> Verification {
        let variable = |name: &str| self.variable(name).map(str::to_owned);
        [env_vars::AWS_CA_BUNDLE, env_vars::REQUESTS_CA_BUNDLE]
            .into_iter()
            .find_map(|name| Verification::bundle(name, &variable))
            .unwrap_or(Verification::SystemRoots)
    }
}

impl<'a> Profile<'a> {
    /// A setting.
    pub(super) fn get(&self, key: &str) -> Option<&'a str> {
        let value = self.settings.credentials.value(self.name, key);
        value
            .map(without_comment)
            .or_else(|| self.settings.configured("profile", self.name, key))
    }

    /// The error for a profile that cannot be used as it is.
    pub(super) fn unusable(&self, reason: &str) -> AwsError {
        AwsError::new(format!(
            "the AWS profile '{}' cannot be used: {reason}",
            self.name
        ))
    }
}

/// Whether a setting says yes.
pub(super) fn is_true(value: Option<&str>) -> bool {
    value.is_some_and(|value| value.eq_ignore_ascii_case("true"))
}

/// A comment after a value begins with white space and a number sign or semicolon.
fn without_comment(value: &str) -> &str {
    let mut signs = value.match_indices(['#', ';']);
    let comment = signs.find(|(at, _)| value[..*at].ends_with(char::is_whitespace));
    comment.map_or(value, |(at, _)| value[..at].trim_end())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn variables_come_before_the_profile() {
        let home = tempfile::tempdir().unwrap();
        let path = home.path().to_str().unwrap();
        let credentials = "[default]\naws_secret_access_key=s=#1 # not mine\n[work]\nAWS_ACCESS_KEY_ID: B\n";
        let config = "[default]\nregion = no\n[profile default]\nregion = eu-west-1\nendpoint_url = http://all\n\
                      [profile 'work']\nregion = eu-north-1 ; far\ns3 =\n    endpoint_url = http://s3\n\
                      [profile lab two]\nservices = lab\nendpoint_url = http://all\n\
                      [services lab]\nsts =\n  endpoint_url = http://lab-sts\n\
                      [profile off]\nignore_configured_endpoint_urls = true\nendpoint_url = http://all\n";
        std::fs::write(home.path().join("keys"), credentials).unwrap();
        std::fs::write(home.path().join("config"), config).unwrap();
        let read = |variables: &[(&str, &str)]| {
            AwsSettings::read(&|name| match name {
                "HOME" => Some(path.to_owned()),
                "AWS_SHARED_CREDENTIALS_FILE" => Some("~/keys".to_owned()),
                "AWS_CONFIG_FILE" => Some(format!("{path}/config")),
                _ => {
                    let found = variables.iter().find(|(known, _)| *known == name);
                    found.map(|(_, value)| (*value).to_owned())
                }
            })
            .unwrap()
        };
        let work = ("AWS_PROFILE", "work");
        let all = ("AWS_ENDPOINT_URL", "http://variable");
        let own = ("AWS_ENDPOINT_URL_S3", "http://own");
        let regions = [("AWS_REGION", "r"), ("AWS_DEFAULT_REGION", "d")];
        let ignore = ("AWS_IGNORE_CONFIGURED_ENDPOINT_URLS", "true");
        for (variables, expected) in [
            (&[][..], "eu-west-1 http://all http://all"),
            (&[work], "eu-north-1 http://s3 -"),
            (&[work, regions[0]], "r http://s3 -"),
            (&regions, "d http://all http://all"),
            (&[all, own], "eu-west-1 http://own http://variable"),
            (&[all, own, ignore], "eu-west-1 - -"),
            (&[("AWS_PROFILE", "missing")], "us-east-1 - -"),
            (
                &[("AWS_PROFILE", "lab two")],
                "us-east-1 http://all http://lab-sts",
            ),
            (&[("AWS_PROFILE", "off"), all], "us-east-1 - -"),
        ] {
            let settings = read(variables);
            let endpoint = |service: &str| settings.endpoint_url(service).unwrap_or("-").to_owned();
            let shown = format!("{} {} {}", settings.region(), endpoint("s3"), endpoint("sts"));
            assert_eq!(shown, expected, "{variables:?}");
        }
        let settings = read(&[]);
        assert_eq!(settings.of_profile("aws_secret_access_key"), Some("s=#1"));
        assert_eq!(read(&[work]).of_profile("aws_access_key_id"), Some("B"));
        assert_eq!(settings.places, format!("{path}/keys or {path}/config"));
    }
}
