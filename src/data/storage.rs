//! The directory that a run's data is downloaded to.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use super::DataError;
use crate::temporary::{self, TemporaryDirectory};

/// A directory with downloaded data, removed with this value unless [`DataDirectory::keep`] was
/// called.
#[derive(Debug)]
pub struct DataDirectory(TemporaryDirectory);

impl DataDirectory {
    /// Makes a new directory that only this user can enter, and `parent` where it is missing.
    pub(super) fn create(parent: Option<&Path>) -> Result<Self, DataError> {
        let parent = parent.map_or_else(temporary::parent, Path::to_path_buf);
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
        self.0.keep();
    }

    /// The path of a directory that is not made, for a plan that only shows it.
    pub fn imagined(parent: Option<&Path>) -> PathBuf {
        parent
            .map_or_else(temporary::parent, Path::to_path_buf)
            .join("mlrun-XXXXXX")
    }
}

fn create_below(parent: &Path) -> io::Result<TemporaryDirectory> {
    // It becomes part of a command, which is text.
    if parent.to_str().is_none() {
        return Err(io::Error::new(
            io::ErrorKind::InvalidInput,
            "its name is no valid UTF-8",
        ));
    }
    fs::create_dir_all(parent)?;
    TemporaryDirectory::create_in(parent, "mlrun-")
}
