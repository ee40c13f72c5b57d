//! From a repository elsewhere to a directory with its files at one commit, by the `git` program.
//!
//! The usual ways take one connection: a clone of the default branch, a fetch of a branch, a tag or a commit
//! by the name that was given. What these cannot answer takes a look at the list of all names.

use std::ffi::OsStr;
use std::fs;
use std::path::Path;

use super::problem::GitProblem;
use super::program::Git;
use super::references::{References, is_whole_hash};
use super::remote::Remote;
use super::submodules;
use super::version::{Choice, Wanted, ambiguous, is_hash};
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
    submodules::complete(&git, &with_lfs, remote.is_local()).await?;
    let commit = match choice.branch() {
        Some(_) => choice.hash.clone(),
        // The hash may be that of a tag's own object.
        None => git.run(["rev-parse", "--verify", "HEAD"]).await?,
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
        arguments.push("--");
        let (origin, directory) = (self.remote.location.as_os_str(), self.git.directory.as_os_str());
        let arguments = arguments.into_iter().map(OsStr::new).chain([origin, directory]);
        self.git.talk(arguments).await?;
        let head = ["rev-parse", "HEAD", "--symbolic-full-name", "HEAD"];
        let Ok(head) = self.git.run(head).await else {
            return Ok(None);
        };
        let (hash, name) = head.split_once('\n').unwrap_or((&head, ""));
        Ok(Some(Choice {
            name: Some(name.to_owned()).filter(|name| name.starts_with("refs/heads/")),
            hash: hash.to_owned(),
        }))
    }

    /// Fetches what has this name, or this whole hash; nothing if only the list can tell.
    async fn fetch_by_name(&self, version: &str) -> Result<Option<Choice>, GitProblem> {
        let is_commit = is_whole_hash(version);
        if version.contains(NOT_IN_NAMES) || (is_hash(version) && !is_commit) {
            return Ok(None);
        }
        let hash = version.to_ascii_lowercase();
        let version = if is_commit { &hash } else { version };
        self.init(is_commit && version.len() > 40).await?;
        self.fetch(true, &[version]).await?;
        let fetched = self.fetched();
        Ok(fetched.filter(|choice| choice.name.is_some() || is_commit))
    }

    /// Fetches what the list of names led to; of the beginning of a hash all commits, to find the one.
    async fn bring_choice(&self, choice: Choice, references: &References) -> Result<Choice, GitProblem> {
        let is_whole = is_whole_hash(&choice.hash);
        let is_here = self.remote.is_local() && (!is_whole || self.find(&choice.hash).await.is_ok());
        if !is_here {
            self.init(references.is_sha256()).await?;
            if is_whole {
                match self.fetch(true, &[choice.wanted()]).await {
                    Ok(()) if choice.name.is_some() => return Ok(self.fetched().unwrap_or(choice)),
                    Ok(()) => return Ok(choice),
                    Err(problem) if problem.is_final() => return Err(problem),
                    Err(problem) => tracing::debug!(%problem, "one commit alone"),
                }
            }
            let mut all = vec![ALL_BRANCHES, ALL_TAGS];
            all.extend(choice.name.as_deref());
            self.fetch(false, &all).await?;
        }
        match self.find(&choice.hash).await {
            Ok(_) if is_whole => Ok(choice),
            Ok(commit) => Ok(Choice::commit(commit)),
            Err(problem) if problem.to_string().contains("is ambiguous") => Err(ambiguous(&choice.hash)),
            Err(_) => Err(references.no_such_version(&choice.hash)),
        }
    }

    /// The commit that is here under this hash, that of a tag's own object, or the beginning of one.
    async fn find(&self, hash: &str) -> Result<String, GitProblem> {
        let commit = format!("{hash}^{{commit}}");
        self.git.run(["rev-parse", "--verify", &commit]).await
    }

    async fn references(&self) -> Result<References, GitProblem> {
        if !self.remote.is_local() {
            self.clear();
        }
        let list = ["ls-remote", "--symref", "--quiet", "--"].map(OsStr::new);
        let list = list.into_iter().chain([self.remote.location.as_os_str()]);
        let listing = self.git.talk(list.clone()).await?;
        if listing.is_empty() && self.remote.url().starts_with("http") {
            // For `git` any page is an empty repository. A server of Git talks in packets.
            let packets = self.git.directory.join("packets");
            let tracing = self.git.with_variable("GIT_TRACE_PACKET", packets.display());
            tracing.talk(list).await?;
            if !packets.exists() {
                return Err(GitProblem::no_git_server(self.remote));
            }
        }
        Ok(References::from_listing(&listing))
    }

    /// Makes an empty repository whose first remote is where it comes from.
    async fn init(&self, is_sha256: bool) -> Result<(), GitProblem> {
        self.clear();
        let mut arguments = vec!["init", "--quiet", "--template="];
        if is_sha256 {
            arguments.push("--object-format=sha256");
        }
        self.git.run(arguments).await?;
        let add = ["remote", "add", "--", "origin"].map(OsStr::new);
        let add = add.into_iter().chain([self.remote.location.as_os_str()]);
        self.git.run(add).await.map(drop)
    }

    /// Removes what another try has left. What stays is told of by what Git cannot do then.
    fn clear(&self) {
        let _ = fs::remove_dir_all(self.git.directory.join(".git"));
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
    fn fetched(&self) -> Option<Choice> {
        read_fetch_head(&fs::read_to_string(self.git.directory.join(".git/FETCH_HEAD")).ok()?)
    }

    /// Gives the branch, the tag and HEAD their commits, as `git clone` does, and writes the files.
    async fn check_out(&self, choice: &Choice) -> Result<(), GitProblem> {
        let mut arguments = vec!["checkout", "--quiet", "--progress", "--no-recurse-submodules"];
        if let Some(branch) = choice.branch() {
            arguments.extend(["--no-track", "-B", branch]);
        } else {
            if let Some(tag) = choice
                .name
                .as_deref()
                .filter(|name| name.starts_with("refs/tags/"))
            {
                self.git.run(["update-ref", "--", tag, &choice.hash]).await?;
            }
            arguments.push("--detach");
        }
        arguments.extend([choice.hash.as_str(), "--"]);
        self.git.run(arguments).await.map(drop)
    }
}

/// Reads a line of `FETCH_HEAD`: the hash, a mark, and what it is: `branch 'main' of URL`.
fn read_fetch_head(text: &str) -> Option<Choice> {
    let mut parts = text.lines().next()?.splitn(3, '\t');
    let (hash, described) = (parts.next()?, parts.nth(1)?);
    let kinds = [
        ("branch '", "refs/heads/"),
        ("tag '", "refs/tags/"),
        ("'refs/", "refs/"),
    ];
    Some(Choice {
        name: kinds.into_iter().find_map(|(kind, prefix)| {
            let (name, _) = described.strip_prefix(kind)?.split_once("' of ")?;
            Some(format!("{prefix}{name}"))
        }),
        hash: hash.to_owned(),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_fetched_is_read() {
        let hash = "1".repeat(40);
        for (description, name) in [
            (
                "\tbranch 'feature/a' of https://host/x",
                Some("refs/heads/feature/a"),
            ),
            ("not-for-merge\ttag 'v1' of host:x", Some("refs/tags/v1")),
            ("\t'refs/pull/7/head' of https://host/x", Some("refs/pull/7/head")),
            ("\thttps://host/x", None),
        ] {
            let choice = read_fetch_head(&format!("{hash}\t{description}\n")).unwrap();
            assert_eq!((choice.name.as_deref(), &choice.hash), (name, &hash));
        }
    }
}
