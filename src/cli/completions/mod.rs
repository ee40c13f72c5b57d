//! `mlrun completions SHELL`: a script that asks this program what may stand where the cursor is, so
//! that entry points and parameters of the project at hand are offered too.

mod project;

use std::ffi::OsString;

use clap_complete::CompletionCandidate;

use crate::cli::args::{self, Shell};
use crate::cli::escape::one_line;

/// The script for a shell.
pub(crate) fn script(shell: Shell) -> &'static str {
    match shell {
        Shell::Bash => include_str!("mlrun.bash"),
        Shell::Zsh => include_str!("mlrun.zsh"),
        Shell::Fish => include_str!("mlrun.fish"),
    }
}

/// What may stand in place of a word: a candidate a line, with a tab before what it means. Nothing where
/// nothing is known; whatever is wrong with the words or the project is no matter here.
pub(crate) fn candidates(index: usize, words: Vec<OsString>) -> String {
    let mut command = args::command();
    command = project::with_values(command, words.get(..index).unwrap_or(&words));
    let current_directory = std::env::current_dir().ok();
    let found = clap_complete::engine::complete(&mut command, words, index, current_directory.as_deref());
    found.unwrap_or_default().iter().map(line).collect()
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
