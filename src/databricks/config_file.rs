//! `~/.databrickscfg`: profiles with the addresses of workspaces and credentials.

use std::path::{Path, PathBuf};

use super::error::DatabricksError;
use crate::env_vars;

/// The profile that counts where none is named.
pub(super) const DEFAULT: &str = "DEFAULT";

/// The section that holds no profile but settings.
const SETTINGS: &str = "__settings__";

/// A configuration file as it was read. Values may be credentials.
#[derive(Default)]
pub(super) struct ConfigFile {
    sections: Vec<(String, Vec<(String, String)>)>,
}

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
    ///
    /// # Errors
    /// A file that cannot be read, or a line that no such file has.
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
        Self::parse(&String::from_utf8_lossy(&bytes))
            .map(Some)
            .map_err(|line| DatabricksError::MalformedConfig {
                path: path.to_owned(),
                line,
            })
    }

    /// Understands the form that Python's configparser reads: sections, `key = value` or `key: value`,
    /// comments in lines of their own. The error is the number of a line that is none of them; its
    /// text could hold a token.
    fn parse(text: &str) -> Result<Self, usize> {
        let mut file = Self::default();
        for (index, line) in text.trim_start_matches('\u{feff}').lines().enumerate() {
            let line = line.trim();
            if line.is_empty() || line.starts_with(['#', ';']) {
                continue;
            }
            if let Some(name) = line.strip_prefix('[').and_then(|rest| rest.split(']').next()) {
                file.sections.push((name.trim().to_owned(), Vec::new()));
                continue;
            }
            let (Some((key, value)), Some((_, entries))) =
                (line.split_once(['=', ':']), file.sections.last_mut())
            else {
                return Err(index + 1);
            };
            let value = value.trim();
            if !value.is_empty() {
                entries.push((key.trim().to_ascii_lowercase(), value.to_owned()));
            }
        }
        Ok(file)
    }

    /// The values of a profile. Those of `DEFAULT` count for no other one.
    pub(super) fn profile(&self, name: &str) -> Option<&[(String, String)]> {
        let found = self.sections.iter().find(|(section, _)| section == name);
        found
            .filter(|(section, _)| section != SETTINGS)
            .map(|(_, entries)| entries.as_slice())
    }

    /// The profile that counts where none is named.
    pub(super) fn default_profile(&self) -> &str {
        self.sections
            .iter()
            .filter(|(section, _)| section == SETTINGS)
            .flat_map(|(_, entries)| entries)
            .find(|(key, _)| key == "default_profile")
            .map_or(DEFAULT, |(_, value)| value)
    }

    /// The names of all profiles.
    pub(super) fn profile_names(&self) -> Vec<String> {
        let names = self.sections.iter().map(|(section, _)| section.clone());
        names.filter(|name| name != SETTINGS).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn profiles_are_read_as_configparser_reads_them() {
        let file = ConfigFile::parse(
            "\u{feff}; made by hand\n[DEFAULT]\nhost = https://a\nToken: t=1\n\n[ dev ]\r\nhost=https://b\n\
             empty =\n[__settings__]\ndefault_profile = dev\n",
        )
        .unwrap_or_else(|line| panic!("line {line}"));
        let pair = |key: &str, value: &str| (key.to_owned(), value.to_owned());
        assert_eq!(
            file.profile("DEFAULT"),
            Some(&[pair("host", "https://a"), pair("token", "t=1")][..])
        );
        assert_eq!(file.profile("dev"), Some(&[pair("host", "https://b")][..]));
        assert_eq!(file.profile("__settings__"), None);
        assert_eq!(file.default_profile(), "dev");
        assert_eq!(file.profile_names(), ["DEFAULT", "dev"]);
        for (text, line) in [("[a]\nhost = x\nnonsense\n", 3), ("host = x\n", 1)] {
            assert_eq!(ConfigFile::parse(text).err(), Some(line), "{text}");
        }
    }
}
