//! Git repositories: those of this machine that a project lies in, and those that it is fetched
//! from. The only place that knows libgit2.
//!
//! The `git` program fetches, checks out, and brings submodules and Git LFS, so that every server and every
//! setting counts that counts for it. Without the program libgit2 fetches, which can do less. libgit2 also reads the
//! repositories of this machine.

mod changes;
mod clone;
mod lfs;
mod library;
mod library_http;
mod program;
mod progress;
mod remote;
mod repository;
mod submodules;
mod version;
mod words;

pub(crate) use changes::TreeState;
pub(super) use repository::{Repository, find_repository, is_bare_repository, repository_at};

use super::blocking;
use super::subdirectory;
use super::work_dir::{source_name, temporary_directory};
use super::{FetchError, FetchOptions, Source, WorkDir};
use crate::events::Progress;
use crate::project_uri::{GitUrl, ProjectUri, Subdirectory};
use crate::temporary::TemporaryDirectory;
use clone::Cloned;
use remote::Remote;
use version::Wanted;

/// Clones the repository behind a URL into a temporary directory.
pub(super) async fn fetch_url(
    uri: &ProjectUri,
    url: &GitUrl,
    options: &FetchOptions,
    progress: &dyn Progress,
) -> Result<WorkDir, FetchError> {
    let wanted = Wanted {
        version: options.version.clone(),
        tree: url.tree().map(str::to_owned),
    };
    let remote = Remote::new(url.expose());
    let (directory, cloned) = clone_into_temporary(uri, remote, wanted, progress).await?;
    finish(uri, cloned, directory, url.to_string(), uri.to_string())
}

/// Clones a repository of this machine into a temporary directory: at the version that is asked for,
/// or, as it has no files of its own, a bare one at its HEAD.
pub(super) async fn fetch_local(
    uri: &ProjectUri,
    repository: &Repository,
    options: &FetchOptions,
    progress: &dyn Progress,
) -> Result<WorkDir, FetchError> {
    let wanted = Wanted {
        version: options.version.clone(),
        tree: None,
    };
    let remote = Remote::of_path(repository.root());
    let (directory, cloned) = clone_into_temporary(uri, remote, wanted, progress).await?;
    let name = source_name(repository.root(), uri.subdirectory(), Some(repository));
    let repo_url = repository
        .first_remote_url()
        .or_else(|| uri.file_uri().map(str::to_owned))
        .unwrap_or_else(|| repository.root().display().to_string());
    finish(uri, cloned, directory, repo_url, name)
}

async fn clone_into_temporary(
    uri: &ProjectUri,
    remote: Remote,
    wanted: Wanted,
    progress: &dyn Progress,
) -> Result<(TemporaryDirectory, Cloned), FetchError> {
    let directory = temporary_directory(uri, progress)?;
    let failed = format!("cannot fetch the project from '{remote}'");
    let told = |problem: FetchError| problem.within(failed);
    if program::is_installed() {
        let cloned = clone::clone(&remote, &wanted, directory.path(), progress).await;
        return Ok((directory, cloned.map_err(told)?));
    }
    blocking::fill(directory, progress, move |directory, reporter| {
        library::clone(&remote, &wanted, directory, reporter).map_err(told)
    })
    .await
}

fn finish(
    uri: &ProjectUri,
    cloned: Cloned,
    directory: TemporaryDirectory,
    repo_url: String,
    name: String,
) -> Result<WorkDir, FetchError> {
    let of_page = match &cloned.subdirectory {
        Some(text) => Subdirectory::parse(text).map_err(|_| subdirectory::escaping(text, &repo_url))?,
        None => None,
    };
    let wanted = match uri.subdirectory() {
        Some(subdirectory) => Some(subdirectory.clone().inside(of_page)),
        None => of_page,
    };
    let at = match &cloned.branch {
        Some(branch) => format!("'{branch}'"),
        None => cloned.commit.chars().take(10).collect(),
    };
    let top_name = format!("the repository '{repo_url}' at {at}");
    let project = subdirectory::find_inside(directory.path(), wanted.as_ref(), &top_name)?;
    let source = Source {
        name,
        commit: Some(cloned.commit),
        repo_url: Some(repo_url),
        branch: cloned.branch,
    };
    Ok(WorkDir::new(project, source, Some(directory)))
}
