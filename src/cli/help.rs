//! How the commands' help is laid out, and what it and the manual pages say besides the options: exit status,
//! examples, files.

use clap::builder::Styles;
use clap::{Arg, ArgAction, Command};

/// The heading of the options that every command takes.
pub(super) const GLOBAL: &str = "Global options";

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

/// The commands by what one does with them. Those that stand nowhere come last.
const GROUPS: [(&str, &[&str]); 3] = [
    (
        "Runs",
        &["run", "sweep", "runs", "show", "status", "wait", "cancel"],
    ),
    ("Projects", &["init", "inspect", "lint", "schema"]),
    ("Setup", &["doctor", "env", "completions", "man", "version"]),
];

/// What the help of a command says besides its options.
pub(super) struct Page {
    /// The words of the command after `mlrun`.
    pub(super) path: &'static str,
    /// Exit codes other than those of every command, with their meaning.
    pub(super) exit_status: &'static [(&'static str, &'static str)],
    pub(super) examples: &'static [&'static str],
    /// Files that the command reads or writes.
    pub(super) files: &'static [(&'static str, &'static str)],
}

/// Codes that all commands share.
const USAGE: (&str, &str) = ("2", "Usage error");
const SIGNAL: (&str, &str) = ("128+N", "Stopped by signal N (130: Ctrl-C, 143: SIGTERM)");

const ENVIRONMENTS: (&str, &str) = (
    "~/.mlflow/envs",
    "Environments that mlrun has built. MLFLOW_ENV_ROOT names another directory.",
);
const DATABASE: (&str, &str) = (
    "mlflow.db",
    "The tracking store in the current directory if MLFLOW_TRACKING_URI is not set.",
);
const MLPROJECT: (&str, &str) = (
    "MLproject",
    "The project's name, environment, entry points and parameters, as YAML.",
);
const PYTHON_ENV: (&str, &str) = (
    "python_env.yaml, conda.yaml",
    "The environment, under the name that MLproject gives.",
);

const PAGES: [Page; 17] = [
    Page {
        path: "",
        exit_status: &[
            ("0", "Success"),
            ("1", "The run or the command failed"),
            USAGE,
            SIGNAL,
        ],
        examples: &[
            "mlrun run . -P alpha=0.5",
            "mlrun inspect https://github.com/org/project",
            "mlrun status 3f2a0c5e8d1b4f6a9c7e2d4b6f8a0c1e",
        ],
        files: &[MLPROJECT, PYTHON_ENV, DATABASE, ENVIRONMENTS],
    },
    Page {
        path: "run",
        exit_status: &[
            ("0", "The run succeeded, or the backend accepted it (--no-wait)"),
            ("1", "The run or its preparation failed"),
            USAGE,
            ("124", "The run exceeded --timeout"),
            ("137", "The run was cancelled elsewhere"),
            SIGNAL,
        ],
        examples: &[
            "mlrun run . -P alpha=0.5",
            "mlrun run . -e train --params-file params.yaml --dry-run",
            "mlrun run https://github.com/org/project#sub/directory -v v1.2",
            "mlrun run . --env-manager local --run-info run.json",
        ],
        files: &[MLPROJECT, PYTHON_ENV, DATABASE, ENVIRONMENTS],
    },
    Page {
        path: "status",
        exit_status: &[
            ("0", "The status was printed, whatever it is"),
            ("1", "The run was not found, or its status is not known"),
            USAGE,
        ],
        examples: &[
            "mlrun status 3f2a0c5e8d1b4f6a9c7e2d4b6f8a0c1e",
            "mlrun status 3f2a0c5e8d1b4f6a9c7e2d4b6f8a0c1e --json",
        ],
        files: &[DATABASE],
    },
    Page {
        path: "wait",
        exit_status: &[
            ("0", "The run finished"),
            ("1", "The run failed, or its end is not known"),
            USAGE,
            ("137", "The run was killed"),
            ("128+N", "Signal N ended the wait; the run continues"),
        ],
        examples: &["mlrun wait 3f2a0c5e8d1b4f6a9c7e2d4b6f8a0c1e"],
        files: &[DATABASE],
    },
    Page {
        path: "cancel",
        exit_status: &[
            ("0", "The run has ended, now or before"),
            ("1", "The run cannot be stopped from here"),
            USAGE,
        ],
        examples: &["mlrun cancel 3f2a0c5e8d1b4f6a9c7e2d4b6f8a0c1e"],
        files: &[DATABASE],
    },
    Page {
        path: "init",
        exit_status: &[
            ("0", "The project was written"),
            ("1", "A file exists already, or cannot be read or written"),
            USAGE,
        ],
        examples: &[
            "mlrun init",
            "mlrun init wine --from train.py --from evaluate.py",
            "mlrun init new-project --uv",
        ],
        files: &[MLPROJECT, PYTHON_ENV],
    },
    Page {
        path: "inspect",
        exit_status: &[
            ("0", "The project was printed"),
            ("1", "The project cannot be fetched or read"),
            USAGE,
        ],
        examples: &[
            "mlrun inspect",
            "mlrun inspect ../project -e train",
            "mlrun inspect https://github.com/org/project -v v1.2 --json",
        ],
        files: &[MLPROJECT, PYTHON_ENV],
    },
    Page {
        path: "lint",
        exit_status: &[
            ("0", "No errors found (warnings and notes may be)"),
            ("1", "Errors found: `mlrun run` would refuse the project"),
            USAGE,
        ],
        examples: &["mlrun lint", "mlrun lint ../project --json"],
        files: &[MLPROJECT, PYTHON_ENV],
    },
    Page {
        path: "schema",
        exit_status: &[("0", "The schema was printed"), USAGE],
        examples: &[
            "mlrun schema >mlproject.schema.json",
            "mlrun schema python_env >python_env.schema.json",
        ],
        files: &[],
    },
    Page {
        path: "doctor",
        exit_status: &[
            ("0", "The project can run here"),
            ("1", "Something that it needs is missing"),
            USAGE,
        ],
        examples: &["mlrun doctor", "mlrun doctor ../project --json"],
        files: &[MLPROJECT, PYTHON_ENV, DATABASE, ENVIRONMENTS],
    },
    Page {
        path: "env",
        exit_status: &[("0", "Success"), ("1", "The command failed"), USAGE],
        examples: &[
            "mlrun env list",
            "mlrun env prune --older-than 30d --dry-run",
            "mlrun env rm mlflow-3f2a",
        ],
        files: &[ENVIRONMENTS],
    },
    Page {
        path: "env list",
        exit_status: &[
            ("0", "The environments were listed"),
            ("1", "The directory cannot be read"),
            USAGE,
        ],
        examples: &["mlrun env list", "mlrun env list --json"],
        files: &[ENVIRONMENTS],
    },
    Page {
        path: "env prune",
        exit_status: &[("0", "Success"), ("1", "The directory cannot be read"), USAGE],
        examples: &["mlrun env prune", "mlrun env prune --older-than 8w --dry-run"],
        files: &[ENVIRONMENTS],
    },
    Page {
        path: "env rm",
        exit_status: &[
            ("0", "The environments were removed"),
            ("1", "An environment was not found or is in use"),
            USAGE,
        ],
        examples: &["mlrun env rm mlflow-3f2a"],
        files: &[ENVIRONMENTS],
    },
    Page {
        path: "completions",
        exit_status: &[("0", "The script was printed"), USAGE],
        examples: &[
            "echo 'source <(mlrun completions bash)' >>~/.bashrc",
            "echo 'source <(mlrun completions zsh)' >>~/.zshrc",
            "mlrun completions fish >~/.config/fish/completions/mlrun.fish",
        ],
        files: &[],
    },
    Page {
        path: "man",
        exit_status: &[
            ("0", "The pages were written"),
            ("1", "A page cannot be written"),
            USAGE,
        ],
        examples: &["mlrun man | man -l -", "mlrun man ~/.local/share/man/man1"],
        files: &[],
    },
    Page {
        path: "version",
        exit_status: &[("0", "The version was printed"), USAGE],
        examples: &["mlrun version", "mlrun version --json"],
        files: &[],
    },
];

/// What is known of the command with these words after `mlrun`.
pub(super) fn page(path: &str) -> Option<&'static Page> {
    PAGES.iter().find(|page| page.path == path)
}

/// Puts the options under their headings.
pub(super) fn laid_out(command: Command) -> Command {
    let help = |action, text: &'static str| {
        let help = Arg::new("help").short('h').long("help").action(action).help(text);
        help.help_heading(GLOBAL).display_order(usize::MAX)
    };
    command
        .mut_subcommand("run", |run| {
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
            // The one help that is long enough for two forms.
            .arg(help(ArgAction::Help, "Print help (-h: summary, --help: all)"))
        })
        .disable_help_flag(true)
        .arg(help(ArgAction::HelpShort, "Print help").global(true))
}

/// The command line with what its help says besides the options.
pub(super) fn with_pages(command: Command) -> Command {
    // The commands have the program's styles only when they are built.
    let styles = command.get_styles().clone();
    let command = PAGES
        .iter()
        .filter(|page| !page.path.is_empty())
        .fold(command, |command, page| {
            let words: Vec<&str> = page.path.split(' ').collect();
            with_page(command, &words, page, &styles)
        });
    let (groups, header) = (groups(&command, &styles), styles.get_header());
    // The commands stand where clap would list them without groups; as a text of their own they are wrapped.
    let template = format!(
        "{{about-with-newline}}\n{{usage-heading}} {{usage}}\n\n{{before-help}}{header}{GLOBAL}:{header:#}\n\
         {{options}}{{after-help}}\n\n`mlrun COMMAND --help` explains a command.\n"
    );
    command
        .help_template(template)
        .before_help(groups)
        .after_help(PAGES[0].ends(&styles))
}

/// The command with the page's texts at the end of the help of the sub command that the words lead to.
fn with_page(command: Command, words: &[&str], page: &Page, styles: &Styles) -> Command {
    let [first, rest @ ..] = words else {
        let ends = page.ends(styles);
        if command.get_name() == "run" {
            return command.after_help(page.examples(styles)).after_long_help(ends);
        }
        let about = command.get_long_about().map(ToString::to_string);
        let more = about.and_then(|about| Some(about.split_once("\n\n")?.1.to_owned()));
        let more = more.map(|more| format!("{more}\n\n")).unwrap_or_default();
        return command.after_help(more + &ends);
    };
    if command.find_subcommand(first).is_none() {
        return command;
    }
    command.mut_subcommand(first, |below| with_page(below, rest, page, styles))
}

impl Page {
    fn examples(&self, styles: &Styles) -> String {
        let header = styles.get_header();
        let lines: String = self.examples.iter().map(|line| format!("\n  {line}")).collect();
        format!("{header}Examples:{header:#}{lines}")
    }

    /// Exit status and examples.
    fn ends(&self, styles: &Styles) -> String {
        let header = styles.get_header();
        let codes = self.exit_status.iter();
        let lines: String = codes
            .map(|(code, meaning)| format!("\n  {code:<7}{meaning}"))
            .collect();
        let examples = self.examples(styles);
        format!("{header}Exit status:{header:#}{lines}\n\n{examples}")
    }
}

/// The program's commands in their groups.
fn groups(command: &Command, styles: &Styles) -> String {
    let (header, literal) = (styles.get_header(), styles.get_literal());
    let commands = || command.get_subcommands().filter(|command| !command.is_hide_set());
    let names = commands().map(|command| command.get_name().len());
    let width = names.max().unwrap_or_default();
    let line = |command: &Command| {
        let about = command.get_about().map(ToString::to_string).unwrap_or_default();
        format!("  {literal}{:width$}{literal:#}  {about}\n", command.get_name())
    };
    let mut text = Vec::new();
    for (title, members) in GROUPS {
        let listed = |name: &str| GROUPS.iter().any(|(_, members)| members.contains(&name));
        let is_last = title == GROUPS[GROUPS.len() - 1].0;
        let inside = members
            .iter()
            .filter_map(|name| commands().find(|command| command.get_name() == *name))
            .chain(commands().filter(|command| is_last && !listed(command.get_name())));
        let lines: String = inside.map(line).collect();
        text.push(format!("{header}{title}:{header:#}\n{lines}"));
    }
    text.join("\n").trim_end().to_owned()
}
