//! Answers to commands that the program does not have.

use clap::Command;

use super::instead;
use super::line::{Line, path_of, with_command};
use super::places::{looks_like_project, mistaken_project};
use crate::cli::mlflow;
use crate::cli::report::Failure;
use crate::nearest::nearest;
use crate::redact::without_credentials;

/// The failure for a command that the program, or a command of it, does not have.
pub(super) fn unknown_command(line: &Line<'_>, index: usize) -> Failure {
    let commands = line.commands_at(index);
    let command = commands[commands.len() - 1];
    let word = line.words[index].text.as_ref();
    let path = path_of(commands);
    let shown = without_credentials(word);
    let failure = Failure::usage(format!("unknown command '{shown}' of `{path}`"));
    let names = || {
        let shown = command.get_subcommands().filter(|command| !command.is_hide_set());
        shown.map(Command::get_name)
    };
    let other = instead::of_command(&path, word).filter(|other| names().any(|name| name == *other));
    if commands.len() == 1 {
        if mlflow::has_command(word) {
            return mlflow::no_such_command(word);
        }
        let run = |words: Vec<String>| vec![(0, vec![line.shown(0), "run".to_owned()]), (index, words)];
        let failure = || Failure::usage(format!("'{shown}' is not a command of mlrun"));
        if let Some((_, words)) = mistaken_project(word, "run") {
            return with_command(failure(), "projects are run with `mlrun run`", line, &run(words));
        }
        if other.is_none() && looks_like_project(word) {
            let words = vec![line.shown(index)];
            return with_command(failure(), "projects are run with `mlrun run`", line, &run(words));
        }
    }
    match other.or_else(|| nearest(word, names())) {
        Some(near) => {
            let edits = [(index, vec![near.to_owned()])];
            if index + 1 == line.words.len() {
                return failure.with_hint(format!("did you mean `{}`?", line.corrected(&edits)));
            }
            with_command(failure, &format!("did you mean `{path} {near}`?"), line, &edits)
        }
        None => failure.with_hint(format!("`{path} --help` lists the commands")),
    }
}
