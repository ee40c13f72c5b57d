//! The local repository that contains a directory, and its values for the run's tags.
//!
//! It is found as in MLflow, which uses GitPython: by the path's text (symbolic links are not followed), without
//! `GIT_DIR` and similar variables, up to the root of the file system.

use std::fs;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

use git2::{Config, Index, RepositoryOpenFlags};

use crate::redact;

/// A Git working tree on this machine.
pub(crate) struct Repository {
    root: PathBuf,
    git_directory: PathBuf,
}

/// The repository whose working tree contains this directory.
pub(crate) fn find_repository(directory: &Path) -> Option<Repository> {
    for candidate in directory.ancestors() {
        let dot_git = candidate.join(".git");
        let git_directory = match fs::metadata(&dot_git) {
            Ok(metadata) if metadata.is_dir() => is_git_directory(&dot_git).then_some(dot_git),
            // A worktree or submodule. As in Git, any other file named `.git` ends the search.
            Ok(_) => Some(linked_git_directory(&dot_git)?),
            Err(_) => None,
        };
        if let Some(git_directory) = git_directory {
            return Some(Repository {
                root: candidate.to_owned(),
                git_directory,
            });
        }
        if is_git_directory(candidate) {
            return None;
        }
    }
    None
}

/// The repository whose working tree's root is this directory.
pub(crate) fn repository_at(directory: &Path) -> Option<Repository> {
    if is_bare_repository(directory) {
        return Some(Repository {
            root: directory.to_owned(),
            git_directory: directory.to_owned(),
        });
    }
    find_repository(directory).filter(|repository| repository.root == directory)
}

/// Whether the directory is a bare repository.
pub(crate) fn is_bare_repository(directory: &Path) -> bool {
    is_git_directory(directory) && !directory.join(".git").exists()
}

impl Repository {
    pub(crate) fn root(&self) -> &Path {
        &self.root
    }

    /// The full hash of the checked-out commit. `None` in a repository without commits, for a directory that Git
    /// ignores, and for another user's repository that `safe.directory` does not allow.
    pub(crate) fn commit(&self, directory: &Path) -> Option<String> {
        let no_ceilings: [&std::ffi::OsStr; 0] = [];
        let repository =
            git2::Repository::open_ext(&self.root, RepositoryOpenFlags::NO_SEARCH, no_ceilings).ok()?;
        let commit = repository.head().ok()?.peel_to_commit().ok()?.id();
        let below_root = directory.strip_prefix(&self.root).ok()?;
        // The configured working tree may be somewhere else (`core.worktree`).
        if !is_same_directory(&repository.workdir()?.join(below_root), directory) {
            return None;
        }
        if !below_root.as_os_str().is_empty() && is_ignored(&repository, below_root)? {
            return None;
        }
        Some(commit.to_string())
    }

    /// The URL of the first remote in the repository's configuration, without credentials.
    pub(crate) fn first_remote_url(&self) -> Option<String> {
        // The configuration is read directly, because Git may refuse to open the repository.
        let config = Config::open(&common_directory(&self.git_directory).join("config"));
        let config = config.ok()?.snapshot().ok()?;
        let mut entries = config.entries(Some(r"^remote\..*\.url$")).ok()?;
        let first = entries.next()?.ok()?.name().ok()?.to_owned();
        // If a remote has several URLs, the last one counts.
        let url = String::from_utf8_lossy(config.get_bytes(&first).ok()?);
        Some(redact::without_credentials(&url)).filter(|url| !url.is_empty())
    }
}

/// The directory that all worktrees of a repository share.
fn common_directory(git_directory: &Path) -> PathBuf {
    match fs::read_to_string(git_directory.join("commondir")) {
        Ok(common) => git_directory.join(common.trim_end_matches(['\r', '\n'])),
        Err(_) => git_directory.to_owned(),
    }
}

/// Whether Git ignores the directory and no file below it is tracked. `None` if that cannot be determined.
fn is_ignored(repository: &git2::Repository, below_root: &Path) -> Option<bool> {
    if !repository.is_path_ignored(below_root).ok()? {
        return Some(false);
    }
    Some(!holds_tracked(&repository.index().ok()?, below_root))
}

/// Whether files below a directory (relative to the root) are tracked.
pub(super) fn holds_tracked(index: &Index, directory: &Path) -> bool {
    let mut prefix = directory.as_os_str().as_encoded_bytes().to_owned();
    prefix.push(b'/');
    index.find_prefix(prefix).is_ok()
}

fn is_same_directory(one: &Path, other: &Path) -> bool {
    match (fs::metadata(one), fs::metadata(other)) {
        (Ok(one), Ok(other)) => (one.dev(), one.ino()) == (other.dev(), other.ino()),
        _ => false,
    }
}

/// Whether this is a `.git` directory: it has a valid HEAD, and objects and references in it or in the directory
/// that `commondir` names.
fn is_git_directory(directory: &Path) -> bool {
    let Ok(head) = fs::read(directory.join("HEAD")) else {
        return false;
    };
    let is_symbolic = head
        .strip_prefix(b"ref:")
        .is_some_and(|target| target.trim_ascii_start().starts_with(b"refs/"));
    let is_hash = head.len() >= 40 && head[..40].iter().all(u8::is_ascii_hexdigit);
    let common = common_directory(directory);
    (is_symbolic || is_hash) && common.join("objects").is_dir() && common.join("refs").is_dir()
}

/// The directory that a `.git` file names.
fn linked_git_directory(dot_git: &Path) -> Option<PathBuf> {
    let text = fs::read_to_string(dot_git).ok()?;
    let target = text.strip_prefix("gitdir: ")?.trim_end_matches(['\r', '\n']);
    let directory = dot_git.parent()?.join(target);
    is_git_directory(&directory).then_some(directory)
}
