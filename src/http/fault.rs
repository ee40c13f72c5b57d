//! What the failures of the HTTP and TLS libraries mean.

use std::time::Duration;

/// The kinds of failure in which a server gives no answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fault {
    /// Nothing listens there.
    Refused,
    /// The host's name is not known.
    UnknownHost,
    /// The server's certificate, or the client's, was not accepted.
    Certificate,
    /// What listens there speaks something else: TLS for HTTP, or HTTP for TLS.
    Protocol,
    /// The answer took longer than it may.
    Timeout(Duration),
    /// The connection ended early, or could not be made for another reason.
    Broken,
}

impl Fault {
    /// Whether another try may end otherwise.
    pub(crate) fn is_transient(self) -> bool {
        !matches!(self, Self::Certificate | Self::Protocol)
    }

    /// What the person can do about an API that gives no answer. `refused` is about one where nothing listens;
    /// `address` and `certificates` are where a person gives them.
    pub(crate) fn api_hint(self, refused: &str, address: &str, certificates: &str) -> Option<String> {
        Some(match self {
            Self::Refused => format!("nothing listens at that address: {refused}"),
            Self::UnknownHost => format!("check the host's name in {address}, and the network"),
            Self::Certificate => {
                format!("name the server's certificate, or its authority's, in {certificates}")
            }
            Self::Protocol => format!("check whether {address} must begin with http:// or https://"),
            Self::Timeout(limit) => format!(
                "see whether the server works, or raise MLFLOW_HTTP_REQUEST_TIMEOUT (now {})",
                in_words(limit)
            ),
            Self::Broken => return None,
        })
    }

    /// What the person can do about it, who has given the address of something to download.
    pub(crate) fn download_hint(self) -> Option<&'static str> {
        match self {
            Self::Refused => Some("nothing listens at that address: check the host and the port"),
            Self::UnknownHost => Some("check the host's name, and the network"),
            Self::Certificate => {
                Some("name the certificate of the server's authority in REQUESTS_CA_BUNDLE or SSL_CERT_FILE")
            }
            Self::Protocol => Some("check whether the address must begin with http:// or https://"),
            Self::Timeout(_) | Self::Broken => None,
        }
    }
}

/// What kind of failure the errors of the HTTP and TLS libraries tell of, and the one sentence in
/// them that says something.
pub(crate) fn classify(error: &(dyn std::error::Error + 'static), timeout: Duration) -> (Fault, String) {
    let mut chain: Vec<&(dyn std::error::Error + 'static)> = vec![error];
    while let Some(source) = chain.last().and_then(|last| last.source()) {
        chain.push(source);
    }
    let io_kind = chain
        .iter()
        .find_map(|link| link.downcast_ref::<std::io::Error>())
        .map(std::io::Error::kind);
    let texts: Vec<String> = chain.iter().map(ToString::to_string).collect();
    let says = |part: &str| texts.iter().any(|text| text.contains(part));
    let reason = innermost(error);
    if says("dns error") || says("failed to lookup address") {
        return (Fault::UnknownHost, reason);
    }
    if let Some(text) = texts
        .iter()
        .find(|text| text.contains("certificate verify failed"))
    {
        let detail = verify_detail(text);
        return (
            Fault::Certificate,
            format!("the server's certificate is not trusted{detail}"),
        );
    }
    if says("alert certificate") || says("alert bad certificate") || says("alert unknown ca") {
        return (
            Fault::Certificate,
            format!("the server does not accept the client's certificate ({reason})"),
        );
    }
    if says("wrong version number") || says("packet length too long") || says("invalid HTTP version") {
        return (
            Fault::Protocol,
            "what listens there does not speak the protocol of the address".to_owned(),
        );
    }
    if says("tls_retry_write_records") {
        let reason = "the connection was closed while the request was sent".to_owned();
        return (Fault::Broken, reason);
    }
    match io_kind {
        Some(std::io::ErrorKind::ConnectionRefused) => (Fault::Refused, "connection refused".to_owned()),
        Some(std::io::ErrorKind::TimedOut) => (Fault::Timeout(timeout), reason),
        _ => (Fault::Broken, reason),
    }
}

/// The text of the last error in a chain, which the others only wrap.
pub(crate) fn innermost(error: &(dyn std::error::Error + 'static)) -> String {
    let mut last = error;
    while let Some(source) = last.source() {
        last = source;
    }
    last.to_string()
}

/// OpenSSL's own words for what is wrong with a certificate, which stand in brackets at the end.
fn verify_detail(text: &str) -> String {
    match text.rsplit_once('(') {
        Some((_, detail)) => format!(": {}", detail.trim_end_matches(')')),
        None => String::new(),
    }
}

/// A duration as a person says it.
pub(crate) fn in_words(duration: Duration) -> String {
    match duration.as_secs() {
        1 => "1 second".to_owned(),
        seconds @ 0..=119 => format!("{seconds} seconds"),
        seconds => format!("{} minutes", seconds.div_ceil(60)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations_are_told_in_words() {
        for (seconds, expected) in [
            (0, "0 seconds"),
            (1, "1 second"),
            (119, "119 seconds"),
            (249, "5 minutes"),
        ] {
            assert_eq!(in_words(Duration::from_secs(seconds)), expected);
        }
    }
}
