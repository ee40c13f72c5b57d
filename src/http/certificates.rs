//! The trusted certificates, and the client's own certificate.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use anyhow::{Context as _, anyhow, ensure};
use openssl::pkey::PKey;
use openssl::x509::X509;
use reqwest::{Certificate, ClientBuilder, Identity};

use super::error::ClientError;
use crate::env_vars;

const NO_CERTIFICATE: &str = "it contains no PEM certificate";

/// The certificates that verify the server's.
#[derive(Debug, Clone)]
pub(crate) enum Verification {
    /// The certificates that the system trusts.
    SystemRoots,
    /// The certificates in a PEM file or a directory, and no others.
    Bundle {
        path: PathBuf,
        /// The variable with the path.
        variable: &'static str,
    },
    Off,
}

impl Verification {
    /// The bundle or directory in the variables of Python's `requests`, otherwise the system's certificates.
    pub(crate) fn from_variables(variable: &dyn Fn(&str) -> Option<String>) -> Self {
        Self::of_first([env_vars::REQUESTS_CA_BUNDLE, env_vars::CURL_CA_BUNDLE], variable)
    }

    /// The bundle or directory in the first of these variables that is set, otherwise the system's certificates.
    pub(crate) fn of_first(names: [&'static str; 2], variable: &dyn Fn(&str) -> Option<String>) -> Self {
        let bundle = names.into_iter().find_map(|name| Self::bundle(name, variable));
        bundle.unwrap_or(Self::SystemRoots)
    }

    /// The bundle or directory in this variable.
    pub(crate) fn bundle(name: &'static str, variable: &dyn Fn(&str) -> Option<String>) -> Option<Self> {
        variable(name).map(|path| Self::Bundle {
            path: PathBuf::from(path),
            variable: name,
        })
    }

    pub(super) fn configure(&self, builder: ClientBuilder) -> Result<ClientBuilder, ClientError> {
        Ok(match self {
            Self::SystemRoots => builder,
            Self::Bundle { path, variable } => {
                builder.tls_certs_only(used(variable, path, trusted_certificates)?)
            }
            Self::Off => builder.tls_danger_accept_invalid_certs(true),
        })
    }
}

/// The client's certificate, chain and key from one PEM file, as Python reads it.
pub(super) fn client_identity(path: &Path) -> Result<Identity, ClientError> {
    used(env_vars::MLFLOW_TRACKING_CLIENT_CERT_PATH, path, identity)
}

/// Reads the file of this variable.
fn used<T>(
    variable: &str,
    path: &Path,
    read: impl FnOnce(&Path) -> anyhow::Result<T>,
) -> Result<T, ClientError> {
    let what = format!("{variable} '{}'", path.display());
    read(path).map_err(|error| match error.downcast() {
        Ok(source) => ClientError::Unreadable { what, source },
        Err(reason) => ClientError::Unusable {
            what,
            reason: reason.to_string(),
            hint: None,
        },
    })
}

fn trusted_certificates(path: &Path) -> anyhow::Result<Vec<Certificate>> {
    let found = if path.is_dir() {
        certificates_in_directory(path)?
    } else {
        X509::stack_from_pem(&fs::read(path)?)?
    };
    ensure!(!found.is_empty(), NO_CERTIFICATE);
    found
        .iter()
        .map(|certificate| Ok(Certificate::from_der(&certificate.to_der()?)?))
        .collect()
}

/// OpenSSL reads only files with names of `openssl rehash` (`0a1b2c3d.0`). If there are none, all files count.
fn certificates_in_directory(path: &Path) -> io::Result<Vec<X509>> {
    let files = fs::read_dir(path)?.map(|entry| Ok(entry?.path()));
    let mut files = files.collect::<io::Result<Vec<_>>>()?;
    files.sort();
    if files.iter().any(|file| is_hashed_name(file)) {
        files.retain(|file| is_hashed_name(file));
    }
    // Like OpenSSL, skip files that are not certificates.
    Ok(files
        .iter()
        .filter_map(|file| X509::stack_from_pem(&fs::read(file).ok()?).ok())
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

/// The key may have any format of OpenSSL, but no password, because nobody may be there to type it.
fn identity(path: &Path) -> anyhow::Result<Identity> {
    let text = fs::read(path)?;
    let chain = X509::stack_from_pem(&text)?;
    let first = chain.first().context(NO_CERTIFICATE)?;
    let key = PKey::private_key_from_pem_callback(&text, |_| Ok(0)).map_err(|_| {
        let has = |part: &[u8]| text.windows(part.len()).any(|window| window == part);
        if has(b"ENCRYPTED") {
            anyhow!("its private key has a password")
        } else if has(b"PRIVATE KEY-----") {
            anyhow!("its private key is not valid")
        } else {
            anyhow!("it contains no private key; the certificate and its key must be in one file")
        }
    })?;
    ensure!(
        first.public_key().is_ok_and(|public| public.public_eq(&key)),
        "its private key does not match its first certificate"
    );
    let mut certificates = Vec::new();
    for certificate in &chain {
        certificates.extend(certificate.to_pem()?);
    }
    // The TLS library accepts only PKCS#8 keys.
    Ok(Identity::from_pkcs8_pem(
        &certificates,
        &key.private_key_to_pem_pkcs8()?,
    )?)
}
