//! From a repository elsewhere to a directory with its files at one commit.

use std::path::Path;

use git2::{ErrorCode, Oid, Repository, RepositoryInitOptions};

use super::origin::{Depth, Origin};
use super::problem::GitProblem;
use super::references::References;
use super::task::Task;
use super::version::Choice;
use super::{checkout, lfs, submodules};
use crate::project_uri::shown;

/// What shall be cloned.
#[derive(Debug, Clone, Default)]
pub(super) struct Wanted {
    /// The branch, tag or commit.
    pub(super) version: Option<String>,
    /// A branch, tag or commit and a directory in it, as a page's address has them.
    pub(super) tree: Option<String>,
}

/// What has been cloned.
#[derive(Debug)]
pub(super) struct Cloned {
    /// The commit whose files are there.
    pub(super) commit: Oid,
    /// The version, where it is a branch's name and no tag's that is preferred.
    pub(super) branch: Option<String>,
    /// The directory of the page.
    pub(super) subdirectory: Option<String>,
}

/// Clones into an empty directory. `url` may hold credentials; they are not written down.
pub(super) fn clone(
    origin: &mut Origin,
    url: &str,
    wanted: &Wanted,
    directory: &Path,
    task: &Task<'_>,
) -> Result<Cloned, GitProblem> {
    let references = origin.references(task)?;
    let (version, subdirectory) = split(wanted, &references);
    let choice = match &version {
        Some(version) => references.choose(version, origin.preference())?,
        None => references.default_choice()?,
    };
    let repository = init(directory, url)?;
    let commit = bring(origin, &repository, &references, &choice, task)?;
    point_head(&repository, &choice, commit)?;
    tell(&choice, commit, task);
    finish(&repository, url, task)?;
    let branch = match choice {
        Choice::Branch { name, .. } => Some(name).filter(|name| Some(name) == version.as_ref()),
        _ => None,
    };
    Ok(Cloned {
        commit,
        branch,
        subdirectory,
    })
}

/// Clones the commit that a submodule is pinned at.
pub(super) fn clone_commit(
    origin: &mut Origin,
    url: &str,
    commit: Oid,
    directory: &Path,
    task: &Task<'_>,
) -> Result<(), GitProblem> {
    let references = origin.references(task)?;
    let repository = init(directory, url)?;
    let choice = Choice::Commit(commit);
    bring(origin, &repository, &references, &choice, task)?;
    point_head(&repository, &choice, commit)?;
    finish(&repository, url, task)
}

/// Writes the files, those of submodules, and those of Git LFS.
fn finish(repository: &Repository, url: &str, task: &Task<'_>) -> Result<(), GitProblem> {
    checkout::write_files(repository, task)?;
    submodules::clone_all(repository, url, task)?;
    lfs::fetch(repository, url, task)
}

/// The version and the directory.
fn split(wanted: &Wanted, references: &References) -> (Option<String>, Option<String>) {
    let Some(tree) = &wanted.tree else {
        return (wanted.version.clone(), None);
    };
    let (version, directory) = match &wanted.version {
        Some(version) => {
            let below = tree.strip_prefix(version.as_str());
            let below = below.filter(|below| below.is_empty() || below.starts_with('/'));
            let directory = below.unwrap_or_else(|| references.split_tree(tree).1);
            (version.as_str(), directory.trim_start_matches('/'))
        }
        None => references.split_tree(tree),
    };
    let directory = Some(directory.to_owned()).filter(|directory| !directory.is_empty());
    (Some(version.to_owned()), directory)
}

/// An empty repository whose first remote is where it comes from.
fn init(directory: &Path, url: &str) -> Result<Repository, GitProblem> {
    let action = "make a repository in the temporary directory";
    let mut options = RepositoryInitOptions::new();
    // The directory is there, and only its owner can enter it.
    options.external_template(false).mkdir(false).mkpath(false);
    let repository = Repository::init_opts(directory, &options).map_err(GitProblem::library(action))?;
    repository
        .remote("origin", &remote_url(url))
        .map_err(GitProblem::library(action))?;
    Ok(repository)
}

/// The URL as the clone knows it: without credentials. Who one is to an SSH server is none.
fn remote_url(url: &str) -> String {
    let Some((scheme, rest)) = url.split_once("://").filter(|(scheme, _)| scheme.contains("ssh")) else {
        return shown(url);
    };
    let (authority, path) = rest.split_at(rest.find('/').unwrap_or(rest.len()));
    match authority.rsplit_once('@') {
        Some((user, host)) => {
            let user = user.split(':').next().unwrap_or(user);
            format!("{scheme}://{user}@{host}{path}")
        }
        None => url.to_owned(),
    }
}

/// Brings the objects and gives the commit.
fn bring(
    origin: &mut Origin,
    repository: &Repository,
    references: &References,
    choice: &Choice,
    task: &Task<'_>,
) -> Result<Oid, GitProblem> {
    match choice {
        Choice::Branch { commit, .. } => {
            origin.fetch(repository, &[*commit], Depth::One, task)?;
            Ok(*commit)
        }
        Choice::Named(reference) => {
            origin.fetch(repository, &[reference.target], Depth::One, task)?;
            let object = repository.find_object(reference.target, None);
            object
                .and_then(|object| object.peel_to_commit())
                .map(|commit| commit.id())
                .map_err(GitProblem::library("find the commit that the tag names"))
        }
        Choice::Commit(commit) => {
            bring_commit(origin, repository, references, *commit, task)?;
            Ok(*commit)
        }
        Choice::Abbreviated(beginning) => {
            bring_all(origin, repository, references, task)?;
            match repository.find_commit_by_prefix(beginning) {
                Ok(commit) => Ok(commit.id()),
                Err(error) if error.code() == ErrorCode::Ambiguous => Err(GitProblem::AmbiguousVersion {
                    version: beginning.clone(),
                }),
                Err(_) => Err(references.no_such_version(beginning)),
            }
        }
    }
}

/// Brings one commit: alone where the server gives it, else with all branches and tags.
fn bring_commit(
    origin: &mut Origin,
    repository: &Repository,
    references: &References,
    commit: Oid,
    task: &Task<'_>,
) -> Result<(), GitProblem> {
    let is_named = references.head == Some(commit)
        || references
            .all
            .iter()
            .any(|reference| reference.commit() == commit);
    if is_named || origin.may_give_any_commit() {
        match origin.fetch(repository, &[commit], Depth::One, task) {
            Ok(()) if repository.find_commit(commit).is_ok() => return Ok(()),
            Ok(()) => {}
            Err(GitProblem::Interrupted) => return Err(GitProblem::Interrupted),
            // What is not given alone may come with all the rest, and what stands in the way of
            // that too is told then.
            Err(error) => tracing::debug!(%error, "the commit is not to be had alone"),
        }
    }
    bring_all(origin, repository, references, task)?;
    match repository.find_commit(commit) {
        Ok(_) => Ok(()),
        Err(_) => Err(references.no_such_version(&commit.to_string())),
    }
}

fn bring_all(
    origin: &mut Origin,
    repository: &Repository,
    references: &References,
    task: &Task<'_>,
) -> Result<(), GitProblem> {
    let is_wanted = |name: &str| name.starts_with("refs/heads/") || name.starts_with("refs/tags/");
    let mut wants: Vec<Oid> = references
        .all
        .iter()
        .filter(|reference| is_wanted(&reference.name))
        .map(|reference| reference.target)
        .chain(references.head)
        .collect();
    wants.sort_unstable();
    wants.dedup();
    origin.fetch(repository, &wants, Depth::Full, task)
}

/// Gives the branch, the tag and HEAD their commits, as `git clone` does.
fn point_head(repository: &Repository, choice: &Choice, commit: Oid) -> Result<(), GitProblem> {
    const MESSAGE: &str = "clone";
    let point = || match choice {
        Choice::Branch { name, .. } => {
            let head = format!("refs/heads/{name}");
            repository.reference(&format!("refs/remotes/origin/{name}"), commit, true, MESSAGE)?;
            repository.reference(&head, commit, true, MESSAGE)?;
            repository.set_head(&head)
        }
        Choice::Named(reference) if reference.name.starts_with("refs/tags/") => {
            repository.reference(&reference.name, reference.target, true, MESSAGE)?;
            repository.set_head_detached(commit)
        }
        _ => repository.set_head_detached(commit),
    };
    point().map_err(GitProblem::library("write the branch"))
}

/// Says what was fetched, in MLflow's words where it has some.
fn tell(choice: &Choice, commit: Oid, task: &Task<'_>) {
    task.reporter.info(match choice {
        Choice::Branch { name, .. } => format!("Fetched '{name}' branch"),
        Choice::Named(reference) => {
            let name = reference
                .name
                .strip_prefix("refs/tags/")
                .unwrap_or(&reference.name);
            format!("Fetched '{name}'")
        }
        Choice::Commit(_) | Choice::Abbreviated(_) => format!("Fetched commit {commit}"),
    });
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_clone_knows_no_credentials() {
        for (url, expected) in [
            ("https://user:token@host/x", "https://host/x"),
            ("https://token@host/x", "https://host/x"),
            ("ssh://git@host:22/x", "ssh://git@host:22/x"),
            ("ssh://git:password@host/x", "ssh://git@host/x"),
            ("ssh://host/x", "ssh://host/x"),
            ("git@host:x", "git@host:x"),
            ("/srv/x", "/srv/x"),
        ] {
            assert_eq!(remote_url(url), expected, "{url}");
        }
    }
}
