//! Credentials and signatures of clouds, by `reqsign`: what it reaches the world with, and requests that it
//! signs.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use backon::{ExponentialBuilder, Retryable as _};
use bytes::Bytes;
use reqsign::{CommandExecute, CommandOutput, Context, FileRead, HttpSend, OsEnv, Signer, SigningCredential};
use reqwest::{Client, Request, StatusCode, Url};

use super::client::READ_TIMEOUT;
use super::fault::{in_words, innermost};
use crate::process::ProgramCall;

/// How credentials are asked for over HTTP.
#[derive(Debug, Clone)]
pub(crate) struct Sender {
    client: Client,
    most_retries: usize,
    /// Addresses, and those that are asked in their place.
    moved: Vec<(String, String)>,
    refused: Refused,
}

/// Why the last request was refused, which some errors of `reqsign` do not tell.
pub(crate) type Refused = Arc<Mutex<Option<String>>>;

impl Sender {
    /// Sends by this client, and tries again when a server is busy or a connection breaks.
    pub(crate) fn new(client: Client) -> Self {
        Self {
            client,
            most_retries: 3,
            moved: Vec::new(),
            refused: Refused::default(),
        }
    }

    /// Sends each request once: a service that may not be there at all.
    pub(crate) fn once(mut self) -> Self {
        self.most_retries = 0;
        self
    }

    /// Sends requests for one address to another.
    pub(crate) fn moved(mut self, from: String, to: String) -> Self {
        self.moved.push((from, to));
        self
    }

    /// Where a refusal will be found.
    pub(crate) fn refused(&self) -> Refused {
        Arc::clone(&self.refused)
    }

    /// The context that credentials are looked for in.
    pub(crate) fn context(self) -> Context {
        Context::new()
            .with_env(OsEnv)
            .with_file_read(Machine)
            .with_command_execute(Machine)
            .with_http_send(self)
    }

    async fn send(&self, request: &http::Request<Bytes>) -> Result<http::Response<Bytes>, Refusal> {
        let uri = request.uri().to_string();
        let moved = self.moved.iter().find(|(from, _)| *from == uri);
        let uri = moved.map_or(&uri, |(_, to)| to);
        let exchange = async {
            let sent = self.client.request(request.method().clone(), uri);
            let sent = sent
                .headers(request.headers().clone())
                .body(request.body().clone());
            let answer = sent.send().await?;
            let (status, headers) = (answer.status(), answer.headers().clone());
            Ok::<_, reqwest::Error>((status, headers, answer.bytes().await?))
        };
        let (status, headers, body) = tokio::time::timeout(READ_TIMEOUT, exchange)
            .await
            .map_err(|_| Refusal::transient(format!("no answer within {}", in_words(READ_TIMEOUT))))?
            .map_err(|error| Refusal::transient(innermost(&error.without_url())))?;
        if !status.is_success() {
            return Err(Refusal {
                reason: refusal(status, &body),
                is_transient: matches!(status.as_u16(), 408 | 429 | 500 | 502 | 503 | 504),
            });
        }
        let mut response = http::Response::new(body);
        *response.status_mut() = status;
        *response.headers_mut() = headers;
        Ok(response)
    }
}

impl HttpSend for Sender {
    async fn http_send(&self, request: http::Request<Bytes>) -> reqsign::Result<http::Response<Bytes>> {
        let pauses = ExponentialBuilder::new()
            .with_min_delay(Duration::from_millis(300))
            .with_max_times(self.most_retries);
        let sent = (|| self.send(&request))
            .retry(pauses)
            .when(|refusal| refusal.is_transient);
        sent.await.map_err(|Refusal { reason, .. }| {
            *self.refused.lock().unwrap_or_else(PoisonError::into_inner) = Some(reason.clone());
            reqsign::Error::unexpected(reason)
        })
    }
}

/// Why there was no answer, or which one there was.
struct Refusal {
    reason: String,
    is_transient: bool,
}

impl Refusal {
    fn transient(reason: String) -> Self {
        Self {
            reason,
            is_transient: true,
        }
    }
}

/// The refusal as OAuth services word it (RFC 6749, section 5.2), or as Google's interfaces do. The rest of
/// the body may repeat what was sent.
fn refusal(status: StatusCode, body: &[u8]) -> String {
    let said: serde_json::Value = serde_json::from_slice(body).unwrap_or_default();
    let said = [
        &said["error_description"],
        &said["error"]["message"],
        &said["error"],
        &said["message"],
    ]
    .into_iter()
    .find_map(serde_json::Value::as_str)
    .and_then(|said| said.lines().next());
    match said {
        Some(said) => format!("the answer was {status} ({said})"),
        None => format!("the answer was {status}"),
    }
}

/// This machine's files and programs.
#[derive(Debug)]
struct Machine;

impl FileRead for Machine {
    async fn file_read(&self, path: &str) -> reqsign::Result<Vec<u8>> {
        std::fs::read(path).map_err(|error| reqsign::Error::unexpected(format!("'{path}': {error}")))
    }
}

impl CommandExecute for Machine {
    async fn command_execute<'a>(
        &'a self,
        program: &'a str,
        arguments: &'a [&'a str],
    ) -> reqsign::Result<CommandOutput> {
        let captured = ProgramCall::new(program).arguments(arguments).capture().await;
        Ok(match captured {
            Ok(captured) => CommandOutput {
                status: 0,
                stdout: captured.stdout,
                stderr: Vec::new(),
            },
            Err(error) => CommandOutput {
                status: 1,
                stdout: Vec::new(),
                stderr: error.to_string().into_bytes(),
            },
        })
    }
}

/// Signs a request. The error says why there are no credentials, or why they cannot sign.
///
/// # Errors
/// Credentials that are not found or not given, or a key that cannot sign.
pub(crate) async fn sign<C: SigningCredential>(
    signer: &Signer<C>,
    request: &mut Request,
) -> Result<(), String> {
    let head = http::Request::builder()
        .method(request.method().clone())
        .uri(request.url().as_str())
        .body(());
    let (mut head, ()) = head.map_err(|error| error.to_string())?.into_parts();
    head.headers = std::mem::take(request.headers_mut());
    let signed = signer.sign(&mut head, None).await;
    *request.headers_mut() = head.headers;
    signed.map_err(|error| innermost(&error))?;
    *request.url_mut() = Url::parse(&head.uri.to_string()).map_err(|error| error.to_string())?;
    Ok(())
}
