//! The directory that a project runs in, and the comparison of its files with the checked-out commit.

use std::fs;
use std::path::{Path, PathBuf};

use tokio::task::JoinHandle;

use super::error::{FetchError, SHOWN_NAMES, shortened};
use super::git::{self, TreeState};
use crate::events::Progress;
use crate::nearest::nearest;
use crate::project_uri::{ProjectUri, Subdirectory};
use crate::temporary::{self, TemporaryDirectory};

/// The options of a fetch.
#[derive(Debug, Clone, Default)]
pub struct FetchOptions {
    /// The branch, tag or commit of `--version`.
    pub version: Option<String>,
    /// Keep the temporary directory (`--keep-workdir`).
    pub keep: bool,
}

/// A directory on this machine that holds a project. A temporary one is removed with this value,
/// unless [`WorkDir::keep`] was called.
#[derive(Debug)]
pub struct WorkDir {
    path: PathBuf,
    source: Source,
    temporary: Option<TemporaryDirectory>,
}

/// Where a project was fetched from, as recorded in the run's tags. It never contains a credential.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Source {
    /// The value of `mlflow.source.name`.
    pub name: String,
    /// The checked-out commit.
    pub commit: Option<String>,
    /// The URL of the repository's first remote.
    pub repo_url: Option<String>,
    /// The branch, if `--version` named one.
    pub branch: Option<String>,
}

impl WorkDir {
    pub(super) fn new(path: PathBuf, source: Source, temporary: Option<TemporaryDirectory>) -> Self {
        Self {
            path,
            source,
            temporary,
        }
    }

    /// The absolute path of the project's directory, including the subdirectory in the URI.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Where the project was fetched from.
    pub fn source(&self) -> &Source {
        &self.source
    }

    /// Whether the directory was created for this run.
    pub fn is_temporary(&self) -> bool {
        self.temporary.is_some()
    }

    /// Removes a temporary directory now, even if this value is still shared.
    pub fn remove_temporary(&self) {
        if let Some(directory) = &self.temporary {
            directory.remove_now();
        }
    }

    /// The directory that was created for this run. It may contain more than the project.
    pub fn fetched(&self) -> Option<&Path> {
        self.temporary.as_ref().map(TemporaryDirectory::path)
    }

    /// Keeps a temporary directory when this value is dropped.
    pub fn keep(&mut self) {
        if let Some(directory) = &mut self.temporary {
            directory.keep();
        }
    }
}

/// A comparison of the files with their commit, which may still be running.
#[derive(Debug)]
pub(crate) enum TreeComparison {
    /// The result.
    Known(TreeState),
    GoesOn(JoinHandle<TreeState>),
}

/// Starts to compare a project's files with the checked-out commit. The time grows with the number of files, as for
/// `git status`. `no_part` lists files and directories that do not belong to the project, such as the tracking store.
pub(crate) fn compare_with_commit(work_dir: &WorkDir, no_part: Vec<PathBuf>) -> TreeComparison {
    if work_dir.source().commit.is_none() {
        TreeComparison::Known(TreeState::Unknown)
    } else if work_dir.is_temporary() {
        // It has just been checked out.
        TreeComparison::Known(TreeState::Clean)
    } else {
        let directory = work_dir.path().to_owned();
        TreeComparison::GoesOn(tokio::task::spawn_blocking(move || {
            git::find_repository(&directory).map_or(TreeState::Unknown, |repository| {
                repository.tree_state(&directory, &no_part)
            })
        }))
    }
}

impl TreeComparison {
    /// The result, if the comparison has finished.
    pub(crate) async fn finished(&mut self) -> Option<&TreeState> {
        match self {
            Self::GoesOn(task) if !task.is_finished() => None,
            _ => Some(self.state().await),
        }
    }

    /// Waits for the result.
    pub(crate) async fn state(&mut self) -> &TreeState {
        if let Self::GoesOn(task) = self {
            *self = Self::Known(task.await.unwrap_or(TreeState::Unknown));
        }
        match self {
            Self::Known(state) => state,
            Self::GoesOn(_) => &TreeState::Unknown,
        }
    }
}

/// Creates the temporary directory for a fetch and reports it.
pub(super) fn temporary_directory(
    uri: &ProjectUri,
    progress: &dyn Progress,
) -> Result<TemporaryDirectory, FetchError> {
    let directory = TemporaryDirectory::create("mlrun-").map_err(FetchError::of_directory(
        "create a directory in",
        &temporary::parent(),
    ))?;
    progress.info(&format!(
        "=== Fetching project from {uri} into {} ===",
        directory.path().display()
    ));
    Ok(directory)
}

/// The value of `mlflow.source.name` for a local project: `file://<root>#<path below it>` inside a Git working
/// tree, otherwise the absolute path.
pub(super) fn source_name(
    path: &Path,
    subdirectory: Option<&Subdirectory>,
    repository: Option<&git::Repository>,
) -> String {
    let whole = subdirectory.map_or_else(|| path.to_owned(), |subdirectory| subdirectory.below(path));
    match repository
        .and_then(|repository| Some((repository.root(), whole.strip_prefix(repository.root()).ok()?)))
    {
        Some((root, below)) if below.as_os_str().is_empty() => format!("file://{}", root.display()),
        Some((root, below)) => format!("file://{}#{}", root.display(), below.display()),
        None => match subdirectory {
            Some(subdirectory) => format!("{}#{subdirectory}", path.display()),
            None => path.display().to_string(),
        },
    }
}

/// The directory that the project URI names below `top`. Messages call `top` by `top_name`.
pub(super) fn find_project(
    top: &Path,
    subdirectory: Option<&Subdirectory>,
    top_name: &str,
) -> Result<PathBuf, FetchError> {
    let Some(subdirectory) = subdirectory else {
        return Ok(top.to_owned());
    };
    let path = subdirectory.below(top);
    match fs::metadata(&path) {
        Ok(metadata) if metadata.is_dir() => Ok(path),
        Ok(_) => Err(FetchError::new(
            format!("'{subdirectory}' in {top_name} is a file, not a directory"),
            "",
        )),
        Err(_) => Err(missing(top, subdirectory, top_name)),
    }
}

/// Like [`find_project`], for fetched files: their symbolic links must not point outside of them.
pub(super) fn find_project_inside(
    top: &Path,
    subdirectory: Option<&Subdirectory>,
    top_name: &str,
) -> Result<PathBuf, FetchError> {
    let path = find_project(top, subdirectory, top_name)?;
    let is_inside = match (path.canonicalize(), top.canonicalize()) {
        (Ok(path), Ok(top)) => path.starts_with(top),
        _ => false,
    };
    match subdirectory {
        Some(subdirectory) if !is_inside => Err(escaping(subdirectory.as_str(), top_name)),
        _ => Ok(path),
    }
}

/// The error for a subdirectory outside of the fetched files.
pub(super) fn escaping(subdirectory: &str, top_name: &str) -> FetchError {
    FetchError::new(
        format!("the directory '{subdirectory}' in {top_name} points outside of it through a symbolic link"),
        "",
    )
}

fn missing(top: &Path, subdirectory: &Subdirectory, top_name: &str) -> FetchError {
    let mut parent = PathBuf::new();
    let mut wanted = String::new();
    for part in Path::new(subdirectory.as_str()) {
        wanted = part.to_string_lossy().into_owned();
        if !top.join(&parent).join(part).is_dir() {
            break;
        }
        parent.push(part);
    }
    let found = directories(&top.join(&parent));
    let place = (!parent.as_os_str().is_empty()).then(|| format!("in '{}'", parent.display()));
    let hint = match (nearest(&wanted, found.iter().map(String::as_str)), place) {
        (Some(name), _) => format!("did you mean '{}'?", parent.join(name).display()),
        (None, None) if found.is_empty() => {
            "it has no subdirectories; remove the '#…' part of the URI".to_owned()
        }
        (None, Some(place)) if found.is_empty() => format!("there are no subdirectories {place}"),
        (None, place) => {
            let place = place.as_deref().unwrap_or("at its top");
            format!("the directories {place} are: {}", shortened(&found, SHOWN_NAMES))
        }
    };
    FetchError::new(
        format!("there is no directory '{subdirectory}' in {top_name}"),
        hint,
    )
}

/// The sorted names of the subdirectories, without `.git`.
pub(super) fn directories(directory: &Path) -> Vec<String> {
    let mut names: Vec<String> = fs::read_dir(directory)
        .into_iter()
        .flatten()
        .flatten()
        .filter(|entry| entry.path().is_dir() && entry.file_name() != ".git")
        .map(|entry| entry.file_name().to_string_lossy().into_owned())
        .collect();
    names.sort_unstable();
    names
}
