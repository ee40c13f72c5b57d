//! `~/.databrickscfg`: profiles with the addresses of workspaces and credentials.

use std::path::{Path, PathBuf};

use super::error::DatabricksError;
use crate::env_vars;
use crate::ini::IniFile;

/// The profile that counts where none is named.
const DEFAULT: &str = "DEFAULT";

/// The section that holds no profile but settings.
const SETTINGS: &str = "__settings__";

/// A configuration file as it was read. Values may be credentials.
pub(super) struct ConfigFile(IniFile);

/// The file's path: what `DATABRICKS_CONFIG_FILE` says, or the usual place.
pub(super) fn path(variable: &dyn Fn(&str) -> Option<String>) -> PathBuf {
    let home = variable(env_vars::HOME).map(PathBuf::from).unwrap_or_default();
    match variable(env_vars::DATABRICKS_CONFIG_FILE) {
        Some(path) => match path.strip_prefix("~/") {
            Some(rest) => home.join(rest),
            None => PathBuf::from(path),
        },
        None => home.join(".databrickscfg"),
    }
}

impl ConfigFile {
    /// Reads the file; `None` where there is none.
    pub(super) fn read(path: &Path) -> Result<Option<Self>, DatabricksError> {
        let bytes = match std::fs::read(path) {
            Ok(bytes) => bytes,
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(None),
            Err(source) => {
                return Err(DatabricksError::UnreadableConfig {
                    path: path.to_owned(),
                    source,
                });
            }
        };
        let file = IniFile::parse(&String::from_utf8_lossy(&bytes));
        match file.malformed_line {
            None => Ok(Some(Self(file))),
            Some(line) => Err(DatabricksError::MalformedConfig {
                path: path.to_owned(),
                line,
            }),
        }
    }

    /// The values of a profile. Those of `DEFAULT` count for no other one.
    pub(super) fn profile(&self, name: &str) -> Option<&[(String, String)]> {
        self.0.section(name).filter(|_| name != SETTINGS)
    }

    /// The profile that counts if none is named.
    pub(super) fn default_profile(&self) -> &str {
        self.0.value(SETTINGS, "default_profile").unwrap_or(DEFAULT)
    }

    /// The names of all profiles.
    pub(super) fn profile_names(&self) -> Vec<String> {
        let names = self.0.names().filter(|name| *name != SETTINGS);
        names.map(str::to_owned).collect()
    }
}
