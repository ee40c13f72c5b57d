//! Submodules: the repositories inside of a repository, at the commits that it pins.

use std::path::Path;

use git2::{Config, Repository};

use super::clone;
use super::origin::Origin;
use super::problem::GitProblem;
use super::task::Task;
use crate::project_uri::{GitUrl, shown};

/// The mode of an index entry that pins a submodule.
const GITLINK: u32 = 0o160_000;

/// A submodule as the repository has it.
struct Submodule {
    path: String,
    url: String,
    commit: git2::Oid,
}

/// Clones all submodules of a repository whose files are written, and their own. `url` is where the
/// repository comes from; relative URLs are taken from it.
pub(super) fn clone_all(repository: &Repository, url: &str, task: &Task<'_>) -> Result<(), GitProblem> {
    for submodule in all(repository)? {
        task.check()?;
        clone_one(repository, url, &submodule, task).map_err(|problem| match problem {
            GitProblem::Interrupted => GitProblem::Interrupted,
            problem => GitProblem::Submodule {
                path: submodule.path.escape_debug().to_string(),
                problem: Box::new(problem),
            },
        })?;
    }
    Ok(())
}

fn clone_one(
    repository: &Repository,
    parent_url: &str,
    submodule: &Submodule,
    task: &Task<'_>,
) -> Result<(), GitProblem> {
    let Some(top) = repository.workdir() else {
        return Ok(());
    };
    let url = resolve(&submodule.url, parent_url)?;
    let directory = top.join(&submodule.path);
    // The checkout has made it, and a commit that pins something there has nothing else there.
    let is_empty_directory = std::fs::symlink_metadata(&directory).is_ok_and(|metadata| metadata.is_dir())
        && std::fs::read_dir(&directory).is_ok_and(|mut entries| entries.next().is_none());
    if !is_empty_directory {
        return Err(GitProblem::protocol("there is no empty directory in its place"));
    }
    task.reporter
        .info(format!("Fetching submodule '{}'", submodule.path));
    let mut origin = Origin::of_url(&url)?;
    clone::clone_commit(&mut origin, &url, submodule.commit, &directory, task)
}

/// What the index pins and `.gitmodules` describes.
fn all(repository: &Repository) -> Result<Vec<Submodule>, GitProblem> {
    let action = "read the list of submodules";
    let index = repository.index().map_err(GitProblem::library(action))?;
    let pinned: Vec<_> = index.iter().filter(|entry| entry.mode == GITLINK).collect();
    let Some(top) = repository.workdir().filter(|_| !pinned.is_empty()) else {
        return Ok(Vec::new());
    };
    let file = top.join(".gitmodules");
    // A link could lead to any file of this machine.
    let is_file = std::fs::symlink_metadata(&file).is_ok_and(|metadata| metadata.is_file());
    let described = if is_file {
        Config::open(&file).map_err(GitProblem::library(action))?
    } else {
        Config::new().map_err(GitProblem::library(action))?
    };
    let mut submodules = Vec::new();
    for entry in pinned {
        let path = String::from_utf8_lossy(&entry.path).into_owned();
        let name = name_of(&described, &path);
        let value = |key: &str| {
            let name = name.as_deref()?;
            described.get_string(&format!("submodule.{name}.{key}")).ok()
        };
        if value("update").as_deref() == Some("none") {
            continue;
        }
        let url = value("url").ok_or_else(|| GitProblem::Submodule {
            path: path.escape_debug().to_string(),
            problem: Box::new(GitProblem::SubmoduleUrl {
                url: String::new(),
                reason: "'.gitmodules' has none".to_owned(),
            }),
        })?;
        submodules.push(Submodule {
            path,
            url,
            commit: entry.id,
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

/// The URL of a submodule, checked: a repository is not to make this machine run programs, read its
/// files or take a URL for an option.
fn resolve(url: &str, parent: &str) -> Result<String, GitProblem> {
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
    let resolved = if url.starts_with("./") || url.starts_with("../") {
        relative(url, parent).ok_or_else(|| refuse("it leads out of the repository's own URL"))?
    } else {
        url.to_owned()
    };
    if is_local(&resolved) {
        if is_local(parent) {
            return Ok(resolved);
        }
        return Err(refuse(
            "a repository from elsewhere must not name one of this machine",
        ));
    }
    match GitUrl::parse_remote(&resolved) {
        Ok(Some(url)) => Ok(url.expose().to_owned()),
        Ok(None) => Err(refuse("it is no URL")),
        Err(error) => Err(refuse(&error.to_string())),
    }
}

fn is_local(url: &str) -> bool {
    url.starts_with("file://") || Path::new(url).is_absolute()
}

/// Takes a URL that begins with `./` or `../` from that of the repository, as Git does.
fn relative(url: &str, parent: &str) -> Option<String> {
    let mut base = parent.trim_end_matches('/');
    let mut rest = url;
    let mut separator = '/';
    loop {
        if let Some(below) = rest.strip_prefix("./") {
            rest = below;
        } else if let Some(above) = rest.strip_prefix("../") {
            // The host of `user@host:path` ends at a colon.
            let at = base.rfind('/').filter(|at| !base[..*at].ends_with(['/', ':']));
            let at = match at {
                Some(at) => at,
                None if base.contains("://") => return None,
                None => {
                    let colon = base.rfind(':')?;
                    separator = ':';
                    colon
                }
            };
            base = &base[..at];
            rest = above;
        } else {
            break;
        }
    }
    Some(format!("{base}{separator}{}", rest.trim_end_matches('/')))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn relative_urls_are_taken_from_the_repository() {
        for (url, parent, expected) in [
            (
                "../lib",
                "https://u:p@host/org/repo",
                Some("https://u:p@host/org/lib"),
            ),
            (
                "../lib.git",
                "https://host/org/repo.git/",
                Some("https://host/org/lib.git"),
            ),
            (
                "../../other/lib/",
                "https://host/org/repo",
                Some("https://host/other/lib"),
            ),
            (
                "./lib",
                "https://host/org/repo",
                Some("https://host/org/repo/lib"),
            ),
            ("../lib", "git@host:org/repo", Some("git@host:org/lib")),
            ("../lib", "git@host:repo", Some("git@host:lib")),
            ("../lib", "/srv/repo", Some("/srv/lib")),
            ("../lib", "file:///srv/repo", Some("file:///srv/lib")),
            ("../../../lib", "https://host/org/repo", None),
            ("../../lib", "git@host:repo", None),
        ] {
            assert_eq!(relative(url, parent).as_deref(), expected, "{url} of {parent}");
        }
    }

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
            "../../../../x",
            "lib",
        ] {
            let error = resolve(url, "https://host/org/repo").expect_err(url);
            assert!(matches!(error, GitProblem::SubmoduleUrl { .. }), "{url}: {error}");
        }
        assert_eq!(resolve("/srv/lib", "/srv/repo").unwrap(), "/srv/lib");
    }
}
