//! `mlrun man`: the manual pages, from the command line's own words.

use std::path::Path;

use clap::builder::StyledStr;
use clap::{Arg, Command};
use roff::{Inline, Roff, bold, italic, roman};

use crate::cli::args;
use crate::cli::help;
use crate::cli::printer;
use crate::cli::report::{Failure, Outcome};
use crate::env_vars;

/// The day of this version, by which its pages are dated: they are the same whenever they are written.
const DATE: &str = "2026-11-30";

/// The variables that a page about runs explains, besides those of the cloud services.
const OF_RUNS: [&str; 21] = [
    env_vars::MLFLOW_TRACKING_URI,
    env_vars::MLFLOW_EXPERIMENT_NAME,
    env_vars::MLFLOW_EXPERIMENT_ID,
    env_vars::MLFLOW_RUN_ID,
    env_vars::MLFLOW_TRACKING_USERNAME,
    env_vars::MLFLOW_TRACKING_PASSWORD,
    env_vars::MLFLOW_TRACKING_TOKEN,
    env_vars::MLFLOW_TRACKING_INSECURE_TLS,
    env_vars::MLFLOW_TRACKING_SERVER_CERT_PATH,
    env_vars::MLFLOW_TRACKING_CLIENT_CERT_PATH,
    env_vars::MLFLOW_HTTP_REQUEST_MAX_RETRIES,
    env_vars::MLFLOW_HTTP_REQUEST_TIMEOUT,
    env_vars::MLFLOW_ENV_ROOT,
    env_vars::MLFLOW_CONDA_HOME,
    env_vars::MLFLOW_CONDA_CREATE_ENV_CMD,
    env_vars::MLFLOW_TMP_DIR,
    env_vars::KUBE_MLFLOW_TRACKING_URI,
    env_vars::MLRUN_DOCKER_CMD,
    env_vars::MLRUN_RECORD_TIMEOUT,
    env_vars::NO_COLOR,
    env_vars::CLICOLOR_FORCE,
];

/// Those of a page about a tracking store alone.
const OF_STORES: [&str; 4] = [
    env_vars::MLFLOW_TRACKING_URI,
    env_vars::MLFLOW_TRACKING_USERNAME,
    env_vars::MLFLOW_TRACKING_PASSWORD,
    env_vars::MLFLOW_TRACKING_TOKEN,
];

/// Writes the manual page of the program to standard output, or those of all commands into a directory.
pub(super) fn write(directory: Option<&Path>) -> Result<Outcome, Failure> {
    let mut program = args::command();
    program.build();
    let Some(directory) = directory else {
        printer::write_stdout(&page(&program, ""))?;
        return Ok(Outcome::Succeeded);
    };
    std::fs::create_dir_all(directory)
        .and_then(|()| write_all(&program, "", directory))
        .map_err(|error| {
            let message = format!("cannot write the manual pages to {}", directory.display());
            Failure::caused_by(error, message)
        })?;
    Ok(Outcome::Succeeded)
}

fn write_all(command: &Command, path: &str, directory: &Path) -> std::io::Result<()> {
    let file = directory.join(format!("{}.1", name_of(path)));
    std::fs::write(file, page(command, path))?;
    shown_commands(command).try_for_each(|below| write_all(below, &path_below(path, below), directory))
}

fn shown_commands(command: &Command) -> impl Iterator<Item = &Command> {
    command.get_subcommands().filter(|command| !command.is_hide_set())
}

fn path_below(path: &str, command: &Command) -> String {
    format!("{path} {}", command.get_name()).trim_start().to_owned()
}

/// The name of the page of the command with these words after `mlrun`.
fn name_of(path: &str) -> String {
    format!("mlrun {path}").trim_end().replace(' ', "-")
}

fn page(command: &Command, path: &str) -> String {
    let mut roff = Roff::new();
    let (name, version) = (name_of(path), env!("CARGO_PKG_VERSION"));
    let source = format!("mlrun {version}");
    roff.control("TH", [&name.to_uppercase(), "1", DATE, &source, "mlrun manual"]);
    roff.control("SH", ["NAME"]);
    roff.text([roman(format!("{name} - {}", text(command.get_about())))]);
    synopsis(&mut roff, command, path);
    roff.control("SH", ["DESCRIPTION"]);
    let about = text(command.get_long_about().or(command.get_about()));
    // The page's name has the first paragraph already.
    paragraphs(
        &mut roff,
        about.split_once("\n\n").map_or(&about, |(_, more)| more),
    );
    if command.has_subcommands() {
        roff.control("SH", ["COMMANDS"]);
        for below in shown_commands(command) {
            let page = format!("{}(1)", name_of(&path_below(path, below)));
            entry(&mut roff, vec![bold(page)], &text(below.get_about()));
        }
    }
    options(&mut roff, command);
    let page = help::page(path);
    let variables: &[&str] = match path {
        "" | "run" => &OF_RUNS,
        "status" | "wait" | "cancel" => &OF_STORES,
        "env" | "env list" | "env prune" | "env rm" => &[env_vars::MLFLOW_ENV_ROOT],
        _ => &[],
    };
    let environment = variables
        .iter()
        .filter_map(|name| Some((*name, env_vars::meaning(name)?)));
    section(&mut roff, "ENVIRONMENT", environment);
    let pairs =
        |pairs: &'static [(&str, &str)]| pairs.iter().map(|(title, text)| (*title, (*text).to_owned()));
    section(&mut roff, "FILES", pairs(page.map_or(&[], |page| page.files)));
    let exit_status = page.map_or(&[][..], |page| page.exit_status);
    section(&mut roff, "EXIT STATUS", pairs(exit_status));
    if let Some(page) = page {
        roff.control("SH", ["EXAMPLES"]);
        roff.control("nf", []);
        page.examples.iter().for_each(|line| {
            roff.text([roman(*line)]);
        });
        roff.control("fi", []);
    }
    see_also(&mut roff, path);
    roff.to_roff()
}

fn text(text: Option<&StyledStr>) -> String {
    text.map(ToString::to_string).unwrap_or_default()
}

fn synopsis(roff: &mut Roff, command: &Command, path: &str) {
    roff.control("SH", ["SYNOPSIS"]);
    let mut line = vec![bold(format!("mlrun {path}").trim_end()), roman(" [")];
    line.extend([italic("OPTIONS"), roman("]")]);
    for place in command.get_positionals() {
        let name = italic(value_name(place));
        let repeats = if takes_many(place) { "..." } else { "" };
        let (open, close) = if place.is_required_set() {
            (" ", "")
        } else {
            (" [", "]")
        };
        line.extend([roman(open), name, roman(format!("{close}{repeats}"))]);
    }
    if command.has_subcommands() {
        line.extend([roman(" "), italic("COMMAND")]);
    }
    roff.text(line);
}

fn takes_many(argument: &Arg) -> bool {
    argument
        .get_num_args()
        .is_some_and(|number| number.max_values() > 1)
}

fn value_name(argument: &Arg) -> String {
    let names = argument.get_value_names().unwrap_or_default();
    names.first().map(ToString::to_string).unwrap_or_default()
}

/// The options under their headings; what stands under none comes first.
fn options(roff: &mut Roff, command: &Command) {
    roff.control("SH", ["OPTIONS"]);
    let shown: Vec<&Arg> = command
        .get_arguments()
        .filter(|argument| !argument.is_hide_set())
        .collect();
    let mut headings: Vec<Option<&str>> = vec![None];
    for heading in shown.iter().map(|argument| argument.get_help_heading()) {
        if !headings.contains(&heading) {
            headings.push(heading);
        }
    }
    for heading in headings {
        if let Some(heading) = heading {
            roff.control("SS", [heading]);
        }
        for argument in shown
            .iter()
            .filter(|argument| argument.get_help_heading() == heading)
        {
            option(roff, argument);
        }
    }
}

fn option(roff: &mut Roff, argument: &Arg) {
    let short = argument.get_short().map(|short| bold(format!("-{short}")));
    let long = argument.get_long().map(|long| bold(format!("--{long}")));
    let mut header: Vec<Inline> = Vec::new();
    for name in short.into_iter().chain(long) {
        if !header.is_empty() {
            header.push(roman(", "));
        }
        header.push(name);
    }
    if argument.is_positional() || argument.get_action().takes_values() {
        header.extend([
            roman(if header.is_empty() { "" } else { " " }),
            italic(value_name(argument)),
        ]);
    }
    let mut body = text(argument.get_long_help().or(argument.get_help()));
    let takes_value = argument.get_action().takes_values();
    if let Some(default) = argument.get_default_values().first().filter(|_| takes_value) {
        body.push_str(&format!(" (default: {})", default.display()));
    }
    entry(roff, header, &body);
    let values = argument.get_possible_values();
    if !takes_value || values.is_empty() {
        return;
    }
    roff.control("RS", []);
    for value in values {
        entry(roff, vec![bold(value.get_name())], &text(value.get_help()));
    }
    roff.control("RE", []);
}

/// A term and what it means.
fn entry(roff: &mut Roff, term: Vec<Inline>, meaning: &str) {
    roff.control("TP", []);
    roff.text(term);
    roff.text([roman(meaning)]);
}

fn section<'a>(roff: &mut Roff, title: &str, entries: impl Iterator<Item = (&'a str, String)>) {
    let mut entries = entries.peekable();
    if entries.peek().is_some() {
        roff.control("SH", [title]);
    }
    for (term, meaning) in entries {
        entry(roff, vec![bold(term)], &meaning);
    }
}

fn paragraphs(roff: &mut Roff, about: &str) {
    for (number, paragraph) in about.split("\n\n").enumerate() {
        if number > 0 {
            roff.control("PP", []);
        }
        roff.text([roman(paragraph.replace('\n', " "))]);
    }
}

/// The pages of the commands above and beside this one, and of MLflow.
fn see_also(roff: &mut Roff, path: &str) {
    let related: &[&str] = match path {
        "" => &["run", "inspect", "status"],
        "run" => &["", "inspect", "lint", "status", "wait", "cancel"],
        "status" | "wait" | "cancel" => &["", "run", "status", "wait", "cancel"],
        "inspect" | "lint" => &["", "run", "inspect", "lint"],
        "env list" | "env prune" | "env rm" => &["env", "env list", "env prune", "env rm"],
        _ => &["", "run"],
    };
    let mut line = Vec::new();
    for other in related.iter().filter(|other| **other != path) {
        line.extend([bold(name_of(other)), roman("(1), ")]);
    }
    roff.control("SH", ["SEE ALSO"]);
    line.push(roman("https://mlflow.org/docs/latest/ml/projects/"));
    roff.text(line);
}
