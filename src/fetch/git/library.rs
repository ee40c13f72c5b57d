//! The way to fetch without a `git` program: libgit2's own, for `http(s)://`, `git://` and this machine. What
//! that cannot do is an error that says so: SSH, Git LFS, repositories with SHA-256.

use std::path::Path;

use git2::build::CheckoutBuilder;
use git2::{
    AutotagOption, CheckoutNotificationType, Direction, ErrorClass, ErrorCode, FetchOptions, Oid,
    RemoteCallbacks, Repository, RepositoryInitOptions,
};

use super::super::blocking::Reporter;
use super::clone::Cloned;
use super::lfs;
use super::library_http::{self, Allowed};
use super::problem::GitProblem;
use super::references::References;
use super::remote::Remote;
use super::submodules::{self, in_submodule};
use super::version::{Choice, Wanted};
use super::words;
use crate::events::{Transfer, TransferUnit};

/// The mode of an index entry that pins a submodule.
const GITLINK: u32 = 0o160_000;
const ALL: [&str; 2] = ["+refs/heads/*:refs/remotes/origin/*", "+refs/tags/*:refs/tags/*"];

/// Clones into an empty directory.
pub(super) fn clone(
    remote: &Remote,
    wanted: &Wanted,
    directory: &Path,
    reporter: &Reporter,
) -> Result<Cloned, GitProblem> {
    let fetch = Fetch::begin(remote, directory, reporter)?;
    let references = fetch.references()?;
    let (choice, version, subdirectory) = wanted.choose(&references, remote.is_local())?;
    let commit = fetch.bring(&choice, &references)?;
    fetch.point_head(&choice, commit)?;
    reporter.info(match choice {
        Choice::Abbreviated(_) => Choice::Commit(commit.to_string()).told(),
        _ => choice.told(),
    });
    fetch.finish()?;
    Ok(Cloned {
        commit: commit.to_string(),
        branch: choice.branch_of(version.as_deref()),
        subdirectory,
    })
}

/// A repository that is being filled.
struct Fetch<'a> {
    remote: &'a Remote,
    reporter: &'a Reporter,
    repository: Repository,
    allowed: Allowed,
}

impl<'a> Fetch<'a> {
    fn begin(remote: &'a Remote, directory: &Path, reporter: &'a Reporter) -> Result<Self, GitProblem> {
        if remote.is_ssh() {
            return Err(GitProblem::NoProgram { need: "SSH" });
        }
        let action = "make a repository in the temporary directory";
        let mut options = RepositoryInitOptions::new();
        // The directory is there, and only its owner can enter it.
        options.external_template(false).mkdir(false).mkpath(false);
        let repository = Repository::init_opts(directory, &options).map_err(GitProblem::library(action))?;
        repository
            .remote("origin", remote.url())
            .map_err(GitProblem::library(action))?;
        Ok(Self {
            remote,
            reporter,
            repository,
            allowed: library_http::allow(remote, reporter)?,
        })
    }

    /// All names of the repository.
    fn references(&self) -> Result<References, GitProblem> {
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
        list().map_err(|error| self.problem("read the list of branches and tags", error))?;
        Ok(references)
    }

    /// Brings the objects, and gives the commit.
    fn bring(&self, choice: &Choice, references: &References) -> Result<Oid, GitProblem> {
        let (what, target) = match choice {
            Choice::Branch { name, commit } => (format!("refs/heads/{name}"), commit),
            Choice::Named(reference) => (reference.name.clone(), &reference.target),
            Choice::Commit(commit) | Choice::Abbreviated(commit) => (commit.clone(), commit),
        };
        let find = || {
            let object = self.repository.revparse_single(&format!("{target}^{{commit}}"));
            object.map(|object| object.id())
        };
        // The commit alone, which libgit2 cannot have of a repository on this machine.
        if !matches!(choice, Choice::Abbreviated(_)) && !self.remote.is_local() {
            // Old servers give what has a name.
            let mut named = references.all.iter();
            let named = named.find(|reference| reference.commit() == target && reference.peeled.is_none());
            let what = named.map_or(what.as_str(), |reference| &reference.name);
            match self.fetch(&[what], 1) {
                Ok(()) => {
                    if let Ok(commit) = find() {
                        return Ok(commit);
                    }
                }
                Err(GitProblem::Interrupted) => return Err(GitProblem::Interrupted),
                Err(problem) => tracing::debug!(%problem, "one commit alone"),
            }
        }
        let mut all = ALL.to_vec();
        all.extend(Some(what.as_str()).filter(|what| what.starts_with("refs/")));
        self.fetch(&all, 0)?;
        match find() {
            Ok(commit) => Ok(commit),
            Err(error) if error.code() == ErrorCode::Ambiguous => Err(GitProblem::AmbiguousVersion {
                version: target.clone(),
            }),
            Err(_) => Err(references.no_such_version(target)),
        }
    }

    fn fetch(&self, what: &[&str], depth: i32) -> Result<(), GitProblem> {
        let mut remote = self
            .repository
            .find_remote("origin")
            .map_err(GitProblem::library("find the remote repository"))?;
        let mut options = fetch_options(self.reporter);
        options.depth(depth);
        remote
            .fetch(what, Some(&mut options), None)
            .map_err(|error| self.problem("fetch the repository's objects", error))?;
        Ok(())
    }

    /// Gives the branch, the tag and HEAD their commits, as `git clone` does.
    fn point_head(&self, choice: &Choice, commit: Oid) -> Result<(), GitProblem> {
        const MESSAGE: &str = "clone";
        let repository = &self.repository;
        let point = || match choice {
            Choice::Branch { name, .. } => {
                let head = format!("refs/heads/{name}");
                repository.reference(&format!("refs/remotes/origin/{name}"), commit, true, MESSAGE)?;
                repository.reference(&head, commit, true, MESSAGE)?;
                repository.set_head(&head)
            }
            Choice::Named(reference) if reference.name.starts_with("refs/tags/") => {
                let target = Oid::from_str(&reference.target)?;
                repository.reference(&reference.name, target, true, MESSAGE)?;
                repository.set_head_detached(commit)
            }
            _ => repository.set_head_detached(commit),
        };
        point().map_err(GitProblem::library("write the branch"))
    }

    /// Writes the files, and those of submodules.
    fn finish(&self) -> Result<(), GitProblem> {
        let mut checkout = checkout(self.reporter);
        self.repository
            .checkout_head(Some(&mut checkout))
            .map_err(|error| self.problem("write the files", error))?;
        refuse_lfs(&self.repository)?;
        self.update_submodules(&self.repository, self.remote.is_local())
    }

    fn update_submodules(&self, repository: &Repository, is_parent_local: bool) -> Result<(), GitProblem> {
        let Some(top) = repository.workdir().filter(|top| submodules::has_any(top)) else {
            return Ok(());
        };
        let action = "read the list of submodules";
        let index = repository.index().map_err(GitProblem::library(action))?;
        let pinned: Vec<String> = index
            .iter()
            .filter(|entry| entry.mode == GITLINK)
            .map(|entry| String::from_utf8_lossy(&entry.path).into_owned())
            .collect();
        for submodule in submodules::described(top, pinned.iter().map(String::as_str))? {
            let update = || {
                let is_local = submodules::check(&submodule.url, is_parent_local)?;
                self.reporter
                    .info(format!("Fetching submodule '{}'", submodule.path));
                let below = self.update_submodule(repository, &submodule.path)?;
                refuse_lfs(&below)?;
                self.update_submodules(&below, is_local)
            };
            update().map_err(|problem| in_submodule(&submodule.path, problem))?;
        }
        Ok(())
    }

    fn update_submodule(&self, repository: &Repository, path: &str) -> Result<Repository, GitProblem> {
        let action = "fetch the submodule";
        let mut submodule = repository
            .find_submodule(path)
            .map_err(GitProblem::library(action))?;
        submodule.init(true).map_err(GitProblem::library(action))?;
        // What a relative URL has become.
        let key = format!("submodule.{}.url", submodule.name().unwrap_or(path));
        let url = repository
            .config()
            .and_then(|config| config.get_string(&key))
            .map_err(GitProblem::library(action))?;
        let remote = Remote::new(&url);
        if remote.is_ssh() {
            return Err(GitProblem::NoProgram {
                need: "a submodule behind SSH",
            });
        }
        let mut options = git2::SubmoduleUpdateOptions::new();
        options.fetch(fetch_options(self.reporter));
        let update = submodule.update(false, Some(&mut options));
        update
            .and_then(|()| submodule.open())
            .map_err(|error| self.problem_of(&remote, action, error))
    }

    fn problem(&self, action: &'static str, error: git2::Error) -> GitProblem {
        self.problem_of(self.remote, action, error)
    }

    /// What went wrong, in words.
    fn problem_of(&self, remote: &Remote, action: &'static str, source: git2::Error) -> GitProblem {
        if self.reporter.is_cancelled() {
            return GitProblem::Interrupted;
        }
        if let Some(problem) = self.allowed.take_problem() {
            return problem;
        }
        let message = source.message();
        if source.code() == ErrorCode::NotFound && source.class() == ErrorClass::Repository {
            return GitProblem::NoRepository {
                answer: format!("'{remote}' is none"),
            };
        }
        if source.code() == ErrorCode::Owner {
            return GitProblem::foreign(remote);
        }
        if message.contains("object format") || message.contains("objectformat") {
            return GitProblem::NoProgram {
                need: "a repository with SHA-256",
            };
        }
        words::meaning(&[message.to_owned()], remote).unwrap_or(GitProblem::Library { action, source })
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
    // Only while it plans. While it writes, it stops at the first file whose directory has another name.
    checkout.notify_on(CheckoutNotificationType::UPDATED);
    checkout.notify(|_, _, _, _, _| !reporter.is_cancelled());
    checkout
}

/// Fails if files are in Git LFS.
fn refuse_lfs(repository: &Repository) -> Result<(), GitProblem> {
    let index = repository
        .index()
        .map_err(GitProblem::library("read the list of files"))?;
    let Some(top) = repository.workdir().filter(|_| !lfs::is_unwanted()) else {
        return Ok(());
    };
    let mentions_lfs = index
        .iter()
        .filter(|entry| entry.path.ends_with(b".gitattributes"))
        .any(|entry| lfs::mentions_lfs(&top.join(String::from_utf8_lossy(&entry.path).as_ref())));
    if mentions_lfs {
        return Err(GitProblem::NoProgram { need: "Git LFS" });
    }
    Ok(())
}
