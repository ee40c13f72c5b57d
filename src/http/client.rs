//! The client that all downloads and calls of cloud services go over.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use percent_encoding::percent_decode_str;
use reqwest::header::{AUTHORIZATION, HeaderMap, HeaderValue};
use reqwest::redirect::Policy;
use reqwest::{Client, ClientBuilder, Method, Url};

use super::certificates::{CertificateError, Verification};
use super::fault::innermost;
use super::netrc;
use super::proxies::{ProxyError, ProxySettings};

/// As many redirects as Python's `requests` follows.
pub(crate) const MOST_REDIRECTS: usize = 30;

/// How long a connection may take to be made.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(30);

/// How long a server may send nothing.
pub(crate) const READ_TIMEOUT: Duration = Duration::from_secs(60);

/// What a server's log calls this program.
pub(crate) const AGENT: &str = concat!("mlrun/", env!("CARGO_PKG_VERSION"));

/// Why no client can be made.
#[derive(Debug, thiserror::Error)]
pub enum ClientError {
    /// The certificates that servers are to be checked against cannot be used.
    #[error(transparent)]
    Certificate(#[from] CertificateError),
    /// The proxy cannot be used.
    #[error(transparent)]
    Proxy(#[from] ProxyError),
    /// The TLS library refuses the settings.
    #[error("cannot prepare connections by TLS: {reason}")]
    Tls {
        /// Why.
        reason: String,
    },
}

impl ClientError {
    /// What the person can do about it.
    pub(crate) fn hint(&self) -> Option<String> {
        match self {
            Self::Proxy(error) => Some(error.hint()),
            Self::Certificate(_) | Self::Tls { .. } => None,
        }
    }
}

/// A client with the proxies that the environment names. `verification` says what servers are checked
/// against; none for servers without TLS. It waits for answers at any length: how long depends on what is
/// sent, which only the sender knows.
pub(crate) fn client(verification: Option<&Verification>, redirects: Policy) -> Result<Client, ClientError> {
    configured_client(redirects, |builder| configured(builder, verification))
}

/// As [`client`], for what is only read: it gives up where a server sends nothing for a time.
pub(super) fn reading_client(
    verification: Option<&Verification>,
    redirects: Policy,
) -> Result<Client, ClientError> {
    configured_client(redirects, |builder| {
        configured(builder.read_timeout(READ_TIMEOUT), verification)
    })
}

fn configured(
    builder: ClientBuilder,
    verification: Option<&Verification>,
) -> Result<ClientBuilder, CertificateError> {
    match verification {
        Some(verification) => verification.configure(builder),
        None => Ok(builder),
    }
}

/// As [`client`], with the TLS settings that `configure` makes.
pub(crate) fn configured_client(
    redirects: Policy,
    configure: impl FnOnce(ClientBuilder) -> Result<ClientBuilder, CertificateError>,
) -> Result<Client, ClientError> {
    let mut builder = Client::builder()
        .redirect(redirects)
        .no_proxy()
        .http1_only()
        .user_agent(AGENT)
        .connect_timeout(CONNECT_TIMEOUT);
    for proxy in ProxySettings::from_variables(&crate::env_vars::non_empty).to_clients()? {
        builder = builder.proxy(proxy);
    }
    configure(builder)?.build().map_err(|error| ClientError::Tls {
        reason: innermost(&error.without_url()),
    })
}

/// A client for services on this machine or its virtual network, which no proxy reaches and which
/// answer at once or not at all.
pub(crate) fn local_client(timeout: Duration) -> Result<Client, ClientError> {
    Client::builder()
        .redirect(Policy::none())
        .no_proxy()
        .http1_only()
        .user_agent(AGENT)
        .connect_timeout(timeout)
        .timeout(timeout)
        .build()
        .map_err(|error| ClientError::Tls {
            reason: innermost(&error.without_url()),
        })
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
    /// Where a person finds the credentials.
    fn source(&self) -> &'static str;

    /// Whether the hash of the body is needed.
    fn signs_body(&self) -> bool;

    /// Adds the headers, and may write the URL in another way. `body` is the SHA-256 of the body, which
    /// counts where [`RequestSigner::signs_body`]. The error says why it cannot.
    async fn sign(
        &self,
        method: &Method,
        url: &mut Url,
        headers: &mut HeaderMap,
        body: &[u8; 32],
    ) -> Result<(), String>;
}

impl ServerAccess {
    /// The server of a web address, with the user and password in it or those of a netrc file.
    pub(crate) fn of_url(url: &Url) -> Result<Self, ClientError> {
        let variable = &crate::env_vars::non_empty;
        let decoded = |text: &str| percent_decode_str(text).decode_utf8_lossy().into_owned();
        let host = url.host_str().unwrap_or_default();
        let login = match url.password() {
            Some(password) => Some((decoded(url.username()), decoded(password), "the URL".to_owned())),
            None => netrc::login(&netrc::files(variable), host)
                .map(|login| (login.user, login.password, login.file.display().to_string())),
        };
        let mut headers = HeaderMap::new();
        let credentials = login.and_then(|(user, password, source)| {
            let pair = STANDARD.encode(format!("{user}:{password}"));
            let mut value = HeaderValue::from_str(&format!("Basic {pair}")).ok()?;
            value.set_sensitive(true);
            headers.insert(AUTHORIZATION, value);
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
