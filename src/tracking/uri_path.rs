//! Paths as MLflow reads and writes them in URIs.

use std::fmt;
use std::path::{Component, Path, PathBuf};

use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, percent_decode_str, utf8_percent_encode};

/// What Python's `urllib.parse.quote` leaves as it is in a path.
const UNQUOTED: &AsciiSet = &NON_ALPHANUMERIC
    .remove(b'/')
    .remove(b'_')
    .remove(b'.')
    .remove(b'-')
    .remove(b'~');

/// The path made absolute and free of `.` and `..` without a look at the file system, as Python's
/// `os.path.abspath` does it.
pub(super) fn absolute(cwd: &Path, path: &str) -> PathBuf {
    let mut absolute = PathBuf::new();
    for component in cwd.join(path).components() {
        match component {
            Component::CurDir => {}
            Component::ParentDir => {
                absolute.pop();
            }
            other => absolute.push(other),
        }
    }
    absolute
}

/// As Python's `urllib.parse.quote` writes it.
pub(super) fn quote(path: &str) -> impl fmt::Display {
    utf8_percent_encode(path, UNQUOTED)
}

/// As Python's `urllib.parse.unquote` reads it.
pub(super) fn unquote(text: &str) -> String {
    percent_decode_str(text).decode_utf8_lossy().into_owned()
}
