//! Shared by the readers of an MLproject file's sections: known keys, positions, warnings, names.

use std::collections::HashMap;
use std::sync::Arc;

use num_bigint::BigInt;

use super::error::{Part, ProjectError, ProjectProblem};
use super::location::{KeyPlace, Location, SourceFile, WrittenText};
use crate::yaml::{Mapping, Node, Value};

/// The keys that MLflow knows in an MLproject file.
pub(crate) mod keys {
    /// Keys at the top of the file.
    pub(crate) const PROJECT: &[&str] = &[
        "name",
        "entry_points",
        "docker_env",
        "python_env",
        "conda_env",
        "databricks_spark_job",
    ];
    /// Keys of an entry point.
    pub(crate) const ENTRY_POINT: &[&str] = &["parameters", "command"];
    /// Keys of a parameter. MLflow ignores `description`, but people write it.
    pub(crate) const PARAMETER: &[&str] = &["type", "default", "description"];
    /// Keys of `docker_env`.
    pub(crate) const DOCKER_ENV: &[&str] = &["image", "volumes", "environment"];
    /// Keys of `databricks_spark_job`.
    pub(crate) const SPARK_JOB: &[&str] = &["python_file", "parameters", "python_libraries"];
    /// The types that MLflow knows.
    pub(crate) const TYPES: &[&str] = &["string", "float", "path", "uri"];
}

/// Knows the file, and collects its unknown and repeated keys.
#[derive(Debug)]
pub(super) struct Reader {
    file: Arc<SourceFile>,
    pub(super) unknown_keys: Vec<KeyPlace>,
    pub(super) repeated_keys: Vec<KeyPlace>,
}

impl Reader {
    pub(super) fn new(file: Arc<SourceFile>) -> Self {
        Self {
            file,
            unknown_keys: Vec::new(),
            repeated_keys: Vec::new(),
        }
    }

    pub(super) fn location(&self, node: &Node) -> Location {
        self.file.at(node.start)
    }

    pub(super) fn text_of(&self, node: &Node) -> WrittenText {
        self.file.text_of(node)
    }

    pub(super) fn wrong_kind(&self, part: Part, expected: &'static str, node: &Node) -> ProjectError {
        let problem = ProjectProblem::WrongKind {
            part,
            expected,
            found: if node.is_null() { "empty" } else { node.kind() },
        };
        self.error(node, problem)
    }

    pub(super) fn error(&self, node: &Node, problem: ProjectProblem) -> ProjectError {
        ProjectError::at(self.location(node), problem)
    }

    /// Remembers the keys that MLflow does not know, and repeated ones. `section` is the path to the mapping,
    /// separated by dots.
    pub(super) fn note_keys(&mut self, section: &str, mapping: &Mapping, known: &[&str]) {
        for (key, _) in mapping.iter() {
            if !key.as_str().is_some_and(|key| known.contains(&key)) {
                let place = self.place(section, key);
                self.unknown_keys.push(place);
            }
        }
        self.note_repeated(section, mapping);
    }

    /// The entries of a mapping whose keys the project chooses. Names are the keys as Python's `str()` prints them.
    ///
    /// # Errors
    /// Two keys that are written differently have the same name.
    pub(super) fn named<'m>(
        &mut self,
        section: &str,
        part: Part,
        mapping: &'m Mapping,
    ) -> Result<Vec<(String, &'m Node, &'m Node)>, ProjectError> {
        for (first, again) in mapping.repeated_keys() {
            if first.value != again.value {
                return Err(self.collision(part, first, again));
            }
        }
        let mut entries: Vec<(String, &Node, &Node)> = Vec::with_capacity(mapping.len());
        let mut first_keys: HashMap<String, &Node> = HashMap::with_capacity(mapping.len());
        for (key, value) in mapping.iter() {
            let name = key.value.to_python_str();
            if let Some(first) = first_keys.insert(name.clone(), key) {
                return Err(self.collision(part, first, key));
            }
            entries.push((name, key, value));
        }
        self.note_repeated(section, mapping);
        Ok(entries)
    }

    fn note_repeated(&mut self, section: &str, mapping: &Mapping) {
        for (_, again) in mapping.repeated_keys() {
            let place = self.place(section, again);
            self.repeated_keys.push(place);
        }
    }

    fn place(&self, section: &str, key: &Node) -> KeyPlace {
        let name = key.value.to_python_str();
        KeyPlace {
            key: match section {
                "" => name,
                _ => format!("{section}.{name}"),
            },
            location: self.location(key),
        }
    }

    fn collision(&self, part: Part, first: &Node, second: &Node) -> ProjectError {
        let problem = ProjectProblem::NameCollision {
            part,
            first: first.value.to_python_str(),
            first_line: first.start.line,
            second: second.value.to_python_str(),
        };
        self.error(second, problem)
    }
}

/// Whether Python takes the value for false. MLflow ignores such values.
pub(super) fn is_falsy(value: &Value) -> bool {
    match value {
        Value::Null | Value::Bool(false) => true,
        Value::Int(number) => *number == BigInt::ZERO,
        Value::Float(number) => *number == 0.0,
        Value::Str(text) => text.is_empty(),
        Value::Bytes(bytes) => bytes.is_empty(),
        Value::List(items) | Value::Set(items) => items.is_empty(),
        Value::Pairs(pairs) => pairs.is_empty(),
        Value::Map(mapping) => mapping.is_empty(),
        Value::Bool(true) | Value::Timestamp(_) => false,
    }
}
