//! Who the client says it is: credentials from the URL, the environment and the files that MLflow
//! and Python's `requests` read.

use std::path::{Path, PathBuf};

use percent_encoding::percent_decode_str;
use reqwest::Url;
use reqwest::header::HeaderValue;

use super::error::RestError;
use crate::env_vars;
use crate::http::{basic, bearer, netrc};
use crate::ini::IniFile;

/// What the `Authorization` header says, and where that comes from.
#[derive(Debug, Clone)]
pub(super) struct Credentials {
    /// `None` if no header can carry it.
    header: Option<HeaderValue>,
    /// Whether it is a token.
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
        let [file_user, file_password] = match user.is_none() || password.is_none() {
            true => read_credentials(variable)?,
            false => [None, None],
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
        let (user, password, source) = netrc::login(files, host)?;
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
        self.header.clone().ok_or_else(|| RestError::UnsendableToken {
            source_name: self.source.clone(),
        })
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

#[cfg(test)]
mod tests {
    use base64::Engine as _;
    use base64::engine::general_purpose::STANDARD;

    use super::*;

    fn header(credentials: Option<Credentials>) -> String {
        match credentials {
            None => "none".to_owned(),
            Some(credentials) => {
                let shown = format!("{credentials:?}");
                for secret in ["geheim", "p@ss", "t0ken"] {
                    assert!(!shown.contains(secret), "{shown}");
                }
                credentials.header().unwrap().to_str().unwrap().to_owned()
            }
        }
    }

    fn encoded(pair: &str) -> String {
        format!("Basic {}", STANDARD.encode(pair))
    }

    #[test]
    fn variables_come_before_the_file_and_a_password_before_a_token() {
        let home = tempfile::tempdir().unwrap();
        std::fs::create_dir(home.path().join(".mlflow")).unwrap();
        let file = "[other]\nmlflow_tracking_username = no\n\n[mlflow]\n# who\nMLFLOW_TRACKING_USERNAME = anna\n\
                    mlflow_tracking_password: 100%%=geheim\n";
        std::fs::write(home.path().join(".mlflow/credentials"), file).unwrap();
        let user = ("MLFLOW_TRACKING_USERNAME", "bob");
        let password = ("MLFLOW_TRACKING_PASSWORD", "geheim");
        let token = ("MLFLOW_TRACKING_TOKEN", "t0ken");
        let home_variable = ("HOME", home.path().to_str().unwrap());
        for (variables, expected) in [
            (vec![], "none".to_owned()),
            (vec![user], "none".to_owned()),
            (vec![user, password], encoded("bob:geheim")),
            (vec![token], "Bearer t0ken".to_owned()),
            (vec![user, token], "Bearer t0ken".to_owned()),
            (vec![user, password, token], encoded("bob:geheim")),
            (vec![home_variable], encoded("anna:100%=geheim")),
            (vec![home_variable, user], encoded("bob:100%=geheim")),
            (vec![home_variable, token], encoded("anna:100%=geheim")),
        ] {
            let variable = |name: &str| {
                let found = variables.iter().find(|(known, _)| *known == name);
                found.map(|(_, value)| (*value).to_owned())
            };
            assert_eq!(
                header(Credentials::from_variables(&variable).unwrap()),
                expected,
                "{variables:?}"
            );
        }
    }

    #[test]
    fn the_url_s_user_information_is_decoded() {
        for (url, expected) in [
            ("http://host/", "none".to_owned()),
            ("http://user@host/", "none".to_owned()),
            ("http://user:@host/", encoded("user:")),
            ("http://user:p%40ss@host/", encoded("user:p@ss")),
            ("http://:t0ken@host/", encoded(":t0ken")),
        ] {
            assert_eq!(
                header(Credentials::from_url(&Url::parse(url).unwrap(), url)),
                expected,
                "{url}"
            );
        }
    }

    #[test]
    fn a_token_that_no_header_can_carry_is_refused_without_showing_it() {
        let variable = |name: &str| (name == env_vars::MLFLOW_TRACKING_TOKEN).then(|| "t0ken\nx".to_owned());
        let credentials = Credentials::from_variables(&variable).unwrap().unwrap();
        let error = credentials.header().unwrap_err();
        assert!(error.to_string().contains("MLFLOW_TRACKING_TOKEN"), "{error}");
        assert!(!error.to_string().contains("t0ken"), "{error}");
    }
}
