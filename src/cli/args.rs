//! The command line's words: names, short forms, defaults and help texts. Nothing is decided here.

use std::time::Duration;

use clap::{ArgAction, Args, CommandFactory, Parser, Subcommand, ValueEnum, ValueHint};

use crate::backend;
use crate::cli::help::{self, GLOBAL};
use crate::cli::terminal::{self, ColorChoice};

/// Run MLflow Projects and record the runs
#[derive(Debug, Parser)]
#[command(
    name = "mlrun",
    version,
    args_override_self = true,
    subcommand_required = true,
    arg_required_else_help = true,
    disable_help_subcommand = true
)]
pub(crate) struct Arguments {
    /// Load variables from a dotenv FILE (variables already set keep their value)
    #[arg(long, value_name = "FILE", global = true, help_heading = GLOBAL, value_hint = ValueHint::FilePath)]
    pub(crate) env_file: Option<std::path::PathBuf>,

    /// Use colors: auto, always or never [env: NO_COLOR, CLICOLOR_FORCE]
    #[arg(
        long,
        global = true,
        value_name = "WHEN",
        default_value = "auto",
        hide_default_value = true,
        hide_possible_values = true,
        help_heading = GLOBAL
    )]
    pub(crate) color: ColorChoice,

    /// Choose the format of log lines on standard error
    #[arg(long, value_name = "FORMAT", global = true, help_heading = GLOBAL, default_value = "text")]
    pub(crate) log_format: LogFormat,

    /// Print only warnings and errors
    #[arg(
        short = 'q',
        long,
        global = true,
        help_heading = GLOBAL,
        conflicts_with = "verbose"
    )]
    pub(crate) quiet: bool,

    /// Print details for debugging
    #[arg(long, global = true, help_heading = GLOBAL)]
    pub(crate) verbose: bool,

    #[command(subcommand)]
    pub(crate) command: Command,
}

/// The command line as it is parsed.
pub(crate) fn parser() -> clap::Command {
    help::laid_out(Arguments::command())
}

/// The command line with all of its help, which takes longer to make than to parse most command lines.
pub(crate) fn command() -> clap::Command {
    help::with_pages(help::laid_out(terminal::dressed(Arguments::command())))
}

#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Run a project
    ///
    /// Fetches the project, prepares its environment, runs one of its entry points and records the run in the
    /// tracking store that MLFLOW_TRACKING_URI names. Takes every option of `mlflow run`.
    ///
    /// A local run lasts until the entry point ends. Other backends may return earlier: see --wait and
    /// --no-wait.
    Run(Box<RunArguments>),

    /// Show a run's status
    ///
    /// Shows the status in the tracking store and whether the run's process or job is still alive.
    Status {
        /// Run id, in the store that MLFLOW_TRACKING_URI names
        #[arg(value_name = "RUN")]
        run_id: String,

        /// Print one JSON object (times in milliseconds since 1970)
        #[arg(long)]
        json: bool,
    },

    /// Wait until a run ends
    ///
    /// Interrupting the wait does not stop the run.
    Wait {
        /// Run id, in the store that MLFLOW_TRACKING_URI names
        #[arg(value_name = "RUN")]
        run_id: String,
    },

    /// Stop a run and record it as KILLED
    ///
    /// Stops every process, container or job of the run. A run that has already ended stays as it is.
    Cancel {
        /// Run id, in the store that MLFLOW_TRACKING_URI names
        #[arg(value_name = "RUN")]
        run_id: String,
    },

    /// Show a project's entry points and parameters
    ///
    /// Also shows the project's environment and the problems that `mlrun lint` finds. Runs nothing.
    Inspect(InspectArguments),

    /// Check a project's files for mistakes
    ///
    /// Prints each finding with its file, line and column. Runs nothing.
    Lint(LintArguments),

    /// Write a project for your scripts
    ///
    /// Options of argparse, click, typer and fire become parameters. Nothing is overwritten.
    Init(InitArguments),

    /// Check this machine, the tracking store and the project
    ///
    /// The exit code is 0 if the project can run here, 1 if something that it needs is missing.
    Doctor(DoctorArguments),

    /// Print the JSON Schema of a project file
    Schema {
        /// The kind of file
        #[arg(value_name = "FILE", default_value = "mlproject")]
        file: SchemaName,
    },

    /// Print the version and the linked libraries
    Version {
        /// Print one JSON object
        #[arg(long)]
        json: bool,
    },

    /// List and remove built environments
    ///
    /// mlrun builds an environment once and keeps it for later runs.
    #[command(subcommand, arg_required_else_help = true)]
    Env(EnvCommand),

    /// Print a shell completion script
    ///
    /// Completes options, entry points, parameters, runs, experiments and environments.
    Completions {
        /// Shell to complete for
        #[arg(value_name = "SHELL")]
        shell: Shell,
    },

    /// Print or write the manual pages
    ///
    /// Without DIR, prints the page of mlrun itself; with DIR, writes the pages of all commands into it.
    Man {
        /// Directory for the pages; created if it does not exist
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
    /// List the environments
    ///
    /// Shows each environment's name, manager, size, age, last use, state and project.
    List {
        /// Print a JSON list (times in milliseconds since 1970)
        #[arg(long)]
        json: bool,
    },

    /// Remove environments that are no longer used
    ///
    /// Also removes what interrupted builds left behind. An environment in use is kept.
    Prune {
        /// Remove environments not used for TIME, such as 12h, 30d or 8w
        #[arg(long, value_name = "TIME", default_value = "30d", value_parser = duration)]
        older_than: Duration,

        /// List what would be removed without removing it
        #[arg(long)]
        dry_run: bool,
    },

    /// Remove environments by name
    ///
    /// An environment in use is not removed.
    Rm {
        /// Names from `mlrun env list`, or unambiguous beginnings of them
        #[arg(value_name = "NAME", required = true)]
        names: Vec<String>,
    },
}

#[derive(Debug, Args)]
pub(crate) struct InspectArguments {
    /// Project: a directory, Git repository or zip ('#sub/dir' picks a subdirectory)
    #[arg(value_name = "URI", default_value = ".", value_hint = ValueHint::AnyPath)]
    pub(crate) uri: String,

    /// Show only this entry point
    #[arg(short = 'e', long, value_name = "NAME", allow_hyphen_values = true)]
    pub(crate) entry_point: Option<String>,

    /// Git branch, tag or commit
    #[arg(short = 'v', long, value_name = "VERSION", allow_hyphen_values = true)]
    pub(crate) version: Option<String>,

    /// Print one JSON object
    #[arg(long)]
    pub(crate) json: bool,
}

#[derive(Debug, Args)]
pub(crate) struct LintArguments {
    /// Project: a directory, Git repository or zip ('#sub/dir' picks a subdirectory)
    #[arg(value_name = "URI", default_value = ".", value_hint = ValueHint::AnyPath)]
    pub(crate) uri: String,

    /// Git branch, tag or commit
    #[arg(short = 'v', long, value_name = "VERSION", allow_hyphen_values = true)]
    pub(crate) version: Option<String>,

    /// Choose the format of the findings (github: annotations, sarif: code scanning)
    #[arg(long, value_name = "FORMAT", value_enum, default_value_t)]
    pub(crate) format: LintFormat,

    /// Print one JSON object with all findings (same as --format json)
    #[arg(long, conflicts_with = "format")]
    pub(crate) json: bool,
}

/// The format of `mlrun lint`'s findings.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, ValueEnum)]
pub(crate) enum LintFormat {
    #[default]
    Text,
    Json,
    Github,
    Sarif,
}

#[derive(Debug, Args)]
pub(crate) struct InitArguments {
    /// The project's directory; created if it does not exist
    #[arg(value_name = "DIR", default_value = ".", value_hint = ValueHint::DirPath)]
    pub(crate) directory: std::path::PathBuf,

    /// A script for an entry point; the first is main [default: the scripts in DIR]
    #[arg(long, value_name = "SCRIPT", value_hint = ValueHint::FilePath, action = ArgAction::Append, allow_hyphen_values = true)]
    pub(crate) from: Vec<std::path::PathBuf>,

    /// Build the environment with uv
    #[arg(long, conflicts_with_all = ["conda", "docker"])]
    pub(crate) uv: bool,

    /// Write a conda environment file
    #[arg(long, conflicts_with = "docker")]
    pub(crate) conda: bool,

    /// Write a Dockerfile
    #[arg(long)]
    pub(crate) docker: bool,

    /// The project's name [default: the directory's]
    #[arg(long, value_name = "NAME", allow_hyphen_values = true)]
    pub(crate) name: Option<String>,
}

#[derive(Debug, Args)]
pub(crate) struct DoctorArguments {
    /// The project: a directory, a Git repository or a zip [default: the current directory]
    #[arg(value_name = "URI", value_hint = ValueHint::AnyPath)]
    pub(crate) uri: Option<String>,

    /// Print one JSON object
    #[arg(long)]
    pub(crate) json: bool,
}

/// The files that `mlrun schema` describes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum SchemaName {
    /// The MLproject file
    Mlproject,
    /// The file that python_env names
    #[value(name = "python_env", alias = "python-env")]
    PythonEnv,
}

/// Reads a length of time such as `30d` or `1h30m`.
fn duration(text: &str) -> Result<Duration, String> {
    const UNITS: &str = "write a number with a unit (s, m, h, d or w), such as 90s, 2h or 30d";
    if !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit()) {
        return Err(format!("add a unit: {text}s, {text}m or {text}h"));
    }
    let (mut seconds, mut digits) = (0u64, String::new());
    for character in text.chars() {
        let unit = match character {
            '0'..='9' => {
                digits.push(character);
                continue;
            }
            's' => 1,
            'm' => 60,
            'h' => 60 * 60,
            'd' => 24 * 60 * 60,
            'w' => 7 * 24 * 60 * 60,
            _ => return Err(UNITS.to_owned()),
        };
        let number: u64 = digits.parse().map_err(|_| UNITS.to_owned())?;
        seconds = seconds.saturating_add(number.saturating_mul(unit));
        digits.clear();
    }
    if text.is_empty() || !digits.is_empty() {
        return Err(UNITS.to_owned());
    }
    Ok(Duration::from_secs(seconds))
}

#[derive(Debug, Args)]
pub(crate) struct RunArguments {
    /// Project: a directory, Git repository or zip ('#sub/dir' picks a subdirectory)
    #[arg(value_name = "URI", value_hint = ValueHint::AnyPath)]
    pub(crate) uri: String,

    /// Entry point to run: a name in MLproject, or a .py, .sh or .R file
    #[arg(
        short = 'e',
        long,
        value_name = "NAME",
        default_value = "main",
        allow_hyphen_values = true
    )]
    pub(crate) entry_point: String,

    /// Git branch, tag or commit to run
    #[arg(short = 'v', long, value_name = "VERSION", allow_hyphen_values = true)]
    pub(crate) version: Option<String>,

    /// Set a parameter; an undeclared one is passed as `--NAME VALUE` (repeatable)
    #[arg(short = 'P', long, value_name = "NAME=VALUE", action = ArgAction::Append, allow_hyphen_values = true)]
    pub(crate) param_list: Vec<String>,

    /// Pass an option to `docker run`, such as -A gpus=all or -A t (repeatable)
    #[arg(short = 'A', long, value_name = "NAME=VALUE", action = ArgAction::Append, allow_hyphen_values = true)]
    pub(crate) docker_args: Vec<String>,

    /// Record the run in this experiment; created if it does not exist
    ///
    /// Default: the variable MLFLOW_EXPERIMENT_NAME.
    #[arg(long, value_name = "NAME", allow_hyphen_values = true)]
    pub(crate) experiment_name: Option<String>,

    /// Record the run in the experiment with this id
    ///
    /// Default: the variable MLFLOW_EXPERIMENT_ID.
    #[arg(long, value_name = "ID", allow_hyphen_values = true)]
    pub(crate) experiment_id: Option<String>,

    /// Run on this backend: local, databricks or kubernetes
    #[arg(
        short = 'b',
        long,
        value_name = "BACKEND",
        default_value = backend::DEFAULT,
        allow_hyphen_values = true
    )]
    pub(crate) backend: String,

    /// Configure the backend: a .json file or JSON text
    #[arg(short = 'c', long, value_name = "FILE", allow_hyphen_values = true, value_hint = ValueHint::FilePath)]
    pub(crate) backend_config: Option<String>,

    /// Choose the environment manager (otherwise the project's files decide)
    #[arg(long, value_name = "MANAGER")]
    pub(crate) env_manager: Option<EnvManagerName>,

    /// Same as `--env-manager local` (older spelling)
    #[arg(long)]
    pub(crate) no_conda: bool,

    /// Install a requirements.txt or pyproject.toml (if there is no environment file)
    #[arg(long, value_name = "FILE", allow_hyphen_values = true, value_hint = ValueHint::FilePath)]
    pub(crate) requirements: Option<std::path::PathBuf>,

    /// Download the data of `path` parameters into DIR
    ///
    /// Default: the variable MLFLOW_TMP_DIR, else a temporary directory.
    #[arg(long, value_name = "DIR", allow_hyphen_values = true, value_hint = ValueHint::DirPath)]
    pub(crate) storage_dir: Option<String>,

    /// Use an existing run instead of creating one
    #[arg(long, value_name = "RUN", allow_hyphen_values = true)]
    pub(crate) run_id: Option<String>,

    /// Name the run (otherwise the store makes a name up)
    #[arg(long, value_name = "NAME", allow_hyphen_values = true)]
    pub(crate) run_name: Option<String>,

    /// Docker: add the project's files to the image (the default)
    #[arg(long, conflicts_with = "no_build_image")]
    pub(crate) build_image: bool,

    /// Docker: run the named image as it is
    #[arg(long)]
    pub(crate) no_build_image: bool,

    /// Wait for the run to finish (Databricks)
    #[arg(long, overrides_with = "no_wait")]
    pub(crate) wait: bool,

    /// Return once the backend has accepted the run (not for local runs)
    #[arg(long)]
    pub(crate) no_wait: bool,

    /// Do not print the entry point's output (Databricks, Kubernetes)
    #[arg(long)]
    pub(crate) no_logs: bool,

    /// Fail if the backend does not start the entry point within TIME, such as 10m
    #[arg(long, value_name = "TIME", value_parser = duration)]
    pub(crate) start_timeout: Option<Duration>,

    /// Stop the run after TIME, such as 90s, 2h or 1h30m (exit code 124)
    #[arg(long, value_name = "TIME", value_parser = duration)]
    pub(crate) timeout: Option<Duration>,

    /// Choose the exit code for a failed entry point
    #[arg(long, value_name = "WHOSE", default_value = "mlrun")]
    pub(crate) exit_code: ExitCodeName,

    /// Also save the entry point's output as artifacts of the run, in logs/
    #[arg(long)]
    pub(crate) log_output: bool,

    /// Read parameters from a YAML or JSON file (-P overrides it)
    #[arg(long, value_name = "FILE", value_hint = ValueHint::FilePath)]
    pub(crate) params_file: Option<std::path::PathBuf>,

    /// Refuse parameters that the entry point does not declare
    #[arg(long)]
    pub(crate) strict_params: bool,

    /// Print the plan without running anything
    #[arg(long)]
    pub(crate) dry_run: bool,

    /// Print the dry run as one JSON object
    #[arg(long, requires = "dry_run")]
    pub(crate) json: bool,

    /// Skip the run if a finished one matches (commit, entry point, parameters)
    #[arg(long, conflicts_with = "run_id")]
    pub(crate) reuse: bool,

    /// Write the run's id, status and timings to FILE as JSON
    #[arg(long, value_name = "FILE", value_hint = ValueHint::FilePath)]
    pub(crate) run_info: Option<std::path::PathBuf>,

    /// Keep the temporary copy of a fetched project
    #[arg(long)]
    pub(crate) keep_workdir: bool,
}

/// `--env-manager`, as the reference spells its values.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum EnvManagerName {
    /// Build nothing; use the programs on PATH
    Local,
    /// Virtual environment, packages installed by pip
    Virtualenv,
    /// Virtual environment, packages installed by uv
    Uv,
    /// Conda environment
    Conda,
}

/// The shells that there is a script for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum Shell {
    /// In ~/.bashrc: source <(mlrun completions bash)
    Bash,
    /// In ~/.zshrc, after compinit: source <(mlrun completions zsh)
    Zsh,
    /// In config.fish: mlrun completions fish | source
    Fish,
}

/// `--log-format`.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, ValueEnum)]
pub(crate) enum LogFormat {
    #[default]
    Text,
    Json,
}

/// `--exit-code`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum ExitCodeName {
    /// 1, as `mlflow run` does
    Mlrun,
    /// The entry point's own (128+N if signal N stopped it)
    EntryPoint,
}
