//! `python_env.yaml`: the Python, and the packages for it.

use std::path::{Path, PathBuf};

use super::request::PythonRequest;
use crate::environment::OtherFile;
use crate::environment::text;
use crate::nearest::nearest;
use crate::project::{Location, SourceFile};
use crate::yaml::{self, Mapping, Node, Position, Value};

const BEGINNING: Position = Position { line: 1, column: 1 };

/// The keys of a description.
const KEYS: [&str; 3] = ["python", "build_dependencies", "dependencies"];
/// Keys that only conda's files have.
const KEYS_OF_CONDA: [&str; 4] = ["name", "channels", "prefix", "variables"];

/// A Python environment as a file describes it.
///
/// Source: MLflow's `python_env.yaml`, as `mlflow.utils.environment._PythonEnv` of MLflow 3 reads it.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(in crate::environment) struct PythonEnv {
    /// The version of Python; nothing where any will do.
    pub(in crate::environment) python: Option<String>,
    /// Lines of a requirements file that is installed first.
    pub(in crate::environment) build_dependencies: Vec<String>,
    /// Lines of a requirements file that is installed then.
    pub(in crate::environment) dependencies: Vec<String>,
}

impl PythonEnv {
    /// Reads a `python_env.yaml`, whatever its name.
    ///
    /// # Errors
    /// The file cannot be read, or does not say what MLflow understands.
    pub(super) fn read(file: &Path) -> Result<Self, PythonEnvError> {
        let unreadable = |source| PythonEnvError {
            file: file.to_owned(),
            location: None,
            problem: Problem::Unreadable(source),
        };
        let text = std::fs::read(file).map_err(unreadable)?;
        text::check_mark(&text).map_err(unreadable)?;
        Self::of_text(&text).map_err(|found| {
            // A file that is something else by its name too is better called by that.
            let (position, problem) = match OtherFile::of(file) {
                Some(kind) => (BEGINNING, Problem::Other { kind }),
                None => found,
            };
            PythonEnvError {
                file: file.to_owned(),
                location: Some(SourceFile::new(file, text).at(position)),
                problem,
            }
        })
    }

    fn of_text(text: &[u8]) -> Result<Self, (Position, Problem)> {
        let document =
            yaml::parse(text).map_err(|error| (error.position.unwrap_or(BEGINNING), Problem::Yaml(error)))?;
        match &document.value {
            Value::Map(mapping) => Self::of_mapping(mapping),
            other => Err((document.start, Problem::NoMapping { kind: other.kind() })),
        }
    }

    fn of_mapping(mapping: &Mapping) -> Result<Self, (Position, Problem)> {
        let mut python_env = Self::default();
        for (key, value) in mapping.iter() {
            match key.as_str() {
                Some("python") => python_env.python = version(value)?,
                Some("build_dependencies") => {
                    python_env.build_dependencies = lines("build_dependencies", value)?;
                }
                Some("dependencies") => python_env.dependencies = lines("dependencies", value)?,
                Some(name) if KEYS_OF_CONDA.contains(&name) => {
                    let sign = name.to_owned();
                    return Err((key.start, Problem::OfConda { sign }));
                }
                _ => {
                    let key_text = key.value.to_python_str();
                    return Err((key.start, Problem::UnknownKey { key: key_text }));
                }
            }
        }
        Ok(python_env)
    }

    /// The text that the name of the environment is made of: Python's `str()` of the description.
    pub(super) fn python_str(&self, version: &str) -> String {
        let list = |lines: &[String]| {
            let items: Vec<String> = lines.iter().map(|line| python_repr(line)).collect();
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

fn version(node: &Node) -> Result<Option<String>, (Position, Problem)> {
    match &node.value {
        Value::Null => Ok(None),
        Value::Str(version) if version.is_empty() => Ok(None),
        Value::Str(version) if PythonRequest::parse(version).is_none() => Err((
            node.start,
            Problem::NoVersion {
                version: version.clone(),
            },
        )),
        Value::Str(version) => Ok(Some(version.clone())),
        other => Err((
            node.start,
            Problem::VersionNotText {
                kind: other.kind(),
                // `3.10` is the number 3.1.
                written: node.text().to_owned(),
            },
        )),
    }
}

fn lines(key: &'static str, node: &Node) -> Result<Vec<String>, (Position, Problem)> {
    let items = match &node.value {
        Value::Null => return Ok(Vec::new()),
        Value::List(items) => items,
        other => {
            let kind = other.kind();
            return Err((node.start, Problem::NoList { key, kind }));
        }
    };
    let of_conda = |item: &Node, sign: &str| {
        let sign = sign.to_owned();
        Err((item.start, Problem::OfConda { sign }))
    };
    let line = |item: &Node| match &item.value {
        Value::Str(line) if is_of_conda(line) => of_conda(item, line),
        Value::Str(line) => Ok(line.clone()),
        Value::Map(mapping) if mapping.get("pip").is_some() => of_conda(item, "pip:"),
        other => Err((
            item.start,
            Problem::LineNotText {
                key,
                kind: other.kind(),
            },
        )),
    };
    items.iter().map(line).collect()
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

/// A `python_env.yaml` that cannot be used, and where.
#[derive(Debug, thiserror::Error)]
#[error("{}: {problem}", place(file, location.as_ref()))]
pub struct PythonEnvError {
    file: PathBuf,
    location: Option<Location>,
    #[source]
    problem: Problem,
}

#[derive(Debug, thiserror::Error)]
enum Problem {
    #[error("the file cannot be read")]
    Unreadable(#[source] std::io::Error),
    #[error("{}", .0.message)]
    Yaml(yaml::YamlError),
    #[error("a Python environment must be a mapping with 'python' and 'dependencies', not {kind}")]
    NoMapping { kind: &'static str },
    #[error(
        "unknown key '{key}' in a Python environment file; the keys are python, build_dependencies and dependencies"
    )]
    UnknownKey { key: String },
    #[error("'{sign}' belongs to a conda environment file, not to a Python environment file")]
    OfConda { sign: String },
    #[error("this is {kind}, not a Python environment file")]
    Other { kind: OtherFile },
    #[error("'python' must be text, not {kind}")]
    VersionNotText { kind: &'static str, written: String },
    #[error("'{version}' is not a valid version of Python")]
    NoVersion { version: String },
    #[error("'{key}' must be a list of texts, not {kind}")]
    NoList { key: &'static str, kind: &'static str },
    #[error("each of the '{key}' must be text as in a requirements file, not {kind}")]
    LineNotText { key: &'static str, kind: &'static str },
}

impl PythonEnvError {
    /// The place in the file that the error is about.
    pub fn location(&self) -> Option<&Location> {
        self.location.as_ref()
    }

    /// What the person can do about it.
    pub fn hint(&self) -> Option<String> {
        let name = self.file.file_name().unwrap_or_default().to_string_lossy();
        match &self.problem {
            Problem::Yaml(error) => error.hint(),
            Problem::VersionNotText {
                kind: "a number",
                written,
            } => Some(format!("quote the version: python: \"{written}\"")),
            Problem::Unreadable(source) => text::hint(&self.file, source),
            Problem::OfConda { .. } => Some(format!(
                "write `conda_env: {name}` in MLproject (with --env-manager virtualenv or uv that needs no conda), or \
                 list the packages as in a requirements file"
            )),
            Problem::UnknownKey { key } => nearest(key, KEYS).map(|near| format!("did you mean '{near}'?")),
            Problem::Other { kind } => Some(kind.hint(&name)),
            Problem::NoVersion { .. } => Some(
                "write a version such as python: \"3.11\", or a range such as python: \">=3.9,<3.12\""
                    .to_owned(),
            ),
            Problem::LineNotText {
                key,
                kind: "a mapping",
            } => Some(format!(
                "{key} are written as in a requirements file, such as '- numpy>=2' or '- -r requirements.txt'"
            )),
            _ => None,
        }
    }
}

fn place(file: &Path, location: Option<&Location>) -> String {
    location.map_or_else(|| file.display().to_string(), ToString::to_string)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str) -> Result<PythonEnv, String> {
        PythonEnv::of_text(text.as_bytes()).map_err(|(position, problem)| format!("{position}: {problem}"))
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
    fn what_python_env_refuses() {
        for (text, expected) in [
            (
                "python: 3.11",
                "line 1, column 9: 'python' must be text, not a number",
            ),
            (
                "dependencies: numpy",
                "line 1, column 15: 'dependencies' must be a list of texts, not text",
            ),
            (
                "dependencies:\n- numpy: [numpy]",
                "line 2, column 3: each of the 'dependencies' must be text as in a requirements file, not a mapping",
            ),
            (
                "dependencies:\n- pip: [numpy]",
                "line 2, column 3: 'pip:' belongs to a conda environment file, not to a Python environment file",
            ),
            (
                "dependencies:\n- a==1\n- python=3.8",
                "line 3, column 3: 'python=3.8' belongs to a conda environment file, not to a Python environment file",
            ),
            (
                "python: '3.9'\nchannels: [conda-forge]",
                "line 2, column 1: 'channels' belongs to a conda environment file, not to a Python environment file",
            ),
            (
                "version: x",
                "line 1, column 1: unknown key 'version' in a Python environment file; the keys are python, build_dependencies and dependencies",
            ),
            (
                "python: '^3.9'",
                "line 1, column 9: '^3.9' is not a valid version of Python",
            ),
        ] {
            assert_eq!(read(text).unwrap_err(), expected);
        }
    }
}
