//! `ftp:` and `sftp:` URIs.

use percent_encoding::percent_decode_str;
use reqwest::Url;

use crate::data::place::split_authority;

/// Why an `sftp:` URI with a password is refused.
pub(in crate::data) const PASSWORD_GIVEN: &str = "ssh takes no password from a URI";

/// A path of a server, and who asks for it.
#[derive(Clone, PartialEq, Eq)]
pub(in crate::data) struct FileAddress {
    pub(in crate::data) host: String,
    pub(in crate::data) port: Option<u16>,
    pub(in crate::data) user: Option<String>,
    pub(in crate::data) password: Option<String>,
    /// As it stands in the URI: MLflow decodes nothing in it.
    pub(in crate::data) path: String,
}

impl FileAddress {
    /// Reads what stands after the scheme's colon. A query and a fragment count for nothing.
    ///
    /// # Errors
    /// What is wrong with it.
    pub(in crate::data) fn parse(scheme: &str, rest: &str) -> Result<Self, String> {
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
        let decoded = |text: &str| percent_decode_str(text).decode_utf8_lossy().into_owned();
        Ok(Self {
            host: url
                .host_str()
                .unwrap_or_default()
                .trim_matches(['[', ']'])
                .to_owned(),
            port: url.port(),
            user: Some(decoded(url.username())).filter(|user| !user.is_empty()),
            password: url.password().map(decoded),
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
    pub(in crate::data) fn for_ssh(self) -> Result<Self, String> {
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths_are_taken_as_they_are() {
        for (rest, expected) in [
            ("//h/a b%20c", "h None None None /a b%20c"),
            ("//h/a/../b//c;d?e#f", "h None None None /a/../b//c;d"),
            (
                "//a%40b:p%2F@h:2121/x",
                "h Some(2121) Some(\"a@b\") Some(\"p/\") /x",
            ),
            ("//[::1]:22/x", "::1 Some(22) None None /x"),
            ("//h", "h None None None /"),
            ("/x", "localhost None None None /x"),
        ] {
            let parsed = FileAddress::parse("sftp", rest).unwrap();
            let FileAddress {
                host,
                port,
                user,
                password,
                path,
            } = parsed;
            assert_eq!(format!("{host} {port:?} {user:?} {password:?} {path}"), expected);
        }
        for rest in ["h/x", "//h/a\r\nDELE b", "//h:port/x", "//h\n/x"] {
            assert!(FileAddress::parse("sftp", rest).is_err(), "{rest:?}");
        }
    }
}
