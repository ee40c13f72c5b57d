//! Fetching: from a [`ProjectUri`] to a directory on this machine that holds the project.
//!
//! Local directories are used in place. Everything else goes into a temporary directory that is
//! removed with the [`WorkDir`], also when the fetch fails or its future is dropped half-way.

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

/// What to do about a version of what has none.
const WITHOUT_VERSION: &str = "leave -v/--version out to use the files as they are";

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
        (Location::Directory(path), None) if !git::is_bare_repository(path) => use_in_place(uri, path)?,
        (Location::ZipFile(_) | Location::ZipUrl(_), Some(version)) => {
            return Err(FetchError::new(
                format!(
                    "a version ('{version}') can only be chosen for a Git repository, and '{uri}' is a zip file"
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
    Err(FetchError::new(
        format!(
            "'{}' is no version of a project: {reason}",
            version.escape_debug()
        ),
        "give the name of a branch or tag, or a commit's hash",
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

/// The error for a version that was asked for of a directory that is no repository's root.
fn version_of_directory(path: &Path) -> FetchError {
    let hint = git::find_repository(path).and_then(|repository| {
        let (root, below) = (repository.root(), path.strip_prefix(repository.root()).ok()?);
        let uri = format!("{}#{}", root.display(), below.display());
        Some(format!("it lies inside of a repository: write '{uri}'"))
    });
    let path = path.display();
    FetchError::new(
        format!("a version can only be chosen for a Git repository, and '{path}' is none"),
        hint.unwrap_or_else(|| WITHOUT_VERSION.to_owned()),
    )
}
