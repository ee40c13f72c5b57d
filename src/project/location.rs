//! Places in a project's files.

use std::fmt;
use std::path::{Path, PathBuf};
use std::sync::{Arc, OnceLock};

use crate::yaml::{self, Position};

/// A text file that places are in.
pub struct SourceFile {
    path: PathBuf,
    text: Vec<u8>,
    lines: OnceLock<Vec<SourceLine>>,
}

/// A line of a file, with where every 1024th of its characters begins: a whole file may be one line,
/// which must not be read from its beginning for every place in it.
#[derive(Debug)]
pub struct SourceLine {
    text: String,
    steps: Vec<usize>,
}

const STEP: usize = 1024;

/// A place in a project's file. Displays as `MLproject:9:14`, with the path as it was opened. Places are
/// equal if file, line and column are.
#[derive(Debug, Clone)]
pub struct Location {
    pub file: Arc<SourceFile>,
    pub position: Position,
}

/// A key of an MLproject file that is worth a remark.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct KeyPlace {
    /// The key with the keys that lead to it: `entry_points.main.parameters.alpha.defualt`.
    pub key: String,
    pub location: Location,
}

impl SourceFile {
    pub fn new(path: impl Into<PathBuf>, text: impl Into<Vec<u8>>) -> Arc<Self> {
        Arc::new(Self {
            path: path.into(),
            text: text.into(),
            lines: OnceLock::new(),
        })
    }

    /// Where the file is, as it was opened.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Its lines, as YAML counts them.
    pub fn lines(&self) -> &[SourceLine] {
        let read = || yaml::lines(&self.text).into_iter().map(SourceLine::new).collect();
        self.lines.get_or_init(read)
    }

    /// The line with this number, counted from 1.
    pub fn line(&self, number: usize) -> Option<&SourceLine> {
        self.lines().get(number.checked_sub(1)?)
    }

    pub fn at(self: &Arc<Self>, position: Position) -> Location {
        Location {
            file: Arc::clone(self),
            position,
        }
    }
}

impl SourceLine {
    fn new(text: String) -> Self {
        let characters = text.char_indices().step_by(STEP);
        Self {
            steps: characters.map(|(start, _)| start).collect(),
            text,
        }
    }

    /// The line without its end.
    pub fn text(&self) -> &str {
        &self.text
    }

    /// Where a column, counted from 1, begins in the text; the text's end for one behind it.
    pub fn byte_of(&self, column: usize) -> usize {
        let before = column.saturating_sub(1);
        let Some(step) = self.steps.get(before / STEP) else {
            return self.text.len();
        };
        let found = self.text[*step..].char_indices().nth(before % STEP);
        found.map_or(self.text.len(), |(start, _)| step + start)
    }
}

impl fmt::Debug for SourceFile {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(&self.path, f)
    }
}

impl PartialEq for Location {
    fn eq(&self, other: &Self) -> bool {
        self.position == other.position && self.file.path == other.file.path
    }
}

impl Eq for Location {}

impl fmt::Display for Location {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let file = self.file.path.strip_prefix(".").unwrap_or(&self.file.path);
        let Position { line, column } = self.position;
        write!(f, "{}:{line}:{column}", file.display())
    }
}
