//! The directory that a project runs in.

use std::fs;
use std::io;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

use super::FetchError;

/// A directory on this machine that holds a project. A temporary one is removed with this value,
/// unless [`WorkDir::keep`] was called.
#[derive(Debug)]
pub struct WorkDir {
    path: PathBuf,
    source: Source,
    temporary: Option<TemporaryDirectory>,
}

/// Where a project came from, as the tags of its run tell it. Nothing here holds a credential.
#[derive(Debug, Clone, PartialEq, Eq)]
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
    pub(super) fn in_place(path: PathBuf, source: Source) -> Self {
        Self {
            path,
            source,
            temporary: None,
        }
    }

    pub(super) fn temporary(path: PathBuf, source: Source, directory: TemporaryDirectory) -> Self {
        Self {
            path,
            source,
            temporary: Some(directory),
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
        if let Some(directory) = self.temporary.as_ref().filter(|directory| !directory.is_kept) {
            remove(&directory.path);
        }
    }

    /// Leaves a temporary directory where it is when this value goes away.
    pub fn keep(&mut self) {
        if let Some(directory) = &mut self.temporary {
            directory.is_kept = true;
        }
    }
}

/// A directory that is removed with this value.
#[derive(Debug)]
pub(super) struct TemporaryDirectory {
    path: PathBuf,
    is_kept: bool,
}

impl TemporaryDirectory {
    /// Makes an empty directory that only this user can enter, in the system's place for such.
    pub(super) fn create() -> Result<Self, FetchError> {
        let parent = std::env::temp_dir();
        let directory = tempfile::Builder::new()
            .prefix("mlrun-")
            .permissions(fs::Permissions::from_mode(0o700))
            .tempdir_in(&parent)
            .map_err(|source| FetchError::WorkDirectory {
                action: "create a directory in",
                path: parent,
                source,
            })?;
        Ok(Self {
            path: directory.keep(),
            is_kept: false,
        })
    }

    pub(super) fn path(&self) -> &Path {
        &self.path
    }
}

impl Drop for TemporaryDirectory {
    fn drop(&mut self) {
        if !self.is_kept {
            remove(&self.path);
        }
    }
}

/// Removes a directory with all that is in it, as far as that is possible.
pub(super) fn remove(path: &Path) {
    if let Err(error) = fs::remove_dir_all(path)
        && error.kind() == io::ErrorKind::PermissionDenied
    {
        // The project may have made directories in it that cannot be written to.
        make_writable(path);
        if let Err(error) = fs::remove_dir_all(path) {
            tracing::debug!(path = %path.display(), %error, "a temporary directory is left behind");
        }
    }
}

fn make_writable(directory: &Path) {
    // Failures show in the removal that follows.
    let _ = fs::set_permissions(directory, fs::Permissions::from_mode(0o700));
    for entry in fs::read_dir(directory).into_iter().flatten().flatten() {
        if entry.file_type().is_ok_and(|kind| kind.is_dir()) {
            make_writable(&entry.path());
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_temporary_directory_goes_away_with_its_value() {
        let directory = TemporaryDirectory::create().unwrap();
        let path = directory.path().to_owned();
        assert_eq!(fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o700);
        fs::create_dir(path.join("closed")).unwrap();
        fs::write(path.join("closed/file"), "").unwrap();
        fs::set_permissions(path.join("closed"), fs::Permissions::from_mode(0o500)).unwrap();
        drop(directory);
        assert!(!path.exists());
    }

    #[test]
    fn a_kept_directory_stays() {
        let directory = TemporaryDirectory::create().unwrap();
        let path = directory.path().to_owned();
        let source = Source {
            name: String::new(),
            commit: None,
            repo_url: None,
            branch: None,
        };
        let mut work_dir = WorkDir::temporary(path.clone(), source, directory);
        work_dir.keep();
        drop(work_dir);
        assert!(path.is_dir());
        remove(&path);
        assert!(!path.exists());
    }
}
