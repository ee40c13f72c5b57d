//! Fetching: from a [`ProjectUri`] to a directory on this machine that holds the project.
//!
//! Local directories are used in place. Everything else goes into a temporary directory that is
//! removed with the [`WorkDir`], even if the fetch fails or its future is dropped.

mod blocking;
mod error;
mod git;
mod work_dir;
mod zip;

pub use error::FetchError;
pub(crate) use git::TreeState;
pub use work_dir::{FetchOptions, Source, WorkDir};
pub(crate) use work_dir::{TreeComparison, compare_with_commit};

use std::path::Path;

use crate::events::Progress;
use crate::project_uri::{Location, ProjectUri};
use work_dir::{find_project, source_name};

/// The hint for a version of something that is not a repository.
const WITHOUT_VERSION: &str = "leave -v/--version out to use the files as they are";

/// Fetches the project to this machine.
///
/// # Errors
/// Fails if the project cannot be found, downloaded or unpacked. No files are left behind then.
pub async fn fetch(
    uri: &ProjectUri,
    options: &FetchOptions,
    progress: &dyn Progress,
) -> Result<WorkDir, FetchError> {
    if let Some(version) = &options.version {
        check_version(version)?;
    }
    let mut work_dir = match (uri.location(), &options.version) {
        (Location::Directory(path), None) if !git::is_bare_repository(path) => use_in_place(uri, path)?,
        (Location::ZipFile(_) | Location::ZipUrl(_), Some(version)) => {
            return Err(FetchError::new(
                format!(
                    "cannot check out version '{version}' of '{uri}': only a Git repository has versions, and this is a zip file"
                ),
                WITHOUT_VERSION,
            ));
        }
        (Location::ZipFile(path), None) => zip::fetch_file(uri, path, progress).await?,
        (Location::Directory(path), _) => match git::repository_at(path) {
            Some(repository) => git::fetch_local(uri, &repository, options, progress).await?,
            None => return Err(version_of_directory(path)),
        },
        (Location::Git(url), _) => git::fetch_url(uri, url, options, progress).await?,
        (Location::ZipUrl(url), None) => zip::fetch_url(uri, url, progress).await?,
    };
    if options.keep {
        work_dir.keep();
    }
    Ok(work_dir)
}

/// Refuses an invalid name of a branch, tag or commit, and one that a program could take for an option.
fn check_version(version: &str) -> Result<(), FetchError> {
    let reason = if version.is_empty() {
        "it is empty"
    } else if version.starts_with('-') {
        "it begins with '-'"
    } else if version.chars().any(|c| c.is_control() || c == ' ') {
        "it contains a space or a control character"
    } else {
        return Ok(());
    };
    Err(FetchError::new(
        format!("'{}' is not a valid version: {reason}", version.escape_debug()),
        "use the name of a branch or tag, or a commit's hash",
    ))
}

/// Uses the directory as it is.
fn use_in_place(uri: &ProjectUri, top: &Path) -> Result<WorkDir, FetchError> {
    let path = find_project(top, uri.subdirectory(), &format!("'{}'", top.display()))?;
    let repository = git::find_repository(&path);
    let repository = repository.as_ref();
    let source = Source {
        name: source_name(top, uri.subdirectory(), repository),
        commit: repository.and_then(|repository| repository.commit(&path)),
        repo_url: repository.and_then(git::Repository::first_remote_url),
        branch: None,
    };
    Ok(WorkDir::new(path, source, None))
}

/// The error for a version of a directory that is not the root of a repository.
fn version_of_directory(path: &Path) -> FetchError {
    let hint = git::find_repository(path).and_then(|repository| {
        let (root, below) = (repository.root(), path.strip_prefix(repository.root()).ok()?);
        let uri = format!("{}#{}", root.display(), below.display());
        Some(format!("it is inside a Git repository; use '{uri}'"))
    });
    let path = path.display();
    FetchError::new(
        format!("cannot check out a version of '{path}': it is not a Git repository"),
        hint.unwrap_or_else(|| WITHOUT_VERSION.to_owned()),
    )
}
