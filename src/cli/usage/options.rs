//! Answers to options that a command does not have.

use clap::{Arg, Command};

use super::instead::{self, Instead};
use super::line::{
    Edits, Line, Role, is_same_name, long_names, long_of_one_dash, pair, path_of, shown_value, split_value,
    takes_value, with_command,
};
use super::places::{next_value, quoted};
use crate::cli::project_source::at_hand;
use crate::cli::report::Failure;
use crate::nearest::nearest;

/// The shortest beginning of an option's name that is completed in a hint.
const SHORTEST_BEGINNING: usize = 3;

/// An option as it was typed.
struct Typed<'a> {
    /// The option with its dashes, without its value.
    shown: String,
    name: &'a str,
    attached: Option<&'a str>,
}

impl<'a> Typed<'a> {
    fn of(command: &Command, text: &'a str) -> Self {
        let (shown, attached) = split_value(text);
        let name = shown.trim_start_matches('-');
        let is_one = text.starts_with("--") || long_of_one_dash(command, text).is_some();
        if is_one || name.chars().count() == 1 {
            let shown = shown.to_owned();
            return Self {
                shown,
                name,
                attached,
            };
        }
        // Of several letters, the first that is not known; a word if that is the very first.
        let is_known = |letter: char| {
            command
                .get_arguments()
                .any(|argument| argument.get_short() == Some(letter))
        };
        let unknown = name.char_indices().find(|(_, letter)| !is_known(*letter));
        match unknown {
            Some((at, letter)) if at > 0 => Self {
                shown: format!("-{letter}"),
                name: &name[at..at + letter.len_utf8()],
                attached: None,
            },
            _ => Self {
                shown: shown.to_owned(),
                name,
                attached,
            },
        }
    }
}

/// The failure for an option that the command does not have.
pub(super) fn unknown_option(line: &Line<'_>, index: usize, elsewhere: Option<&Arg>) -> Failure {
    let commands = line.commands_at(index);
    let command = commands[commands.len() - 1];
    let path = path_of(commands);
    let typed = Typed::of(command, &line.words[index].text);
    let failure = Failure::usage(format!("unknown option '{}' of `{path}`", typed.shown));
    if let Some(option) = elsewhere {
        return misplaced(failure, line, index, option);
    }
    let is_run = command.get_name() == "run";
    if is_run && let Some(declared) = declared_parameter(line, |name| is_same_name(name, typed.name)) {
        let edits = as_parameter(line, index, &declared, typed.attached);
        return with_command(failure, "parameters are set with -P", line, &edits);
    }
    if is_run && let Some(instead) = instead::of_option(typed.name, value_of(line, index, &typed)) {
        return replaced(failure, line, index, &typed, instead);
    }
    match meant(command, typed.name).as_slice() {
        [] => {}
        [one] => {
            let edits = renamed(line, index, one, &typed);
            return with_command(failure, &format!("did you mean --{one}?"), line, &edits);
        }
        names => {
            let names: Vec<String> = names.iter().map(|name| format!("--{name}")).collect();
            return failure.with_hint(format!("did you mean {}?", names.join(" or ")));
        }
    }
    if is_run && typed.shown.starts_with("--") {
        if let Some(near) = declared_parameter(line, |name| nearest(typed.name, [name]).is_some()) {
            let edits = as_parameter(line, index, &near, typed.attached);
            return with_command(
                failure,
                &format!("did you mean the parameter '{near}'?"),
                line,
                &edits,
            );
        }
        let meant = line.corrected(&as_parameter(line, index, typed.name, typed.attached));
        return failure.with_hint(format!(
            "if '{}' is a parameter, try: {meant}; `{path} --help` lists the options",
            typed.name
        ));
    }
    failure.with_hint(format!("`{path} --help` lists the options"))
}

/// The value that an unknown option may have.
fn value_of<'l>(line: &'l Line<'_>, index: usize, typed: &Typed<'l>) -> Option<&'l str> {
    let next = || next_value(line, index).map(|next| line.words[next].text.as_ref());
    typed.attached.or_else(next)
}

/// An option of another command: it is moved there.
fn misplaced(failure: Failure, line: &Line<'_>, index: usize, option: &Arg) -> Failure {
    let has = |command: &&Command| {
        command
            .get_arguments()
            .any(|argument| argument.get_id() == option.get_id())
    };
    let above = &line.commands_at(index)[..line.commands_at(index).len() - 1];
    let mut moved = vec![line.shown(index)];
    let mut edits = vec![(index, Vec::new())];
    if line
        .words
        .get(index + 1)
        .is_some_and(|word| matches!(word.role, Role::Value(_)))
    {
        moved.push(line.shown(index + 1));
        edits.push((index + 1, Vec::new()));
    }
    let owner = if let Some(owner) = above.iter().find(|command| has(command)) {
        edits.push((0, [vec![line.shown(0)], moved].concat()));
        path_of(&[owner])
    } else if let Some(owner) = line.commands.iter().find(|command| has(command)) {
        let place = line.command_place();
        edits.push((place, [vec![line.shown(place)], moved].concat()));
        format!("mlrun {}", owner.get_name())
    } else {
        let owner = line.commands[0].get_subcommands().find(has);
        let name = owner.map_or("run", Command::get_name).to_owned();
        edits = vec![(0, vec![line.shown(0), name.clone()])];
        format!("mlrun {name}")
    };
    with_command(failure, &format!("it is an option of `{owner}`"), line, &edits)
}

/// What replaces an option that `mlrun run` does not have.
fn replaced(failure: Failure, line: &Line<'_>, index: usize, typed: &Typed<'_>, instead: Instead) -> Failure {
    match instead {
        Instead::Text(text) => failure.with_hint(text),
        Instead::Parameter => {
            let next = next_value(line, index);
            let value = typed
                .attached
                .or_else(|| next.map(|next| line.words[next].text.as_ref()));
            let pair = value.and_then(|value| value.split_once('='));
            let pair = pair.map_or_else(
                || "NAME=VALUE".to_owned(),
                |(name, value)| self::pair(name, value),
            );
            let mut edits = vec![(index, vec!["-P".to_owned(), pair])];
            edits.extend(
                next.filter(|_| typed.attached.is_none())
                    .map(|next| (next, Vec::new())),
            );
            with_command(failure, "use -P instead", line, &edits)
        }
        Instead::Uri => {
            let project = typed.attached.map(quoted).into_iter().collect();
            with_command(failure, "the project needs no option", line, &[(index, project)])
        }
        Instead::Words(words) => {
            let words: Vec<String> = words.iter().map(|word| (*word).to_owned()).collect();
            let reason = format!("use {} instead", words.join(" "));
            with_command(failure, &reason, line, &[(index, words)])
        }
        Instead::Option(name) => {
            let edits = renamed(line, index, name, typed);
            with_command(failure, &format!("use --{name} instead"), line, &edits)
        }
    }
}

/// The option by its right name, with the value that is joined to it.
fn renamed(line: &Line<'_>, index: usize, name: &str, typed: &Typed<'_>) -> Edits {
    let known = line
        .command()
        .get_arguments()
        .find(|argument| argument.get_long() == Some(name));
    let mut word = format!("--{name}");
    if let (Some(known), Some(value)) = (known, typed.attached)
        && takes_value(known)
    {
        word.push_str(&format!("={}", shown_value(known, value)));
    }
    let mut edits = vec![(index, vec![word])];
    // The next word is its value now, which may be a secret.
    let next = line.words.get(index + 1).filter(|_| typed.attached.is_none());
    if let (Some(known), Some(value)) = (known, next)
        && takes_value(known)
    {
        edits.push((index + 1, vec![shown_value(known, &value.text)]));
    }
    edits
}

/// The word as a parameter, which takes the next one for its value.
fn as_parameter(line: &Line<'_>, index: usize, name: &str, attached: Option<&str>) -> Edits {
    let next = next_value(line, index).filter(|_| attached.is_none());
    let value = attached.or_else(|| next.map(|next| line.words[next].text.as_ref()));
    let pair = pair(name, value.unwrap_or("VALUE"));
    let mut edits = vec![(index, vec!["-P".to_owned(), pair])];
    edits.extend(next.map(|next| (next, Vec::new())));
    // A project is needed too.
    if line.places().filter(|(place, _)| Some(*place) != next).count() == 0 {
        let place = line.command_place();
        edits.push((place, vec![line.shown(place), ".".to_owned()]));
    }
    edits
}

/// The parameter of the entry point at hand that is meant.
fn declared_parameter(line: &Line<'_>, is_meant: impl Fn(&str) -> bool) -> Option<String> {
    let value_of = |id: &str| {
        let mut words = line.words.iter();
        words.find_map(|word| match word.role {
            Role::Value(option) if option.get_id() == id => Some(word.text.as_ref()),
            _ => None,
        })
    };
    let is_project = |text: &&str| std::path::Path::new(text).is_dir();
    let uri = line
        .places()
        .map(|(_, text)| text)
        .find(is_project)
        .unwrap_or(".");
    let project = at_hand(uri)?;
    let name = value_of("entry_point").unwrap_or("main");
    let entry_point = project
        .entry_points
        .iter()
        .find(|entry_point| entry_point.name == name)?;
    let mut names = entry_point.parameters.iter().map(|parameter| &parameter.name);
    names.find(|name| is_meant(name)).cloned()
}

/// The options that someone may have meant.
fn meant(command: &Command, name: &str) -> Vec<String> {
    let typed = name.replace('_', "-").to_lowercase();
    let options = |is_meant: &dyn Fn(&str) -> bool| -> Vec<String> {
        let names = long_names(command).filter(|long| is_meant(long));
        names.map(str::to_owned).collect()
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
