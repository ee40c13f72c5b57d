//! Names of environments.

use std::fmt::Write;

/// The name that MLflow gives the environment that this text describes: `mlflow-` and the SHA-1 of
/// the text.
pub(super) fn of_text(text: &str) -> String {
    format!("mlflow-{}", sha1(text.as_bytes()))
}

/// The SHA-1 in hexadecimal digits.
pub(super) fn sha1(bytes: &[u8]) -> String {
    openssl::sha::sha1(bytes)
        .iter()
        .fold(String::new(), |mut digits, byte| {
            // Writing to a text cannot fail.
            let _ = write!(digits, "{byte:02x}");
            digits
        })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_name_of_nothing() {
        assert_eq!(of_text(""), "mlflow-da39a3ee5e6b4b0d3255bfef95601890afd80709");
    }
}
