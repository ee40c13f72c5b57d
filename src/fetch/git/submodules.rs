//! Submodules: the repositories inside of a repository, at the commits that it pins.

use std::collections::HashMap;
use std::path::Path;

use git2::Config;

use super::program::Git;
use super::remote::{Remote, is_local};
use super::{lfs, words};
use crate::fetch::FetchError;
use crate::fetch::error::Kind;
use crate::project_uri::GitUrl;
use crate::redact::shown_url;

/// The mode of an entry that pins a submodule.
const GITLINK: u32 = 0o160_000;

/// A submodule as the repository has it.
pub(super) struct Submodule {
    pub(super) path: String,
    pub(super) url: String,
}

/// What a repository's list of files tells of what does not come with it.
#[derive(Default)]
pub(super) struct Parts {
    /// Where it pins submodules.
    pinned: Vec<String>,
    /// The files that may say what is in Git LFS.
    pub(super) attributes: Vec<String>,
}

impl Parts {
    /// Of the modes and paths of all files.
    pub(super) fn of<P: AsRef<str> + Into<String>>(files: impl Iterator<Item = (u32, P)>) -> Self {
        let mut parts = Self::default();
        for (mode, path) in files {
            if mode == GITLINK {
                parts.pinned.push(path.into());
            } else if path.as_ref().ends_with(".gitattributes") {
                parts.attributes.push(path.into());
            }
        }
        parts
    }
}

/// Brings all submodules of a repository whose files are written, their own, and what is in Git LFS.
/// `is_parent_local` says whether the repository comes from this machine.
pub(super) async fn complete(git: &Git<'_>, is_parent_local: bool) -> Result<(), FetchError> {
    let listing = git.run(["ls-files", "--stage", "-z"]).await?;
    let parts = Parts::of(listing.split('\0').filter_map(|entry| {
        let (mode, rest) = entry.split_once(' ')?;
        let (_, path) = rest.split_once('\t')?;
        Some((u32::from_str_radix(mode, 8).ok()?, path))
    }));
    for submodule in described(&git.directory, &parts)? {
        update(git, &submodule, is_parent_local)
            .await
            .map_err(|problem| failed(&submodule.path, problem))?;
    }
    if lfs::is_used(&git.directory, &parts.attributes) {
        lfs::fetch(git).await?;
    }
    Ok(())
}

async fn update(git: &Git<'_>, submodule: &Submodule, is_parent_local: bool) -> Result<(), FetchError> {
    let Submodule { path, url } = submodule;
    let is_local = check(url, is_parent_local)?;
    git.progress.info(&format!("Fetching submodule '{path}'"));
    let mut talking = git.with(lfs::LATER);
    if is_local {
        talking = talking.with(&[("protocol.file.allow", "always")]);
    }
    // A relative one is on the same server.
    if !url.starts_with('.') {
        talking.remote = Remote::new(url);
    }
    let mut below = git.clone();
    below.directory.push(path);
    let part = ["submodule", "update", "--init", "--progress"];
    let shallow = ["--depth=1", "--single-branch", "--", path];
    if let Err(problem) = talking.run(part.iter().chain(&shallow)).await {
        if problem.kind == Kind::Final {
            return Err(problem);
        }
        tracing::debug!(%problem, "one commit of a submodule alone");
        if below.directory.join(".git").exists() {
            let all = [
                "fetch",
                "--progress",
                "--unshallow",
                "--tags",
                "origin",
                "+refs/heads/*:refs/remotes/origin/*",
            ];
            let mut inside = talking.clone();
            inside.directory.clone_from(&below.directory);
            inside.run(all).await?;
        }
        talking.run(part.iter().chain(&["--", path])).await?;
    }
    Box::pin(complete(&below, is_local)).await
}

/// The error of a submodule that could not be fetched.
pub(super) fn failed(path: &str, problem: FetchError) -> FetchError {
    problem.within(format!("cannot fetch the submodule '{}'", path.escape_debug()))
}

/// The submodules, as `.gitmodules` describes them.
pub(super) fn described(top: &Path, parts: &Parts) -> Result<Vec<Submodule>, FetchError> {
    if parts.pinned.is_empty() {
        return Ok(Vec::new());
    }
    let file = top.join(".gitmodules");
    let read = || {
        // A link could lead to any file of this machine.
        let described = match file.symlink_metadata() {
            Ok(metadata) if metadata.is_file() => Config::open(&file)?,
            _ => Config::new()?,
        };
        let mut sections = HashMap::new();
        let paths = described.entries(Some(r"^submodule\..*\.path$"))?;
        paths.for_each(|entry| {
            if let (true, Ok(name)) = (entry.has_value(), entry.name()) {
                let section = name.strip_suffix(".path").unwrap_or(name).to_owned();
                sections.insert(entry.value_bytes().to_vec(), section);
            }
        })?;
        Ok((described, sections))
    };
    let (described, sections) = read().map_err(words::library("read the list of submodules"))?;
    let mut submodules = Vec::new();
    for path in &parts.pinned {
        let section = sections.get(path.as_bytes());
        let value = |key: &str| described.get_string(&format!("{}.{key}", section?)).ok();
        if value("update").as_deref() == Some("none") {
            continue;
        }
        let url = value("url").ok_or_else(|| {
            let problem = FetchError::new(
                "the repository's file '.gitmodules' has no URL for it",
                "add it there by 'git submodule add', or remove the directory from the repository",
            );
            failed(path, problem)
        })?;
        let path = path.clone();
        submodules.push(Submodule { path, url });
    }
    Ok(submodules)
}

/// Checks the URL of a submodule: a repository is not to make this machine run programs, read its files or
/// take a URL for an option. Tells whether it is on this machine.
pub(super) fn check(url: &str, is_parent_local: bool) -> Result<bool, FetchError> {
    let refuse = |reason: &str| {
        let shown = shown_url(url).escape_debug().to_string();
        let message = format!("the submodule's URL '{shown}' is refused: {reason}");
        Err(FetchError::new(message, ""))
    };
    if url.starts_with('-') {
        return refuse("it begins with '-'");
    }
    if url.chars().any(char::is_control) {
        return refuse("it holds a control character");
    }
    if url.starts_with("./") || url.starts_with("../") {
        return Ok(is_parent_local);
    }
    match GitUrl::parse_remote(url) {
        _ if is_local(url) && is_parent_local => Ok(true),
        _ if is_local(url) => refuse("a repository from elsewhere must not name one of this machine"),
        Ok(Some(_)) => Ok(false),
        Ok(None) => refuse("it is not a URL"),
        Err(error) => refuse(&error.to_string()),
    }
}
