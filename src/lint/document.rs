//! An MLproject file as it is written, read as far as it can be.

use std::path::Path;
use std::sync::Arc;

use crate::project::{Location, SourceFile, find_file};
use crate::yaml::{self, Mapping, Node, Position};

/// A file that is YAML with a mapping at the top.
pub(super) struct Document {
    file: Arc<SourceFile>,
    root: Node,
}

/// An entry point that is a mapping.
pub(super) struct DeclaredEntryPoint<'d> {
    pub(super) name: String,
    pub(super) mapping: &'d Mapping,
}

/// A parameter, whatever its value is.
pub(super) struct DeclaredParameter<'d> {
    pub(super) entry_point: Arc<str>,
    pub(super) name: String,
    pub(super) key: &'d Node,
    pub(super) node: &'d Node,
}

impl Document {
    /// Reads the file of the project in a directory; `None` where there is none that can be looked at.
    pub(super) fn read(directory: &Path) -> Option<Self> {
        let file = find_file(directory).ok()?.file?;
        let text = std::fs::read(&file).ok()?;
        let root = yaml::parse(&text).ok()?;
        root.as_mapping()?;
        Some(Self {
            file: SourceFile::new(file, text),
            root,
        })
    }

    /// What stands at the top.
    pub(super) fn top(&self) -> &Mapping {
        self.root.as_mapping().expect("it was one when the file was read")
    }

    /// The mapping under a key at the top.
    pub(super) fn section(&self, key: &str) -> Option<&Mapping> {
        self.top().get(key)?.as_mapping()
    }

    /// The names and values of the variables that `docker_env` sets.
    pub(super) fn docker_variables(&self) -> Vec<(&Node, &Node)> {
        let docker = self.section("docker_env");
        let items = docker.and_then(|docker| docker.get("environment")?.as_list());
        let pairs = items.unwrap_or_default().iter();
        pairs
            .filter_map(|pair| match pair.as_list()? {
                [name, value] => Some((name, value)),
                _ => None,
            })
            .collect()
    }

    pub(super) fn entry_points(&self) -> Vec<DeclaredEntryPoint<'_>> {
        let declared = self.section("entry_points").into_iter().flat_map(Mapping::iter);
        declared
            .filter_map(|(key, node)| {
                Some(DeclaredEntryPoint {
                    name: key.value.to_python_str(),
                    mapping: node.as_mapping()?,
                })
            })
            .collect()
    }

    /// Every parameter of every entry point.
    pub(super) fn parameters(&self) -> Vec<DeclaredParameter<'_>> {
        let entry_points = self.entry_points();
        entry_points
            .iter()
            .flat_map(DeclaredEntryPoint::parameters)
            .collect()
    }

    pub(super) fn location(&self, node: &Node) -> Location {
        self.file.at(node.start)
    }

    /// Where a text first stands in what is written for a node; the node's beginning where it was
    /// escaped or folded.
    pub(super) fn place_of(&self, node: &Node, text: &str) -> Location {
        let is_one_line = node.written.last_line == node.start.line;
        let found = self.lines_of(node).find_map(|(number, first_column, line)| {
            let end = if is_one_line {
                end_of_value(line, node.text().len())
            } else {
                line.len()
            };
            let before = &line[..line[..end].find(text)?];
            Some(Position {
                line: number,
                column: first_column + before.chars().count(),
            })
        });
        self.file.at(found.unwrap_or(node.start))
    }

    /// Where the last character of a line is.
    pub(super) fn end_of_line(&self, number: usize) -> Location {
        let line = self.file.line(number).map_or("", |line| line.text().trim_end());
        self.file.at(Position {
            line: number,
            column: line.chars().count().max(1),
        })
    }

    /// The lines that a single value is written on: number, the column that the text begins in, text.
    pub(super) fn lines_of(&self, node: &Node) -> impl Iterator<Item = (usize, usize, &str)> {
        let Position { line: first, column } = node.start;
        (first..=node.written.last_line).filter_map(move |number| {
            let line = self.file.line(number)?;
            if number > first {
                return Some((number, 1, line.text()));
            }
            Some((number, column, &line.text()[line.byte_of(column)..]))
        })
    }
}

/// How much of a line can be the text of a value that is so many bytes long: in quotes a character takes ten at
/// most, and what follows on the line is of others.
fn end_of_value(line: &str, length: usize) -> usize {
    const LONGEST_ESCAPE: usize = "\\U0001F600".len();
    const LONGEST_ANCHOR: usize = 256;
    line.floor_char_boundary(length.saturating_mul(LONGEST_ESCAPE) + LONGEST_ANCHOR)
}

impl<'d> DeclaredEntryPoint<'d> {
    pub(super) fn command(&self) -> Option<(&'d Node, &'d str)> {
        let node = self.mapping.get("command")?;
        Some((node, node.as_str()?))
    }

    pub(super) fn parameters(&self) -> Vec<DeclaredParameter<'d>> {
        let entry_point: Arc<str> = Arc::from(self.name.as_str());
        let declared = self.mapping.get("parameters").and_then(Node::as_mapping);
        let declared = declared.into_iter().flat_map(Mapping::iter);
        declared
            .map(|(key, node)| DeclaredParameter {
                entry_point: Arc::clone(&entry_point),
                name: key.value.to_python_str(),
                key,
                node,
            })
            .collect()
    }
}

impl<'d> DeclaredParameter<'d> {
    /// The type, also where it is all that is declared.
    pub(super) fn type_node(&self) -> Option<&'d Node> {
        match self.node.as_mapping() {
            Some(mapping) => mapping.get("type"),
            None => Some(self.node).filter(|node| node.as_str().is_some()),
        }
    }

    pub(super) fn default(&self) -> Option<&'d Node> {
        self.node.as_mapping()?.get("default")
    }
}
