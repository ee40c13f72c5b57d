//! Programs of a build that live on when the process that started them was killed.
//!
//! They would go on to write into the environment that is built in the same place. Each of them, and
//! all that they start, has a variable that tells what it builds; by it they are found on the machine
//! where they run, if that is a Linux.

use std::path::Path;
use std::time::Duration;

use rustix::process::{Pid, Signal, getpid, kill_process};

use super::entry::Entry;
use crate::env_vars::{MLRUN_BUILDS, TMPDIR};
use crate::events::Progress;
use crate::process::{ProgramCall, processes_with_variable};

/// How long killed programs may take to be gone, in steps of [`STEP`].
const STEPS: u32 = 1000;
const STEP: Duration = Duration::from_millis(10);

/// The calls of programs that build an environment.
#[derive(Debug, Clone, Copy)]
pub(in crate::environment) struct BuildCalls<'a> {
    pub(super) entry: &'a Entry,
    pub(super) temporary: &'a Path,
}

impl BuildCalls<'_> {
    /// The call with the mark of a program that builds this environment, and with the directory for its
    /// temporary files.
    pub(in crate::environment) fn prepare(&self, call: ProgramCall) -> ProgramCall {
        call.variable(MLRUN_BUILDS, &self.entry.directory)
            .variable(TMPDIR, self.temporary)
    }

    /// The directory for temporary files, which goes with the build: programs that are killed leave
    /// theirs behind.
    pub(in crate::environment) fn temporary(&self) -> &Path {
        self.temporary
    }
}

/// Kills what an earlier build of the environment has left running, and waits until it is gone.
pub(super) async fn end(entry: &Entry, progress: &dyn Progress) {
    let mut is_told = false;
    for _ in 0..STEPS {
        let orphans = find(entry);
        if orphans.is_empty() {
            return;
        }
        if !is_told {
            progress.info(&format!(
                "Ending {} of the interrupted build",
                match orphans.len() {
                    1 => "a program".to_owned(),
                    count => format!("{count} programs"),
                }
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

fn find(entry: &Entry) -> Vec<Pid> {
    let found = processes_with_variable(MLRUN_BUILDS, &entry.directory);
    let found = found.into_iter().filter_map(Pid::from_raw);
    found.filter(|pid| *pid != getpid()).collect()
}
