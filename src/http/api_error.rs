//! Why a call of a JSON API failed.

use std::io;

use super::client::ClientError;
use super::excerpt::{after_tries, shown_excerpt, shown_status};
use super::fault::Fault;

/// Why a call of a JSON API failed, or what was answered instead of what was asked for.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ApiError {
    /// No client can be made.
    #[error(transparent)]
    Client(#[from] ClientError),
    /// The file that is sent cannot be read, or is another one by now.
    #[error("cannot read what is sent")]
    Content(#[source] io::Error),
    /// The server gave no answer.
    #[error("{reason}{}", after_tries(*.tries))]
    NoAnswer {
        address: String,
        endpoint: String,
        fault: Fault,
        reason: String,
        tries: u32,
    },
    /// The answer is longer than any that makes sense.
    #[error("the answer of {endpoint} is longer than {limit} bytes")]
    TooLong { endpoint: String, limit: usize },
    /// The server sends the client elsewhere, where the request cannot go.
    #[error("the server redirects {endpoint} to '{target}'{}", .reason.as_deref().map(|reason| format!(", {reason}")).unwrap_or_default())]
    Redirect {
        endpoint: String,
        status: u16,
        /// Where the server points, without credentials.
        target: String,
        /// Why it is not followed.
        reason: Option<String>,
    },
    /// The server refused, in its API's own words.
    #[error("{code}: {message}{}", after_tries(*.tries))]
    Refused {
        endpoint: String,
        status: u16,
        code: String,
        message: String,
        tries: u32,
        /// Where the credentials come from that were sent.
        credentials: Option<String>,
    },
    /// The answer is not one that the API gives.
    #[error("{endpoint} answered {}{}{}", shown_status(*.status), shown_excerpt(.excerpt), after_tries(*.tries))]
    Unexpected {
        endpoint: String,
        status: u16,
        /// The beginning of the answer, or the title of a page.
        excerpt: String,
        tries: u32,
        /// Where the credentials come from that were sent.
        credentials: Option<String>,
    },
    /// The answer is a JSON object without what it must hold.
    #[error("the answer of {endpoint} is not as {api} gives it: {reason}")]
    Malformed {
        api: &'static str,
        endpoint: String,
        reason: String,
    },
}

impl ApiError {
    /// The API's error code, if the server gave one.
    pub(crate) fn code(&self) -> Option<&str> {
        match self {
            Self::Refused { code, .. } => Some(code),
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

    /// Of an answer that is not what was asked for: its status, what it says, and where the credentials come
    /// from that were sent.
    pub(crate) fn verdict(&self) -> Option<(u16, &str, Option<&str>)> {
        match self {
            Self::Refused {
                status,
                message: said,
                credentials,
                ..
            }
            | Self::Unexpected {
                status,
                excerpt: said,
                credentials,
                ..
            } => Some((*status, said, credentials.as_deref())),
            _ => None,
        }
    }

    /// The status of the answer, if there was one.
    pub(crate) fn status(&self) -> Option<u16> {
        match self {
            Self::Refused { status, .. }
            | Self::Unexpected { status, .. }
            | Self::Redirect { status, .. } => Some(*status),
            _ => None,
        }
    }
}
