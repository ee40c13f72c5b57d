//! One request and its answer, without retries and redirects.
//!
//! Plain HTTP goes over a client that knows nothing of TLS: the one that does reads all the
//! system's certificates when it is made, which takes longer than a whole short run.

use std::fmt;
use std::sync::OnceLock;
use std::time::Duration;

use http_body_util::BodyExt as _;
use hyper_util::client::legacy::Client as PlainClient;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::TokioExecutor;
use reqwest::header::HeaderMap;
use reqwest::{Method, StatusCode, Url};

use super::error::RestError;
use super::settings::RestSettings;
use super::tls::TlsSettings;
use crate::http::{Fault, ProxySettings, classify, in_words, innermost};

/// Longer answers are refused. A run with many metrics and parameters is the longest that comes.
pub(super) const LONGEST_BODY: usize = 64 * 1024 * 1024;

/// As MLflow's client sets them: a dead connection is noticed within a minute.
const KEEPALIVE: (Duration, Duration, u32) = (Duration::from_secs(30), Duration::from_secs(10), 3);

/// A request to be sent.
#[derive(Debug, Clone)]
pub(super) struct Request {
    pub(super) method: Method,
    pub(super) url: Url,
    pub(super) headers: HeaderMap,
    /// JSON; empty for `GET`.
    pub(super) body: String,
    /// How often the usual time the answer may take.
    pub(super) patience: u32,
}

/// An answer, wholly read.
#[derive(Debug)]
pub(super) struct Response {
    pub(super) status: StatusCode,
    pub(super) headers: HeaderMap,
    pub(super) body: Vec<u8>,
}

/// Why there is no answer.
#[derive(Debug)]
pub(super) enum ExchangeError {
    /// The connection failed.
    NoAnswer { fault: Fault, reason: String },
    /// The answer is longer than [`LONGEST_BODY`].
    TooLong,
    /// The client could not be made.
    Setup(RestError),
}

/// Sends requests and keeps the connections for the next ones.
pub(super) struct Transport {
    tls: TlsSettings,
    proxies: ProxySettings,
    timeout: Duration,
    plain: OnceLock<PlainClient<HttpConnector, String>>,
    full: OnceLock<reqwest::Client>,
}

impl fmt::Debug for Transport {
    /// Without the clients, which know the credentials of proxies.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Transport")
            .field("tls", &self.tls)
            .finish_non_exhaustive()
    }
}

impl Transport {
    pub(super) fn new(settings: &RestSettings) -> Self {
        Self {
            tls: settings.tls.clone(),
            proxies: settings.proxies.clone(),
            timeout: settings.timeout,
            plain: OnceLock::new(),
            full: OnceLock::new(),
        }
    }

    /// Sends the request and reads the answer.
    pub(super) async fn exchange(&self, request: Request) -> Result<Response, ExchangeError> {
        if request.url.scheme() == "http" && !self.proxies.intercept(&request.url) {
            self.exchange_plain(request).await
        } else {
            self.exchange_full(request).await
        }
    }

    /// How long an answer usually may take.
    pub(super) fn timeout(&self) -> Duration {
        self.timeout
    }

    async fn exchange_plain(&self, request: Request) -> Result<Response, ExchangeError> {
        let client = self.plain.get_or_init(|| plain_client(self.timeout));
        let limit = self.timeout.saturating_mul(request.patience);
        let mut message = http::Request::new(request.body);
        *message.method_mut() = request.method;
        *message.headers_mut() = request.headers;
        *message.uri_mut() = request
            .url
            .as_str()
            .parse()
            .map_err(|error: http::uri::InvalidUri| {
                ExchangeError::Setup(RestError::Url {
                    url: request.url.to_string(),
                    reason: format!("cannot be asked: {error}"),
                })
            })?;
        let answer = self
            .in_time(limit, client.request(message))
            .await?
            .map_err(|error| self.failure(&error))?;
        let (parts, mut incoming) = answer.into_parts();
        let mut body = Body::default();
        while let Some(frame) = self.in_time(limit, incoming.frame()).await? {
            if let Ok(data) = frame.map_err(|error| self.failure(&error))?.into_data() {
                body.add(&data)?;
            }
        }
        Ok(Response {
            status: parts.status,
            headers: parts.headers,
            body: body.0,
        })
    }

    async fn exchange_full(&self, request: Request) -> Result<Response, ExchangeError> {
        let client = match self.full.get() {
            Some(client) => client,
            None => {
                let client = self.full_client().map_err(ExchangeError::Setup)?;
                self.full.get_or_init(|| client)
            }
        };
        let limit = self.timeout.saturating_mul(request.patience);
        let sent = client
            .request(request.method, request.url)
            .headers(request.headers)
            .body(request.body)
            .send();
        let mut answer = self
            .in_time(limit, sent)
            .await?
            .map_err(|error| self.failure(&error.without_url()))?;
        let mut body = Body::default();
        while let Some(data) = self
            .in_time(limit, answer.chunk())
            .await?
            .map_err(|error| self.failure(&error.without_url()))?
        {
            body.add(&data)?;
        }
        Ok(Response {
            status: answer.status(),
            headers: std::mem::take(answer.headers_mut()),
            body: body.0,
        })
    }

    fn full_client(&self) -> Result<reqwest::Client, RestError> {
        let (idle, interval, count) = KEEPALIVE;
        let mut builder = reqwest::Client::builder()
            .redirect(reqwest::redirect::Policy::none())
            .no_proxy()
            .http1_only()
            .min_tls_version(reqwest::tls::Version::TLS_1_2)
            .tcp_keepalive(idle)
            .tcp_keepalive_interval(interval)
            .tcp_keepalive_retries(count);
        for proxy in self.proxies.to_clients()? {
            builder = builder.proxy(proxy);
        }
        self.tls
            .configure(builder)?
            .build()
            .map_err(|error| RestError::Tls {
                reason: innermost(&error.without_url()),
            })
    }

    async fn in_time<T>(&self, limit: Duration, step: impl Future<Output = T>) -> Result<T, ExchangeError> {
        tokio::time::timeout(limit, step)
            .await
            .map_err(|_| ExchangeError::NoAnswer {
                fault: Fault::Timeout(self.timeout),
                reason: format!("no answer within {}", in_words(limit)),
            })
    }

    fn failure(&self, error: &(dyn std::error::Error + 'static)) -> ExchangeError {
        let (fault, reason) = classify(error, self.timeout);
        ExchangeError::NoAnswer { fault, reason }
    }
}

fn plain_client(timeout: Duration) -> PlainClient<HttpConnector, String> {
    let (idle, interval, count) = KEEPALIVE;
    let mut connector = HttpConnector::new();
    connector.set_nodelay(true);
    connector.set_connect_timeout(Some(timeout));
    connector.set_keepalive(Some(idle));
    connector.set_keepalive_interval(Some(interval));
    connector.set_keepalive_retries(Some(count));
    PlainClient::builder(TokioExecutor::new()).build(connector)
}

/// An answer's body, as far as it has arrived.
#[derive(Default)]
struct Body(Vec<u8>);

impl Body {
    fn add(&mut self, data: &[u8]) -> Result<(), ExchangeError> {
        if self.0.len() + data.len() > LONGEST_BODY {
            return Err(ExchangeError::TooLong);
        }
        self.0.extend_from_slice(data);
        Ok(())
    }
}
