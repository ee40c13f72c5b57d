//! The client that all downloads and calls of cloud services go over.

use std::time::Duration;

use reqwest::Client;
use reqwest::redirect::Policy;

use super::certificates::{CertificateError, Verification};
use super::fault::innermost;
use super::proxies::{ProxyError, ProxySettings};

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
/// against; none for servers without TLS.
pub(crate) fn client(verification: Option<&Verification>, redirects: Policy) -> Result<Client, ClientError> {
    let mut builder = Client::builder()
        .redirect(redirects)
        .no_proxy()
        .http1_only()
        .user_agent(AGENT)
        .connect_timeout(CONNECT_TIMEOUT)
        .read_timeout(READ_TIMEOUT);
    for proxy in ProxySettings::from_variables(&crate::env_vars::non_empty).to_clients()? {
        builder = builder.proxy(proxy);
    }
    if let Some(verification) = verification {
        builder = verification.configure(builder)?;
    }
    builder.build().map_err(|error| ClientError::Tls {
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
