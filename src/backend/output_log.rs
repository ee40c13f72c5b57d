//! The entry point's output, shown and, if requested, kept in files: of a local program, or relayed from a service.

use std::fs::File;
use std::io::{self, Write as _};
use std::path::{Path, PathBuf};

use super::BackendError;
use crate::events::Progress;
use crate::process::{Copies, ProcessGroup, ProgramCall, Tee};

/// The files that keep the entry point's output.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct OutputLog {
    pub stdout: PathBuf,
    pub stderr: PathBuf,
    /// Both streams, if the backend does not separate them.
    pub both: PathBuf,
}

impl OutputLog {
    /// The files in this directory. Each is created when the first output arrives.
    pub(crate) fn in_directory(directory: &Path) -> Self {
        Self {
            stdout: directory.join("stdout.txt"),
            stderr: directory.join("stderr.txt"),
            both: directory.join("stdout-stderr.txt"),
        }
    }
}

/// The copies of the entry point's output, if any.
#[derive(Debug, Default)]
pub(super) struct TeedOutput(Option<Copies>);

impl TeedOutput {
    /// Starts a program; with a log, its output goes to the log files too.
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

    /// Waits until all of the program's output is copied.
    pub(super) async fn finish(&mut self, progress: &dyn Progress) {
        if let Some(copies) = self.0.take()
            && let Err(error) = copies.finish().await
        {
            progress.warning(&not_whole(&error));
        }
    }
}

/// Where the output of a service goes. Services do not separate the two streams.
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

    /// Relays output. A file that cannot be written is reported once and then dropped.
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

/// The warning about an incomplete output file.
pub(super) fn not_whole(error: &io::Error) -> String {
    format!("the entry point's logs are incomplete: cannot write a temporary file ({error})")
}
