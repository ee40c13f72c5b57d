//! The certificates that servers are checked against.

use std::io;
use std::path::{Path, PathBuf};

use openssl::x509::X509;
use reqwest::{Certificate, ClientBuilder};

use crate::env_vars;

/// What the server's certificate is checked against.
#[derive(Debug, Clone)]
pub(crate) enum Verification {
    /// The certificates that the system trusts.
    SystemRoots,
    /// The certificates in a PEM file or a directory, and no others.
    Bundle {
        path: PathBuf,
        /// The variable that names it.
        variable: &'static str,
    },
    /// Nothing: any certificate will do.
    Off,
}

impl Verification {
    /// What the variables of Python's `requests` say: a bundle or directory of their own, else the
    /// system's certificates. `variable` gives `None` for one that is not set or empty.
    pub(crate) fn from_variables(variable: &dyn Fn(&str) -> Option<String>) -> Self {
        [env_vars::REQUESTS_CA_BUNDLE, env_vars::CURL_CA_BUNDLE]
            .into_iter()
            .find_map(|name| Self::bundle(name, variable))
            .unwrap_or(Self::SystemRoots)
    }

    /// The bundle or directory that this variable names.
    pub(crate) fn bundle(name: &'static str, variable: &dyn Fn(&str) -> Option<String>) -> Option<Self> {
        variable(name).map(|path| Self::Bundle {
            path: PathBuf::from(path),
            variable: name,
        })
    }

    /// Puts the choice into a client that is being built.
    pub(crate) fn configure(&self, builder: ClientBuilder) -> Result<ClientBuilder, CertificateError> {
        Ok(match self {
            Self::SystemRoots => builder,
            Self::Bundle { path, variable } => builder.tls_certs_only(trusted_certificates(path, variable)?),
            Self::Off => builder.tls_danger_accept_invalid_certs(true),
        })
    }
}

/// Why a file with certificates or a key is of no use.
#[derive(Debug, thiserror::Error)]
pub enum CertificateError {
    /// It cannot be read.
    #[error("cannot read {variable} '{}'", .path.display())]
    Unreadable {
        /// The variable that names the file.
        variable: &'static str,
        path: PathBuf,
        source: io::Error,
    },
    /// What it holds cannot be used.
    #[error("{variable} '{}' cannot be used: {reason}", .path.display())]
    Unusable {
        /// The variable that names the file.
        variable: &'static str,
        path: PathBuf,
        reason: String,
    },
}

impl CertificateError {
    /// The file of this variable, and why it cannot be used.
    pub(crate) fn unusable(variable: &'static str, path: &Path, reason: impl std::fmt::Display) -> Self {
        Self::Unusable {
            variable,
            path: path.to_owned(),
            reason: reason.to_string(),
        }
    }
}

/// The contents of the file that the variable names.
pub(crate) fn read(path: &Path, variable: &'static str) -> Result<Vec<u8>, CertificateError> {
    std::fs::read(path).map_err(|source| CertificateError::Unreadable {
        variable,
        path: path.to_owned(),
        source,
    })
}

/// The certificates of a bundle, or of the files in a directory.
fn trusted_certificates(path: &Path, variable: &'static str) -> Result<Vec<Certificate>, CertificateError> {
    let found = if path.is_dir() {
        certificates_in_directory(path, variable)?
    } else {
        X509::stack_from_pem(&read(path, variable)?)
            .map_err(|error| CertificateError::unusable(variable, path, &error))?
    };
    if found.is_empty() {
        return Err(CertificateError::unusable(
            variable,
            path,
            "it holds no certificate in PEM form",
        ));
    }
    found
        .iter()
        .map(|certificate| {
            let der = certificate
                .to_der()
                .map_err(|error| CertificateError::unusable(variable, path, &error))?;
            Certificate::from_der(&der).map_err(|error| CertificateError::unusable(variable, path, &error))
        })
        .collect()
}

/// OpenSSL looks only at the files that `openssl rehash` named (`0a1b2c3d.0`). Where a directory has
/// none of them all its files count.
fn certificates_in_directory(path: &Path, variable: &'static str) -> Result<Vec<X509>, CertificateError> {
    let unreadable = |source| CertificateError::Unreadable {
        variable,
        path: path.to_owned(),
        source,
    };
    let mut files = Vec::new();
    for entry in std::fs::read_dir(path).map_err(unreadable)? {
        files.push(entry.map_err(unreadable)?.path());
    }
    files.sort();
    if files.iter().any(|file| is_hashed_name(file)) {
        files.retain(|file| is_hashed_name(file));
    }
    // A file that is no certificate may lie there too, and is passed over as OpenSSL does.
    Ok(files
        .iter()
        .filter_map(|file| X509::stack_from_pem(&std::fs::read(file).ok()?).ok())
        .flatten()
        .collect())
}

fn is_hashed_name(file: &Path) -> bool {
    let name = file.file_name().unwrap_or_default().to_string_lossy();
    name.split_once('.').is_some_and(|(hash, number)| {
        let is_hash = hash.len() == 8 && hash.bytes().all(|byte| byte.is_ascii_hexdigit());
        is_hash && !number.is_empty() && number.bytes().all(|byte| byte.is_ascii_digit())
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_made_by_rehash_are_known() {
        for (name, expected) in [
            ("/x/0a1b2c3d.0", true),
            ("/x/0A1b2c3d.12", true),
            ("/x/0a1b2c3d.pem", false),
            ("/x/0a1b2c3d.", false),
            ("/x/ca.0", false),
            ("/x/0a1b2c3d", false),
        ] {
            assert_eq!(is_hashed_name(Path::new(name)), expected, "{name}");
        }
    }

    #[test]
    fn what_cannot_be_used_is_named() {
        let directory = tempfile::tempdir().unwrap();
        let missing = directory.path().join("missing.pem");
        let text = directory.path().join("text.pem");
        let broken = directory.path().join("broken.pem");
        std::fs::write(&text, "no certificate").unwrap();
        std::fs::write(
            &broken,
            "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n",
        )
        .unwrap();
        for (path, expected) in [
            (
                &missing,
                format!("cannot read CURL_CA_BUNDLE '{}'", missing.display()),
            ),
            (
                &text,
                format!(
                    "CURL_CA_BUNDLE '{}' cannot be used: it holds no certificate in PEM form",
                    text.display()
                ),
            ),
            (
                &broken,
                format!("CURL_CA_BUNDLE '{}' cannot be used: ", broken.display()),
            ),
        ] {
            let error = trusted_certificates(path, "CURL_CA_BUNDLE")
                .unwrap_err()
                .to_string();
            assert!(error.starts_with(&expected), "{error}");
        }
    }
}
