//! What the words of a command line are: commands, options, values and places. Found before they are parsed, so
//! that a mistake is named by the word that was typed, and answered with the command line that was meant.

use std::borrow::Cow;
use std::ffi::OsString;
use std::path::Path;

use clap::{Arg, Command};

use crate::cli::escape::shell_word;
use crate::cli::report::Failure;
use crate::project::is_float;
use crate::redact::without_credentials;

/// What a word is. Options that take values name them, wherever the value is.
#[derive(Clone, Copy)]
pub(super) enum Role<'a> {
    Program,
    Command,
    UnknownCommand,
    /// An option, with the one among its letters that takes a value.
    Option(Option<&'a Arg>),
    /// An option that the command does not have, but another one.
    UnknownOption(Option<&'a Arg>),
    Value(&'a Arg),
    /// `--`, after which there are no options.
    Separator,
    /// The word with this number, from 1, among those that are not of an option.
    Place(usize),
}

pub(super) struct Word<'a> {
    pub(super) text: Cow<'a, str>,
    pub(super) role: Role<'a>,
    /// How many commands stand before the word's end, the program among them.
    depth: usize,
}

/// A command line, word by word.
pub(in crate::cli) struct Line<'a> {
    pub(super) words: Vec<Word<'a>>,
    /// The program and the commands that are named.
    pub(super) commands: Vec<&'a Command>,
}

/// Changes to a command line: the place of a word, and the words in its place.
pub(super) type Edits = Vec<(usize, Vec<String>)>;

/// The failure with the command line that was meant.
pub(super) fn with_command(
    failure: Failure,
    reason: &str,
    line: &Line<'_>,
    edits: &[(usize, Vec<String>)],
) -> Failure {
    let (end, word) = if reason.ends_with('?') {
        ("", "Try")
    } else {
        (";", "try")
    };
    failure.with_hint(format!("{reason}{end} {word}: {}", line.corrected(edits)))
}

impl<'a> Line<'a> {
    /// Reads the words, the first of which is the program's own name.
    pub(in crate::cli) fn read(program: &'a Command, words: &'a [OsString]) -> Self {
        let mut line = Self {
            words: Vec::with_capacity(words.len()),
            commands: vec![program],
        };
        let (mut waiting, mut is_over, mut places) = (None, false, 0);
        for (number, word) in words.iter().enumerate() {
            let text = word.to_string_lossy();
            let role = if number == 0 {
                Role::Program
            } else if let Some(option) = waiting.take() {
                Role::Value(option)
            } else if is_over {
                places += 1;
                Role::Place(places)
            } else if text == "--" {
                is_over = true;
                Role::Separator
            } else if text.len() > 1 && text.starts_with('-') {
                let (role, needs_value) = line.option(&text);
                waiting = needs_value;
                role
            } else if let Some(next) = line.command().find_subcommand(text.as_ref()) {
                line.commands.push(next);
                Role::Command
            } else if line.command().has_subcommands() {
                Role::UnknownCommand
            } else {
                places += 1;
                Role::Place(places)
            };
            let depth = line.commands.len();
            line.words.push(Word { text, role, depth });
        }
        line
    }

    /// The command that the words lead to.
    pub(super) fn command(&self) -> &'a Command {
        self.commands[self.commands.len() - 1]
    }

    /// What an option is, and the one that has its value in the next word.
    fn option(&self, text: &str) -> (Role<'a>, Option<&'a Arg>) {
        let command = self.command();
        if let Some(option) = text.strip_prefix("--") {
            let (name, attached) = split_value(option);
            let is_it = |argument: &&Arg| argument.get_long() == Some(name);
            return match command.get_arguments().find(is_it) {
                Some(known) => {
                    let value = Some(known).filter(|known| takes_value(known));
                    (Role::Option(value), value.filter(|_| attached.is_none()))
                }
                None => {
                    let elsewhere = self.elsewhere(&is_it);
                    let value = elsewhere.filter(|known| takes_value(known) && attached.is_none());
                    (Role::UnknownOption(elsewhere), value)
                }
            };
        }
        if long_of_one_dash(command, text).is_some() {
            return (Role::UnknownOption(None), None);
        }
        for (index, letter) in text[1..].char_indices() {
            let is_it = |argument: &&Arg| argument.get_short() == Some(letter);
            let is_last = index + 1 + letter.len_utf8() == text.len();
            match command.get_arguments().find(is_it) {
                Some(known) if takes_value(known) => {
                    return (Role::Option(Some(known)), Some(known).filter(|_| is_last));
                }
                Some(_) => {}
                None => {
                    let elsewhere = self.elsewhere(&is_it);
                    let value = elsewhere.filter(|known| takes_value(known) && is_last);
                    return (Role::UnknownOption(elsewhere), value);
                }
            }
        }
        (Role::Option(None), None)
    }

    /// The option of another command than the one at hand: of those above it, or of one below.
    fn elsewhere(&self, is_it: &dyn Fn(&&Arg) -> bool) -> Option<&'a Arg> {
        let above = self.commands[..self.commands.len() - 1].iter().copied();
        let below = self.command().get_subcommands();
        let mut commands = above.chain(below).filter(|command| !command.is_hide_set());
        commands.find_map(|command| command.get_arguments().find(is_it))
    }

    /// The commands that stand before a word.
    pub(super) fn commands_at(&self, index: usize) -> &[&'a Command] {
        &self.commands[..self.words[index].depth]
    }

    /// Whether the words ask for help alone, which no other mistake keeps back.
    pub(super) fn asks_for_help(&self) -> bool {
        let is_asked = |word: &Word<'_>| {
            matches!(word.role, Role::Option(None)) && matches!(word.text.as_ref(), "-h" | "--help")
        };
        self.words.iter().any(is_asked)
    }

    /// A word as one types it, without what may be a secret.
    pub(super) fn shown(&self, index: usize) -> String {
        let word = &self.words[index];
        let text = word.text.as_ref();
        match word.role {
            Role::Program => program_name(text).to_owned(),
            Role::Value(option) => shown_value(option, text),
            Role::Option(Some(_)) | Role::UnknownOption(Some(_)) => match self.value(index) {
                Some((option, before, value)) => format!("{before}{}", shown_value(option, value)),
                None => shell_word(text).into_owned(),
            },
            Role::UnknownOption(_) => shell_word(split_value(text).0).into_owned(),
            _ => shell_word(&without_credentials(text)).into_owned(),
        }
    }

    /// The value that a word holds, its option, and what stands before the value in the same word.
    pub(super) fn value(&self, index: usize) -> Option<(&'a Arg, &str, &str)> {
        let text = self.words[index].text.as_ref();
        match self.words[index].role {
            Role::Value(option) => Some((option, "", text)),
            Role::Option(Some(option)) | Role::UnknownOption(Some(option)) if takes_value(option) => {
                let end = if text.starts_with("--") {
                    text.find('=')? + 1
                } else {
                    let letter = option.get_short()?;
                    text.find(letter)? + letter.len_utf8()
                };
                let (before, value) = text.split_at(end);
                (!value.is_empty()).then_some((option, before, value))
            }
            _ => None,
        }
    }

    /// The whole command line with other words in place of some.
    pub(super) fn corrected(&self, edits: &[(usize, Vec<String>)]) -> String {
        let words =
            (0..self.words.len()).flat_map(|index| match edits.iter().find(|(edited, _)| *edited == index) {
                Some((_, instead)) => instead.clone(),
                None => vec![self.shown(index)],
            });
        words.collect::<Vec<_>>().join(" ")
    }

    /// The places of words that are not of an option, with their texts.
    pub(super) fn places(&self) -> impl Iterator<Item = (usize, &str)> {
        let words = self.words.iter().enumerate();
        words.filter_map(|(index, word)| {
            matches!(word.role, Role::Place(_)).then_some((index, word.text.as_ref()))
        })
    }

    /// The place of the last command's own word.
    pub(super) fn command_place(&self) -> usize {
        let is_command = |word: &Word<'_>| matches!(word.role, Role::Command);
        self.words.iter().rposition(is_command).unwrap_or_default()
    }
}

/// The long option that a single dash is written before: `-experiment-name` would be the entry point
/// `xperiment-name`.
pub(super) fn long_of_one_dash<'a>(command: &'a Command, text: &str) -> Option<&'a str> {
    let (name, _) = split_value(text.strip_prefix('-')?);
    (name.chars().count() > 1)
        .then(|| long_names(command).find(|long| is_same_name(long, name)))
        .flatten()
}

pub(super) fn takes_value(argument: &Arg) -> bool {
    argument.get_action().takes_values()
}

/// The names of the long options that help shows.
pub(super) fn long_names(command: &Command) -> impl Iterator<Item = &str> {
    command
        .get_arguments()
        .filter(|argument| !argument.is_hide_set())
        .filter_map(Arg::get_long)
}

/// The name and what is joined to it by an equals sign.
pub(super) fn split_value(option: &str) -> (&str, Option<&str>) {
    match option.split_once('=') {
        Some((name, value)) => (name, Some(value)),
        None => (option, None),
    }
}

/// Whether these are one name but for case, dashes and underscores.
pub(super) fn is_same_name(left: &str, right: &str) -> bool {
    let letters = |text: &str| text.replace(['-', '_'], "").to_lowercase();
    letters(left) == letters(right)
}

/// The commands as one types them.
pub(super) fn path_of(commands: &[&Command]) -> String {
    let names: Vec<&str> = commands.iter().map(|command| command.get_name()).collect();
    names.join(" ")
}

/// What to type for the program that was called by this word.
fn program_name(word: &str) -> &str {
    let name = Path::new(word).file_name().and_then(|name| name.to_str());
    name.filter(|name| *name == "mlflow").unwrap_or("mlrun")
}

/// The value of an option as one types it; a placeholder if it may hold a secret.
pub(super) fn shown_value(option: &Arg, value: &str) -> String {
    match option.get_id().as_str() {
        "param_list" | "docker_args" => match value.split_once('=') {
            Some((name, value)) => pair(name, value),
            None => shell_word(value).into_owned(),
        },
        "backend_config" if !value.ends_with(".json") => "JSON".to_owned(),
        _ => shell_word(&without_credentials(value)).into_owned(),
    }
}

/// A parameter as one types it; a placeholder stands for a value that may be a secret.
pub(super) fn pair(name: &str, value: &str) -> String {
    let is_harmless = value.is_empty()
        || is_float(value)
        || matches!(value, "true" | "false" | "True" | "False")
        || Path::new(value).exists();
    let value = if is_harmless { value } else { "VALUE" };
    shell_word(&format!("{name}={value}")).into_owned()
}
