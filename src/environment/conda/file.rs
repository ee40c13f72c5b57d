//! The conda environment file, as far as mlrun has to understand it.

use std::path::Path;

use crate::environment::EnvironmentError;
use crate::environment::culprit::Origins;
use crate::environment::environment_file::{
    EnvironmentFile, FileProblemKind, FileProblems, OtherFile, RequirementLine, read_text, unreadable,
};
use crate::environment::python::check_requirement;
use crate::nearest::nearest;
use crate::yaml::{Mapping, Node, Position, Value};

const KIND: &str = "a conda environment file";
const KEYS: [&str; 5] = ["name", "channels", "dependencies", "prefix", "variables"];

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
        let text = read_text(path).map_err(|error| unreadable(path, "the conda environment file", error))?;
        Ok(Self {
            file: EnvironmentFile::new(path, text.as_str(), KIND),
            text,
        })
    }

    /// The dependencies in their order.
    ///
    /// # Errors
    /// The first problem that stops a run.
    pub(super) fn dependencies(&self) -> Result<Vec<Dependency>, EnvironmentError> {
        let mut problems = FileProblems::default();
        let dependencies = self.read_all(&mut problems);
        match problems.check_all() {
            Ok(()) => Ok(dependencies),
            Err(error) => Err(self.file.mistaken().unwrap_or(error)),
        }
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

    /// The problems that stop conda, or that it warns of. It also takes a requirements file of pip, whose lines it
    /// installs as its own packages.
    pub(super) fn problems(&self) -> FileProblems {
        let mut problems = FileProblems::default();
        if OtherFile::of(self.file.path()) == Some(OtherFile::Requirements) {
            self.check_requirements(&mut problems);
        } else if let Some(mistaken) = self.file.mistaken() {
            problems.invalid(mistaken);
        } else {
            self.read_all(&mut problems);
        }
        problems
    }

    /// The error for a file that is of another kind by its name or its keys, also if conda could make
    /// something of it.
    pub(super) fn mistaken(&self) -> Option<EnvironmentError> {
        self.file.mistaken().or_else(|| {
            let root = self.parse().ok()?;
            root.as_mapping()?
                .iter()
                .find_map(|(key, _)| self.key_of_python(key))
        })
    }

    /// Reads as much of the file as can be read, and adds everything that is wrong.
    fn read_all(&self, problems: &mut FileProblems) -> Vec<Dependency> {
        let root = match self.parse() {
            Ok(root) => root,
            Err(error) => {
                problems.invalid(error);
                return Vec::new();
            }
        };
        let Value::Map(mapping) = &root.value else {
            let error = self.wrong_kind(KIND, "a mapping", &root);
            problems.add(FileProblemKind::NotAMapping, error);
            return Vec::new();
        };
        self.check_keys(mapping, problems);
        let Some(node) = mapping.get("dependencies") else {
            return Vec::new();
        };
        let Some(items) = node.as_list() else {
            problems.invalid(self.wrong_kind("'dependencies'", "a list", node));
            return Vec::new();
        };
        let mut read = |item| match self.dependency(item, problems) {
            Ok(dependency) => Some(dependency),
            Err(error) => {
                problems.invalid(error);
                None
            }
        };
        items.iter().filter_map(&mut read).collect()
    }

    /// Finds a line that only pip understands.
    fn check_requirements(&self, problems: &mut FileProblems) {
        let mut lines = self.text.lines().enumerate();
        let Some((index, line)) = lines.find(|(_, line)| line.trim_start().starts_with('-')) else {
            return;
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
        problems.invalid(self.file.problem(position, &problem, hint));
    }

    /// Refuses the keys of a `python_env.yaml`, and finds those that conda ignores.
    fn check_keys(&self, mapping: &Mapping, problems: &mut FileProblems) {
        for (key, _) in mapping.iter() {
            let name = key.value.to_python_str();
            if let Some(error) = self.key_of_python(key) {
                problems.invalid(error);
            } else if !KEYS.contains(&name.as_str()) {
                let problem = format!("unknown key '{name}' in {KIND}; conda ignores it");
                let hint = match nearest(&name, KEYS) {
                    Some(near) => format!("did you mean '{near}'?"),
                    None => format!("the keys are {}", KEYS.join(", ")),
                };
                let error = self.file.problem(key.start, &problem, hint);
                problems.add(FileProblemKind::UnknownKey, error);
            }
        }
        self.file.note_repeated(mapping, problems);
    }

    /// The error for a key of a `python_env.yaml`, which conda would ignore.
    fn key_of_python(&self, key: &Node) -> Option<EnvironmentError> {
        let name = key
            .as_str()
            .filter(|name| matches!(*name, "python" | "build_dependencies"))?;
        let problem =
            format!("'{name}' belongs to a Python environment file, not to a conda environment file");
        let hint = format!(
            "write `python_env: {}` instead of conda_env in MLproject",
            self.file.name()
        );
        Some(self.file.problem(key.start, &problem, hint))
    }

    fn parse(&self) -> Result<Node, EnvironmentError> {
        self.file.parse(self.text.as_bytes())
    }

    fn dependency(&self, node: &Node, problems: &mut FileProblems) -> Result<Dependency, EnvironmentError> {
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
        let requirements: Vec<RequirementLine> = requirements.iter().map(text).collect::<Result<_, _>>()?;
        for line in &requirements {
            check_requirement(line, problems);
        }
        Ok(Dependency::Pip(requirements))
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
