//! Cloud credentials and signatures: connects `reqsign` with our HTTP client, files and programs.

use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use backon::Retryable as _;
use bytes::Bytes;
use http::request::Parts;
use http_body_util::BodyExt as _;
use reqsign::{
    CommandExecute, CommandOutput, Context, FileRead, HttpSend, OsEnv, ProvideCredential, SignRequest,
    Signer, SigningCredential,
};
use reqwest::{Client, Method, Request, StatusCode, Url};
use serde_json::Value;

use super::client::READ_TIMEOUT;
use super::error::innermost;
use super::retry::{is_transient_status, pauses};
use crate::process::ProgramCall;
use crate::quantity;

/// Gives `reqsign` access to HTTP services, and to this machine's files and programs.
#[derive(Debug, Clone)]
pub(crate) struct Sender {
    client: Client,
    most_retries: usize,
    /// Addresses and their replacements.
    moved: Vec<(String, String)>,
    /// The reason of the last refusal, which some errors of `reqsign` omit.
    refused: Arc<Mutex<Option<String>>>,
    last_part: Arc<Mutex<String>>,
}

impl Sender {
    /// Uses this client, and retries if a server is busy or the connection fails.
    pub(crate) fn new(client: Client) -> Self {
        Self {
            client,
            most_retries: 3,
            moved: Vec::new(),
            refused: Arc::default(),
            last_part: Arc::default(),
        }
    }

    /// Never retries: for a service that may not exist.
    pub(crate) fn once(mut self) -> Self {
        self.most_retries = 0;
        self
    }

    pub(crate) fn moved(mut self, from: String, to: String) -> Self {
        self.moved.push((from, to));
        self
    }

    /// The last path segment of the last request: a name that a service has given.
    pub(crate) fn last_part(&self) -> String {
        locked(&self.last_part).clone()
    }

    /// The context for finding credentials.
    pub(crate) fn context(self) -> Context {
        Context::new()
            .with_env(OsEnv)
            .with_file_read(self.clone())
            .with_command_execute(self.clone())
            .with_http_send(self)
    }

    /// Sends a request. The error is whether another attempt may succeed, and the reason.
    async fn send(&self, request: &http::Request<Bytes>) -> Result<http::Response<Bytes>, (bool, String)> {
        let last_part = request.uri().path().rsplit('/').next().unwrap_or_default();
        last_part.clone_into(&mut locked(&self.last_part));
        let uri = request.uri().to_string();
        let moved = self.moved.iter().find(|(from, _)| *from == uri);
        let uri = moved.map_or(&uri, |(_, to)| to);
        let exchange = async {
            let sent = self.client.request(request.method().clone(), uri);
            let sent = sent
                .headers(request.headers().clone())
                .body(request.body().clone());
            let (head, body) = http::Response::from(sent.send().await?).into_parts();
            let body = body.collect().await?.to_bytes();
            // Names and tokens may end with a line break.
            let body = body.slice_ref(body.trim_ascii_end());
            Ok::<_, reqwest::Error>(http::Response::from_parts(head, body))
        };
        let answer = tokio::time::timeout(READ_TIMEOUT, exchange)
            .await
            .map_err(|_| {
                (
                    true,
                    format!("no response within {}", quantity::duration(READ_TIMEOUT)),
                )
            })?
            .map_err(|error| (true, innermost(&error.without_url())))?;
        let status = answer.status();
        if status.is_success() {
            Ok(answer)
        } else {
            Err((
                is_transient_status(status.as_u16()),
                refusal(status, answer.body()),
            ))
        }
    }

    fn refuse(&self, reason: String) -> reqsign::Error {
        *locked(&self.refused) = Some(reason.clone());
        reqsign::Error::unexpected(reason)
    }
}

impl HttpSend for Sender {
    async fn http_send(&self, request: http::Request<Bytes>) -> reqsign::Result<http::Response<Bytes>> {
        let sent = (|| self.send(&request))
            .retry(pauses().with_max_times(self.most_retries))
            .when(|(is_transient, _)| *is_transient);
        sent.await.map_err(|(_, reason)| self.refuse(reason))
    }
}

fn locked<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// The message of an OAuth service (RFC 6749, section 5.2) or a Google API. The rest of the body is omitted, since
/// it may repeat secrets.
fn refusal(status: StatusCode, body: &[u8]) -> String {
    let said: Value = serde_json::from_slice(body).unwrap_or_default();
    let said = ["/error_description", "/error/message", "/error", "/message"]
        .into_iter()
        .find_map(|place| said.pointer(place)?.as_str()?.lines().next());
    let said = said.map(|said| format!(" ({said})")).unwrap_or_default();
    format!("the service returned {status}{said}")
}

impl FileRead for Sender {
    async fn file_read(&self, path: &str) -> reqsign::Result<Vec<u8>> {
        std::fs::read(path).map_err(|error| self.refuse(format!("'{path}': {error}")))
    }
}

impl CommandExecute for Sender {
    async fn command_execute<'a>(
        &'a self,
        program: &'a str,
        arguments: &'a [&'a str],
    ) -> reqsign::Result<CommandOutput> {
        let captured = ProgramCall::new(program).arguments(arguments).capture().await;
        let (status, stdout, stderr) = match captured {
            Ok(captured) => (0, captured.stdout, Vec::new()),
            Err(error) => (1, Vec::new(), error.to_string().into_bytes()),
        };
        Ok(CommandOutput {
            status,
            stdout,
            stderr,
        })
    }
}

/// The identity for a cloud service. Displayed as `the credentials from …` or `a request without credentials (…)`.
pub(crate) struct Identity<C: SigningCredential> {
    /// `None` for anonymous requests.
    signer: Option<(Signer<C>, Sender)>,
    /// The source of the credentials, or why there are none.
    source: String,
}

impl<C: SigningCredential> Identity<C> {
    /// Uses the credentials of this provider.
    pub(crate) fn new(
        sender: Sender,
        provider: impl ProvideCredential<Credential = C>,
        signer: impl SignRequest<Credential = C>,
        source: &str,
    ) -> Self {
        let signer = Signer::new(sender.clone().context(), provider, signer);
        Self {
            signer: Some((signer, sender)),
            source: source.to_owned(),
        }
    }

    /// Anonymous requests, with the reason.
    pub(crate) fn nobody(reason: String) -> Self {
        Self {
            signer: None,
            source: reason,
        }
    }

    /// This identity if it finds credentials, otherwise where it looked and why there are none.
    pub(crate) async fn if_found(self) -> Result<Self, String> {
        let nowhere = Url::parse("https://localhost/").map_err(|error| error.to_string())?;
        match self.signed(&mut Request::new(Method::GET, nowhere)).await {
            Ok(()) => Ok(self),
            Err(reason) => Err(format!("{}: {reason}", self.source)),
        }
    }

    /// Signs a request. The error is the unusable credentials and the reason.
    pub(crate) async fn sign(&self, request: &mut Request) -> Result<(), (String, String)> {
        let signed = self.signed(request).await;
        signed.map_err(|reason| (self.to_string(), reason))
    }

    async fn signed(&self, request: &mut Request) -> Result<(), String> {
        let Some((signer, sender)) = &self.signer else {
            return Ok(());
        };
        let mut head = head_of(request).map_err(|error| error.to_string())?;
        let signed = signer.sign(&mut head, None).await;
        *request.headers_mut() = head.headers;
        signed.map_err(|error| {
            let refused = locked(&sender.refused).take();
            refused.unwrap_or_else(|| innermost(&error))
        })?;
        *request.url_mut() = Url::parse(&head.uri.to_string()).map_err(|error| error.to_string())?;
        Ok(())
    }
}

impl<C: SigningCredential> fmt::Display for Identity<C> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.signer {
            Some(_) => write!(f, "the credentials from {}", self.source),
            None => write!(f, "a request without credentials ({})", self.source),
        }
    }
}

/// Takes the signed parts, including the headers, from a request.
pub(crate) fn head_of(request: &mut Request) -> http::Result<Parts> {
    let head = http::Request::builder().method(request.method().clone());
    let (mut head, ()) = head.uri(request.url().as_str()).body(())?.into_parts();
    head.headers = std::mem::take(request.headers_mut());
    Ok(head)
}
