//! Places in an MLproject file.

use std::fmt;
use std::path::Path;
use std::sync::Arc;

use crate::yaml::Position;

/// A place in a project's file. Displays as `MLproject:9:14`, with the path as it was opened.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Location {
    /// The file.
    pub file: Arc<Path>,
    /// The line and column in it.
    pub position: Position,
}

impl fmt::Display for Location {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let file = self.file.strip_prefix(".").unwrap_or(&self.file);
        write!(
            f,
            "{}:{}:{}",
            file.display(),
            self.position.line,
            self.position.column
        )
    }
}

/// A key of an MLproject file that is worth a remark.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct KeyPlace {
    /// The key with the keys that lead to it: `entry_points.main.parameters.alpha.defualt`.
    pub key: String,
    /// Where it stands.
    pub location: Location,
}
