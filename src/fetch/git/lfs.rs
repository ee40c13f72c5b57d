//! Git LFS: files of which the repository holds pointers alone.

use std::fs::{self, File};
use std::io::Read as _;
use std::path::Path;

use super::program::Git;
use crate::env_vars;
use crate::fetch::FetchError;
use crate::fetch::error::shortened;

/// Settings for commands that write files: all contents are fetched afterwards, at once.
pub(super) const LATER: &[(&str, &str)] = &[
    ("filter.lfs.process", ""),
    ("filter.lfs.smudge", ""),
    ("filter.lfs.required", "false"),
];

/// How every pointer begins, from the specification of Git LFS.
const BEGINNING: &[u8] = b"version https://git-lfs.github.com/spec/";
/// A pointer is shorter than this, from the specification.
const LONGEST_POINTER: u64 = 1024;
/// How many files a message names.
const NAMED_FILES: usize = 5;

/// Brings the contents of the pointer files, by the `git lfs` program. Without it the files are named: the
/// entry point may not need them.
pub(super) async fn fetch(git: &Git<'_>) -> Result<(), FetchError> {
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
            "the contents of these files are in Git LFS, and without the program 'git lfs' only pointers to them are here: {}; install git-lfs to have them fetched",
            named(&pointers)
        ));
        return Ok(());
    }
    git.progress
        .info(&format!("Fetching by Git LFS: {}", named(&pointers)));
    // Without the filter's settings the program writes no files.
    git.run(["lfs", "install", "--local", "--skip-repo"]).await?;
    git.run(["lfs", "pull"]).await.map(drop)
}

/// Whether Git LFS has files of a repository, by the words of its `.gitattributes`, and they are wanted.
pub(super) fn is_used(top: &Path, attributes: &[String]) -> bool {
    let is_unwanted = || {
        env_vars::non_empty(env_vars::GIT_LFS_SKIP_SMUDGE)
            .is_some_and(|value| git2::Config::parse_bool(value).unwrap_or(false))
    };
    attributes.iter().any(|file| {
        let file = top.join(file);
        file.symlink_metadata().is_ok_and(|metadata| metadata.is_file())
            && fs::read_to_string(file).is_ok_and(|text| text.contains("filter=lfs"))
    }) && !is_unwanted()
}

fn is_pointer(file: &Path) -> bool {
    let is_short = fs::symlink_metadata(file)
        .is_ok_and(|metadata| metadata.is_file() && metadata.len() < LONGEST_POINTER);
    let mut beginning = [0; BEGINNING.len()];
    is_short
        && File::open(file).is_ok_and(|mut file| file.read_exact(&mut beginning).is_ok())
        && beginning == BEGINNING
}

fn named(files: &[&str]) -> String {
    let quoted = files.iter().map(|file| format!("'{}'", file.escape_debug()));
    shortened(&quoted.collect::<Vec<_>>(), NAMED_FILES)
}
