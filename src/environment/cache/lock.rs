//! The lock of an environment: whoever holds it may build and remove.

use std::io;
use std::path::PathBuf;
use std::time::Duration;

use super::claim::{self, Claim, Owner, Standing};
use super::entry::Entry;
use crate::environment::EnvironmentError;
use crate::events::Progress;

/// The pauses between looks at another process's lock grow from the first to the second of these.
const PAUSES: (Duration, Duration) = (Duration::from_millis(50), Duration::from_secs(1));

/// What an attempt to take the lock gave.
pub(super) enum Attempt {
    /// The lock; it ends with the claim.
    Taken(Claim),
    /// Somebody else holds it.
    Held(Owner),
}

/// Tries to take the lock. An abandoned one is broken, which is told.
pub(super) fn try_take(
    entry: &Entry,
    project: &str,
    progress: &dyn Progress,
) -> Result<Attempt, EnvironmentError> {
    let path = path(entry);
    let failed = |action| EnvironmentError::cache(action, path.clone());
    loop {
        // In the loop, since a removal may take the directory away.
        std::fs::create_dir_all(entry.records()).map_err(EnvironmentError::cache("make", entry.records()))?;
        match claim::standing(&path).map_err(failed("read"))? {
            Standing::Held(owner) => return Ok(Attempt::Held(owner)),
            Standing::Abandoned(owner) => {
                if claim::break_abandoned(&path, owner.as_ref()).map_err(failed("remove"))? {
                    let owner =
                        owner.map_or_else(|| "an unknown process".to_owned(), |owner| owner.to_string());
                    progress.warning(&format!(
                        "the lock of the environment {} was left behind by {owner}; it is broken",
                        entry.name
                    ));
                }
            }
            Standing::Free => {
                let owner = Owner::this_process(project);
                match Claim::take(&path, owner) {
                    Ok(Some(claim)) => return Ok(Attempt::Taken(claim)),
                    Ok(None) => {}
                    Err(error) if error.kind() == io::ErrorKind::NotFound => {}
                    Err(error) => return Err(failed("write")(error)),
                }
            }
        }
    }
}

/// The lock's file.
pub(super) fn path(entry: &Entry) -> PathBuf {
    entry.records().join("lock")
}

/// Waits between looks at a lock that another process holds, and says once for whom.
#[derive(Debug)]
pub(super) struct Waiting {
    told: Option<Owner>,
    pause: Duration,
}

impl Waiting {
    pub(super) fn new() -> Self {
        Self {
            told: None,
            pause: PAUSES.0,
        }
    }

    /// Waits for a while.
    pub(super) async fn pause(&mut self, entry: &Entry, owner: Owner, progress: &dyn Progress) {
        if self.told.as_ref() != Some(&owner) {
            progress.info(&format!(
                "Waiting for {owner}, which builds the environment {}",
                entry.name
            ));
            self.told = Some(owner);
        }
        tokio::time::sleep(self.pause).await;
        self.pause = (self.pause * 2).min(PAUSES.1);
    }
}
