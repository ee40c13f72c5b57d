//! What the cache holds.

use std::collections::BTreeMap;
use std::collections::HashSet;
use std::fs;
use std::io;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};

use super::claim::{self, Standing};
use super::directory::blocking;
use super::entry::{self, Entry, EntryKind};
use super::record::{self, Record};
use super::{lock, usage};
use crate::entities::UnixMillis;
use crate::environment::{EnvManager, EnvironmentError};

/// How the names of MLflow's environments begin.
const PREFIX: &str = "mlflow-";

/// An environment as the cache has it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct CachedEnvironment {
    /// The name: `mlflow-` and a hash.
    pub name: String,
    /// What made it.
    pub manager: EnvManager,
    /// The directory that is the environment.
    pub directory: PathBuf,
    /// What it takes on the disk, in bytes. Files that it shares with a package cache count.
    pub bytes: u64,
    /// When it was made.
    pub created: UnixMillis,
    /// When a run used it last, as far as mlrun knows: nobody notes the runs of `mlflow run`.
    pub last_used: UnixMillis,
    /// The project that it was made for; nothing where `mlflow run` made it.
    pub project: Option<String>,
    /// What it is good for at this moment.
    pub state: CachedState,
}

/// What an environment is good for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum CachedState {
    /// It is whole, and no run uses it.
    Ready,
    /// Runs use it, or wait for it.
    InUse,
    /// It is being built or removed.
    Building,
    /// Its build or removal was interrupted.
    Unfinished,
}

impl CachedState {
    /// The state in a word or two.
    pub(crate) fn as_str(self) -> &'static str {
        match self {
            Self::Ready => "ready",
            Self::InUse => "in use",
            Self::Building => "building",
            Self::Unfinished => "unfinished",
        }
    }
}

/// All environments, by their names. `conda` are the conda environments that conda itself knows.
pub(in crate::environment) fn entries(conda: Vec<PathBuf>) -> Result<Vec<Entry>, EnvironmentError> {
    let mut found = BTreeMap::new();
    let root = entry::root()?;
    for name in names_in(&root)? {
        let directory = root.join(&name);
        if directory.join("pyvenv.cfg").is_file() {
            let entry = Entry::new(python_manager(&directory), &name, directory)?;
            found.insert((name, EntryKind::Python.directory_name()), entry);
        }
    }
    for directory in conda {
        let name = directory
            .file_name()
            .unwrap_or_default()
            .to_string_lossy()
            .into_owned();
        if name.starts_with(PREFIX) {
            let entry = Entry::new(EnvManager::Conda, &name, directory)?;
            found.insert((name, EntryKind::Conda.directory_name()), entry);
        }
    }
    for kind in EntryKind::ALL {
        let records = entry::records_of(kind)?;
        for name in names_in(&records)? {
            let record = record::read(&records.join(&name));
            let manager = match (kind, record.as_ref().and_then(|record| record.manager.as_deref())) {
                (EntryKind::Conda, _) => EnvManager::Conda,
                (EntryKind::Python, name) => name
                    .and_then(EnvManager::from_name)
                    .unwrap_or(EnvManager::Virtualenv),
            };
            let directory = match (kind, record) {
                (EntryKind::Conda, Some(record)) => record.directory,
                _ => root.join(&name),
            };
            let entry = Entry::new(manager, &name, directory)?;
            // The directory may have been removed by hand.
            if entry.directory.exists() || record::is_unfinished(&entry)? {
                found.entry((name, kind.directory_name())).or_insert(entry);
            }
        }
    }
    Ok(found.into_values().collect())
}

/// Tells all about one environment.
pub(super) async fn describe(entry: &Entry) -> Result<CachedEnvironment, EnvironmentError> {
    let directory = entry.directory.clone();
    let bytes = blocking(move || size(&directory)).await.unwrap_or_default();
    let times = times(entry);
    Ok(CachedEnvironment {
        name: entry.name.clone(),
        manager: entry.manager,
        directory: entry.directory.clone(),
        bytes,
        created: times.created,
        last_used: times.last_used,
        project: record::read(entry.records()).map(|record| record.project),
        state: state(entry)?,
    })
}

fn state(entry: &Entry) -> Result<CachedState, EnvironmentError> {
    let lock = lock::path(entry);
    let standing = claim::standing(&lock).map_err(EnvironmentError::cache("read", lock))?;
    Ok(if matches!(standing, Standing::Held(_)) {
        CachedState::Building
    } else if !usage::users_of(entry)?.is_empty() {
        CachedState::InUse
    } else if record::is_unfinished(entry)? {
        CachedState::Unfinished
    } else {
        CachedState::Ready
    })
}

/// When an environment was made and used.
pub(super) struct Times {
    pub(super) created: UnixMillis,
    pub(super) last_used: UnixMillis,
}

/// What the record says about an environment's times, or else its directory.
pub(super) fn times(entry: &Entry) -> Times {
    let made = modified(&entry.directory.join("pyvenv.cfg")).or_else(|| modified(&entry.directory));
    let record = record::read(entry.records());
    let created = record
        .and_then(|Record { created, .. }| created.map(UnixMillis))
        .or(made)
        .unwrap_or_else(UnixMillis::now);
    Times {
        created,
        last_used: modified(&record::path(entry.records()))
            .unwrap_or(created)
            .max(created),
    }
}

/// How long an environment has not been used.
pub(super) fn unused_for(entry: &Entry) -> Duration {
    let milliseconds = UnixMillis::now().0 - times(entry).last_used.0;
    Duration::from_millis(u64::try_from(milliseconds).unwrap_or_default())
}

fn modified(path: &Path) -> Option<UnixMillis> {
    let time = fs::metadata(path).ok()?.modified().ok()?;
    let since = time.duration_since(SystemTime::UNIX_EPOCH).ok()?;
    Some(UnixMillis(i64::try_from(since.as_millis()).ok()?))
}

/// What made a virtual environment without a record: uv leaves its version in the configuration.
fn python_manager(directory: &Path) -> EnvManager {
    let configuration = fs::read_to_string(directory.join("pyvenv.cfg")).unwrap_or_default();
    if configuration.lines().any(|line| line.starts_with("uv = ")) {
        EnvManager::Uv
    } else {
        EnvManager::Virtualenv
    }
}

fn names_in(directory: &Path) -> Result<Vec<String>, EnvironmentError> {
    let entries = match fs::read_dir(directory) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
        entries => entries.map_err(EnvironmentError::cache("read", directory))?,
    };
    let names = entries.filter_map(|entry| entry.ok()?.file_name().into_string().ok());
    Ok(names.filter(|name| name.starts_with(PREFIX)).collect())
}

/// What a directory takes on the disk; a file with two names counts once.
fn size(directory: &Path) -> io::Result<u64> {
    let mut seen = HashSet::new();
    let mut waiting = vec![directory.to_owned()];
    let mut bytes = 0;
    while let Some(directory) = waiting.pop() {
        for entry in fs::read_dir(directory)? {
            let entry = entry?;
            let metadata = entry.metadata()?;
            if metadata.is_dir() {
                waiting.push(entry.path());
            }
            if metadata.nlink() < 2 || metadata.is_dir() || seen.insert((metadata.dev(), metadata.ino())) {
                // The unit of this number does not depend on the file system.
                bytes += metadata.blocks() * 512;
            }
        }
    }
    Ok(bytes)
}
