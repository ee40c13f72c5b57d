//! The client that all downloads and calls of cloud services go over.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use percent_encoding::percent_decode_str;
use reqwest::header::{AUTHORIZATION, HeaderMap, HeaderValue, LOCATION};
use reqwest::redirect::Policy;
use reqwest::{Client, ClientBuilder, Request, StatusCode, Url};

use super::certificates::Verification;
use super::fault::{ClientError, innermost};
use super::netrc;
use super::proxies::ProxySettings;

/// How long a connection may take to be made.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(30);

/// How long a server may send nothing.
pub(crate) const READ_TIMEOUT: Duration = Duration::from_secs(60);

/// As many redirects as Python's `requests` follows.
pub(crate) const MOST_REDIRECTS: usize = 30;

/// What a server's log calls this program.
pub(crate) const AGENT: &str = concat!("mlrun/", env!("CARGO_PKG_VERSION"));

/// A client with the proxies that the environment names. `verification` says what servers are checked
/// against; none for servers without TLS. It waits for answers at any length: how long depends on what is
/// sent, which only the sender knows.
pub(crate) fn client(verification: Option<&Verification>, redirects: Policy) -> Result<Client, ClientError> {
    let proxies = ProxySettings::from_variables(&crate::env_vars::non_empty);
    built(begun(verification, redirects, &proxies)?)
}

/// A client for services on this machine or its virtual network, which no proxy reaches and which
/// answer at once or not at all.
pub(crate) fn local_client(timeout: Duration) -> Result<Client, ClientError> {
    let builder = begun(None, Policy::none(), &ProxySettings::default())?;
    built(builder.connect_timeout(timeout).timeout(timeout))
}

/// What all clients have in common.
pub(super) fn begun(
    verification: Option<&Verification>,
    redirects: Policy,
    proxies: &ProxySettings,
) -> Result<ClientBuilder, ClientError> {
    let builder = Client::builder()
        .redirect(redirects)
        .http1_only()
        .user_agent(AGENT)
        .connect_timeout(CONNECT_TIMEOUT);
    let builder = proxies.configure(builder)?;
    match verification {
        Some(verification) => verification.configure(builder),
        None => Ok(builder),
    }
}

pub(super) fn built(builder: ClientBuilder) -> Result<Client, ClientError> {
    builder.build().map_err(|error| ClientError::Unusable {
        what: "the TLS library".to_owned(),
        reason: innermost(&error.without_url()),
        hint: None,
    })
}

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
    /// Whether requests go on to where the server redirects them.
    pub(crate) follows_redirects: bool,
}

/// Adds credentials to a request that is about to be sent.
#[async_trait]
pub(crate) trait RequestSigner: Send + Sync {
    /// Whether the hash of the body is needed.
    fn signs_body(&self) -> bool;

    /// Adds the headers, and may write the URL in another way. `body` is the SHA-256 of the body, which
    /// counts if [`RequestSigner::signs_body`]. The error says why it cannot.
    async fn sign(&self, request: &mut Request, body: &[u8; 32]) -> Result<(), String>;
}

impl ServerAccess {
    /// The server of a web address, with the user and password in it or those of a netrc file. `takes_user`
    /// says that a user without a password is sent too: some hosts take a token so.
    pub(crate) fn of_url(url: &Url, takes_user: bool) -> Result<Self, ClientError> {
        let variable = &crate::env_vars::non_empty;
        let decoded = |text: &str| percent_decode_str(text).decode_utf8_lossy().into_owned();
        let host = url.host_str().unwrap_or_default();
        let is_enough = takes_user && !url.username().is_empty();
        let login = match url.password().or(is_enough.then_some("")) {
            Some(password) => Some((decoded(url.username()), decoded(password), "the URL".to_owned())),
            None => netrc::login(&netrc::files(variable), host),
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

impl fmt::Debug for ServerAccess {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "ServerAccess({})", self.url)
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
