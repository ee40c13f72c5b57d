//! Credentials for a server, from a URL or a netrc file, and the redirects that may receive them.

use std::fs;
use std::path::PathBuf;
use std::sync::Arc;

use async_trait::async_trait;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use reqwest::header::{AUTHORIZATION, HeaderMap, HeaderValue, LOCATION};
use reqwest::redirect::Policy;
use reqwest::{Client, Request, StatusCode, Url};

use super::certificates::Verification;
use super::client::{MOST_REDIRECTS, client};
use super::error::ClientError;
use crate::env_vars;
use crate::python_paths::unquote;

/// A server, and the headers and credentials of every request to it.
#[derive(Clone)]
pub struct ServerAccess {
    pub(crate) client: Client,
    /// The server's address without credentials.
    pub(crate) url: Url,
    pub(crate) headers: HeaderMap,
    /// The source of the credentials in the headers.
    pub(crate) credentials: Option<String>,
    /// Adds credentials to each request.
    pub(crate) signer: Option<Arc<dyn RequestSigner>>,
    pub(crate) follows_redirects: bool,
}

/// Adds credentials to a request before it is sent.
#[async_trait]
pub(crate) trait RequestSigner: Send + Sync {
    /// Whether it needs the hash of the body.
    fn signs_body(&self) -> bool;

    /// Adds the headers; may change the URL. `body` is the body's SHA-256 if [`RequestSigner::signs_body`].
    async fn sign(&self, request: &mut Request, body: &[u8; 32]) -> Result<(), String>;
}

impl ServerAccess {
    /// The server of a URL, with the credentials in it or in a netrc file. `takes_user`: a user without a password is
    /// sent too, because some hosts accept a token as the user.
    pub(crate) fn of_url(url: &Url, takes_user: bool) -> Result<Self, ClientError> {
        let variable = &env_vars::non_empty;
        let host = url.host_str().unwrap_or_default();
        let is_enough = takes_user && !url.username().is_empty();
        let login = match url.password().or(is_enough.then_some("")) {
            Some(password) => Some((unquote(url.username()), unquote(password), "the URL".to_owned())),
            None => netrc_login(&netrc_files(variable), host),
        };
        let mut headers = HeaderMap::new();
        let credentials = login.and_then(|(user, password, source)| {
            headers.insert(AUTHORIZATION, basic(&user, &password)?);
            Some(source)
        });
        let mut url = url.clone();
        // Neither fails for a URL with a host.
        let _ = (url.set_username(""), url.set_password(None));
        let verification = Verification::from_variables(variable);
        let verification = (url.scheme() == "https").then_some(&verification);
        Ok(Self {
            client: client(verification, Policy::limited(MOST_REDIRECTS))?,
            url,
            headers,
            credentials,
            signer: None,
            follows_redirects: true,
        })
    }
}

/// The target of a redirect.
pub(crate) fn redirect_target(from: &Url, status: StatusCode, headers: &HeaderMap) -> Option<Url> {
    if !matches!(status.as_u16(), 301 | 302 | 303 | 307 | 308) {
        return None;
    }
    let location = String::from_utf8_lossy(headers.get(LOCATION)?.as_bytes()).into_owned();
    from.join(&location).ok()
}

/// Whether a redirect may receive the credentials, by the rules of Python's `requests`: the same host, port and
/// scheme, or from HTTP to HTTPS on their default ports.
pub(crate) fn may_see_credentials(from: &Url, to: &Url) -> bool {
    if from.host_str() != to.host_str() {
        return false;
    }
    let (from_port, to_port) = (from.port_or_known_default(), to.port_or_known_default());
    let is_upgrade = from.scheme() == "http" && to.scheme() == "https";
    (is_upgrade && from_port == Some(80) && to_port == Some(443))
        || (from.scheme() == to.scheme() && from_port == to_port)
}

/// A user and password as the value of an `Authorization` header; `None` if they are invalid in a header.
pub(crate) fn basic(user: &str, password: &str) -> Option<HeaderValue> {
    let pair = STANDARD.encode(format!("{user}:{password}"));
    sensitive(&format!("Basic {pair}"))
}

/// Like [`basic`], for an access token.
pub(crate) fn bearer(token: &str) -> Option<HeaderValue> {
    sensitive(&format!("Bearer {token}"))
}

fn sensitive(text: &str) -> Option<HeaderValue> {
    let mut value = HeaderValue::from_str(text).ok()?;
    value.set_sensitive(true);
    Some(value)
}

/// The paths of netrc files: the one in `NETRC`, or the two default ones.
pub(crate) fn netrc_files(variable: &dyn Fn(&str) -> Option<String>) -> Vec<PathBuf> {
    if let Some(file) = variable(env_vars::NETRC) {
        return vec![PathBuf::from(file)];
    }
    let home = variable(env_vars::HOME).map(PathBuf::from);
    home.iter()
        .flat_map(|home| [".netrc", "_netrc"].map(|name| home.join(name)))
        .collect()
}

/// The user, password and file name from the entry for `host`, or the default entry, in the first of these files
/// that exists. Like Python's `requests`, it ignores an unreadable or invalid file.
pub(crate) fn netrc_login(files: &[PathBuf], host: &str) -> Option<(String, String, String)> {
    let file = files.iter().find(|file| file.exists())?;
    // The default entry has no machine.
    let mut entries: Vec<(Option<String>, String, String)> = Vec::new();
    let mut words = tokens(&fs::read_to_string(file).ok()?).into_iter();
    while let Some(token) = words.next() {
        match token.as_str() {
            "machine" => entries.push((Some(words.next()?), String::new(), String::new())),
            "default" => entries.push((None, String::new(), String::new())),
            "login" | "user" => entries.last_mut()?.1 = words.next()?,
            "password" => entries.last_mut()?.2 = words.next()?,
            "account" => drop(words.next()?),
            _ => return None,
        }
    }
    let of = |machine: Option<&str>| entries.iter().rfind(|entry| entry.0.as_deref() == machine);
    let (_, user, password) = of(Some(host)).or_else(|| of(None))?;
    let is_empty = user.is_empty() && password.is_empty();
    (!is_empty).then(|| (user.clone(), password.clone(), file.display().to_string()))
}

/// The words of a netrc file, without comments and macros. A word may be in double quotes.
fn tokens(text: &str) -> Vec<String> {
    let mut tokens = Vec::new();
    let mut in_macro = false;
    for line in text.lines().map(str::trim) {
        if in_macro {
            in_macro = !line.is_empty();
            continue;
        }
        let mut rest = line;
        while !rest.is_empty() {
            // A password may begin with '#'; anywhere else it begins a comment.
            let is_value = matches!(tokens.last().map(String::as_str), Some("password"));
            if rest.starts_with('#') && !is_value {
                break;
            }
            let (token, after) = match rest.strip_prefix('"').and_then(|quoted| quoted.split_once('"')) {
                Some((token, after)) => (token, after),
                None => rest.split_once(char::is_whitespace).unwrap_or((rest, "")),
            };
            if token == "macdef" && !is_value {
                in_macro = true;
                break;
            }
            tokens.push(token.to_owned());
            rest = after.trim_start();
        }
    }
    tokens
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn credentials_stay_with_their_server() {
        for (from, to, expected) in [
            ("http://a/x", "http://a/y", true),
            ("http://a/x", "http://a:80/y", true),
            ("http://a/x", "https://a/y", true),
            ("http://a:5000/x", "https://a/y", false),
            ("http://a:5000/x", "http://a:5001/y", false),
            ("https://a/x", "http://a/y", false),
            ("http://a/x", "http://b/y", false),
        ] {
            let (from, to) = (Url::parse(from).unwrap(), Url::parse(to).unwrap());
            assert_eq!(may_see_credentials(&from, &to), expected, "{from} {to}");
        }
    }
}
