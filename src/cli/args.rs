//! The command line's words: names, short forms, defaults and help texts. Nothing is decided here.

use std::time::Duration;

use clap::{ArgAction, Args, CommandFactory, Parser, Subcommand, ValueEnum, ValueHint};

use crate::backend;
use crate::cli::help;

/// Run MLflow Projects: fetch a project, prepare its environment, run an entry point, record the run
#[derive(Debug, Parser)]
#[command(
    name = "mlrun",
    version,
    args_override_self = true,
    subcommand_required = true,
    arg_required_else_help = true,
    disable_help_subcommand = true,
    max_term_width = 100
)]
pub(crate) struct Arguments {
    /// Load variables from a dotenv file first; variables that are set already keep their value
    #[arg(long, value_name = "FILE")]
    pub(crate) env_file: Option<std::path::PathBuf>,

    #[command(subcommand)]
    pub(crate) command: Command,
}

/// The whole command line, its help laid out.
pub(crate) fn command() -> clap::Command {
    help::laid_out(Arguments::command())
}

#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Run an MLflow project from a directory, a Git repository or a zip
    ///
    /// Local runs (the default) block until the entry point has ended. The exit code is 0 when the
    /// run succeeded, 1 when it or its preparation failed, 2 for a usage error, and 128+N when signal N
    /// ended it.
    Run(Box<RunArguments>),

    /// Show how a run stands: its status in the tracking store, and whether what runs it still does
    ///
    /// The exit code is 0 when the status could be told, whatever it is; 1 when it could not.
    Status {
        /// The run, in the store that MLFLOW_TRACKING_URI names
        #[arg(value_name = "RUN_ID")]
        run_id: String,

        /// Write all that is known as one JSON object; times are in milliseconds since 1970
        #[arg(long)]
        json: bool,
    },

    /// Wait until a run has ended
    ///
    /// The exit code is 0 for FINISHED, 1 for FAILED or an end that is not known, 137 for KILLED, and
    /// 128+N when signal N ended the waiting; the run goes on then.
    Wait {
        /// The run, in the store that MLFLOW_TRACKING_URI names
        #[arg(value_name = "RUN_ID")]
        run_id: String,
    },

    /// End a run with all that belongs to it, and record it as KILLED
    ///
    /// The exit code is 0 when the run has ended, also when it had ended before; 1 when it cannot be ended
    /// from here.
    Cancel {
        /// The run, in the store that MLFLOW_TRACKING_URI names
        #[arg(value_name = "RUN_ID")]
        run_id: String,
    },

    /// Show a project's environment, entry points and parameters, and what is odd about its file
    Inspect(InspectArguments),

    /// Check a project's MLproject file; the exit code is 1 where a run would be refused
    Lint(LintArguments),

    /// Show and remove the environments that were built for projects
    #[command(subcommand, arg_required_else_help = true)]
    Env(EnvCommand),

    /// Write a script that completes command lines: options, entry points, parameters
    Completions {
        /// The shell
        #[arg(value_name = "SHELL")]
        shell: Shell,
    },

    /// Write manual pages: that of mlrun to standard output, or those of all commands into a directory
    Man {
        /// The directory; made when it is missing
        #[arg(value_name = "DIR", value_hint = ValueHint::DirPath)]
        directory: Option<std::path::PathBuf>,
    },

    /// Write what may stand in place of a word; for the scripts of `completions`
    #[command(name = "__complete", hide = true)]
    Complete {
        /// The word's place among the words
        index: usize,

        /// The words of the command line
        #[arg(last = true, allow_hyphen_values = true)]
        words: Vec<std::ffi::OsString>,
    },
}

#[derive(Debug, Subcommand)]
pub(crate) enum EnvCommand {
    /// Show all environments: name, manager, size, when they were made and last used, and for which project
    List {
        /// Write one JSON object per environment in a list; times are in milliseconds since 1970
        #[arg(long)]
        json: bool,
    },

    /// Remove environments that have not been used for long; never one in use
    Prune {
        /// Remove those not used for this long: a number with s, m, h, d or w
        #[arg(long, value_name = "TIME", default_value = "30d", value_parser = duration)]
        older_than: Duration,

        /// Show what would be removed, and remove nothing
        #[arg(long)]
        dry_run: bool,
    },

    /// Remove environments by name, or by the beginning of one; never one in use
    Rm {
        /// The names, as `mlrun env list` shows them
        #[arg(value_name = "NAME", required = true)]
        names: Vec<String>,
    },
}

#[derive(Debug, Args)]
pub(crate) struct InspectArguments {
    /// The project: a directory, a Git repository or a zip, as for `mlrun run`
    #[arg(value_name = "URI", default_value = ".", value_hint = ValueHint::AnyPath)]
    pub(crate) uri: String,

    /// Show only this entry point
    #[arg(short = 'e', long, value_name = "NAME", allow_hyphen_values = true)]
    pub(crate) entry_point: Option<String>,

    /// The version of a Git project: a branch, a tag or a commit
    #[arg(short = 'v', long, value_name = "VERSION", allow_hyphen_values = true)]
    pub(crate) version: Option<String>,

    /// Write one JSON object
    #[arg(long)]
    pub(crate) json: bool,
}

#[derive(Debug, Args)]
pub(crate) struct LintArguments {
    /// The project: a directory, a Git repository or a zip, as for `mlrun run`
    #[arg(value_name = "URI", default_value = ".", value_hint = ValueHint::AnyPath)]
    pub(crate) uri: String,

    /// The version of a Git project: a branch, a tag or a commit
    #[arg(short = 'v', long, value_name = "VERSION", allow_hyphen_values = true)]
    pub(crate) version: Option<String>,

    /// Write one JSON object with all findings
    #[arg(long)]
    pub(crate) json: bool,
}

/// Reads a length of time such as `30d`.
fn duration(text: &str) -> Result<Duration, String> {
    let unknown = || "give a number with s, m, h, d or w, such as 30d".to_owned();
    let (unit_start, unit) = text.char_indices().next_back().ok_or_else(unknown)?;
    let seconds = match unit {
        's' => 1,
        'm' => 60,
        'h' => 60 * 60,
        'd' => 24 * 60 * 60,
        'w' => 7 * 24 * 60 * 60,
        _ => return Err(unknown()),
    };
    let number: u64 = text[..unit_start].parse().map_err(|_| unknown())?;
    Ok(Duration::from_secs(number.saturating_mul(seconds)))
}

#[derive(Debug, Args)]
pub(crate) struct RunArguments {
    /// The project: a directory, a Git repository or a zip; `#sub/dir` names a directory inside it
    #[arg(value_name = "URI", value_hint = ValueHint::AnyPath)]
    pub(crate) uri: String,

    /// The entry point: a name in the MLproject file, or a .py, .sh or .R file of the project
    #[arg(
        short = 'e',
        long,
        value_name = "NAME",
        default_value = "main",
        allow_hyphen_values = true
    )]
    pub(crate) entry_point: String,

    /// The version of a Git project: a branch, a tag or a commit
    #[arg(short = 'v', long, value_name = "VERSION", allow_hyphen_values = true)]
    pub(crate) version: Option<String>,

    /// A parameter of the entry point; one that it does not declare is passed as `--name value`
    #[arg(short = 'P', long, value_name = "NAME=VALUE", action = ArgAction::Append, allow_hyphen_values = true)]
    pub(crate) param_list: Vec<String>,

    /// An argument (-A name=value) or flag (-A name) for `docker run`
    #[arg(short = 'A', long, value_name = "NAME=VALUE", action = ArgAction::Append, allow_hyphen_values = true)]
    pub(crate) docker_args: Vec<String>,

    /// The experiment's name; made when it is missing [env: MLFLOW_EXPERIMENT_NAME]
    #[arg(long, value_name = "NAME", allow_hyphen_values = true)]
    pub(crate) experiment_name: Option<String>,

    /// The experiment's id [env: MLFLOW_EXPERIMENT_ID]
    #[arg(long, value_name = "ID", allow_hyphen_values = true)]
    pub(crate) experiment_id: Option<String>,

    /// Where the entry point runs: local, databricks or kubernetes
    #[arg(
        short = 'b',
        long,
        value_name = "BACKEND",
        default_value = backend::DEFAULT,
        allow_hyphen_values = true
    )]
    pub(crate) backend: String,

    /// The backend's configuration: a file whose name ends in .json, or JSON text
    #[arg(short = 'c', long, value_name = "FILE", allow_hyphen_values = true)]
    pub(crate) backend_config: Option<String>,

    /// The environment manager; chosen by the project's files when not given
    #[arg(long, value_name = "MANAGER")]
    pub(crate) env_manager: Option<EnvManagerName>,

    /// The older spelling of `--env-manager local`
    #[arg(long)]
    pub(crate) no_conda: bool,

    /// Install a requirements.txt or pyproject.toml (if there is no environment file)
    #[arg(long, value_name = "FILE", allow_hyphen_values = true, value_hint = ValueHint::FilePath)]
    pub(crate) requirements: Option<std::path::PathBuf>,

    /// The directory for data that `path` parameters download [env: MLFLOW_TMP_DIR]
    #[arg(long, value_name = "DIR", allow_hyphen_values = true)]
    pub(crate) storage_dir: Option<String>,

    /// Use this existing run instead of a new one
    #[arg(long, value_name = "RUN_ID", allow_hyphen_values = true)]
    pub(crate) run_id: Option<String>,

    /// The run's name
    #[arg(long, value_name = "NAME", allow_hyphen_values = true)]
    pub(crate) run_name: Option<String>,

    /// Docker projects: build an image with the project's files (the default)
    #[arg(long, conflicts_with = "no_build_image")]
    pub(crate) build_image: bool,

    /// Docker projects: run the named image as it is
    #[arg(long)]
    pub(crate) no_build_image: bool,

    /// Stay until the entry point has ended, where the backend would not
    #[arg(long, overrides_with = "no_wait")]
    pub(crate) wait: bool,

    /// Return as soon as the backend has taken the run; see `mlrun status`, `wait` and `cancel`
    #[arg(long)]
    pub(crate) no_wait: bool,

    /// Do not show what the entry point writes where it does not run on this machine
    #[arg(long)]
    pub(crate) no_logs: bool,

    /// How long the backend may take to start the entry point: a number with s, m, h, d or w
    #[arg(long, value_name = "TIME", value_parser = duration)]
    pub(crate) start_timeout: Option<Duration>,

    /// End the run as SIGTERM would when it takes longer: a number with s, m, h, d or w; exit code 124
    #[arg(long, value_name = "TIME", value_parser = duration)]
    pub(crate) timeout: Option<Duration>,

    /// What the exit code is when the entry point fails
    #[arg(long, value_name = "WHOSE", default_value = "mlrun")]
    pub(crate) exit_code: ExitCodeName,

    /// Keep the entry point's output among the run's artifacts too, in logs/
    #[arg(long)]
    pub(crate) log_output: bool,

    /// Parameters from a YAML or JSON file of names and values; -P wins over it
    #[arg(long, value_name = "FILE")]
    pub(crate) params_file: Option<std::path::PathBuf>,

    /// Show what would be done, and do nothing of it
    #[arg(long)]
    pub(crate) dry_run: bool,

    /// Write the dry run as one JSON object
    #[arg(long, requires = "dry_run")]
    pub(crate) json: bool,

    /// Do nothing where a finished run of the experiment has done it: same commit, entry point and values
    #[arg(long, conflicts_with = "run_id")]
    pub(crate) reuse: bool,

    /// Write what became of the run to this file, as JSON
    #[arg(long, value_name = "FILE")]
    pub(crate) run_info: Option<std::path::PathBuf>,

    /// Keep the temporary directory of a fetched project
    #[arg(long)]
    pub(crate) keep_workdir: bool,

    /// The form of log lines on standard error
    #[arg(long, value_name = "FORMAT", default_value = "text")]
    pub(crate) log_format: LogFormat,

    /// Show warnings and errors only
    #[arg(short = 'q', long, conflicts_with = "verbose")]
    pub(crate) quiet: bool,

    /// Show what happens inside
    #[arg(long)]
    pub(crate) verbose: bool,
}

/// `--env-manager`, as the reference spells its values.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum EnvManagerName {
    /// Whatever is installed: nothing is built
    Local,
    /// A virtual environment, its packages installed by pip
    Virtualenv,
    /// A virtual environment, its packages installed by uv
    Uv,
    /// A conda environment
    Conda,
}

/// The shells that there is a script for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum Shell {
    /// source <(mlrun completions bash)
    Bash,
    /// source <(mlrun completions zsh), after compinit
    Zsh,
    /// mlrun completions fish | source
    Fish,
}

/// `--log-format`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum LogFormat {
    /// Lines for a person
    Text,
    /// One JSON object a line
    Json,
}

/// `--exit-code`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum ExitCodeName {
    /// 1, as of `mlflow run`
    Mlrun,
    /// The entry point's own; 128+N where signal N ended it
    EntryPoint,
}
