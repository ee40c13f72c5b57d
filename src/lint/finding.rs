//! A remark on an MLproject file, and the kinds of remarks.

use crate::project::Location;

/// One remark.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Finding {
    /// What kind of remark it is.
    pub code: Code,
    /// What was found.
    pub message: String,
    /// Where; nowhere where a file as a whole is meant.
    pub location: Option<Location>,
    /// What to do about it.
    pub hint: Option<String>,
    /// The entry point that it is about; nothing where the project as a whole is meant.
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
}

/// How much a remark weighs.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Severity {
    /// Worth knowing.
    Note,
    /// Runs, but does something else than it looks like.
    Warning,
    /// A run would be refused.
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

/// Makes the codes, their names and what they weigh, in one table.
macro_rules! codes {
    ($($(#[$meaning:meta])* $code:ident = $severity:ident, $name:literal;)+) => {
        /// What a remark is about. The names stay the same from version to version.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
        pub enum Code {
            $($(#[$meaning])* $code,)+
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

            /// How much it weighs.
            pub fn severity(self) -> Severity {
                match self {
                    $(Self::$code => Severity::$severity,)+
                }
            }
        }
    };
}

codes! {
    /// The file cannot be read.
    UnreadableFile = Error, "unreadable-file";
    /// The file is no YAML.
    InvalidYaml = Error, "invalid-yaml";
    /// A value is of a kind that MLflow cannot use.
    InvalidValue = Error, "invalid-value";
    /// Two keys give the same name.
    NameCollision = Error, "name-collision";
    /// More than one environment.
    SeveralEnvironments = Error, "several-environments";
    /// The environment's file does not exist.
    MissingEnvironmentFile = Error, "missing-environment-file";
    /// A file such as `MLproject.yaml`, which is not read.
    MisnamedFile = Error, "misnamed-file";
    /// An entry point without a command.
    MissingCommand = Error, "missing-command";
    /// A command uses a parameter that is not declared.
    UndeclaredPlaceholder = Error, "undeclared-placeholder";
    /// Braces in a command that Python's format syntax cannot read.
    InvalidPlaceholder = Error, "invalid-placeholder";
    /// The default of a `float` is no number.
    FloatDefault = Error, "float-default";
    /// A key without a meaning.
    UnknownKey = Warning, "unknown-key";
    /// `{type:int, …}` and the like.
    MalformedEntry = Warning, "malformed-entry";
    /// A key that is written again.
    DuplicateKey = Warning, "duplicate-key";
    /// A parameter that its command does not use.
    UnusedParameter = Warning, "unused-parameter";
    /// A type that is nearly one that MLflow knows.
    MisspeltType = Warning, "misspelt-type";
    /// YAML makes another value of what is written.
    ValueChanges = Warning, "value-changes";
    /// A `\` before a line's end that YAML folds away.
    FoldedBackslash = Warning, "folded-backslash";
    /// A line of options that is a command of its own.
    SplitCommand = Warning, "split-command";
    /// A name that no image can have.
    ImageName = Warning, "image-name";
    /// A secret in the file.
    Secret = Warning, "secret";
    /// A second file that could be the MLproject file.
    IgnoredFile = Warning, "ignored-file";
    /// An MLproject file that says nothing.
    EmptyFile = Warning, "empty-file";
    /// A type that MLflow does not check.
    UncheckedType = Note, "unchecked-type";
    /// YAML spells the value differently.
    ValueRespelt = Note, "value-respelt";
    /// A default that is none.
    EmptyDefault = Note, "empty-default";
    /// A command that ends with a line's end.
    TrailingNewline = Note, "trailing-newline";
    /// A name that no Kubernetes job can have.
    JobName = Note, "job-name";
}
