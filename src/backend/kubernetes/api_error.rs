//! Errors of the Kubernetes API and of the connection to it, in words for a person and without the secrets that
//! the library's own texts may hold.

use std::error::Error;
use std::io;
use std::iter::successors;
use std::os::unix::process::ExitStatusExt as _;
use std::process::Output;
use std::time::Duration;

use hyper_util::client;
use kube::client::{AuthError, OpensslTlsError};
use kube::config::{KubeconfigError, LoadDataError};
use kube::core::Status;

use super::reason::Denial;
use crate::process::ProgramExit;
use crate::quantity;

/// How many of a failed program's last lines are shown.
const SHOWN_LINES: usize = 5;
const AUTHORITY: &str = "the certificate-authority is not a valid certificate in PEM format";

/// A failed request to the API.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{message}")]
pub(super) struct ApiProblem {
    pub(super) kind: ProblemKind,
    /// The message of the API or of the library.
    pub(super) message: String,
    /// Whether the request certainly had no effect.
    is_undone: bool,
    /// The first field that the API complains about.
    pub(super) field: Option<String>,
    /// Whether the kubeconfig's credentials could not be obtained.
    pub(super) lacks_credentials: bool,
}

/// Kinds of problems, by remedy.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum ProblemKind {
    Unreachable,
    /// The server is overloaded; it may answer in a moment.
    Busy,
    /// The server failed; it may answer later.
    Transient,
    /// The client has no valid credentials, or cannot get any.
    Unauthorized,
    /// The client is not allowed to do it, usually for lack of a role.
    Forbidden,
    /// A policy of the cluster forbids it for everyone.
    Denied(&'static Denial),
    NotFound,
    AlreadyExists,
    /// The API rejects the request as invalid.
    Invalid,
    Other,
}

impl ApiProblem {
    pub(super) fn new(kind: ProblemKind, message: impl Into<String>) -> Self {
        Self {
            kind,
            message: message.into(),
            is_undone: false,
            field: None,
            lacks_credentials: false,
        }
    }

    pub(super) fn no_answer(within: Duration) -> Self {
        let message = format!("no answer within {}", quantity::duration(within));
        Self::new(ProblemKind::Unreachable, message)
    }

    pub(super) fn hint(&self) -> Option<&'static str> {
        let says = |words: &str| self.message.contains(words);
        Some(match self.kind {
            ProblemKind::Unreachable => {
                "check that the cluster is up and reachable from this machine: kubectl cluster-info"
            }
            ProblemKind::Unauthorized => {
                "log in to the cluster again (`kubectl auth whoami` shows who you are)"
            }
            ProblemKind::Denied(denial) => denial.hint,
            ProblemKind::Transient if says("failed calling webhook") => {
                "a webhook of the cluster does not answer; try again later, or tell the cluster's administrators"
            }
            ProblemKind::Forbidden if says("User \"") && says(" cannot ") => {
                "the user or service account needs a role that allows: create, get, list, watch and delete jobs; \
                list and watch pods and events; get pods/log"
            }
            ProblemKind::Forbidden => {
                "a policy of the cluster forbids it; ask the cluster's administrators which one"
            }
            ProblemKind::NotFound => {
                "create the namespace, or set another metadata.namespace in the template"
            }
            _ => return None,
        })
    }

    /// Whether the server, or a proxy, closed the connection because of a certificate.
    pub(super) fn is_of_certificate(&self) -> bool {
        self.kind == ProblemKind::Unreachable && self.message.contains(" alert ")
    }

    /// Whether the request may have had an effect nevertheless.
    pub(super) fn may_be_done(&self) -> bool {
        self.is_passing() && !self.is_undone
    }

    /// Whether the same request may succeed later.
    pub(super) fn is_passing(&self) -> bool {
        matches!(
            self.kind,
            ProblemKind::Unreachable | ProblemKind::Busy | ProblemKind::Transient
        )
    }
}

impl From<&Status> for ApiProblem {
    fn from(status: &Status) -> Self {
        // The quota's bookkeeping conflicted with another request.
        let is_collision = status.code == 409 && status.message.contains("resourcequotas");
        let by_code = || match (status.code, status.reason.as_str()) {
            (409, _) if is_collision => ProblemKind::Busy,
            (_, "AlreadyExists") => ProblemKind::AlreadyExists,
            (401, _) => ProblemKind::Unauthorized,
            (403, _) => ProblemKind::Forbidden,
            (404, _) => ProblemKind::NotFound,
            (400 | 422, _) => ProblemKind::Invalid,
            (429 | 503 | 504, _) => ProblemKind::Busy,
            (408 | 500..=599, _) => ProblemKind::Transient,
            _ => ProblemKind::Other,
        };
        // The message first: webhooks and policies choose the status code.
        let kind = Denial::of(&status.message).map_or_else(by_code, ProblemKind::Denied);
        let message = match (status.message.trim(), status.code) {
            ("", code) => format!("status {code}"),
            (message, code) if message.starts_with('<') => {
                format!("status {code}; the answer is a web page, not from Kubernetes")
            }
            (message, _) => message.to_owned(),
        };
        let mut causes = status.details.iter().flat_map(|details| &details.causes);
        Self {
            // Too many requests: this one was not processed.
            is_undone: status.code == 429 || is_collision,
            field: causes
                .find(|cause| !cause.field.is_empty())
                .map(|cause| cause.field.clone()),
            ..Self::new(kind, message)
        }
    }
}

impl From<kube::Error> for ApiProblem {
    fn from(error: kube::Error) -> Self {
        if let Some(source) = causes(&error).find_map(|cause| cause.downcast_ref()) {
            let message = of_credentials(source);
            return Self {
                lacks_credentials: true,
                is_undone: true,
                ..Self::new(ProblemKind::Unauthorized, message)
            };
        }
        let kind = match &error {
            kube::Error::Api(status) => return Self::from(&**status),
            kube::Error::InferKubeconfig(source) => {
                return Self::new(ProblemKind::Other, of_kubeconfig(source));
            }
            kube::Error::OpensslTls(source) => {
                return Self::new(ProblemKind::Other, of_certificates(source));
            }
            kube::Error::HyperError(_) | kube::Error::Service(_) | kube::Error::ReadEvents(_) => {
                ProblemKind::Unreachable
            }
            // A truncated body.
            kube::Error::SerdeError(source) if source.is_eof() => ProblemKind::Unreachable,
            _ => ProblemKind::Other,
        };
        Self {
            is_undone: could_not_connect(&error),
            ..Self::new(kind, chain(&error))
        }
    }
}

fn causes<'a>(error: &'a (dyn Error + 'static)) -> impl Iterator<Item = &'a (dyn Error + 'static)> {
    successors(Some(error), |&error| error.source())
}

/// Whether no connection was established, so no request was sent.
fn could_not_connect(error: &kube::Error) -> bool {
    let mut of_client = causes(error).filter_map(|cause| cause.downcast_ref::<client::legacy::Error>());
    of_client.next().is_some_and(client::legacy::Error::is_connect)
}

/// An error and its causes in one line, without repetitions and without the library's names for its error kinds.
fn chain(error: &(dyn Error + 'static)) -> String {
    let mut parts: Vec<String> = Vec::new();
    for cause in causes(error) {
        let text = cause.to_string();
        let text = text
            .trim_start_matches("HyperError: ")
            .trim_start_matches("ServiceError: ");
        if !parts.iter().any(|part| part.contains(text)) {
            parts.retain(|part| !text.contains(part.as_str()));
            parts.push(text.to_owned());
        }
    }
    parts.join(": ")
}

fn of_kubeconfig(error: &KubeconfigError) -> String {
    match error {
        KubeconfigError::ReadConfig(source, _) => format!("cannot read it: {}", io_text(source)),
        KubeconfigError::Parse(source) => {
            format!("failed to parse kubeconfig YAML{}", place(source))
        }
        KubeconfigError::LoadCertificateAuthority(source) => of_data("certificate-authority", source),
        KubeconfigError::LoadClientCertificate(source) => of_data("client-certificate", source),
        KubeconfigError::LoadClientKey(source) => of_data("client-key", source),
        KubeconfigError::ParseCertificates(_) => AUTHORITY.to_owned(),
        other => other.to_string(),
    }
}

/// Why a certificate or key cannot be loaded; `key` is its name in a kubeconfig.
fn of_data(key: &str, error: &LoadDataError) -> String {
    match error {
        LoadDataError::DecodeBase64(_) => format!("{key}-data is not valid base64"),
        LoadDataError::ReadFile(source, path) => {
            format!("cannot read the {key} '{}': {}", path.display(), io_text(source))
        }
        LoadDataError::NoBase64DataOrFile => {
            format!("{key} is missing: set both the client certificate and its key")
        }
    }
}

/// Why certificates and keys are unusable, found by words of the library.
fn of_certificates(error: &OpensslTlsError) -> String {
    const CERTIFICATE: &str = "the client-certificate is not a valid certificate in PEM format";
    let text = error.to_string();
    let known = [
        ("PEM-encoded chain", CERTIFICATE),
        ("leaf certificate, the", CERTIFICATE),
        (
            "PEM-encoded private key",
            "the client-key is not a valid key in PEM format, or needs a passphrase",
        ),
        (
            "set private key",
            "the client-key does not belong to the client-certificate",
        ),
        ("root certificate", AUTHORITY),
    ];
    let known = known.into_iter().find(|(words, _)| text.contains(words));
    known.map_or(text.clone(), |(_, said)| said.to_owned())
}

/// Why there are no credentials. A program's standard output is not shown: it may contain the credentials.
fn of_credentials(error: &AuthError) -> String {
    match error {
        AuthError::AuthExecStart(source) => match source.kind() {
            io::ErrorKind::NotFound => "program not found".to_owned(),
            _ => format!("cannot start it: {}", io_text(source)),
        },
        AuthError::AuthExecRun { out, .. } => of_exit(out),
        AuthError::AuthExecParse(source) => {
            format!(
                "its output is not a valid ExecCredential in JSON{}",
                place(source)
            )
        }
        AuthError::ExecPluginFailed => "its output is an ExecCredential without a status".to_owned(),
        AuthError::MalformedTokenExpirationDate(_) => {
            "the expiry of its token is not a valid time".to_owned()
        }
        AuthError::ReadTokenFile(source, path) => {
            format!(
                "cannot read the tokenFile '{}': {}",
                path.display(),
                io_text(source)
            )
        }
        // The library appends debug output to its message.
        AuthError::AuthExec(text) => [": Os {", " Utf8Error {"]
            .iter()
            .fold(text.as_str(), |text, end| text.split(end).next().unwrap_or(text))
            .trim()
            .to_owned(),
        other => other.to_string(),
    }
}

fn of_exit(out: &Output) -> String {
    let signal = || ProgramExit::Signal(out.status.signal().unwrap_or_default());
    let exit = out.status.code().map_or_else(signal, ProgramExit::Code);
    let wrote = String::from_utf8_lossy(&out.stderr);
    let lines = wrote.lines().map(str::trim_end);
    let lines: Vec<&str> = lines.filter(|line| !line.is_empty()).collect();
    let last = lines[lines.len().saturating_sub(SHOWN_LINES)..].join("\n");
    let colon = if last.is_empty() { "" } else { ": " };
    format!("it failed with {exit}{colon}{last}")
}

fn io_text(error: &io::Error) -> String {
    let text = error.to_string();
    text.split(" (os error").next().unwrap_or(&text).to_owned()
}

/// The position of the error in a text. The library's own message would quote the text.
fn place(error: &serde_yaml::Error) -> String {
    let location = error.location();
    location.map_or_else(String::new, |at| {
        format!(" (line {}, column {})", at.line(), at.column())
    })
}
