//! `python_env.yaml`: the Python, and the packages for it.

use std::path::Path;

use super::requirement_line;
use super::version::PythonRequest;
use crate::environment::EnvironmentError;
use crate::environment::environment_file::{
    EnvironmentFile, FileProblems, RequirementLine, check_mark, unreadable,
};
use crate::nearest::nearest;
use crate::yaml::{Mapping, Node, Value};

const KIND: &str = "a Python environment file";
const KEYS: [&str; 3] = ["python", "build_dependencies", "dependencies"];
/// Keys that only conda's files have.
const KEYS_OF_CONDA: [&str; 4] = ["name", "channels", "prefix", "variables"];

/// A Python environment as a file describes it.
///
/// Source: MLflow's `python_env.yaml`, as `mlflow.utils.environment._PythonEnv` of MLflow 3 reads it.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(in crate::environment) struct PythonEnv {
    /// The version of Python; nothing if any will do.
    pub(in crate::environment) python: Option<String>,
    /// What is installed first.
    pub(in crate::environment) build_dependencies: Vec<RequirementLine>,
    /// What is installed then.
    pub(in crate::environment) dependencies: Vec<RequirementLine>,
}

impl PythonEnv {
    /// Reads a `python_env.yaml`, whatever its name.
    ///
    /// # Errors
    /// The first problem that stops a run.
    pub(in crate::environment) fn read(file: &Path) -> Result<Self, EnvironmentError> {
        let mut problems = FileProblems::default();
        let python_env = Self::read_all(file, &mut problems);
        problems.check().map(|()| python_env)
    }

    /// Reads as much of the file as can be read, and adds everything that is wrong.
    pub(in crate::environment) fn read_all(file: &Path, problems: &mut FileProblems) -> Self {
        let text = match std::fs::read(file).and_then(|text| check_mark(&text).map(|()| text)) {
            Ok(text) => text,
            Err(error) => {
                problems.invalid(unreadable(file, "the Python environment file", error));
                return Self::default();
            }
        };
        let mut reader = Reader::new(EnvironmentFile::new(file, text.as_slice(), KIND));
        let python_env = reader.read(&text);
        if !reader.problems.stop_no_run()
            && let Some(mistaken) = reader.file.mistaken()
        {
            // The name tells best what the file is.
            problems.invalid(mistaken);
            return Self::default();
        }
        problems.append(reader.problems);
        python_env
    }

    /// The text that the name of the environment is made of: Python's `str()` of the description.
    pub(super) fn python_str(&self, version: &str) -> String {
        let list = |lines: &[RequirementLine]| {
            let items: Vec<String> = lines.iter().map(|line| python_repr(&line.text)).collect();
            format!("[{}]", items.join(", "))
        };
        format!(
            "{{'python': {}, 'build_dependencies': {}, 'dependencies': {}}}",
            python_repr(version),
            list(&self.build_dependencies),
            list(&self.dependencies)
        )
    }
}

/// Text as Python's `repr()` prints it.
pub(super) fn python_repr(text: &str) -> String {
    Value::Str(text.to_owned()).to_python_repr()
}

struct Reader {
    file: EnvironmentFile,
    problems: FileProblems,
    /// Whether conda's format was found; it is reported once.
    is_of_conda: bool,
}

impl Reader {
    fn new(file: EnvironmentFile) -> Self {
        Self {
            file,
            problems: FileProblems::default(),
            is_of_conda: false,
        }
    }

    fn read(&mut self, text: &[u8]) -> PythonEnv {
        let document = match self.file.parse(text) {
            Ok(document) => document,
            Err(error) => {
                self.problems.invalid(error);
                return PythonEnv::default();
            }
        };
        match &document.value {
            Value::Map(mapping) => self.mapping(mapping),
            other => {
                let found = if other.is_null() { "empty" } else { other.kind() };
                let problem =
                    format!("{KIND} must be a mapping with 'python' and 'dependencies', not {found}");
                self.invalid(&document, &problem, "");
                PythonEnv::default()
            }
        }
    }

    fn mapping(&mut self, mapping: &Mapping) -> PythonEnv {
        let mut python_env = PythonEnv::default();
        for (key, value) in mapping.iter() {
            match key.as_str() {
                Some("python") => python_env.python = self.version(value),
                Some("build_dependencies") => {
                    python_env.build_dependencies = self.lines("build_dependencies", value);
                }
                Some("dependencies") => python_env.dependencies = self.lines("dependencies", value),
                Some(name) if KEYS_OF_CONDA.contains(&name) => self.of_conda(key, name),
                _ => self.unknown_key(key),
            }
        }
        self.file.note_repeated(mapping, &mut self.problems);
        python_env
    }

    fn unknown_key(&mut self, key: &Node) {
        let name = key.value.to_python_str();
        let hint = match nearest(&name, KEYS) {
            Some(near) => format!("did you mean '{near}'?"),
            None => format!("the keys are {}", KEYS.join(", ")),
        };
        self.invalid(key, &format!("unknown key '{name}' in {KIND}"), hint);
    }

    fn version(&mut self, node: &Node) -> Option<String> {
        let (problem, hint) = match &node.value {
            Value::Null => return None,
            Value::Str(version) if version.is_empty() => return None,
            Value::Str(version) if PythonRequest::parse(version).is_some() => {
                return Some(version.clone());
            }
            Value::Str(version) => (
                format!("'{version}' is not a valid Python version"),
                "write a version such as python: \"3.11\", or a range such as python: \">=3.9,<3.12\""
                    .to_owned(),
            ),
            other => match other.kind() {
                // `3.10` is the number 3.1.
                "a number" if node.text() != other.to_python_str() => (
                    format!(
                        "'python' must be text, not a number: YAML reads {} as {}",
                        node.text(),
                        other.to_python_str()
                    ),
                    quote_version(node),
                ),
                "a number" => (
                    "'python' must be text, not a number".to_owned(),
                    quote_version(node),
                ),
                kind => (format!("'python' must be text, not {kind}"), String::new()),
            },
        };
        self.invalid(node, &problem, hint);
        None
    }

    fn lines(&mut self, key: &str, node: &Node) -> Vec<RequirementLine> {
        match &node.value {
            Value::Null => Vec::new(),
            Value::List(items) => items.iter().filter_map(|item| self.line(key, item)).collect(),
            other => {
                let problem = format!("'{key}' must be a list of texts, not {}", other.kind());
                let hint = match other {
                    Value::Str(line) => format!("write `{key}: [{line}]`"),
                    _ => String::new(),
                };
                self.invalid(node, &problem, hint);
                Vec::new()
            }
        }
    }

    fn line(&mut self, key: &str, item: &Node) -> Option<RequirementLine> {
        match &item.value {
            Value::Str(line) if is_of_conda(line) => self.of_conda(item, line),
            Value::Str(text) => {
                let line = self.file.requirement(item.start, text);
                requirement_line::check(&line, &mut self.problems);
                return Some(line);
            }
            Value::Map(mapping) if mapping.get("pip").is_some() => self.of_conda(item, "pip:"),
            other => {
                let problem = format!(
                    "each item of '{key}' must be text as in a requirements file, not {}",
                    other.kind()
                );
                let hint = match other {
                    Value::Map(_) => format!(
                        "write {key} as in a requirements file, such as '- numpy>=2' or '- -r requirements.txt'"
                    ),
                    _ => String::new(),
                };
                self.invalid(item, &problem, hint);
            }
        }
        None
    }

    /// Adds the error for something that only conda's files have.
    fn of_conda(&mut self, node: &Node, sign: &str) {
        if std::mem::replace(&mut self.is_of_conda, true) {
            return;
        }
        let problem =
            format!("'{sign}' belongs to a conda environment file, not to a Python environment file");
        let hint = format!(
            "write `conda_env: {}` in MLproject (to run it without conda, pass --env-manager uv), or list the \
             packages as in a requirements file",
            self.file.name()
        );
        self.invalid(node, &problem, hint);
    }

    fn invalid(&mut self, node: &Node, problem: &str, hint: impl Into<String>) {
        self.problems
            .invalid(self.file.problem(node.start, problem, hint));
    }
}

fn quote_version(node: &Node) -> String {
    format!("quote the version: python: \"{}\"", node.text())
}

/// Whether a line has the one `=` of conda, which pip refuses: `numpy=1.26`.
fn is_of_conda(line: &str) -> bool {
    let is_in_name = |character: char| character.is_ascii_alphanumeric() || "._-".contains(character);
    let after_name = line.trim_start().trim_start_matches(is_in_name).trim_start();
    let starts_with_name = line
        .trim_start()
        .starts_with(|first: char| first.is_ascii_alphanumeric());
    let is_single = after_name
        .strip_prefix('=')
        .is_some_and(|rest| !rest.starts_with(['=', '<', '>']));
    starts_with_name && is_single
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str) -> Result<PythonEnv, String> {
        let mut reader = Reader::new(EnvironmentFile::new(Path::new("python_env.yaml"), text, ""));
        let python_env = reader.read(text.as_bytes());
        let checked = reader.problems.check().map(|()| python_env);
        checked.map_err(|error| error.to_string())
    }

    #[test]
    fn descriptions_print_as_in_python() {
        for (text, expected) in [
            (
                "python: '3.11'",
                "{'python': '3.11', 'build_dependencies': [], 'dependencies': []}",
            ),
            (
                "dependencies: [\"it's\", 'é', \"a\\\\\"]\nbuild_dependencies: [pip]\npython: ''",
                r#"{'python': '3.9.1', 'build_dependencies': ['pip'], 'dependencies': ["it's", 'é', 'a\\']}"#,
            ),
        ] {
            let python_env = read(text).unwrap();
            let version = python_env.python.clone().unwrap_or_else(|| "3.9.1".to_owned());
            assert_eq!(python_env.python_str(&version), expected);
        }
    }

    #[test]
    fn lines_of_pip_are_no_lines_of_conda() {
        for line in [
            "numpy==1.26",
            "numpy === 1",
            "numpy ; python_version == '3.9'",
            "--index-url=https://host/x",
            "./path=x",
            "-e .[a]",
            "x @ https://host/?a=b",
        ] {
            assert!(!is_of_conda(line), "{line}");
        }
        for line in ["numpy=1.26", "numpy =1.26", "python=3.8.*", " a.b-c_d=1=0"] {
            assert!(is_of_conda(line), "{line}");
        }
    }

    #[test]
    fn a_mapping_is_no_line() {
        assert_eq!(
            read("dependencies:\n- numpy: [numpy]").unwrap_err(),
            "python_env.yaml:2:3: each item of 'dependencies' must be text as in a requirements file, not a mapping"
        );
    }
}
