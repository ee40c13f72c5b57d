//! uv: whether it is there, and the packages that it has locked.

use std::io;
use std::path::Path;

use crate::env_vars::{self, UV_MANAGED_PYTHON, UV_PYTHON_PREFERENCE};
use crate::environment::EnvironmentError;
use crate::environment::cache::sha1;
use crate::process::program_on_path;

/// The file in which uv keeps the exact packages of a project.
pub(super) const LOCK_FILE: &str = "uv.lock";
/// The file that uv's lock file belongs to.
const PROJECT_FILE: &str = "pyproject.toml";
/// The file in which uv finds the Python of a project.
const VERSION_FILE: &str = ".python-version";

/// Whether uv is on PATH.
pub(in crate::environment) fn is_installed() -> bool {
    program_on_path("uv").is_some()
}

/// Whether uv was told to take none but the Pythons that it has installed itself.
pub(super) fn wants_its_own_python() -> bool {
    let is_set = |name| env_vars::non_empty(name).filter(|value| value != "0" && value != "false");
    is_set(UV_MANAGED_PYTHON).is_some()
        || is_set(UV_PYTHON_PREFERENCE).is_some_and(|preference| preference == "only-managed")
}

/// A project whose packages uv has locked. As for `mlflow run`, the lock file decides then, and not
/// the dependencies of an environment file.
#[derive(Debug, Clone)]
pub(in crate::environment) struct LockedProject {
    identity: String,
}

impl LockedProject {
    /// Whether a project has a lock file and what it belongs to.
    pub(in crate::environment) fn is_in(project: &Path) -> bool {
        project.join(LOCK_FILE).is_file() && project.join(PROJECT_FILE).is_file()
    }

    /// The lock of a project, if it has one.
    pub(super) fn find(project: &Path) -> Result<Option<Self>, EnvironmentError> {
        if !Self::is_in(project) {
            return Ok(None);
        }
        let mut contents = Vec::new();
        for file in [LOCK_FILE, VERSION_FILE] {
            let path = project.join(file);
            match std::fs::read(&path) {
                Ok(content) => contents.extend(content),
                Err(error) if file == VERSION_FILE && error.kind() == io::ErrorKind::NotFound => {}
                Err(error) => return Err(EnvironmentError::cache("read", path)(error)),
            }
        }
        Ok(Some(Self {
            identity: sha1(&contents),
        }))
    }

    /// What tells the environments of different locks apart. `mlflow run` does not: it goes on with
    /// the packages of an older lock.
    pub(super) fn identity(&self) -> &str {
        &self.identity
    }
}
