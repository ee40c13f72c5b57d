//! The client that all downloads and calls of cloud services go over.

use std::fmt;
use std::io;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use percent_encoding::percent_decode_str;
use reqwest::header::{AUTHORIZATION, HeaderMap};
use reqwest::redirect::Policy;
use reqwest::{Client, ClientBuilder, Request, Url};

use super::authorization::basic;
use super::certificates::Verification;
use super::fault::innermost;
use super::netrc;
use super::proxies::ProxySettings;
use super::redirect::MOST_REDIRECTS;

/// How long a connection may take to be made.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(30);

/// How long a server may send nothing.
pub(crate) const READ_TIMEOUT: Duration = Duration::from_secs(60);

/// What a server's log calls this program.
pub(crate) const AGENT: &str = concat!("mlrun/", env!("CARGO_PKG_VERSION"));

/// Why no client can be made.
#[derive(Debug, thiserror::Error)]
pub enum ClientError {
    /// The file with certificates or a key that a variable names cannot be read.
    #[error("cannot read {variable} '{}'", .path.display())]
    Unreadable {
        variable: &'static str,
        path: PathBuf,
        source: io::Error,
    },
    /// What that file holds cannot be used.
    #[error("{variable} '{}' cannot be used: {reason}", .path.display())]
    Unusable {
        variable: &'static str,
        path: PathBuf,
        reason: String,
    },
    /// The proxy cannot be used.
    #[error("the proxy '{proxy}' cannot be used: {reason}")]
    Proxy {
        /// Its address without credentials.
        proxy: String,
        reason: String,
    },
    /// The TLS library refuses the settings.
    #[error("cannot prepare connections by TLS: {reason}")]
    Tls { reason: String },
}

impl ClientError {
    /// What the person can do about it.
    pub(crate) fn hint(&self) -> Option<String> {
        let hint = "use an http:// proxy, or name the server's host in NO_PROXY";
        matches!(self, Self::Proxy { .. }).then(|| hint.to_owned())
    }
}

/// A client with the proxies that the environment names. `verification` says what servers are checked
/// against; none for servers without TLS. It waits for answers at any length: how long depends on what is
/// sent, which only the sender knows.
pub(crate) fn client(verification: Option<&Verification>, redirects: Policy) -> Result<Client, ClientError> {
    let proxies = ProxySettings::from_variables(&crate::env_vars::non_empty);
    let builder = begun(redirects, &proxies)?;
    built(match verification {
        Some(verification) => verification.configure(builder)?,
        None => builder,
    })
}

/// A client for services on this machine or its virtual network, which no proxy reaches and which
/// answer at once or not at all.
pub(crate) fn local_client(timeout: Duration) -> Result<Client, ClientError> {
    let builder = begun(Policy::none(), &ProxySettings::default())?;
    built(builder.connect_timeout(timeout).timeout(timeout))
}

/// What all clients have in common.
pub(super) fn begun(redirects: Policy, proxies: &ProxySettings) -> Result<ClientBuilder, ClientError> {
    let builder = Client::builder()
        .redirect(redirects)
        .no_proxy()
        .http1_only()
        .user_agent(AGENT)
        .connect_timeout(CONNECT_TIMEOUT);
    Ok(proxies
        .to_clients()?
        .into_iter()
        .fold(builder, ClientBuilder::proxy))
}

pub(super) fn built(builder: ClientBuilder) -> Result<Client, ClientError> {
    builder.build().map_err(|error| ClientError::Tls {
        reason: innermost(&error.without_url()),
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
    /// Where a person finds the credentials.
    fn source(&self) -> &'static str;

    /// Whether the hash of the body is needed.
    fn signs_body(&self) -> bool;

    /// Adds the headers, and may write the URL in another way. `body` is the SHA-256 of the body, which
    /// counts where [`RequestSigner::signs_body`]. The error says why it cannot.
    async fn sign(&self, request: &mut Request, body: &[u8; 32]) -> Result<(), String>;
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
