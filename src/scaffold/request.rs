//! What a new project shall be, and a file of it.

use std::path::PathBuf;

/// What a new project shall be.
#[derive(Debug, Clone)]
pub(crate) struct ScaffoldRequest {
    pub(crate) directory: PathBuf,
    /// Paths of scripts, from the current directory or from the project's.
    pub(crate) scripts: Vec<PathBuf>,
    pub(crate) choice: EnvironmentChoice,
    pub(crate) name: Option<String>,
    /// The version of the Python on PATH.
    pub(crate) installed_python: Option<String>,
}

/// What kind of environment the project gets.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum EnvironmentChoice {
    /// That of the files in the directory; a python_env.yaml where there are none.
    ByFiles,
    /// As [`Self::ByFiles`], made by uv.
    Uv,
    Conda,
    Docker,
}

/// A file that is to be written.
#[derive(Debug)]
pub(crate) struct NewFile {
    /// The name in the project's directory.
    pub(crate) name: String,
    pub(super) text: String,
}

impl NewFile {
    pub(super) fn new(name: impl Into<String>, text: impl Into<String>) -> Self {
        let (name, text) = (name.into(), text.into());
        Self { name, text }
    }
}
