//! One request and its response, without retries and redirects.
//!
//! Plain HTTP uses a client without TLS, because a TLS client reads all the system's certificates when it is
//! created, which takes longer than a whole short run.

use std::fmt;
use std::path::PathBuf;
use std::time::Duration;

use futures_util::TryFutureExt as _;
use hyper_util::client::legacy::Client as PlainClient;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::TokioExecutor;
use reqwest::header::{CONTENT_LENGTH, HeaderMap};
use reqwest::redirect::Policy;
use reqwest::{Body, Client, Method, Request, Response, StatusCode};
use serde::Serialize;
use tokio::sync::OnceCell;
use tokio::time::timeout;

use super::certificates::{Verification, client_identity};
use super::client::{ProxySettings, begun, built};
use super::content::Content;
use super::error::{ApiError, ClientError, Fault, classify};
use super::retry::RetryPolicy;
use crate::env_vars::{self, VariableError, whole_number};
use crate::quantity;

/// The limit for responses; the largest real ones are runs with many metrics and parameters.
const LONGEST_BODY: usize = 64 * 1024 * 1024;

/// The slowest supported upload, in bytes per second.
const SLOWEST: u64 = 50 * 1024;

/// As in `reqwest` and MLflow's client: detects a dead connection within a minute.
const KEEPALIVE: (Duration, u32) = (Duration::from_secs(15), 3);

type BoxError = Box<dyn std::error::Error + Send + Sync>;

/// The connection settings of the environment.
#[derive(Debug, Clone)]
pub(crate) struct ConnectionSettings {
    pub(crate) verification: Verification,
    /// A PEM file with the client's certificate, chain and key.
    pub(crate) client_certificate: Option<PathBuf>,
    pub(crate) proxies: ProxySettings,
    pub(crate) retry: RetryPolicy,
    /// The timeout for the response, and then for each part of it.
    pub(crate) timeout: Duration,
}

impl ConnectionSettings {
    /// Reads the variables of MLflow and Python's `requests`.
    pub(crate) fn from_variables(variable: &dyn Fn(&str) -> Option<String>) -> Result<Self, VariableError> {
        let timeout = whole_number(variable, env_vars::MLFLOW_HTTP_REQUEST_TIMEOUT, 120, 1..=i64::MAX)?;
        Ok(Self {
            verification: Verification::from_variables(variable),
            client_certificate: None,
            proxies: ProxySettings::from_variables(variable),
            retry: RetryPolicy::from_variables(variable)?,
            timeout: Duration::from_secs(timeout.unsigned_abs()),
        })
    }

    /// A client with these settings. `is_tls`: its servers use HTTPS.
    pub(crate) fn client(&self, redirects: Policy, is_tls: bool) -> Result<Client, ClientError> {
        let mut builder = begun(is_tls.then_some(&self.verification), redirects, &self.proxies)?
            .connect_timeout(self.timeout)
            .min_tls_version(reqwest::tls::Version::TLS_1_2);
        if let Some(path) = self.client_certificate.as_ref().filter(|_| is_tls) {
            builder = builder.identity(client_identity(path)?);
        }
        built(builder)
    }
}

/// A request that may be sent several times.
#[derive(Debug, Clone)]
pub(crate) struct Call<'a> {
    pub(crate) method: Method,
    /// The percent-encoded path below the server's address.
    pub(crate) path: &'a str,
    pub(crate) query: &'a [(&'a str, &'a str)],
    pub(crate) content_type: Option<&'a str>,
    pub(crate) content: Content,
    /// Whether it is safe to repeat if the first attempt may have succeeded.
    pub(crate) is_repeatable: bool,
    /// A factor for the timeout.
    pub(crate) patience: u32,
}

impl<'a> Call<'a> {
    pub(crate) fn new(method: Method, path: &'a str) -> Self {
        Self {
            method,
            path,
            query: &[],
            content_type: None,
            content: Content::default(),
            is_repeatable: true,
            patience: 1,
        }
    }

    pub(crate) fn json(path: &'a str, body: &impl Serialize) -> Self {
        let text = serde_json::to_vec(body).expect("the bodies hold only text, numbers, lists and maps");
        Self {
            content_type: Some("application/json"),
            content: Content::bytes(text),
            ..Self::new(Method::POST, path)
        }
    }
}

/// A complete response.
#[derive(Debug)]
pub(crate) struct ApiResponse {
    pub(crate) status: StatusCode,
    pub(crate) headers: HeaderMap,
    pub(crate) body: Vec<u8>,
    pub(super) tries: u32,
}

impl ApiResponse {
    pub(crate) fn header(&self, name: impl reqwest::header::AsHeaderName) -> Option<&str> {
        self.headers.get(name)?.to_str().ok()
    }
}

/// Sends requests and keeps the connections open for the next ones.
pub(crate) struct Connection {
    pub(super) settings: ConnectionSettings,
    plain: PlainClient<HttpConnector, Body>,
    full: OnceCell<Client>,
}

impl fmt::Debug for Connection {
    /// Omits the clients, which contain the proxies' credentials.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Connection").field(&self.settings).finish()
    }
}

impl Connection {
    pub(crate) fn new(settings: ConnectionSettings) -> Self {
        let (interval, count) = KEEPALIVE;
        let mut connector = HttpConnector::new();
        connector.set_nodelay(true);
        connector.set_connect_timeout(Some(settings.timeout));
        connector.set_keepalive(Some(interval));
        connector.set_keepalive_interval(Some(interval));
        connector.set_keepalive_retries(Some(count));
        Self {
            settings,
            plain: PlainClient::builder(TokioExecutor::new()).build(connector),
            full: OnceCell::new(),
        }
    }

    /// Sends the request of a call with its content and reads the response. `tries` is the number of the attempt.
    pub(super) async fn exchange(
        &self,
        call: &Call<'_>,
        mut request: Request,
        tries: u32,
    ) -> Result<ApiResponse, ApiError> {
        let content = &call.content;
        let usual = self.settings.timeout.saturating_mul(call.patience);
        let limit = usual.saturating_add(Duration::from_secs(content.length() / SLOWEST));
        let address = request.url().origin().ascii_serialization();
        let silent = |(fault, reason)| ApiError::NoAnswer {
            address: address.clone(),
            endpoint: call.path.to_owned(),
            fault,
            reason,
            tries,
        };
        let failed = |limit, error: Option<BoxError>| match (error, content.check()) {
            (None, _) => {
                let reason = format!("no response within {}", quantity::duration(limit));
                silent((Fault::Timeout(self.settings.timeout), reason))
            }
            (Some(error), Ok(())) => silent(classify(error.as_ref(), self.settings.timeout)),
            (Some(_), Err(changed)) => ApiError::Content(changed),
        };
        if let Some(body) = content.body() {
            let length = content.length().into();
            request.headers_mut().insert(CONTENT_LENGTH, length);
            *request.body_mut() = Some(body);
        }
        let sent = self.send(request).await?;
        let mut answer = in_time(limit, sent).await.map_err(|error| failed(limit, error))?;
        let mut body = Vec::new();
        while let Some(data) = in_time(usual, answer.chunk().map_err(without_url))
            .await
            .map_err(|error| failed(usual, error))?
        {
            if body.len() + data.len() > LONGEST_BODY {
                return Err(ApiError::Malformed {
                    endpoint: call.path.to_owned(),
                    what: format!("larger than {}", quantity::size(LONGEST_BODY as u64)),
                });
            }
            body.extend_from_slice(&data);
        }
        // A separate task returns the connection to the pool. Without this, the next request could be earlier and
        // open another connection.
        tokio::task::yield_now().await;
        Ok(ApiResponse {
            status: answer.status(),
            headers: std::mem::take(answer.headers_mut()),
            body,
            tries,
        })
    }

    /// Sends a request with the client that it needs.
    async fn send(
        &self,
        request: Request,
    ) -> Result<impl Future<Output = Result<Response, BoxError>>, ClientError> {
        let url = request.url();
        let is_plain = url.scheme() != "https" && !self.settings.proxies.is_for(url);
        let full = async { self.settings.client(Policy::none(), true) };
        let full = if is_plain {
            None
        } else {
            Some(self.full.get_or_try_init(|| full).await?)
        };
        Ok(async move {
            if let Some(full) = full {
                return full.execute(request).await.map_err(without_url);
            }
            let message = http::Request::try_from(request).map_err(without_url)?;
            Ok(self.plain.request(message).await?.map(Body::wrap).into())
        })
    }
}

fn without_url(error: reqwest::Error) -> BoxError {
    error.without_url().into()
}

/// Waits for the work; gives `Err(None)` after the timeout.
async fn in_time<T>(
    limit: Duration,
    work: impl Future<Output = Result<T, BoxError>>,
) -> Result<T, Option<BoxError>> {
    let done = timeout(limit, work).await.map_err(|_| None)?;
    done.map_err(Some)
}
