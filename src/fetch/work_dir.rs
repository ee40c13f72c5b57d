//! The directory that a project runs in.

use std::path::{Path, PathBuf};

use crate::temporary::TemporaryDirectory;

/// A directory on this machine that holds a project. A temporary one is removed with this value,
/// unless [`WorkDir::keep`] was called.
#[derive(Debug)]
pub struct WorkDir {
    path: PathBuf,
    source: Source,
    temporary: Option<TemporaryDirectory>,
}

/// Where a project came from, as the tags of its run tell it. Nothing here holds a credential.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Source {
    /// The value of `mlflow.source.name`.
    pub name: String,
    /// The commit that the files belong to.
    pub commit: Option<String>,
    /// The URL of the repository's first remote.
    pub repo_url: Option<String>,
    /// The branch, where `--version` named one.
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

    /// The project's directory: absolute, and the subdirectory where one was asked for.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Where the project came from.
    pub fn source(&self) -> &Source {
        &self.source
    }

    /// Whether the directory was made for this run.
    pub fn is_temporary(&self) -> bool {
        self.temporary.is_some()
    }

    /// Removes a temporary directory now, though others may still have this value.
    pub fn remove_temporary(&self) {
        if let Some(directory) = &self.temporary {
            directory.remove_now();
        }
    }

    /// The directory that was made for this run, which may hold more than the project.
    pub fn fetched(&self) -> Option<&Path> {
        self.temporary.as_ref().map(TemporaryDirectory::path)
    }

    /// Leaves a temporary directory where it is when this value goes away.
    pub fn keep(&mut self) {
        if let Some(directory) = &mut self.temporary {
            directory.keep();
        }
    }
}
