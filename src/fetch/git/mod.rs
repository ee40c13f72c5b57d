//! Git repositories: the local one that contains a project, and the one that it is fetched from. Only this
//! directory uses libgit2.
//!
//! The `git` program fetches and checks out, including submodules and Git LFS, so every server and every setting
//! works as it does for `git`. Without the program libgit2 fetches, with fewer features. libgit2 also reads local
//! repositories.

mod changes;
mod clone;
mod library;
mod library_http;
mod parts;
mod program;
mod progress;
mod remote;
mod repository;
mod version;
mod words;

pub(crate) use changes::TreeState;
pub(super) use repository::{Repository, find_repository, is_bare_repository, repository_at};

use super::blocking;
use super::work_dir::{escaping, find_project_inside, source_name, temporary_directory};
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
    fetch(uri, remote, wanted, url.to_string(), uri.to_string(), progress).await
}

/// Clones a local repository into a temporary directory, at the requested version. A bare repository has no files
/// and is cloned at its HEAD even without a version.
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
    let repo_url = repository
        .first_remote_url()
        .or_else(|| uri.file_uri().map(str::to_owned))
        .unwrap_or_else(|| repository.root().display().to_string());
    let name = source_name(repository.root(), uri.subdirectory(), Some(repository));
    fetch(uri, remote, wanted, repo_url, name, progress).await
}

/// Clones `remote`. Messages and the run's tags call it `repo_url`.
async fn fetch(
    uri: &ProjectUri,
    remote: Remote,
    wanted: Wanted,
    repo_url: String,
    name: String,
    progress: &dyn Progress,
) -> Result<WorkDir, FetchError> {
    let directory = temporary_directory(uri, progress)?;
    let (directory, cloned) = clone_into(directory, remote, wanted, progress).await?;
    let of_page = match &cloned.subdirectory {
        Some(text) => Subdirectory::parse(text).map_err(|_| escaping(text, &repo_url))?,
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
    let project = find_project_inside(directory.path(), wanted.as_ref(), &top_name)?;
    let source = Source {
        name,
        commit: Some(cloned.commit),
        repo_url: Some(repo_url),
        branch: cloned.branch,
    };
    Ok(WorkDir::new(project, source, Some(directory)))
}

async fn clone_into(
    directory: TemporaryDirectory,
    remote: Remote,
    wanted: Wanted,
    progress: &dyn Progress,
) -> Result<(TemporaryDirectory, Cloned), FetchError> {
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
