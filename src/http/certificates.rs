//! The certificates that servers are checked against, and the one that a client shows.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use anyhow::{Context as _, anyhow, ensure};
use openssl::pkey::PKey;
use openssl::x509::X509;
use reqwest::{Certificate, ClientBuilder, Identity};

use super::error::ClientError;
use crate::env_vars;

const NO_CERTIFICATE: &str = "it holds no certificate in PEM form";

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
    Off,
}

impl Verification {
    /// The bundle or directory that the variables of Python's `requests` name, else the system's certificates.
    pub(crate) fn from_variables(variable: &dyn Fn(&str) -> Option<String>) -> Self {
        Self::of_first([env_vars::REQUESTS_CA_BUNDLE, env_vars::CURL_CA_BUNDLE], variable)
    }

    /// The bundle or directory that the first of these variables names, else the system's certificates.
    pub(crate) fn of_first(names: [&'static str; 2], variable: &dyn Fn(&str) -> Option<String>) -> Self {
        let bundle = names.into_iter().find_map(|name| Self::bundle(name, variable));
        bundle.unwrap_or(Self::SystemRoots)
    }

    /// The bundle or directory that this variable names.
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

/// The client's certificate with its chain and key, all from one PEM file as Python reads it.
pub(super) fn client_identity(path: &Path) -> Result<Identity, ClientError> {
    used(env_vars::MLFLOW_TRACKING_CLIENT_CERT_PATH, path, identity)
}

/// What is read from the file that this variable names.
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

/// OpenSSL looks only at the files that `openssl rehash` named (`0a1b2c3d.0`). Where a directory has
/// none of them all its files count.
fn certificates_in_directory(path: &Path) -> io::Result<Vec<X509>> {
    let files = fs::read_dir(path)?.map(|entry| Ok(entry?.path()));
    let mut files = files.collect::<io::Result<Vec<_>>>()?;
    files.sort();
    if files.iter().any(|file| is_hashed_name(file)) {
        files.retain(|file| is_hashed_name(file));
    }
    // A file that is no certificate may lie there too, and is passed over as OpenSSL does.
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

/// The key may have any form that OpenSSL knows, but no password: nobody is there to type it.
fn identity(path: &Path) -> anyhow::Result<Identity> {
    let text = fs::read(path)?;
    let chain = X509::stack_from_pem(&text)?;
    let first = chain.first().context(NO_CERTIFICATE)?;
    let key = PKey::private_key_from_pem_callback(&text, |_| Ok(0)).map_err(|_| {
        let has = |part: &[u8]| text.windows(part.len()).any(|window| window == part);
        if has(b"ENCRYPTED") {
            anyhow!("its private key has a password")
        } else if has(b"PRIVATE KEY-----") {
            anyhow!("its private key cannot be read")
        } else {
            anyhow!("it holds no private key; both must be in one file")
        }
    })?;
    ensure!(
        first.public_key().is_ok_and(|public| public.public_eq(&key)),
        "its private key does not belong to its first certificate"
    );
    let mut certificates = Vec::new();
    for certificate in &chain {
        certificates.extend(certificate.to_pem()?);
    }
    // The TLS library takes a key in PKCS#8 form alone.
    Ok(Identity::from_pkcs8_pem(
        &certificates,
        &key.private_key_to_pem_pkcs8()?,
    )?)
}
