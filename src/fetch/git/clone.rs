//! Fetches a repository's files at one commit into a directory with the `git` program.
//!
//! Usually one connection is enough: clone the default branch, or fetch a branch, tag or commit by its name. Only if
//! that fails, the list of all names is read.

use std::ffi::OsStr;
use std::fs;
use std::path::Path;

use super::parts;
use super::program::Git;
use super::remote::Remote;
use super::version::{ALL_BRANCHES, ALL_TAGS, Choice, References, Wanted, ambiguous, is_hash, is_whole_hash};
use super::words;
use crate::events::Progress;
use crate::fetch::FetchError;
use crate::fetch::error::FetchErrorKind;

/// Characters of Git's patterns and expressions that are invalid in names.
const NOT_IN_NAMES: &[char] = &['+', ':', '^', '~', '?', '*', '[', '\\', '@'];

pub(super) struct Cloned {
    /// The checked-out commit.
    pub(super) commit: String,
    /// The version, if it is the name of a branch and not also of a tag.
    pub(super) branch: Option<String>,
    /// The directory in the address of a web page.
    pub(super) subdirectory: Option<String>,
}

/// Clones into an empty directory. When the future is dropped, all processes are killed.
pub(super) async fn clone(
    remote: &Remote,
    wanted: &Wanted,
    directory: &Path,
    progress: &dyn Progress,
) -> Result<Cloned, FetchError> {
    let git = Git::new(remote, directory, progress).await;
    let (choice, subdirectory) = git.bring(wanted).await?;
    progress.info(&choice.told());
    git.check_out(&choice).await?;
    parts::complete(&git, remote.is_local()).await?;
    let commit = match choice.branch() {
        Some(_) => choice.hash.clone(),
        // The hash may be that of an annotated tag instead of a commit.
        None => git.run(["rev-parse", "--verify", "HEAD"]).await?,
    };
    Ok(Cloned {
        commit,
        branch: wanted.branch(&choice),
        subdirectory,
    })
}

impl Git<'_> {
    /// Fetches the objects. Gives what to check out, and the directory in the address of a web page.
    async fn bring(&self, wanted: &Wanted) -> Result<(Choice, Option<String>), FetchError> {
        let quick = match wanted.version.as_deref().filter(|version| *version != "HEAD") {
            _ if wanted.tree.is_some() && !self.remote.is_local() => Ok(None),
            Some(version) if !self.remote.is_local() => self.fetch_by_name(version).await,
            Some(_) => self.clone_default().await.map(|_| None),
            None => self.clone_default().await,
        };
        match quick {
            Ok(Some(choice)) => return Ok((choice, None)),
            Ok(None) => {}
            Err(problem) if problem.kind == FetchErrorKind::Final => return Err(problem),
            // The list of names shows the cause, or another way.
            Err(problem) => tracing::debug!(%problem, "the quick way to fetch"),
        }
        let references = self.references().await?;
        let (choice, subdirectory) = wanted.choose(&references, self.remote.is_local())?;
        Ok((self.bring_choice(choice, &references).await?, subdirectory))
    }

    /// Clones the default branch without writing its files. A local repository is cloned completely, since its objects
    /// are only linked. Gives `None` if there is no default branch.
    async fn clone_default(&self) -> Result<Option<Choice>, FetchError> {
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
        let (origin, directory) = (self.remote.location.as_os_str(), self.directory.as_os_str());
        let arguments = arguments.into_iter().map(OsStr::new).chain([origin, directory]);
        self.talk(arguments).await?;
        let head = ["rev-parse", "HEAD", "--symbolic-full-name", "HEAD"];
        let Ok(head) = self.run(head).await else {
            return Ok(None);
        };
        let (hash, name) = head.split_once('\n').unwrap_or((&head, ""));
        Ok(Some(Choice {
            name: Some(name.to_owned()).filter(|name| name.starts_with("refs/heads/")),
            hash: hash.to_owned(),
        }))
    }

    /// Fetches a version by its name or full hash. Gives `None` if that needs the list of names.
    async fn fetch_by_name(&self, version: &str) -> Result<Option<Choice>, FetchError> {
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

    /// Fetches a version that was found in the list of names. For an abbreviated hash it fetches all commits.
    async fn bring_choice(&self, choice: Choice, references: &References) -> Result<Choice, FetchError> {
        let is_whole = is_whole_hash(&choice.hash);
        let is_here = self.remote.is_local() && (!is_whole || self.find(&choice.hash).await.is_ok());
        if !is_here {
            self.init(references.is_sha256()).await?;
            if is_whole {
                match self.fetch(true, &[choice.wanted()]).await {
                    Ok(()) if choice.name.is_some() => return Ok(self.fetched().unwrap_or(choice)),
                    Ok(()) => return Ok(choice),
                    Err(problem) if problem.kind == FetchErrorKind::Final => return Err(problem),
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

    /// The fetched commit of this hash, which may be abbreviated or that of an annotated tag.
    async fn find(&self, hash: &str) -> Result<String, FetchError> {
        let commit = format!("{hash}^{{commit}}");
        self.run(["rev-parse", "--verify", &commit]).await
    }

    async fn references(&self) -> Result<References, FetchError> {
        if !self.remote.is_local() {
            self.clear();
        }
        let list = ["ls-remote", "--symref", "--quiet", "--"].map(OsStr::new);
        let list = list.into_iter().chain([self.remote.location.as_os_str()]);
        let listing = self.talk(list.clone()).await?;
        if listing.is_empty() && self.remote.url().starts_with("http") {
            // `git` takes any web page for an empty repository. Only a Git server sends packets.
            let packets = self.directory.join("packets");
            let mut tracing = self.clone();
            tracing
                .variables
                .push(("GIT_TRACE_PACKET", packets.display().to_string()));
            tracing.talk(list).await?;
            if !packets.exists() {
                return Err(words::no_git_server(&self.remote));
            }
        }
        Ok(References::from_listing(&listing))
    }

    /// Creates an empty repository with the remote `origin`.
    async fn init(&self, is_sha256: bool) -> Result<(), FetchError> {
        self.clear();
        let mut arguments = vec!["init", "--quiet", "--template="];
        if is_sha256 {
            arguments.push("--object-format=sha256");
        }
        self.run(arguments).await?;
        let add = ["remote", "add", "--", "origin"].map(OsStr::new);
        let add = add.into_iter().chain([self.remote.location.as_os_str()]);
        self.run(add).await.map(drop)
    }

    /// Removes the files of an earlier attempt. If any remain, the next command reports it.
    fn clear(&self) {
        let _ = fs::remove_dir_all(self.directory.join(".git"));
    }

    async fn fetch(&self, is_shallow: bool, what: &[&str]) -> Result<(), FetchError> {
        let mut arguments = vec!["fetch", "--progress", "--no-tags"];
        if is_shallow {
            arguments.push("--depth=1");
        }
        arguments.extend(["--", "origin"]);
        arguments.extend(what);
        self.talk(arguments).await.map(drop)
    }

    /// What the last fetch brought, from Git's `FETCH_HEAD`.
    fn fetched(&self) -> Option<Choice> {
        read_fetch_head(&fs::read_to_string(self.directory.join(".git/FETCH_HEAD")).ok()?)
    }

    /// Sets the branch, the tag and HEAD as `git clone` does, and writes the files.
    async fn check_out(&self, choice: &Choice) -> Result<(), FetchError> {
        let mut arguments = vec!["checkout", "--quiet", "--progress", "--no-recurse-submodules"];
        if let Some(branch) = choice.branch() {
            arguments.extend(["--no-track", "-B", branch]);
        } else {
            if let Some(tag) = choice
                .name
                .as_deref()
                .filter(|name| name.starts_with("refs/tags/"))
            {
                self.run(["update-ref", "--", tag, &choice.hash]).await?;
            }
            arguments.push("--detach");
        }
        arguments.extend([choice.hash.as_str(), "--"]);
        self.with(parts::LFS_LATER).run(arguments).await.map(drop)
    }
}

/// Reads a line of `FETCH_HEAD`: the hash, a mark, and a description such as `branch 'main' of URL`.
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
