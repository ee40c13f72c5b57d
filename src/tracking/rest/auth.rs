//! Who the client says it is: credentials from the URL, the environment and the files that MLflow
//! and Python's `requests` read.

use std::path::{Path, PathBuf};

use percent_encoding::percent_decode_str;
use reqwest::Url;
use reqwest::header::HeaderValue;

use super::error::{RestError, unsendable};
use crate::env_vars;
use crate::http::{basic, bearer, netrc_login};
use crate::ini::IniFile;

/// What the `Authorization` header says, and where that comes from.
#[derive(Debug, Clone)]
pub(super) struct Credentials {
    /// `None` if no header can carry it.
    header: Option<HeaderValue>,
    pub(super) is_token: bool,
    /// Where a person finds them, to say so when the server refuses them.
    pub(super) source: String,
}

impl Credentials {
    /// Reads MLflow's variables and its credentials file; a variable comes before the file, and
    /// a user name with a password comes before a token.
    pub(super) fn from_variables(
        variable: &dyn Fn(&str) -> Option<String>,
    ) -> Result<Option<Self>, RestError> {
        let (user, password) = (
            variable(env_vars::MLFLOW_TRACKING_USERNAME),
            variable(env_vars::MLFLOW_TRACKING_PASSWORD),
        );
        let [file_user, file_password] = if user.is_none() || password.is_none() {
            read_credentials(variable)?
        } else {
            [None, None]
        };
        let source = match (&user, &password) {
            (Some(_), Some(_)) => "MLFLOW_TRACKING_USERNAME and MLFLOW_TRACKING_PASSWORD",
            (None, None) => "~/.mlflow/credentials",
            (Some(_), None) => "MLFLOW_TRACKING_USERNAME and ~/.mlflow/credentials",
            (None, Some(_)) => "~/.mlflow/credentials and MLFLOW_TRACKING_PASSWORD",
        };
        if let (Some(user), Some(password)) = (user.or(file_user), password.or(file_password)) {
            return Ok(Some(Self::basic(&user, &password, source)));
        }
        Ok(variable(env_vars::MLFLOW_TRACKING_TOKEN).map(|token| Self {
            header: bearer(&token),
            is_token: true,
            source: env_vars::MLFLOW_TRACKING_TOKEN.to_owned(),
        }))
    }

    /// The user information of a URL, where it has a user and a password, which may be empty. As in
    /// Python's `requests` a user alone counts for nothing. `text` is the URL as it was given: an
    /// empty password is lost in the parsed one.
    pub(super) fn from_url(url: &Url, text: &str) -> Option<Self> {
        let decode = |text: &str| percent_decode_str(text).decode_utf8_lossy().into_owned();
        let has_empty_password = || text.contains(&format!("//{}:@", url.username()));
        let password = match url.password() {
            Some(password) => decode(password),
            None if has_empty_password() => String::new(),
            None => return None,
        };
        Some(Self::basic(
            &decode(url.username()),
            &password,
            "the tracking URI",
        ))
    }

    /// The entry for `host` in the first of the netrc files that exists.
    pub(super) fn from_netrc(files: &[PathBuf], host: &str) -> Option<Self> {
        let (user, password, source) = netrc_login(files, host)?;
        Some(Self::basic(&user, &password, &source))
    }

    fn basic(user: &str, password: &str, source: &str) -> Self {
        Self {
            header: basic(user, password),
            is_token: false,
            source: source.to_owned(),
        }
    }

    /// The value of the `Authorization` header.
    pub(super) fn header(&self) -> Result<HeaderValue, RestError> {
        self.header.clone().ok_or_else(|| unsendable(&self.source))
    }
}

/// The user and the password in MLflow's own section of its credentials file, or in the one for all sections.
fn read_credentials(variable: &dyn Fn(&str) -> Option<String>) -> Result<[Option<String>; 2], RestError> {
    let path = variable(env_vars::HOME).map(|home| Path::new(&home).join(".mlflow/credentials"));
    let Some(path) = path.filter(|path| path.exists()) else {
        return Ok([None, None]);
    };
    let bytes = std::fs::read(&path).map_err(|source| RestError::File { path, source })?;
    let file = IniFile::parse(&String::from_utf8_lossy(&bytes));
    let keys = ["mlflow_tracking_username", "mlflow_tracking_password"];
    Ok(keys.map(|key| {
        let mut sections = ["mlflow", "DEFAULT"].into_iter();
        let value = sections.find_map(|section| file.value(section, key))?;
        Some(value.replace("%%", "%"))
    }))
}
