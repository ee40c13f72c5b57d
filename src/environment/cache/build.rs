//! Building an environment once.

use super::claim::Claim;
use super::entry::Entry;
use super::lock::{self, Attempt, Waiting};
use super::orphans::{self, BuildCalls};
use super::usage::{self, Usage};
use super::{Builder, Condition, mark, record};
use crate::environment::EnvironmentError;
use crate::events::Progress;
use crate::temporary::TemporaryDirectory;

/// Makes sure that the environment is there and whole, and registers its use: finds it, waits until
/// another process has built it, or builds it. What an interrupted build has left is removed first.
///
/// `project` tells other people whose build or use it is. When the future is dropped the build is
/// given up, and what it leaves stays marked as not whole.
///
/// # Errors
/// The build fails, or the cache cannot be written to. A failed build leaves nothing behind.
pub(in crate::environment) async fn build_once(
    entry: &Entry,
    project: &str,
    builder: &dyn Builder,
    progress: &dyn Progress,
) -> Result<Usage, EnvironmentError> {
    let mut usage = usage::begin(entry, project);
    let mut waiting = Waiting::new();
    loop {
        if is_whole(entry, builder).await? {
            record::note_use(entry, project);
            return Ok(usage);
        }
        match lock::try_take(entry, project, progress)? {
            Attempt::Held(owner) => waiting.pause(entry, owner, progress).await,
            Attempt::Taken(lock) => match build_locked(entry, project, builder, &lock, progress).await? {
                Built::Whole => {
                    // Here the use could perhaps not be registered before its directory was made.
                    if !usage.is_registered() {
                        usage = usage::begin(entry, project);
                    }
                    return Ok(usage);
                }
                Built::LockLost => progress.warning(&format!(
                    "another process took the build of the environment {} over",
                    entry.name
                )),
            },
        }
    }
}

/// Whether the environment can be used as it is.
pub(in crate::environment) async fn is_whole(
    entry: &Entry,
    builder: &dyn Builder,
) -> Result<bool, EnvironmentError> {
    Ok(!mark::is_set(entry)? && builder.condition().await? == Condition::Usable)
}

/// How a build ended that did not fail.
enum Built {
    /// The environment is there.
    Whole,
    /// Another process took this one for dead.
    LockLost,
}

async fn build_locked(
    entry: &Entry,
    project: &str,
    builder: &dyn Builder,
    lock: &Claim,
    progress: &dyn Progress,
) -> Result<Built, EnvironmentError> {
    // Whoever had the lock before may have just finished.
    let is_marked = mark::is_set(entry)?;
    let condition = builder.condition().await?;
    let leftovers = match condition {
        Condition::Usable if !is_marked => return Ok(Built::Whole),
        Condition::Absent => None,
        Condition::Broken(reason) if !is_marked => Some(reason),
        Condition::Usable | Condition::Broken(_) => Some("its build was interrupted".to_owned()),
    };
    mark::set(entry)?;
    // Goes after the programs of a build that is dropped.
    let temporary = TemporaryDirectory::create("mlrun-").map_err(EnvironmentError::temporary)?;
    let calls = BuildCalls {
        entry,
        temporary: temporary.path(),
    };
    let built = async {
        if is_marked {
            orphans::end(entry, progress).await;
        }
        if let Some(reason) = leftovers {
            progress.info(&format!(
                "Removing what there is of the environment {} to build it anew: {reason}",
                entry.name
            ));
            builder.remove(progress).await?;
        }
        builder.build(&calls, progress).await
    };
    let result = tokio::select! {
        biased;
        () = lock.lost() => return Ok(Built::LockLost),
        result = built => result,
    };
    if !lock.is_held() {
        return Ok(Built::LockLost);
    }
    match result {
        Ok(()) => {
            record::note_build(entry, project);
            mark::clear(entry)?;
            Ok(Built::Whole)
        }
        Err(error) => {
            // The build's own error says more; what stays is marked.
            if builder.remove(progress).await.is_ok() {
                mark::clear(entry)?;
            }
            Err(error)
        }
    }
}
