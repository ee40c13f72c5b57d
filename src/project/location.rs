//! Positions in a project's files.

use std::fmt;
use std::path::{Path, PathBuf};
use std::sync::{Arc, OnceLock};

use crate::yaml::{self, Node, Position};

/// A text file that errors and findings point into.
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

/// A position in a project's file. Displays as `MLproject:9:14`, with the path as it was opened.
#[derive(Debug, Clone)]
pub struct Location {
    pub file: Arc<SourceFile>,
    pub position: Position,
}

/// The text of a value, as the file spells it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct WrittenText {
    /// The position of its first character.
    pub start: Location,
    last_line: usize,
    /// The value's length in bytes, without quotes and escapes.
    length: usize,
}

/// A key of an MLproject file, for a warning.
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

    /// The path as it was opened.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// The lines, as YAML counts them.
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

    /// The text of a scalar.
    pub(crate) fn text_of(self: &Arc<Self>, node: &Node) -> WrittenText {
        WrittenText {
            start: self.at(node.start),
            last_line: node.written.last_line,
            length: node.text().len(),
        }
    }
}

impl WrittenText {
    /// The lines it is written on: number, the column it begins in, text.
    pub(crate) fn lines(&self) -> impl Iterator<Item = (usize, usize, &str)> {
        let Position { line: first, column } = self.start.position;
        (first..=self.last_line).filter_map(move |number| {
            let line = self.start.file.line(number)?;
            if number > first {
                return Some((number, 1, line.text()));
            }
            Some((number, column, &line.text()[line.byte_of(column)..]))
        })
    }

    /// The first place of a part of it; its beginning if escapes or folded lines hide the part.
    pub(crate) fn place_of(&self, part: &str) -> Location {
        let is_one_line = self.last_line == self.start.position.line;
        let found = self.lines().find_map(|(line, first_column, text)| {
            let end = if is_one_line {
                end_of_value(text, self.length)
            } else {
                text.len()
            };
            let before = &text[..text[..end].find(part)?];
            Some(Position {
                line,
                column: first_column + before.chars().count(),
            })
        });
        self.start.file.at(found.unwrap_or(self.start.position))
    }
}

/// The end of a value of this many bytes on its only line. In quotes a character takes ten bytes at most; what
/// follows belongs to other values.
fn end_of_value(line: &str, length: usize) -> usize {
    const LONGEST_ESCAPE: usize = "\\U0001F600".len();
    const LONGEST_ANCHOR: usize = 256;
    line.floor_char_boundary(length.saturating_mul(LONGEST_ESCAPE) + LONGEST_ANCHOR)
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

    /// The byte at which a column, counted from 1, begins; the text's end for a column behind it.
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
