//! Why a call of a JSON API failed.

use std::io;

use super::excerpt::{after_tries, shown_status};
use super::fault::ClientError;
use super::fault::Fault;

/// Why a call of a JSON API failed, or what was answered instead of what was asked for.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ApiError {
    #[error(transparent)]
    Client(#[from] ClientError),
    /// The file that is sent cannot be read, or is another one by now.
    #[error("cannot read what is sent")]
    Content(#[source] io::Error),
    #[error("{reason}{}", after_tries(*.tries))]
    NoAnswer {
        address: String,
        endpoint: String,
        fault: Fault,
        reason: String,
        tries: u32,
    },
    /// The server sends the client elsewhere, where the request cannot go.
    #[error("the server redirects {endpoint} to '{target}'{why_not}")]
    Redirect {
        endpoint: String,
        /// Where the server points, without credentials.
        target: String,
        /// Why it is not followed, after a comma.
        why_not: String,
    },
    /// The server refused, or its answer is not one that the API gives.
    #[error("{}{}", told(endpoint, *.status, code, message), after_tries(*.tries))]
    Refused {
        endpoint: String,
        status: u16,
        /// The API's own error code, if it is the API that refused.
        code: Option<String>,
        /// The API's own message, or else the beginning of the answer or the title of a page.
        message: String,
        tries: u32,
        /// Where the credentials come from that were sent.
        credentials: Option<String>,
    },
    /// The answer is a JSON object without what it must hold, or longer than any that makes sense.
    #[error("the answer of {endpoint} is {what}")]
    Malformed { endpoint: String, what: String },
}

impl ApiError {
    /// An answer that does not hold what that of this API must.
    pub(crate) fn malformed(api: &str, endpoint: &str, reason: impl ToString) -> Self {
        Self::Malformed {
            endpoint: endpoint.to_owned(),
            what: format!("not as {api} gives it: {}", reason.to_string()),
        }
    }

    /// The API's error code, if the server gave one.
    pub(crate) fn code(&self) -> Option<&str> {
        match self {
            Self::Refused { code, .. } => code.as_deref(),
            _ => None,
        }
    }

    /// Why there was no answer, if there was none.
    pub(crate) fn fault(&self) -> Option<Fault> {
        match self {
            Self::NoAnswer { fault, .. } => Some(*fault),
            _ => None,
        }
    }

    /// Of a refusal: its status, what it says, and where the credentials come from that were sent.
    pub(crate) fn verdict(&self) -> Option<(u16, &str, Option<&str>)> {
        match self {
            Self::Refused {
                status,
                message,
                credentials,
                ..
            } => Some((*status, message, credentials.as_deref())),
            _ => None,
        }
    }

    /// The status of a refusal.
    pub(crate) fn status(&self) -> Option<u16> {
        match self {
            Self::Refused { status, .. } => Some(*status),
            _ => None,
        }
    }
}

fn told(endpoint: &str, status: u16, code: &Option<String>, message: &str) -> String {
    match code {
        Some(code) => format!("{code}: {message}"),
        None if message.is_empty() => format!("{endpoint} answered {}", shown_status(status)),
        None => format!("{endpoint} answered {}: {message}", shown_status(status)),
    }
}
