//! Answers to mistakes on the command line: what is wrong, and what to type instead.
//!
//! The words are read before they are parsed, so that a mistake is named by the word that was typed, and answered with
//! the command line that was meant.

mod commands;
mod instead;
mod line;
mod options;
mod places;
#[cfg(test)]
mod tests;
mod values;

use std::ffi::OsString;

use clap::Command;

pub(super) use self::line::Line;
pub(super) use self::values::{explain, no_sign};

use self::line::Role;
use super::report::Failure;

/// The words with those that ask for help brought into the form that every command knows: `help run`, `-h run`.
pub(super) fn normalized(program: &Command, words: Vec<OsString>) -> Vec<OsString> {
    let text = |index: usize| {
        words
            .get(index)
            .and_then(|word| word.to_str())
            .unwrap_or_default()
    };
    let mut command = program;
    let mut asked = None;
    for index in 1..words.len() {
        match text(index) {
            // Only if nothing but commands precedes it.
            "help" if command.has_subcommands() && command.find_subcommand("help").is_none() => {
                asked = Some((index, "--help"));
            }
            "-h" if index == 1 => asked = Some((index, "-h")),
            "--help" if index == 1 => asked = Some((index, "--help")),
            _ => {}
        }
        match command.find_subcommand(text(index)) {
            Some(next) if asked.is_none() => command = next,
            _ => break,
        }
    }
    match asked {
        Some((index, option)) => [&words[..index], &words[index + 1..], &[option.into()]].concat(),
        None => words,
    }
}

/// Checks that every option and every command is known, and that the words make sense.
///
/// # Errors
/// The first mistake, with the command line that was meant if that can be told.
pub(super) fn check(line: &Line<'_>) -> Result<(), Failure> {
    let asks_for_help = line.asks_for_help();
    for (index, word) in line.words.iter().enumerate() {
        match word.role {
            Role::UnknownOption(elsewhere) => return Err(options::unknown_option(line, index, elsewhere)),
            Role::UnknownCommand => return Err(commands::unknown_command(line, index)),
            _ if asks_for_help => {}
            Role::Place(number) => places::check_place(line, index, number)?,
            Role::Value(_) | Role::Option(Some(_)) => values::check_value(line, index)?,
            _ => {}
        }
    }
    Ok(())
}
