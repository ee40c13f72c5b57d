//! Building an environment once.

use std::fmt::Debug;
use std::path::Path;
use std::time::Duration;

use async_trait::async_trait;
use rustix::process::{Pid, Signal, getpid, kill_process};

use super::claim::Claim;
use super::entry::Entry;
use super::usage::{self, Attempt, Usage};
use crate::env_vars::{MLRUN_BUILDS, TMPDIR};
use crate::environment::EnvironmentError;
use crate::environment::build_output::{BuildOutput, What};
use crate::events::Progress;
use crate::process::{ProcessError, ProgramCall, processes_with_variable};
use crate::quantity;
use crate::temporary::TemporaryDirectory;

/// The pauses between looks at another process's lock grow from the first to the second of these.
const PAUSES: (Duration, Duration) = (Duration::from_millis(50), Duration::from_secs(1));
/// How long killed programs may take to be gone, in steps of [`STEP`].
const STEPS: u32 = 1000;
const STEP: Duration = Duration::from_millis(10);

/// What is there of an environment, as far as a look at the file system tells.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(in crate::environment) enum Condition {
    Absent,
    /// All that an environment must have to be entered.
    Usable,
    /// Something, but it cannot be used: this is why, as in "its Python is gone".
    Broken(String),
}

/// An environment of the cache, and how it is made, entered and removed. What changes it is called by one
/// process at a time.
#[async_trait]
pub(in crate::environment) trait Builder: Debug + Send + Sync {
    fn entry(&self) -> &Entry;

    /// Looks at what exists, without changing anything. It is called before every run: a few looks at
    /// files, and no program unless they leave it open.
    async fn condition(&self) -> Result<Condition, EnvironmentError>;

    /// Removes everything of the environment. It is not an error if there is nothing.
    async fn remove(&self) -> Result<(), EnvironmentError>;

    /// Builds the environment; its directory does not exist. What a failed build leaves behind is removed by
    /// [`build_once`]; a dropped one leaves it to the next run.
    async fn build(&self, calls: &BuildCalls<'_>) -> Result<(), EnvironmentError>;

    /// The shell commands that will enter the environment, whether it is there or not.
    fn planned_activation(&self) -> Vec<String>;

    /// The shell commands that enter the environment, which must be there.
    async fn activation(&self) -> Result<Vec<String>, EnvironmentError> {
        Ok(self.planned_activation())
    }
}

/// Makes sure that the environment is complete, and registers its use: finds it, waits until another process
/// has built it, or builds it. The remains of an interrupted build are removed first.
///
/// `project` tells other people whose build or use it is. If the future is dropped, the build stops, and what it
/// leaves stays marked as incomplete.
///
/// # Errors
/// The build fails, or the cache cannot be written to. A failed build leaves only its log behind.
pub(in crate::environment) async fn build_once(
    builder: &dyn Builder,
    project: &str,
    progress: &dyn Progress,
) -> Result<Usage, EnvironmentError> {
    let entry = builder.entry();
    let mut usage = usage::begin(entry, project);
    let mut is_told = false;
    let mut pause = PAUSES.0;
    loop {
        if is_whole(builder).await? {
            entry.note_use(project);
            return Ok(usage);
        }
        match usage::try_lock(entry, project, progress)? {
            Attempt::Held(owner) => {
                if !is_told {
                    progress.info(&format!(
                        "Waiting for another run to build environment {} ({owner})",
                        entry.name
                    ));
                    is_told = true;
                }
                tokio::time::sleep(pause).await;
                pause = (pause * 2).min(PAUSES.1);
            }
            Attempt::Taken(lock) => match build_locked(builder, project, &lock, progress).await? {
                Built::Whole => {
                    // Here the use could perhaps not be registered before its directory was made.
                    if !usage.is_registered() {
                        usage = usage::begin(entry, project);
                    }
                    return Ok(usage);
                }
                Built::LockLost => progress.warning(&format!(
                    "another run took over the build of environment {}",
                    entry.name
                )),
            },
        }
    }
}

/// Whether the environment can be used as it is.
pub(in crate::environment) async fn is_whole(builder: &dyn Builder) -> Result<bool, EnvironmentError> {
    Ok(!builder.entry().is_unfinished()? && builder.condition().await? == Condition::Usable)
}

/// How a build ended that did not fail.
enum Built {
    Whole,
    /// Another process took this one for dead.
    LockLost,
}

async fn build_locked(
    builder: &dyn Builder,
    project: &str,
    lock: &Claim,
    progress: &dyn Progress,
) -> Result<Built, EnvironmentError> {
    let entry = builder.entry();
    // Whoever had the lock before may have just finished.
    let is_marked = entry.is_unfinished()?;
    let condition = builder.condition().await?;
    let leftovers = match condition {
        Condition::Usable if !is_marked => return Ok(Built::Whole),
        Condition::Absent => None,
        Condition::Broken(reason) if !is_marked => Some(reason),
        Condition::Usable | Condition::Broken(_) => Some("its build was interrupted".to_owned()),
    };
    entry.mark_unfinished()?;
    // Goes after the programs of a build that is dropped.
    let temporary = TemporaryDirectory::create("mlrun-").map_err(EnvironmentError::temporary)?;
    let what = What::environment(entry.short_name(), &entry.directory);
    let output = BuildOutput::begin(what, Some(entry.log_file()), progress);
    let calls = BuildCalls {
        entry,
        temporary: temporary.path(),
        output: &output,
    };
    let built = async {
        if is_marked {
            end_orphans(entry, progress).await;
        }
        if let Some(reason) = leftovers {
            progress.info(&format!(
                "Removing environment {} to build it again: {reason}",
                entry.name
            ));
            builder.remove().await?;
        }
        builder.build(&calls).await
    };
    let result = tokio::select! {
        biased;
        () = lock.lost() => return Ok(Built::LockLost),
        result = built => result,
        never = output.redrawn() => match never {},
    };
    if !lock.is_held() {
        return Ok(Built::LockLost);
    }
    match result {
        Ok(()) => {
            entry.note_build(project);
            entry.clear_mark()?;
            output.finish();
            Ok(Built::Whole)
        }
        Err(error) => {
            // The build's own error says more; what stays is marked.
            if builder.remove().await.is_ok() {
                entry.clear_mark()?;
            }
            Err(output.explained(error))
        }
    }
}

/// How programs are called that build an environment.
#[derive(Clone, Copy)]
pub(in crate::environment) struct BuildCalls<'a> {
    entry: &'a Entry,
    /// The directory for temporary files, which goes with the build: programs that are killed leave
    /// theirs behind.
    pub(in crate::environment) temporary: &'a Path,
    pub(in crate::environment) output: &'a BuildOutput<'a>,
}

impl BuildCalls<'_> {
    /// Runs a program with the mark of one that builds this environment.
    pub(in crate::environment) async fn run(&self, call: ProgramCall) -> Result<(), ProcessError> {
        self.run_renamed(call, &str::to_owned).await
    }

    /// As [`run`](Self::run), with changes to the lines that the program writes.
    pub(in crate::environment) async fn run_renamed(
        &self,
        call: ProgramCall,
        renamed: &(dyn Fn(&str) -> String + Sync),
    ) -> Result<(), ProcessError> {
        let call = call
            .variable(MLRUN_BUILDS, &self.entry.directory)
            .variable(TMPDIR, self.temporary);
        self.output.run(&call, renamed).await
    }
}

/// Kills the programs that an earlier build of the environment has left running, and waits until they are
/// gone: they would go on to write into the environment that is built in the same place. Each of them, and all
/// that they start, has a variable that tells what it builds; by it they are found on the machine where they
/// run, if that is a Linux.
async fn end_orphans(entry: &Entry, progress: &dyn Progress) {
    let mut is_told = false;
    for _ in 0..STEPS {
        let orphans = find_orphans(entry);
        if orphans.is_empty() {
            return;
        }
        if !is_told {
            progress.info(&format!(
                "Stopping {} of the interrupted build",
                quantity::counted(orphans.len() as u64, "program")
            ));
            is_told = true;
        }
        for orphan in orphans {
            // Gone already is as good.
            let _ = kill_process(orphan, Signal::KILL);
        }
        tokio::time::sleep(STEP).await;
    }
}

fn find_orphans(entry: &Entry) -> Vec<Pid> {
    let found = processes_with_variable(MLRUN_BUILDS, &entry.directory);
    let found = found.into_iter().filter_map(Pid::from_raw);
    found.filter(|pid| *pid != getpid()).collect()
}
