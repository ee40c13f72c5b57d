//! How a workspace is reached: proxies, trusted certificates, retries and limits of time.

use std::time::Duration;

use super::error::DatabricksError;
use crate::env_vars;
use crate::http::{ClientError, ProxySettings, RetryPolicy, Verification, innermost, whole_number};

/// What the environment says about connections.
#[derive(Debug, Clone)]
pub(super) struct Settings {
    verification: Verification,
    proxies: ProxySettings,
    pub(super) retry: RetryPolicy,
    /// How long the workspace may take to answer.
    pub(super) timeout: Duration,
}

impl Settings {
    pub(super) fn from_variables(variable: &dyn Fn(&str) -> Option<String>) -> Result<Self, DatabricksError> {
        let timeout = whole_number(variable, env_vars::MLFLOW_HTTP_REQUEST_TIMEOUT, 120, 1..=i64::MAX)?;
        Ok(Self {
            verification: Verification::from_variables(variable),
            proxies: ProxySettings::from_variables(variable),
            retry: RetryPolicy::from_variables(variable)?,
            timeout: Duration::from_secs(timeout.unsigned_abs()),
        })
    }

    /// A client with these settings. It follows no redirects: no API of Databricks makes any, and
    /// credentials must not go elsewhere.
    pub(super) fn client(&self, is_insecure: bool) -> Result<reqwest::Client, ClientError> {
        let mut builder = reqwest::Client::builder()
            .redirect(reqwest::redirect::Policy::none())
            .no_proxy()
            .http1_only()
            .min_tls_version(reqwest::tls::Version::TLS_1_2)
            .connect_timeout(self.timeout)
            .tcp_keepalive(Duration::from_secs(30));
        for proxy in self.proxies.to_clients()? {
            builder = builder.proxy(proxy);
        }
        let verification = match is_insecure {
            true => &Verification::Off,
            false => &self.verification,
        };
        verification
            .configure(builder)?
            .build()
            .map_err(|error| ClientError::Tls {
                reason: innermost(&error.without_url()),
            })
    }
}
