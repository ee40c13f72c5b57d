//! Explains the failures of servers and of the HTTP and TLS libraries.

use std::io;
use std::time::Duration;

use reqwest::StatusCode;
use serde_json::Value;

use crate::quantity;

/// The kinds of failure without a response.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fault {
    /// Nothing is listening at the address.
    Refused,
    UnknownHost,
    /// The server's certificate, or the client's, was not accepted.
    Certificate,
    /// The server speaks another protocol: TLS instead of HTTP, or HTTP instead of TLS.
    Protocol,
    Timeout(Duration),
    /// The connection was lost, or failed for another reason.
    Broken,
}

impl Fault {
    pub(crate) fn is_transient(self) -> bool {
        !matches!(self, Self::Certificate | Self::Protocol)
    }

    /// Whether a connection existed, and may last the next time.
    pub(crate) fn is_interruption(self) -> bool {
        matches!(self, Self::Timeout(_) | Self::Broken)
    }

    /// The hint for an API that does not respond. `refused` is the advice if nothing is listening; `address` and
    /// `certificates` say where they are configured.
    pub(crate) fn api_hint(self, refused: &str, address: &str, certificates: &str) -> Option<String> {
        Some(match self {
            Self::Refused => format!("nothing is listening at that address; {refused}"),
            Self::UnknownHost => format!("check the host name in {address} and the network connection"),
            Self::Certificate => {
                format!(
                    "set {certificates} to a PEM file with the certificate of the server or its authority"
                )
            }
            Self::Protocol => format!("check whether {address} should begin with http:// or https://"),
            Self::Timeout(limit) => format!(
                "check that the server works, or increase MLFLOW_HTTP_REQUEST_TIMEOUT (now {})",
                quantity::duration(limit)
            ),
            Self::Broken => return None,
        })
    }

    /// The hint for a failed download.
    pub(crate) fn download_hint(self) -> Option<String> {
        let certificates = "REQUESTS_CA_BUNDLE or SSL_CERT_FILE";
        match self {
            Self::Timeout(_) => None,
            fault => fault.api_hint("check the host and port", "the address", certificates),
        }
    }
}

/// The kind of failure, and the one useful sentence in the errors of the HTTP and TLS libraries.
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
        // OpenSSL's explanation is in brackets at the end.
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
        let reason = "the server does not speak the protocol of the address";
        return (Fault::Protocol, reason.to_owned());
    }
    if says(&["tls_retry_write_records"]).is_some() {
        let reason = "the server closed the connection during the request";
        return (Fault::Broken, reason.to_owned());
    }
    let mut io_errors = chain.iter().filter_map(|link| link.downcast_ref::<io::Error>());
    match io_errors.next().map(io::Error::kind) {
        Some(io::ErrorKind::ConnectionRefused) => (Fault::Refused, "connection refused".to_owned()),
        Some(io::ErrorKind::TimedOut) => (Fault::Timeout(timeout), reason),
        _ => (Fault::Broken, reason),
    }
}

/// The text of the last error in the chain; the others only wrap it.
pub(crate) fn innermost(error: &(dyn std::error::Error + 'static)) -> String {
    match error.source() {
        Some(source) => innermost(source),
        None => error.to_string(),
    }
}

/// Why a client cannot be created.
#[derive(Debug, thiserror::Error)]
pub enum ClientError {
    #[error("cannot read {what}")]
    Unreadable {
        /// The variable and its file.
        what: String,
        source: io::Error,
    },
    #[error("{what} cannot be used: {reason}")]
    Unusable {
        /// The name of the setting, without credentials.
        what: String,
        reason: String,
        hint: Option<&'static str>,
    },
}

impl ClientError {
    pub(crate) fn hint(&self) -> Option<String> {
        let Self::Unusable { hint, .. } = self else {
            return None;
        };
        hint.map(str::to_owned)
    }
}

/// Longer texts are truncated.
const LONGEST_EXCERPT: usize = 200;

/// Longer messages are truncated.
const LONGEST_MESSAGE: usize = 1500;

/// The error code and message of a refusal by MLflow, Databricks or an OAuth service (RFC 6749, section 5.2), if
/// the body contains them.
pub(crate) fn code_and_message(body: &[u8]) -> Option<(String, String)> {
    let body: Value = serde_json::from_slice(body).ok()?;
    let text = |value: &Value| match value {
        Value::String(text) => text.clone(),
        Value::Null => String::new(),
        other => other.to_string(),
    };
    let (code, message) = match &body["error_description"] {
        Value::String(said) if body["error_code"].is_null() => (text(&body["error"]), said.clone()),
        _ => (text(&body["error_code"]), text(&body["message"])),
    };
    // Some messages begin with the code.
    let message = message
        .strip_prefix(&code)
        .and_then(|rest| rest.strip_prefix(": "))
        .unwrap_or(&message);
    (!code.is_empty()).then(|| (code.clone(), cut(message.trim(), LONGEST_MESSAGE)))
}

/// The status with its standard text.
pub(crate) fn shown_status(status: u16) -> String {
    let known = StatusCode::from_u16(status).ok();
    match known.and_then(|code| code.canonical_reason()) {
        Some(reason) => format!("{status} {reason}"),
        None => status.to_string(),
    }
}

/// The number of attempts, if there was more than one.
pub(super) fn after_tries(tries: u32) -> String {
    match tries {
        0 | 1 => String::new(),
        tries => format!(" (after {tries} attempts)"),
    }
}

/// The title of a page, or the beginning of another text, on one line.
pub(crate) fn excerpt(body: &[u8]) -> String {
    let beginning = &body[..body.len().min(64 * 1024)];
    let text = String::from_utf8_lossy(beginning);
    // Not by its content type, because some servers declare plain text as HTML.
    let is_page = text.trim_start().starts_with('<');
    let shown = match (is_page, page_title(&text)) {
        (false, _) => one_line(&text),
        (true, Some(title)) => format!("a page titled '{title}'"),
        (true, None) => "a page".to_owned(),
    };
    cut(&shown, LONGEST_EXCERPT)
}

fn page_title(page: &str) -> Option<String> {
    let lower = page.to_ascii_lowercase();
    let tag = lower.find("<title")?;
    let start = tag + lower[tag..].find('>')? + 1;
    let end = start + lower[start..].find("</title")?;
    Some(one_line(&page[start..end])).filter(|title| !title.is_empty())
}

/// The text without line breaks and other control characters, which could move the cursor.
fn one_line(text: &str) -> String {
    let words = text.split(|character: char| character.is_whitespace() || character.is_control());
    let words = words.filter(|word| !word.is_empty());
    words.collect::<Vec<_>>().join(" ")
}

/// The text, truncated to this number of characters.
fn cut(text: &str, longest: usize) -> String {
    match text.char_indices().nth(longest) {
        Some((end, _)) => format!("{}…", &text[..end]),
        None => text.to_owned(),
    }
}

/// Why a call of a JSON API failed.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ApiError {
    #[error(transparent)]
    Client(#[from] ClientError),
    /// The file to send is unreadable, or changed during the upload.
    #[error("cannot read the file to upload")]
    Content(#[source] io::Error),
    #[error("{reason}{}", after_tries(*.tries))]
    NoAnswer {
        address: String,
        endpoint: String,
        fault: Fault,
        reason: String,
        tries: u32,
    },
    #[error("the server redirects {endpoint} to '{target}'{why_not}")]
    Redirect {
        endpoint: String,
        /// The target without credentials.
        target: String,
        /// Why it is not followed: a clause after a comma, or empty.
        why_not: String,
    },
    /// The server refused, or its response is not one of the API.
    #[error("{}{}", told(endpoint, *.status, code, message), after_tries(*.tries))]
    Refused {
        endpoint: String,
        status: u16,
        /// The API's error code, if the API itself refused.
        code: Option<String>,
        /// The API's message, otherwise the beginning of the response or the title of a page.
        message: String,
        tries: u32,
        /// The source of the credentials that were sent.
        credentials: Option<String>,
    },
    /// The response is an incomplete JSON object, or too large.
    #[error("the response of {endpoint} is {what}")]
    Malformed { endpoint: String, what: String },
}

impl ApiError {
    /// A response that does not match the API.
    pub(crate) fn malformed(api: &str, endpoint: &str, reason: impl ToString) -> Self {
        Self::Malformed {
            endpoint: endpoint.to_owned(),
            what: format!("not a valid {api} response: {}", reason.to_string()),
        }
    }

    pub(crate) fn code(&self) -> Option<&str> {
        let Self::Refused { code, .. } = self else {
            return None;
        };
        code.as_deref()
    }

    pub(crate) fn fault(&self) -> Option<Fault> {
        let Self::NoAnswer { fault, .. } = self else {
            return None;
        };
        Some(*fault)
    }

    /// The status, message and source of the credentials of a refusal.
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

    pub(crate) fn status(&self) -> Option<u16> {
        self.verdict().map(|(status, ..)| status)
    }
}

fn told(endpoint: &str, status: u16, code: &Option<String>, message: &str) -> String {
    match code {
        Some(code) => format!("{code}: {message}"),
        None if message.is_empty() => format!("{endpoint} returned {}", shown_status(status)),
        None => format!("{endpoint} returned {}: {message}", shown_status(status)),
    }
}
