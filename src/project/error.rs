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
    /// A problem without a place.
    pub(super) fn new(problem: ProjectProblem) -> Self {
        Self {
            problem: Box::new(problem),
            location: None,
        }
    }

    /// A problem at a place.
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
pub enum ProjectProblem {
    /// The directory or its MLproject file cannot be read.
    #[error("cannot read {path}")]
    Read {
        /// The directory or file.
        path: PathBuf,
        /// Why.
        source: std::io::Error,
    },
    /// The MLproject file is no YAML.
    #[error("{} cannot be read as YAML: {}", file.display(), error.message)]
    Yaml {
        /// The file.
        file: PathBuf,
        /// The reader's finding.
        error: YamlError,
    },
    /// A value is of another kind than MLflow can use.
    #[error("{part} must be {expected}, but it is {found}")]
    WrongKind {
        /// What the value stands for.
        part: Part,
        /// The kind that it must have.
        expected: &'static str,
        /// The kind that it has.
        found: &'static str,
    },
    /// Two keys give the same name.
    #[error("{part}: '{second}' is the same name as '{first}' on line {first_line}")]
    NameCollision {
        /// Which names these are.
        part: Part,
        /// The first key's name.
        first: String,
        /// The first key's line.
        first_line: usize,
        /// The second key's name.
        second: String,
    },
    /// The project names more than one environment.
    #[error("a project can have one environment, but this one has {}", quoted(keys))]
    SeveralEnvironments {
        /// The environments' keys.
        keys: Vec<String>,
    },
    /// The file of the project's environment does not exist.
    #[error("{key} names the file {file}, which does not exist")]
    EnvironmentFileMissing {
        /// `python_env` or `conda_env`.
        key: &'static str,
        /// The missing file.
        file: PathBuf,
    },
    /// `docker_env` without an image.
    #[error("docker_env names no image")]
    DockerImageMissing,
    /// A list in `docker_env`'s `environment` is no pair of a name and a value.
    #[error("a list in docker_env's 'environment' must hold a name and a value, both of them text")]
    DockerVariablePair,
    /// `databricks_spark_job` stands beside what it excludes, or without what it needs.
    #[error("{rule}")]
    SparkJob {
        /// The broken rule.
        rule: SparkJobRule,
    },
    /// The project has neither an entry point nor a script of the name.
    #[error("{}", no_entry_point(name, missing_in.as_deref(), declared, scripts))]
    NoEntryPoint {
        /// The name.
        name: String,
        /// The project's directory, where the name is that of a script and no such file is there.
        missing_in: Option<PathBuf>,
        /// The names of the project's entry points.
        declared: Vec<String>,
        /// Scripts that could be named instead.
        scripts: Vec<String>,
        /// A file that only its name keeps from being the MLproject file.
        misnamed: Option<String>,
    },
    /// The project is a Spark job by its Python file and has no entry points.
    #[error("the project is the Databricks Spark job '{python_file}' and has no entry points")]
    NoEntryPointsInSparkJob {
        /// The job's Python file.
        python_file: String,
    },
    /// The entry point has no command.
    #[error("entry point '{entry_point}' has no command")]
    CommandMissing {
        /// The entry point.
        entry_point: String,
    },
    /// Parameters without a default were not given.
    #[error("No value given for missing parameters: {}", quoted(names))]
    MissingParameters {
        /// The parameters.
        names: Vec<String>,
        /// The names that were given and are not declared.
        undeclared: Vec<String>,
    },
    /// A parameter that is not declared has a name that nobody means.
    #[error("the parameter name '{}' {problem}", name.escape_debug())]
    ParameterName {
        /// The name.
        name: String,
        /// What is wrong with it.
        problem: NameProblem,
        /// The names that the entry point declares.
        declared: Vec<String>,
        /// How to give the parameter.
        instead: String,
    },
    /// A `float` parameter's value is no number.
    #[error("parameter '{parameter}' of entry point '{entry_point}' must be a float, got '{value}'")]
    NotAFloat {
        /// The parameter.
        parameter: String,
        /// Its entry point.
        entry_point: String,
        /// The value.
        value: String,
    },
    /// A `path` or `uri` parameter's value is empty.
    #[error(
        "parameter '{parameter}' of entry point '{entry_point}' must be {expected}, but its value is empty"
    )]
    EmptyValue {
        /// The parameter.
        parameter: String,
        /// Its entry point.
        entry_point: String,
        /// What the value must be.
        expected: &'static str,
    },
    /// A `path` parameter's value does not exist.
    #[error("parameter '{parameter}' of entry point '{entry_point}': there is no file or directory '{path}'")]
    PathMissing {
        /// The parameter.
        parameter: String,
        /// Its entry point.
        entry_point: String,
        /// The value.
        value: String,
        /// The absolute path that it means.
        path: String,
    },
    /// The parameters cannot be put into the command.
    #[error(
        "the command of entry point '{entry_point}' has {error}{}",
        declared_names(error, declared)
    )]
    Template {
        /// The entry point.
        entry_point: String,
        /// What is wrong with the command.
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
    /// `docker_env`'s image.
    DockerImage,
    /// `docker_env`'s volumes.
    DockerVolumes,
    /// One of `docker_env`'s volumes.
    DockerVolume,
    /// `docker_env`'s variables.
    DockerVariables,
    /// One of `docker_env`'s variables.
    DockerVariable,
    /// The value of a key in `databricks_spark_job`.
    SparkJob(&'static str),
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
            Self::DockerImage => f.write_str("docker_env's 'image'"),
            Self::DockerVolumes => f.write_str("docker_env's 'volumes'"),
            Self::DockerVolume => f.write_str("a volume of docker_env"),
            Self::DockerVariables => f.write_str("docker_env's 'environment'"),
            Self::DockerVariable => f.write_str("a variable in docker_env's 'environment'"),
            Self::SparkJob(key) => write!(f, "databricks_spark_job's '{key}'"),
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

/// How many names a message lists.
pub(super) const NAMES_SHOWN: usize = 50;

/// The names in quotes, with commas between them; of many the first.
pub(super) fn quoted(names: &[String]) -> String {
    let shown = names.iter().take(NAMES_SHOWN);
    let mut text = shown
        .map(|name| format!("'{name}'"))
        .collect::<Vec<_>>()
        .join(", ");
    if names.len() > NAMES_SHOWN {
        text.push_str(&format!(" and {} more", names.len() - NAMES_SHOWN));
    }
    text
}

/// How many scripts a message lists.
const SCRIPTS_SHOWN: usize = 8;

/// The message for a name that is neither an entry point nor a script.
fn no_entry_point(name: &str, missing_in: Option<&Path>, declared: &[String], scripts: &[String]) -> String {
    let mut message = format!("there is no entry point '{name}'");
    if let Some(directory) = missing_in {
        message.push_str(&format!(", and no such file in {}", directory.display()));
    }
    message.push_str(": the project declares ");
    match declared {
        [] => message.push_str("none"),
        _ => message.push_str(&quoted(declared)),
    }
    if !scripts.is_empty() {
        let shown = &scripts[..scripts.len().min(SCRIPTS_SHOWN)];
        message.push_str(&format!("; scripts that can be run: {}", quoted(shown)));
        if scripts.len() > SCRIPTS_SHOWN {
            message.push_str(&format!(" and {} more", scripts.len() - SCRIPTS_SHOWN));
        }
    }
    message
}

/// The end of a message about a name in a command: which names there are.
fn declared_names(error: &TemplateError, declared: &[String]) -> String {
    match (error, declared) {
        (TemplateError::UnknownName { .. } | TemplateError::Positional { .. }, []) => {
            "; it declares no parameters".to_owned()
        }
        (TemplateError::UnknownName { .. } | TemplateError::Positional { .. }, names) => {
            format!("; it declares {}", quoted(names))
        }
        _ => String::new(),
    }
}
