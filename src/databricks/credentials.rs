//! Who asks a workspace: the credentials of the environment or of a profile.

use std::path::{Path, PathBuf};

use reqwest::Url;

use super::error::DatabricksError;
use super::profile::DatabricksProfile;
use crate::env_vars;
use crate::ini::IniFile;
use crate::redact::Secret;

/// The source of what variables say.
const ENVIRONMENT: &str = "the environment";

/// The section of a configuration file that holds no profile but settings.
const SETTINGS: &str = "__settings__";

/// Credentials for one workspace.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Credentials {
    /// The workspace's address: scheme, host and port.
    pub(super) host: Url,
    /// The workspace among several at one address.
    pub(super) workspace_id: Option<String>,
    /// Whether the workspace's certificate goes unchecked.
    pub(super) is_insecure: bool,
    pub(super) kind: Kind,
    /// Whether they come from variables.
    pub(super) is_of_environment: bool,
    /// Where a person finds them.
    pub(super) source: String,
}

/// How the workspace is told who asks.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Kind {
    /// A personal access token.
    Token(Secret),
    /// A user's name and password.
    Basic { user: String, password: Secret },
    /// A service principal, which gets access tokens for its secret.
    OAuth {
        client_id: String,
        client_secret: Secret,
    },
    /// Access tokens of a user who has logged in by the `databricks` program.
    Program,
}

impl Credentials {
    /// Finds the credentials: of the named profile alone, or else of the variables if they are whole, or
    /// else of the default profile. As MLflow does. `variable` gives `None` for a variable that is not set
    /// or empty.
    pub(super) fn find(
        profile: &DatabricksProfile,
        variable: &dyn Fn(&str) -> Option<String>,
    ) -> Result<Self, DatabricksError> {
        let named = profile.name.clone();
        let named = named.or_else(|| variable(env_vars::DATABRICKS_CONFIG_PROFILE));
        let mut tried = Vec::new();
        if named.is_none() {
            let fields = Fields::of_variables(variable);
            match fields.credentials()? {
                Ok(credentials) => return Ok(credentials),
                Err(missing) => tried.push(format!("{ENVIRONMENT} has no {missing}")),
            }
        }
        let path = config_path(variable);
        let shown = path.display();
        let file = read_config(&path)?;
        let default = file
            .as_ref()
            .and_then(|file| file.value(SETTINGS, "default_profile"));
        let name = named.as_deref().or(default).unwrap_or("DEFAULT");
        let entries = file.as_ref().filter(|_| name != SETTINGS);
        match (entries.and_then(|file| file.section(name)), &file) {
            (Some(entries), _) => {
                let fields = Fields::of_profile(entries, name, &path);
                match fields.credentials()? {
                    Ok(credentials) => return Ok(credentials),
                    Err(missing) => tried.push(format!("{} has no {missing}", fields.source)),
                }
            }
            (None, file) if named.is_some() => return Err(unknown_profile(name, &path, file.as_ref())),
            (None, None) => tried.push(format!("the file {shown} does not exist")),
            (None, Some(_)) => tried.push(format!("{shown} has no profile {name}")),
        }
        Err(no_credentials(&tried.join("; ")))
    }
}

/// The configuration file: what `DATABRICKS_CONFIG_FILE` says, or the usual place.
fn config_path(variable: &dyn Fn(&str) -> Option<String>) -> PathBuf {
    let home = variable(env_vars::HOME).map(PathBuf::from).unwrap_or_default();
    let path = variable(env_vars::DATABRICKS_CONFIG_FILE).unwrap_or_else(|| "~/.databrickscfg".to_owned());
    match path.strip_prefix("~/") {
        Some(rest) => home.join(rest),
        None => PathBuf::from(path),
    }
}

/// The profiles; `None` if there is no file.
fn read_config(path: &Path) -> Result<Option<IniFile>, DatabricksError> {
    let bytes = match std::fs::read(path) {
        Ok(bytes) => bytes,
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(None),
        Err(source) => {
            return Err(DatabricksError::Local {
                action: "read the Databricks configuration",
                path: path.to_owned(),
                source,
            });
        }
    };
    let file = IniFile::parse(&String::from_utf8_lossy(&bytes));
    match file.malformed_line {
        None => Ok(Some(file)),
        Some(line) => Err(DatabricksError::Setup {
            text: format!(
                "line {line} of the Databricks configuration {} is no setting of a profile",
                path.display()
            ),
            hint: "write [profile] before the profile's settings, and each as name = value",
        }),
    }
}

fn unknown_profile(name: &str, path: &Path, file: Option<&IniFile>) -> DatabricksError {
    let known = file.map(|file| {
        let names: Vec<_> = file.names().filter(|name| *name != SETTINGS).collect();
        names.join(", ")
    });
    let path = path.display();
    let place = match known.as_deref() {
        None => format!(": {path} does not exist"),
        Some("") => format!(" in {path}; it has none"),
        Some(known) => format!(" in {path}; it has {known}"),
    };
    DatabricksError::Setup {
        text: format!("there is no profile '{name}'{place}"),
        hint: "make it with `databricks configure --profile NAME`, or name another file in DATABRICKS_CONFIG_FILE",
    }
}

fn no_credentials(tried: &str) -> DatabricksError {
    DatabricksError::Setup {
        text: format!("there are no credentials for Databricks: {tried}"),
        hint: "set DATABRICKS_HOST and DATABRICKS_TOKEN, or make a profile with `databricks configure`",
    }
}

/// Looks a field's value up.
type Lookup<'a> = Box<dyn Fn(&str) -> Option<String> + 'a>;

/// What the variables or a profile say.
struct Fields<'a> {
    value: Lookup<'a>,
    /// How a field is called there.
    name: fn(&str) -> String,
    source: String,
}

impl<'a> Fields<'a> {
    fn of_variables(variable: &'a dyn Fn(&str) -> Option<String>) -> Self {
        let name = |field: &str| format!("DATABRICKS_{}", field.to_ascii_uppercase());
        Self {
            value: Box::new(move |field| variable(&name(field))),
            name,
            source: ENVIRONMENT.to_owned(),
        }
    }

    fn of_profile(entries: &'a [(String, String)], name: &str, path: &Path) -> Self {
        Self {
            value: Box::new(|field| {
                let found = entries.iter().rev().find(|(key, _)| key == field);
                found.map(|(_, value)| value.clone())
            }),
            name: str::to_owned,
            source: format!("the profile {name} of {}", path.display()),
        }
    }

    fn get(&self, field: &str) -> Option<String> {
        (self.value)(field)
    }

    /// The credentials, or what is missing to a whole set of them.
    fn credentials(&self) -> Result<Result<Credentials, String>, DatabricksError> {
        let name = self.name;
        let Some(host) = self.get("host") else {
            return Ok(Err(name("host")));
        };
        let Some(kind) = self.kind()? else {
            return Ok(Err(format!(
                "{}, {} with {}, or {} with {}",
                name("token"),
                name("client_id"),
                name("client_secret"),
                name("username"),
                name("password")
            )));
        };
        let (host, asked_workspace) = parse_host(&host, &self.source)?;
        let used = match &kind {
            Kind::Token(_) => "token",
            Kind::Basic { .. } => "password",
            Kind::OAuth { .. } => "client_secret",
            Kind::Program => "auth_type",
        };
        let is_insecure = self
            .get("insecure")
            .is_some_and(|value| !matches!(value.to_ascii_lowercase().as_str(), "false" | "0" | "no"));
        Ok(Ok(Credentials {
            host,
            workspace_id: self.get("workspace_id").or(asked_workspace),
            is_insecure,
            kind,
            is_of_environment: self.source == ENVIRONMENT,
            source: match self.source.as_str() {
                ENVIRONMENT => name(used),
                source => source.to_owned(),
            },
        }))
    }

    fn kind(&self) -> Result<Option<Kind>, DatabricksError> {
        let token = || self.get("token").map(|token| Kind::Token(Secret::new(token)));
        let basic = || {
            Some(Kind::Basic {
                user: self.get("username")?,
                password: Secret::new(self.get("password")?),
            })
        };
        let oauth = || {
            Some(Kind::OAuth {
                client_id: self.get("client_id")?,
                client_secret: Secret::new(self.get("client_secret")?),
            })
        };
        let Some(auth_type) = self.get("auth_type") else {
            return Ok(token().or_else(basic).or_else(oauth));
        };
        let (kind, needs) = match auth_type.as_str() {
            "pat" => (token(), "a token"),
            "basic" => (basic(), "a username and a password"),
            "oauth-m2m" => (oauth(), "a client_id and a client_secret"),
            "databricks-cli" => (Some(Kind::Program), ""),
            _ => {
                return Err(DatabricksError::Setup {
                    text: format!(
                        "{} asks for the auth_type '{auth_type}', which mlrun does not have",
                        self.source
                    ),
                    hint: "it has pat, oauth-m2m, basic and databricks-cli; a token in DATABRICKS_TOKEN always serves",
                });
            }
        };
        kind.map(Some).ok_or_else(|| {
            no_credentials(&format!(
                "{} has the {} '{auth_type}', but not what it needs: {needs}",
                self.source,
                (self.name)("auth_type")
            ))
        })
    }
}

/// The address without a path, and the workspace that it names: it is often copied from a browser.
pub(super) fn parse_host(text: &str, source: &str) -> Result<(Url, Option<String>), DatabricksError> {
    let whole = match text.contains("://") {
        true => text.to_owned(),
        false => format!("https://{text}"),
    };
    let refused = |reason: &str| DatabricksError::Setup {
        text: format!(
            "the workspace's address '{}' from {source} {reason}",
            crate::redact::without_credentials(text)
        ),
        hint: "write it as https://name.cloud.databricks.com",
    };
    let mut url =
        Url::parse(whole.trim()).map_err(|error| refused(&format!("is no valid address: {error}")))?;
    if !matches!(url.scheme(), "http" | "https") || !url.has_host() {
        return Err(refused("is no https:// address"));
    }
    let workspace = url
        .query_pairs()
        .find(|(key, _)| key == "o")
        .map(|(_, value)| value.into_owned());
    url.set_path("");
    url.set_query(None);
    url.set_fragment(None);
    // Neither fails for a URL that has a host.
    let _ = (url.set_username(""), url.set_password(None));
    Ok((url, workspace))
}

#[cfg(test)]
mod tests {
    use super::*;

    const FILE: &str = "[DEFAULT]\nhost = https://default\ntoken = geheim1\n[dev]\nhost = dev.example.com/?o=42\n\
        username = u\npassword = geheim2\n[m2m]\nhost = https://m2m/\nclient_id = id\nclient_secret = geheim3\n\
        [cli]\nhost = https://cli\nauth_type = databricks-cli\n[azure]\nhost = https://azure\nauth_type = azure-cli\n\
        [half]\nhost = https://half\n";

    /// Where to, who, and from where; or the error. Never a secret.
    fn found(uri: &str, variables: &[(&str, &str)]) -> String {
        let directory = tempfile::tempdir().unwrap();
        let home = directory.path().to_str().unwrap().to_owned();
        std::fs::write(directory.path().join(".databrickscfg"), FILE).unwrap();
        let variable = |name: &str| {
            let found = variables.iter().find(|(known, _)| *known == name);
            let found = found.map(|(_, value)| (*value).to_owned());
            found.or_else(|| (name == "HOME").then(|| home.clone()))
        };
        let profile = DatabricksProfile::from_uri(uri).unwrap();
        let text = match Credentials::find(&profile, &variable) {
            Ok(credentials) => format!(
                "{} {:?} {:?} from {}",
                credentials.host, credentials.workspace_id, credentials.kind, credentials.source
            ),
            Err(error) => format!("{error}; {}", error.hint().unwrap_or_default()),
        };
        assert!(!text.contains("geheim"), "{text}");
        text.replace(&home, "~")
    }

    #[test]
    fn credentials_come_from_variables_or_a_profile() {
        let host = ("DATABRICKS_HOST", "https://env");
        for (uri, variables, expected) in [
            (
                "databricks",
                &[][..],
                "https://default/ None Token(Secret(****)) from the profile DEFAULT of ~/.databrickscfg",
            ),
            (
                "databricks",
                &[host, ("DATABRICKS_TOKEN", "geheim")],
                "https://env/ None Token(Secret(****)) from DATABRICKS_TOKEN",
            ),
            // Not whole: the file counts.
            (
                "databricks",
                &[host],
                "https://default/ None Token(Secret(****)) from the profile DEFAULT of ~/.databrickscfg",
            ),
            (
                "databricks://dev",
                &[host, ("DATABRICKS_TOKEN", "geheim")],
                "https://dev.example.com/ Some(\"42\") Basic { user: \"u\", password: Secret(****) } from the profile dev of ~/.databrickscfg",
            ),
        ] {
            assert_eq!(found(uri, variables), expected, "{uri} {variables:?}");
        }
    }

    #[test]
    fn what_was_tried_is_told() {
        let none = ("DATABRICKS_CONFIG_FILE", "/nowhere/cfg");
        for (uri, variables, expected) in [
            (
                "databricks://half",
                &[][..],
                "there are no credentials for Databricks: the profile half of ~/.databrickscfg has no token, client_id with client_secret, or username with password",
            ),
            (
                "databricks://def",
                &[],
                "there is no profile 'def' in ~/.databrickscfg; it has DEFAULT, dev, m2m, cli, azure, half",
            ),
            (
                "databricks://dev",
                &[none],
                "there is no profile 'dev': /nowhere/cfg does not exist",
            ),
            (
                "databricks://azure",
                &[],
                "the profile azure of ~/.databrickscfg asks for the auth_type 'azure-cli', which mlrun does not have",
            ),
            (
                "databricks",
                &[
                    ("DATABRICKS_HOST", "ftp://u:geheim@host"),
                    ("DATABRICKS_TOKEN", "geheim"),
                ],
                "the workspace's address 'ftp://host' from the environment is no https:// address",
            ),
        ] {
            let text = found(uri, variables);
            assert!(text.starts_with(&format!("{expected}; ")), "{text}");
            assert!(text.len() > expected.len() + 2, "no hint: {text}");
        }
    }
}
