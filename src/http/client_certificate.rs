//! The certificate that a client shows.

use std::path::Path;

use openssl::pkey::PKey;
use openssl::x509::X509;
use reqwest::Identity;

use super::certificates::{CertificateError, read};
use crate::env_vars;

/// The client's certificate with its chain and key, all from one PEM file as Python reads it. The
/// key may have any form that OpenSSL knows, but no password: nobody is there to type it.
pub(super) fn client_identity(path: &Path) -> Result<Identity, CertificateError> {
    let variable = env_vars::MLFLOW_TRACKING_CLIENT_CERT_PATH;
    let refused = |reason: &str| CertificateError::unusable(variable, path, reason);
    let text = read(path, variable)?;
    let chain =
        X509::stack_from_pem(&text).map_err(|error| CertificateError::unusable(variable, path, &error))?;
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
        .map_err(|error| CertificateError::unusable(variable, path, &error))?;
    let mut certificates = Vec::new();
    for certificate in &chain {
        certificates.extend(
            certificate
                .to_pem()
                .map_err(|error| CertificateError::unusable(variable, path, &error))?,
        );
    }
    Identity::from_pkcs8_pem(&certificates, &key)
        .map_err(|error| CertificateError::unusable(variable, path, &error))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_client_certificate_needs_a_certificate() {
        let directory = tempfile::tempdir().unwrap();
        let text = directory.path().join("text.pem");
        std::fs::write(&text, "no certificate").unwrap();
        let error = client_identity(&text).unwrap_err().to_string();
        assert!(error.ends_with("it holds no certificate in PEM form"), "{error}");
    }
}
