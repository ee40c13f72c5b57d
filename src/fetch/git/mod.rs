//! Git repositories: those of this machine that a project lies in, and those that it is fetched
//! from. The only place that knows libgit2.
//!
//! libgit2 stores objects, resolves names and writes files. It is not given the network: connections
//! are made here, by Git's smart protocol, so that `ssh`, credential helpers, proxies and
//! certificates are those that Git uses, nothing ever asks on the terminal, and a fetch can be given
//! up at any moment. With `MLRUN_GIT_FETCH_WITH_CLI=true` the `git` program fetches instead.

mod changes;
mod checkout;
mod clone;
mod connection;
mod filters;
mod lfs;
mod local;
mod origin;
mod packet;
mod problem;
mod program;
mod references;
mod repository;
mod submodules;
mod task;
mod upload_pack;
mod version;

use std::path::Path;

pub use changes::TreeState;
pub use problem::GitProblem;
pub(super) use repository::{Repository, find_repository, is_bare_repository, repository_at};

use super::blocking;
use super::{FetchError, FetchOptions, Source, WorkDir};
use super::{local as local_source, subdirectory, temporary_directory};
use crate::events::Progress;
use crate::project_uri::{GitUrl, ProjectUri, Subdirectory, shown};
use crate::temporary::TemporaryDirectory;
use clone::{Cloned, Wanted};
use local::LocalOrigin;
use origin::Origin;
use task::Task;

/// Clones the repository behind a URL into a temporary directory.
pub(super) async fn fetch_url(
    uri: &ProjectUri,
    url: &GitUrl,
    options: &FetchOptions,
    progress: &dyn Progress,
) -> Result<WorkDir, FetchError> {
    let wanted = Wanted {
        version: options.version.clone(),
        tree: url.tree().map(|tree| tree.as_str().to_owned()),
    };
    let (secret_url, shown_url) = (url.expose().to_owned(), url.to_string());
    let open = {
        let url = secret_url.clone();
        move || Origin::of_url(&url)
    };
    let (directory, cloned) = clone_into_temporary(uri, secret_url, open, wanted, progress).await?;
    let name = uri.to_string();
    finish(uri, cloned, directory, shown_url, name)
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
    let root = repository.root().to_owned();
    let path = root.display().to_string();
    let open = move || LocalOrigin::open(&root).map(Origin::Local);
    let (directory, cloned) = clone_into_temporary(uri, path.clone(), open, wanted, progress).await?;
    let name = local_source::source_name(repository.root(), uri.subdirectory(), Some(repository));
    let repo_url = repository
        .first_remote_url()
        .or_else(|| uri.file_uri().map(str::to_owned))
        .unwrap_or(path);
    finish(uri, cloned, directory, repo_url, name)
}

async fn clone_into_temporary(
    uri: &ProjectUri,
    url: String,
    open: impl FnOnce() -> Result<Origin, GitProblem> + Send + 'static,
    wanted: Wanted,
    progress: &dyn Progress,
) -> Result<(TemporaryDirectory, Cloned), FetchError> {
    let directory = temporary_directory()?;
    progress.info(&format!(
        "=== Fetching project from {uri} into {} ===",
        directory.path().display()
    ));
    blocking::fill(directory, progress, move |directory: &Path, reporter| {
        let work = || {
            let task = Task::new(reporter)?;
            clone::clone(&mut open()?, &url, &wanted, directory, &task)
        };
        work().map_err(|problem| problem.into_fetch_error(format!("'{}'", shown(&url))))
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
        Some(text) => Subdirectory::parse(text).map_err(|_| FetchError::EscapingSubdirectory {
            subdirectory: text.clone(),
            top: repo_url.clone(),
        })?,
        None => None,
    };
    let wanted = match uri.subdirectory() {
        Some(subdirectory) => Some(subdirectory.clone().inside(of_page)),
        None => of_page,
    };
    let top_name = format!("the repository '{repo_url}' at {}", short(&cloned));
    let project = subdirectory::find_inside(directory.path(), wanted.as_ref(), &top_name)?;
    let source = Source {
        name,
        commit: Some(cloned.commit.to_string()),
        repo_url: Some(repo_url),
        branch: cloned.branch,
    };
    Ok(WorkDir::temporary(project, source, directory))
}

/// The version for a message.
fn short(cloned: &Cloned) -> String {
    match &cloned.branch {
        Some(branch) => format!("'{branch}'"),
        None => cloned.commit.to_string()[..10].to_owned(),
    }
}
