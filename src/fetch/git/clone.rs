//! From a repository elsewhere to a directory with its files at one commit, by the `git` program.
//!
//! The usual ways take one connection: a clone of the default branch, a fetch of a branch, a tag or a commit
//! by the name that was given. What these cannot answer takes a look at the list of all names.

use std::ffi::OsStr;
use std::fs;
use std::path::Path;

use super::problem::GitProblem;
use super::program::Git;
use super::references::{Reference, References, is_whole_hash};
use super::remote::Remote;
use super::version::{Choice, Wanted, is_hash};
use super::{lfs, submodules};
use crate::events::Progress;

/// Git LFS is asked later, for all files at once.
const WITHOUT_LFS: &[(&str, &str)] = &[
    ("filter.lfs.process", ""),
    ("filter.lfs.smudge", ""),
    ("filter.lfs.required", "false"),
];
/// What only patterns and other expressions of Git have, and no name.
const NOT_IN_NAMES: &[char] = &['+', ':', '^', '~', '?', '*', '[', '\\', '@'];
const ALL_BRANCHES: &str = "+refs/heads/*:refs/remotes/origin/*";
const ALL_TAGS: &str = "+refs/tags/*:refs/tags/*";

/// What has been cloned.
#[derive(Debug)]
pub(super) struct Cloned {
    /// The commit whose files are there.
    pub(super) commit: String,
    /// The version, if it is a branch's name and no tag's that is preferred.
    pub(super) branch: Option<String>,
    /// The directory of the page.
    pub(super) subdirectory: Option<String>,
}

/// Clones into an empty directory. When the future is dropped, all processes are killed.
pub(super) async fn clone(
    remote: &Remote,
    wanted: &Wanted,
    directory: &Path,
    progress: &dyn Progress,
) -> Result<Cloned, GitProblem> {
    let with_lfs = Git::new(remote, directory, progress).await?;
    let git = with_lfs.with(WITHOUT_LFS);
    let clone = Clone { remote, git: &git };
    let (choice, version, subdirectory) = clone.bring(wanted).await?;
    progress.info(&choice.told());
    clone.check_out(&choice).await?;
    submodules::update_all(&git, &with_lfs, remote.is_local()).await?;
    lfs::fetch(&with_lfs).await?;
    let commit = match &choice {
        Choice::Branch { commit, .. } => commit.clone(),
        // The hash may be that of a tag's own object.
        _ => git.run(["rev-parse", "--verify", "HEAD"]).await?,
    };
    Ok(Cloned {
        commit,
        branch: choice.branch_of(version.as_deref()),
        subdirectory,
    })
}

/// A clone that is being made.
struct Clone<'a> {
    remote: &'a Remote,
    git: &'a Git<'a>,
}

impl Clone<'_> {
    /// Brings the objects; gives what to check out, the version that means, and the directory of a page.
    async fn bring(&self, wanted: &Wanted) -> Result<(Choice, Option<String>, Option<String>), GitProblem> {
        let version = wanted.version.as_deref();
        let named = version.filter(|version| *version != "HEAD");
        let quick = match named {
            _ if wanted.tree.is_some() && !self.remote.is_local() => Ok(None),
            Some(version) if !self.remote.is_local() => self.fetch_by_name(version).await,
            Some(_) => self.clone_default().await.map(|_| None),
            None => self.clone_default().await,
        };
        match quick {
            Ok(Some(choice)) => return Ok((choice, version.map(str::to_owned), None)),
            Ok(None) => {}
            Err(problem) if problem.is_final() => return Err(problem),
            // The list of names tells what is wrong, or the way around it.
            Err(problem) => tracing::debug!(%problem, "the quick way to fetch"),
        }
        let references = self.references().await?;
        let (choice, version, subdirectory) = wanted.choose(&references, self.remote.is_local())?;
        let choice = self.bring_choice(choice, &references).await?;
        Ok((choice, version, subdirectory))
    }

    /// Clones the default branch without writing its files; all of a repository on this machine, whose
    /// objects are lent. Nothing if there is no such branch.
    async fn clone_default(&self) -> Result<Option<Choice>, GitProblem> {
        let mut arguments = vec![
            "clone",
            "--no-checkout",
            "--progress",
            "--template=",
            "--origin=origin",
        ];
        arguments.extend(if self.remote.is_local() {
            &["--shared"][..]
        } else {
            &["--depth=1", "--single-branch", "--no-tags"]
        });
        arguments.extend(["--", self.remote.url()]);
        let directory = self.git.directory().as_os_str();
        let arguments = arguments.into_iter().map(OsStr::new).chain([directory]);
        self.git.talk(arguments).await?;
        let head = ["rev-parse", "HEAD", "--symbolic-full-name", "HEAD"];
        let Ok(head) = self.git.run(head).await else {
            return Ok(None);
        };
        let (commit, name) = head.split_once('\n').unwrap_or((&head, ""));
        let commit = commit.to_owned();
        Ok(Some(match name.strip_prefix("refs/heads/") {
            Some(name) => Choice::Branch {
                name: name.to_owned(),
                commit,
            },
            None => Choice::Commit(commit),
        }))
    }

    /// Fetches what has this name, or this whole hash; nothing if only the list can tell.
    async fn fetch_by_name(&self, version: &str) -> Result<Option<Choice>, GitProblem> {
        let is_commit = is_whole_hash(version);
        if version.contains(NOT_IN_NAMES) || (is_hash(version) && !is_commit) {
            return Ok(None);
        }
        let version = if is_commit {
            version.to_ascii_lowercase()
        } else {
            version.to_owned()
        };
        self.init(is_commit && version.len() > 40).await?;
        self.fetch(true, &[&version]).await?;
        match self.fetched()? {
            Choice::Commit(_) if !is_commit => Ok(None),
            choice => Ok(Some(choice)),
        }
    }

    /// Fetches what the list of names led to.
    async fn bring_choice(&self, choice: Choice, references: &References) -> Result<Choice, GitProblem> {
        let (name, target) = match &choice {
            Choice::Branch { name, commit } => (format!("refs/heads/{name}"), commit),
            Choice::Named(reference) => (reference.name.clone(), &reference.target),
            Choice::Commit(commit) => (commit.clone(), commit),
            Choice::Abbreviated(beginning) => return self.find(beginning, references).await,
        };
        if self.remote.is_local() && self.has(target).await {
            return Ok(choice);
        }
        self.init(references.is_sha256()).await?;
        match self.fetch(true, &[&name]).await {
            Ok(()) if matches!(choice, Choice::Commit(_)) => return Ok(choice),
            Ok(()) => return self.fetched(),
            Err(problem) if problem.is_final() => return Err(problem),
            Err(problem) => tracing::debug!(%problem, "one commit alone"),
        }
        let mut all = vec![ALL_BRANCHES, ALL_TAGS];
        all.extend(Some(name.as_str()).filter(|name| name.starts_with("refs/")));
        self.fetch(false, &all).await?;
        if self.has(target).await {
            Ok(choice)
        } else {
            Err(references.no_such_version(target))
        }
    }

    /// Fetches all commits, and finds the one whose hash begins like this.
    async fn find(&self, beginning: &str, references: &References) -> Result<Choice, GitProblem> {
        if !self.remote.is_local() {
            self.init(references.is_sha256()).await?;
            self.fetch(false, &[ALL_BRANCHES, ALL_TAGS]).await?;
        }
        let commit = format!("{beginning}^{{commit}}");
        match self.git.run(["rev-parse", "--verify", &commit]).await {
            Ok(commit) => Ok(Choice::Commit(commit)),
            Err(problem) if problem.to_string().contains("is ambiguous") => {
                Err(GitProblem::AmbiguousVersion {
                    version: beginning.to_owned(),
                })
            }
            Err(_) => Err(references.no_such_version(beginning)),
        }
    }

    async fn references(&self) -> Result<References, GitProblem> {
        if !self.remote.is_local() {
            self.clear()?;
        }
        let url = self.remote.url();
        let list = ["ls-remote", "--symref", "--quiet", "--", url];
        let listing = self.git.talk(list).await?;
        if listing.is_empty() && url.starts_with("http") {
            // For `git` any page is an empty repository. A server of Git talks in packets.
            let packets = self.git.directory().join("packets");
            let tracing = self.git.with_variable("GIT_TRACE_PACKET", packets.display());
            tracing.talk(list).await?;
            if !packets.exists() {
                return Err(GitProblem::not_git(self.remote));
            }
        }
        Ok(References::from_listing(&listing))
    }

    async fn has(&self, object: &str) -> bool {
        let commit = format!("{object}^{{commit}}");
        self.git.run(["cat-file", "-e", &commit]).await.is_ok()
    }

    /// Makes an empty repository whose first remote is where it comes from.
    async fn init(&self, is_sha256: bool) -> Result<(), GitProblem> {
        self.clear()?;
        let mut arguments = vec!["init", "--quiet", "--template="];
        if is_sha256 {
            arguments.push("--object-format=sha256");
        }
        self.git.run(arguments).await?;
        let add = ["remote", "add", "--", "origin", self.remote.url()];
        self.git.run(add).await.map(drop)
    }

    /// Removes what another try has left.
    fn clear(&self) -> Result<(), GitProblem> {
        let path = self.git.directory().join(".git");
        match fs::remove_dir_all(&path) {
            Err(source) if path.exists() => Err(GitProblem::File {
                action: "remove",
                path,
                source,
            }),
            _ => Ok(()),
        }
    }

    async fn fetch(&self, is_shallow: bool, what: &[&str]) -> Result<(), GitProblem> {
        let mut arguments = vec!["fetch", "--progress", "--no-tags"];
        if is_shallow {
            arguments.push("--depth=1");
        }
        arguments.extend(["--", "origin"]);
        arguments.extend(what);
        self.git.talk(arguments).await.map(drop)
    }

    /// What the last fetch brought, as Git wrote it down.
    fn fetched(&self) -> Result<Choice, GitProblem> {
        let path = self.git.directory().join(".git/FETCH_HEAD");
        let text = fs::read_to_string(&path).map_err(|source| GitProblem::File {
            action: "read",
            path,
            source,
        })?;
        Ok(read_fetch_head(&text))
    }

    /// Gives the branch, the tag and HEAD their commits, as `git clone` does, and writes the files.
    async fn check_out(&self, choice: &Choice) -> Result<(), GitProblem> {
        let mut arguments = vec!["checkout", "--quiet", "--progress", "--no-recurse-submodules"];
        match choice {
            Choice::Branch { name, commit } => arguments.extend(["--no-track", "-B", name, commit]),
            Choice::Named(reference) => {
                let Reference { name, target, .. } = reference;
                if name.starts_with("refs/tags/") {
                    self.git.run(["update-ref", "--", name, target]).await?;
                }
                arguments.extend(["--detach", target]);
            }
            Choice::Commit(commit) | Choice::Abbreviated(commit) => arguments.extend(["--detach", commit]),
        }
        arguments.push("--");
        self.git.run(arguments).await.map(drop)
    }
}

/// Reads a line of `FETCH_HEAD`: the hash, a mark, and what it is: `branch 'main' of URL`.
fn read_fetch_head(text: &str) -> Choice {
    let mut parts = text.lines().next().unwrap_or_default().splitn(3, '\t');
    let hash = parts.next().unwrap_or_default().to_owned();
    let described = parts.nth(1).unwrap_or_default();
    let name = |prefix: &str| Some(described.strip_prefix(prefix)?.split_once("' of ")?.0);
    if let Some(branch) = name("branch '") {
        return Choice::Branch {
            name: branch.to_owned(),
            commit: hash,
        };
    }
    let tag = name("tag '").map(|tag| format!("refs/tags/{tag}"));
    match tag.or_else(|| name("'refs/").map(|name| format!("refs/{name}"))) {
        Some(name) => Choice::Named(Reference {
            name,
            target: hash,
            peeled: None,
        }),
        None => Choice::Commit(hash),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_fetched_is_read() {
        let hash = "1".repeat(40);
        let named = |name: &str| {
            Choice::Named(Reference {
                name: name.to_owned(),
                target: hash.clone(),
                peeled: None,
            })
        };
        let branch = Choice::Branch {
            name: "feature/a".to_owned(),
            commit: hash.clone(),
        };
        for (description, expected) in [
            ("\tbranch 'feature/a' of https://host/x", branch),
            ("not-for-merge\ttag 'v1' of host:x", named("refs/tags/v1")),
            (
                "\t'refs/pull/7/head' of https://host/x",
                named("refs/pull/7/head"),
            ),
            ("\thttps://host/x", Choice::Commit(hash.clone())),
        ] {
            assert_eq!(read_fetch_head(&format!("{hash}\t{description}\n")), expected);
        }
    }
}
