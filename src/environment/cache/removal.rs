//! Removing environments.

use std::fs;
use std::time::Duration;

use super::directory::remove_directory;
use super::entry::Entry;
use super::inventory::{self, CachedEnvironment, CachedState};
use super::lock::{self, Attempt};
use super::{record, usage};
use crate::environment::EnvironmentError;
use crate::events::Progress;

/// For whom the lock is held while an environment is removed.
const REMOVAL: &str = "the removal of environments";

/// Tells all about every environment.
pub(in crate::environment) async fn describe_all(
    entries: Vec<Entry>,
) -> Result<Vec<CachedEnvironment>, EnvironmentError> {
    let mut described = Vec::new();
    for entry in entries {
        described.push(inventory::describe(&entry).await?);
    }
    Ok(described)
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
        let is_old = inventory::unused_for(&entry) >= unused_for;
        if !is_old && !record::is_unfinished(&entry)? {
            continue;
        }
        let environment = inventory::describe(&entry).await?;
        match environment.state {
            CachedState::InUse | CachedState::Building => continue,
            CachedState::Ready | CachedState::Unfinished => {}
        }
        if !dry_run {
            match remove(&entry, progress).await {
                // A run came in between.
                Err(EnvironmentError::InUse { .. }) => continue,
                Err(error) => {
                    progress.warning(&format!("{} cannot be removed: {error}", entry.name));
                    continue;
                }
                Ok(()) => {}
            }
        }
        pruned.push(environment);
    }
    Ok(pruned)
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
    let lock = match lock::try_take(entry, REMOVAL, progress)? {
        Attempt::Held(owner) => return Err(in_use(format!("{owner} is building or removing it"))),
        Attempt::Taken(lock) => lock,
    };
    let was_marked = record::is_unfinished(entry)?;
    // First the mark, then the look: a run does it the other way round, so that one sees the other.
    record::mark_unfinished(entry)?;
    let users = usage::users_of(entry)?;
    if !users.is_empty() {
        if !was_marked {
            record::clear_mark(entry)?;
        }
        let users: Vec<String> = users.iter().map(ToString::to_string).collect();
        return Err(in_use(format!("used by {}", users.join(", "))));
    }
    remove_directory(&entry.directory).await?;
    let _ = fs::remove_file(record::path(entry.records()));
    record::clear_mark(entry)?;
    usage::forget(entry);
    drop(lock);
    // A run that begins in this moment keeps its directory.
    let _ = fs::remove_dir(entry.records());
    Ok(())
}
