//! Commands: placeholders, and what YAML makes of their lines.

use std::collections::{HashMap, HashSet};

use super::document::{DeclaredEntryPoint, DeclaredParameter, Document};
use super::{Code, Finding};
use crate::nearest::nearest;
use crate::project::{TemplateError, format_with, quote};
use crate::yaml::{Node, Style};

/// How many placeholders of a command are looked for in its text, and compared with the parameters' names.
/// Each takes a look at all of them, so a file with thousands must not have it for every one.
const EXPLAINED: usize = 20;
/// The same for the names that they are compared with.
const NAMES_COMPARED: usize = 500;

/// Entry points that cannot be run since they say no command.
pub(super) fn missing_commands(document: &Document, findings: &mut Vec<Finding>) {
    let Some(entry_points) = document.section("entry_points") else {
        return;
    };
    for (key, node) in entry_points.iter() {
        let command = node.as_mapping().and_then(|mapping| mapping.get("command"));
        let may_have_one = node.is_null() || node.as_mapping().is_some();
        if may_have_one && command.is_none_or(Node::is_null) {
            let message = format!("entry point '{}' has no command", key.value.to_python_str());
            findings.push(
                Finding::new(Code::MissingCommand, document.location(key), message)
                    .hint("add `command: ...` to it")
                    .of(&key.value.to_python_str()),
            );
        }
    }
}

/// Placeholders without a parameter, and parameters without a placeholder.
pub(super) fn placeholders(document: &Document, findings: &mut Vec<Finding>) {
    for entry_point in document.entry_points() {
        if let Some((node, command)) = entry_point.command() {
            check_placeholders(document, &entry_point, node, command, findings);
        }
    }
}

fn check_placeholders(
    document: &Document,
    entry_point: &DeclaredEntryPoint<'_>,
    node: &Node,
    command: &str,
    findings: &mut Vec<Finding>,
) {
    let parameters = entry_point.parameters();
    let values: HashMap<&str, String> = parameters
        .iter()
        .map(|parameter| (parameter.name.as_str(), imagined_value(parameter)))
        .collect();
    let mut used = HashSet::new();
    let mut undeclared = HashSet::new();
    let formatted = format_with(command, &mut |name, field| {
        if let Some((name, value)) = values.get_key_value(name) {
            used.insert(*name);
            return Some(value.clone());
        }
        // Each name that is missing is told once.
        if undeclared.insert(name.to_owned()) {
            let placeholder = format!("{{{}}}", field.iter().collect::<String>());
            let message = format!("the command has '{placeholder}', but there is no parameter '{name}'");
            let finding = Finding::new(Code::UndeclaredPlaceholder, document.location(node), message);
            let finding = finding.of(&entry_point.name);
            findings.push(if undeclared.len() <= EXPLAINED {
                Finding {
                    location: Some(document.place_of(node, &placeholder)),
                    ..finding.hint(declare_or_double(node, &parameters, name, &placeholder))
                }
            } else {
                finding
            });
        }
        Some("1".to_owned())
    });
    match formatted {
        Ok(_) => {}
        Err(error) if depends_on_values(&error) => return,
        Err(error) => {
            findings.push(invalid_placeholder(document, node, &error).of(&entry_point.name));
            return;
        }
    }
    let is_unused = |parameter: &&DeclaredParameter<'_>| !used.contains(parameter.name.as_str());
    for parameter in parameters.iter().filter(is_unused) {
        findings.push(unused_parameter(document, parameter));
    }
}

fn unused_parameter(document: &Document, parameter: &DeclaredParameter<'_>) -> Finding {
    let DeclaredParameter {
        entry_point,
        name,
        key,
        ..
    } = parameter;
    let message = format!(
        "parameter '{name}' is declared, but the command of entry point '{entry_point}' does not use it"
    );
    Finding::new(Code::UnusedParameter, document.location(key), message)
        .hint(format!(
            "its value reaches the program only by `{{{name}}}` in the command"
        ))
        .of(entry_point)
}

/// A value that a run could give the parameter.
fn imagined_value(parameter: &DeclaredParameter<'_>) -> String {
    let default = parameter.default().filter(|node| !node.is_null());
    let value = default.map_or_else(|| "1".to_owned(), |node| node.value.to_python_str());
    quote(&value).into_owned()
}

/// Whether another value could be fit for the command.
fn depends_on_values(error: &TemplateError) -> bool {
    match error {
        TemplateError::IndexOutOfRange { .. } => true,
        TemplateError::FormatSpec { field, .. } => field.contains('{'),
        _ => false,
    }
}

/// What to do about a placeholder without a parameter.
fn declare_or_double(
    node: &Node,
    parameters: &[DeclaredParameter<'_>],
    name: &str,
    placeholder: &str,
) -> String {
    let names = parameters.iter().map(|parameter| parameter.name.as_str());
    let is_shells = node.text().contains(&format!("${placeholder}"));
    match nearest(name, names.take(NAMES_COMPARED)) {
        Some(near) => format!("did you mean '{{{near}}}'?"),
        None if is_shells => format!("double the braces that are meant for the shell: '${{{placeholder}}}'"),
        None => format!(
            "declare it under `parameters:`, or double braces that are meant for the shell: '{{{placeholder}}}'"
        ),
    }
}

fn invalid_placeholder(document: &Document, node: &Node, error: &TemplateError) -> Finding {
    let text = match error {
        TemplateError::LoneBrace { brace } => brace.to_string(),
        TemplateError::Unclosed { field }
        | TemplateError::UnknownName { field, .. }
        | TemplateError::Positional { field }
        | TemplateError::Unfit { field, .. }
        | TemplateError::IndexOutOfRange { field, .. }
        | TemplateError::FormatSpec { field, .. }
        | TemplateError::TooLong { field }
        | TemplateError::TooDeep { field } => format!("{{{}", field.trim_end_matches('…')),
    };
    Finding::new(
        Code::InvalidPlaceholder,
        document.place_of(node, &text),
        format!("the command has {error}"),
    )
    .hint("double the braces that are meant for the shell: '{{' and '}}'")
}

/// A backslash that should continue a line, where YAML has joined the lines already: what follows it
/// then is a space that the shell takes for a part of the next word.
pub(super) fn folded_backslashes(document: &Document, findings: &mut Vec<Finding>) {
    for (entry_point, node, command) in commands(document) {
        let folds = matches!(
            node.written.style,
            Style::Plain | Style::Folded | Style::SingleQuoted
        );
        if !folds || !command.contains("\\ ") {
            continue;
        }
        let broken = document
            .lines_of(node)
            .find(|(number, _, line)| *number < node.written.last_line && line.trim_end().ends_with('\\'));
        if let Some((number, _, _)) = broken {
            let message = format!(
                "the command of entry point '{entry_point}': YAML joins these lines, so '\\' stands before a space and spoils \
                 the next argument"
            );
            findings.push(
                Finding::new(Code::FoldedBackslash, document.end_of_line(number), message)
                    .hint("leave the '\\' out, or write the command after `command: |`")
                    .of(&entry_point),
            );
        }
    }
}

/// A line that begins with an option: the shell takes it for a command of its own.
pub(super) fn split_commands(document: &Document, findings: &mut Vec<Finding>) {
    for (entry_point, node, command) in commands(document) {
        if command.contains("<<") {
            continue;
        }
        let lines: Vec<&str> = command.trim_end().lines().collect();
        for pair in lines.windows(2) {
            let line = pair[1].trim();
            let is_option = line.starts_with("--") || line.starts_with('-') && line.len() > 1;
            if is_option && !pair[0].trim_end().ends_with(['\\', '|', '&']) {
                let message = format!(
                    "the command of entry point '{entry_point}' goes on in a new line here, which the shell takes for a command \
                     of its own"
                );
                findings.push(
                    Finding::new(Code::SplitCommand, document.place_of(node, line), message)
                        .hint("end the line before with '\\', or indent all lines alike after `command: >-`")
                        .of(&entry_point),
                );
                break;
            }
        }
    }
}

/// A command that ends with a line's end, after which `mlflow run` puts further parameters.
pub(super) fn trailing_newlines(document: &Document, findings: &mut Vec<Finding>) {
    for (entry_point, node, command) in commands(document) {
        if command.ends_with('\n') && !command.trim_end().is_empty() {
            let indicator = if node.written.style == Style::Folded {
                '>'
            } else {
                '|'
            };
            let message = format!(
                "the command of entry point '{entry_point}' ends with a new line: `mlflow run` puts undeclared parameters on a \
                 line of their own, mlrun does not"
            );
            findings.push(
                Finding::new(Code::TrailingNewline, document.location(node), message)
                    .hint(format!("write `command: {indicator}-`"))
                    .of(&entry_point),
            );
        }
    }
}

fn commands(document: &Document) -> Vec<(String, &Node, &str)> {
    let entry_points = document.entry_points();
    let commands = entry_points.into_iter().filter_map(|entry_point| {
        let (node, command) = entry_point.command()?;
        Some((entry_point.name, node, command))
    });
    commands.collect()
}
