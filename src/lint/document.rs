//! An MLproject file as it is written.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use crate::project::{Location, SourceFile, WrittenText, find_file};
use crate::yaml::{self, Mapping, Node, Position};

/// A YAML file with a mapping at the top.
pub(super) struct Document {
    directory: PathBuf,
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
    /// Reads the MLproject file of a directory; `None` if it is missing or not a mapping.
    pub(super) fn read(directory: &Path) -> Option<Self> {
        let file = find_file(directory).ok()?.file?;
        let text = std::fs::read(&file).ok()?;
        let root = yaml::parse(&text).ok()?;
        root.as_mapping()?;
        Some(Self {
            directory: directory.to_owned(),
            file: SourceFile::new(file, text),
            root,
        })
    }

    /// The project's directory.
    pub(super) fn directory(&self) -> &Path {
        &self.directory
    }

    /// The mapping at the top.
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

    /// The first place of a text in a scalar.
    pub(super) fn place_of(&self, node: &Node, text: &str) -> Location {
        self.written(node).place_of(text)
    }

    /// The text of a scalar, as the file spells it.
    pub(super) fn written(&self, node: &Node) -> WrittenText {
        self.file.text_of(node)
    }

    /// The position of a line's last character.
    pub(super) fn end_of_line(&self, number: usize) -> Location {
        let line = self.file.line(number).map_or("", |line| line.text().trim_end());
        self.file.at(Position {
            line: number,
            column: line.chars().count().max(1),
        })
    }
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
    /// The type, also if it is all that is declared.
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
