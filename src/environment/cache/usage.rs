//! Who has an environment at this moment: the process that builds or removes it, which holds its lock, and
//! the runs that use it.

use std::fs;
use std::io;
use std::path::PathBuf;

use super::claim::{self, Claim, Owner, Standing};
use super::entry::Entry;
use crate::environment::EnvironmentError;
use crate::events::Progress;

/// What an attempt to take the lock gave.
pub(super) enum Attempt {
    /// The lock; it ends with the claim.
    Taken(Claim),
    Held(Owner),
}

/// Tries to take the lock. An abandoned one is broken, which is told.
pub(super) fn try_lock(
    entry: &Entry,
    project: &str,
    progress: &dyn Progress,
) -> Result<Attempt, EnvironmentError> {
    let path = lock_file(entry);
    let failed = |action| EnvironmentError::cache(action, path.clone());
    loop {
        // In the loop, since a removal may take the directory away.
        fs::create_dir_all(&entry.records).map_err(EnvironmentError::cache("make", &entry.records))?;
        match claim::standing(&path).map_err(failed("read"))? {
            Standing::Held(owner) => return Ok(Attempt::Held(owner)),
            Standing::Abandoned(owner) => {
                if claim::break_abandoned(&path, owner.as_ref()).map_err(failed("remove"))? {
                    let owner =
                        owner.map_or_else(|| "an unknown process".to_owned(), |owner| owner.to_string());
                    progress.warning(&format!(
                        "removed the stale lock of environment {} ({owner})",
                        entry.name
                    ));
                }
            }
            Standing::Free => match Claim::take(&path, Owner::this_process(project)) {
                Ok(Some(claim)) => return Ok(Attempt::Taken(claim)),
                Ok(None) => {}
                Err(error) if error.kind() == io::ErrorKind::NotFound => {}
                Err(error) => return Err(failed("write")(error)),
            },
        }
    }
}

/// Whether a process builds or removes the environment.
pub(super) fn is_locked(entry: &Entry) -> Result<bool, EnvironmentError> {
    let lock = lock_file(entry);
    let standing = claim::standing(&lock).map_err(EnvironmentError::cache("read", lock))?;
    Ok(matches!(standing, Standing::Held(_)))
}

fn lock_file(entry: &Entry) -> PathBuf {
    entry.records.join("lock")
}

/// Keeps an environment from being removed, for as long as this value lives.
#[derive(Debug, Default)]
pub(crate) struct Usage {
    claim: Option<Claim>,
}

impl Usage {
    /// Whether others can see it.
    pub(super) fn is_registered(&self) -> bool {
        self.claim.is_some()
    }
}

/// Registers that this process uses the environment. An environment that others made may stand where
/// this user cannot write; it is used all the same, and nobody keeps it.
pub(super) fn begin(entry: &Entry, project: &str) -> Usage {
    let owner = Owner::this_process(project);
    let path = users(entry).join(owner.file_name());
    let claim = match Claim::take(&path, owner.clone()) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => {
            fs::create_dir_all(users(entry)).and_then(|()| Claim::take(&path, owner))
        }
        taken => taken,
    };
    if let Err(error) = &claim {
        tracing::debug!(path = %path.display(), %error, "the use of an environment is not registered");
    }
    Usage {
        claim: claim.ok().flatten(),
    }
}

/// The processes that use the environment. What ended ones have left is removed.
pub(super) fn users_of(entry: &Entry) -> Result<Vec<Owner>, EnvironmentError> {
    let directory = users(entry);
    let failed = |action| EnvironmentError::cache(action, directory.clone());
    let entries = match fs::read_dir(&directory) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
        entries => entries.map_err(failed("read"))?,
    };
    let mut users = Vec::new();
    for file in entries {
        let file = file.map_err(failed("read"))?;
        if file.file_name().as_encoded_bytes().starts_with(b".") {
            continue;
        }
        match claim::standing(&file.path()).map_err(failed("read"))? {
            Standing::Free => {}
            Standing::Held(owner) => users.push(owner),
            // Each file has its own name, so that no other claim can be hit.
            Standing::Abandoned(_) => {
                let _ = fs::remove_file(file.path());
            }
        }
    }
    Ok(users)
}

/// Removes the place for uses of an environment that is gone. One that somebody uses stays.
pub(super) fn forget(entry: &Entry) {
    let _ = fs::remove_dir(users(entry));
}

fn users(entry: &Entry) -> PathBuf {
    entry.records.join("users")
}
