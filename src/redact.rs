//! Values that must never be shown: credentials, and URLs that may contain them.

use std::fmt;

/// A credential. `Debug` and `Display` show a mask; [`Secret::expose`] returns the value for sending it.
#[derive(Clone, PartialEq, Eq, serde::Deserialize)]
#[serde(transparent)]
pub struct Secret(String);

impl Secret {
    /// Wraps a credential.
    pub fn new(value: impl Into<String>) -> Self {
        Self(value.into())
    }

    /// The credential itself.
    pub fn expose(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Secret(****)")
    }
}

impl fmt::Display for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("****")
    }
}

/// Returns `url` without the user information of its authority (`https://user:token@host/path`
/// becomes `https://host/path`). Text without a scheme, such as `git@host:path`, and URLs without
/// user information are returned unchanged. Works on any text, even if no URL parser accepts it.
pub fn without_credentials(url: &str) -> String {
    let Some(scheme_end) = url.find("://") else {
        return url.to_owned();
    };
    let (scheme, rest) = url.split_at(scheme_end + 3);
    let authority_end = rest.find(['/', '?', '#']).unwrap_or(rest.len());
    // A password may itself contain '/', '?' or '#': then the text before a later '@' also counts as a credential.
    let further_on = || rest.rfind('@').filter(|at| looks_like_user_info(&rest[..*at]));
    match rest[..authority_end].rfind('@').or_else(further_on) {
        Some(at) => format!("{scheme}{}", &rest[at + 1..]),
        None => url.to_owned(),
    }
}

/// The text without credentials: without the user information of a URL and, for `http(s)://`, without the
/// query, which may contain tokens and signatures.
pub(crate) fn shown_url(text: &str) -> String {
    let text = without_credentials(text);
    if !text.starts_with("http://") && !text.starts_with("https://") {
        return text;
    }
    let (location, fragment) = text.split_at(text.find('#').unwrap_or(text.len()));
    let path = location.split('?').next().unwrap_or(location);
    format!("{path}{fragment}")
}

/// Whether the text before an '@' can only be `user:password` with reserved characters in the
/// password: there is a ':' in its first part that no port number follows.
fn looks_like_user_info(before_at: &str) -> bool {
    let first_part = before_at.split(['/', '?', '#']).next().unwrap_or(before_at);
    match first_part.split_once(':') {
        Some((_, after_colon)) => !after_colon.bytes().all(|byte| byte.is_ascii_digit()),
        None => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn user_information_is_removed() {
        for (url, expected) in [
            ("https://host/path", "https://host/path"),
            ("https://user:token@host/path", "https://host/path"),
            ("https://token@host:8080/path?q#f", "https://host:8080/path?q#f"),
            ("https://user:p@ss@host/path", "https://host/path"),
            ("https://user:pa/ss@host/path", "https://host/path"),
            ("https://host:8080/a@b", "https://host:8080/a@b"),
            ("https://host/a@b", "https://host/a@b"),
            ("git@host:org/repo.git", "git@host:org/repo.git"),
            ("/a/path", "/a/path"),
            ("ssh://git@host/repo", "ssh://host/repo"),
        ] {
            assert_eq!(without_credentials(url), expected, "{url}");
        }
    }

    #[test]
    fn a_secret_is_masked() {
        let secret = Secret::new("hunter2");
        assert_eq!(format!("{secret} {secret:?}"), "**** Secret(****)");
        assert_eq!(secret.expose(), "hunter2");
    }
}
