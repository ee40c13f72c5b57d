//! Git LFS: files of which the repository holds pointers alone.

use std::fs::File;
use std::io::Read as _;
use std::path::Path;

use git2::{AttrCheckFlags, ConfigLevel, Repository};

use super::problem::GitProblem;
use super::program::{git, with_settings};
use super::task::Task;
use crate::env_vars;
use crate::process::ProcessError;
use crate::project_uri::shown;

/// How every pointer begins, from the specification of Git LFS.
const BEGINNING: &[u8] = b"version https://git-lfs.github.com/spec/";
/// A pointer is shorter than this, from the specification.
const LONGEST_POINTER: u64 = 1024;
/// How many files a message names.
const NAMED_FILES: usize = 5;

/// Brings the contents of the pointer files, by the `git lfs` program. Where there is none the files
/// are named: the entry point may not need them.
pub(super) fn fetch(repository: &Repository, url: &str, task: &Task<'_>) -> Result<(), GitProblem> {
    let is_unwanted = env_vars::non_empty(env_vars::GIT_LFS_SKIP_SMUDGE)
        .is_some_and(|value| git2::Config::parse_bool(value).unwrap_or(false));
    let Some(top) = repository.workdir().filter(|_| !is_unwanted) else {
        return Ok(());
    };
    let pointers = pointers(repository, top, task)?;
    if pointers.is_empty() {
        return Ok(());
    }
    if task.wait(git().arguments(["lfs", "version"]).capture())?.is_err() {
        task.reporter.warning(format!(
            "the contents of these files are in Git LFS, and without the program 'git lfs' only pointers to them are here: {}; install git-lfs to have them fetched",
            named(&pointers)
        ));
        return Ok(());
    }
    task.reporter
        .info(format!("Fetching by Git LFS: {}", named(&pointers)));
    set_filter(repository)?;
    // The remote's URL in the repository has no credentials; this call alone sees them.
    let credentials = [(format!("url.{url}.insteadOf"), shown(url))];
    let call = with_settings(git(), &credentials)
        .directory(top)
        .arguments(["lfs", "pull"]);
    task.wait(call.capture())?
        .map(|_| ())
        .map_err(|error| without_url(error, url))
}

/// Lets Git know what `git lfs install` would tell it, in this repository alone; without it the
/// program writes no files.
fn set_filter(repository: &Repository) -> Result<(), GitProblem> {
    let set = || {
        let mut config = repository.config()?.open_level(ConfigLevel::Local)?;
        config.set_str("filter.lfs.clean", "git-lfs clean -- %f")?;
        config.set_str("filter.lfs.smudge", "git-lfs smudge -- %f")?;
        config.set_str("filter.lfs.process", "git-lfs filter-process")?;
        config.set_bool("filter.lfs.required", true)
    };
    set().map_err(GitProblem::library("write the settings of Git LFS"))
}

/// The files whose contents are pointers and whose attributes say so.
fn pointers(repository: &Repository, top: &Path, task: &Task<'_>) -> Result<Vec<String>, GitProblem> {
    let index = repository
        .index()
        .map_err(GitProblem::library("read the list of files"))?;
    let has_attributes = index
        .iter()
        .any(|entry| entry.path.ends_with(b".gitattributes") && mentions_lfs(top, &entry.path));
    if !has_attributes {
        return Ok(Vec::new());
    }
    let mut pointers = Vec::new();
    for entry in index.iter() {
        task.check()?;
        let path = String::from_utf8_lossy(&entry.path).into_owned();
        let file = top.join(&path);
        if is_pointer(&file)
            && repository
                .get_attr(Path::new(&path), "filter", AttrCheckFlags::default())
                .is_ok_and(|filter| filter == Some("lfs"))
        {
            pointers.push(path);
        }
    }
    Ok(pointers)
}

fn mentions_lfs(top: &Path, path: &[u8]) -> bool {
    let file = top.join(String::from_utf8_lossy(path).as_ref());
    let is_file = std::fs::symlink_metadata(&file).is_ok_and(|metadata| metadata.is_file());
    is_file && std::fs::read_to_string(file).is_ok_and(|text| text.contains("filter=lfs"))
}

fn is_pointer(file: &Path) -> bool {
    let is_short = std::fs::symlink_metadata(file)
        .is_ok_and(|metadata| metadata.is_file() && metadata.len() < LONGEST_POINTER);
    let mut beginning = [0; BEGINNING.len()];
    is_short
        && File::open(file).is_ok_and(|mut file| file.read_exact(&mut beginning).is_ok())
        && beginning == BEGINNING
}

fn named(files: &[String]) -> String {
    let mut text = files
        .iter()
        .take(NAMED_FILES)
        .map(|file| format!("'{}'", file.escape_debug()))
        .collect::<Vec<_>>()
        .join(", ");
    if files.len() > NAMED_FILES {
        text.push_str(&format!(" and {} more", files.len() - NAMED_FILES));
    }
    text
}

/// The error without the URL's credentials, should the program have written them in another form.
fn without_url(error: ProcessError, url: &str) -> GitProblem {
    match error {
        ProcessError::Failed {
            command_line,
            exit,
            last_lines,
        } => GitProblem::Program(ProcessError::Failed {
            command_line,
            exit,
            last_lines: last_lines
                .into_iter()
                .map(|line| line.replace(url, &shown(url)))
                .collect(),
        }),
        error => GitProblem::Program(error),
    }
}
