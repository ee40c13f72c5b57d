//! What went wrong with a connection by HTTP, in words for a person.

use reqwest::Url;

use super::super::problem::GitProblem;

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
    let mut texts = vec![error.to_string()];
    let mut io_kind = None;
    let mut link: Option<&(dyn std::error::Error + 'static)> = std::error::Error::source(error);
    while let Some(cause) = link {
        texts.push(cause.to_string());
        if let Some(cause) = cause.downcast_ref::<std::io::Error>() {
            io_kind = Some(cause.kind());
        }
        link = cause.source();
    }
    let says = |part: &str| texts.iter().any(|text| text.contains(part));
    let host = host_of(url);
    let reason = texts.last().cloned().unwrap_or_default();
    if says("failed to lookup address") || says("dns error") {
        return GitProblem::UnknownHost { host };
    }
    if let Some(text) = texts
        .iter()
        .find(|text| text.contains("certificate verify failed"))
    {
        let reason = match text.rsplit_once('(') {
            Some((_, detail)) => detail.trim_end_matches(')').to_owned(),
            None => text.clone(),
        };
        return GitProblem::Certificate { host, reason };
    }
    if says("wrong version number") || says("packet length too long") || says("record layer failure") {
        return GitProblem::protocol(format!("'{host}' does not speak TLS"));
    }
    if error.is_connect() || error.is_timeout() {
        let reason = match io_kind {
            Some(std::io::ErrorKind::ConnectionRefused) => "connection refused".to_owned(),
            _ if error.is_timeout() => "no answer".to_owned(),
            _ => reason,
        };
        return GitProblem::Unreachable { host, reason };
    }
    GitProblem::Broken { reason }
}
