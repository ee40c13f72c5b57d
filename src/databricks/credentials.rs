//! The workspace and its credentials, from the environment or a profile.

use std::path::{Path, PathBuf};

use reqwest::Url;

use super::error::{DatabricksError, Result};
use crate::env_vars;
use crate::ini::IniFile;
use crate::python_paths::expand_user;
use crate::redact::Secret;

/// The source of values in variables.
const ENVIRONMENT: &str = "the environment";

/// Chooses the kind of login.
const AUTH_TYPE: &str = "DATABRICKS_AUTH_TYPE";

/// The section of a configuration file with settings instead of a profile.
const SETTINGS: &str = "__settings__";

/// The kinds of login by their `auth_type`, in order of preference, with the variables that they need. The last
/// variable of each contains the secret.
const LOGINS: [(&str, &[&str]); 4] = [
    (TOKEN, &["DATABRICKS_TOKEN"]),
    (BASIC, &["DATABRICKS_USERNAME", "DATABRICKS_PASSWORD"]),
    (OAUTH, &["DATABRICKS_CLIENT_ID", "DATABRICKS_CLIENT_SECRET"]),
    (PROGRAM, &[]),
];

/// A personal access token.
pub(super) const TOKEN: &str = "pat";
/// A user name and password.
pub(super) const BASIC: &str = "basic";
/// A service principal, whose secret gets access tokens.
const OAUTH: &str = "oauth-m2m";
/// Access tokens of a login with the `databricks` program.
pub(super) const PROGRAM: &str = "databricks-cli";

/// The name in a profile for the value of a variable.
fn field(variable: &str) -> String {
    variable.trim_start_matches("DATABRICKS_").to_ascii_lowercase()
}

/// The workspace and credentials that a tracking URI names.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(crate) struct DatabricksProfile {
    /// The profile in the configuration file; `None` means the default credentials.
    pub(crate) name: Option<String>,
    /// A scope and a prefix of keys: its secrets `<key>-host` and `<key>-token` contain the address and token of the
    /// workspace.
    pub(crate) secret: Option<(String, String)>,
}

impl DatabricksProfile {
    pub(crate) fn from_uri(uri: &str) -> Result<Self> {
        let refused = |reason| DatabricksError::Setup {
            text: format!("the tracking URI '{uri}' {reason}"),
            hint: "use databricks, databricks://PROFILE or databricks://SCOPE:KEY",
        };
        if uri == "databricks" {
            return Ok(Self::default());
        }
        let Some(rest) = uri.strip_prefix("databricks:") else {
            return Err(refused("is not a valid Databricks URI"));
        };
        let authority = rest.strip_prefix("//").unwrap_or_default();
        let authority = authority.split('/').next().unwrap_or_default();
        let parts: Vec<&str> = authority.split(':').collect();
        if parts.iter().any(|part| part.trim().is_empty()) {
            return Err(refused("has an empty profile, scope or key"));
        }
        let (name, secret) = match parts[..] {
            [profile] => (Some(profile), None),
            [scope, key] => (None, Some((scope, key))),
            [profile, scope, key] => (Some(profile), Some((scope, key))),
            _ => return Err(refused("has more parts than a profile, a scope and a key")),
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
    /// Selects a workspace if several share the address.
    pub(super) workspace_id: Option<String>,
    pub(super) is_insecure: bool,
    /// One of [`LOGINS`].
    pub(super) login: &'static str,
    /// The variables for the login, with their values.
    pub(super) values: Values,
    pub(super) is_of_environment: bool,
    pub(super) source: String,
}

impl Credentials {
    /// Finds the credentials as MLflow does: only in the named profile, or in the variables if they are complete, or in
    /// the default profile.
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
                    source: format!("the profile '{name}' in {shown}"),
                };
                if let Some(credentials) = fields.credentials(&mut tried)? {
                    return Ok(credentials);
                }
            }
            file if named.is_some() => return Err(unknown_profile(&name, &path, file.as_ref())),
            Some(_) => tried.push(format!("{shown} has no profile '{name}'")),
            None => tried.push(format!("the file {shown} does not exist")),
        }
        Err(no_credentials(&tried.join("; ")))
    }
}

/// The path of the configuration file: `DATABRICKS_CONFIG_FILE`, or the default.
fn config_path() -> PathBuf {
    let home = env_vars::non_empty(env_vars::HOME).unwrap_or_default();
    let named = env_vars::non_empty(env_vars::DATABRICKS_CONFIG_FILE);
    expand_user(named.as_deref().unwrap_or("~/.databrickscfg"), home)
}

/// The profiles; `None` if there is no file.
fn read_config(path: &Path) -> Result<Option<IniFile>> {
    let file = IniFile::read(path).map_err(|source| DatabricksError::Local {
        action: "read the Databricks configuration file",
        path: path.to_owned(),
        source,
    })?;
    match file.as_ref().and_then(|file| file.malformed_line) {
        None => Ok(file),
        Some(line) => Err(DatabricksError::Setup {
            text: format!(
                "line {line} of the Databricks configuration file {} is not a profile's setting",
                path.display()
            ),
            hint: "put a [PROFILE] line before the profile's settings, and write each as NAME = VALUE",
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
        Some("") => format!(" in {path}; it has no profiles"),
        Some(known) => format!(" in {path}; its profiles are: {known}"),
    };
    DatabricksError::Setup {
        text: format!("no Databricks profile '{name}'{place}"),
        hint: "create it with `databricks configure --profile NAME`, or set DATABRICKS_CONFIG_FILE to another file",
    }
}

fn no_credentials(tried: &str) -> DatabricksError {
    DatabricksError::Setup {
        text: format!("no Databricks credentials found: {tried}"),
        hint: "set DATABRICKS_HOST and DATABRICKS_TOKEN, or create a profile with `databricks configure`",
    }
}

/// The values of the variables or of a profile.
struct Fields<'a> {
    /// Gives the value of a field.
    value: &'a dyn Fn(&str) -> Option<String>,
    /// Converts a variable's name to the field's.
    name: fn(&str) -> String,
    source: String,
}

impl Fields<'_> {
    fn get(&self, variable: &str) -> Option<String> {
        (self.value)(&(self.name)(variable))
    }

    /// The credentials, if they are complete; otherwise adds what is missing to `tried`.
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

    /// The requested login, or the first complete one, with its values.
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
                text: format!("{} has the unsupported auth_type '{auth_type}'", self.source),
                hint: "use pat, oauth-m2m, basic or databricks-cli, or set DATABRICKS_HOST and DATABRICKS_TOKEN",
            });
        };
        let needs = variables.iter().map(|name| format!("a {}", field(name)));
        let needs = needs.collect::<Vec<_>>().join(" and ");
        let (source, name) = (&self.source, (self.name)(AUTH_TYPE));
        let lacking = || format!("{source} has the {name} '{auth_type}', which needs {needs}");
        let values = values(variables).ok_or_else(|| no_credentials(&lacking()))?;
        Ok(Some((*login, values)))
    }
}

/// Splits an address, often copied from a browser, into the URL without a path and the workspace's id.
pub(super) fn parse_host(text: &str, source: &str) -> Result<(Url, Option<String>)> {
    let whole = if text.contains("://") {
        text.to_owned()
    } else {
        format!("https://{text}")
    };
    let refused = |reason: &str| DatabricksError::Setup {
        text: format!(
            "the workspace address '{}' from {source} {reason}",
            crate::redact::without_credentials(text)
        ),
        hint: "write it as https://NAME.cloud.databricks.com",
    };
    let mut url = Url::parse(whole.trim()).map_err(|error| refused(&format!("is not valid: {error}")))?;
    if !matches!(url.scheme(), "http" | "https") || !url.has_host() {
        return Err(refused("is not an https:// address"));
    }
    let workspace = url
        .query_pairs()
        .find(|(key, _)| key == "o")
        .map(|(_, value)| value.into_owned());
    url.set_path("");
    url.set_query(None);
    url.set_fragment(None);
    // Neither fails for a URL with a host.
    let _ = (url.set_username(""), url.set_password(None));
    Ok((url, workspace))
}
