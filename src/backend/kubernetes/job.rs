//! Builds the Job from a template: which fields are set, and how a project's names become valid in Kubernetes.
//!
//! Source of the naming rules: "Object Names and IDs" and "Labels and Selectors" of the Kubernetes documentation.

use std::iter;

use k8s_openapi::jiff::Timestamp;
use serde_json::{Map, Value, json};

use super::template::Template;
use crate::backend::LaunchPlan;
use crate::backend::docker::command_words;
use crate::env_vars::{KUBE_MLFLOW_TRACKING_URI, MLFLOW_TRACKING_URI};
use crate::environment::Container;

const MANAGED_BY: &str = "app.kubernetes.io/managed-by";
/// The labels that identify a run's Job and pods.
const RUN_ID_LABEL: &str = "mlflow.org/run-id";
const PROJECT_LABEL: &str = "mlflow.org/project";
const ENTRY_POINT_LABEL: &str = "mlflow.org/entry-point";
/// The annotation with the unchanged run, project and entry point, as JSON.
const RUN_ANNOTATION: &str = "mlflow.org/run";

/// The longest label, and so the longest name of a container or of a Job (its pods are named after it).
pub(super) const LONGEST_LABEL: usize = 63;

/// The Job of a plan. `shown` changes the values of variables for display.
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
    let name = label(project.unwrap_or_default(), LONGEST_LABEL);
    first["name"] = unlike_others(name, &other_containers(template)).into();
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
        labels.extend(value.and_then(label_value).map(|value| (name, value)));
    }
    labels
}

/// The names of the other containers; names must be unique in a pod.
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

/// The name, numbered if another container already has it.
fn unlike_others(name: String, others: &[&str]) -> String {
    let numbered = (2..).map(|number: u32| {
        let end = format!("-{number}");
        label(&name, LONGEST_LABEL - end.len()) + &end
    });
    let is_free = |name: &String| !others.contains(&name.as_str());
    let mut free = iter::once(name.clone()).chain(numbered).filter(is_free);
    free.next().unwrap_or_default()
}

/// The template's variables without overridden ones, then the run's own, in the order of `mlflow run`. The
/// template overrides docker_env.
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

/// Escapes the text so that Kubernetes does not expand `$(NAME)` in it: `$$` is a dollar sign there.
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

/// The text as an RFC 1123 label: lower-case letters, digits and single `-` between them.
fn label(text: &str, longest: usize) -> String {
    let text = text.to_lowercase();
    let words = text.split(|character: char| !character.is_ascii_alphanumeric());
    let words: Vec<&str> = words.filter(|word| !word.is_empty()).collect();
    let mut name = words.join("-");
    if name.is_empty() {
        name.push_str("mlflow-project");
    }
    name.truncate(longest);
    name.trim_end_matches('-').to_owned()
}

/// A Job's name: the project's name, the time in UTC as in `mlflow run` (to the second), and a unique suffix.
pub(super) fn job_name(project: &str, longest: usize) -> String {
    let unique = uuid::Uuid::new_v4().simple().to_string();
    let end = format!(
        "{}-{}",
        Timestamp::now().strftime("%Y-%m-%d-%H-%M-%S"),
        &unique[..8]
    );
    let room = longest.saturating_sub(end.len() + 1);
    format!("{}-{end}", label(project, room))
}

/// The text as a label's value: letters, digits, and `-`, `_` and `.` between them; `None` if nothing is left.
fn label_value(text: &str) -> Option<String> {
    let is_inner = |character: char| character.is_ascii_alphanumeric() || "-_.".contains(character);
    let value = text.replace(|character| !is_inner(character), "-");
    let mut value = value.trim_start_matches(['-', '_', '.']).to_owned();
    value.truncate(LONGEST_LABEL);
    let value = value.trim_end_matches(['-', '_', '.']);
    (!value.is_empty()).then(|| value.to_owned())
}
