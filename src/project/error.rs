//! Why a project cannot be run, or not with the given parameters.

use std::fmt;
use std::path::{Path, PathBuf};

use super::conventions::Misplaced;
use super::location::Location;
use super::parameter_name::NameProblem;
use super::template::TemplateError;
use crate::nearest::nearest;
use crate::yaml::{Mapping, YamlError};

/// What is wrong with a project or with a request for it, and the position in its file.
#[derive(Debug)]
pub struct ProjectError {
    problem: Box<ProjectProblem>,
    location: Option<Location>,
}

impl ProjectError {
    pub(super) fn new(problem: ProjectProblem) -> Self {
        Self {
            problem: Box::new(problem),
            location: None,
        }
    }

    pub(crate) fn at(location: impl Into<Option<Location>>, problem: ProjectProblem) -> Self {
        Self {
            problem: Box::new(problem),
            location: location.into(),
        }
    }

    /// What is wrong.
    pub fn problem(&self) -> &ProjectProblem {
        &self.problem
    }

    /// The position in the MLproject file. For a parameter: its default, or its declaration if the
    /// caller gave the value.
    pub fn location(&self) -> Option<&Location> {
        self.location.as_ref()
    }
}

impl fmt::Display for ProjectError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.problem.fmt(f)
    }
}

impl std::error::Error for ProjectError {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        self.problem.source()
    }
}

/// What is wrong with a project or with a request for it.
#[derive(Debug, thiserror::Error)]
#[expect(missing_docs, reason = "the messages say what the cases and their values are")]
pub enum ProjectProblem {
    #[error("cannot read {path}")]
    Read { path: PathBuf, source: std::io::Error },
    #[error("{} is not valid YAML: {}", file_name(file), error.message)]
    Yaml { file: PathBuf, error: YamlError },
    #[error("{part} must be {expected}, not {found}")]
    WrongKind {
        part: Part,
        expected: &'static str,
        found: &'static str,
    },
    #[error("{part}: '{second}' is the same name as '{first}' on line {first_line}")]
    NameCollision {
        part: Part,
        first: String,
        first_line: usize,
        second: String,
    },
    #[error(
        "a project can have only one environment, but this one has {}",
        quoted(keys, NAMES_SHOWN)
    )]
    SeveralEnvironments { keys: Vec<String> },
    #[error("the {key} file '{file}' does not exist")]
    EnvironmentFileMissing {
        /// `python_env` or `conda_env`.
        key: &'static str,
        /// The path as the project has it.
        file: String,
        /// An existing file that may be meant.
        near: Option<String>,
    },
    #[error("docker_env has no 'image'")]
    DockerImageMissing {
        /// A key that may be meant for it.
        mistyped: Option<MistypedKey>,
    },
    #[error("a list in docker_env's 'environment' must be a name and a value, both text")]
    DockerVariablePair,
    #[error("{rule}")]
    SparkJob { rule: SparkJobRule },
    #[error("{}", no_entry_point(name, missing_in.as_deref(), declared, scripts))]
    NoEntryPoint {
        name: String,
        /// The project's directory, if the name is that of a script that it does not have.
        missing_in: Option<PathBuf>,
        declared: Vec<String>,
        /// Scripts that could be named instead.
        scripts: Vec<String>,
        /// A key that may be meant for `entry_points`.
        mistyped: Option<MistypedKey>,
        misplaced: Option<Misplaced>,
    },
    #[error("no MLproject file in {}", directory.display())]
    NoMlproject {
        directory: PathBuf,
        misplaced: Option<Misplaced>,
    },
    #[error("the project has no entry points and no scripts")]
    NothingToRun { mistyped: Option<MistypedKey> },
    #[error("the project is the Databricks Spark job '{python_file}' and has no entry points")]
    NoEntryPointsInSparkJob { python_file: String },
    #[error("entry point '{entry_point}' has no command")]
    CommandMissing {
        entry_point: String,
        /// A key that may be meant for `command`.
        mistyped: Option<MistypedKey>,
    },
    #[error("No value given for missing parameters: {}", quoted(names, NAMES_SHOWN))]
    MissingParameters {
        names: Vec<String>,
        /// The given names that are not declared.
        undeclared: Vec<String>,
    },
    #[error("entry point '{entry_point}' does not declare {}", parameters_named(names))]
    UndeclaredParameters {
        entry_point: String,
        names: Vec<String>,
        declared: Vec<String>,
    },
    #[error("the parameter name '{}' {problem}", name.escape_debug())]
    ParameterName {
        name: String,
        problem: NameProblem,
        declared: Vec<String>,
        /// How to give the parameter.
        instead: String,
    },
    #[error("{} must be a float, got '{value}'", value_of(parameter, entry_point, *is_default))]
    NotAFloat {
        parameter: String,
        entry_point: String,
        value: String,
        is_default: bool,
    },
    #[error("{} must be {expected}, but its value is empty", value_of(parameter, entry_point, *is_default))]
    EmptyValue {
        parameter: String,
        entry_point: String,
        expected: &'static str,
        is_default: bool,
    },
    #[error("{}: file or directory '{path}' does not exist", value_of(parameter, entry_point, *is_default))]
    PathMissing {
        parameter: String,
        entry_point: String,
        value: String,
        /// The absolute path that it means.
        path: String,
        is_default: bool,
    },
    #[error(
        "the command of entry point '{entry_point}' has {error}{}",
        declared_names(error, declared)
    )]
    Template {
        entry_point: String,
        error: TemplateError,
        /// Whether a `$` precedes the field, as in a shell's variable.
        is_shell_variable: bool,
        /// The declared parameters.
        declared: Vec<String>,
    },
}

impl ProjectProblem {
    /// The entry point that it is about.
    pub(crate) fn entry_point(&self) -> Option<&str> {
        match self {
            Self::WrongKind { part, .. } | Self::NameCollision { part, .. } => match part {
                Part::EntryPoint(entry_point)
                | Part::Command(entry_point)
                | Part::Parameters(entry_point) => Some(entry_point),
                Part::Parameter { entry_point, .. } => Some(entry_point),
                _ => None,
            },
            Self::CommandMissing { entry_point, .. }
            | Self::NotAFloat { entry_point, .. }
            | Self::EmptyValue { entry_point, .. }
            | Self::PathMissing { entry_point, .. }
            | Self::Template { entry_point, .. } => Some(entry_point),
            _ => None,
        }
    }
}

/// A key that may be meant for another one.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct MistypedKey {
    pub(super) written: String,
    pub(super) meant: &'static str,
    pub(super) line: usize,
}

impl MistypedKey {
    /// The key of a mapping that is nearest to a missing one.
    pub(crate) fn for_missing(meant: &'static str, mapping: &Mapping, known: &[&str]) -> Option<Self> {
        mapping.iter().find_map(|(key, _)| {
            let written = key.as_str().filter(|key| !known.contains(key))?;
            let near = nearest(&written.replace([' ', '-'], "_"), [meant]);
            let is_meant = near.is_some() || written.replace([' ', '-'], "_") == meant;
            is_meant.then(|| Self {
                written: written.to_owned(),
                meant,
                line: key.start.line,
            })
        })
    }
}

/// What a value in an MLproject file is for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Part {
    File,
    /// The value of a key at the top.
    Key(&'static str),
    /// The value of a key in another section than an entry point: `docker_env` and its `image`.
    In(&'static str, &'static str),
    /// One of `docker_env`'s volumes.
    DockerVolume,
    /// One of `docker_env`'s variables.
    DockerVariable,
    EntryPoint(String),
    /// The command of this entry point.
    Command(String),
    /// The parameters of this entry point.
    Parameters(String),
    Parameter {
        name: String,
        entry_point: String,
    },
}

impl fmt::Display for Part {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::File => f.write_str("an MLproject file"),
            Self::Key(key) => f.write_str(key),
            Self::In(section, key) => write!(f, "{section}'s '{key}'"),
            Self::DockerVolume => f.write_str("a volume of docker_env"),
            Self::DockerVariable => f.write_str("a variable in docker_env's 'environment'"),
            Self::EntryPoint(name) => write!(f, "entry point '{name}'"),
            Self::Command(entry_point) => write!(f, "the command of entry point '{entry_point}'"),
            Self::Parameters(entry_point) => write!(f, "the parameters of entry point '{entry_point}'"),
            Self::Parameter { name, entry_point } => {
                write!(f, "parameter '{name}' of entry point '{entry_point}'")
            }
        }
    }
}

/// A rule for `databricks_spark_job`.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum SparkJobRule {
    /// It needs a Python file, or else entry points.
    #[error("databricks_spark_job has no 'python_file', and the project has no entry points")]
    NothingToRun,
    #[error("databricks_spark_job has a 'python_file', but the project has entry points too")]
    TwoThingsToRun,
    /// The job sees no local files, so no parameter can be a path.
    #[error("parameter '{name}' is of type path, which a databricks_spark_job cannot have")]
    PathParameter { name: String },
    /// The job's cluster is its environment.
    #[error("a project with a databricks_spark_job cannot have a {key}")]
    Environment { key: &'static str },
}

/// The most names and scripts that a message lists.
pub(super) const NAMES_SHOWN: usize = 50;
const SCRIPTS_SHOWN: usize = 8;

/// How many declared names a mistyped one is compared with: more would take noticeable time.
pub(super) const MOST_COMPARED: usize = 1000;

/// The first names, in quotes, separated by commas.
pub(super) fn quoted(names: &[String], most: usize) -> String {
    let shown = names.iter().take(most).map(|name| format!("'{name}'"));
    let mut text = shown.collect::<Vec<_>>().join(", ");
    if names.len() > most {
        text.push_str(&format!(" and {} more", names.len() - most));
    }
    text
}

fn parameters_named(names: &[String]) -> String {
    let plural = if names.len() == 1 { "" } else { "s" };
    format!("the parameter{plural} {}", quoted(names, NAMES_SHOWN))
}

fn file_name(path: &Path) -> String {
    path.file_name().unwrap_or_default().display().to_string()
}

fn value_of(parameter: &str, entry_point: &str, is_default: bool) -> String {
    let default = if is_default { "the default of " } else { "" };
    format!("{default}parameter '{parameter}' of entry point '{entry_point}'")
}

/// The message for a name that is neither an entry point nor a script.
fn no_entry_point(name: &str, missing_in: Option<&Path>, declared: &[String], scripts: &[String]) -> String {
    let mut message = format!("there is no entry point '{name}'");
    if let Some(directory) = missing_in {
        message.push_str(&format!(", and no such file in {}", directory.display()));
    }
    match declared {
        [] => message.push_str(": the project declares none"),
        _ => message.push_str(&format!(": the project has {}", quoted(declared, NAMES_SHOWN))),
    }
    if !scripts.is_empty() {
        let scripts = quoted(scripts, SCRIPTS_SHOWN);
        message.push_str(&format!("; scripts that can be run: {scripts}"));
    }
    message
}

/// The declared names, for a message about a name in a command.
fn declared_names(error: &TemplateError, declared: &[String]) -> String {
    if !matches!(
        error,
        TemplateError::UnknownName { .. } | TemplateError::Positional { .. }
    ) {
        return String::new();
    }
    match declared {
        [] => "; it declares no parameters".to_owned(),
        names => format!("; it declares {}", quoted(names, NAMES_SHOWN)),
    }
}
