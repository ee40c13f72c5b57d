//! The profiles of `~/.aws/credentials` and `~/.aws/config`, as Amazon's own tools read them.

use std::collections::HashMap;
use std::io;
use std::path::PathBuf;

use super::error::AwsError;
use crate::env_vars;

/// The settings below one heading.
pub(super) type Section = HashMap<String, String>;

/// What the two files hold. Their values may be secret, so it is no `Debug`.
#[derive(Default, Clone)]
pub(super) struct Profiles {
    /// The sections of the credentials file.
    credentials: HashMap<String, Section>,
    /// Those of the configuration file, by their kind and name.
    config: HashMap<(String, String), Section>,
    credentials_file: PathBuf,
    config_file: PathBuf,
}

/// A profile: what both files say of it. The values may be secret, so it is no `Debug`.
pub(super) struct Profile<'a> {
    pub(super) name: &'a str,
    /// That of the credentials file comes first.
    sections: Vec<&'a Section>,
}

impl Profiles {
    /// Reads the files that `AWS_SHARED_CREDENTIALS_FILE` and `AWS_CONFIG_FILE` name, or those in
    /// `~/.aws`. A file that is missing is an empty one.
    ///
    /// # Errors
    /// A file that cannot be read.
    pub(super) fn read(variable: &dyn Fn(&str) -> Option<String>) -> Result<Self, AwsError> {
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
                Ok(bytes) => Ok((path, String::from_utf8_lossy(&bytes).into_owned())),
                Err(error) if error.kind() == io::ErrorKind::NotFound => Ok((path, String::new())),
                Err(source) => Err(AwsError::File { path, source }),
            }
        };
        let (credentials_file, credentials) = read(env_vars::AWS_SHARED_CREDENTIALS_FILE, "credentials")?;
        let (config_file, config) = read(env_vars::AWS_CONFIG_FILE, "config")?;
        Ok(Self {
            credentials_file,
            config_file,
            ..Self::parse(&credentials, &config)
        })
    }

    fn parse(credentials: &str, config: &str) -> Self {
        let mut profiles = Self {
            credentials: sections(credentials),
            ..Self::default()
        };
        for (heading, section) in sections(config) {
            match heading.split_once(char::is_whitespace) {
                Some((kind, name)) => {
                    let name = unquoted(name.trim()).to_owned();
                    profiles.config.insert((kind.to_owned(), name), section);
                }
                // `[default]` needs no word before it, and gives way to `[profile default]`.
                None if heading == "default" => {
                    let key = ("profile".to_owned(), heading);
                    profiles.config.entry(key).or_insert(section);
                }
                None => {}
            }
        }
        profiles
    }

    /// A section of the configuration file such as `[sso-session corp]`.
    pub(super) fn section(&self, kind: &str, name: &str) -> Option<&Section> {
        self.config.get(&(kind.to_owned(), name.to_owned()))
    }

    /// The profile of this name, if one of the files has it.
    pub(super) fn get<'a>(&'a self, name: &'a str) -> Option<Profile<'a>> {
        let sections = [self.credentials.get(name), self.section("profile", name)];
        let sections: Vec<&Section> = sections.into_iter().flatten().collect();
        (!sections.is_empty()).then_some(Profile { name, sections })
    }

    /// Where the profiles were looked for, for a person.
    pub(super) fn places(&self) -> String {
        format!(
            "{} or {}",
            self.credentials_file.display(),
            self.config_file.display()
        )
    }
}

impl<'a> Profile<'a> {
    /// A setting.
    pub(super) fn get(&self, key: &str) -> Option<&'a str> {
        let value = self.sections.iter().find_map(|section| section.get(key))?;
        Some(value.as_str()).filter(|value| !value.is_empty())
    }

    /// The error for a profile that cannot be used as it is.
    pub(super) fn unusable(&self, reason: String) -> AwsError {
        AwsError::Unusable {
            what: format!("the AWS profile '{}'", self.name),
            reason,
        }
    }
}

/// The sections of a file. Values that go on in indented lines, such as `s3 =`, are settings of their
/// own: `s3.endpoint_url`.
fn sections(text: &str) -> HashMap<String, Section> {
    let mut sections: HashMap<String, Section> = HashMap::new();
    let mut current: Option<String> = None;
    let mut parent = String::new();
    for line in text.trim_start_matches('\u{feff}').lines() {
        let trimmed = line.trim();
        if trimmed.is_empty() || trimmed.starts_with(['#', ';']) {
            continue;
        }
        if let Some(name) = trimmed.strip_prefix('[').and_then(|rest| rest.split_once(']')) {
            let name = name.0.trim().to_owned();
            sections.entry(name.clone()).or_default();
            current = Some(name);
            parent.clear();
            continue;
        }
        let (Some(section), Some((key, value))) = (
            current.as_ref().and_then(|name| sections.get_mut(name)),
            trimmed.split_once(['=', ':']),
        ) else {
            continue;
        };
        let key = key.trim().to_ascii_lowercase();
        let value = without_comment(value.trim()).to_owned();
        let is_nested = line.starts_with(char::is_whitespace) && !parent.is_empty();
        if is_nested {
            section.insert(format!("{parent}.{key}"), value);
        } else {
            parent = if value.is_empty() {
                key.clone()
            } else {
                String::new()
            };
            section.insert(key, value);
        }
    }
    sections
}

/// A comment after a value begins with white space and a number sign or semicolon.
fn without_comment(value: &str) -> &str {
    let end = value
        .match_indices(['#', ';'])
        .map(|(at, _)| at)
        .find(|at| value[..*at].ends_with(char::is_whitespace));
    value[..end.unwrap_or(value.len())].trim_end()
}

fn unquoted(text: &str) -> &str {
    ['"', '\'']
        .into_iter()
        .find_map(|quote| text.strip_prefix(quote)?.strip_suffix(quote))
        .unwrap_or(text)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn profiles_are_read_from_both_files() {
        let credentials = "# mine\n[default]\naws_access_key_id = A\naws_secret_access_key=s=#1 # not mine\n\n\
                           [work]\nAWS_ACCESS_KEY_ID: B\n";
        let config = "[default]\nregion = no\n[profile default]\nregion = eu-west-1\n[profile work]\nregion=us-west-2 ; far\n\
                      s3 =\n  endpoint_url = http://here:1\n  addressing_style = path\noutput = json\n\
                      [profile \"with space\"]\nrole_arn = arn:aws:iam::1:role/x\nsource_profile = work\n\
                      [sso-session corp]\nsso_region = us-east-2\n[plugins]\nx = y\n";
        let profiles = Profiles::parse(credentials, config);
        for (profile, key, expected) in [
            ("default", "aws_access_key_id", Some("A")),
            ("default", "aws_secret_access_key", Some("s=#1")),
            ("default", "region", Some("eu-west-1")),
            ("work", "aws_access_key_id", Some("B")),
            ("work", "region", Some("us-west-2")),
            ("work", "s3.endpoint_url", Some("http://here:1")),
            ("work", "s3.addressing_style", Some("path")),
            ("work", "output", Some("json")),
            ("work", "s3", None),
            ("with space", "role_arn", Some("arn:aws:iam::1:role/x")),
        ] {
            assert_eq!(
                profiles.get(profile).unwrap().get(key),
                expected,
                "{profile} {key}"
            );
        }
        assert!(profiles.get("plugins").is_none() && profiles.get("other").is_none());
        assert_eq!(
            profiles.section("sso-session", "corp").unwrap()["sso_region"],
            "us-east-2"
        );
    }

    #[test]
    fn files_are_where_the_variables_say() {
        let home = tempfile::tempdir().unwrap();
        let text = home.path().to_str().unwrap().to_owned();
        std::fs::write(home.path().join("keys"), "[default]\naws_access_key_id = A\n").unwrap();
        let profiles = Profiles::read(&|name| match name {
            "HOME" => Some(text.clone()),
            "AWS_SHARED_CREDENTIALS_FILE" => Some("~/keys".to_owned()),
            _ => None,
        })
        .unwrap();
        assert_eq!(
            profiles.get("default").unwrap().get("aws_access_key_id"),
            Some("A")
        );
        assert_eq!(profiles.places(), format!("{text}/keys or {text}/.aws/config"));
        let error = Profiles::read(&|name| (name == "AWS_CONFIG_FILE").then(|| text.clone())).err();
        assert_eq!(error.unwrap().to_string(), format!("cannot read '{text}'"));
    }
}
