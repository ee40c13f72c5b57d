//! The Job that is made of a template: what is replaced, and nothing else.

use serde_json::{Map, Value, json};

use super::names;
use super::template::Template;
use crate::backend::LaunchPlan;
use crate::backend::docker::command_words;
use crate::env_vars::{KUBE_MLFLOW_TRACKING_URI, MLFLOW_TRACKING_URI};
use crate::environment::Container;

const MANAGED_BY: &str = "app.kubernetes.io/managed-by";
/// The labels that a run's Job and pods are found by.
const RUN_ID_LABEL: &str = "mlflow.org/run-id";
const PROJECT_LABEL: &str = "mlflow.org/project";
const ENTRY_POINT_LABEL: &str = "mlflow.org/entry-point";
/// The annotation that has the run, the project and the entry point as they are, as JSON.
const RUN_ANNOTATION: &str = "mlflow.org/run";

/// The Job of a plan. `shown` changes the values of variables for the eyes of a person.
pub(super) fn make(
    template: &Template,
    plan: &LaunchPlan,
    container: &Container,
    (name, namespace): (&str, &str),
    shown: fn(&str, String) -> String,
) -> Value {
    let mut job = template.job.clone();
    let project = plan.call.project_name.as_deref();
    let labels = labels(plan);
    let annotation = json!({
        "run_id": plan.run.run_id.as_str(),
        "project": project,
        "entry_point": plan.call.entry_point,
    });
    let metadata = object_in(&mut job, "metadata");
    metadata.remove("generateName");
    metadata.insert("name".to_owned(), name.into());
    metadata.insert("namespace".to_owned(), namespace.into());
    add(&mut job["metadata"], "labels", &labels);
    let annotation = [(RUN_ANNOTATION, annotation.to_string())];
    add(&mut job["metadata"], "annotations", &annotation);
    let pod = &mut job["spec"]["template"];
    object_in(pod, "metadata");
    add(&mut pod["metadata"], "labels", &labels);
    let first = &mut pod["spec"]["containers"][0];
    let name = names::label(project.unwrap_or_default(), names::LONGEST_LABEL);
    first["name"] = unlike_others(name, other_containers(template)).into();
    first["image"] = container.image.reference().into();
    let command = command_words(&plan.command);
    first["command"] = command.iter().map(|word| kept(word)).collect();
    first["env"] = variables(&first["env"], plan, container, shown).into();
    job
}

fn labels(plan: &LaunchPlan) -> Vec<(&'static str, String)> {
    let mut labels = vec![(MANAGED_BY, "mlrun".to_owned())];
    for (name, value) in [
        (RUN_ID_LABEL, Some(plan.run.run_id.as_str())),
        (PROJECT_LABEL, plan.call.project_name.as_deref()),
        (ENTRY_POINT_LABEL, Some(plan.call.entry_point.as_str())),
    ] {
        labels.extend(value.and_then(names::label_value).map(|value| (name, value)));
    }
    labels
}

/// The names of the other containers, which no pod may have twice.
fn other_containers(template: &Template) -> Vec<&str> {
    let pod = &template.job["spec"]["template"]["spec"];
    let all = |key: &str| pod[key].as_array().map(Vec::as_slice).unwrap_or_default();
    all("containers")
        .iter()
        .skip(1)
        .chain(all("initContainers"))
        .filter_map(|container| container["name"].as_str())
        .collect()
}

/// The name, changed where another container has it.
fn unlike_others(name: String, others: Vec<&str>) -> String {
    let mut candidate = name.clone();
    let mut number = 1;
    while others.contains(&candidate.as_str()) {
        number += 1;
        let end = format!("-{number}");
        candidate = names::label(&name, names::LONGEST_LABEL - end.len()) + &end;
    }
    candidate
}

/// The template's variables without those that are replaced, then the run's own, as `mlflow run` appends
/// them. The template wins over docker_env.
fn variables(
    of_template: &Value,
    plan: &LaunchPlan,
    container: &Container,
    shown: fn(&str, String) -> String,
) -> Vec<Value> {
    let mut own = plan.variables.clone();
    if let Ok(uri) = std::env::var(KUBE_MLFLOW_TRACKING_URI) {
        own.retain(|(name, _)| name != MLFLOW_TRACKING_URI);
        own.push((MLFLOW_TRACKING_URI.to_owned(), uri));
    }
    let mut variables = of_template.as_array().cloned().unwrap_or_default();
    variables.retain(|variable| !own.iter().any(|(name, _)| variable["name"] == name.as_str()));
    let shown = |name: &str, value: &str| {
        let value = kept(&shown(name, value.to_owned()));
        json!({"name": name, "value": value})
    };
    variables.extend(own.iter().map(|(name, value)| shown(name, value)));
    for (name, value) in &container.settings.variables {
        if !variables.iter().any(|variable| variable["name"] == name.as_str()) {
            variables.push(shown(name, value));
        }
    }
    variables
}

/// The text so that it is still the same when Kubernetes has expanded `$(NAME)` in it: there, `$$` is
/// a dollar sign.
fn kept(text: &str) -> String {
    let mut escaped = String::with_capacity(text.len());
    for (at, character) in text.char_indices() {
        escaped.push(character);
        if character == '$' && text[at + 1..].starts_with(['$', '(']) {
            escaped.push('$');
        }
    }
    escaped
}

/// The object below the key; made where there is none.
fn object_in<'a>(value: &'a mut Value, key: &str) -> &'a mut Map<String, Value> {
    let entry = &mut value[key];
    if !entry.is_object() {
        *entry = Value::Object(Map::new());
    }
    entry.as_object_mut().expect("it has just been made one")
}

fn add(metadata: &mut Value, key: &str, entries: &[(&str, String)]) {
    let entries = entries.iter();
    let entries = entries.map(|(name, value)| ((*name).to_owned(), value.as_str().into()));
    object_in(metadata, key).extend(entries);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_is_expanded_but_by_the_programs_shell() {
        for (text, expected) in [
            ("", ""),
            ("$", "$"),
            ("$HOME ${x}", "$HOME ${x}"),
            ("$(date)", "$$(date)"),
            ("$$", "$$$"),
            ("$$(date)", "$$$$(date)"),
            ("a$(b)$(c)$", "a$$(b)$$(c)$"),
        ] {
            assert_eq!(kept(text), expected);
        }
    }
}
