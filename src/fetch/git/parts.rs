//! The parts of a repository that are stored elsewhere: submodules, which are repositories at a pinned commit, and
//! files in Git LFS, for which the repository has only pointers.

use std::collections::HashMap;
use std::fs::{self, File};
use std::io::Read as _;
use std::path::Path;

use git2::Config;

use super::changes::GITLINK;
use super::program::Git;
use super::remote::is_local;
use super::version::ALL_BRANCHES;
use super::words;
use crate::env_vars;
use crate::fetch::FetchError;
use crate::fetch::error::{FetchErrorKind, shortened};
use crate::project_uri::GitUrl;
use crate::redact::shown_url;

/// Settings for commands that write files: all Git LFS files are fetched afterwards, together.
pub(super) const LFS_LATER: &[(&str, &str)] = &[
    ("filter.lfs.process", ""),
    ("filter.lfs.smudge", ""),
    ("filter.lfs.required", "false"),
];
/// The beginning of every Git LFS pointer, from the specification.
const POINTER_BEGINNING: &[u8] = b"version https://git-lfs.github.com/spec/";
/// The limit for the size of a pointer, from the specification.
const LONGEST_POINTER: u64 = 1024;
/// The most files that a message names.
const NAMED_FILES: usize = 5;

/// A submodule in the repository's `.gitmodules`.
pub(super) struct Submodule {
    pub(super) path: String,
    pub(super) url: String,
}

/// The signs of parts that are stored elsewhere, in a repository's list of files.
#[derive(Default)]
pub(super) struct Parts {
    /// The paths of the pinned submodules.
    pinned: Vec<String>,
    /// The `.gitattributes` files, which may assign files to Git LFS.
    attributes: Vec<String>,
}

impl Parts {
    /// Reads the modes and paths of all files.
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

    /// Whether `.gitattributes` assigns files to Git LFS, and they should be fetched.
    pub(super) fn are_in_lfs(&self, top: &Path) -> bool {
        let is_unwanted = || {
            env_vars::non_empty(env_vars::GIT_LFS_SKIP_SMUDGE)
                .is_some_and(|value| Config::parse_bool(value).unwrap_or(false))
        };
        self.attributes.iter().any(|file| {
            let file = top.join(file);
            file.symlink_metadata().is_ok_and(|metadata| metadata.is_file())
                && fs::read_to_string(file).is_ok_and(|text| text.contains("filter=lfs"))
        }) && !is_unwanted()
    }
}

/// Fetches all submodules, recursively, and the Git LFS files after the repository's files are written.
/// `is_parent_local`: the repository was cloned from this machine.
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
    if parts.are_in_lfs(&git.directory) {
        fetch_lfs(git).await?;
    }
    Ok(())
}

async fn update(git: &Git<'_>, submodule: &Submodule, is_parent_local: bool) -> Result<(), FetchError> {
    let Submodule { path, url } = submodule;
    let is_local = check(url, is_parent_local)?;
    git.progress.info(&format!("Fetching submodule '{path}'"));
    let mut talking = git.with(LFS_LATER);
    if is_local {
        talking = talking.with(&[("protocol.file.allow", "always")]);
    }
    talking.remote = git.remote.of_submodule(url);
    let mut below = git.clone();
    below.directory.push(path);
    let part = ["submodule", "update", "--init", "--progress"];
    let shallow = ["--depth=1", "--single-branch", "--", path];
    if let Err(problem) = talking.run(part.iter().chain(&shallow)).await {
        if problem.kind == FetchErrorKind::Final {
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
                ALL_BRANCHES,
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

/// The submodules in `.gitmodules`.
pub(super) fn described(top: &Path, parts: &Parts) -> Result<Vec<Submodule>, FetchError> {
    if parts.pinned.is_empty() {
        return Ok(Vec::new());
    }
    let file = top.join(".gitmodules");
    let read = || {
        // A symbolic link could point to any file of this machine.
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
                "add it with 'git submodule add', or remove the directory from the repository",
            );
            failed(path, problem)
        })?;
        let path = path.clone();
        submodules.push(Submodule { path, url });
    }
    Ok(submodules)
}

/// Checks the URL of a submodule, and gives whether it is local. A fetched repository must not run programs, read
/// files of this machine or pass options.
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
        return refuse("it contains a control character");
    }
    if url.starts_with("./") || url.starts_with("../") {
        return Ok(is_parent_local);
    }
    match GitUrl::parse_remote(url) {
        _ if is_local(url) && is_parent_local => Ok(true),
        _ if is_local(url) => refuse("a fetched repository must not refer to a repository on this machine"),
        Ok(Some(_)) => Ok(false),
        Ok(None) => refuse("it is not a URL"),
        Err(error) => refuse(&error.to_string()),
    }
}

/// Fetches the Git LFS files with the `git lfs` program. Without the program it warns and names the files, because
/// the entry point may not need them.
async fn fetch_lfs(git: &Git<'_>) -> Result<(), FetchError> {
    let top = &git.directory;
    let files = git.run(["ls-files", "-z", "--", ":(attr:filter=lfs)"]).await?;
    let pointers: Vec<&str> = files
        .split('\0')
        .filter(|file| is_pointer(&top.join(file)))
        .collect();
    if pointers.is_empty() {
        return Ok(());
    }
    if git.run(["lfs", "version"]).await.is_err() {
        git.progress.warning(&format!(
            "'git lfs' is not installed, so these Git LFS files are only pointers: {}; install git-lfs to fetch their contents",
            named(&pointers)
        ));
        return Ok(());
    }
    git.progress
        .info(&format!("Fetching Git LFS files: {}", named(&pointers)));
    // Without these settings `git lfs pull` writes no files.
    git.run(["lfs", "install", "--local", "--skip-repo"]).await?;
    git.run(["lfs", "pull"]).await.map(drop)
}

fn is_pointer(file: &Path) -> bool {
    let is_short = fs::symlink_metadata(file)
        .is_ok_and(|metadata| metadata.is_file() && metadata.len() < LONGEST_POINTER);
    let mut beginning = [0; POINTER_BEGINNING.len()];
    is_short
        && File::open(file).is_ok_and(|mut file| file.read_exact(&mut beginning).is_ok())
        && beginning == POINTER_BEGINNING
}

fn named(files: &[&str]) -> String {
    let quoted = files.iter().map(|file| format!("'{}'", file.escape_debug()));
    shortened(&quoted.collect::<Vec<_>>(), NAMED_FILES)
}
