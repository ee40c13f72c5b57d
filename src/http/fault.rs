//! What the failures of the HTTP and TLS libraries mean.

use std::io;
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
    pub(crate) fn download_hint(self) -> Option<String> {
        let certificates = "REQUESTS_CA_BUNDLE or SSL_CERT_FILE";
        match self {
            Self::Timeout(_) => None,
            fault => fault.api_hint("check the host and the port", "the address", certificates),
        }
    }
}

/// What kind of failure the errors of the HTTP and TLS libraries tell of, and the one sentence in
/// them that says something.
pub(crate) fn classify(error: &(dyn std::error::Error + 'static), timeout: Duration) -> (Fault, String) {
    let chain: Vec<_> = std::iter::successors(Some(error), |link| link.source()).collect();
    let texts: Vec<String> = chain.iter().map(ToString::to_string).collect();
    let says = |parts: &[&str]| {
        let has = |text: &&String| parts.iter().any(|part| text.contains(part));
        texts.iter().find(has)
    };
    let reason = innermost(error);
    if says(&["dns error", "failed to lookup address"]).is_some() {
        return (Fault::UnknownHost, reason);
    }
    if let Some(text) = says(&["certificate verify failed"]) {
        // OpenSSL's own words for what is wrong with it stand in brackets at the end.
        let detail = text.rsplit_once('(').map_or("", |(_, detail)| detail);
        let detail = detail.trim_end_matches(')');
        let colon = if detail.is_empty() { "" } else { ": " };
        let reason = format!("the server's certificate is not trusted{colon}{detail}");
        return (Fault::Certificate, reason);
    }
    if says(&["alert certificate", "alert bad certificate", "alert unknown ca"]).is_some() {
        let reason = format!("the server does not accept the client's certificate ({reason})");
        return (Fault::Certificate, reason);
    }
    let not_http = [
        "wrong version number",
        "packet length too long",
        "invalid HTTP version",
    ];
    if says(&not_http).is_some() {
        let reason = "what listens there does not speak the protocol of the address";
        return (Fault::Protocol, reason.to_owned());
    }
    if says(&["tls_retry_write_records"]).is_some() {
        let reason = "the connection was closed while the request was sent";
        return (Fault::Broken, reason.to_owned());
    }
    let mut io_errors = chain.iter().filter_map(|link| link.downcast_ref::<io::Error>());
    match io_errors.next().map(io::Error::kind) {
        Some(io::ErrorKind::ConnectionRefused) => (Fault::Refused, "connection refused".to_owned()),
        Some(io::ErrorKind::TimedOut) => (Fault::Timeout(timeout), reason),
        _ => (Fault::Broken, reason),
    }
}

/// The text of the last error in a chain, which the others only wrap.
pub(crate) fn innermost(error: &(dyn std::error::Error + 'static)) -> String {
    match error.source() {
        Some(source) => innermost(source),
        None => error.to_string(),
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

/// Why no client can be made.
#[derive(Debug, thiserror::Error)]
pub enum ClientError {
    /// A file with certificates or a key cannot be read.
    #[error("cannot read {what}")]
    Unreadable {
        /// The variable and the file that it names.
        what: String,
        source: io::Error,
    },
    /// What the environment names cannot be used.
    #[error("{what} cannot be used: {reason}")]
    Unusable {
        /// What it is, without credentials.
        what: String,
        reason: String,
        /// What the person can do about it.
        hint: Option<&'static str>,
    },
}

impl ClientError {
    /// What the person can do about it.
    pub(crate) fn hint(&self) -> Option<String> {
        match self {
            Self::Unusable { hint, .. } => hint.map(str::to_owned),
            Self::Unreadable { .. } => None,
        }
    }
}
