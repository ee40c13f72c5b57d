//! `mlrun completions SHELL`: a script that asks this program what may stand where the cursor is, so
//! that entry points and parameters of the project at hand are offered too.

mod stored;

use std::collections::HashSet;
use std::ffi::{OsStr, OsString};
use std::path::PathBuf;

use clap::{ArgMatches, Command};
use clap_complete::CompletionCandidate;
use clap_complete::engine::{ArgValueCandidates, ArgValueCompleter, PathCompleter, ValueCompleter};

use crate::backend::BACKEND_NAMES;
use crate::cli::args::{self, LogFormat, Shell};
use crate::cli::env_file;
use crate::cli::escape::one_line;
use crate::cli::mlflow;
use crate::cli::printer::{Printer, Verbosity};
use crate::cli::project_source::at_hand;
use crate::project::{Parameter, ParameterType, Project};

/// The script for a shell, by which the program is completed under the name that it was called by.
pub(crate) fn script(shell: Shell, program: &OsStr) -> String {
    let script = match shell {
        Shell::Bash => include_str!("mlrun.bash"),
        Shell::Zsh => include_str!("mlrun.zsh"),
        Shell::Fish => include_str!("mlrun.fish"),
    };
    script.replace(
        "@PROGRAM@",
        if mlflow::is_name(program) {
            mlflow::NAME
        } else {
            "mlrun"
        },
    )
}

/// What may stand in place of a word: a candidate a line, with a tab before what it means. Nothing where
/// nothing is known; whatever is wrong with the words or the project is no matter here.
pub(crate) fn candidates(index: usize, words: Vec<OsString>) -> String {
    let mut command = with_values(args::parser(), words.get(..index).unwrap_or(&words));
    let of_mlflow = mlflow_commands(index, &words);
    let is_begun = words.get(index).is_some_and(|word| !word.is_empty());
    let current_directory = std::env::current_dir().ok();
    let found = clap_complete::engine::complete(&mut command, words, index, current_directory.as_deref());
    let mut found = found.unwrap_or_default();
    // Among values, options are only shown to who begins one.
    let is_option =
        |candidate: &CompletionCandidate| candidate.get_value().to_string_lossy().starts_with('-');
    if !is_begun && !found.iter().all(is_option) {
        found.retain(|candidate| !is_option(candidate));
    }
    found.iter().chain(&of_mlflow).map(line).collect()
}

/// MLflow's own commands, which mlrun hands over when it is called `mlflow`.
fn mlflow_commands(index: usize, words: &[OsString]) -> Vec<CompletionCandidate> {
    let (Some(program), Some(current)) = (words.first(), words.get(1)) else {
        return Vec::new();
    };
    if index != 1 || !mlflow::is_name(program) {
        return Vec::new();
    }
    let current = current.to_string_lossy();
    let begun = mlflow::COMMANDS
        .iter()
        .filter(|command| command.starts_with(current.as_ref()));
    let help = || Some("command of MLflow".into());
    begun
        .map(|command| CompletionCandidate::new(*command).help(help()))
        .collect()
}

fn line(candidate: &CompletionCandidate) -> String {
    let value = candidate.get_value().to_string_lossy();
    // A script reads lines, and the shell shows them as they are: such a name cannot be offered.
    if value.contains('\t') || one_line(&value) != value {
        return String::new();
    }
    let help = candidate.get_help().map(ToString::to_string).unwrap_or_default();
    let help = help.lines().next().unwrap_or_default().replace('\t', " ");
    match one_line(&help).as_ref() {
        "" => format!("{value}\n"),
        help => format!("{value}\t{help}\n"),
    }
}

/// The command with the values of the project that the words before the cursor name. A project that is
/// not a directory on this machine has none here: nothing is fetched.
fn with_values(command: Command, before: &[OsString]) -> Command {
    let command = with_stored(command);
    let matches = command
        .clone()
        .ignore_errors(true)
        .try_get_matches_from(before)
        .ok();
    // Its variables decide which store is asked.
    let env_file = matches
        .as_ref()
        .and_then(|matches| matches.get_one::<PathBuf>("env_file"));
    if let Some(env_file) = env_file {
        let _ = env_file::load(env_file, &Printer::new(LogFormat::Text, Verbosity::Quiet));
    }
    let Some((name @ ("run" | "inspect"), matches)) = matches.as_ref().and_then(ArgMatches::subcommand)
    else {
        return command;
    };
    let Some(project) = at_hand(text(matches, "uri").unwrap_or(".")) else {
        return command;
    };
    let entry_points = entry_points(&project);
    let parameters = (name == "run").then(|| parameters(&project, matches));
    command.mut_subcommand(name, |command| {
        let command = command.mut_arg("entry_point", |arg| {
            arg.add(ArgValueCandidates::new(move || {
                let candidate = |(name, help): &(String, Option<String>)| {
                    CompletionCandidate::new(name).help(help.clone().map(Into::into))
                };
                entry_points.iter().map(candidate).collect()
            }))
        });
        match parameters {
            Some(parameters) => command.mut_arg("param_list", |arg| {
                arg.add(ArgValueCompleter::new(move |current: &OsStr| {
                    values(&parameters, current)
                }))
            }),
            None => command,
        }
    })
}

/// The command with values that need no project: of tracking stores, environments and backends.
fn with_stored(command: Command) -> Command {
    let runs = |unfinished_first| {
        ArgValueCompleter::new(move |current: &OsStr| {
            stored::runs(&current.to_string_lossy(), unfinished_first)
        })
    };
    let run_of = |command: Command, name: &'static str, unfinished_first| {
        command.mut_subcommand(name, |command| {
            command.mut_arg("run_id", |run| run.add(runs(unfinished_first)))
        })
    };
    let command = [
        ("status", false),
        ("wait", true),
        ("cancel", true),
        ("run", false),
    ]
    .into_iter()
    .fold(command, |command, (name, unfinished_first)| {
        run_of(command, name, unfinished_first)
    });
    command
        .mut_subcommand("env", |env| {
            env.mut_subcommand("rm", |rm| {
                rm.mut_arg("names", |names| {
                    names.add(ArgValueCandidates::new(stored::environments))
                })
            })
        })
        .mut_subcommand("run", |run| {
            run.mut_arg("backend", |backend| {
                backend.add(ArgValueCandidates::new(backends))
            })
            .mut_arg("experiment_name", |name| {
                name.add(ArgValueCandidates::new(stored::experiment_names))
            })
            .mut_arg("experiment_id", |id| {
                id.add(ArgValueCandidates::new(stored::experiment_ids))
            })
        })
}

fn backends() -> Vec<CompletionCandidate> {
    let about = |name| match name {
        "local" => Some("this machine"),
        "databricks" => Some("a Databricks cluster"),
        "kubernetes" => Some("a Kubernetes cluster"),
        _ => None,
    };
    let candidate = |name| CompletionCandidate::new(name).help(about(name).map(Into::into));
    BACKEND_NAMES.map(candidate).into()
}

fn text<'m>(matches: &'m ArgMatches, name: &str) -> Option<&'m str> {
    matches
        .try_get_one::<String>(name)
        .ok()
        .flatten()
        .map(String::as_str)
}

/// Names, and what they mean.
fn entry_points(project: &Project) -> Vec<(String, Option<String>)> {
    let declared = project.entry_points.iter().map(|entry_point| {
        let command = entry_point.command.as_deref().unwrap_or_default();
        let first_line = command.trim().lines().next().map(str::to_owned);
        (entry_point.name.clone(), first_line)
    });
    let scripts = project.scripts().into_iter().map(|script| (script, None));
    declared.chain(scripts).collect()
}

/// The parameters of the entry point that were not given yet.
fn parameters(project: &Project, matches: &ArgMatches) -> Vec<Parameter> {
    let name = text(matches, "entry_point").unwrap_or("main");
    let entry_point = project.entry_points.iter().find(|point| point.name == name);
    let given = matches.try_get_many::<String>("param_list").ok().flatten();
    let given: HashSet<&str> = given
        .into_iter()
        .flatten()
        .filter_map(|given| Some(given.split_once('=')?.0))
        .collect();
    entry_point
        .into_iter()
        .flat_map(|entry_point| &entry_point.parameters)
        .filter(|parameter| !given.contains(parameter.name.as_str()))
        .cloned()
        .collect()
}

/// Names before the `=`; after it the files that a path may be.
fn values(parameters: &[Parameter], current: &OsStr) -> Vec<CompletionCandidate> {
    let current = current.to_string_lossy();
    let Some((name, value)) = current.split_once('=') else {
        return parameters
            .iter()
            .filter(|parameter| parameter.name.starts_with(current.as_ref()))
            .map(|parameter| {
                CompletionCandidate::new(format!("{}=", parameter.name)).help(Some(about(parameter).into()))
            })
            .collect();
    };
    let is_path = parameters.iter().any(|parameter| {
        parameter.name == name && matches!(parameter.parameter_type, ParameterType::Path | ParameterType::Uri)
    });
    if !is_path {
        return Vec::new();
    }
    let directory = std::env::current_dir().unwrap_or_else(|_| ".".into());
    PathCompleter::any()
        .current_dir(directory)
        .complete(OsStr::new(value))
        .into_iter()
        .filter(|path| path.get_value() != ".")
        .map(|path| path.add_prefix(format!("{name}=")))
        .collect()
}

fn about(parameter: &Parameter) -> String {
    let kind = parameter.parameter_type.as_str();
    let mut about = match &parameter.default {
        Some(default) => format!(
            "{kind}, default {}",
            if default.is_empty() { "''" } else { default }
        ),
        None => format!("{kind}, required"),
    };
    if let Some(description) = parameter.short_description() {
        about.push_str(&format!(": {description}"));
    }
    about
}
