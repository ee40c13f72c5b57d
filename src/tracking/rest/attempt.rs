//! What became of one request, and requests whose fate may be unclear.

use futures_util::future::BoxFuture;
use reqwest::StatusCode;
use serde::de::DeserializeOwned;
use tokio::time::timeout;

use super::answer;
use super::client::Client;
use super::error::RestError;
use super::transport::{Request, Response};
use crate::http::Fault;

/// What became of one request.
pub(super) enum Attempt {
    Answered(Response),
    Failed(Failure),
}

/// A failed try that may be followed by another. The reason is for a person.
pub(super) enum Failure {
    Status { response: Response, reason: String },
    NoAnswer { fault: Fault, reason: String },
}

impl Failure {
    /// What is left when there is no further try.
    pub(super) fn into_result(self, tries: u32) -> Result<(Response, u32), RestError> {
        match self {
            Self::Status { response, .. } => Ok((response, tries)),
            Self::NoAnswer { fault, reason } => Err(RestError::NoAnswer { fault, reason, tries }),
        }
    }

    /// Whether the server may have done what it was asked for.
    pub(super) fn is_unclear(&self) -> bool {
        match self {
            Self::Status { response, .. } => response.status != StatusCode::TOO_MANY_REQUESTS,
            Self::NoAnswer { fault, .. } => !matches!(fault, Fault::Refused | Fault::UnknownHost),
        }
    }

    /// Whether too many clients ask the server at once: those that come back should not do so together.
    pub(super) fn is_of_load(&self) -> bool {
        match self {
            Self::Status { .. } => true,
            Self::NoAnswer { .. } => self.is_timeout(),
        }
    }

    /// Whether the server may still be at work on it.
    fn is_timeout(&self) -> bool {
        matches!(
            self,
            Self::NoAnswer {
                fault: Fault::Timeout(_),
                ..
            }
        )
    }
}

/// A request that creates something, and must not do so twice. An answer may be lost, or be an error
/// although the server has done its work: it is for the caller then to look whether it is there, before
/// the request is sent again. One that the server has not answered in time is not sent again at all: it may
/// stand in a queue there, and be worked on later.
pub(super) struct Creation<'a> {
    client: &'a Client,
    endpoint: &'a str,
    request: Request,
    /// The request that is on its way.
    sent: Option<BoxFuture<'a, Result<Attempt, RestError>>>,
    tries: u32,
    was_unclear: bool,
    given_up: Option<RestError>,
}

impl<'a> Creation<'a> {
    pub(super) fn new(client: &'a Client, endpoint: &'a str, mut request: Request) -> Self {
        request.patience = client.retry.max_retries.saturating_add(1);
        Self {
            client,
            endpoint,
            request,
            sent: None,
            tries: 0,
            was_unclear: false,
            given_up: None,
        }
    }

    /// Sends the request, or sends it again after a pause. `None` where nobody can say whether the server
    /// has done it: look, and call again where it is not there.
    ///
    /// # Errors
    /// The server refuses, or there were enough tries.
    pub(super) async fn next<T: DeserializeOwned>(&mut self) -> Result<Option<T>, RestError> {
        loop {
            if let Some(error) = self.given_up() {
                return Err(error);
            }
            let mut sent = self.sent.take().unwrap_or_else(|| {
                self.tries += 1;
                Box::pin(self.client.attempt(self.endpoint, self.request.clone()))
            });
            let Ok(attempt) = timeout(self.client.timeout(), &mut sent).await else {
                self.was_unclear = true;
                self.sent = Some(sent);
                return Ok(None);
            };
            let (result, is_unclear) = match attempt? {
                Attempt::Answered(response) => (self.read(&response), response.status.is_success()),
                Attempt::Failed(failure) => {
                    let is_unclear = failure.is_unclear();
                    if self.tries <= self.client.retry.max_retries && !failure.is_timeout() {
                        self.client.pause_after(self.tries, &failure).await;
                        self.was_unclear |= is_unclear;
                        match is_unclear {
                            true => return Ok(None),
                            false => continue,
                        }
                    }
                    let result = failure.into_result(self.tries);
                    (result.and_then(|(response, _)| self.read(&response)), is_unclear)
                }
            };
            match result {
                Err(error) if is_unclear => {
                    self.was_unclear = true;
                    self.given_up = Some(error);
                    return Ok(None);
                }
                result => return result.map(Some),
            }
        }
    }

    /// Whether an earlier try may have created it too.
    pub(super) fn was_unclear(&self) -> bool {
        self.was_unclear
    }

    /// What came last, when there is no further try.
    pub(super) fn given_up(&mut self) -> Option<RestError> {
        self.given_up.take()
    }

    fn read<T: DeserializeOwned>(&self, response: &Response) -> Result<T, RestError> {
        let credentials = self.client.credentials.as_deref();
        answer::read(self.endpoint, response, self.tries, credentials)
    }
}
