//! Why a project could not be fetched.

use std::io;
use std::path::PathBuf;

use super::git::GitProblem;
use super::zip::ZipProblem;
use crate::http::DownloadError;

/// What to do about a full disk.
pub(super) const NO_SPACE: &str = "free some space, or set TMPDIR to a directory on a larger disk";

/// Why a project could not be fetched. No variant holds a credential.
#[derive(Debug, thiserror::Error)]
pub enum FetchError {
    /// What the project URI and the version ask for is not there, or not to be had.
    #[error("{message}")]
    Unavailable {
        /// What is wrong.
        message: String,
        /// What the person can do about it.
        hint: Option<String>,
    },
    /// The zip file cannot be unpacked.
    #[error("cannot unpack the zip file '{zip}'")]
    Zip {
        /// The file's path, or its URL without credentials.
        zip: String,
        /// What is wrong with it.
        #[source]
        problem: ZipProblem,
    },
    /// The project cannot be downloaded.
    #[error("cannot download '{url}'")]
    Download {
        /// The URL without credentials.
        url: String,
        /// The cause.
        #[source]
        source: DownloadError,
    },
    /// The Git repository cannot be fetched.
    #[error("cannot fetch the project from {uri}")]
    Git {
        /// The project URI, or the repository's path, without credentials.
        uri: String,
        /// What went wrong.
        #[source]
        problem: Box<GitProblem>,
    },
    /// No temporary directory can be made, or it cannot be filled.
    #[error("cannot {action} '{}'", .path.display())]
    WorkDirectory {
        /// What was tried, such as `create a directory in`.
        action: &'static str,
        /// Where.
        path: PathBuf,
        /// The cause.
        #[source]
        source: io::Error,
    },
}

impl FetchError {
    pub(super) fn unavailable(message: String, hint: impl Into<String>) -> Self {
        let hint = Some(hint.into());
        Self::Unavailable { message, hint }
    }

    /// What the person can do about it.
    pub fn hint(&self) -> Option<String> {
        match self {
            Self::Unavailable { hint, .. } => hint.clone(),
            Self::Zip { problem, .. } => problem.hint().map(str::to_owned),
            Self::Download { source, .. } => source.hint(),
            Self::Git { problem, .. } => problem.hint(),
            Self::WorkDirectory { source, .. } if source.kind() == io::ErrorKind::StorageFull => {
                Some(NO_SPACE.to_owned())
            }
            Self::WorkDirectory { .. } => Some("set TMPDIR to a directory that can be written to".to_owned()),
        }
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
