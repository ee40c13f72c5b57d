//! Unknown and repeated keys.

use super::document::Document;
use super::{Code, Finding};
use crate::nearest::nearest;
use crate::project::keys;
use crate::yaml::{Mapping, Node};

/// Keys that MLflow does not know.
pub(super) fn unknown_keys(document: &Document, findings: &mut Vec<Finding>) {
    let mut check = |place: &str, entry_point: Option<&str>, known: &[&str], mapping: &Mapping| {
        for (key, value) in mapping.iter() {
            if !key.as_str().is_some_and(|key| known.contains(&key)) {
                findings.push(Finding {
                    entry_point: entry_point.map(str::to_owned),
                    ..unknown_key(document, place, known, key, value)
                });
            }
        }
    };
    check("an MLproject file", None, keys::PROJECT, document.top());
    for (section, known) in [
        ("docker_env", keys::DOCKER_ENV),
        ("databricks_spark_job", keys::SPARK_JOB),
    ] {
        if let Some(mapping) = document.section(section) {
            check(section, None, known, mapping);
        }
    }
    for entry_point in document.entry_points() {
        let place = format!("entry point '{}'", entry_point.name);
        let name = Some(entry_point.name.as_str());
        check(&place, name, keys::ENTRY_POINT, entry_point.mapping);
        for parameter in entry_point.parameters() {
            if let Some(mapping) = parameter.node.as_mapping() {
                let place = format!("parameter '{}'", parameter.name);
                check(&place, name, keys::PARAMETER, mapping);
            }
        }
    }
}

fn unknown_key(document: &Document, place: &str, known: &[&str], key: &Node, value: &Node) -> Finding {
    let name = key.value.to_python_str();
    let location = document.location(key);
    if let Some(meant) = meant_entry(&name, known, value) {
        let message = format!("'{name}' in {place} is one key without a value");
        return Finding::new(Code::MalformedEntry, location, message).hint(format!("write `{meant}`"));
    }
    let finding = Finding::new(
        Code::UnknownKey,
        location,
        format!("unknown key '{name}' in {place}"),
    );
    let words = name.replace([' ', '-'], "_");
    if let Some(near) =
        nearest(&words, known.iter().copied()).or(known.iter().copied().find(|key| *key == words))
    {
        return finding.hint(format!("did you mean '{near}'?"));
    }
    let elsewhere = [
        ("the top of the file", keys::PROJECT),
        ("an entry point", keys::ENTRY_POINT),
        ("a parameter", keys::PARAMETER),
        ("docker_env", keys::DOCKER_ENV),
    ]
    .into_iter()
    .find(|(_, keys)| keys.contains(&name.as_str()));
    finding.hint(match elsewhere {
        None if value.is_null() && name.contains(' ') => {
            "if it belongs to the text before it, put that text in quotes: in braces a ',' ends it".to_owned()
        }
        Some((home, _)) => format!("it belongs to {home}; check the indentation"),
        None => format!("the keys are {}", known.join(", ")),
    })
}

/// What `{type:int}`, `{type int}` and `{int}` are meant for.
fn meant_entry(name: &str, known: &[&str], value: &Node) -> Option<String> {
    if !value.is_null() {
        return None;
    }
    let is_known = |key: &&str| known.contains(key);
    let halves = name.split_once(':').or_else(|| name.split_once(' '));
    if let Some((key, rest)) = halves {
        let key = Some(key.trim()).filter(is_known)?;
        return Some(format!("{key}: {}", rest.trim()));
    }
    let is_type = keys::TYPES.contains(&name) || super::values::UNCHECKED_TYPES.contains(&name);
    (is_type && known.contains(&"type")).then(|| format!("type: {name}"))
}

/// Repeated keys: the last value is used.
pub(super) fn repeated_keys(document: &Document, findings: &mut Vec<Finding>) {
    let mut check = |mapping: &Mapping, entry_point: &dyn Fn(&str) -> Option<String>| {
        for (first, again) in mapping.repeated_keys() {
            let name = again.value.to_python_str();
            // Different values with the same name are a separate error.
            if first.value == again.value {
                let message = format!(
                    "'{name}' is repeated; the value on line {} is lost",
                    first.start.line
                );
                findings.push(Finding {
                    entry_point: entry_point(&name),
                    ..Finding::new(Code::DuplicateKey, document.location(again), message)
                        .hint("remove one of them")
                });
            }
        }
    };
    check(document.top(), &|_| None);
    for section in ["docker_env", "databricks_spark_job"] {
        if let Some(mapping) = document.section(section) {
            check(mapping, &|_| None);
        }
    }
    if let Some(entry_points) = document.section("entry_points") {
        check(entry_points, &|name| Some(name.to_owned()));
    }
    for entry_point in document.entry_points() {
        let of_it = |_: &str| Some(entry_point.name.clone());
        check(entry_point.mapping, &of_it);
        let parameters = entry_point.mapping.get("parameters").and_then(Node::as_mapping);
        if let Some(mapping) = parameters {
            check(mapping, &of_it);
        }
        for parameter in entry_point.parameters() {
            if let Some(mapping) = parameter.node.as_mapping() {
                check(mapping, &of_it);
            }
        }
    }
}
