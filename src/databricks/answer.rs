//! What an answer of a workspace means.

use reqwest::StatusCode;
use reqwest::header::HeaderMap;
use serde::de::DeserializeOwned;

use super::error::DatabricksError;
use crate::http::{code_and_message, excerpt};

/// An answer, wholly read.
#[derive(Debug)]
pub(super) struct Answer {
    pub(super) status: StatusCode,
    pub(super) headers: HeaderMap,
    pub(super) body: Vec<u8>,
    pub(super) tries: u32,
    /// Where the credentials come from that were sent.
    pub(super) credentials: String,
}

impl Answer {
    /// The value that the answer holds.
    pub(super) fn json<T: DeserializeOwned>(&self, endpoint: &str) -> Result<T, DatabricksError> {
        let body: &[u8] = match self.body.trim_ascii() {
            b"" => b"{}",
            body => body,
        };
        if !body.starts_with(b"{") {
            return Err(self.unexpected(endpoint));
        }
        serde_json::from_slice(body).map_err(|error| DatabricksError::Malformed {
            endpoint: endpoint.to_owned(),
            reason: error.to_string(),
        })
    }

    /// What the workspace has to say where it refused.
    pub(super) fn refusal(&self, endpoint: &str) -> DatabricksError {
        match code_and_message(&self.body) {
            Some((code, message)) => DatabricksError::Refused {
                endpoint: endpoint.to_owned(),
                status: self.status.as_u16(),
                code,
                message,
                tries: self.tries,
                credentials: self.credentials.clone(),
            },
            None => self.unexpected(endpoint),
        }
    }

    fn unexpected(&self, endpoint: &str) -> DatabricksError {
        DatabricksError::NotDatabricks {
            endpoint: endpoint.to_owned(),
            status: self.status.as_u16(),
            excerpt: excerpt(&self.body),
            tries: self.tries,
            credentials: self.credentials.clone(),
        }
    }
}
