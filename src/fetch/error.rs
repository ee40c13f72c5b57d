//! Why a project could not be fetched.

use std::error::Error;
use std::io;
use std::path::Path;

/// What to do about a full disk.
pub(super) const NO_SPACE: &str = "free some space, or set TMPDIR to a directory on a larger disk";

/// Why a project could not be fetched. Nothing in it holds a credential.
#[derive(Debug, thiserror::Error)]
#[error("{message}")]
pub struct FetchError {
    message: String,
    hint: String,
    source: Option<Box<dyn Error + Send + Sync>>,
    pub(super) kind: FetchErrorKind,
}

/// What those who meet an error tell apart.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum FetchErrorKind {
    Any,
    /// Another way to fetch the same has no better prospects.
    Final,
    /// What was to be unpacked is not a zip file, or a damaged one.
    NoZip,
}

impl FetchError {
    /// An error with what the person can do about it; an empty hint is none.
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

    /// The failure of something larger because of this one.
    pub(super) fn within(self, message: impl Into<String>) -> Self {
        let (hint, kind) = (self.hint.clone(), self.kind);
        Self::new(message, hint).caused_by(self).of_kind(kind)
    }

    /// For `map_err` on what the system answers about the temporary directory.
    pub(super) fn of_directory(action: &str, path: &Path) -> impl FnOnce(io::Error) -> Self {
        let message = format!("cannot {action} '{}'", path.display());
        move |error| {
            let hint = match error.kind() {
                io::ErrorKind::StorageFull => NO_SPACE,
                _ => "set TMPDIR to a directory that can be written to",
            };
            Self::new(message, hint).caused_by(error)
        }
    }

    /// What the person can do about it.
    pub fn hint(&self) -> Option<String> {
        Some(self.hint.clone()).filter(|hint| !hint.is_empty())
    }
}

/// The first names of a list, and how many more there are.
pub(super) fn shortened<T: AsRef<str>>(names: &[T], most: usize) -> String {
    let shown: Vec<&str> = names.iter().take(most).map(AsRef::as_ref).collect();
    match names.len().saturating_sub(most) {
        0 => shown.join(", "),
        more => format!("{} and {more} more", shown.join(", ")),
    }
}

/// How many names a hint shows.
pub(super) const SHOWN_NAMES: usize = 12;
