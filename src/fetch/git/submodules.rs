//! Submodules: the repositories inside of a repository, at the commits that it pins.

use std::path::Path;

use git2::Config;

use super::lfs;
use super::problem::GitProblem;
use super::program::Git;
use super::remote::is_local;
use crate::project_uri::{GitUrl, shown};

/// How the list of files marks a submodule.
const GITLINK: &str = "160000 ";

/// A submodule as the repository has it.
pub(super) struct Submodule {
    pub(super) path: String,
    pub(super) url: String,
}

/// Clones all submodules of a repository whose files are written, and their own. `is_parent_local` says
/// whether the repository comes from this machine.
pub(super) async fn update_all(
    git: &Git<'_>,
    with_lfs: &Git<'_>,
    is_parent_local: bool,
) -> Result<(), GitProblem> {
    if !has_any(git.directory()) {
        return Ok(());
    }
    let listing = git.run(["ls-files", "--stage", "-z"]).await?;
    let pinned = listing.split('\0').filter_map(|entry| {
        entry
            .strip_prefix(GITLINK)?
            .split_once('\t')
            .map(|(_, path)| path)
    });
    for submodule in described(git.directory(), pinned)? {
        let path = submodule.path.clone();
        update(git, with_lfs, submodule, is_parent_local)
            .await
            .map_err(|problem| in_submodule(&path, problem))?;
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
    git.progress().info(&format!("Fetching submodule '{path}'"));
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
    let directory = git.directory().join(&path);
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
    let with_lfs = with_lfs.in_directory(&directory);
    lfs::fetch(&with_lfs).await?;
    let below = git.in_directory(&directory);
    Box::pin(update_all(&below, &with_lfs, is_local)).await
}

/// The problem of a submodule.
pub(super) fn in_submodule(path: &str, problem: GitProblem) -> GitProblem {
    match problem {
        GitProblem::Interrupted => GitProblem::Interrupted,
        problem => GitProblem::Submodule {
            path: path.escape_debug().to_string(),
            problem: Box::new(problem),
        },
    }
}

/// Whether a file describes submodules. A link could lead to any file of this machine.
pub(super) fn has_any(top: &Path) -> bool {
    std::fs::symlink_metadata(top.join(".gitmodules")).is_ok_and(|metadata| metadata.is_file())
}

/// The submodules that are pinned at these paths, as `.gitmodules` describes them.
pub(super) fn described<'a>(
    top: &Path,
    pinned: impl Iterator<Item = &'a str>,
) -> Result<Vec<Submodule>, GitProblem> {
    let described =
        Config::open(&top.join(".gitmodules")).map_err(GitProblem::library("read the list of submodules"))?;
    let mut submodules = Vec::new();
    for path in pinned {
        let name = name_of(&described, path);
        let value = |key: &str| {
            let name = name.as_deref()?;
            described.get_string(&format!("submodule.{name}.{key}")).ok()
        };
        if value("update").as_deref() == Some("none") {
            continue;
        }
        let url = value("url").ok_or_else(|| {
            let reason = "'.gitmodules' has none".to_owned();
            let url = String::new();
            in_submodule(path, GitProblem::SubmoduleUrl { url, reason })
        })?;
        submodules.push(Submodule {
            path: path.to_owned(),
            url,
        });
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
    let refuse = |reason: &str| GitProblem::SubmoduleUrl {
        url: shown(url).escape_debug().to_string(),
        reason: reason.to_owned(),
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
            let error = check(url, false).expect_err(url);
            assert!(matches!(error, GitProblem::SubmoduleUrl { .. }), "{url}: {error}");
        }
        assert!(check("/srv/lib", true).unwrap());
        assert!(check("../lib", true).unwrap());
        assert!(!check("../lib", false).unwrap());
        assert!(!check("https://host/lib", true).unwrap());
    }
}
