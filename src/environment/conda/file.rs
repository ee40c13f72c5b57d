//! The conda environment file, as far as mlrun has to understand it.

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use super::error::{CondaError, FileProblem};
use crate::project::Location;
use crate::yaml::{self, Node, Position, Value};

/// A conda environment file (`conda.yaml`, whatever its name) as text.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct CondaFile {
    pub(super) path: PathBuf,
    /// The text as Python reads a text file: every line ends with `\n` alone.
    pub(super) text: String,
}

/// One of a file's dependencies.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Dependency {
    /// A package of conda, as it is written.
    Package(String),
    /// What pip installs; nothing where the section is empty.
    Pip(Vec<String>),
}

impl CondaFile {
    /// Reads the file.
    pub(super) fn read(path: &Path) -> Result<Self, CondaError> {
        let text = fs::read_to_string(path).map_err(|source| CondaError::Read {
            file: path.to_owned(),
            source,
        })?;
        Ok(Self {
            path: path.to_owned(),
            text: text.replace("\r\n", "\n").replace('\r', "\n"),
        })
    }

    /// The dependencies in their order, each with its place.
    ///
    /// # Errors
    /// The text is no YAML, or what stands there is nothing that a dependency can be.
    pub(super) fn dependencies(&self) -> Result<Vec<(Dependency, Location)>, CondaError> {
        let root = self.parse()?;
        let Value::Map(mapping) = &root.value else {
            return Err(self.wrong_kind("a conda environment file", "a mapping", &root));
        };
        let Some(node) = mapping.get("dependencies") else {
            return Ok(Vec::new());
        };
        let Some(items) = node.as_list() else {
            return Err(self.wrong_kind("'dependencies'", "a list", node));
        };
        items
            .iter()
            .map(|item| Ok((self.dependency(item)?, self.location(item.start))))
            .collect()
    }

    /// Whether the text is YAML at all.
    pub(super) fn check_syntax(&self) -> Result<(), CondaError> {
        self.parse().map(drop)
    }

    fn parse(&self) -> Result<Node, CondaError> {
        yaml::parse(self.text.as_bytes()).map_err(|error| CondaError::Yaml {
            place: match error.position {
                Some(position) => self.location(position).to_string(),
                None => self.path.display().to_string(),
            },
            error,
        })
    }

    fn dependency(&self, node: &Node) -> Result<Dependency, CondaError> {
        let pip = match &node.value {
            Value::Str(package) => return Ok(Dependency::Package(package.clone())),
            Value::Map(mapping) => mapping.get("pip"),
            _ => None,
        };
        let Some(pip) = pip else {
            return Err(self.wrong_kind("a dependency", "a package, or `pip:` with a list", node));
        };
        if pip.is_null() {
            return Ok(Dependency::Pip(Vec::new()));
        }
        let Some(requirements) = pip.as_list() else {
            return Err(self.wrong_kind("'pip'", "a list", pip));
        };
        requirements
            .iter()
            .map(|requirement| match requirement.as_str() {
                Some(text) => Ok(text.to_owned()),
                None => Err(self.wrong_kind("a requirement of pip", "text", requirement)),
            })
            .collect::<Result<_, _>>()
            .map(Dependency::Pip)
    }

    fn wrong_kind(&self, part: &'static str, expected: &'static str, node: &Node) -> CondaError {
        CondaError::File {
            problem: FileProblem::WrongKind {
                part,
                expected,
                found: if node.is_null() { "empty" } else { node.kind() },
            },
            location: self.location(node.start),
        }
    }

    fn location(&self, position: Position) -> Location {
        Location {
            file: Arc::from(self.path.as_path()),
            position,
        }
    }
}
