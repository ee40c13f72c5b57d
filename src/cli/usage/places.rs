//! Answers to words that are not of an option: what is no project, and words more than a command takes.

use std::path::Path;

use clap::Arg;

use super::line::{Edits, Line, Role, pair, path_of, with_command};
use crate::cli::escape::shell_word;
use crate::cli::project_source::at_hand;
use crate::cli::report::Failure;
use crate::project::{self, is_float};
use crate::redact::without_credentials;

/// Checks a word that is not of an option: a project, and no more words than the command takes.
pub(super) fn check_place(line: &Line<'_>, index: usize, number: usize) -> Result<(), Failure> {
    let command = line.command();
    let name = command.get_name();
    let is_of_project = matches!(name, "run" | "inspect" | "lint");
    let word = line.words[index].text.as_ref();
    if is_of_project && number == 1 {
        return match (
            mistaken_project(word, name),
            parameters(line).filter(|_| name == "run"),
        ) {
            (Some((reason, _)), Some(edits)) if as_pair(word).is_some() => {
                let failure = Failure::message(reason);
                // More words than one are a usage error in `mlflow run` too; a single one is a path.
                let is_path = line.places().count() == 1;
                let failure = if is_path { failure } else { failure.into_usage() };
                Err(with_command(failure, "parameters are set with -P", line, &edits))
            }
            (Some((reason, words)), _) => {
                let mut edits = vec![(index, words)];
                let has_entry_point = line
                    .words
                    .iter()
                    .any(|word| matches!(word.role, Role::Value(option) if option.get_id() == "entry_point"));
                if has_entry_point {
                    edits[0].1.truncate(1);
                }
                let failure = Failure::message(reason);
                Err(with_command(
                    failure,
                    "name the project's directory",
                    line,
                    &edits,
                ))
            }
            (None, _) => Ok(()),
        };
    }
    let places: Vec<&Arg> = command.get_positionals().collect();
    let is_list = places
        .last()
        .is_some_and(|place| place.get_num_args().is_some_and(|number| number.max_values() > 1));
    if number <= places.len() || is_list {
        return Ok(());
    }
    Err(extra(line, index, word, &places))
}

/// The failure for a word more than the command takes.
fn extra(line: &Line<'_>, index: usize, word: &str, places: &[&Arg]) -> Failure {
    let path = path_of(line.commands_at(index));
    let names = places.iter().filter_map(|place| place.get_value_names()?.first());
    let names: Vec<String> = names.map(ToString::to_string).collect();
    let takes = match names.as_slice() {
        [] => "no arguments, only options".to_owned(),
        names => format!("one {}", names.join(" and one ")),
    };
    let failure = Failure::usage(format!(
        "extra argument '{}': `{path}` takes {takes}",
        shown_extra(word)
    ));
    if line.command().get_name() != "run" {
        return failure.with_hint(format!("`{path} --help` shows the usage"));
    }
    if let Some(edits) = parameters(line) {
        return with_command(failure, "parameters are set with -P", line, &edits);
    }
    let first = line.places().next().map_or("", |(_, text)| text);
    let is_interpreter = matches!(first, "python" | "python3" | "bash" | "sh" | "Rscript");
    let project = at_hand(if is_interpreter { "." } else { first });
    let is_entry_point =
        project.is_some_and(|project| project.entry_points.iter().any(|point| point.name == word));
    if is_script(word) || is_entry_point {
        let mut edits = vec![(index, vec!["-e".to_owned(), quoted(word)])];
        if let Some((place, _)) = line.places().next().filter(|_| is_interpreter) {
            edits.push((place, vec![".".to_owned()]));
        }
        return with_command(failure, "entry points are named with -e", line, &edits);
    }
    failure.with_hint("put a value with blanks in quotes, such as -P 'note=two words'")
}

/// A word that may be a parameter, whose value may be a secret.
fn shown_extra(word: &str) -> String {
    match word.split_once('=') {
        Some((name, value)) => pair(name, value),
        None => without_credentials(word),
    }
}

/// The words of a parameter without its option: `alpha=0.5`.
fn as_pair(word: &str) -> Option<(&str, &str)> {
    let (name, value) = word.split_once('=')?;
    let fits = |character: char| character.is_alphanumeric() || matches!(character, '_' | '-' | '.');
    let begins_well = name
        .chars()
        .next()
        .is_some_and(|first| first.is_alphabetic() || first == '_');
    (begins_well && name.chars().all(fits)).then_some((name, value))
}

/// The command line with all words besides the project as parameters, if they can be.
fn parameters(line: &Line<'_>) -> Option<Edits> {
    let places: Vec<(usize, &str)> = line.places().collect();
    let is_project = |(_, text): &&(usize, &str)| {
        !text.starts_with('-') && (as_pair(text).is_none() || Path::new(text).exists())
    };
    let project = places.iter().find(is_project).map(|(index, _)| *index);
    let mut rest = places
        .iter()
        .filter(|(index, _)| Some(*index) != project)
        .peekable();
    let mut edits = Edits::new();
    while let Some((index, text)) = rest.next() {
        let option = |pair| vec!["-P".to_owned(), pair];
        let name = text.strip_prefix("--").unwrap_or(text);
        if let Some((name, value)) = as_pair(name) {
            edits.push((*index, option(pair(name, value))));
        } else if text.starts_with("--") {
            let (value_place, value) = rest.next_if(|(_, text)| !text.starts_with("--"))?;
            edits.push((*index, option(pair(name, value))));
            edits.push((*value_place, Vec::new()));
        } else {
            return None;
        }
    }
    if edits.is_empty() {
        return None;
    }
    if project.is_none() {
        let place = line.command_place();
        edits.push((place, vec![line.shown(place), ".".to_owned()]));
    }
    let separator = line
        .words
        .iter()
        .position(|word| matches!(word.role, Role::Separator));
    edits.extend(separator.map(|place| (place, Vec::new())));
    Some(edits)
}

/// What is wrong with a project that is none, and the words in its place.
pub(super) fn mistaken_project(word: &str, command: &str) -> Option<(String, Vec<String>)> {
    let path = Path::new(word);
    if word.contains([':', '#']) || path.is_dir() {
        return None;
    }
    if let Some((name, value)) = as_pair(word).filter(|_| !path.exists()) {
        let reason = format!("'{}' is a parameter, not a project", shown_extra(word));
        let option = vec![".".to_owned(), "-P".to_owned(), pair(name, value)];
        return Some((
            reason,
            if command == "run" {
                option
            } else {
                vec![".".to_owned()]
            },
        ));
    }
    let directory = path.parent().filter(|parent| !parent.as_os_str().is_empty());
    if is_script(word) {
        let (directory, script) = project_of(path);
        let mut words = vec![quoted(&directory)];
        if command != "lint" {
            words.extend(["-e".to_owned(), quoted(&script)]);
        }
        return Some((format!("'{word}' is a script, not a project"), words));
    }
    let is_project_file = path.is_file()
        && path
            .file_name()
            .is_some_and(|name| name.eq_ignore_ascii_case(project::FILE_NAME));
    if is_project_file {
        let directory = directory.unwrap_or(Path::new(".")).display().to_string();
        return Some((
            format!("'{word}' is a file, not a project"),
            vec![quoted(&directory)],
        ));
    }
    None
}

fn is_script(word: &str) -> bool {
    let extension = Path::new(word)
        .extension()
        .and_then(|extension| extension.to_str());
    matches!(extension, Some("py" | "sh" | "R" | "r"))
}

/// The project's directory of a script, and the script's path in it.
fn project_of(script: &Path) -> (String, String) {
    let is_project = |directory: &Path| {
        let found = project::find_file(directory);
        found.is_ok_and(|found| found.file.is_some())
    };
    let above = || {
        script
            .ancestors()
            .skip(1)
            .filter(|above| !above.as_os_str().is_empty())
    };
    let leads_away = script.is_absolute() || script.starts_with("..");
    let directory = above()
        .find(|directory| is_project(directory))
        .or_else(|| above().next().filter(|_| leads_away));
    let Some(directory) = directory else {
        return (".".to_owned(), script.display().to_string());
    };
    let inside = script.strip_prefix(directory).unwrap_or(script);
    (directory.display().to_string(), inside.display().to_string())
}

/// The place of the word after an option that can be its value and is not the project.
pub(super) fn next_value(line: &Line<'_>, index: usize) -> Option<usize> {
    let next = index + 1;
    let word = line.words.get(next)?;
    let is_value = match word.role {
        Role::Place(_) => line.places().count() > 1 || !looks_like_project(&word.text),
        // A negative number.
        _ => is_float(&word.text),
    };
    is_value.then_some(next)
}

pub(super) fn looks_like_project(word: &str) -> bool {
    word.contains(['/', ':', '#'])
        || word.starts_with('.')
        || word.ends_with(".zip")
        || Path::new(word).exists()
}

pub(super) fn quoted(word: &str) -> String {
    shell_word(word).into_owned()
}
