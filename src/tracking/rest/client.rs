//! Calls of MLflow's REST API: URLs, headers, retries, redirects, and what the answers mean.

use std::sync::Arc;
use std::time::{Duration, SystemTime};

use reqwest::header::{
    ACCEPT, AUTHORIZATION, CONTENT_TYPE, HeaderMap, HeaderValue, LOCATION, RETRY_AFTER, USER_AGENT,
};
use reqwest::redirect::Policy;
use reqwest::{Method, StatusCode, Url};
use serde::Serialize;
use serde::de::DeserializeOwned;

use super::answer;
use super::attempt::{Attempt, Creation, Failure};
use super::auth::Credentials;
use super::error::RestError;
use super::settings::RestSettings;
use super::signer::{Signer, WORKSPACE};
use super::transport::{ExchangeError, LONGEST_BODY, Request, Response, Transport};
use crate::databricks::Session;
use crate::http::{
    RequestSigner, RetryPolicy, ServerAccess, VariableError, configured_client, in_words,
    may_see_credentials, random_fraction,
};
use crate::redact::without_credentials;

/// As many redirects as Python's `requests` follows.
const MOST_REDIRECTS: usize = 30;

/// A client of one tracking server.
#[derive(Debug)]
pub(super) struct Client {
    base: Url,
    /// The base without credentials and trailing slash, as a person sees it.
    shown: String,
    headers: HeaderMap,
    /// Where the credentials come from that are sent.
    pub(super) credentials: Option<String>,
    /// Makes the credentials of every request, where a variable asks for that.
    signer: Option<Signer>,
    /// Gives the credentials of every request, where they do not stay the same.
    session: Option<Arc<Session>>,
    transport: Transport,
    pub(super) retry: RetryPolicy,
    follows_redirects: bool,
}

/// How the server at this URL is reached by who gets and puts its artifacts.
pub(in crate::tracking) fn server_access(url: &str) -> Result<ServerAccess, RestError> {
    let settings = RestSettings::from_environment()?;
    let client = Client::new(url, &settings)?;
    let redirects = match settings.follows_redirects {
        true => Policy::limited(MOST_REDIRECTS),
        false => Policy::none(),
    };
    let http = configured_client(redirects, |builder| match client.base.scheme() {
        "https" => settings.tls.configure(builder),
        _ => Ok(builder),
    })?;
    Ok(ServerAccess {
        client: http,
        url: client.base,
        headers: client.headers,
        credentials: client.credentials,
        signer: client
            .signer
            .map(|signer| Arc::new(signer) as Arc<dyn RequestSigner>),
        follows_redirects: settings.follows_redirects,
    })
}

impl Client {
    pub(super) fn new(url: &str, settings: &RestSettings) -> Result<Self, RestError> {
        let mut base = parse_base(url)?;
        let host = base.host_str().unwrap_or_default();
        let credentials = match &settings.signer {
            None => Credentials::from_url(&base, url)
                .or_else(|| settings.credentials.clone())
                .or_else(|| Credentials::from_netrc(&settings.netrc, host)),
            Some(Signer::Aws(_)) => None,
            // A token goes before the account's own; a password does not.
            Some(Signer::Kubernetes(_)) => settings.credentials.clone().filter(Credentials::is_token),
        };
        // Neither fails for a URL that has a host, which was checked.
        let _ = (base.set_username(""), base.set_password(None));
        let mut headers = HeaderMap::new();
        headers.insert(
            USER_AGENT,
            HeaderValue::from_static(concat!("mlrun/", env!("CARGO_PKG_VERSION"))),
        );
        headers.insert(ACCEPT, HeaderValue::from_static("*/*"));
        if let Some(credentials) = &credentials {
            headers.insert(AUTHORIZATION, credentials.header()?);
        }
        if let Some(workspace) = &settings.workspace {
            let value = HeaderValue::from_str(workspace).map_err(|_| VariableError {
                name: crate::env_vars::MLFLOW_WORKSPACE,
                value: workspace.clone(),
                expected: "a name that a header can carry".to_owned(),
            })?;
            headers.insert(WORKSPACE, value);
        }
        let signed_by = settings.signer.as_ref().map(|signer| signer.source().to_owned());
        Ok(Self {
            shown: base.as_str().trim_end_matches('/').to_owned(),
            base,
            headers,
            credentials: credentials.map(|credentials| credentials.source).or(signed_by),
            signer: settings.signer.clone(),
            session: None,
            transport: Transport::new(settings),
            retry: settings.retry,
            follows_redirects: settings.follows_redirects,
        })
    }

    /// A client of the tracking server of a Databricks workspace.
    pub(super) fn of_workspace(session: Arc<Session>, settings: &RestSettings) -> Result<Self, RestError> {
        let mut client = Self::new(session.address(), settings)?;
        client.headers.remove(AUTHORIZATION);
        if let Some(id) = session.workspace_id() {
            let value = HeaderValue::from_str(id).map_err(|_| VariableError {
                name: "DATABRICKS_WORKSPACE_ID",
                value: id.to_owned(),
                expected: "a number".to_owned(),
            })?;
            client.headers.insert("x-databricks-org-id", value);
        }
        client.credentials = Some(session.source());
        client.signer = None;
        client.session = Some(session);
        Ok(client)
    }

    /// How long an answer usually may take.
    pub(super) fn timeout(&self) -> Duration {
        self.transport.timeout()
    }

    /// The server's address without credentials and trailing slash.
    pub(super) fn address(&self) -> &str {
        &self.shown
    }

    /// Asks for something.
    pub(super) async fn get<T: DeserializeOwned>(
        &self,
        endpoint: &str,
        query: &[(&str, &str)],
    ) -> Result<T, RestError> {
        let mut url = self.url(endpoint);
        if !query.is_empty() {
            url.query_pairs_mut().extend_pairs(query);
        }
        let request = Request {
            method: Method::GET,
            url,
            headers: self.headers.clone(),
            body: String::new(),
            patience: 1,
        };
        self.call(endpoint, request).await
    }

    /// Has something done that may be done again without harm.
    pub(super) async fn post<T: DeserializeOwned>(
        &self,
        endpoint: &str,
        body: &impl Serialize,
    ) -> Result<T, RestError> {
        self.call(endpoint, self.posted(endpoint, body)).await
    }

    /// Has something created. See [`Creation`].
    pub(super) fn creation<'a>(&'a self, endpoint: &'a str, body: &impl Serialize) -> Creation<'a> {
        Creation::new(self, endpoint, self.posted(endpoint, body))
    }

    fn posted(&self, endpoint: &str, body: &impl Serialize) -> Request {
        let mut headers = self.headers.clone();
        headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
        Request {
            method: Method::POST,
            url: self.url(endpoint),
            headers,
            body: serde_json::to_string(body).expect("the bodies hold only text, numbers and lists"),
            patience: 1,
        }
    }

    fn url(&self, endpoint: &str) -> Url {
        let mut url = self.base.clone();
        url.set_path(&format!("{}{endpoint}", self.base.path().trim_end_matches('/')));
        url
    }

    async fn call<T: DeserializeOwned>(&self, endpoint: &str, request: Request) -> Result<T, RestError> {
        let (response, tries) = self.send(endpoint, request).await?;
        answer::read(endpoint, &response, tries, self.credentials.as_deref())
    }

    /// Sends the request until there is an answer that another try would not change. Also says how
    /// many tries that took.
    async fn send(&self, endpoint: &str, request: Request) -> Result<(Response, u32), RestError> {
        let mut tries = 0;
        loop {
            tries += 1;
            let failure = match self.attempt(endpoint, request.clone()).await? {
                Attempt::Answered(response) => return Ok((response, tries)),
                Attempt::Failed(failure) => failure,
            };
            if tries > self.retry.max_retries {
                return failure.into_result(tries);
            }
            self.pause_after(tries, &failure).await;
        }
    }

    pub(super) async fn attempt(&self, endpoint: &str, request: Request) -> Result<Attempt, RestError> {
        match self.follow_as_allowed(endpoint, request).await {
            Ok(response) => Ok(match self.why_transient(&response) {
                Some(reason) => Attempt::Failed(Failure::Status { response, reason }),
                None => Attempt::Answered(response),
            }),
            Err(RestError::NoAnswer { fault, reason, .. }) if fault.is_transient() => {
                Ok(Attempt::Failed(Failure::NoAnswer { fault, reason }))
            }
            Err(error) => Err(error),
        }
    }

    /// What a person reads of an answer that may be another one a little later.
    fn why_transient(&self, response: &Response) -> Option<String> {
        let has_retry_after = response.headers.contains_key(RETRY_AFTER);
        if self.retry.is_transient(response.status, has_retry_after) {
            return Some(format!("it answered {}", response.status));
        }
        answer::overload(response).map(|message| format!("it answered {}: {message}", response.status))
    }

    pub(super) async fn pause_after(&self, tries: u32, failure: &Failure) {
        let pause = self.pause(tries, failure);
        self.tell(tries, pause, failure);
        tokio::time::sleep(pause).await;
    }

    fn pause(&self, tries: u32, failure: &Failure) -> Duration {
        let asked = match failure {
            Failure::Status { response, .. } => {
                let retry_after = response.headers.get(RETRY_AFTER);
                let retry_after = retry_after.and_then(|value| value.to_str().ok());
                self.retry.asked_pause(retry_after, SystemTime::now())
            }
            Failure::NoAnswer { .. } => None,
        };
        asked.unwrap_or_else(|| match failure.is_of_load() {
            true => self.retry.spread_pause(tries, random_fraction()),
            false => self.retry.pause(tries, random_fraction()),
        })
    }

    /// Waiting can take minutes: the person learns at once why, and for how long at most.
    fn tell(&self, tries: u32, pause: Duration, failure: &Failure) {
        let (Failure::Status { reason, .. } | Failure::NoAnswer { reason, .. }) = failure;
        let most = self.retry.max_retries + 1;
        if tries == 1 {
            tracing::warn!(
                "the tracking server {} cannot be used ({reason}); trying again up to {} times, with pauses of {} at most in all",
                self.shown,
                self.retry.max_retries,
                in_words(self.retry.longest_wait().max(pause)),
            );
        } else {
            tracing::info!(
                "the tracking server {} still cannot be used ({reason}); try {} of {most} in {}",
                self.shown,
                tries + 1,
                in_words(pause),
            );
        }
    }

    /// Sends the request with the credentials of the moment, and once more with others where the server
    /// does not accept them.
    async fn follow_as_allowed(&self, endpoint: &str, mut request: Request) -> Result<Response, RestError> {
        let Some(session) = &self.session else {
            return self.follow(endpoint, request).await;
        };
        let authorization = session.authorization().await?;
        request
            .headers
            .insert(AUTHORIZATION, authorization.header.clone());
        let response = self.follow(endpoint, request.clone()).await?;
        let is_denied = matches!(response.status, StatusCode::UNAUTHORIZED | StatusCode::FORBIDDEN);
        if !is_denied || !session.renew(&authorization).await {
            return Ok(response);
        }
        let authorization = session.authorization().await?;
        request.headers.insert(AUTHORIZATION, authorization.header);
        self.follow(endpoint, request).await
    }

    /// Sends the request, and sends it again to where the server redirects it.
    async fn follow(&self, endpoint: &str, mut request: Request) -> Result<Response, RestError> {
        let mut signer = self.signer.as_ref();
        for _ in 0..=MOST_REDIRECTS {
            let mut signed = request.clone();
            if let Some(signer) = signer {
                signer.sign(&mut signed).await?;
            }
            let response = self
                .transport
                .exchange(signed)
                .await
                .map_err(|error| rest_error(endpoint, error))?;
            let Some(target) = redirect_target(&request.url, &response) else {
                return Ok(response);
            };
            let refused = |reason: Option<&str>| RestError::Redirect {
                endpoint: endpoint.to_owned(),
                target: without_credentials(target.as_str()),
                reason: reason.map(str::to_owned),
            };
            if !self.follows_redirects {
                return Err(refused(Some(
                    "and MLFLOW_ALLOW_HTTP_REDIRECTS forbids to follow it",
                )));
            }
            // As a GET, which these statuses ask for, the call would do something else.
            if request.method != Method::GET && !keeps_method(response.status) {
                return Err(refused(None));
            }
            if !matches!(target.scheme(), "http" | "https") {
                return Err(refused(Some("which is no web address")));
            }
            if !may_see_credentials(&request.url, &target) {
                request.headers.remove(AUTHORIZATION);
                signer = None;
            }
            request.url = target;
        }
        Err(RestError::Redirect {
            endpoint: endpoint.to_owned(),
            target: without_credentials(request.url.as_str()),
            reason: Some(format!("after {MOST_REDIRECTS} redirects before")),
        })
    }
}

fn rest_error(endpoint: &str, error: ExchangeError) -> RestError {
    match error {
        ExchangeError::NoAnswer { fault, reason } => RestError::NoAnswer {
            fault,
            reason,
            tries: 1,
        },
        ExchangeError::TooLong => RestError::TooLong {
            endpoint: endpoint.to_owned(),
            limit: LONGEST_BODY,
        },
        ExchangeError::Setup(error) => error,
    }
}

/// The base of all URLs. A query or fragment would be lost in them, and is left of an address that
/// was copied from a browser.
fn parse_base(text: &str) -> Result<Url, RestError> {
    let refused = |reason: String| RestError::Url {
        url: without_credentials(text),
        reason,
    };
    let url = Url::parse(text.trim()).map_err(|error| refused(format!("is no valid address: {error}")))?;
    if !matches!(url.scheme(), "http" | "https") || !url.has_host() {
        return Err(refused("is no http:// or https:// address".to_owned()));
    }
    if url.fragment().is_some() || url.query().is_some() {
        return Err(refused(
            "has a part after '?' or '#', which belongs to a page".to_owned(),
        ));
    }
    Ok(url)
}

fn redirect_target(from: &Url, response: &Response) -> Option<Url> {
    if !matches!(response.status.as_u16(), 301 | 302 | 303 | 307 | 308) {
        return None;
    }
    let location = String::from_utf8_lossy(response.headers.get(LOCATION)?.as_bytes()).into_owned();
    from.join(&location).ok()
}

fn keeps_method(status: StatusCode) -> bool {
    matches!(status.as_u16(), 307 | 308)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn client(url: &str) -> Result<Client, RestError> {
        Client::new(url, &RestSettings::from_variables(&|_| None)?)
    }

    #[test]
    fn urls_are_joined_to_the_prefix_without_credentials() {
        for (base, expected) in [
            ("http://host:5000", "http://host:5000/api/x"),
            ("http://host:5000/", "http://host:5000/api/x"),
            ("http://u:p@host/prefix", "http://host/prefix/api/x"),
            ("https://host/a%20b//", "https://host/a%20b/api/x"),
            (" HTTP://Host/ ", "http://host/api/x"),
            ("http://[::1]:5000", "http://[::1]:5000/api/x"),
        ] {
            let client = client(base).unwrap();
            assert_eq!(client.url("/api/x").as_str(), expected, "{base}");
            assert!(
                !format!("{client:?} {}", client.address()).contains("u:p"),
                "{base}"
            );
        }
    }

    #[test]
    fn what_is_no_server_s_address_is_refused_without_its_password() {
        for (url, expected) in [
            (
                "http://",
                "the tracking URI 'http://' is no valid address: empty host",
            ),
            (
                "http://u:secret@host:port/",
                "the tracking URI 'http://host:port/' is no valid address: invalid port number",
            ),
            (
                "ftp://u:secret@host/",
                "the tracking URI 'ftp://host/' is no http:// or https:// address",
            ),
            (
                "http://host/#/experiments/0",
                "the tracking URI 'http://host/#/experiments/0' has a part after '?' or '#', which belongs to a page",
            ),
        ] {
            let error = client(url).unwrap_err();
            assert_eq!(error.to_string(), expected);
            assert!(error.hint().is_some());
        }
    }
}
