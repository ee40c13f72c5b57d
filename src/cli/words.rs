//! What the words of a command line are: commands, options and the rest, in the order in which `mlflow`
//! reads them. Found before they are parsed, so that a mistake is named by the word that was typed.

use std::ffi::OsString;
use std::path::Path;

use clap::{Arg, Command};

use super::mlflow;
use super::report::Failure;
use crate::nearest::nearest;

/// The shortest beginning of an option's name that is completed in a hint.
const SHORTEST_BEGINNING: usize = 3;

/// Checks that every option and every command is known. The first word is the program's own name.
///
/// # Errors
/// A usage error for the first that is not.
pub(super) fn check(program: &Command, words: &[OsString]) -> Result<(), Failure> {
    let mut commands = vec![program];
    let mut is_value = false;
    let mut positional = 0;
    for word in words.iter().skip(1) {
        let word = word.to_string_lossy();
        let command = commands[commands.len() - 1];
        if std::mem::take(&mut is_value) {
            continue;
        }
        if word == "--" {
            return Ok(());
        }
        if let Some(option) = word.strip_prefix("--") {
            let (name, attached) = split_value(option);
            let known = long_option(command, name).ok_or_else(|| unknown_option(&commands, &word))?;
            is_value = takes_value(known) && attached.is_none();
        } else if word.len() > 1 && word.starts_with('-') {
            is_value = last_takes_value(&commands, &word)?;
        } else if let Some(next) = command.find_subcommand(word.as_ref()) {
            commands.push(next);
        } else if command.has_subcommands() {
            return Err(unknown_command(&commands, &word));
        } else {
            positional += 1;
            check_place(&commands, positional, &word)?;
        }
    }
    Ok(())
}

/// Whether the last of the short options in a word, such as the `e` of `-qe`, has its value in the next word.
fn last_takes_value(commands: &[&Command], word: &str) -> Result<bool, Failure> {
    let command = commands[commands.len() - 1];
    let (name, _) = split_value(&word[1..]);
    // `-experiment-name` would be the entry point `xperiment-name`.
    if name.chars().count() > 1
        && let Some(meant) = long_names(command).find(|long| is_same_name(long, name))
    {
        return Err(
            Failure::usage(format!("unknown option '-{name}' of `{}`", path_of(commands)))
                .with_hint(format!("did you mean --{meant}?")),
        );
    }
    let mut letters = word[1..].chars();
    while let Some(letter) = letters.next() {
        let mut options = command.get_arguments();
        let Some(option) = options.find(|argument| argument.get_short() == Some(letter)) else {
            let is_first = word[1..].starts_with(letter);
            let later = format!("-{letter}");
            return Err(unknown_option(commands, if is_first { word } else { &later }));
        };
        if takes_value(option) {
            return Ok(letters.as_str().is_empty());
        }
    }
    Ok(false)
}

fn long_option<'a>(command: &'a Command, name: &str) -> Option<&'a Arg> {
    command
        .get_arguments()
        .find(|argument| argument.get_long() == Some(name))
}

fn takes_value(argument: &Arg) -> bool {
    argument.get_action().takes_values()
}

/// The names of the long options that help shows.
fn long_names(command: &Command) -> impl Iterator<Item = &str> {
    command
        .get_arguments()
        .filter(|argument| !argument.is_hide_set())
        .filter_map(Arg::get_long)
}

/// The name and what is joined to it by an equals sign.
fn split_value(option: &str) -> (&str, Option<&str>) {
    match option.split_once('=') {
        Some((name, value)) => (name, Some(value)),
        None => (option, None),
    }
}

/// Whether these are one name but for case, dashes and underscores.
fn is_same_name(left: &str, right: &str) -> bool {
    let letters = |text: &str| text.replace(['-', '_'], "").to_lowercase();
    letters(left) == letters(right)
}

/// The command as one types it.
fn path_of(commands: &[&Command]) -> String {
    let names: Vec<&str> = commands.iter().map(|command| command.get_name()).collect();
    names.join(" ")
}

fn unknown_option(commands: &[&Command], word: &str) -> Failure {
    let command = commands[commands.len() - 1];
    // A value may be a secret.
    let (shown, _) = split_value(word);
    let name = shown.trim_start_matches('-');
    let path = path_of(commands);
    let has = |command: &Command| {
        if shown.starts_with("--") {
            long_option(command, name).is_some()
        } else {
            command
                .get_arguments()
                .any(|argument| argument.get_short() == name.chars().next())
        }
    };
    let hint = if let [above @ .., _] = commands
        && let Some(owner) = above.iter().position(|command| has(command))
    {
        format!(
            "write it before the command: {} {shown} … {}",
            path_of(&commands[..=owner]),
            path_of(&commands[owner + 1..])
        )
    } else if let Some(below) = command.get_subcommands().find(|below| has(below)) {
        format!(
            "write it after the command: {path} {} {shown} …",
            below.get_name()
        )
    } else {
        match meant(command, name).as_slice() {
            [] => format!("`{path} --help` lists the options"),
            names => format!("did you mean {}?", names.join(" or ")),
        }
    };
    Failure::usage(format!("unknown option '{shown}' of `{path}`")).with_hint(hint)
}

/// The options that someone may have meant.
fn meant(command: &Command, name: &str) -> Vec<String> {
    let typed = name.replace('_', "-").to_lowercase();
    let options = |is_meant: &dyn Fn(&str) -> bool| -> Vec<String> {
        let names = long_names(command).filter(|long| is_meant(long));
        names.map(|long| format!("--{long}")).collect()
    };
    let same = options(&|long| is_same_name(long, name));
    if !same.is_empty() {
        return same;
    }
    let begun = options(&|long| typed.len() >= SHORTEST_BEGINNING && begins(long, &typed));
    if !begun.is_empty() {
        return begun;
    }
    let near = nearest(&typed, long_names(command));
    options(&|long| near == Some(long))
}

/// Whether the name begins so, as a whole or each of its parts: `exp-name` for `experiment-name`.
fn begins(name: &str, typed: &str) -> bool {
    let parts = || name.split('-').zip(typed.split('-'));
    name.starts_with(typed)
        || (name.split('-').count() == typed.split('-').count()
            && parts().all(|(part, typed)| !typed.is_empty() && part.starts_with(typed)))
}

fn unknown_command(commands: &[&Command], word: &str) -> Failure {
    let command = commands[commands.len() - 1];
    if commands.len() == 1 {
        if mlflow::has_command(word) {
            return mlflow::no_such_command(word);
        }
        if word.contains(['/', ':']) || word.starts_with('.') || Path::new(word).exists() {
            return Failure::usage(format!("'{word}' is not a command of mlrun"))
                .with_hint(format!("to run a project: mlrun run {word}"));
        }
    }
    let path = path_of(commands);
    let names = command
        .get_subcommands()
        .filter(|command| !command.is_hide_set())
        .map(Command::get_name);
    let hint = match nearest(word, names) {
        Some(near) => format!("did you mean `{path} {near}`?"),
        None => format!("`{path} --help` lists the commands"),
    };
    Failure::usage(format!("unknown command '{word}' of `{path}`")).with_hint(hint)
}

/// Checks that the command takes so many words besides its options.
fn check_place(commands: &[&Command], count: usize, word: &str) -> Result<(), Failure> {
    let command = commands[commands.len() - 1];
    let places: Vec<&Arg> = command.get_positionals().collect();
    let is_list = places
        .last()
        .is_some_and(|place| place.get_num_args().is_some_and(|number| number.max_values() > 1));
    if count <= places.len() || is_list {
        return Ok(());
    }
    let path = path_of(commands);
    let taken: Vec<String> = places
        .iter()
        .filter_map(|place| place.get_value_names()?.first().map(ToString::to_string))
        .collect();
    let takes = match taken.as_slice() {
        [] => "only options".to_owned(),
        names => format!("one {}", names.join(" and one ")),
    };
    let failure = Failure::usage(format!("extra argument '{word}': `{path}` takes {takes}"));
    Err(failure.with_hint(match command.get_name() {
        "run" => "put a value with blanks in quotes, such as -P 'note=two words'".to_owned(),
        _ => format!("`{path} --help` shows the usage"),
    }))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cli::args;

    fn checked(line: &[&str]) -> Result<(), String> {
        let words: Vec<OsString> = ["mlrun"].iter().chain(line).map(OsString::from).collect();
        let mut program = args::command();
        program.build();
        check(&program, &words).map_err(|failure| failure.text())
    }

    #[test]
    fn what_is_known_passes() {
        for line in [
            &["run", "-Palpha=0.5", "."][..],
            &["run", "-P", "--x=1", ".", "-e", "--", "-vmain"],
            &["--env-file", "x", "run", "-qe", "-x", "."],
            &["--env-file=x", "run", "--", "-x", "-y"],
            &["run", "-", "--run-name=", "--version", "-experiment-name"],
            &["env", "rm", "a", "b", "c"],
            &["status", "abc", "--json"],
            &["__complete", "1", "--", "mlrun", "--nope"],
            &["--version"],
            &["run", "-h"],
            &[],
        ] {
            assert_eq!(checked(line), Ok(()), "{line:?}");
        }
    }

    #[test]
    fn what_is_unknown_is_named_with_what_was_meant() {
        for (line, error, hint) in [
            (
                &["run", ".", "--paramlist=token=s3cret"][..],
                "unknown option '--paramlist' of `mlrun run`",
                "did you mean --param-list?",
            ),
            (
                &["run", "-dry_run", "."],
                "unknown option '-dry_run'",
                "did you mean --dry-run?",
            ),
            (
                &["run", "-params", "x", "."],
                "unknown option '-params'",
                "did you mean --params-file?",
            ),
            (
                &["run", "--experiment=x", "."],
                "'--experiment'",
                "--experiment-name or --experiment-id?",
            ),
            (
                &["run", "--exp-name", "x", "."],
                "'--exp-name'",
                "did you mean --experiment-name?",
            ),
            (
                &["run", "--entrypiont", "x", "."],
                "'--entrypiont'",
                "did you mean --entry-point?",
            ),
            (
                &["run", "--nope", "."],
                "'--nope'",
                "`mlrun run --help` lists the options",
            ),
            (&["run", "-qx", "."], "unknown option '-x'", "--help"),
            (
                &["-P", "a=1", "run", "."],
                "unknown option '-P' of `mlrun`",
                "write it after the command: mlrun run -P …",
            ),
            (
                &["env", "list", "x"],
                "extra argument 'x': `mlrun env list` takes only options",
                "--help",
            ),
            (
                &["env", "lsit"],
                "unknown command 'lsit' of `mlrun env`",
                "did you mean `mlrun env list`?",
            ),
            (
                &["rum", "."],
                "unknown command 'rum' of `mlrun`",
                "did you mean `mlrun run`?",
            ),
            (&["."], "'.' is not a command", "mlrun run ."),
            (
                &["https://host/x"],
                "is not a command",
                "mlrun run https://host/x",
            ),
        ] {
            let text = checked(line).unwrap_err();
            assert!(text.contains(error) && text.contains(hint), "{line:?}: {text}");
            assert!(!text.contains("s3cret"), "{text}");
        }
    }
}
