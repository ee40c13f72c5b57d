//! What an entry point writes elsewhere: shown here, and kept in a file where that is asked for.

use std::fs::File;
use std::io::Write as _;

use super::output_log::not_whole;
use super::{BackendError, OutputLog};
use crate::events::Progress;

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
    ///
    /// # Errors
    /// The file cannot be made.
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
