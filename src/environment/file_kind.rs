//! Files that are named as environment files and are of another kind.

use std::ffi::OsStr;
use std::fmt;
use std::path::Path;

/// What a file is by its name, where that is no environment file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum OtherFile {
    /// Lines for pip.
    Requirements,
    /// The settings of a Python package.
    Pyproject,
    /// The lock file of a packaging tool.
    Lock,
    Script,
}

impl OtherFile {
    /// The kind that the name tells.
    pub(super) fn of(path: &Path) -> Option<Self> {
        let name = path.file_name().and_then(OsStr::to_str).unwrap_or_default();
        let extension = path.extension().and_then(OsStr::to_str).unwrap_or_default();
        match (name, extension) {
            (_, "txt" | "in") => Some(Self::Requirements),
            ("Pipfile" | "Pipfile.lock", _) | (_, "lock") => Some(Self::Lock),
            (_, "toml") => Some(Self::Pyproject),
            (_, "py" | "sh" | "R") => Some(Self::Script),
            _ => None,
        }
    }

    /// What to do about one that an MLproject file names; `name` is the file's own.
    pub(super) fn hint(self, name: &str) -> String {
        match self {
            Self::Requirements => format!(
                "write a python_env.yaml with the line `dependencies: [-r {name}]`, and `python_env: python_env.yaml` in MLproject"
            ),
            Self::Pyproject => "write a python_env.yaml with the line `dependencies: [.]`, which installs the project, and \
                 `python_env: python_env.yaml` in MLproject; if the project has a uv.lock, remove the key and pass \
                 --env-manager uv"
                .to_owned(),
            Self::Lock | Self::Script => {
                "write a python_env.yaml that lists the packages under `dependencies`, and `python_env: python_env.yaml` \
                 in MLproject"
                    .to_owned()
            }
        }
    }
}

impl fmt::Display for OtherFile {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Requirements => "a requirements file of pip",
            Self::Pyproject => "a TOML file",
            Self::Lock => "a lock file",
            Self::Script => "a script",
        })
    }
}
