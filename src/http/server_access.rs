//! Who asks a server: the credentials of a URL or of a netrc file, and how far they go with a request.

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

/// A server, and all that goes with every request to it.
#[derive(Clone)]
pub struct ServerAccess {
    pub(crate) client: Client,
    /// The server's address without credentials.
    pub(crate) url: Url,
    pub(crate) headers: HeaderMap,
    /// Where the credentials in the headers come from.
    pub(crate) credentials: Option<String>,
    /// What adds credentials to each request anew.
    pub(crate) signer: Option<Arc<dyn RequestSigner>>,
    pub(crate) follows_redirects: bool,
}

/// Adds credentials to a request that is about to be sent.
#[async_trait]
pub(crate) trait RequestSigner: Send + Sync {
    /// Whether the hash of the body is needed.
    fn signs_body(&self) -> bool;

    /// Adds the headers; may rewrite the URL. `body` is the body's SHA-256 if [`RequestSigner::signs_body`].
    async fn sign(&self, request: &mut Request, body: &[u8; 32]) -> Result<(), String>;
}

impl ServerAccess {
    /// The server of a web address, with the user and password in it or those of a netrc file. `takes_user`
    /// says that a user without a password is sent too: some hosts take a token so.
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
        // Neither fails for a URL that has a host.
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

/// Where an answer to a request for `from` sends the client.
pub(crate) fn redirect_target(from: &Url, status: StatusCode, headers: &HeaderMap) -> Option<Url> {
    if !matches!(status.as_u16(), 301 | 302 | 303 | 307 | 308) {
        return None;
    }
    let location = String::from_utf8_lossy(headers.get(LOCATION)?.as_bytes()).into_owned();
    from.join(&location).ok()
}

/// Whether a redirect stays with the server that the credentials are for: the same host, port and
/// scheme, or the step from HTTP to HTTPS on their usual ports. As Python's `requests` decides it.
pub(crate) fn may_see_credentials(from: &Url, to: &Url) -> bool {
    if from.host_str() != to.host_str() {
        return false;
    }
    let (from_port, to_port) = (from.port_or_known_default(), to.port_or_known_default());
    let is_upgrade = from.scheme() == "http" && to.scheme() == "https";
    (is_upgrade && from_port == Some(80) && to_port == Some(443))
        || (from.scheme() == to.scheme() && from_port == to_port)
}

/// A user and a password as the value of an `Authorization` header; `None` if no header can carry them.
pub(crate) fn basic(user: &str, password: &str) -> Option<HeaderValue> {
    let pair = STANDARD.encode(format!("{user}:{password}"));
    sensitive(&format!("Basic {pair}"))
}

/// As [`basic`], for an access token.
pub(crate) fn bearer(token: &str) -> Option<HeaderValue> {
    sensitive(&format!("Bearer {token}"))
}

fn sensitive(text: &str) -> Option<HeaderValue> {
    let mut value = HeaderValue::from_str(text).ok()?;
    value.set_sensitive(true);
    Some(value)
}

/// The places where a netrc file may be: the one that `NETRC` names, or the usual two.
pub(crate) fn netrc_files(variable: &dyn Fn(&str) -> Option<String>) -> Vec<PathBuf> {
    if let Some(file) = variable(env_vars::NETRC) {
        return vec![PathBuf::from(file)];
    }
    let home = variable(env_vars::HOME).map(PathBuf::from);
    home.iter()
        .flat_map(|home| [".netrc", "_netrc"].map(|name| home.join(name)))
        .collect()
}

/// The user, the password and the name of the file, from the entry for `host` in the first of these files that
/// exists, or from its default entry. As in Python's `requests` a file that cannot be read or understood counts for nothing.
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

/// The words of a netrc file without comments and macros; a word may stand in double quotes.
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
            // A password may begin with '#', so only elsewhere does it begin a comment.
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
