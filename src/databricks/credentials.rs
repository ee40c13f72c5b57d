//! Which workspace is meant, and who asks it: the credentials of the environment or of a profile.

use std::path::{Path, PathBuf};

use reqwest::Url;

use super::error::{DatabricksError, Result};
use crate::env_vars;
use crate::ini::IniFile;
use crate::python_paths::expand_user;
use crate::redact::Secret;

/// The source of what variables say.
const ENVIRONMENT: &str = "the environment";

/// Names the login if several are possible.
const AUTH_TYPE: &str = "DATABRICKS_AUTH_TYPE";

/// The section of a configuration file that holds no profile but settings.
const SETTINGS: &str = "__settings__";

/// How a workspace is told who asks, as an `auth_type` names it, with the variables that it needs. The last of
/// these holds the secret. What stands first is preferred.
const LOGINS: [(&str, &[&str]); 4] = [
    (TOKEN, &["DATABRICKS_TOKEN"]),
    (BASIC, &["DATABRICKS_USERNAME", "DATABRICKS_PASSWORD"]),
    (OAUTH, &["DATABRICKS_CLIENT_ID", "DATABRICKS_CLIENT_SECRET"]),
    (PROGRAM, &[]),
];

/// A personal access token.
pub(super) const TOKEN: &str = "pat";
/// A user's name and password.
pub(super) const BASIC: &str = "basic";
/// A service principal, which gets access tokens for its secret.
const OAUTH: &str = "oauth-m2m";
/// Access tokens of a user who has logged in by the `databricks` program.
pub(super) const PROGRAM: &str = "databricks-cli";

/// What a profile calls that which a variable holds.
fn field(variable: &str) -> String {
    variable.trim_start_matches("DATABRICKS_").to_ascii_lowercase()
}

/// What a tracking URI says about the workspace and its credentials.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(crate) struct DatabricksProfile {
    /// The profile of the configuration file; the usual credentials where there is none.
    pub(crate) name: Option<String>,
    /// A scope and the beginning of keys in it: the secrets `<key>-host` and `<key>-token` there hold
    /// the address and the token of the workspace that is meant.
    pub(crate) secret: Option<(String, String)>,
}

impl DatabricksProfile {
    pub(crate) fn from_uri(uri: &str) -> Result<Self> {
        let refused = |reason| DatabricksError::Setup {
            text: format!("the URI '{uri}' {reason}"),
            hint: "write databricks, databricks://profile or databricks://scope:key",
        };
        if uri == "databricks" {
            return Ok(Self::default());
        }
        let Some(rest) = uri.strip_prefix("databricks:") else {
            return Err(refused("is not one of a Databricks workspace"));
        };
        let authority = rest.strip_prefix("//").unwrap_or_default();
        let authority = authority.split('/').next().unwrap_or_default();
        let parts: Vec<&str> = authority.split(':').collect();
        if parts.iter().any(|part| part.trim().is_empty()) {
            return Err(refused("names no profile"));
        }
        let (name, secret) = match parts[..] {
            [profile] => (Some(profile), None),
            [scope, key] => (None, Some((scope, key))),
            [profile, scope, key] => (Some(profile), Some((scope, key))),
            _ => return Err(refused("has more than a profile, a scope and a key")),
        };
        Ok(Self {
            name: name.map(str::to_owned),
            secret: secret.map(|(scope, key)| (scope.to_owned(), key.to_owned())),
        })
    }

    pub(super) fn asked_for(&self) -> Option<String> {
        let named = self.name.clone();
        named.or_else(|| env_vars::non_empty(env_vars::DATABRICKS_CONFIG_PROFILE))
    }
}

type Values = Vec<(&'static str, Secret)>;

#[derive(Clone)]
pub(super) struct Credentials {
    pub(super) host: Url,
    /// The workspace among several at one address.
    pub(super) workspace_id: Option<String>,
    pub(super) is_insecure: bool,
    /// One of [`LOGINS`].
    pub(super) login: &'static str,
    /// The variables that the login needs, with their values.
    pub(super) values: Values,
    pub(super) is_of_environment: bool,
    pub(super) source: String,
}

impl Credentials {
    /// Finds the credentials: of the named profile alone, or else of the variables if they are whole, or
    /// else of the default profile. As MLflow does.
    pub(super) fn find(profile: &DatabricksProfile) -> Result<Self> {
        let named = profile.asked_for();
        let mut tried = Vec::new();
        if named.is_none() {
            let fields = Fields {
                value: &env_vars::non_empty,
                name: str::to_owned,
                source: ENVIRONMENT.to_owned(),
            };
            if let Some(credentials) = fields.credentials(&mut tried)? {
                return Ok(credentials);
            }
        }
        let path = config_path();
        let shown = path.display();
        let file = read_config(&path)?;
        let value = |section: &str, key: &str| file.as_ref()?.value(section, key).map(str::to_owned);
        let default = || value(SETTINGS, "default_profile").unwrap_or_else(|| "DEFAULT".to_owned());
        let name = named.clone().unwrap_or_else(default);
        match &file {
            Some(file) if name != SETTINGS && file.section(&name).is_some() => {
                let fields = Fields {
                    value: &|field| value(&name, field),
                    name: field,
                    source: format!("the profile {name} of {shown}"),
                };
                if let Some(credentials) = fields.credentials(&mut tried)? {
                    return Ok(credentials);
                }
            }
            file if named.is_some() => return Err(unknown_profile(&name, &path, file.as_ref())),
            Some(_) => tried.push(format!("{shown} has no profile {name}")),
            None => tried.push(format!("the file {shown} does not exist")),
        }
        Err(no_credentials(&tried.join("; ")))
    }
}

/// The configuration file: what `DATABRICKS_CONFIG_FILE` says, or the usual place.
fn config_path() -> PathBuf {
    let home = env_vars::non_empty(env_vars::HOME).unwrap_or_default();
    let named = env_vars::non_empty(env_vars::DATABRICKS_CONFIG_FILE);
    expand_user(named.as_deref().unwrap_or("~/.databrickscfg"), home)
}

/// The profiles; `None` if there is no file.
fn read_config(path: &Path) -> Result<Option<IniFile>> {
    let file = IniFile::read(path).map_err(|source| DatabricksError::Local {
        action: "read the Databricks configuration",
        path: path.to_owned(),
        source,
    })?;
    match file.as_ref().and_then(|file| file.malformed_line) {
        None => Ok(file),
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

/// What the variables or a profile say.
struct Fields<'a> {
    /// The value of a field by its name there.
    value: &'a dyn Fn(&str) -> Option<String>,
    /// How that which a variable holds is called there.
    name: fn(&str) -> String,
    source: String,
}

impl Fields<'_> {
    fn get(&self, variable: &str) -> Option<String> {
        (self.value)(&(self.name)(variable))
    }

    /// The credentials, if there is a whole set of them; else what is missing is added to what was tried.
    fn credentials(&self, tried: &mut Vec<String>) -> Result<Option<Credentials>> {
        let (source, name) = (&self.source, self.name);
        let Some(host) = self.get(env_vars::DATABRICKS_HOST) else {
            tried.push(format!("{source} has no {}", name(env_vars::DATABRICKS_HOST)));
            return Ok(None);
        };
        let Some((login, values)) = self.login()? else {
            let names = |login: usize| {
                let (_, variables) = LOGINS[login];
                let names: Vec<_> = variables.iter().map(|variable| name(variable)).collect();
                names.join(" with ")
            };
            tried.push(format!(
                "{source} has no {}, {}, or {}",
                names(0),
                names(2),
                names(1)
            ));
            return Ok(None);
        };
        let (host, asked_workspace) = parse_host(&host, source)?;
        let is_insecure = self
            .get("DATABRICKS_INSECURE")
            .is_some_and(|value| !matches!(value.to_ascii_lowercase().as_str(), "false" | "0" | "no"));
        let is_of_environment = source == ENVIRONMENT;
        let used = values.last().map_or(AUTH_TYPE, |(variable, _)| *variable);
        Ok(Some(Credentials {
            host,
            workspace_id: self.get("DATABRICKS_WORKSPACE_ID").or(asked_workspace),
            is_insecure,
            login,
            values,
            is_of_environment,
            source: if is_of_environment { used } else { source }.to_owned(),
        }))
    }

    /// The login that is asked for, or else the first one that is whole, with its values.
    fn login(&self) -> Result<Option<(&'static str, Values)>> {
        let values = |variables: &[&'static str]| -> Option<Values> {
            let values = variables
                .iter()
                .map(|name| Some((*name, Secret::new(self.get(name)?))));
            values.collect()
        };
        let Some(auth_type) = self.get(AUTH_TYPE) else {
            let mut logins = LOGINS.iter().filter(|(login, _)| *login != PROGRAM);
            return Ok(logins.find_map(|(login, variables)| Some((*login, values(variables)?))));
        };
        let Some((login, variables)) = LOGINS.iter().find(|(login, _)| *login == auth_type) else {
            return Err(DatabricksError::Setup {
                text: format!(
                    "{} asks for the auth_type '{auth_type}', which mlrun does not have",
                    self.source
                ),
                hint: "it has pat, oauth-m2m, basic and databricks-cli; a token in DATABRICKS_TOKEN always serves",
            });
        };
        let needs = variables.iter().map(|name| format!("a {}", field(name)));
        let needs = needs.collect::<Vec<_>>().join(" and ");
        let (source, name) = (&self.source, (self.name)(AUTH_TYPE));
        let lacking = || format!("{source} has the {name} '{auth_type}', but not what it needs: {needs}");
        let values = values(variables).ok_or_else(|| no_credentials(&lacking()))?;
        Ok(Some((*login, values)))
    }
}

/// The address without a path, and the workspace that it names: it is often copied from a browser.
pub(super) fn parse_host(text: &str, source: &str) -> Result<(Url, Option<String>)> {
    let whole = if text.contains("://") {
        text.to_owned()
    } else {
        format!("https://{text}")
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
