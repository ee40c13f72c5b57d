//! `mlrun schema`, checked by an independent validator over every file that the tests have.

use std::io::Write as _;
use std::process::Stdio;

use mlrun::internals::lint::{self, Code, Severity};
use serde_json::{Value, json};

use crate::harness::{Project, Requirement, corpus, describe, require};

/// Reads schemas and files as an editor does, and prints for each file whether it is valid.
const VALIDATOR: &str = r#"
import json, sys, yaml, jsonschema

def plain(value):
    if isinstance(value, dict):
        return {str(key): plain(item) for key, item in value.items()}
    if isinstance(value, (list, tuple, set)):
        return [plain(item) for item in value]
    if value is None or isinstance(value, (bool, int, float, str)):
        return value
    return str(value)

task = json.load(sys.stdin)
validators = {}
for name, schema in task["schemas"].items():
    jsonschema.Draft7Validator.check_schema(schema)
    validators[name] = jsonschema.Draft7Validator(schema)
verdicts = []
for case in task["cases"]:
    try:
        value = plain(yaml.safe_load(case["text"]))
    except (yaml.YAMLError, ValueError, RecursionError):
        verdicts.append(None)
        continue
    verdicts.append(validators[case["schema"]].is_valid(value))
json.dump(verdicts, sys.stdout)
"#;

fn schema(name: &str) -> Value {
    let printed = Project::new()
        .mlrun(&["schema", name])
        .with_code(0)
        .stdout()
        .to_owned();
    serde_json::from_str(&printed).unwrap()
}

/// Whether each of the files is valid; nothing where PyYAML cannot read it.
fn verdicts(python: &std::path::Path, cases: &[Value]) -> Vec<Option<bool>> {
    let task = json!({
        "schemas": { "mlproject": schema("mlproject"), "python_env": schema("python_env") },
        "cases": cases,
    });
    let mut child = std::process::Command::new(python)
        .args(["-c", VALIDATOR])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let mut stdin = child.stdin.take().unwrap();
    stdin.write_all(task.to_string().as_bytes()).unwrap();
    drop(stdin);
    let output = child.wait_with_output().unwrap();
    assert!(output.status.success(), "{}", describe(&output));
    serde_json::from_slice(&output.stdout).unwrap()
}

/// What lint says about the structure of a file: `None` where an error of another kind stands in the way.
fn is_valid_for_lint(directory: &std::path::Path, text: &str) -> Option<bool> {
    std::fs::write(directory.join("MLproject"), text).unwrap();
    let findings = lint::check(directory).unwrap();
    let errors: Vec<Code> = findings
        .iter()
        .map(|finding| finding.code)
        .filter(|code| code.severity() == Severity::Error)
        .collect();
    let structure = [
        Code::InvalidValue,
        Code::MissingCommand,
        Code::SeveralEnvironments,
    ];
    match errors.as_slice() {
        [] => Some(true),
        errors if errors.iter().any(|code| structure.contains(code)) => Some(false),
        _ => None,
    }
}

/// Mistakes of every kind, and what only looks like one.
const OF_OUR_OWN: &[&str] = &[
    "",
    "entry_points: [main]",
    "entry_points: {main: python train.py}",
    "entry_points: {main: {}}",
    "entry_points: {main: }",
    "entry_points: {main: {command: [a]}}",
    "entry_points: {main: {command: 3}}",
    "entry_points: {main: {command: a, parameters: [x]}}",
    "entry_points: {main: {command: 'a {x}', parameters: {x: 3}}}",
    "entry_points: {main: {command: 'a {x}', parameters: {x: }}}",
    "entry_points: {main: {command: 'a {x}', parameters: {x: float}}}",
    "entry_points: {main: {command: 'a {x}', parameters: {x: {type: int, default: [1]}}}}",
    "entry_points: {main: {command: 'a {x}', parameters: {x: {defualt: 1}}}}",
    "name: [a]",
    "name: 3",
    "- a",
    "text",
    "docker_env: {}",
    "docker_env: x",
    "docker_env: {image: }",
    "docker_env: {image: [a]}",
    "docker_env: {image: a, volumes: /data}",
    "docker_env: {image: a, volumes: [1]}",
    "docker_env: {image: a, environment: [A, [B, 1]]}",
    "docker_env: {image: a, environment: [[A]]}",
    "docker_env: {image: a, environment: [{A: b}]}",
    "docker_env: {image: a, environment: A}",
    "python_env: [a]",
    "python_env: ''",
    "python_env: ''\nconda_env: ''",
    "docker_env: {image: a}\npython_env: ''",
    "databricks_spark_job: {python_file: a.py}",
    "databricks_spark_job: {}",
    "databricks_spark_job: x",
    "databricks_spark_job: {python_file: a.py}\nentry_points: {main: {command: a}}",
    "databricks_spark_job: {}\nentry_points: {main: {command: a}}",
    "databricks_spark_job: {}\nentry_points: {main: {command: 'a {x}', parameters: {x: path}}}",
    "databricks_spark_job: {}\nentry_points: {main: {command: 'a {x}', parameters: {x: {type: path}}}}",
    "databricks_spark_job: {python_file: a.py, parameters: x}",
    "databricks_spark_job: {python_file: [a]}",
    "databricks_spark_job: {python_file: a.py}\ndocker_env: {image: a}",
];

#[test]
fn the_schema_and_lint_agree() {
    let Some(environment) = require(Requirement::Data) else {
        return;
    };
    let directory = tempfile::tempdir().unwrap();
    let mut texts: Vec<String> = OF_OUR_OWN.iter().map(|text| (*text).to_owned()).collect();
    let corpora = [
        include_str!("../../yaml_corpus/files.jsonl").to_owned(),
        corpus::text("command_corpus"),
    ];
    for line in corpora.iter().flat_map(|corpus| corpus.lines()) {
        let case: Value = serde_json::from_str(line).unwrap();
        let text = case["mlproject"].as_str().or(case["text"].as_str());
        // Long texts are bombs for the parsers.
        texts.extend(text.filter(|text| text.len() < 4000).map(str::to_owned));
    }
    for entry in std::fs::read_dir(concat!(env!("CARGO_MANIFEST_DIR"), "/examples")).unwrap() {
        texts.extend(std::fs::read_to_string(entry.unwrap().path().join("MLproject")));
    }
    let expected: Vec<Option<bool>> = texts
        .iter()
        .map(|text| is_valid_for_lint(directory.path(), text))
        .collect();
    let cases: Vec<Value> = texts
        .iter()
        .map(|text| json!({ "schema": "mlproject", "text": text }))
        .collect();
    let (mut valid, mut invalid) = (0, 0);
    for ((text, expected), found) in texts
        .iter()
        .zip(&expected)
        .zip(verdicts(&environment.join("bin/python"), &cases))
    {
        let (Some(expected), Some(found)) = (*expected, found) else {
            continue;
        };
        assert_eq!(found, expected, "{text}");
        if found { valid += 1 } else { invalid += 1 }
    }
    assert!(valid > 100 && invalid > 20, "{valid} valid, {invalid} invalid");
}

#[test]
fn environment_files_are_checked() {
    let Some(environment) = require(Requirement::Data) else {
        return;
    };
    let cases = [
        (
            "python: '3.11'\nbuild_dependencies: [pip]\ndependencies: ['numpy==2', -r requirements.txt]",
            true,
        ),
        ("dependencies:", true),
        ("{}", true),
        ("dependencies: [numpy]\npython: '>=3.9,<3.12'", true),
        ("python: 3.10", false),
        ("dependencis: [numpy]", false),
        ("dependencies: numpy", false),
        ("dependencies: [{pip: [numpy]}]", false),
        ("dependencies: [1]", false),
        ("dependencies: ['numpy=1.26']", false),
        ("name: x\nchannels: [conda-forge]\ndependencies: [python]", false),
        ("- numpy", false),
        ("", false),
    ];
    let tasks: Vec<Value> = cases
        .iter()
        .map(|(text, _)| json!({ "schema": "python_env", "text": text }))
        .collect();
    let found = verdicts(&environment.join("bin/python"), &tasks);
    for ((text, expected), found) in cases.into_iter().zip(found) {
        assert_eq!(found, Some(expected), "{text}");
    }
}
