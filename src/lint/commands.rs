//! Commands: placeholders, and what YAML makes of their lines.

use std::collections::{HashMap, HashSet};

use super::document::{DeclaredEntryPoint, DeclaredParameter, Document};
use super::{Code, Finding};
use crate::project::{MistypedKey, ProjectError, ProjectProblem, TemplateError, format_with, keys, quote};
use crate::yaml::{Node, Style};

/// The most placeholders of a command that get a position and a near name: each compares all names, which is too
/// slow for a file with thousands.
const EXPLAINED: usize = 20;
/// The most names that they are compared with.
const NAMES_COMPARED: usize = 500;

/// Entry points without a command.
pub(super) fn missing_commands(document: &Document, findings: &mut Vec<Finding>) {
    let Some(entry_points) = document.section("entry_points") else {
        return;
    };
    for (key, node) in entry_points.iter() {
        let command = node.as_mapping().and_then(|mapping| mapping.get("command"));
        let may_have_one = node.is_null() || node.as_mapping().is_some();
        if may_have_one && command.is_none_or(Node::is_null) {
            let keys = node.as_mapping();
            let problem = ProjectProblem::CommandMissing {
                entry_point: key.value.to_python_str(),
                mistyped: keys.and_then(|keys| MistypedKey::for_missing("command", keys, keys::ENTRY_POINT)),
            };
            findings.push(Finding::of_error(&ProjectError::at(
                document.location(key),
                problem,
            )));
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
    let names = || parameters.iter().take(NAMES_COMPARED);
    let error = |error: TemplateError| {
        let declared = names().map(|parameter| parameter.name.clone()).collect();
        let place = document.written(node);
        let error = ProjectError::of_template(&entry_point.name, command, error, declared, Some(&place));
        Finding::of_error(&error)
    };
    let mut used = HashSet::new();
    let mut undeclared = HashSet::new();
    let formatted = format_with(command, &mut |name, field| {
        if let Some((name, value)) = values.get_key_value(name) {
            used.insert(*name);
            return Some(value.clone());
        }
        // Each missing name is reported once.
        if undeclared.insert(name.to_owned()) {
            let unknown = TemplateError::UnknownName {
                name: name.to_owned(),
                field: field.iter().collect(),
            };
            findings.push(if undeclared.len() <= EXPLAINED {
                error(unknown)
            } else {
                let message = format!("the command of entry point '{}' has {unknown}", entry_point.name);
                Finding::new(Code::UndeclaredPlaceholder, document.location(node), message)
                    .of(&entry_point.name)
            });
        }
        Some("1".to_owned())
    });
    match formatted {
        Ok(_) => {}
        Err(unfit) if depends_on_values(&unfit) && !parameters.iter().all(has_fixed_default) => return,
        Err(unfit) => {
            findings.push(error(unfit));
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
    let message = format!("the command of entry point '{entry_point}' does not use parameter '{name}'");
    Finding::new(Code::UnusedParameter, document.location(key), message)
        .hint(format!(
            "pass it to the program: write `{{{name}}}` in the command"
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

/// Whether the default is the value that the command gets if none is given: a path's becomes absolute.
fn has_fixed_default(parameter: &DeclaredParameter<'_>) -> bool {
    let word = parameter.type_node().and_then(Node::as_str);
    let is_path = matches!(word, Some("path" | "uri"));
    !is_path && parameter.default().is_some_and(|default| !default.is_null())
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
        let written = document.written(node);
        let broken = written
            .lines()
            .find(|(number, _, line)| *number < node.written.last_line && line.trim_end().ends_with('\\'));
        if let Some((number, _, _)) = broken {
            let message = format!(
                "the command of entry point '{entry_point}': YAML joins these lines, so '\\' escapes the space and becomes \
                 part of the next argument"
            );
            findings.push(
                Finding::new(Code::FoldedBackslash, document.end_of_line(number), message)
                    .hint("remove the '\\', or write the command after `command: |`")
                    .of(&entry_point),
            );
        }
    }
}

/// A command that ends at ` #`, if that does not look like a comment: `--color #fff`, `-c "print(1) # one"`.
pub(super) fn cut_commands(document: &Document, findings: &mut Vec<Finding>) {
    for (entry_point, node, command) in commands(document) {
        if node.written.style != Style::Plain || node.written.last_line != node.start.line {
            continue;
        }
        let written = document.written(node);
        let Some((_, column, line)) = written.lines().next() else {
            continue;
        };
        let Some(comment) = line.strip_prefix(command).map(str::trim_start) else {
            continue;
        };
        let text = comment.trim_start_matches('#');
        let is_open = |quote: char| command.matches(quote).count() % 2 == 1;
        let is_cut = text.starts_with(|first: char| !first.is_whitespace())
            || is_open('"')
            || is_open('\'')
            || text.contains(['{', '}']);
        if comment.starts_with('#') && is_cut {
            let message = format!(
                "the command of entry point '{entry_point}' ends here: YAML takes ' #' for a comment"
            );
            let mut location = written.start.clone();
            location.position.column = column + line[..line.len() - comment.len()].chars().count();
            findings.push(
                Finding::new(Code::CutCommand, location, message)
                    .hint("write the command after `command: |-`, or in quotes")
                    .of(&entry_point),
            );
        }
    }
}

/// A line that begins with an option: the shell runs it as a separate command.
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
                    "the command of entry point '{entry_point}' continues on a new line here, which the shell runs as a \
                     separate command"
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

/// A command that ends with a line break, after which `mlflow run` adds undeclared parameters.
pub(super) fn trailing_newlines(document: &Document, findings: &mut Vec<Finding>) {
    for (entry_point, node, command) in commands(document) {
        if command.ends_with('\n') && !command.trim_end().is_empty() {
            let indicator = if node.written.style == Style::Folded {
                '>'
            } else {
                '|'
            };
            let message = format!(
                "the command of entry point '{entry_point}' ends with a line break: `mlflow run` puts undeclared parameters on \
                 a separate line, mlrun does not"
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
