//! Runs that use an environment.

use std::io;
use std::path::PathBuf;

use super::claim::{self, Claim, Owner, Standing};
use super::entry::Entry;
use crate::environment::EnvironmentError;

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
            std::fs::create_dir_all(users(entry)).and_then(|()| Claim::take(&path, owner))
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
    let entries = match std::fs::read_dir(&directory) {
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
                let _ = std::fs::remove_file(file.path());
            }
        }
    }
    Ok(users)
}

/// Removes the place for uses of an environment that is gone. One that somebody uses stays.
pub(super) fn forget(entry: &Entry) {
    let _ = std::fs::remove_dir(users(entry));
}

fn users(entry: &Entry) -> PathBuf {
    entry.records().join("users")
}
