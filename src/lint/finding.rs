//! One remark on an MLproject file.

use super::code::Code;
use crate::project::Location;

/// One remark.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Finding {
    /// What kind of remark it is.
    pub code: Code,
    /// What was found.
    pub message: String,
    /// Where; nowhere where a file as a whole is meant.
    pub location: Option<Location>,
    /// What to do about it.
    pub hint: Option<String>,
    /// The entry point that it is about; nothing where the project as a whole is meant.
    pub entry_point: Option<String>,
}

impl Finding {
    pub(super) fn new(code: Code, location: impl Into<Option<Location>>, message: impl Into<String>) -> Self {
        Self {
            code,
            message: message.into(),
            location: location.into(),
            hint: None,
            entry_point: None,
        }
    }

    pub(super) fn hint(mut self, hint: impl Into<String>) -> Self {
        self.hint = Some(hint.into());
        self
    }

    pub(super) fn of(mut self, entry_point: &str) -> Self {
        self.entry_point = Some(entry_point.to_owned());
        self
    }
}
