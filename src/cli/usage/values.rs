//! Answers to values that an option does not take, and to values that are missing.

use std::path::Path;

use clap::Arg;
use clap::error::{ContextKind, ContextValue, ErrorKind};

use super::line::{Edits, Line, Role, Word, pair, path_of, split_value, with_command};
use super::places::next_value;
use crate::backend::BACKEND_NAMES;
use crate::cli::report::Failure;
use crate::nearest::nearest;
use crate::project;

/// Checks the value that a word holds: that `-P` has a name and a value, and that no backend is mistyped.
pub(super) fn check_value(line: &Line<'_>, index: usize) -> Result<(), Failure> {
    let Some((option, before, value)) = line.value(index) else {
        return Ok(());
    };
    match option.get_id().as_str() {
        "param_list" if !value.contains('=') => {
            let mut edits = Edits::new();
            let pair = match (value.split_once(':'), next_value(line, index)) {
                (Some((name, value)), _) => pair(name, value),
                (None, Some(next)) => {
                    edits.push((next, Vec::new()));
                    pair(value, &line.words[next].text)
                }
                (None, None) => pair(value, "VALUE"),
            };
            edits.push((index, vec![format!("{before}{pair}")]));
            Err(with_command(no_sign(value), "write -P NAME=VALUE", line, &edits))
        }
        "backend" if !BACKEND_NAMES.contains(&value) => match nearest(value, BACKEND_NAMES) {
            Some(near) => {
                let edits = [(index, vec![format!("{before}{near}")])];
                let failure = Failure::message(format!("unknown backend '{value}'"));
                let reason = format!("did you mean '{near}'?");
                Err(with_command(failure, &reason, line, &edits))
            }
            None => Ok(()),
        },
        _ => Ok(()),
    }
}

/// The failure for a parameter without a value.
pub(in crate::cli) fn no_sign(text: &str) -> Failure {
    let name = text.split(':').next().unwrap_or_default();
    Failure::usage(format!("invalid -P parameter '{name}': it has no '='")).with_hint("write -P NAME=VALUE")
}

/// What an error of the parser means, if it is one that a person makes.
pub(in crate::cli) fn explain(line: &Line<'_>, error: &clap::Error) -> Option<Failure> {
    let path = path_of(&line.commands);
    match error.kind() {
        ErrorKind::MissingRequiredArgument => missing(line, &path, error),
        ErrorKind::MissingSubcommand => {
            Some(Failure::usage("missing command").with_hint(format!("`{path} --help` lists the commands")))
        }
        ErrorKind::InvalidValue | ErrorKind::ValueValidation => Some(invalid_value(line, error)),
        ErrorKind::TooManyValues => {
            let name = option_in(error, ContextKind::InvalidArg)?;
            let is_it = |word: &Word<'_>| word.text.split_once('=').is_some_and(|(typed, _)| typed == name);
            let place = line.words.iter().position(is_it)?;
            let failure = Failure::usage(format!("{name} takes no value"));
            Some(with_command(
                failure,
                "leave it out",
                line,
                &[(place, vec![name])],
            ))
        }
        ErrorKind::ArgumentConflict => {
            let (one, other) = (
                option_in(error, ContextKind::InvalidArg)?,
                option_in(error, ContextKind::PriorArg)?,
            );
            Some(
                Failure::usage(format!("{one} and {other} cannot be used together"))
                    .with_hint("keep one of them"),
            )
        }
        _ => None,
    }
}

/// The texts of an error's detail.
fn texts(error: &clap::Error, kind: ContextKind) -> Vec<String> {
    match error.get(kind) {
        Some(ContextValue::String(text)) => vec![text.clone()],
        Some(ContextValue::Strings(texts)) => texts.clone(),
        _ => Vec::new(),
    }
}

/// The name of an option or a place in an error, without what stands for its value.
fn option_in(error: &clap::Error, kind: ContextKind) -> Option<String> {
    let text = texts(error, kind).into_iter().next()?;
    let name = text.split([' ', '=']).next()?;
    Some(name.trim_matches(['<', '>', '[', ']', '.']).to_owned())
}

fn missing(line: &Line<'_>, path: &str, error: &clap::Error) -> Option<Failure> {
    let name = option_in(error, ContextKind::InvalidArg)?;
    let place = line.command_place();
    let with = |word: &str| vec![(place, vec![line.shown(place), word.to_owned()])];
    let failure = Failure::usage(format!("Missing argument '{name}' of `{path}`"));
    Some(match name.as_str() {
        "URI" => {
            let here = Path::new(".");
            let is_project = project::find_file(here).is_ok_and(|found| found.file.is_some());
            let reason = if is_project {
                "for the project in this directory, write '.'"
            } else {
                "name a directory, Git repository or zip; '.' is the current directory"
            };
            with_command(failure, reason, line, &with("."))
        }
        "RUN" => failure.with_hint(format!("write the run's id: {path} RUN (`mlrun run` logs it)")),
        "SHELL" => with_command(failure, "name bash, zsh or fish", line, &with("bash")),
        "NAME" => failure.with_hint("`mlrun env list` shows the names"),
        "--dry-run" => {
            let last = line.words.len() - 1;
            let edits = [(last, vec![line.shown(last), name])];
            with_command(Failure::usage("--json needs --dry-run"), "add it", line, &edits)
        }
        _ => return None,
    })
}

fn invalid_value(line: &Line<'_>, error: &clap::Error) -> Failure {
    let name = option_in(error, ContextKind::InvalidArg).unwrap_or_default();
    let value = texts(error, ContextKind::InvalidValue).pop().unwrap_or_default();
    let valid = texts(error, ContextKind::ValidValue);
    let one_of = || format!("use one of: {}", valid.join(", "));
    if value.is_empty() {
        let is_it = |argument: &&Arg| {
            argument
                .get_long()
                .is_some_and(|long| format!("--{long}") == name)
        };
        let option = line.command().get_arguments().find(is_it);
        let names = option.and_then(Arg::get_value_names).unwrap_or_default();
        let value_name = names.first().map_or("VALUE", |name| name.as_str());
        let hint = if valid.is_empty() {
            format!("write {name} {value_name}")
        } else {
            one_of()
        };
        return Failure::usage(format!("{name} needs a value")).with_hint(hint);
    }
    let failure = Failure::usage(format!("invalid value '{value}' for {name}"));
    if valid.is_empty() {
        let reason = std::error::Error::source(error).map(ToString::to_string);
        return failure.with_optional_hint(reason);
    }
    let Some(near) = nearest(&value, valid.iter().map(String::as_str)) else {
        return failure.with_hint(one_of());
    };
    let is_it = |text: &str| text == value;
    let place = line.words.iter().position(|word| match word.role {
        Role::Value(_) | Role::Place(_) => is_it(&word.text),
        Role::Option(Some(_)) => split_value(&word.text).1.is_some_and(is_it),
        _ => false,
    });
    let Some(place) = place else {
        return failure.with_hint(format!("did you mean '{near}'?"));
    };
    let word = match split_value(&line.words[place].text) {
        (option, Some(_)) => format!("{option}={near}"),
        (_, None) => near.to_owned(),
    };
    let reason = format!("did you mean '{near}'?");
    with_command(failure, &reason, line, &[(place, vec![word])])
}
