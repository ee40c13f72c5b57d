//! The proxies that the environment names.

use std::fmt;

use reqwest::{NoProxy, Proxy};

use super::fault::innermost;
use crate::env_vars;
use crate::redact::without_credentials;

/// The proxies that the environment names. Their addresses may hold credentials.
#[derive(Clone, Default)]
pub(crate) struct ProxySettings {
    pub(crate) http: Option<String>,
    pub(crate) https: Option<String>,
    pub(crate) all: Option<String>,
    /// The hosts that need none, in the variable's own form.
    pub(crate) none_for: String,
}

impl fmt::Debug for ProxySettings {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ProxySettings").finish_non_exhaustive()
    }
}

impl ProxySettings {
    /// Reads the variables; `variable` gives `None` for one that is not set or empty.
    pub(crate) fn from_variables(variable: &dyn Fn(&str) -> Option<String>) -> Self {
        // The lower case comes first in Python's `requests`.
        let either = |name: &str| variable(&name.to_ascii_lowercase()).or_else(|| variable(name));
        Self {
            http: either(env_vars::HTTP_PROXY),
            https: either(env_vars::HTTPS_PROXY),
            all: either(env_vars::ALL_PROXY),
            none_for: either(env_vars::NO_PROXY).unwrap_or_default(),
        }
    }

    /// Whether requests by plain HTTP may go to a proxy.
    pub(crate) fn has_for_http(&self) -> bool {
        self.http.is_some() || self.all.is_some()
    }

    /// The proxies for a client that is being built.
    pub(crate) fn to_clients(&self) -> Result<Vec<Proxy>, ProxyError> {
        type Constructor = fn(String) -> reqwest::Result<Proxy>;
        let kinds: [(&Option<String>, Constructor); 3] = [
            (&self.http, Proxy::http::<String>),
            (&self.https, Proxy::https::<String>),
            (&self.all, Proxy::all::<String>),
        ];
        let mut proxies = Vec::new();
        for (address, constructor) in kinds {
            let Some(address) = address else { continue };
            let unusable = |reason: String| ProxyError {
                proxy: without_credentials(address),
                reason,
            };
            if address.to_ascii_lowercase().starts_with("socks") {
                return Err(unusable("SOCKS is not available".to_owned()));
            }
            let proxy =
                constructor(address.clone()).map_err(|error| unusable(innermost(&error.without_url())))?;
            proxies.push(proxy.no_proxy(NoProxy::from_string(&self.none_for)));
        }
        Ok(proxies)
    }
}

/// A proxy that cannot be used.
#[derive(Debug, thiserror::Error)]
#[error("the proxy '{proxy}' cannot be used: {reason}")]
pub struct ProxyError {
    /// The proxy's address without credentials.
    pub proxy: String,
    /// Why.
    pub reason: String,
}

impl ProxyError {
    /// What the person can do about it.
    pub(crate) fn hint(&self) -> String {
        "use an http:// proxy, or name the server's host in NO_PROXY".to_owned()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn proxies_are_read_in_lower_case_first() {
        let variables = [
            ("http_proxy", "http://lower:1"),
            ("HTTP_PROXY", "http://upper:1"),
            ("HTTPS_PROXY", "http://secure:1"),
            ("no_proxy", "localhost"),
        ];
        let settings = ProxySettings::from_variables(&|name| {
            variables
                .iter()
                .find(|(other, _)| *other == name)
                .map(|(_, value)| (*value).to_owned())
        });
        assert_eq!(settings.http.as_deref(), Some("http://lower:1"));
        assert_eq!(settings.https.as_deref(), Some("http://secure:1"));
        assert_eq!(settings.none_for, "localhost");
    }
}
