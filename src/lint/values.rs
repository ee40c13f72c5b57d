//! Types, defaults, and values that YAML changes.

use super::document::{DeclaredParameter, Document};
use super::{Code, Finding};
use crate::nearest::nearest;
use crate::project::{ProjectError, ProjectProblem, is_float, keys, local_path};
use crate::tracking::limits::{self, Entity};
use crate::yaml::{Mapping, Node, Style, Value};

/// Words that people use as types, besides those that MLflow knows.
pub(super) const UNCHECKED_TYPES: &[&str] = &[
    "int", "integer", "str", "bool", "boolean", "list", "dict", "double", "number", "any", "text",
];

/// Types that MLflow does not know.
pub(super) fn types(document: &Document, findings: &mut Vec<Finding>) {
    for parameter in document.parameters() {
        let Some(node) = parameter.type_node().filter(|node| !node.is_null()) else {
            continue;
        };
        let word = node.value.to_python_str();
        if word.is_empty() || keys::TYPES.contains(&word.as_str()) {
            continue;
        }
        let name = &parameter.name;
        let location = document.location(node);
        let first = word.split([' ', ',', ':']).next().unwrap_or_default();
        let is_type = |word: &str| keys::TYPES.contains(&word) || UNCHECKED_TYPES.contains(&word);
        let near = nearest(&word, keys::TYPES.iter().copied());
        findings.push(
            if first != word && (is_type(first) || keys::PARAMETER.contains(&first)) {
                let message = format!("parameter '{name}': '{word}' is read as one word, a type");
                Finding::new(Code::MalformedEntry, location, message)
                    .hint(format!("write `{name}: {{type: TYPE, default: VALUE}}`"))
            } else if let Some(near) = near.filter(|_| !UNCHECKED_TYPES.contains(&word.as_str())) {
                let message = format!("parameter '{name}' has the unknown type '{word}'");
                Finding::new(Code::MisspeltType, location, message).hint(format!("did you mean '{near}'?"))
            } else {
                let message =
                    format!("parameter '{name}' has the type '{word}', which MLflow does not check");
                Finding::new(Code::UncheckedType, location, message).hint(format!(
                    "MLflow knows the types {}; others accept any text",
                    keys::TYPES.join(", ")
                ))
            }
            .of(&parameter.entry_point),
        );
    }
}

/// Defaults that cannot be used.
pub(super) fn defaults(document: &Document, findings: &mut Vec<Finding>) {
    for parameter in document.parameters() {
        let Some(node) = parameter.default() else { continue };
        let name = &parameter.name;
        if node.is_null() {
            let message = format!("the default of parameter '{name}' is empty, so the parameter is required");
            let text = node.text();
            findings.push(
                Finding::new(Code::EmptyDefault, document.location(node), message)
                    .hint(format!(
                        "remove `default`, or put it in quotes if it is meant as text: \"{text}\""
                    ))
                    .of(&parameter.entry_point),
            );
            continue;
        }
        let value = node.value.to_python_str();
        let entry_point = || parameter.entry_point.to_string();
        let problem = match declared_type(&parameter) {
            "float" if !is_float(&value) => ProjectProblem::NotAFloat {
                parameter: name.clone(),
                entry_point: entry_point(),
                value,
                is_default: true,
            },
            word @ ("path" | "uri") if is_empty(word, &value) => ProjectProblem::EmptyValue {
                parameter: name.clone(),
                entry_point: entry_point(),
                expected: if word == "uri" {
                    "a path or a URI"
                } else {
                    "a path"
                },
                is_default: true,
            },
            _ => continue,
        };
        findings.push(Finding::of_error(&ProjectError::at(
            document.location(node),
            problem,
        )));
    }
}

/// Whether a run refuses the value of a path or URI as empty.
fn is_empty(word: &str, value: &str) -> bool {
    match word {
        "uri" => value.is_empty(),
        _ => local_path(value).is_some_and(|path| path.is_empty()),
    }
}

/// The type as it is written; empty if there is none.
fn declared_type<'d>(parameter: &DeclaredParameter<'d>) -> &'d str {
    parameter.type_node().and_then(Node::as_str).unwrap_or_default()
}

/// Defaults of paths that a run finds only if it is started from the right directory, or nowhere.
pub(super) fn path_defaults(document: &Document, findings: &mut Vec<Finding>) {
    for parameter in document.parameters() {
        let word = declared_type(&parameter);
        let Some(node) = parameter.default().filter(|node| !node.is_null()) else {
            continue;
        };
        let value = node.value.to_python_str();
        let Some(path) = local_path(&value).filter(|path| !path.is_empty()) else {
            continue;
        };
        if !matches!(word, "path" | "uri") {
            continue;
        }
        let exists = [&path, &value]
            .into_iter()
            .any(|path| document.directory().join(path).exists());
        let name = &parameter.name;
        let option = format!("pass it with -P {name}=..., or remove the default");
        let (message, hint) = match (value.chars().next(), exists) {
            (Some('/'), true) => continue,
            (_, false) if word == "uri" => continue,
            (Some('~'), false) => (
                format!("the default '{value}' of parameter '{name}' does not exist: '~' is not expanded"),
                "write the whole path".to_owned(),
            ),
            (Some('/'), false) => (
                format!("the default '{value}' of parameter '{name}' does not exist on this machine"),
                option,
            ),
            (_, true) => (
                format!(
                    "the default '{value}' of parameter '{name}' is in the project, but relative paths start from the \
                     current directory: only runs that are started in the project's directory find it"
                ),
                "use the type string: commands run in the project's directory".to_owned(),
            ),
            (_, false) => (
                format!(
                    "the default '{value}' of parameter '{name}' is not in the project; relative paths start from the \
                     current directory"
                ),
                option,
            ),
        };
        findings.push(
            Finding::new(Code::PathDefault, document.location(node), message)
                .hint(hint)
                .of(&parameter.entry_point),
        );
    }
}

/// Names that no tracking store takes.
pub(super) fn parameter_names(document: &Document, findings: &mut Vec<Finding>) {
    for parameter in document.parameters() {
        if let Err(error) = limits::check_key(Entity::Param, &parameter.name) {
            findings.push(Finding {
                hint: error.hint(),
                ..Finding::new(
                    Code::ParameterName,
                    document.location(parameter.key),
                    error.to_string(),
                )
                .of(&parameter.entry_point)
            });
        }
    }
}

/// Values that YAML reads differently than they are written.
pub(super) fn respelt_values(document: &Document, findings: &mut Vec<Finding>) {
    let mut check = |what: String, node: &Node, entry_point: Option<&str>| {
        findings.extend(respelt(document, &what, node).map(|finding| Finding {
            entry_point: entry_point.map(str::to_owned),
            ..finding
        }));
    };
    if let Some(node) = document.top().get("name") {
        check("the project's name".to_owned(), node, None);
    }
    let docker = document.section("docker_env");
    if let Some(node) = docker.and_then(|docker| docker.get("image")) {
        check("the image's name".to_owned(), node, None);
    }
    for (name, value) in document.docker_variables() {
        check("the variable's name".to_owned(), name, None);
        let what = format!("the variable '{}'", name.value.to_python_str());
        check(what, value, None);
    }
    let entry_points = document.section("entry_points").into_iter();
    for (key, _) in entry_points.flat_map(Mapping::iter) {
        let name = key.value.to_python_str();
        check("the entry point's name".to_owned(), key, Some(&name));
    }
    for parameter in document.parameters() {
        let entry_point = Some(&*parameter.entry_point);
        check("the parameter's name".to_owned(), parameter.key, entry_point);
        if let Some(node) = parameter.default() {
            let what = format!("the default of parameter '{}'", parameter.name);
            check(what, node, entry_point);
        }
    }
}

fn respelt(document: &Document, what: &str, node: &Node) -> Option<Finding> {
    let printed = node.value.to_python_str();
    let location = document.location(node);
    if node.written.style == Style::Collection {
        let (code, hint) = match node.value {
            Value::Map(_) => (Code::ValueChanges, "put text that begins with '{' in quotes"),
            _ => (Code::ValueRespelt, "put it in quotes to keep it as it is written"),
        };
        let message = format!("{what} is {}; the command gets {printed}", node.kind());
        return Some(Finding::new(code, location, message).hint(hint));
    }
    let written = node.text();
    if matches!(node.value, Value::Str(_) | Value::Null) || written == printed {
        return None;
    }
    let code = match &node.value {
        Value::Float(_) | Value::Int(_) if same_number(written, &printed) => Code::ValueRespelt,
        Value::Bool(_) if written.eq_ignore_ascii_case(&printed) => Code::ValueRespelt,
        _ => Code::ValueChanges,
    };
    let message = format!("{what} is written {written}, but YAML reads {printed}");
    Some(Finding::new(code, location, message).hint(format!("put it in quotes to keep it: \"{written}\"")))
}

/// Whether Python's `float()` reads both texts as the same number.
fn same_number(written: &str, printed: &str) -> bool {
    let number = |text: &str| {
        let digits = text.replace('_', "");
        is_float(text).then(|| digits.parse::<f64>().ok()).flatten()
    };
    number(written).is_some_and(|written| Some(written) == number(printed))
}
