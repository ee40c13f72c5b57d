//! The names of conda environments.

use openssl::sha::sha1;

use super::file::CondaFile;

/// The name of the environment of a file, or of the one with Python alone: MLflow's own, by which
/// both find what the other has made.
pub(super) fn environment_name(file: Option<&CondaFile>) -> String {
    let text = file.map_or("", |file| &file.text);
    let digest = sha1(text.as_bytes());
    let hexadecimal: String = digest.iter().map(|byte| format!("{byte:02x}")).collect();
    format!("mlflow-{hexadecimal}")
}
