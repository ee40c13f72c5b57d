//! The conda environment file, as far as mlrun has to understand it.

use std::path::Path;

use crate::environment::EnvironmentError;
use crate::environment::culprit::Origins;
use crate::environment::environment_file::{
    EnvironmentFile, OtherFile, RequirementLine, read_text, unreadable_hint,
};
use crate::yaml::{Mapping, Node, Position, Value};

/// A conda environment file (`conda.yaml`, whatever its name) as text.
#[derive(Debug)]
pub(super) struct CondaFile {
    file: EnvironmentFile,
    pub(super) text: String,
}

#[derive(Debug, Clone, PartialEq)]
pub(super) enum Dependency {
    /// A package of conda, as it is written.
    Package(RequirementLine),
    /// What pip installs; nothing if the section is empty.
    Pip(Vec<RequirementLine>),
}

impl CondaFile {
    pub(super) fn read(path: &Path) -> Result<Self, EnvironmentError> {
        let text = read_text(path).map_err(|error| {
            let message = format!("cannot read the conda environment file {}", path.display());
            EnvironmentError::new(message, unreadable_hint(path, &error)).caused_by(error)
        })?;
        Ok(Self {
            file: EnvironmentFile::new(path, text.as_str(), "a conda environment file"),
            text,
        })
    }

    /// The dependencies in their order.
    pub(super) fn dependencies(&self) -> Result<Vec<Dependency>, EnvironmentError> {
        let root = self
            .parse()
            .map_err(|error| self.file.mistaken().unwrap_or(error))?;
        let Value::Map(mapping) = &root.value else {
            let wrong_kind = || self.wrong_kind("a conda environment file", "a mapping", &root);
            return Err(self.file.mistaken().unwrap_or_else(wrong_kind));
        };
        self.check_keys(mapping)?;
        let Some(node) = mapping.get("dependencies") else {
            return Ok(Vec::new());
        };
        let Some(items) = node.as_list() else {
            return Err(self.wrong_kind("'dependencies'", "a list", node));
        };
        items.iter().map(|item| self.dependency(item)).collect()
    }

    /// The lines that a program's message may be about; none if the file cannot be read as its user meant it.
    pub(super) fn origins(&self) -> Origins {
        let (mut of_pip, mut packages) = (Vec::new(), Vec::new());
        for dependency in self.dependencies().unwrap_or_default() {
            match dependency {
                Dependency::Package(package) => packages.push(package),
                Dependency::Pip(lines) => of_pip.extend(lines),
            }
        }
        Origins::new(of_pip, packages)
    }

    /// Whether conda itself can read the file. It also takes a requirements file of pip, whose lines it
    /// installs as its own packages.
    pub(super) fn check(&self) -> Result<(), EnvironmentError> {
        if OtherFile::of(self.file.path()) == Some(OtherFile::Requirements) {
            return self.check_requirements();
        }
        if let Some(mistaken) = self.file.mistaken() {
            return Err(mistaken);
        }
        match &self.parse()?.value {
            Value::Map(mapping) => self.check_keys(mapping),
            _ => Ok(()),
        }
    }

    /// The error for a file that is of another kind by its name or its keys, also if conda could make
    /// something of it.
    pub(super) fn mistaken(&self) -> Option<EnvironmentError> {
        self.file.mistaken().or_else(|| {
            let root = self.parse().ok()?;
            self.check_keys(root.as_mapping()?).err()
        })
    }

    /// Whether the lines are such as conda can take too.
    fn check_requirements(&self) -> Result<(), EnvironmentError> {
        let mut lines = self.text.lines().enumerate();
        let Some((index, line)) = lines.find(|(_, line)| line.trim_start().starts_with('-')) else {
            return Ok(());
        };
        let position = Position {
            line: index + 1,
            column: 1,
        };
        let problem = format!(
            "'{}' is a pip option, which conda does not understand",
            line.trim()
        );
        let hint = OtherFile::Requirements.hint(&self.file.name());
        Err(self.file.problem(position, &problem, hint))
    }

    /// Refuses the keys of a `python_env.yaml`, which conda would ignore.
    fn check_keys(&self, mapping: &Mapping) -> Result<(), EnvironmentError> {
        let of_python = mapping
            .iter()
            .find(|(key, _)| matches!(key.as_str(), Some("python" | "build_dependencies")));
        let Some((key, _)) = of_python else {
            return Ok(());
        };
        let name = key.as_str().unwrap_or_default();
        let problem =
            format!("'{name}' belongs to a Python environment file, not to a conda environment file");
        let hint = format!(
            "write `python_env: {}` instead of conda_env in MLproject",
            self.file.name()
        );
        Err(self.file.problem(key.start, &problem, hint))
    }

    fn parse(&self) -> Result<Node, EnvironmentError> {
        self.file.parse(self.text.as_bytes())
    }

    fn dependency(&self, node: &Node) -> Result<Dependency, EnvironmentError> {
        let pip = match &node.value {
            Value::Str(package) => {
                return Ok(Dependency::Package(self.file.requirement(node.start, package)));
            }
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
        let text = |requirement: &Node| match requirement.as_str() {
            Some(text) => Ok(self.file.requirement(requirement.start, text)),
            None => Err(self.wrong_kind("a requirement of pip", "text", requirement)),
        };
        Ok(Dependency::Pip(
            requirements.iter().map(text).collect::<Result<_, _>>()?,
        ))
    }

    fn wrong_kind(&self, part: &str, expected: &str, node: &Node) -> EnvironmentError {
        let found = if node.is_null() { "empty" } else { node.kind() };
        let problem = format!("{part} must be {expected}, but it is {found}");
        self.file.problem(node.start, &problem, "")
    }

    /// The error for a package that asks for a Python which no environment without conda can have.
    pub(super) fn wrong_python(&self, dependency: &RequirementLine, problem: &str) -> EnvironmentError {
        let problem = format!("the dependency '{}' {problem}", dependency.text.trim());
        let hint = "pin it, as in python=3.11, or let conda choose it with --env-manager conda";
        EnvironmentError::at(dependency.place.clone(), &problem, hint)
    }
}
