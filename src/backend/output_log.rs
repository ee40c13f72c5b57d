//! What an entry point writes, shown and kept in files where that is asked for: by a program of this machine, or
//! passed on by a service.

use std::fs::File;
use std::io::{self, Write as _};
use std::path::{Path, PathBuf};

use super::BackendError;
use crate::events::Progress;
use crate::process::{Copies, ProcessGroup, ProgramCall, Tee};

/// The files that keep what an entry point writes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct OutputLog {
    pub stdout: PathBuf,
    pub stderr: PathBuf,
    /// What it writes to either, where the backend does not tell them apart.
    pub both: PathBuf,
}

impl OutputLog {
    /// The files in this directory. Each exists once there is something to keep in it.
    pub(crate) fn in_directory(directory: &Path) -> Self {
        Self {
            stdout: directory.join("stdout.txt"),
            stderr: directory.join("stderr.txt"),
            both: directory.join("stdout-stderr.txt"),
        }
    }
}

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

/// Where the output goes that a service passes on. Services do not tell the two streams apart.
#[derive(Debug)]
pub(super) struct RelayedOutput {
    is_shown: bool,
    file: Option<File>,
}

impl RelayedOutput {
    /// Output that is only shown.
    pub(super) fn shown() -> Self {
        Self {
            is_shown: true,
            file: None,
        }
    }

    /// Output that is shown, kept, or both.
    pub(super) fn new(is_shown: bool, log: Option<&OutputLog>) -> Result<Self, BackendError> {
        let file = log.map(|log| File::create(&log.both)).transpose();
        Ok(Self {
            is_shown,
            file: file.map_err(|source| BackendError::Temporary { source })?,
        })
    }

    /// Whether it goes anywhere.
    pub(super) fn is_wanted(&self) -> bool {
        self.is_shown || self.file.is_some()
    }

    /// Whether it is kept in a file.
    pub(super) fn is_kept(&self) -> bool {
        self.file.is_some()
    }

    /// Passes on what has come. A file that cannot be written is told once and given up.
    pub(super) fn take(&mut self, bytes: &[u8], progress: &dyn Progress) {
        if self.is_shown {
            progress.output(bytes);
        }
        if let Some(file) = &mut self.file
            && let Err(error) = file.write_all(bytes)
        {
            self.file = None;
            progress.warning(&not_whole(&error));
        }
    }
}

/// The warning about a file that could not take all of the output.
pub(super) fn not_whole(error: &io::Error) -> String {
    format!("the logs of the entry point are not whole: a temporary file cannot be written ({error})")
}
