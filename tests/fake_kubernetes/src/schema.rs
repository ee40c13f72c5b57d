//! Whether an object agrees with the published schema, and with the rules beyond it that matter to Jobs.

use std::collections::BTreeMap;

use k8s_openapi::api::batch::v1::Job;
use serde_json::{Map, Value};

use crate::answer::Refusal;

/// Takes a Job. Gives it without the fields that the schema does not know, and the paths of those.
pub(crate) fn take_job(sent: &Value) -> Result<(Value, Vec<String>), Refusal> {
    let mut sent = sent.clone();
    without_nulls(&mut sent);
    quantities_as_text(&mut sent);
    for (key, expected) in [("apiVersion", "batch/v1"), ("kind", "Job")] {
        if sent[key] != expected {
            return Err(Refusal::new(
                400,
                "BadRequest",
                format!(
                    "the {key} in the data ({}) does not match the expected ({expected})",
                    sent[key]
                ),
            ));
        }
    }
    let job: Job = serde_json::from_value(sent.clone()).map_err(|error| {
        let message =
            format!("Job in version \"v1\" cannot be handled as a Job: json: cannot unmarshal: {error}");
        Refusal::new(400, "BadRequest", message)
    })?;
    let mut known = serde_json::to_value(&job).expect("a Job is JSON");
    for (key, value) in [("apiVersion", "batch/v1"), ("kind", "Job")] {
        known[key] = value.into();
    }
    let mut unknown = Vec::new();
    find_unknown(&sent, &known, "", &mut unknown);
    check(&known)?;
    Ok((known, unknown))
}

/// Checks the options of a deletion.
pub(crate) fn check_delete_options(sent: &Value) -> Result<(), Refusal> {
    use k8s_openapi::apimachinery::pkg::apis::meta::v1::DeleteOptions;
    let mut sent = sent.clone();
    without_nulls(&mut sent);
    let options: DeleteOptions = serde_json::from_value(sent.clone())
        .map_err(|error| Refusal::new(400, "BadRequest", error.to_string()))?;
    let known = serde_json::to_value(&options).expect("options are JSON");
    let mut unknown = Vec::new();
    find_unknown(&sent, &known, "", &mut unknown);
    unknown.retain(|field| field != "kind" && field != "apiVersion");
    match unknown.first() {
        None => Ok(()),
        Some(field) => Err(Refusal::new(
            400,
            "BadRequest",
            format!("unknown field \"{field}\""),
        )),
    }
}

/// A field that is null is one that is not there.
fn without_nulls(value: &mut Value) {
    match value {
        Value::Object(entries) => {
            entries.retain(|_, value| !value.is_null());
            entries.values_mut().for_each(without_nulls);
        }
        Value::Array(items) => items.iter_mut().for_each(without_nulls),
        _ => {}
    }
}

/// Amounts may be numbers; the schema's types hold their text.
fn quantities_as_text(value: &mut Value) {
    match value {
        Value::Object(entries) => {
            for (key, value) in entries {
                if matches!(key.as_str(), "limits" | "requests")
                    && let Value::Object(amounts) = value
                {
                    for amount in amounts.values_mut().filter(|amount| amount.is_number()) {
                        *amount = amount.to_string().into();
                    }
                }
                quantities_as_text(value);
            }
        }
        Value::Array(items) => items.iter_mut().for_each(quantities_as_text),
        _ => {}
    }
}

/// The paths of what was sent and did not survive the schema's types.
fn find_unknown(sent: &Value, known: &Value, path: &str, unknown: &mut Vec<String>) {
    match (sent, known) {
        (Value::Object(sent), Value::Object(known)) => {
            for (key, value) in sent {
                let path = if path.is_empty() {
                    key.clone()
                } else {
                    format!("{path}.{key}")
                };
                match known.get(key) {
                    Some(known) => find_unknown(value, known, &path, unknown),
                    // Empty collections are left out.
                    None if value.as_object().is_some_and(Map::is_empty) => {}
                    None if value.as_array().is_some_and(Vec::is_empty) => {}
                    None => unknown.push(path),
                }
            }
        }
        (Value::Array(sent), Value::Array(known)) => {
            for (index, (sent, known)) in sent.iter().zip(known).enumerate() {
                find_unknown(sent, known, &format!("{path}[{index}]"), unknown);
            }
        }
        _ => {}
    }
}

/// The rules that the API server adds to the schema.
fn check(job: &Value) -> Result<(), Refusal> {
    let mut causes = Vec::new();
    let mut wrong = |field: &str, message: String| causes.push((field.to_owned(), message));
    let name = job["metadata"]["name"].as_str().unwrap_or_default();
    if !is_label(name) {
        wrong(
            "metadata.name",
            format!(
                "Invalid value: \"{name}\": a lowercase RFC 1123 label must consist of lower case alphanumeric characters or '-'"
            ),
        );
    }
    for path in ["/metadata/labels", "/spec/template/metadata/labels"] {
        for (key, value) in job.pointer(path).and_then(Value::as_object).into_iter().flatten() {
            let value = value.as_str().unwrap_or_default();
            if !is_label_value(value) {
                let field = format!("{}[{key}]", path[1..].replace('/', "."));
                wrong(
                    &field,
                    format!("Invalid value: \"{value}\": a valid label must be 63 characters or less"),
                );
            }
        }
    }
    let pod = &job["spec"]["template"]["spec"];
    if !matches!(pod["restartPolicy"].as_str(), Some("Never" | "OnFailure")) {
        wrong(
            "spec.template.spec.restartPolicy",
            "Required value: valid values: \"OnFailure\", \"Never\"".to_owned(),
        );
    }
    let containers = pod["containers"].as_array().cloned().unwrap_or_default();
    if containers.is_empty() {
        wrong("spec.template.spec.containers", "Required value".to_owned());
    }
    let mut seen: BTreeMap<String, usize> = BTreeMap::new();
    for (index, container) in containers.iter().enumerate() {
        let field = |key: &str| format!("spec.template.spec.containers[{index}].{key}");
        let name = container["name"].as_str().unwrap_or_default();
        if !is_label(name) {
            wrong(
                &field("name"),
                format!(
                    "Invalid value: \"{name}\": a lowercase RFC 1123 label must consist of lower case alphanumeric characters or '-'"
                ),
            );
        }
        if seen.insert(name.to_owned(), index).is_some() {
            wrong(&field("name"), format!("Duplicate value: \"{name}\""));
        }
        let image = container["image"].as_str().unwrap_or_default();
        if image.is_empty() {
            wrong(&field("image"), "Required value".to_owned());
        } else if image != image.trim() {
            wrong(
                &field("image"),
                "Invalid value: must not have leading or trailing whitespace".to_owned(),
            );
        }
        for (at, variable) in container["env"].as_array().into_iter().flatten().enumerate() {
            if variable["name"].as_str().unwrap_or_default().is_empty() {
                wrong(
                    &format!("{}[{at}].name", field("env")),
                    "Required value".to_owned(),
                );
            }
        }
    }
    if causes.is_empty() {
        return Ok(());
    }
    let list: Vec<String> = causes
        .iter()
        .map(|(field, message)| format!("{field}: {message}"))
        .collect();
    let text = match list.as_slice() {
        [one] => one.clone(),
        several => format!("[{}]", several.join(", ")),
    };
    let mut refusal = Refusal::new(422, "Invalid", format!("Job.batch \"{name}\" is invalid: {text}"));
    refusal.causes = causes;
    Err(refusal)
}

fn is_label(name: &str) -> bool {
    let is_inner =
        |character: char| character.is_ascii_lowercase() || character.is_ascii_digit() || character == '-';
    !name.is_empty()
        && name.len() <= 63
        && name.chars().all(is_inner)
        && !name.starts_with('-')
        && !name.ends_with('-')
}

fn is_label_value(value: &str) -> bool {
    let is_end =
        |character: Option<char>| character.is_none_or(|character| character.is_ascii_alphanumeric());
    value.len() <= 63
        && value
            .chars()
            .all(|character| character.is_ascii_alphanumeric() || "-_.".contains(character))
        && is_end(value.chars().next())
        && is_end(value.chars().next_back())
}
