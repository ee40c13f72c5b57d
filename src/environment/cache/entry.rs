//! One environment of the cache: its name and its places.

use std::path::{Path, PathBuf};

use crate::env_vars;
use crate::environment::error::EnvironmentError;
use crate::environment::manager::EnvManager;

/// The name of the directory with the records.
const RECORDS: &str = ".mlrun";

/// What kind of environment it is. Names are unique within a kind.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::environment) enum EntryKind {
    /// A virtual environment, whether `venv` or `uv` made it: both use the same places.
    Python,
    /// A conda environment.
    Conda,
}

impl EntryKind {
    pub(super) const ALL: [Self; 2] = [Self::Python, Self::Conda];

    /// The name of the directory with the records of this kind.
    pub(super) fn directory_name(self) -> &'static str {
        match self {
            Self::Python => "python",
            Self::Conda => "conda",
        }
    }
}

/// An environment of the cache, built or not.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(in crate::environment) struct Entry {
    /// The name, as MLflow makes it: `mlflow-` and a hash.
    pub(in crate::environment) name: String,
    /// The directory that is the environment.
    pub(in crate::environment) directory: PathBuf,
    /// What makes it.
    pub(in crate::environment) manager: EnvManager,
    records: PathBuf,
}

impl Entry {
    /// An environment with this name in this directory.
    ///
    /// # Errors
    /// There is no place for records.
    pub(in crate::environment) fn new(
        manager: EnvManager,
        name: impl Into<String>,
        directory: impl Into<PathBuf>,
    ) -> Result<Self, EnvironmentError> {
        let name = name.into();
        let kind = match manager {
            EnvManager::Conda => EntryKind::Conda,
            _ => EntryKind::Python,
        };
        Ok(Self {
            records: records_of(kind)?.join(&name),
            name,
            directory: directory.into(),
            manager,
        })
    }

    /// The directory of what mlrun knows about the environment. It may not exist.
    pub(super) fn records(&self) -> &Path {
        &self.records
    }
}

/// The name that MLflow gives the environment that this text describes: `mlflow-` and the SHA-1 of
/// the text.
pub(in crate::environment) fn name_of_text(text: &str) -> String {
    format!("mlflow-{}", sha1(text.as_bytes()))
}

/// The SHA-1 in hexadecimal digits.
pub(in crate::environment) fn sha1(bytes: &[u8]) -> String {
    hex::encode(openssl::sha::sha1(bytes))
}

/// The directory with the records of all environments of a kind.
pub(super) fn records_of(kind: EntryKind) -> Result<PathBuf, EnvironmentError> {
    Ok(own_directory()?.join(kind.directory_name()))
}

/// The directory in the root of all environments that belongs to mlrun.
pub(in crate::environment) fn own_directory() -> Result<PathBuf, EnvironmentError> {
    Ok(root()?.join(RECORDS))
}

/// The directory that Python environments are made in: `MLFLOW_ENV_ROOT`, else `~/.mlflow/envs`.
/// Absolute, since an entry point enters its environment from another directory.
pub(in crate::environment) fn root() -> Result<PathBuf, EnvironmentError> {
    let directory = match env_vars::non_empty(env_vars::MLFLOW_ENV_ROOT) {
        Some(directory) => PathBuf::from(directory),
        None => home()
            .ok_or(EnvironmentError::NoRoot)?
            .join(".mlflow")
            .join("envs"),
    };
    std::path::absolute(&directory).map_err(EnvironmentError::cache(
        "find the directory of environments",
        directory,
    ))
}

fn home() -> Option<PathBuf> {
    env_vars::non_empty(env_vars::HOME)
        .map(PathBuf::from)
        .or_else(|| {
            nix::unistd::User::from_uid(nix::unistd::getuid())
                .ok()
                .flatten()
                .map(|user| user.dir)
        })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_name_of_nothing() {
        assert_eq!(
            name_of_text(""),
            "mlflow-da39a3ee5e6b4b0d3255bfef95601890afd80709"
        );
    }
}
