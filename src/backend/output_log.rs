//! What an entry point on this machine writes: shown, and kept in files where that is asked for.

use std::fs::File;
use std::io;

use super::{BackendError, OutputLog};
use crate::events::Progress;
use crate::process::{Copies, ProcessGroup, ProgramCall, Tee};

/// The copies that are made of what an entry point writes, if any are.
#[derive(Debug, Default)]
pub(super) struct TeedOutput(Option<Copies>);

impl TeedOutput {
    /// Starts a program; what it writes goes into the files too, where there are some.
    pub(super) fn spawn(
        call: &ProgramCall,
        log: Option<&OutputLog>,
    ) -> Result<(ProcessGroup, Self), BackendError> {
        let Some(log) = log else {
            return Ok((call.spawn_group()?, Self::default()));
        };
        let create = |path| File::create(path).map_err(|source| BackendError::Temporary { source });
        let tee = Tee {
            stdout: create(&log.stdout)?,
            stderr: create(&log.stderr)?,
        };
        let (group, copies) = call.spawn_group_teed(tee)?;
        Ok((group, Self(Some(copies))))
    }

    /// Waits until all that the program wrote is copied.
    pub(super) async fn finish(&mut self, progress: &dyn Progress) {
        if let Some(copies) = self.0.take()
            && let Err(error) = copies.finish().await
        {
            progress.warning(&not_whole(&error));
        }
    }
}

/// The warning about a file that could not take all of the output.
pub(super) fn not_whole(error: &io::Error) -> String {
    format!("the logs of the entry point are not whole: a temporary file cannot be written ({error})")
}
