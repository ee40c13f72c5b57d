//! The template of the Job: YAML as the reference reads it, with every field kept.
//!
//! It is read as PyYAML's safe loader does, which is what `mlflow run` uses. Where that differs from
//! YAML 1.2 (`0644` is 420, `yes` is a boolean) `kubectl` reads the same.

use std::path::Path;
use std::sync::Arc;

use base64::Engine as _;
use serde_json::{Map, Number, Value, json};

use crate::backend::error::ServiceError;
use crate::project::{Location, SourceFile};
use crate::yaml::{self, Node, Position};

const WHERE_IT_IS: &str =
    "a relative path starts at the current directory, or else at the directory of the backend config";
const CONTAINERS: [&str; 4] = ["spec", "template", "spec", "containers"];

/// A Job as its author wrote it.
#[derive(Debug, Clone)]
pub(super) struct Template {
    source: Arc<SourceFile>,
    root: Node,
    /// The Job, with `metadata` and a first container.
    pub(super) job: Value,
    /// Warnings about duplicate keys.
    pub(super) warnings: Vec<String>,
}

impl Template {
    pub(super) fn read(path: &Path) -> Result<Self, ServiceError> {
        let text = std::fs::read(path).map_err(|error| {
            let path = path.display();
            ServiceError::failed(
                format!("cannot read the Job template '{path}' (kube-job-template-path)"),
                Some(WHERE_IT_IS.to_owned()),
                Some(error.into()),
            )
        })?;
        Self::parse(path, &text)
    }

    fn parse(path: &Path, text: &[u8]) -> Result<Self, ServiceError> {
        let start = Position { line: 1, column: 1 };
        let source = SourceFile::new(path, text);
        let wrong = |position: Position, problem: String, hint: Option<String>| {
            ServiceError::failed(problem, hint, None).at(Some(source.at(position)))
        };
        let root = yaml::parse(text).map_err(|error| {
            let position = error.position.unwrap_or(start);
            wrong(position, error.message.clone(), error.hint())
        })?;
        let mut repeated = Vec::new();
        let job = to_json(&root, &mut repeated);
        let job = job.map_err(|(position, problem)| wrong(position, problem, None))?;
        let job = completed(&root, job).map_err(|(position, problem)| {
            let hint = "write a whole Job with spec.template.spec.containers; see examples/kubernetes";
            wrong(position, problem, Some(hint.to_owned()))
        })?;
        Ok(Self {
            job,
            root,
            warnings: repeated
                .into_iter()
                .map(|(key, position)| {
                    let place = source.at(position);
                    format!("duplicate key '{key}' in the template; the last one counts: {place}")
                })
                .collect(),
            source,
        })
    }

    pub(super) fn namespace(&self) -> Option<&str> {
        self.job["metadata"]["namespace"]
            .as_str()
            .filter(|name| !name.is_empty())
    }

    pub(super) fn container(&self) -> &Value {
        &self.job["spec"]["template"]["spec"]["containers"][0]
    }

    /// The place of a field that the API names by a path such as `spec.template.spec.containers[0].image`:
    /// the field, or the nearest one above it.
    pub(super) fn place(&self, field: &str) -> Location {
        let mut node = &self.root;
        let mut position = node.start;
        for step in steps(field) {
            let next = match step.parse::<usize>() {
                Ok(index) if node.as_list().is_some() => node
                    .as_list()
                    .and_then(|list| list.get(index))
                    .map(|item| (item.start, item)),
                _ => node
                    .as_mapping()
                    .and_then(|mapping| mapping.get_entry(step))
                    .map(|(key, value)| (key.start, value)),
            };
            let Some((start, value)) = next else { break };
            (position, node) = (start, value);
        }
        self.source.at(position)
    }
}

/// The steps of a field's path: names, indices and keys in brackets.
fn steps(field: &str) -> Vec<&str> {
    let mut steps = Vec::new();
    for part in field.split('[') {
        let (key, names) = match part.split_once(']') {
            Some((key, names)) => (Some(key.trim_matches('"')), names),
            None => (None, part),
        };
        steps.extend(key);
        steps.extend(names.split('.').filter(|name| !name.is_empty()));
    }
    steps
}

/// Checks the parts that mlrun sets, and adds those that may be left out. Kind and metadata come first, as
/// people write them.
fn completed(root: &Node, job: Value) -> Result<Value, (Position, String)> {
    let (Some(mapping), Value::Object(written)) = (root.as_mapping(), job) else {
        let problem = format!("the template must be a Job, not {}", root.kind());
        return Err((root.start, problem));
    };
    let place = |key: &str| mapping.get(key).map_or(root.start, |node| node.start);
    let mut job = Map::new();
    for (key, expected) in [("apiVersion", "batch/v1"), ("kind", "Job")] {
        match written.get(key).filter(|value| !value.is_null()) {
            Some(value) if value != expected => {
                let value = value.as_str().map_or_else(|| value.to_string(), str::to_owned);
                return Err((place(key), format!("{key} must be {expected}, not {value}")));
            }
            _ => job.insert(key.to_owned(), expected.into()),
        };
    }
    job.insert("metadata".to_owned(), json!({}));
    for (key, value) in written {
        if !(value.is_null() && job.contains_key(&key)) {
            job.insert(key, value);
        }
    }
    if !job["metadata"].is_object() {
        return Err((place("metadata"), "metadata must be a mapping".to_owned()));
    }
    let mut node = root;
    for (depth, key) in CONTAINERS.into_iter().enumerate() {
        let next = node.as_mapping().and_then(|mapping| mapping.get(key));
        let Some(next) = next.filter(|next| !next.is_null()) else {
            let path = CONTAINERS[..=depth].join(".");
            return Err((node.start, format!("{path} is missing")));
        };
        node = next;
    }
    let (position, problem) = match node.as_list() {
        Some([first, ..]) if first.as_mapping().is_some() => return Ok(Value::Object(job)),
        Some([first, ..]) => (
            first.start,
            format!("a container must be a mapping, not {}", first.kind()),
        ),
        Some([]) => (node.start, "containers is empty".to_owned()),
        None => (
            node.start,
            format!("containers must be a list, not {}", node.kind()),
        ),
    };
    Err((position, problem))
}

/// The value as JSON for the API.
fn to_json(node: &Node, repeated: &mut Vec<(String, Position)>) -> Result<Value, (Position, String)> {
    Ok(match &node.value {
        yaml::Value::Null => Value::Null,
        yaml::Value::Bool(value) => Value::Bool(*value),
        yaml::Value::Int(value) => i64::try_from(value)
            .map(Value::from)
            .or_else(|_| u64::try_from(value).map(Value::from))
            .map_err(|_| (node.start, format!("the number {value} is too large")))?,
        yaml::Value::Float(value) => Number::from_f64(*value)
            .map(Value::Number)
            .ok_or_else(|| (node.start, "a number must be finite".to_owned()))?,
        yaml::Value::Str(text) => Value::String(text.clone()),
        yaml::Value::Bytes(bytes) => base64::engine::general_purpose::STANDARD.encode(bytes).into(),
        // As Python's isoformat() writes it.
        yaml::Value::Timestamp(_) => node.value.to_python_str().replace(' ', "T").into(),
        yaml::Value::List(items) | yaml::Value::Set(items) => {
            let items = items.iter().map(|item| to_json(item, repeated));
            Value::Array(items.collect::<Result<_, _>>()?)
        }
        yaml::Value::Pairs(_) => {
            return Err((
                node.start,
                "a list of pairs (!!pairs) is not valid in a Job".to_owned(),
            ));
        }
        yaml::Value::Map(mapping) => {
            for (first, again) in mapping.repeated_keys() {
                repeated.push((first.value.to_python_str(), again.start));
            }
            let mut object = Map::new();
            for (key, value) in mapping.iter() {
                let name = match &key.value {
                    yaml::Value::Str(text) => text.clone(),
                    yaml::Value::Bool(value) => value.to_string(),
                    yaml::Value::Int(value) => value.to_string(),
                    _ => return Err((key.start, format!("a key must be text, not {}", key.kind()))),
                };
                object.insert(name, to_json(value, repeated)?);
            }
            Value::Object(object)
        }
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn fields_that_the_api_names_are_found() {
        let text = "spec:\n  template:\n    metadata:\n      labels: {example.com/a: b}\n    spec:\n      restartPolicy: Always\n      \
             containers:\n      - image: x\n      - name: second\n        image: [1]\n";
        let template = Template::parse(Path::new("job.yaml"), text.as_bytes()).unwrap();
        for (field, expected) in [
            ("spec.template.spec.restartPolicy", "job.yaml:6:7"),
            ("spec.template.spec.containers[1].image", "job.yaml:10:9"),
            ("spec.template.spec.containers[1].image[0]", "job.yaml:10:17"),
            ("spec.template.spec.containers[0].env[0].name", "job.yaml:8:9"),
            ("spec.template.metadata.labels[example.com/a]", "job.yaml:4:16"),
            ("status", "job.yaml:1:1"),
        ] {
            assert_eq!(template.place(field).to_string(), expected, "{field}");
        }
    }
}
