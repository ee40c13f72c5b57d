//! What the cache holds, and how that is removed.

use std::collections::BTreeMap;
use std::collections::HashSet;
use std::fs;
use std::io;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};

use super::entry::{self, Entry, EntryKind, Record};
use super::usage::{self, Attempt};
use crate::entities::UnixMillis;
use crate::environment::{EnvManager, EnvironmentError};
use crate::events::Progress;
use crate::temporary;

/// How the names of MLflow's environments begin.
const PREFIX: &str = "mlflow-";
/// Stands for a project while an environment is removed.
const REMOVAL: &str = "mlrun env";

/// An environment as the cache has it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct CachedEnvironment {
    pub name: String,
    pub manager: EnvManager,
    pub directory: PathBuf,
    /// What it takes on the disk, in bytes. Files that it shares with a package cache count.
    pub bytes: u64,
    pub created: UnixMillis,
    /// When a run used it last, as far as mlrun knows: nobody notes the runs of `mlflow run`.
    pub last_used: UnixMillis,
    /// The project that it was built for; nothing if `mlflow run` built it.
    pub project: Option<String>,
    pub state: CachedState,
    /// The output of its last build, if mlrun built it.
    pub log: Option<PathBuf>,
}

/// Whether an environment can be used or removed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum CachedState {
    /// It is complete, and no run uses it.
    Ready,
    /// Runs use it, or wait for it.
    InUse,
    /// It is being built or removed.
    Building,
    /// Its build or removal was interrupted.
    Unfinished,
}

impl CachedState {
    /// Whether the next run must build the environment again.
    pub(crate) fn is_broken(self) -> bool {
        self == Self::Unfinished
    }

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
            found.insert((name, EntryKind::Python), entry);
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
            found.insert((name, EntryKind::Conda), entry);
        }
    }
    for kind in EntryKind::ALL {
        let records = kind.records()?;
        let is_conda = kind == EntryKind::Conda;
        for name in names_in(&records)? {
            let record = Record::read(&records.join(&name));
            let manager = if is_conda {
                EnvManager::Conda
            } else {
                let named = record.as_ref().and_then(|record| record.manager.as_deref());
                named
                    .and_then(EnvManager::from_name)
                    .unwrap_or(EnvManager::Virtualenv)
            };
            let directory = match record {
                Some(record) if is_conda => record.directory,
                _ => root.join(&name),
            };
            let entry = Entry::new(manager, &name, directory)?;
            // The directory may have been removed by hand.
            if entry.directory.exists() || entry.is_unfinished()? {
                found.entry((name, kind)).or_insert(entry);
            }
        }
    }
    Ok(found.into_values().collect())
}

/// The names of environments, each with the project that it was made for.
pub(in crate::environment) fn names(entries: &[Entry]) -> Vec<(String, Option<String>)> {
    let project = |entry: &Entry| Record::read(&entry.records).map(|record| record.project);
    let named = entries.iter().map(|entry| (entry.name.clone(), project(entry)));
    named.collect()
}

pub(in crate::environment) async fn describe_all(
    entries: Vec<Entry>,
) -> Result<Vec<CachedEnvironment>, EnvironmentError> {
    let mut described = Vec::new();
    for entry in entries {
        described.push(describe(&entry).await?);
    }
    Ok(described)
}

async fn describe(entry: &Entry) -> Result<CachedEnvironment, EnvironmentError> {
    let directory = entry.directory.clone();
    let bytes = blocking(move || size(&directory)).await.unwrap_or_default();
    let (created, last_used) = times(entry);
    Ok(CachedEnvironment {
        name: entry.name.clone(),
        manager: entry.manager,
        directory: entry.directory.clone(),
        bytes,
        created,
        last_used,
        project: Record::read(&entry.records).map(|record| record.project),
        state: state(entry)?,
        log: Some(entry.log_file()).filter(|log| log.is_file()),
    })
}

fn state(entry: &Entry) -> Result<CachedState, EnvironmentError> {
    Ok(if usage::is_locked(entry)? {
        CachedState::Building
    } else if !usage::users_of(entry)?.is_empty() {
        CachedState::InUse
    } else if entry.is_unfinished()? {
        CachedState::Unfinished
    } else {
        CachedState::Ready
    })
}

/// When an environment was made and last used, by its record, or else by its directory.
fn times(entry: &Entry) -> (UnixMillis, UnixMillis) {
    let made = modified(&entry.directory.join("pyvenv.cfg")).or_else(|| modified(&entry.directory));
    let created = Record::read(&entry.records)
        .and_then(|record| record.created.map(UnixMillis))
        .or(made)
        .unwrap_or_else(UnixMillis::now);
    let last_used = modified(&entry.record_file()).unwrap_or(created);
    (created, last_used.max(created))
}

/// How long an environment has not been used.
fn unused_for(entry: &Entry) -> Duration {
    let (_, last_used) = times(entry);
    let milliseconds = UnixMillis::now().0 - last_used.0;
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

/// Removes the environments that no run has used for so long, and what interrupted builds have left.
/// Gives those that are gone, or with `dry_run` those that would be.
pub(in crate::environment) async fn prune(
    entries: Vec<Entry>,
    unused_for: Duration,
    dry_run: bool,
    progress: &dyn Progress,
) -> Result<Vec<CachedEnvironment>, EnvironmentError> {
    let mut pruned = Vec::new();
    for entry in entries {
        let is_old = self::unused_for(&entry) >= unused_for;
        if !is_old && !entry.is_unfinished()? {
            continue;
        }
        let environment = describe(&entry).await?;
        match environment.state {
            CachedState::InUse | CachedState::Building => continue,
            CachedState::Ready | CachedState::Unfinished => {}
        }
        if !dry_run {
            match remove(&entry, progress).await {
                // A run came in between.
                Err(EnvironmentError::InUse { .. }) => continue,
                Err(error) => {
                    progress.warning(&format!("cannot remove {}: {error}", entry.name));
                    continue;
                }
                Ok(()) => {}
            }
        }
        pruned.push(environment);
    }
    if !dry_run {
        remove_logs_of_failed_builds(unused_for)?;
    }
    Ok(pruned)
}

/// Removes the logs of builds that failed so long ago: there is no environment that they would go with.
fn remove_logs_of_failed_builds(unused_for: Duration) -> Result<(), EnvironmentError> {
    for kind in EntryKind::ALL {
        let records = kind.records()?;
        for name in names_in(&records)? {
            let entry = Entry::new(kind.manager(), &name, records.join(&name))?;
            let log = entry.log_file();
            let age = modified(&log).map(|time| UnixMillis::now().0 - time.0);
            let is_old = age.is_some_and(|age| u128::try_from(age).unwrap_or(0) >= unused_for.as_millis());
            if is_old && !entry.record_file().exists() && !entry.is_unfinished()? {
                let _ = fs::remove_file(log);
                usage::forget(&entry);
                let _ = fs::remove_dir(&entry.records);
            }
        }
    }
    Ok(())
}

/// Removes an environment, unless it is in use or being built.
pub(in crate::environment) async fn remove(
    entry: &Entry,
    progress: &dyn Progress,
) -> Result<(), EnvironmentError> {
    let in_use = |by: String| EnvironmentError::InUse {
        name: entry.name.clone(),
        by,
    };
    let lock = match usage::try_lock(entry, REMOVAL, progress)? {
        Attempt::Held(owner) => {
            return Err(in_use(format!(
                "another process is building or removing it ({owner})"
            )));
        }
        Attempt::Taken(lock) => lock,
    };
    let was_marked = entry.is_unfinished()?;
    // First the mark, then the look: a run does it the other way round, so that one sees the other.
    entry.mark_unfinished()?;
    let users = usage::users_of(entry)?;
    if !users.is_empty() {
        if !was_marked {
            entry.clear_mark()?;
        }
        let users: Vec<String> = users.iter().map(|user| format!("({user})")).collect();
        return Err(in_use(format!("it is used by a run {}", users.join(", "))));
    }
    remove_directory(&entry.directory).await?;
    let _ = fs::remove_file(entry.record_file());
    let _ = fs::remove_file(entry.log_file());
    entry.clear_mark()?;
    usage::forget(entry);
    drop(lock);
    // A run that begins in this moment keeps its directory.
    let _ = fs::remove_dir(&entry.records);
    Ok(())
}

/// Removes the directory of an environment with all that is in it. Nothing there is no error.
pub(in crate::environment) async fn remove_directory(directory: &Path) -> Result<(), EnvironmentError> {
    let path = directory.to_owned();
    let remove = move || {
        let removed = match fs::symlink_metadata(&path) {
            Ok(metadata) if !metadata.is_dir() => fs::remove_file(&path),
            Ok(_) => temporary::remove_all(&path),
            Err(error) => Err(error),
        };
        match removed {
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
            removed => removed,
        }
    };
    blocking(remove)
        .await
        .map_err(EnvironmentError::cache("remove", directory))
}

async fn blocking<T: Send + 'static>(work: impl FnOnce() -> io::Result<T> + Send + 'static) -> io::Result<T> {
    match tokio::task::spawn_blocking(work).await {
        Ok(result) => result,
        Err(error) if error.is_panic() => std::panic::resume_unwind(error.into_panic()),
        Err(_) => Err(io::ErrorKind::Interrupted.into()),
    }
}
