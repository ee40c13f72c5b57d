//! The Job that is made of a template: what is replaced, and nothing else.

use serde_json::{Map, Value, json};

use super::names;
use super::template::Template;

/// The label that says who made the Job.
const MANAGED_BY: &str = "app.kubernetes.io/managed-by";
/// The labels that a run's Job and pods are found by.
const RUN_ID_LABEL: &str = "mlflow.org/run-id";
const PROJECT_LABEL: &str = "mlflow.org/project";
const ENTRY_POINT_LABEL: &str = "mlflow.org/entry-point";
/// The annotation that has the run, the project and the entry point as they are, as JSON.
const RUN_ANNOTATION: &str = "mlflow.org/run";

/// What is put into the template.
#[derive(Debug, Clone)]
pub(super) struct JobParts<'a> {
    /// The Job's name.
    pub(super) name: &'a str,
    pub(super) namespace: &'a str,
    pub(super) run_id: &'a str,
    pub(super) project: Option<&'a str>,
    pub(super) entry_point: &'a str,
    /// The image, with its digest where it is known.
    pub(super) image: &'a str,
    /// The command's words, as the program shall get them.
    pub(super) command: &'a [String],
    /// Variables that win over those of the template.
    pub(super) variables: &'a [(String, String)],
    /// Variables that the template wins over.
    pub(super) weak_variables: &'a [(String, String)],
}

/// The Job.
pub(super) fn make(template: &Template, parts: &JobParts<'_>) -> Value {
    let mut job = template.job().clone();
    let labels = labels(parts);
    let annotation = json!({
        "run_id": parts.run_id,
        "project": parts.project,
        "entry_point": parts.entry_point,
    });
    let metadata = object_in(&mut job, "metadata");
    metadata.remove("generateName");
    metadata.insert("name".to_owned(), parts.name.into());
    metadata.insert("namespace".to_owned(), parts.namespace.into());
    add(&mut job["metadata"], "labels", &labels);
    let annotation = [(RUN_ANNOTATION, annotation.to_string())];
    add(&mut job["metadata"], "annotations", &annotation);
    let pod = &mut job["spec"]["template"];
    object_in(pod, "metadata");
    add(&mut pod["metadata"], "labels", &labels);
    if let Some(container) = pod["spec"]["containers"][0].as_object_mut() {
        let name = names::label(parts.project.unwrap_or_default(), names::LONGEST_LABEL);
        let name = unlike_others(name, other_containers(template));
        container.insert("name".to_owned(), name.into());
        container.insert("image".to_owned(), parts.image.into());
        let command: Vec<String> = parts.command.iter().map(|word| kept(word)).collect();
        container.insert("command".to_owned(), command.into());
        let variables = variables(container.get("env"), parts);
        container.insert("env".to_owned(), variables.into());
    }
    job
}

fn labels(parts: &JobParts<'_>) -> Vec<(&'static str, String)> {
    let mut labels = vec![(MANAGED_BY, "mlrun".to_owned())];
    for (name, value) in [
        (RUN_ID_LABEL, Some(parts.run_id)),
        (PROJECT_LABEL, parts.project),
        (ENTRY_POINT_LABEL, Some(parts.entry_point)),
    ] {
        labels.extend(value.and_then(names::label_value).map(|value| (name, value)));
    }
    labels
}

/// The names of the other containers, which no pod may have twice.
fn other_containers(template: &Template) -> Vec<&str> {
    let pod = &template.job()["spec"]["template"]["spec"];
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

/// The template's variables without those that are replaced, then the run's own, as `mlflow run`
/// appends them.
fn variables(of_template: Option<&Value>, parts: &JobParts<'_>) -> Vec<Value> {
    let of_template = of_template.and_then(Value::as_array).cloned().unwrap_or_default();
    let has = |variables: &[(String, String)], name: &Value| {
        variables.iter().any(|(other, _)| name == other.as_str())
    };
    let mut variables: Vec<Value> = of_template
        .into_iter()
        .filter(|variable| !has(parts.variables, &variable["name"]))
        .collect();
    for (name, value) in parts.variables {
        variables.push(json!({"name": name, "value": kept(value)}));
    }
    for (name, value) in parts.weak_variables {
        if !variables.iter().any(|variable| variable["name"] == name.as_str()) {
            variables.push(json!({"name": name, "value": kept(value)}));
        }
    }
    variables
}

/// The text so that it is still the same when Kubernetes has expanded `$(NAME)` in it: there, `$$` is
/// a dollar sign.
fn kept(text: &str) -> String {
    let mut escaped = String::with_capacity(text.len());
    let mut characters = text.chars().peekable();
    while let Some(character) = characters.next() {
        escaped.push(character);
        if character == '$' && matches!(characters.peek(), Some('$' | '(')) {
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
    use std::path::Path;

    use super::*;

    fn template(text: &str) -> Template {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("job.yaml");
        std::fs::write(&path, text).unwrap();
        Template::read(Path::new(&path)).unwrap()
    }

    fn pairs(variables: &[(&str, &str)]) -> Vec<(String, String)> {
        variables
            .iter()
            .map(|(name, value)| ((*name).to_owned(), (*value).to_owned()))
            .collect()
    }

    fn made(text: &str) -> Value {
        make(
            &template(text),
            &JobParts {
                name: "my-project-1",
                namespace: "ml",
                run_id: "0123",
                project: Some("My Project"),
                entry_point: "src/train.py",
                image: "registry/x:abc@sha256:0",
                command: &[
                    "sh".to_owned(),
                    "-c".to_owned(),
                    "echo $(date) $HOME $$".to_owned(),
                ],
                variables: &pairs(&[("MLFLOW_RUN_ID", "0123")]),
                weak_variables: &pairs(&[("MODE", "fast"), ("TOKEN", "of docker_env")]),
            },
        )
    }

    #[test]
    fn a_template_with_nothing_in_it_works() {
        let labels = json!({
            "app.kubernetes.io/managed-by": "mlrun",
            "mlflow.org/run-id": "0123",
            "mlflow.org/project": "My-Project",
            "mlflow.org/entry-point": "src-train.py",
        });
        let annotation = "{\"run_id\":\"0123\",\"project\":\"My Project\",\"entry_point\":\"src/train.py\"}";
        assert_eq!(
            made("spec: {template: {spec: {containers: [{}], restartPolicy: Never}}}"),
            json!({
                "apiVersion": "batch/v1",
                "kind": "Job",
                "metadata": {
                    "name": "my-project-1",
                    "namespace": "ml",
                    "labels": labels,
                    "annotations": {"mlflow.org/run": annotation},
                },
                "spec": {"template": {
                    "metadata": {"labels": labels},
                    "spec": {
                        "containers": [{
                            "name": "my-project",
                            "image": "registry/x:abc@sha256:0",
                            "command": ["sh", "-c", "echo $$(date) $HOME $$$"],
                            "env": [
                                {"name": "MLFLOW_RUN_ID", "value": "0123"},
                                {"name": "MODE", "value": "fast"},
                                {"name": "TOKEN", "value": "of docker_env"},
                            ],
                        }],
                        "restartPolicy": "Never",
                    },
                }},
            })
        );
    }

    #[test]
    fn all_else_stays_as_it_is() {
        let text = "kind: Job\n\
            metadata: {name: replaced, namespace: replaced, generateName: x, labels: {team: a}, annotations: {b: c}, extra: 1}\n\
            spec:\n  backoffLimit: 0\n  unknown: {a: [1, null]}\n  template:\n    metadata: {labels: {d: e}}\n    spec:\n      \
            volumes: [{name: v, emptyDir: {}}]\n      containers:\n      - name: replaced\n        args: [kept]\n        \
            resources: {limits: {cpu: 1}}\n        env:\n        - {name: FIRST, value: '1'}\n        - {name: MLFLOW_RUN_ID, \
            value: replaced}\n        - {name: TOKEN, valueFrom: {secretKeyRef: {name: s, key: k}}}\n      - {name: my-project, image: side}\n";
        let job = made(text);
        assert_eq!(job["metadata"]["name"], "my-project-1");
        assert_eq!(job["metadata"]["extra"], 1);
        assert_eq!(job["metadata"]["labels"]["team"], "a");
        assert_eq!(job["metadata"]["annotations"]["b"], "c");
        assert!(job["metadata"].get("generateName").is_none());
        assert_eq!(job["spec"]["unknown"], json!({"a": [1, null]}));
        assert_eq!(job["spec"]["template"]["metadata"]["labels"]["d"], "e");
        let pod = &job["spec"]["template"]["spec"];
        assert_eq!(pod["volumes"], json!([{"name": "v", "emptyDir": {}}]));
        assert_eq!(
            pod["containers"][1],
            json!({"name": "my-project", "image": "side"})
        );
        let container = &pod["containers"][0];
        assert_eq!(
            container["name"], "my-project-2",
            "no pod takes two containers of one name"
        );
        assert_eq!(container["args"], json!(["kept"]));
        assert_eq!(container["resources"], json!({"limits": {"cpu": 1}}));
        assert_eq!(
            container["env"],
            json!([
                {"name": "FIRST", "value": "1"},
                {"name": "TOKEN", "valueFrom": {"secretKeyRef": {"name": "s", "key": "k"}}},
                {"name": "MLFLOW_RUN_ID", "value": "0123"},
                {"name": "MODE", "value": "fast"},
            ])
        );
    }

    /// As Kubernetes expands text (`third_party/forked/golang/expansion`): `$$` is `$`, `$(NAME)` the
    /// variable, and any other `$` itself.
    fn expanded(text: &str) -> String {
        let mut result = String::new();
        let mut rest = text;
        while let Some(at) = rest.find('$') {
            result.push_str(&rest[..at]);
            rest = &rest[at + 1..];
            if let Some(after) = rest.strip_prefix('$') {
                result.push('$');
                rest = after;
            } else if rest.starts_with('(') && rest.contains(')') {
                result.push_str("EXPANDED");
                rest = &rest[rest.find(')').unwrap() + 1..];
            } else {
                result.push('$');
            }
        }
        result + rest
    }

    #[test]
    fn nothing_is_expanded_but_by_the_programs_shell() {
        for text in [
            "",
            "$",
            "$$",
            "$$$",
            "$HOME",
            "$(date)",
            "$$(date)",
            "a$(b)$(c)$",
            "${x}$$$(y)",
            "$()",
        ] {
            assert_eq!(expanded(&kept(text)), text);
        }
    }
}
