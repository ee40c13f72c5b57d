//! What went wrong with a connection by HTTP, in words for a person.

use reqwest::Url;

use super::super::problem::GitProblem;
use super::http::CONNECT_LIMIT;
use crate::http::{Fault, classify};

/// The host of a URL, and its port where that is not the usual one.
pub(super) fn host_of(url: &Url) -> String {
    let host = url.host_str().unwrap_or_default();
    match url.port() {
        Some(port) => format!("{host}:{port}"),
        None => host.to_owned(),
    }
}

/// Tells from the errors of the HTTP and TLS libraries what went wrong. `error` has no URL in it.
pub(super) fn in_words(error: &reqwest::Error, url: &Url) -> GitProblem {
    let host = host_of(url);
    let (fault, reason) = classify(error, CONNECT_LIMIT);
    match fault {
        Fault::UnknownHost => GitProblem::UnknownHost { host },
        Fault::Certificate => GitProblem::Certificate { host, reason },
        Fault::Protocol => GitProblem::protocol(format!("'{host}' does not speak the protocol of the URL")),
        Fault::Refused => GitProblem::Unreachable { host, reason },
        Fault::Timeout(_) => GitProblem::Unreachable {
            host,
            reason: "no answer".to_owned(),
        },
        Fault::Broken if error.is_connect() => GitProblem::Unreachable { host, reason },
        Fault::Broken => GitProblem::Broken { reason },
    }
}
