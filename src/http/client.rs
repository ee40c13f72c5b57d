//! The HTTP clients for downloads and cloud services, with the environment's proxies.

use std::time::Duration;

use hyper_util::client::proxy::matcher::Matcher;
use reqwest::redirect::Policy;
use reqwest::{Client, ClientBuilder, NoProxy, Proxy, Url};

use super::certificates::Verification;
use super::error::{ClientError, innermost};
use crate::env_vars;
use crate::redact::{Secret, without_credentials};

const CONNECT_TIMEOUT: Duration = Duration::from_secs(30);

/// The longest silence of a server.
pub(crate) const READ_TIMEOUT: Duration = Duration::from_secs(60);

/// The limit of Python's `requests`.
pub(crate) const MOST_REDIRECTS: usize = 30;

pub(crate) const AGENT: &str = concat!("mlrun/", env!("CARGO_PKG_VERSION"));

/// A client with the environment's proxies. `verification` is `None` for servers without TLS. It has no timeout,
/// because only the caller knows how long a response may take.
pub(crate) fn client(verification: Option<&Verification>, redirects: Policy) -> Result<Client, ClientError> {
    let proxies = ProxySettings::from_variables(&env_vars::non_empty);
    built(begun(verification, redirects, &proxies)?)
}

/// A client for services on this machine or its virtual network, which are not behind a proxy and respond quickly.
pub(crate) fn local_client(timeout: Duration) -> Result<Client, ClientError> {
    let builder = begun(None, Policy::none(), &ProxySettings::default())?;
    built(builder.connect_timeout(timeout).timeout(timeout))
}

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

/// The proxies in the environment. Their addresses may contain credentials.
#[derive(Debug, Clone, Default)]
pub(crate) struct ProxySettings {
    http: Option<Secret>,
    https: Option<Secret>,
    all: Option<Secret>,
    /// The value of `NO_PROXY`.
    none_for: String,
}

impl ProxySettings {
    /// Reads the variables; `variable` gives `None` for an unset or empty one.
    pub(super) fn from_variables(variable: &dyn Fn(&str) -> Option<String>) -> Self {
        // Python's `requests` prefers the lower-case name.
        let either = |name: &str| variable(&name.to_ascii_lowercase()).or_else(|| variable(name));
        Self {
            http: either(env_vars::HTTP_PROXY).map(Secret::new),
            https: either(env_vars::HTTPS_PROXY).map(Secret::new),
            all: either(env_vars::ALL_PROXY).map(Secret::new),
            none_for: either(env_vars::NO_PROXY).unwrap_or_default(),
        }
    }

    /// Whether a plain HTTP request to this address uses a proxy.
    pub(super) fn is_for(&self, address: &Url) -> bool {
        let is_named = self.http.is_some() || self.all.is_some();
        let any = Matcher::builder().all("http://any").no(self.none_for.as_str());
        let is_foreign = |address| any.build().intercept(&address).is_some();
        is_named && address.as_str().parse().is_ok_and(is_foreign)
    }

    pub(super) fn configure(&self, builder: ClientBuilder) -> Result<ClientBuilder, ClientError> {
        type Constructor = fn(String) -> reqwest::Result<Proxy>;
        let kinds: [(&Option<Secret>, Constructor); 3] = [
            (&self.http, Proxy::http::<String>),
            (&self.https, Proxy::https::<String>),
            (&self.all, Proxy::all::<String>),
        ];
        let mut builder = builder.no_proxy();
        for (address, constructor) in kinds {
            let Some(address) = address.as_ref().map(Secret::expose) else {
                continue;
            };
            let unusable = |reason| ClientError::Unusable {
                what: format!("the proxy '{}'", without_credentials(address)),
                reason,
                hint: Some("use an http:// proxy, or add the server's host to NO_PROXY"),
            };
            if address.to_ascii_lowercase().starts_with("socks") {
                return Err(unusable("SOCKS proxies are not supported".to_owned()));
            }
            let proxy =
                constructor(address.to_owned()).map_err(|error| unusable(innermost(&error.without_url())))?;
            builder = builder.proxy(proxy.no_proxy(NoProxy::from_string(&self.none_for)));
        }
        Ok(builder)
    }
}
