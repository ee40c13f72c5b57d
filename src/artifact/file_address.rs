//! Servers that keep files in directories, each reached by a protocol of its own.

use reqwest::Url;

use crate::python_paths::{split_authority, unquote};

/// Why an `sftp:` URI with a password is refused.
pub(super) const PASSWORD_GIVEN: &str = "ssh takes no password from a URI";

/// A path of a server, and who asks for it.
#[derive(Clone, PartialEq, Eq)]
pub(super) struct FileAddress {
    pub(super) host: String,
    pub(super) port: Option<u16>,
    pub(super) user: Option<String>,
    pub(super) password: Option<String>,
    /// As it stands in the URI: MLflow decodes nothing in it.
    pub(super) path: String,
}

impl FileAddress {
    /// Reads what stands after the scheme's colon. A query and a fragment count for nothing.
    ///
    /// # Errors
    /// What is wrong with it.
    pub(super) fn parse(scheme: &str, rest: &str) -> Result<Self, String> {
        // One could end a command to the server and begin another.
        if rest.contains(char::is_control) {
            return Err("it holds a control character".to_owned());
        }
        let rest = rest.split(['?', '#']).next().unwrap_or_default();
        let (authority, path) = split_authority(rest);
        if !path.is_empty() && !path.starts_with('/') {
            return Err("two slashes must follow the colon".to_owned());
        }
        let authority = match authority {
            "" => "localhost",
            authority => authority,
        };
        let url = Url::parse(&format!("{scheme}://{authority}/")).map_err(|error| error.to_string())?;
        Ok(Self {
            host: url
                .host_str()
                .unwrap_or_default()
                .trim_matches(['[', ']'])
                .to_owned(),
            port: url.port(),
            user: Some(unquote(url.username())).filter(|user| !user.is_empty()),
            password: url.password().map(unquote),
            path: match path {
                "" => "/".to_owned(),
                path => path.to_owned(),
            },
        })
    }

    /// The address for the `ssh` program.
    ///
    /// # Errors
    /// What `ssh` could not be told, or would take for an option.
    pub(super) fn for_ssh(self) -> Result<Self, String> {
        if self.password.is_some() {
            return Err(PASSWORD_GIVEN.to_owned());
        }
        // A proxy command of the configuration may hand both to a shell.
        let is_unfit = |text: &str| text.starts_with('-') || text.contains(|c| "'`\"$;&<>|(){}".contains(c));
        if is_unfit(&self.host) || self.user.as_deref().is_some_and(is_unfit) {
            return Err(
                "its host and its user cannot begin with '-' or hold what a shell understands".to_owned(),
            );
        }
        Ok(self)
    }
}
