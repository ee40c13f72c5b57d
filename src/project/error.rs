//! Why a directory is no project that can be run, or a run's parameters do not fit it.

use std::fmt;
use std::path::{Path, PathBuf};

use super::location::Location;
use super::parameter_name::NameProblem;
use super::template::TemplateError;
use crate::yaml::YamlError;

/// What is wrong with a project, or with what was asked of it, and where its file says so.
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

    pub(super) fn at(location: impl Into<Option<Location>>, problem: ProjectProblem) -> Self {
        Self {
            problem: Box::new(problem),
            location: location.into(),
        }
    }

    /// What is wrong.
    pub fn problem(&self) -> &ProjectProblem {
        &self.problem
    }

    /// The place in the MLproject file that the message is about. For a parameter this is the
    /// place of the default, or of the declaration where the value was given.
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

/// What is wrong with a project, or with what was asked of it; one case each.
#[derive(Debug, thiserror::Error)]
#[expect(missing_docs, reason = "the messages say what the cases and their values are")]
pub enum ProjectProblem {
    #[error("cannot read {path}")]
    Read { path: PathBuf, source: std::io::Error },
    #[error("{} cannot be read as YAML: {}", file.display(), error.message)]
    Yaml { file: PathBuf, error: YamlError },
    #[error("{part} must be {expected}, but it is {found}")]
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
        "a project can have one environment, but this one has {}",
        quoted(keys, NAMES_SHOWN)
    )]
    SeveralEnvironments { keys: Vec<String> },
    #[error("{key} names the file {file}, which does not exist")]
    EnvironmentFileMissing {
        /// `python_env` or `conda_env`.
        key: &'static str,
        file: PathBuf,
    },
    #[error("docker_env names no image")]
    DockerImageMissing,
    #[error("a list in docker_env's 'environment' must hold a name and a value, both of them text")]
    DockerVariablePair,
    #[error("{rule}")]
    SparkJob { rule: SparkJobRule },
    #[error("{}", no_entry_point(name, missing_in.as_deref(), declared, scripts))]
    NoEntryPoint {
        name: String,
        /// The project's directory, where the name is that of a script and no such file is there.
        missing_in: Option<PathBuf>,
        declared: Vec<String>,
        /// Scripts that could be named instead.
        scripts: Vec<String>,
        /// A file that only its name keeps from being the MLproject file.
        misnamed: Option<String>,
    },
    #[error("the project is the Databricks Spark job '{python_file}' and has no entry points")]
    NoEntryPointsInSparkJob { python_file: String },
    #[error("entry point '{entry_point}' has no command")]
    CommandMissing { entry_point: String },
    #[error("No value given for missing parameters: {}", quoted(names, NAMES_SHOWN))]
    MissingParameters {
        names: Vec<String>,
        /// The names that were given and are not declared.
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
    #[error("parameter '{parameter}' of entry point '{entry_point}' must be a float, got '{value}'")]
    NotAFloat {
        parameter: String,
        entry_point: String,
        value: String,
    },
    #[error(
        "parameter '{parameter}' of entry point '{entry_point}' must be {expected}, but its value is empty"
    )]
    EmptyValue {
        parameter: String,
        entry_point: String,
        expected: &'static str,
    },
    #[error("parameter '{parameter}' of entry point '{entry_point}': there is no file or directory '{path}'")]
    PathMissing {
        parameter: String,
        entry_point: String,
        value: String,
        /// The absolute path that it means.
        path: String,
    },
    #[error(
        "the command of entry point '{entry_point}' has {error}{}",
        declared_names(error, declared)
    )]
    Template {
        entry_point: String,
        error: TemplateError,
        /// Whether a `$` stands before the field, as a shell's variable has it.
        is_shell_variable: bool,
        /// The names that the command could use.
        declared: Vec<String>,
    },
}

/// What a value in an MLproject file stands for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Part {
    File,
    /// The value of a key at the top.
    Key(&'static str),
    /// The value of a key in a section that is no entry point: `docker_env` and its `image`.
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
    /// It has a Python file, or the project has entry points.
    #[error("databricks_spark_job has no 'python_file', and the project has no entry points")]
    NothingToRun,
    #[error("databricks_spark_job has a 'python_file', but the project has entry points too")]
    TwoThingsToRun,
    /// No parameter of the project is a path, since the job sees no local files.
    #[error("parameter '{name}' is of type path, which a databricks_spark_job cannot have")]
    PathParameter { name: String },
    /// The project has no environment of its own.
    #[error("a project with a databricks_spark_job cannot have a {key}")]
    Environment { key: &'static str },
}

/// How many names, and how many scripts, a message lists.
pub(super) const NAMES_SHOWN: usize = 50;
const SCRIPTS_SHOWN: usize = 8;

/// How many declared names a mistyped one is compared with: more would take noticeable time.
pub(super) const MOST_COMPARED: usize = 1000;

/// The names in quotes, with commas between them; of more than that many the first.
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

/// The message for a name that is neither an entry point nor a script.
fn no_entry_point(name: &str, missing_in: Option<&Path>, declared: &[String], scripts: &[String]) -> String {
    let mut message = format!("there is no entry point '{name}'");
    if let Some(directory) = missing_in {
        message.push_str(&format!(", and no such file in {}", directory.display()));
    }
    message.push_str(": the project declares ");
    match declared {
        [] => message.push_str("none"),
        _ => message.push_str(&quoted(declared, NAMES_SHOWN)),
    }
    if !scripts.is_empty() {
        let scripts = quoted(scripts, SCRIPTS_SHOWN);
        message.push_str(&format!("; scripts that can be run: {scripts}"));
    }
    message
}

/// The end of a message about a name in a command: which names there are.
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
