//! The profiles of `~/.aws/credentials` and `~/.aws/config`, as Amazon's own tools read them.

use std::collections::HashMap;
use std::io;
use std::path::{Path, PathBuf};

use crate::env_vars;

type Section = HashMap<String, String>;

/// All profiles of the two files. Their values may be secret, so it is no `Debug`.
#[derive(Default, Clone)]
pub(crate) struct Profiles {
    /// The sections of the credentials file.
    credentials: HashMap<String, Section>,
    /// The profiles of the configuration file.
    config: HashMap<String, Section>,
    /// The sessions of single sign-on in the configuration file.
    sso_sessions: HashMap<String, Section>,
    /// Where they were looked for.
    credentials_file: PathBuf,
    config_file: PathBuf,
}

/// A profile: what both files say of it. The values may be secret, so it is no `Debug`.
#[derive(Clone, Copy)]
pub(crate) struct Profile<'a> {
    pub(crate) name: &'a str,
    credentials: Option<&'a Section>,
    config: Option<&'a Section>,
}

impl Profiles {
    /// Reads the files that `AWS_SHARED_CREDENTIALS_FILE` and `AWS_CONFIG_FILE` name, or those in
    /// `~/.aws`. A file that is missing is an empty one.
    ///
    /// # Errors
    /// A file that cannot be read, with its path.
    pub(crate) fn read(variable: &dyn Fn(&str) -> Option<String>) -> Result<Self, (PathBuf, io::Error)> {
        let home = variable(env_vars::HOME).unwrap_or_default();
        let place = |name: &str, file: &str| {
            variable(name).map_or_else(
                || Path::new(&home).join(".aws").join(file),
                |path| in_home(&path, &home),
            )
        };
        let credentials_file = place(env_vars::AWS_SHARED_CREDENTIALS_FILE, "credentials");
        let config_file = place(env_vars::AWS_CONFIG_FILE, "config");
        let text = |path: &Path| match std::fs::read(path) {
            Ok(bytes) => Ok(String::from_utf8_lossy(&bytes).into_owned()),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(String::new()),
            Err(error) => Err((path.to_owned(), error)),
        };
        let mut profiles = Self::parse(&text(&credentials_file)?, &text(&config_file)?);
        profiles.credentials_file = credentials_file;
        profiles.config_file = config_file;
        Ok(profiles)
    }

    fn parse(credentials: &str, config: &str) -> Self {
        let mut profiles = Self {
            credentials: sections(credentials),
            ..Self::default()
        };
        for (name, section) in sections(config) {
            let mut words = name.splitn(2, char::is_whitespace);
            match (words.next(), words.next().map(|rest| unquoted(rest.trim()))) {
                (Some("profile"), Some(profile)) => {
                    profiles.config.insert(profile, section);
                }
                (Some("sso-session"), Some(session)) => {
                    profiles.sso_sessions.insert(session, section);
                }
                // `[default]` needs no word before it, and gives way to `[profile default]`.
                (Some("default"), None) => {
                    profiles.config.entry(name).or_insert(section);
                }
                _ => {}
            }
        }
        profiles
    }

    /// The profile of this name, where one of the files has it.
    pub(crate) fn get<'a>(&'a self, name: &'a str) -> Option<Profile<'a>> {
        let profile = Profile {
            name,
            credentials: self.credentials.get(name),
            config: self.config.get(name),
        };
        (profile.credentials.is_some() || profile.config.is_some()).then_some(profile)
    }

    /// A setting of a session of single sign-on.
    pub(crate) fn sso_session(&self, session: &str, key: &str) -> Option<&str> {
        self.sso_sessions.get(session)?.get(key).map(String::as_str)
    }

    /// Whether a session of single sign-on has this name.
    pub(crate) fn has_sso_session(&self, session: &str) -> bool {
        self.sso_sessions.contains_key(session)
    }

    /// Where the profiles were looked for, for a person.
    pub(crate) fn places(&self) -> String {
        format!(
            "{} or {}",
            self.credentials_file.display(),
            self.config_file.display()
        )
    }
}

impl<'a> Profile<'a> {
    /// A setting; the credentials file comes first.
    pub(crate) fn get(&self, key: &str) -> Option<&'a str> {
        [self.credentials, self.config]
            .into_iter()
            .flatten()
            .find_map(|section| section.get(key))
            .map(String::as_str)
            .filter(|value| !value.is_empty())
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

fn unquoted(text: &str) -> String {
    let inner = text
        .strip_prefix('"')
        .and_then(|rest| rest.strip_suffix('"'))
        .or_else(|| text.strip_prefix('\'').and_then(|rest| rest.strip_suffix('\'')));
    inner.unwrap_or(text).to_owned()
}

fn in_home(path: &str, home: &str) -> PathBuf {
    match path.strip_prefix("~/") {
        Some(rest) => Path::new(home).join(rest),
        None => PathBuf::from(path),
    }
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
        assert_eq!(profiles.sso_session("corp", "sso_region"), Some("us-east-2"));
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
        let (path, _) = Profiles::read(&|name| (name == "AWS_CONFIG_FILE").then(|| text.clone()))
            .err()
            .unwrap();
        assert_eq!(path, home.path());
    }
}
