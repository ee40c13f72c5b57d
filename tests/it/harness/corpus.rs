//! What the tests with a corpus share: its folder, and the script in it that wrote it.

use std::path::{Path, PathBuf};
use std::process::Command;

use super::mlflow3;
use crate::harness::Printed;

/// The text of `tests/NAME/corpus.jsonl`.
pub(crate) fn text(name: &str) -> String {
    std::fs::read_to_string(folder(name).join("corpus.jsonl")).unwrap()
}

/// Runs `tests/NAME/generate.py` with the reference's Python and compares what it writes with the
/// committed corpus.
pub(crate) fn assert_generated(name: &str) {
    let Some(venv) = mlflow3() else { return };
    let script = folder(name).join("generate.py");
    let written = Command::new(venv.join("bin/python"))
        .arg("-B")
        .arg(script)
        .printed();
    let committed = text(name);
    for (number, (written, committed)) in written.lines().zip(committed.lines()).enumerate() {
        assert_eq!(written, committed, "tests/{name}/corpus.jsonl:{}", number + 1);
    }
    assert_eq!(written.len(), committed.len(), "tests/{name}/corpus.jsonl");
}

fn folder(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests").join(name)
}
