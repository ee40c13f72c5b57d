//! How help is laid out: options under headings, and examples below them.

use clap::{Arg, ArgAction, Command};

/// The options of `mlrun run` that `mlflow run` has too.
const OF_MLFLOW: [&str; 14] = [
    "entry_point",
    "version",
    "param_list",
    "docker_args",
    "experiment_name",
    "experiment_id",
    "backend",
    "backend_config",
    "env_manager",
    "no_conda",
    "storage_dir",
    "run_id",
    "run_name",
    "build_image",
];

const RUN_EXAMPLES: &str = "\
Examples:
  mlrun run . -P alpha=0.5
  mlrun run . -e train --params-file params.yaml --dry-run
  mlrun run https://github.com/org/project#sub/directory -v v1.2 --experiment-name wine
  mlrun run . --env-manager local --run-info run.json

`mlrun inspect URI` shows a project's entry points and parameters.";

const INSPECT_EXAMPLES: &str = "\
Examples:
  mlrun inspect
  mlrun inspect ../project -e train
  mlrun inspect https://github.com/org/project -v v1.2 --json";

const LINT_EXAMPLES: &str = "\
Examples:
  mlrun lint
  mlrun lint ../project --json";

const INIT_EXAMPLES: &str = "\
Examples:
  mlrun init
  mlrun init wine --from train.py --from evaluate.py
  mlrun init new-project --uv";

const DOCTOR_EXAMPLES: &str = "\
Examples:
  mlrun doctor
  mlrun doctor ../project --json";

const SCHEMA_EXAMPLES: &str = "\
Examples:
  mlrun schema >mlproject.schema.json
  mlrun schema python_env >python_env.schema.json";

const ENV_EXAMPLES: &str = "\
Examples:
  mlrun env list
  mlrun env prune --older-than 30d --dry-run
  mlrun env rm mlflow-3f2a";

const COMPLETIONS_EXAMPLES: &str = "\
Examples:
  echo 'source <(mlrun completions bash)' >>~/.bashrc
  echo 'source <(mlrun completions zsh)' >>~/.zshrc      # after compinit
  mlrun completions fish >~/.config/fish/completions/mlrun.fish";

const MAN_EXAMPLES: &str = "\
Examples:
  mlrun man | man -l -
  mlrun man ~/.local/share/man/man1";

/// Lays out the help of a program's commands.
pub(super) fn laid_out(command: Command) -> Command {
    let command = command.mut_subcommand("run", |run| {
        run.mut_args(|arg| {
            if arg.is_positional() {
                return arg;
            }
            let heading = if OF_MLFLOW.contains(&arg.get_id().as_str()) {
                "Options of `mlflow run`"
            } else {
                "Options added by mlrun"
            };
            arg.help_heading(heading)
        })
        .disable_help_flag(true)
        // The last of the options, and not under a heading of its own.
        .arg(
            Arg::new("help")
                .short('h')
                .long("help")
                .action(ArgAction::Help)
                .help("Print help")
                .help_heading("Options added by mlrun"),
        )
    });
    [
        ("run", RUN_EXAMPLES),
        ("inspect", INSPECT_EXAMPLES),
        ("lint", LINT_EXAMPLES),
        ("init", INIT_EXAMPLES),
        ("doctor", DOCTOR_EXAMPLES),
        ("schema", SCHEMA_EXAMPLES),
        ("env", ENV_EXAMPLES),
        ("completions", COMPLETIONS_EXAMPLES),
        ("man", MAN_EXAMPLES),
    ]
    .into_iter()
    .fold(command, |command, (name, examples)| {
        command.mut_subcommand(name, |command| command.after_help(examples))
    })
}
