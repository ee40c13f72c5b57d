//! Credentials and signatures of clouds, by `reqsign`: what it reaches the world with, and requests that it
//! signs.

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

/// How credentials are asked for: over HTTP, and of this machine's files and programs.
#[derive(Debug, Clone)]
pub(crate) struct Sender {
    client: Client,
    most_retries: usize,
    /// Addresses, and those that are asked in their place.
    moved: Vec<(String, String)>,
    /// Why the last question was refused, which some errors of `reqsign` do not tell.
    refused: Arc<Mutex<Option<String>>>,
    last_part: Arc<Mutex<String>>,
}

impl Sender {
    /// Sends by this client, and tries again when a server is busy or a connection breaks.
    pub(crate) fn new(client: Client) -> Self {
        Self {
            client,
            most_retries: 3,
            moved: Vec::new(),
            refused: Arc::default(),
            last_part: Arc::default(),
        }
    }

    /// Sends each request once: a service that may not be there at all.
    pub(crate) fn once(mut self) -> Self {
        self.most_retries = 0;
        self
    }

    pub(crate) fn moved(mut self, from: String, to: String) -> Self {
        self.moved.push((from, to));
        self
    }

    /// The last part of the address that was asked last: a name that a service has given.
    pub(crate) fn last_part(&self) -> String {
        locked(&self.last_part).clone()
    }

    /// The context that credentials are looked for in.
    pub(crate) fn context(self) -> Context {
        Context::new()
            .with_env(OsEnv)
            .with_file_read(self.clone())
            .with_command_execute(self.clone())
            .with_http_send(self)
    }

    /// The error says whether another try may end otherwise, and why there was no answer or which one.
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
            // Names and tokens may stand in a line.
            let body = body.slice_ref(body.trim_ascii_end());
            Ok::<_, reqwest::Error>(http::Response::from_parts(head, body))
        };
        let answer = tokio::time::timeout(READ_TIMEOUT, exchange)
            .await
            .map_err(|_| {
                (
                    true,
                    format!("no answer within {}", quantity::duration(READ_TIMEOUT)),
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

/// The refusal as OAuth services word it (RFC 6749, section 5.2), or as Google's interfaces do. The rest of
/// the body may repeat what was sent.
fn refusal(status: StatusCode, body: &[u8]) -> String {
    let said: Value = serde_json::from_slice(body).unwrap_or_default();
    let said = ["/error_description", "/error/message", "/error", "/message"]
        .into_iter()
        .find_map(|place| said.pointer(place)?.as_str()?.lines().next());
    let said = said.map(|said| format!(" ({said})")).unwrap_or_default();
    format!("the answer was {status}{said}")
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

/// Who asks a cloud's service. Displayed for a person: `the credentials from …`, or `a request without
/// credentials (…)`.
pub(crate) struct Identity<C: SigningCredential> {
    /// Nothing if nobody asks.
    signer: Option<(Signer<C>, Sender)>,
    /// Where the credentials come from, or why there are none.
    source: String,
}

impl<C: SigningCredential> Identity<C> {
    /// Asks by what this provider finds or is given.
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

    /// Nobody, and why.
    pub(crate) fn nobody(reason: String) -> Self {
        Self {
            signer: None,
            source: reason,
        }
    }

    /// This identity if it finds credentials; else where it looked for them, and why there are none.
    pub(crate) async fn if_found(self) -> Result<Self, String> {
        let nowhere = Url::parse("https://localhost/").map_err(|error| error.to_string())?;
        match self.signed(&mut Request::new(Method::GET, nowhere)).await {
            Ok(()) => Ok(self),
            Err(reason) => Err(format!("{}: {reason}", self.source)),
        }
    }

    /// Adds to a request what says who asks. The error is what cannot be used, and why.
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

/// What is signed of a request, which gives its headers away.
pub(crate) fn head_of(request: &mut Request) -> http::Result<Parts> {
    let head = http::Request::builder().method(request.method().clone());
    let (mut head, ()) = head.uri(request.url().as_str()).body(())?.into_parts();
    head.headers = std::mem::take(request.headers_mut());
    Ok(head)
}
