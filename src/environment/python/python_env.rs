//! `python_env.yaml`: the Python, and the packages for it.

use std::path::Path;

use super::version::PythonRequest;
use crate::environment::EnvironmentError;
use crate::environment::environment_file::{EnvironmentFile, RequirementLine, check_mark, unreadable_hint};
use crate::nearest::nearest;
use crate::yaml::{Mapping, Node, Value};

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
    pub(in crate::environment) fn read(file: &Path) -> Result<Self, EnvironmentError> {
        let text = std::fs::read(file).and_then(|text| check_mark(&text).map(|()| text));
        let text = text.map_err(|error| {
            let message = format!("cannot read the Python environment file {}", file.display());
            EnvironmentError::new(message, unreadable_hint(file, &error)).caused_by(error)
        })?;
        let reader = Reader {
            file: EnvironmentFile::new(file, text.as_slice(), "a Python environment file"),
        };
        // A file that is something else by its name too is better called by that.
        reader
            .read(&text)
            .map_err(|error| reader.file.mistaken().unwrap_or(error))
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
}

impl Reader {
    fn read(&self, text: &[u8]) -> Result<PythonEnv, EnvironmentError> {
        let document = self.file.parse(text)?;
        match &document.value {
            Value::Map(mapping) => self.mapping(mapping),
            other => {
                let problem = format!(
                    "a Python environment must be a mapping with 'python' and 'dependencies', not {}",
                    other.kind()
                );
                Err(self.file.problem(document.start, &problem, ""))
            }
        }
    }

    fn mapping(&self, mapping: &Mapping) -> Result<PythonEnv, EnvironmentError> {
        let mut python_env = PythonEnv::default();
        for (key, value) in mapping.iter() {
            match key.as_str() {
                Some("python") => python_env.python = self.version(value)?,
                Some("build_dependencies") => {
                    python_env.build_dependencies = self.lines("build_dependencies", value)?;
                }
                Some("dependencies") => python_env.dependencies = self.lines("dependencies", value)?,
                Some(name) if KEYS_OF_CONDA.contains(&name) => return Err(self.of_conda(key, name)),
                _ => {
                    let name = key.value.to_python_str();
                    let problem = format!(
                        "unknown key '{name}' in a Python environment file; the keys are python, build_dependencies and dependencies"
                    );
                    let hint = nearest(&name, KEYS).map(|near| format!("did you mean '{near}'?"));
                    return Err(self.file.problem(key.start, &problem, hint.unwrap_or_default()));
                }
            }
        }
        Ok(python_env)
    }

    fn version(&self, node: &Node) -> Result<Option<String>, EnvironmentError> {
        let (problem, hint) = match &node.value {
            Value::Null => return Ok(None),
            Value::Str(version) if version.is_empty() => return Ok(None),
            Value::Str(version) if PythonRequest::parse(version).is_some() => {
                return Ok(Some(version.clone()));
            }
            Value::Str(version) => (
                format!("'{version}' is not a valid Python version"),
                "write a version such as python: \"3.11\", or a range such as python: \">=3.9,<3.12\""
                    .to_owned(),
            ),
            other => (
                format!("'python' must be text, not {}", other.kind()),
                match other.kind() {
                    // `3.10` is the number 3.1.
                    "a number" => format!("quote the version: python: \"{}\"", node.text()),
                    _ => String::new(),
                },
            ),
        };
        Err(self.file.problem(node.start, &problem, hint))
    }

    fn lines(&self, key: &str, node: &Node) -> Result<Vec<RequirementLine>, EnvironmentError> {
        let items = match &node.value {
            Value::Null => return Ok(Vec::new()),
            Value::List(items) => items,
            other => {
                let problem = format!("'{key}' must be a list of texts, not {}", other.kind());
                return Err(self.file.problem(node.start, &problem, ""));
            }
        };
        items.iter().map(|item| self.line(key, item)).collect()
    }

    fn line(&self, key: &str, item: &Node) -> Result<RequirementLine, EnvironmentError> {
        match &item.value {
            Value::Str(line) if is_of_conda(line) => Err(self.of_conda(item, line)),
            Value::Str(line) => Ok(self.file.requirement(item.start, line)),
            Value::Map(mapping) if mapping.get("pip").is_some() => Err(self.of_conda(item, "pip:")),
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
                Err(self.file.problem(item.start, &problem, hint))
            }
        }
    }

    /// The error for what only conda's files have.
    fn of_conda(&self, node: &Node, sign: &str) -> EnvironmentError {
        let problem =
            format!("'{sign}' belongs to a conda environment file, not to a Python environment file");
        let hint = format!(
            "write `conda_env: {}` in MLproject (to run it without conda, pass --env-manager uv), or list the \
             packages as in a requirements file",
            self.file.name()
        );
        self.file.problem(node.start, &problem, hint)
    }
}

/// Whether a line has the one `=` of conda, which pip refuses: `numpy=1.26`.
fn is_of_conda(line: &str) -> bool {
    let is_in_name = |character: char| character.is_ascii_alphanumeric() || "._-".contains(character);
    let after_name = line.trim_start().trim_start_matches(is_in_name).trim_start();
    let starts_with_name = line
        .trim_start()
        .starts_with(|first: char| first.is_ascii_alphanumeric());
    starts_with_name && after_name.starts_with('=') && !after_name.starts_with("==")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str) -> Result<PythonEnv, String> {
        let file = EnvironmentFile::new(Path::new("python_env.yaml"), text, "");
        Reader { file }
            .read(text.as_bytes())
            .map_err(|error| error.to_string())
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
