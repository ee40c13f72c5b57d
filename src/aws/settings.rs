//! The settings of Amazon's services: from variables first, then from the profile.

use std::fmt;

use super::error::AwsError;
use super::profiles::{Profile, Profiles};
use crate::env_vars;
use crate::http::Verification;

/// The region where nothing names one.
const DEFAULT_REGION: &str = "us-east-1";

/// What the environment and the files say, read once.
#[derive(Clone)]
pub struct AwsSettings {
    /// The variables that are set, by name.
    variables: Vec<(&'static str, String)>,
    pub(super) profiles: Profiles,
    /// The profile's name, and whether someone asked for it.
    pub(super) profile: String,
    pub(super) is_profile_asked: bool,
}

impl fmt::Debug for AwsSettings {
    /// Shows no values: some are secret.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("AwsSettings")
            .field("profile", &self.profile)
            .finish_non_exhaustive()
    }
}

impl AwsSettings {
    /// Reads the variables and the two files.
    ///
    /// # Errors
    /// A file that cannot be read.
    pub fn read(variable: &dyn Fn(&str) -> Option<String>) -> Result<Self, AwsError> {
        let profiles = Profiles::read(variable)?;
        let variables: Vec<(&'static str, String)> = env_vars::AWS_VARIABLES
            .into_iter()
            .filter_map(|name| variable(name).map(|value| (name, value)))
            .collect();
        let find = |name: &str| variables.iter().find(|(known, _)| *known == name);
        let asked = find(env_vars::AWS_DEFAULT_PROFILE)
            .or_else(|| find(env_vars::AWS_PROFILE))
            .map(|(_, value)| value.clone());
        Ok(Self {
            is_profile_asked: asked.is_some(),
            profile: asked.unwrap_or_else(|| "default".to_owned()),
            profiles,
            variables,
        })
    }

    /// The value of a variable that is set and not empty.
    pub fn variable(&self, name: &str) -> Option<&str> {
        self.variables
            .iter()
            .find(|(known, _)| *known == name)
            .map(|(_, value)| value.as_str())
    }

    /// The profile, where it exists.
    pub(super) fn profile(&self) -> Option<Profile<'_>> {
        self.profiles.get(&self.profile)
    }

    /// A setting of the profile.
    pub fn of_profile(&self, key: &str) -> Option<&str> {
        self.profile()?.get(key)
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

    /// Whether a variable says yes.
    pub(super) fn is_true(&self, name: &str) -> bool {
        self.variable(name)
            .is_some_and(|value| value.eq_ignore_ascii_case("true"))
    }

    /// The address of a service (`s3`, `sts`, `sso`), if it is not Amazon's own: from the variable for the
    /// service, the one for all, the `services` section that the profile names, or the profile.
    pub fn endpoint_url(&self, service: &str) -> Option<&str> {
        let ignored = self.of_profile("ignore_configured_endpoint_urls");
        if self.is_true(env_vars::AWS_IGNORE_CONFIGURED_ENDPOINT_URLS)
            || ignored.is_some_and(|value| value.eq_ignore_ascii_case("true"))
        {
            return None;
        }
        let own = format!("{}_{}", env_vars::AWS_ENDPOINT_URL, service.to_ascii_uppercase());
        let nested = format!("{service}.endpoint_url");
        let section = || {
            let name = self.of_profile("services")?;
            self.profiles.section("services", name)?.get(&nested)
        };
        self.variable(&own)
            .or_else(|| self.variable(env_vars::AWS_ENDPOINT_URL))
            .or_else(|| section().map(String::as_str))
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

#[cfg(test)]
mod tests {
    use super::*;

    fn settings(home: &tempfile::TempDir, variables: &[(&str, &str)]) -> AwsSettings {
        AwsSettings::read(&|name| {
            if name == "HOME" {
                return Some(home.path().to_str().unwrap().to_owned());
            }
            let found = variables.iter().find(|(known, _)| *known == name);
            found.map(|(_, value)| (*value).to_owned())
        })
        .unwrap()
    }

    #[test]
    fn variables_come_before_the_profile() {
        let home = tempfile::tempdir().unwrap();
        std::fs::create_dir(home.path().join(".aws")).unwrap();
        let config = "[default]\nregion = eu-west-1\nendpoint_url = http://all\n[profile work]\nregion = eu-north-1\n\
                      s3 =\n    endpoint_url = http://s3\n[profile site]\nservices = lab\nendpoint_url = http://all\n\
                      [services lab]\ns3 =\n  addressing_style = path\n  endpoint_url = http://lab\nsts =\n  endpoint_url = http://lab-sts\n\
                      [profile off]\nignore_configured_endpoint_urls = true\nendpoint_url = http://all\n";
        std::fs::write(home.path().join(".aws/config"), config).unwrap();
        let work = ("AWS_PROFILE", "work");
        let endpoint = ("AWS_ENDPOINT_URL", "http://variable");
        let own = ("AWS_ENDPOINT_URL_S3", "http://own");
        let ignore = ("AWS_IGNORE_CONFIGURED_ENDPOINT_URLS", "true");
        for (variables, region, s3, sts) in [
            (vec![], "eu-west-1", Some("http://all"), Some("http://all")),
            (vec![work], "eu-north-1", Some("http://s3"), None),
            (vec![work, ("AWS_REGION", "r")], "r", Some("http://s3"), None),
            (
                vec![("AWS_REGION", "r"), ("AWS_DEFAULT_REGION", "d")],
                "d",
                Some("http://all"),
                Some("http://all"),
            ),
            (
                vec![endpoint, own],
                "eu-west-1",
                Some("http://own"),
                Some("http://variable"),
            ),
            (vec![endpoint, own, ignore], "eu-west-1", None, None),
            (vec![("AWS_PROFILE", "missing")], "us-east-1", None, None),
            (
                vec![("AWS_PROFILE", "site")],
                "us-east-1",
                Some("http://lab"),
                Some("http://lab-sts"),
            ),
            (vec![("AWS_PROFILE", "off"), endpoint], "us-east-1", None, None),
        ] {
            let settings = settings(&home, &variables);
            assert_eq!(settings.region(), region, "{variables:?}");
            assert_eq!(settings.endpoint_url("s3"), s3, "{variables:?}");
            assert_eq!(settings.endpoint_url("sts"), sts, "{variables:?}");
        }
    }
}
