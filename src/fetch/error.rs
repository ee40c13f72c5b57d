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
    /// The version can be no branch, tag or commit.
    #[error("'{version}' is no version of a project: {reason}")]
    InvalidVersion {
        /// The version with control characters escaped.
        version: String,
        /// What is wrong with it.
        reason: &'static str,
    },
    /// A version was asked for, but the project is a directory that is no Git repository.
    #[error("a version can only be chosen for a Git repository, and '{}' is none", .path.display())]
    VersionOfDirectory {
        /// The project's directory.
        path: PathBuf,
        /// How to name the directory inside of the repository that it belongs to, if it does.
        inside: Option<String>,
    },
    /// A version was asked for, but the project is a zip file.
    #[error("a version ('{version}') can only be chosen for a Git repository, and '{uri}' is a zip file")]
    VersionOfZip {
        /// The version.
        version: String,
        /// The project URI without credentials.
        uri: String,
    },
    /// The subdirectory is not there.
    #[error("there is no directory '{subdirectory}' in {top}")]
    MissingSubdirectory {
        /// The part of the project URI after `#`.
        subdirectory: String,
        /// What should hold it.
        top: String,
        /// The part of its path that does exist, if any.
        parent: Option<String>,
        /// The directories that do exist there.
        found: Vec<String>,
        /// The one of them with nearly the name that was asked for.
        nearest: Option<String>,
    },
    /// The subdirectory is a file.
    #[error("'{subdirectory}' in {top} is a file, not a directory")]
    SubdirectoryIsFile {
        /// The part of the project URI after `#`.
        subdirectory: String,
        /// What holds it.
        top: String,
    },
    /// The subdirectory is a symbolic link to a place outside of what was fetched.
    #[error("the directory '{subdirectory}' in {top} leads out of it through a symbolic link")]
    EscapingSubdirectory {
        /// The part of the project URI after `#`.
        subdirectory: String,
        /// What holds it.
        top: String,
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
    /// There is a page where a zip file should be.
    #[error("what is at '{url}' is a web page, not a zip file")]
    PageInsteadOfZip {
        /// The URL without credentials.
        url: String,
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
    /// The fetch was given up because nobody waits for it any more.
    #[error("the fetch was interrupted")]
    Interrupted,
}

impl FetchError {
    /// What the person can do about it.
    pub fn hint(&self) -> Option<String> {
        match self {
            Self::InvalidVersion { .. } => {
                Some("give the name of a branch or tag, or a commit's hash".to_owned())
            }
            Self::VersionOfDirectory {
                inside: Some(uri), ..
            } => Some(format!("it lies inside of a repository: write '{uri}'")),
            Self::VersionOfDirectory { .. } | Self::VersionOfZip { .. } => {
                Some("leave -v/--version out to use the files as they are".to_owned())
            }
            Self::MissingSubdirectory {
                nearest: Some(name), ..
            } => Some(format!("did you mean '{name}'?")),
            Self::MissingSubdirectory { found, parent, .. } if found.is_empty() => Some(match parent {
                Some(parent) => format!("there are no directories in '{parent}'"),
                None => "there are no directories in it: leave the '#' part out".to_owned(),
            }),
            Self::MissingSubdirectory { found, parent, .. } => Some(format!(
                "the directories {} are: {}",
                match parent {
                    Some(parent) => format!("in '{parent}'"),
                    None => "there".to_owned(),
                },
                shortened(found)
            )),
            Self::Zip { problem, .. } => problem.hint(),
            Self::Download { source, .. } => source.hint(),
            Self::PageInsteadOfZip { .. } => Some(
                "open it in a browser: it may ask you to sign in, or lead to the file's own address"
                    .to_owned(),
            ),
            Self::Git { problem, .. } => problem.hint(),
            Self::WorkDirectory { source, .. } if source.kind() == io::ErrorKind::StorageFull => {
                Some(NO_SPACE.to_owned())
            }
            Self::WorkDirectory { .. } => Some("set TMPDIR to a directory that can be written to".to_owned()),
            _ => None,
        }
    }
}

/// The first names of a list, and how many more there are.
pub(super) fn shortened(names: &[String]) -> String {
    const SHOWN: usize = 12;
    let shown = names
        .iter()
        .take(SHOWN)
        .map(String::as_str)
        .collect::<Vec<_>>()
        .join(", ");
    match names.len().saturating_sub(SHOWN) {
        0 => shown,
        more => format!("{shown} and {more} more"),
    }
}
