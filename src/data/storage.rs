//! The directory that a run's data is downloaded to.

use std::fs::{self, Permissions};
use std::io;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

use tempfile::TempDir;

use super::DataError;

/// A directory with downloaded data, removed with this value unless [`DataDirectory::keep`] was
/// called.
#[derive(Debug)]
pub struct DataDirectory(TempDir);

impl DataDirectory {
    /// Makes a new directory that only this user can enter, and `parent` where it is missing.
    pub(super) fn create(parent: Option<&Path>) -> Result<Self, DataError> {
        let parent = parent.map_or_else(std::env::temp_dir, Path::to_path_buf);
        create_below(&parent)
            .map(Self)
            .map_err(|source| DataError::Storage {
                action: "create a directory in",
                path: parent,
                source,
            })
    }

    /// The directory. Its path is valid Unicode.
    pub fn path(&self) -> &Path {
        self.0.path()
    }

    /// Leaves the directory where it is when this value goes away.
    pub fn keep(&mut self) {
        self.0.disable_cleanup(true);
    }

    /// The path of a directory that is not made, for a plan that only shows it.
    pub fn imagined(parent: Option<&Path>) -> PathBuf {
        parent
            .map_or_else(std::env::temp_dir, Path::to_path_buf)
            .join("mlrun-XXXXXX")
    }
}

fn create_below(parent: &Path) -> io::Result<TempDir> {
    // It becomes part of a command, which is text.
    if parent.to_str().is_none() {
        return Err(io::Error::new(
            io::ErrorKind::InvalidInput,
            "its name is no valid UTF-8",
        ));
    }
    fs::create_dir_all(parent)?;
    tempfile::Builder::new()
        .prefix("mlrun-")
        .permissions(Permissions::from_mode(0o700))
        .tempdir_in(parent)
}
