//! Submodules: the repositories inside of a repository, at the commits that it pins.

use std::path::Path;

use git2::Config;

use super::lfs;
use super::problem::GitProblem;
use super::program::Git;
use super::remote::is_local;
use crate::project_uri::{GitUrl, shown};

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
    attributes: Vec<String>,
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

    /// Whether files are in Git LFS.
    pub(super) fn use_lfs(&self, top: &Path) -> bool {
        lfs::is_used(top, self.attributes.iter().map(String::as_str))
    }
}

/// Brings all submodules of a repository whose files are written, their own, and what is in Git LFS.
/// `is_parent_local` says whether the repository comes from this machine.
pub(super) async fn complete(
    git: &Git<'_>,
    with_lfs: &Git<'_>,
    is_parent_local: bool,
) -> Result<(), GitProblem> {
    let listing = git.run(["ls-files", "--stage", "-z"]).await?;
    let parts = Parts::of(listing.split('\0').filter_map(|entry| {
        let (mode, rest) = entry.split_once(' ')?;
        let (_, path) = rest.split_once('\t')?;
        Some((u32::from_str_radix(mode, 8).ok()?, path))
    }));
    for submodule in described(&git.directory, &parts)? {
        let path = submodule.path.clone();
        update(git, with_lfs, submodule, is_parent_local)
            .await
            .map_err(GitProblem::in_submodule(&path))?;
    }
    if parts.use_lfs(&git.directory) {
        lfs::fetch(with_lfs).await?;
    }
    Ok(())
}

async fn update(
    git: &Git<'_>,
    with_lfs: &Git<'_>,
    submodule: Submodule,
    is_parent_local: bool,
) -> Result<(), GitProblem> {
    let Submodule { path, url } = submodule;
    let is_local = check(&url, is_parent_local)?;
    git.progress.info(&format!("Fetching submodule '{path}'"));
    let allowed = git.with(if is_local {
        &[("protocol.file.allow", "always")]
    } else {
        &[]
    });
    // A relative one is on the same server.
    let allowed = if url.starts_with('.') {
        allowed
    } else {
        allowed.about(&url)
    };
    let directory = git.directory.join(&path);
    let part = ["submodule", "update", "--init", "--progress"];
    let shallow = ["--depth=1", "--single-branch", "--", &path];
    if let Err(problem) = allowed.run(part.iter().chain(&shallow)).await {
        if problem.is_final() {
            return Err(problem);
        }
        tracing::debug!(%problem, "one commit of a submodule alone");
        if directory.join(".git").exists() {
            let all = [
                "fetch",
                "--progress",
                "--unshallow",
                "--tags",
                "origin",
                "+refs/heads/*:refs/remotes/origin/*",
            ];
            allowed.in_directory(&directory).run(all).await?;
        }
        allowed.run(part.iter().chain(&["--", path.as_str()])).await?;
    }
    let [below, with_lfs] = [git, with_lfs].map(|git| git.in_directory(&directory));
    Box::pin(complete(&below, &with_lfs, is_local)).await
}

/// The submodules, as `.gitmodules` describes them.
pub(super) fn described(top: &Path, parts: &Parts) -> Result<Vec<Submodule>, GitProblem> {
    if parts.pinned.is_empty() {
        return Ok(Vec::new());
    }
    let file = top.join(".gitmodules");
    // A link could lead to any file of this machine.
    let described = match file.symlink_metadata() {
        Ok(metadata) if metadata.is_file() => Config::open(&file),
        _ => Config::new(),
    };
    let described = described.map_err(GitProblem::library("read the list of submodules"))?;
    let mut submodules = Vec::new();
    for path in &parts.pinned {
        let name = name_of(&described, path);
        let value = |key: &str| {
            let name = name.as_deref()?;
            described.get_string(&format!("submodule.{name}.{key}")).ok()
        };
        if value("update").as_deref() == Some("none") {
            continue;
        }
        let url = value("url").ok_or_else(|| {
            let problem = GitProblem::known(
                "the repository's file '.gitmodules' has no URL for it",
                "add it there by 'git submodule add', or remove the directory from the repository",
            );
            GitProblem::in_submodule(path)(problem)
        })?;
        let path = path.clone();
        submodules.push(Submodule { path, url });
    }
    Ok(submodules)
}

/// The name under which `.gitmodules` describes the submodule at this path.
fn name_of(described: &Config, path: &str) -> Option<String> {
    let mut entries = described.entries(Some(r"^submodule\..*\.path$")).ok()?;
    while let Some(Ok(entry)) = entries.next() {
        if entry.value_bytes() == path.as_bytes() {
            let key = String::from_utf8_lossy(entry.name_bytes()).into_owned();
            return key
                .strip_prefix("submodule.")
                .and_then(|key| key.strip_suffix(".path"))
                .map(str::to_owned);
        }
    }
    None
}

/// Checks the URL of a submodule: a repository is not to make this machine run programs, read its files or
/// take a URL for an option. Tells whether it is on this machine.
pub(super) fn check(url: &str, is_parent_local: bool) -> Result<bool, GitProblem> {
    let refuse = |reason: &str| GitProblem::Known {
        message: format!(
            "the submodule's URL '{}' is refused: {reason}",
            shown(url).escape_debug()
        ),
        hint: None,
        is_final: false,
    };
    if url.starts_with('-') {
        return Err(refuse("it begins with '-'"));
    }
    if url.chars().any(char::is_control) {
        return Err(refuse("it holds a control character"));
    }
    if url.starts_with("./") || url.starts_with("../") {
        return Ok(is_parent_local);
    }
    if is_local(url) {
        return if is_parent_local {
            Ok(true)
        } else {
            Err(refuse(
                "a repository from elsewhere must not name one of this machine",
            ))
        };
    }
    match GitUrl::parse_remote(url) {
        Ok(Some(_)) => Ok(false),
        Ok(None) => Err(refuse("it is not a URL")),
        Err(error) => Err(refuse(&error.to_string())),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hostile_urls_are_refused() {
        for url in [
            "-u./payload",
            "--upload-pack=x",
            "ext::sh -c x",
            "file:///etc",
            "/etc",
            "https://-host/x",
            "ssh://-oProxyCommand=x/y",
            "-oProxyCommand=x:y",
            "https://host/a\nb",
            "ftp://host/x",
            "lib",
        ] {
            let error = check(url, false).expect_err(url).to_string();
            assert!(error.contains("' is refused: "), "{url}: {error}");
        }
        assert!(check("/srv/lib", true).unwrap());
        assert!(check("../lib", true).unwrap());
        assert!(!check("../lib", false).unwrap());
        assert!(!check("https://host/lib", true).unwrap());
    }
}
