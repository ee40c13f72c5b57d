//! Fetching: from a [`ProjectUri`] to a directory on this machine that holds the project.
//!
//! Local directories are used in place. Everything else goes into a temporary directory that is
//! removed with the [`WorkDir`], also when the fetch fails or its future is dropped half-way.

mod blocking;
mod error;
mod git;
mod local;
mod subdirectory;
mod tree;
mod work_dir;
mod zip;

pub use error::FetchError;
pub use git::{GitProblem, TreeState};
pub use tree::{TreeComparison, compare_with_commit};
pub use work_dir::{Source, WorkDir};
pub use zip::{MAX_UNPACKED_BYTES, MAX_ZIP_MEMBERS, ZipProblem};

use crate::events::Progress;
use crate::project_uri::{Location, ProjectUri};
use crate::temporary::{self, TemporaryDirectory};

/// What to do about a version of what has none.
const WITHOUT_VERSION: &str = "leave -v/--version out to use the files as they are";

/// What a fetch depends on besides the project URI.
#[derive(Debug, Clone, Default)]
pub struct FetchOptions {
    /// The branch, tag or commit that `--version` asks for.
    pub version: Option<String>,
    /// Leave temporary directories where they are (`--keep-workdir`).
    pub keep: bool,
}

/// Brings the project onto this machine.
///
/// # Errors
/// Whatever stands between the URI and a directory; nothing is left behind then.
pub async fn fetch(
    uri: &ProjectUri,
    options: &FetchOptions,
    progress: &dyn Progress,
) -> Result<WorkDir, FetchError> {
    if let Some(version) = &options.version {
        check_version(version)?;
    }
    let mut work_dir = match (uri.location(), &options.version) {
        (Location::Directory(path), None) if !git::is_bare_repository(path) => {
            local::use_in_place(uri, path)?
        }
        (Location::ZipFile(_) | Location::ZipUrl(_), Some(version)) => {
            return Err(FetchError::unavailable(
                format!(
                    "a version ('{version}') can only be chosen for a Git repository, and '{uri}' is a zip file"
                ),
                WITHOUT_VERSION,
            ));
        }
        (Location::ZipFile(path), None) => zip::fetch_file(uri, path, progress).await?,
        (Location::Directory(path), _) => match git::repository_at(path) {
            Some(repository) => git::fetch_local(uri, &repository, options, progress).await?,
            None => return Err(local::version_of_directory(path)),
        },
        (Location::Git(url), _) => git::fetch_url(uri, url, options, progress).await?,
        (Location::ZipUrl(url), None) => zip::fetch_url(uri, url, progress).await?,
    };
    if options.keep {
        work_dir.keep();
    }
    Ok(work_dir)
}

/// The directory that a fetch fills, after it has been told of.
fn temporary_directory(uri: &ProjectUri, progress: &dyn Progress) -> Result<TemporaryDirectory, FetchError> {
    let directory = TemporaryDirectory::create("mlrun-").map_err(|source| FetchError::WorkDirectory {
        action: "create a directory in",
        path: temporary::parent(),
        source,
    })?;
    progress.info(&format!(
        "=== Fetching project from {uri} into {} ===",
        directory.path().display()
    ));
    Ok(directory)
}

/// Refuses what no branch, tag or commit can be called and what a program could take for an option.
fn check_version(version: &str) -> Result<(), FetchError> {
    let reason = if version.is_empty() {
        "it is empty"
    } else if version.starts_with('-') {
        "it begins with '-'"
    } else if version.chars().any(|c| c.is_control() || c == ' ') {
        "it holds a space or a control character"
    } else {
        return Ok(());
    };
    Err(FetchError::unavailable(
        format!(
            "'{}' is no version of a project: {reason}",
            version.escape_debug()
        ),
        "give the name of a branch or tag, or a commit's hash",
    ))
}
