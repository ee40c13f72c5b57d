//! Where mlrun differs from the reference on purpose.

/// One documented difference.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Deviation {
    /// The store gets a parameter's value itself; the reference stores it quoted for the shell.
    ValuesAreLoggedAsTheyAre,
    /// A `float` must be one.
    FloatsAreChecked,
    /// A `uri` that is a relative local path becomes absolute; the reference refuses local paths.
    LocalUrisBecomeAbsolute,
    /// An empty value for a `path` is refused; the reference passes its download directory.
    EmptyPathsAreRefused,
    /// What can be found before a run is created is found before; the reference leaves its run
    /// RUNNING.
    ErrorsComeBeforeTheRun,
    /// A command that ends in line breaks takes further parameters on its last line.
    BlockCommandsTakeExtras,
    /// A run that its entry point set to FAILED or KILLED keeps that status.
    VerdictsAreKept,
    /// A run that is started inside a run has a parent.
    NestedRunsHaveAParent,
    /// With `--run-id` the entry point gets the run's own experiment.
    RunsKeepTheirExperiment,
    /// What the program itself says goes to standard error: standard output is the entry point's.
    MessagesGoToStandardError,
    /// The file store is used without further permission, and the entry point may use it too.
    FileStoresAreUsed,
    /// The entry point gets an absolute tracking URI: it runs in another directory.
    TrackingUrisBecomeAbsolute,
    /// A tag marks files that differ from the commit; the reference uses that tag for other things.
    ChangedTreesAreMarked,
    /// `mlflow.source.name` is the project's real place, however it was written.
    SourceNamesAreRight,
    /// An MLproject file without content counts as absent.
    EmptyMlprojectsAreAbsent,
    /// An empty `SHELL` is as good as none.
    EmptyShellsAreBash,
    /// `--no-conda` is accepted, as MLflow 1 did.
    NoCondaIsAccepted,
    /// A usage error where the reference fails later and otherwise.
    WrongOptionsAreUsageErrors,
    /// Text for persons is each program's own.
    HelpIsItsOwn,
    /// Names that only differ before YAML resolves them are an error, not one parameter.
    CollidingNamesAreRefused,
    /// A name that YAML resolves can be given as Python prints it; the reference then compares a
    /// boolean with a text.
    ResolvedNamesCanBeGiven,
    /// An `.R` file with a space in its name is quoted once; the reference quotes it into an R error.
    RFilesAreQuotedOnce,
    /// `parameters:` without anything below it is an empty mapping; the reference fails.
    NullParametersAreNone,
    /// A variable that is empty is as good as none.
    EmptyVariablesAreUnset,
    /// An empty project URI is refused; the reference takes the current directory.
    EmptyUrisAreRefused,
    /// A `#subdirectory` may have dots in its name.
    SubdirectoriesMayHaveDots,
    /// Directories are created when they are needed.
    NothingIdleIsMade,
    /// The entry point gets a database's path unencoded: SQLAlchemy before 2.1 does not decode percent signs.
    DatabasePathsArePlain,
}

impl Deviation {
    /// The difference in a few words.
    pub(super) fn sentence(self) -> &'static str {
        match self {
            Self::ValuesAreLoggedAsTheyAre => "values are logged as they are, not quoted for the shell",
            Self::FloatsAreChecked => "a float is checked",
            Self::LocalUrisBecomeAbsolute => "a local path is a URI too, and becomes absolute",
            Self::EmptyPathsAreRefused => "an empty path is refused",
            Self::ErrorsComeBeforeTheRun => "the error is found before a run is created",
            Self::BlockCommandsTakeExtras => "further parameters go on the command's last line",
            Self::VerdictsAreKept => "the entry point's own verdict is kept",
            Self::NestedRunsHaveAParent => "a run inside a run has a parent",
            Self::RunsKeepTheirExperiment => "the entry point is told the run's own experiment",
            Self::MessagesGoToStandardError => "what mlrun says goes to standard error",
            Self::FileStoresAreUsed => "a file store is used as any other",
            Self::TrackingUrisBecomeAbsolute => "the entry point's tracking URI is absolute",
            Self::ChangedTreesAreMarked => "files that are no commit's are told of by a tag",
            Self::SourceNamesAreRight => "the source's name is the project's real place",
            Self::EmptyMlprojectsAreAbsent => "an empty MLproject counts as absent",
            Self::EmptyShellsAreBash => "an empty SHELL means bash",
            Self::NoCondaIsAccepted => "--no-conda is accepted",
            Self::WrongOptionsAreUsageErrors => "a wrong option is a usage error",
            Self::HelpIsItsOwn => "help is each program's own text",
            Self::CollidingNamesAreRefused => "colliding names are refused",
            Self::ResolvedNamesCanBeGiven => "a resolved name can be given as it prints",
            Self::RFilesAreQuotedOnce => "R files are quoted once",
            Self::NullParametersAreNone => "null parameters are none",
            Self::EmptyVariablesAreUnset => "an empty variable is as good as none",
            Self::EmptyUrisAreRefused => "an empty URI is refused",
            Self::SubdirectoriesMayHaveDots => "a subdirectory may have dots in its name",
            Self::NothingIdleIsMade => "no directory is made for nothing",
            Self::DatabasePathsArePlain => "a database's path is not encoded",
        }
    }
}
