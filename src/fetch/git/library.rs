//! Fetches without a `git` program: libgit2 supports `http(s)://`, `git://` and local repositories. SSH, Git LFS and
//! SHA-256 repositories are errors that ask for `git`.

use std::path::Path;

use git2::build::CheckoutBuilder;
use git2::{
    AutotagOption, CheckoutNotificationType, Direction, ErrorCode, FetchOptions, Oid, RemoteCallbacks,
    Repository, RepositoryInitOptions,
};

use super::clone::Cloned;
use super::library_http::{self, Allowed};
use super::parts::{self, Parts, Submodule};
use super::remote::Remote;
use super::version::{ALL_BRANCHES, ALL_TAGS, Choice, References, Wanted, ambiguous, is_whole_hash};
use super::words;
use crate::events::{Transfer, TransferUnit};
use crate::fetch::FetchError;
use crate::fetch::blocking::Reporter;

/// Clones into an empty directory.
pub(super) fn clone(
    remote: &Remote,
    wanted: &Wanted,
    directory: &Path,
    reporter: &Reporter,
) -> Result<Cloned, FetchError> {
    let fetch = Fetch::begin(remote, directory, reporter)?;
    let references = fetch.references()?;
    let (mut choice, subdirectory) = wanted.choose(&references, remote.is_local())?;
    let commit = fetch.bring(&choice, &references)?;
    if choice.name.is_none() {
        choice = Choice::commit(commit.to_string());
    }
    reporter.info(choice.told());
    fetch.check_out(&choice, commit)?;
    fetch.complete(&fetch.repository, remote.is_local())?;
    Ok(Cloned {
        commit: commit.to_string(),
        branch: wanted.branch(&choice),
        subdirectory,
    })
}

/// A repository that is being fetched.
struct Fetch<'a> {
    remote: &'a Remote,
    reporter: &'a Reporter,
    repository: Repository,
    _allowed: Allowed,
}

impl<'a> Fetch<'a> {
    fn begin(remote: &'a Remote, directory: &Path, reporter: &'a Reporter) -> Result<Self, FetchError> {
        if remote.is_ssh() {
            return Err(words::needs_program("SSH"));
        }
        let make = || {
            let mut options = RepositoryInitOptions::new();
            // The directory exists, and only its owner can enter it.
            options.external_template(false).mkdir(false).mkpath(false);
            let repository = Repository::init_opts(directory, &options)?;
            repository.remote("origin", &remote.url())?;
            Ok((repository, library_http::allow(remote, reporter)?))
        };
        let (repository, allowed) =
            make().map_err(words::library("create a repository in the temporary directory"))?;
        Ok(Self {
            remote,
            reporter,
            repository,
            _allowed: allowed,
        })
    }

    fn references(&self) -> Result<References, FetchError> {
        let mut references = References::default();
        let mut list = || {
            let mut remote = self.repository.find_remote("origin")?;
            let connection = remote.connect_auth(Direction::Fetch, None, None)?;
            for head in connection.list()? {
                if head.name() == "HEAD" {
                    references.head_branch = head.symref_target().map(str::to_owned);
                }
                references.add(&head.oid().to_string(), head.name());
            }
            Ok(())
        };
        list()
            .map_err(|error| words::of_library("read the list of branches and tags", error, self.remote))?;
        Ok(references)
    }

    /// Fetches the objects and gives the commit.
    fn bring(&self, choice: &Choice, references: &References) -> Result<Oid, FetchError> {
        let find = || {
            let commit = format!("{}^{{commit}}", choice.hash);
            Ok(self.repository.revparse_single(&commit)?.id())
        };
        // Only this commit; libgit2 cannot do that for a local repository.
        if is_whole_hash(&choice.hash) && !self.remote.is_local() {
            // Old servers serve only objects that have a name.
            let what = references.name_of(&choice.hash).unwrap_or(choice.wanted());
            match self.fetch(&[what], 1) {
                Ok(()) if let Ok(commit) = find() => return Ok(commit),
                Ok(()) => {}
                Err(problem) if self.reporter.is_cancelled() => return Err(problem),
                Err(problem) => tracing::debug!(%problem, "one commit alone"),
            }
        }
        let mut all = vec![ALL_BRANCHES, ALL_TAGS];
        all.extend(choice.name.as_deref());
        self.fetch(&all, 0)?;
        find().map_err(|error: git2::Error| match error.code() {
            ErrorCode::Ambiguous => ambiguous(&choice.hash),
            _ => references.no_such_version(&choice.hash),
        })
    }

    fn fetch(&self, what: &[&str], depth: i32) -> Result<(), FetchError> {
        let fetch = || {
            let mut options = fetch_options(self.reporter);
            options.depth(depth);
            let mut remote = self.repository.find_remote("origin")?;
            remote.fetch(what, Some(&mut options), None)
        };
        fetch().map_err(|error| words::of_library("fetch the repository's objects", error, self.remote))
    }

    /// Sets the branch, the tag and HEAD as `git clone` does, and writes the files.
    fn check_out(&self, choice: &Choice, commit: Oid) -> Result<(), FetchError> {
        let write = || {
            let repository = &self.repository;
            if let Some(name) = &choice.name {
                repository.reference(name, Oid::from_str(&choice.hash)?, true, "clone")?;
            }
            match (choice.branch(), &choice.name) {
                (Some(_), Some(name)) => repository.set_head(name)?,
                _ => repository.set_head_detached(commit)?,
            }
            repository.checkout_head(Some(&mut checkout(self.reporter)))
        };
        write().map_err(|error| words::of_library("write the files", error, self.remote))
    }

    /// Fetches the submodules after the repository's files are written. Fails if files are in Git LFS.
    fn complete(&self, repository: &Repository, is_parent_local: bool) -> Result<(), FetchError> {
        let Some(top) = repository.workdir() else {
            return Ok(());
        };
        let index = repository
            .index()
            .map_err(words::library("read the list of files"))?;
        let path = |path: &[u8]| String::from_utf8_lossy(path).into_owned();
        let parts = Parts::of(index.iter().map(|entry| (entry.mode, path(&entry.path))));
        if parts.are_in_lfs(top) {
            return Err(words::needs_program("Git LFS"));
        }
        for submodule in parts::described(top, &parts)? {
            let update = || {
                let is_local = parts::check(&submodule.url, is_parent_local)?;
                self.reporter
                    .info(format!("Fetching submodule '{}'", submodule.path));
                let below = self.update_submodule(repository, &submodule)?;
                self.complete(&below, is_local)
            };
            update().map_err(|problem| parts::failed(&submodule.path, problem))?;
        }
        Ok(())
    }

    fn update_submodule(
        &self,
        repository: &Repository,
        submodule: &Submodule,
    ) -> Result<Repository, FetchError> {
        let remote = self.remote.of_submodule(&submodule.url);
        if remote.is_ssh() {
            return Err(words::needs_program("a submodule with an SSH URL"));
        }
        let update = || {
            let mut options = git2::SubmoduleUpdateOptions::new();
            options.fetch(fetch_options(self.reporter));
            let mut submodule = repository.find_submodule(&submodule.path)?;
            submodule.update(true, Some(&mut options))?;
            submodule.open()
        };
        update().map_err(|error| words::of_library("fetch the submodule", error, &remote))
    }
}

fn fetch_options<'a>(reporter: &'a Reporter) -> FetchOptions<'a> {
    let mut callbacks = RemoteCallbacks::new();
    callbacks.transfer_progress(|progress| {
        reporter.report(Transfer {
            what: "Receiving objects",
            done: progress.indexed_objects() as u64,
            total: Some(progress.total_objects() as u64).filter(|total| *total > 0),
            unit: TransferUnit::Objects,
            bytes: Some(progress.received_bytes() as u64),
        });
        !reporter.is_cancelled()
    });
    callbacks.sideband_progress(|_| !reporter.is_cancelled());
    let mut options = FetchOptions::new();
    options
        .remote_callbacks(callbacks)
        .download_tags(AutotagOption::None);
    options
}

fn checkout<'a>(reporter: &'a Reporter) -> CheckoutBuilder<'a> {
    let mut checkout = CheckoutBuilder::new();
    checkout.force();
    checkout.progress(|_, done, total| {
        reporter.report(Transfer {
            what: "Updating files",
            done: done as u64,
            total: Some(total as u64),
            unit: TransferUnit::Files,
            bytes: None,
        });
    });
    // Only while it plans. While it writes, it stops at the first file after the directory has been renamed.
    checkout.notify_on(CheckoutNotificationType::UPDATED);
    checkout.notify(|_, _, _, _, _| !reporter.is_cancelled());
    checkout
}
