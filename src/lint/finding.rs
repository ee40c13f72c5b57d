//! Findings, and their kinds.

use crate::project::{Location, ProjectError, ProjectProblem, TemplateError};

/// Something found in a project's files.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Finding {
    /// Its kind.
    pub code: Code,
    /// What is wrong.
    pub message: String,
    /// The position; nothing if a whole file or directory is meant.
    pub location: Option<Location>,
    /// What to do about it.
    pub hint: Option<String>,
    /// The entry point that it is about; nothing if the whole project is meant.
    pub entry_point: Option<String>,
}

impl Finding {
    pub(super) fn new(code: Code, location: impl Into<Option<Location>>, message: impl Into<String>) -> Self {
        Self {
            code,
            message: message.into(),
            location: location.into(),
            hint: None,
            entry_point: None,
        }
    }

    pub(super) fn hint(mut self, hint: impl Into<String>) -> Self {
        self.hint = Some(hint.into());
        self
    }

    pub(super) fn of(mut self, entry_point: &str) -> Self {
        self.entry_point = Some(entry_point.to_owned());
        self
    }

    /// The finding for what a run refuses, in the same words.
    pub(super) fn of_error(error: &ProjectError) -> Self {
        let message = match error.problem() {
            ProjectProblem::Read { source, .. } => format!("{error}: {source}"),
            _ => error.to_string(),
        };
        Self {
            code: Code::of_problem(error.problem()),
            message,
            location: error.location().cloned(),
            hint: error.hint(),
            entry_point: error.problem().entry_point().map(str::to_owned),
        }
    }
}

/// How much a finding weighs.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Severity {
    /// Worth knowing.
    Note,
    /// Runs, but does not do what it seems to.
    Warning,
    /// `mlrun run` refuses it.
    Error,
}

impl Severity {
    /// The word for it.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Note => "note",
            Self::Warning => "warning",
            Self::Error => "error",
        }
    }
}

/// Makes the codes with their severities, names and meanings from one table.
macro_rules! codes {
    ($($code:ident = $severity:ident, $name:literal, $meaning:literal;)+) => {
        /// The kind of a finding. The names stay the same from version to version.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
        pub enum Code {
            $(#[doc = $meaning] $code,)+
        }

        impl Code {
            /// All of them.
            pub const ALL: &'static [Self] = &[$(Self::$code,)+];

            /// The name that programs can rely on.
            pub fn name(self) -> &'static str {
                match self {
                    $(Self::$code => $name,)+
                }
            }

            /// How much a finding of this kind weighs.
            pub fn severity(self) -> Severity {
                match self {
                    $(Self::$code => Severity::$severity,)+
                }
            }

            /// What it means, in one sentence.
            pub fn meaning(self) -> &'static str {
                match self {
                    $(Self::$code => $meaning,)+
                }
            }
        }
    };
}

codes! {
    UnreadableFile = Error, "unreadable-file", "The MLproject file cannot be read.";
    InvalidYaml = Error, "invalid-yaml", "The MLproject file is not valid YAML.";
    InvalidValue = Error, "invalid-value", "A value cannot be used: it has the wrong kind, is empty or malformed.";
    NameCollision = Error, "name-collision", "Two keys that are written differently have the same name.";
    SeveralEnvironments = Error, "several-environments", "The project has more than one environment.";
    MissingEnvironmentFile = Error, "missing-environment-file", "The file of python_env or conda_env does not exist.";
    InvalidEnvironmentFile = Error, "invalid-environment-file", "The file of python_env or conda_env cannot be used.";
    RequirementsFile = Error, "requirements-file", "A requirements file (-r, -c) does not exist or cannot be read.";
    InvalidRequirement = Error, "invalid-requirement", "A requirement is not valid: pip and uv refuse it.";
    MissingMlproject = Error, "missing-mlproject", "The directory has no MLproject file and no script to run.";
    NothingToRun = Error, "nothing-to-run", "The project has no entry points and no script to run.";
    MisnamedFile = Error, "misnamed-file", "A file such as MLproject.yaml is ignored: its name must be MLproject.";
    MissingCommand = Error, "missing-command", "An entry point has no command.";
    UndeclaredPlaceholder = Error, "undeclared-placeholder", "A command uses a parameter that is not declared.";
    InvalidPlaceholder = Error, "invalid-placeholder", "Braces in a command are not valid in Python's format syntax.";
    FloatDefault = Error, "float-default", "The default of a float parameter is not a number.";
    ParameterName = Error, "parameter-name", "A parameter has a name that tracking stores refuse.";
    UnknownKey = Warning, "unknown-key", "A key is unknown; it is ignored.";
    MalformedEntry = Warning, "malformed-entry", "An entry such as {type:int} lacks the blank after the colon.";
    DuplicateKey = Warning, "duplicate-key", "A key is repeated; its first value is lost.";
    UnusedParameter = Warning, "unused-parameter", "A command does not use a declared parameter.";
    MisspeltType = Warning, "misspelt-type", "A type is nearly one that MLflow knows.";
    ValueChanges = Warning, "value-changes", "YAML reads another value than what is written.";
    PathDefault = Warning, "path-default", "The default of a path parameter is found only from some directories.";
    FoldedBackslash = Warning, "folded-backslash", "YAML joins lines of a command, so a backslash escapes a blank.";
    SplitCommand = Warning, "split-command", "A line that begins with an option is run as a separate command.";
    CutCommand = Warning, "cut-command", "YAML cuts a command at a blank and a '#'.";
    ImageName = Warning, "image-name", "An image cannot have the project's name.";
    Secret = Warning, "secret", "The file seems to contain a secret.";
    IgnoredFile = Warning, "ignored-file", "A second file that could be the MLproject file is ignored.";
    EmptyFile = Warning, "empty-file", "The MLproject file is empty.";
    UncheckedType = Note, "unchecked-type", "MLflow does not check this type.";
    ValueRespelt = Note, "value-respelt", "YAML spells the value differently.";
    EmptyDefault = Note, "empty-default", "An empty default is no default: the parameter is required.";
    TrailingNewline = Note, "trailing-newline", "A command ends with a line break.";
    JobName = Note, "job-name", "A Kubernetes job cannot have the project's name.";
    CondaOnly = Note, "conda-only", "Only conda can make the environment, not virtualenv or uv.";
}

impl Code {
    fn of_problem(problem: &ProjectProblem) -> Self {
        match problem {
            ProjectProblem::Read { .. } => Self::UnreadableFile,
            ProjectProblem::Yaml { .. } => Self::InvalidYaml,
            ProjectProblem::NameCollision { .. } => Self::NameCollision,
            ProjectProblem::SeveralEnvironments { .. } => Self::SeveralEnvironments,
            ProjectProblem::EnvironmentFileMissing { .. } => Self::MissingEnvironmentFile,
            ProjectProblem::NoMlproject { .. } => Self::MissingMlproject,
            ProjectProblem::NothingToRun { .. } => Self::NothingToRun,
            ProjectProblem::CommandMissing { .. } => Self::MissingCommand,
            ProjectProblem::NotAFloat { .. } => Self::FloatDefault,
            ProjectProblem::Template {
                error: TemplateError::UnknownName { .. },
                ..
            } => Self::UndeclaredPlaceholder,
            ProjectProblem::Template { .. } => Self::InvalidPlaceholder,
            _ => Self::InvalidValue,
        }
    }
}
