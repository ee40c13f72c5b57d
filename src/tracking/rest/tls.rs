//! Certificates: which ones the server's is checked against, and the client's own.

use std::path::{Path, PathBuf};

use openssl::pkey::PKey;
use openssl::x509::X509;
use reqwest::{Certificate, ClientBuilder, Identity};

use super::error::RestError;
use crate::env_vars;

/// How connections by TLS are made.
#[derive(Debug, Clone)]
pub(super) struct TlsSettings {
    pub(super) verification: Verification,
    /// A PEM file with the client's certificate, its chain and its key.
    pub(super) client_certificate: Option<PathBuf>,
}

/// What the server's certificate is checked against.
#[derive(Debug, Clone)]
pub(super) enum Verification {
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

impl TlsSettings {
    /// Puts the settings into a client that is being built.
    pub(super) fn configure(&self, builder: ClientBuilder) -> Result<ClientBuilder, RestError> {
        let builder = match &self.verification {
            Verification::SystemRoots => builder,
            Verification::Bundle { path, variable } => {
                builder.tls_certs_only(trusted_certificates(path, variable)?)
            }
            Verification::Off => builder.tls_danger_accept_invalid_certs(true),
        };
        match &self.client_certificate {
            None => Ok(builder),
            Some(path) => Ok(builder.identity(client_identity(path)?)),
        }
    }
}

/// The certificates of a bundle, or of the files in a directory.
fn trusted_certificates(path: &Path, variable: &'static str) -> Result<Vec<Certificate>, RestError> {
    let found = if path.is_dir() {
        certificates_in_directory(path, variable)?
    } else {
        X509::stack_from_pem(&read(path, variable)?).map_err(|error| bad(path, variable, &error))?
    };
    if found.is_empty() {
        return Err(RestError::Certificate {
            variable,
            path: path.to_owned(),
            reason: "it holds no certificate in PEM form".to_owned(),
        });
    }
    found
        .iter()
        .map(|certificate| {
            let der = certificate
                .to_der()
                .map_err(|error| bad(path, variable, &error))?;
            Certificate::from_der(&der).map_err(|error| bad(path, variable, &error))
        })
        .collect()
}

/// OpenSSL looks only at the files that `openssl rehash` named (`0a1b2c3d.0`). Where a directory has
/// none of them all its files count.
fn certificates_in_directory(path: &Path, variable: &'static str) -> Result<Vec<X509>, RestError> {
    let unreadable = |source| RestError::File {
        what: variable,
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

/// The client's certificate with its chain and key, all from one PEM file as Python reads it. The
/// key may have any form that OpenSSL knows, but no password: nobody is there to type it.
fn client_identity(path: &Path) -> Result<Identity, RestError> {
    let variable = env_vars::MLFLOW_TRACKING_CLIENT_CERT_PATH;
    let refused = |reason: &str| RestError::Certificate {
        variable,
        path: path.to_owned(),
        reason: reason.to_owned(),
    };
    let text = read(path, variable)?;
    let chain = X509::stack_from_pem(&text).map_err(|error| bad(path, variable, &error))?;
    if chain.is_empty() {
        return Err(refused("it holds no certificate in PEM form"));
    }
    let key = PKey::private_key_from_pem_callback(&text, |_| Ok(0)).map_err(|_| {
        let has = |part: &[u8]| text.windows(part.len()).any(|window| window == part);
        if has(b"ENCRYPTED") {
            refused("its private key has a password")
        } else if has(b"PRIVATE KEY-----") {
            refused("its private key cannot be read")
        } else {
            refused("it holds no private key; both must be in one file")
        }
    })?;
    if !chain[0].public_key().is_ok_and(|public| public.public_eq(&key)) {
        return Err(refused(
            "its private key does not belong to its first certificate",
        ));
    }
    // The TLS library takes a key in PKCS#8 form alone.
    let key = key
        .private_key_to_pem_pkcs8()
        .map_err(|error| bad(path, variable, &error))?;
    let mut certificates = Vec::new();
    for certificate in &chain {
        certificates.extend(
            certificate
                .to_pem()
                .map_err(|error| bad(path, variable, &error))?,
        );
    }
    Identity::from_pkcs8_pem(&certificates, &key).map_err(|error| bad(path, variable, &error))
}

fn read(path: &Path, variable: &'static str) -> Result<Vec<u8>, RestError> {
    std::fs::read(path).map_err(|source| RestError::File {
        what: variable,
        path: path.to_owned(),
        source,
    })
}

fn bad(path: &Path, variable: &'static str, error: &dyn std::fmt::Display) -> RestError {
    RestError::Certificate {
        variable,
        path: path.to_owned(),
        reason: error.to_string(),
    }
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
        let error = client_identity(&text).unwrap_err().to_string();
        assert!(error.ends_with("it holds no certificate in PEM form"), "{error}");
    }
}
