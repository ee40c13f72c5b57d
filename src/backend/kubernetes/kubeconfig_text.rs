//! Why a kubeconfig, its certificates or its credentials cannot be used: the library's errors in words that
//! hold no secret.

use std::io;
use std::os::unix::process::ExitStatusExt as _;
use std::process::Output;

use kube::client::{AuthError, OpensslTlsError};
use kube::config::{KubeconfigError, LoadDataError};

use crate::process::ProgramExit;

/// How many lines of what a program writes before it fails are shown.
const SHOWN_LINES: usize = 5;
const AUTHORITY: &str = "the certificate-authority holds no valid certificate in PEM format";

pub(super) fn of_kubeconfig(error: &KubeconfigError) -> String {
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

/// Why a certificate or key cannot be had; `key` is its name in a kubeconfig.
fn of_data(key: &str, error: &LoadDataError) -> String {
    match error {
        LoadDataError::DecodeBase64(_) => format!("{key}-data is not valid base64"),
        LoadDataError::ReadFile(source, path) => {
            format!("cannot read the {key} '{}': {}", path.display(), io_text(source))
        }
        LoadDataError::NoBase64DataOrFile => {
            format!("the {key} is missing: a client certificate and its key belong together")
        }
    }
}

/// Why certificates and keys cannot be used, by words of the library.
pub(super) fn of_certificates(error: &OpensslTlsError) -> String {
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

/// Why there are no credentials. What a program wrote to its standard output is not shown: it may be
/// the credentials.
pub(super) fn of_credentials(error: &AuthError) -> String {
    match error {
        AuthError::AuthExecStart(source) => match source.kind() {
            io::ErrorKind::NotFound => "there is no such program".to_owned(),
            _ => format!("it cannot be started: {}", io_text(source)),
        },
        AuthError::AuthExecRun { out, .. } => of_exit(out),
        AuthError::AuthExecParse(source) => {
            format!(
                "its answer is not a valid ExecCredential in JSON{}",
                place(source)
            )
        }
        AuthError::ExecPluginFailed => "its answer is an ExecCredential without a status".to_owned(),
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
        // The library puts what a programmer sees behind its own words.
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
    format!("it ended with {exit}{colon}{last}")
}

/// The system's words, without its number.
fn io_text(error: &io::Error) -> String {
    let text = error.to_string();
    text.split(" (os error").next().unwrap_or(&text).to_owned()
}

/// Where in a text the error is. The library's own words quote the text.
fn place(error: &serde_yaml::Error) -> String {
    let location = error.location();
    location.map_or_else(String::new, |at| {
        format!(" (line {}, column {})", at.line(), at.column())
    })
}
