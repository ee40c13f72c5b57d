//! One environment of the cache: its name, its places, and what is remembered about it.

use std::fs::{self, File};
use std::io;
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use super::claim::touch;
use crate::entities::UnixMillis;
use crate::env_vars;
use crate::environment::error::EnvironmentError;
use crate::environment::manager::EnvManager;

const RECORDS: &str = ".mlrun";
/// The length of a short name.
const SHORT_NAME: usize = "mlflow-".len() + 4;

/// What kind of environment it is. Names are unique within a kind.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum EntryKind {
    Conda,
    /// A virtual environment, whether `venv` or `uv` made it: both use the same places.
    Python,
}

impl EntryKind {
    pub(super) const ALL: [Self; 2] = [Self::Python, Self::Conda];

    /// A manager that makes environments of this kind.
    pub(super) fn manager(self) -> EnvManager {
        match self {
            Self::Conda => EnvManager::Conda,
            Self::Python => EnvManager::Virtualenv,
        }
    }

    pub(super) fn records(self) -> Result<PathBuf, EnvironmentError> {
        Ok(own_directory()?.join(match self {
            Self::Conda => "conda",
            Self::Python => "python",
        }))
    }
}

/// An environment of the cache, built or not.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(in crate::environment) struct Entry {
    /// The name, as MLflow makes it: `mlflow-` and a hash.
    pub(in crate::environment) name: String,
    /// The directory that is the environment.
    pub(in crate::environment) directory: PathBuf,
    pub(in crate::environment) manager: EnvManager,
    /// The directory of what mlrun knows about the environment. It may not exist.
    pub(super) records: PathBuf,
}

/// How an environment came to be. The time of its last use is that of the file.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Record {
    /// What built it; nothing if it was not mlrun.
    pub(super) manager: Option<String>,
    /// The directory that is the environment.
    pub(super) directory: PathBuf,
    /// When it was complete, in milliseconds since 1970; nothing if mlrun did not build it.
    pub(super) created: Option<i64>,
    /// The project that it was made for, or first used by.
    pub(super) project: String,
}

impl Record {
    pub(super) fn read(records: &Path) -> Option<Self> {
        serde_json::from_slice(&fs::read(record_file(records)).ok()?).ok()
    }
}

fn record_file(records: &Path) -> PathBuf {
    records.join("record.json")
}

impl Entry {
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
            records: kind.records()?.join(&name),
            name,
            directory: directory.into(),
            manager,
        })
    }

    pub(super) fn record_file(&self) -> PathBuf {
        record_file(&self.records)
    }

    pub(super) fn note_build(&self, project: &str) {
        self.write_record(project, true);
    }

    pub(super) fn note_use(&self, project: &str) {
        if touch(&self.record_file()).is_err() {
            self.write_record(project, false);
        }
    }

    /// Records serve the user's information: one that cannot be written stops no run.
    fn write_record(&self, project: &str, is_built: bool) {
        let record = Record {
            manager: is_built.then(|| self.manager.to_string()),
            directory: self.directory.clone(),
            created: is_built.then(|| UnixMillis::now().0),
            project: project.to_owned(),
        };
        let path = self.record_file();
        if let Err(error) = write_json(&path, &record) {
            tracing::debug!(path = %path.display(), %error, "an environment's record cannot be written");
        }
    }

    /// The file with all output of the environment's last build. It stays when the build fails.
    pub(in crate::environment) fn log_file(&self) -> PathBuf {
        self.records.join("build.log")
    }

    /// The beginning of the name that a person sees and can type: `mlflow-9d31`.
    pub(in crate::environment) fn short_name(&self) -> &str {
        self.name.get(..SHORT_NAME).unwrap_or(&self.name)
    }

    /// The mark of an environment that is not whole.
    fn mark(&self) -> PathBuf {
        self.records.join("building")
    }

    /// Whether the environment's build or removal has begun and not ended.
    pub(super) fn is_unfinished(&self) -> Result<bool, EnvironmentError> {
        match fs::symlink_metadata(self.mark()) {
            Ok(_) => Ok(true),
            Err(error)
                if matches!(
                    error.kind(),
                    io::ErrorKind::NotFound | io::ErrorKind::NotADirectory
                ) =>
            {
                Ok(false)
            }
            Err(error) => Err(EnvironmentError::cache("read", self.mark())(error)),
        }
    }

    /// Sets the mark; it is on the disk when this returns.
    pub(super) fn mark_unfinished(&self) -> Result<(), EnvironmentError> {
        let path = self.mark();
        File::create(&path)
            .and_then(|file| file.sync_all())
            .and_then(|()| File::open(&self.records)?.sync_all())
            .map_err(EnvironmentError::cache("write", path))
    }

    pub(super) fn clear_mark(&self) -> Result<(), EnvironmentError> {
        match fs::remove_file(self.mark()) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => {
                Err(EnvironmentError::cache("remove", self.mark())(error))
            }
            _ => Ok(()),
        }
    }
}

/// Writes a file of JSON, whole or not at all. Its directory is made if it is missing.
pub(in crate::environment) fn write_json(file: &Path, value: &impl Serialize) -> io::Result<()> {
    let directory = file.parent().unwrap_or(Path::new("."));
    fs::create_dir_all(directory)?;
    let new = tempfile::NamedTempFile::new_in(directory)?;
    fs::write(new.path(), serde_json::to_vec(value)?)?;
    new.persist(file)?;
    Ok(())
}

/// The name that MLflow gives the environment that this text describes: `mlflow-` and the SHA-1 of
/// the text.
pub(in crate::environment) fn name_of_text(text: &str) -> String {
    format!("mlflow-{}", sha1(text.as_bytes()))
}

pub(in crate::environment) fn sha1(bytes: &[u8]) -> String {
    hex::encode(openssl::sha::sha1(bytes))
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
        None => home().ok_or_else(no_root)?.join(".mlflow/envs"),
    };
    std::path::absolute(&directory).map_err(EnvironmentError::cache(
        "find the directory of environments",
        directory,
    ))
}

fn no_root() -> EnvironmentError {
    EnvironmentError::new(
        "no directory for environments: neither MLFLOW_ENV_ROOT nor HOME is set",
        "set MLFLOW_ENV_ROOT to a directory that you can write to",
    )
}

fn home() -> Option<PathBuf> {
    env_vars::non_empty(env_vars::HOME)
        .map(PathBuf::from)
        .or_else(|| {
            let user = nix::unistd::User::from_uid(nix::unistd::getuid());
            user.ok().flatten().map(|user| user.dir)
        })
}
