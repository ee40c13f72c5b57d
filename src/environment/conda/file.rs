//! The conda environment file, as far as mlrun has to understand it.

use std::path::Path;
use std::sync::Arc;

use super::error::{CondaError, FileProblem};
use crate::environment::{OtherFile, text};
use crate::project::{Location, SourceFile};
use crate::yaml::{self, Mapping, Node, Position, Value};

/// A conda environment file (`conda.yaml`, whatever its name) as text.
#[derive(Debug)]
pub(super) struct CondaFile {
    source: Arc<SourceFile>,
    /// The text as Python reads a text file: every line ends with `\n` alone.
    pub(super) text: String,
}

const BEGINNING: Position = Position { line: 1, column: 1 };

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
        let text = text::read(path).map_err(|source| CondaError::Read {
            file: path.to_owned(),
            source,
        })?;
        let text = text.replace("\r\n", "\n").replace('\r', "\n");
        Ok(Self {
            source: SourceFile::new(path, text.as_str()),
            text,
        })
    }

    /// The dependencies in their order, each with its place.
    ///
    /// # Errors
    /// The text is no YAML, or what stands there is nothing that a dependency can be.
    pub(super) fn dependencies(&self) -> Result<Vec<(Dependency, Location)>, CondaError> {
        let root = self
            .parse()
            .map_err(|error| self.of_another_kind().unwrap_or(error))?;
        let Value::Map(mapping) = &root.value else {
            let wrong_kind = || self.wrong_kind("a conda environment file", "a mapping", &root);
            return Err(self.of_another_kind().unwrap_or_else(wrong_kind));
        };
        self.check_keys(mapping)?;
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

    /// Whether conda itself can read the file. It also takes a requirements file of pip, whose lines it
    /// installs as its own packages.
    ///
    /// # Errors
    /// The text is no YAML, or the file is of another kind.
    pub(super) fn check(&self) -> Result<(), CondaError> {
        match OtherFile::of(self.source.path()) {
            Some(OtherFile::Requirements) => self.check_requirements(),
            Some(kind) => Err(self.other(kind)),
            None => match &self.parse()?.value {
                Value::Map(mapping) => self.check_keys(mapping),
                _ => Ok(()),
            },
        }
    }

    /// The error for a file that is of another kind by its name or its keys, also where conda could make
    /// something of it.
    pub(super) fn mistaken(&self) -> Option<CondaError> {
        self.of_another_kind().or_else(|| {
            let root = self.parse().ok()?;
            self.check_keys(root.as_mapping()?).err()
        })
    }

    /// Whether the lines are such as conda can take too.
    fn check_requirements(&self) -> Result<(), CondaError> {
        let option = self
            .text
            .lines()
            .enumerate()
            .find(|(_, line)| line.trim_start().starts_with('-'));
        match option {
            None => Ok(()),
            Some((index, line)) => Err(CondaError::File {
                problem: FileProblem::OptionOfPip {
                    line: line.trim().to_owned(),
                    file: self.name(),
                },
                location: self.location(Position {
                    line: index + 1,
                    column: 1,
                }),
            }),
        }
    }

    /// Refuses the keys of a `python_env.yaml`, which conda would ignore.
    fn check_keys(&self, mapping: &Mapping) -> Result<(), CondaError> {
        let of_python = mapping.iter().find_map(|(key, _)| {
            let name = key.as_str()?;
            ["python", "build_dependencies"]
                .contains(&name)
                .then_some((key, name))
        });
        match of_python {
            None => Ok(()),
            Some((key, name)) => Err(CondaError::File {
                problem: FileProblem::OfPythonEnv {
                    key: name.to_owned(),
                    file: self.name(),
                },
                location: self.location(key.start),
            }),
        }
    }

    /// The error for a file that is something else by its name.
    fn of_another_kind(&self) -> Option<CondaError> {
        OtherFile::of(self.source.path()).map(|kind| self.other(kind))
    }

    fn other(&self, kind: OtherFile) -> CondaError {
        CondaError::File {
            problem: FileProblem::Other {
                kind,
                file: self.name(),
            },
            location: self.location(BEGINNING),
        }
    }

    fn name(&self) -> String {
        let name = self.source.path().file_name().unwrap_or_default();
        name.to_string_lossy().into_owned()
    }

    fn parse(&self) -> Result<Node, CondaError> {
        yaml::parse(self.text.as_bytes()).map_err(|error| CondaError::Yaml {
            location: self.location(error.position.unwrap_or(BEGINNING)),
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
        self.source.at(position)
    }
}
