//! The error of a failed fetch.

use std::error::Error;
use std::io;
use std::path::Path;

/// The hint for a full disk.
pub(super) const NO_SPACE: &str = "free some space, or set TMPDIR to a directory on a larger disk";

/// Why a project could not be fetched. It never contains a credential.
#[derive(Debug, thiserror::Error)]
#[error("{message}")]
pub struct FetchError {
    message: String,
    hint: String,
    source: Option<Box<dyn Error + Send + Sync>>,
    pub(super) kind: FetchErrorKind,
}

/// The kinds of errors that callers treat differently.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum FetchErrorKind {
    Any,
    /// Another way to fetch the same repository would fail too.
    Final,
    /// The file is not a valid zip file.
    NoZip,
}

impl FetchError {
    /// An error with a hint for the user; an empty hint means none.
    pub(super) fn new(message: impl Into<String>, hint: impl Into<String>) -> Self {
        Self {
            message: message.into(),
            hint: hint.into(),
            source: None,
            kind: FetchErrorKind::Any,
        }
    }

    pub(super) fn caused_by(self, source: impl Into<Box<dyn Error + Send + Sync>>) -> Self {
        let source = Some(source.into());
        Self { source, ..self }
    }

    pub(super) fn of_kind(self, kind: FetchErrorKind) -> Self {
        Self { kind, ..self }
    }

    /// Wraps this error as the cause of a larger failure.
    pub(super) fn within(self, message: impl Into<String>) -> Self {
        let (hint, kind) = (self.hint.clone(), self.kind);
        Self::new(message, hint).caused_by(self).of_kind(kind)
    }

    /// For `map_err`: a system error about the temporary directory.
    pub(super) fn of_directory(action: &str, path: &Path) -> impl FnOnce(io::Error) -> Self {
        let message = format!("cannot {action} '{}'", path.display());
        move |error| {
            let hint = match error.kind() {
                io::ErrorKind::StorageFull => NO_SPACE,
                _ => "set TMPDIR to a writable directory",
            };
            Self::new(message, hint).caused_by(error)
        }
    }

    /// What the user can do about it.
    pub fn hint(&self) -> Option<String> {
        Some(self.hint.clone()).filter(|hint| !hint.is_empty())
    }
}

/// The first names of a list, and the number of the others.
pub(super) fn shortened<T: AsRef<str>>(names: &[T], most: usize) -> String {
    let shown: Vec<&str> = names.iter().take(most).map(AsRef::as_ref).collect();
    match names.len().saturating_sub(most) {
        0 => shown.join(", "),
        more => format!("{} and {more} more", shown.join(", ")),
    }
}

/// The most names that a hint lists.
pub(super) const SHOWN_NAMES: usize = 12;
