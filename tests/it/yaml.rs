//! YAML against PyYAML: the corpus in `tests/yaml_corpus`, which PyYAML itself wrote.

use std::path::PathBuf;
use std::process::Command;

use mlrun::internals::yaml::{self, Node, Timestamp, Value};
use serde_json::Value as Json;

use crate::harness::{Printed, Requirement, require};

const DIRECTORY: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/yaml_corpus");
const SCALARS: &str = include_str!("../yaml_corpus/scalars.jsonl");
const FILES: &str = include_str!("../yaml_corpus/files.jsonl");

#[test]
fn single_values_are_pyyamls() {
    check(SCALARS, 400);
}

#[test]
fn whole_files_are_pyyamls() {
    check(FILES, 60);
}

/// The corpus is what the installed PyYAML says, byte for byte.
#[test]
fn the_corpus_is_what_pyyaml_writes() {
    let Some(python) = python() else { return };
    let directory = tempfile::tempdir().unwrap();
    generate(&python, &[directory.path().to_str().unwrap()]);
    for (name, committed) in [("scalars", SCALARS), ("files", FILES)] {
        let written = std::fs::read_to_string(directory.path().join(format!("{name}.jsonl"))).unwrap();
        for (number, (written, committed)) in written.lines().zip(committed.lines()).enumerate() {
            assert_eq!(written, committed, "{name}.jsonl:{}", number + 1);
        }
        assert_eq!(written.len(), committed.len(), "{name}.jsonl");
    }
}

/// Random changes to the corpus: what PyYAML takes we take alike, what it refuses we refuse there.
#[test]
fn random_texts_are_pyyamls() {
    let Some(python) = python() else { return };
    for seed in 0..4 {
        check(&generate(&python, &["--fuzz", &seed.to_string(), "1000"]), 1000);
    }
}

/// As [`random_texts_are_pyyamls`], with as many texts as the variable says.
#[test]
#[ignore = "takes minutes: cargo test --test it -- --ignored many_random_texts"]
fn many_random_texts_are_pyyamls() {
    let Some(python) = python() else { return };
    let variable = |name: &str, default: u64| match std::env::var(name) {
        Ok(value) => value.parse().unwrap(),
        Err(_) => default,
    };
    let first = variable("MLRUN_TEST_YAML_SEED", 1000);
    for seed in first..first + variable("MLRUN_TEST_YAML_ROUNDS", 20) {
        check(&generate(&python, &["--fuzz", &seed.to_string(), "20000"]), 20000);
    }
}

/// The Python that has PyYAML.
fn python() -> Option<PathBuf> {
    Some(require(Requirement::Mlflow3)?.join("bin/python"))
}

fn generate(python: &PathBuf, arguments: &[&str]) -> String {
    Command::new(python)
        .arg("-B")
        .arg(format!("{DIRECTORY}/generate.py"))
        .args(arguments)
        .printed()
}

/// Checks the cases, one a line, and that there are this many at least.
fn check(cases: &str, least: usize) {
    let mut failures = Vec::new();
    let mut count = 0;
    for line in cases.lines() {
        let case: Json = serde_json::from_str(line).unwrap();
        count += 1;
        if let Err(failure) = check_case(&case) {
            failures.push(format!("{} {}\n  {failure}", case["name"], shown(&case)));
        }
    }
    assert!(count >= least, "only {count} cases");
    assert!(
        failures.is_empty(),
        "{} of {count} differ:\n{}",
        failures.len(),
        failures[..failures.len().min(40)].join("\n")
    );
}

fn shown(case: &Json) -> &Json {
    case.get("text").unwrap_or(&case["base64"])
}

fn check_case(case: &Json) -> Result<(), String> {
    let text = match case.get("text") {
        Some(text) => text.as_str().unwrap().as_bytes().to_vec(),
        None => decode_base64(case["base64"].as_str().unwrap()),
    };
    let parsed = yaml::parse(&text);
    if let Some(kind) = case.get("error") {
        let Err(error) = parsed else {
            return Err(format!(
                "expected {kind}, got {}",
                parsed.unwrap().value.to_python_repr()
            ));
        };
        let position = error.position.unwrap();
        return match (case.get("line"), case.get("column")) {
            (Some(line), Some(column)) if *line != position.line || *column != position.column => {
                Err(format!("expected {kind} at {line}:{column}, got: {error}"))
            }
            _ => Ok(()),
        };
    }
    let node = parsed.map_err(|error| format!("expected {}, got: {error}", case["repr"]))?;
    if let Some(positions) = case.get("positions") {
        let mut found = Vec::new();
        collect_positions(&node, &mut found);
        same("positions", positions, &Json::Array(found))?;
    }
    if let Some(whole) = case.get("whole") {
        same("whole", whole, &printed(case, &node.value).into())?;
    }
    let value = at_place(&node.value, case["place"].as_str().unwrap());
    same("type", &case["type"], &python_type(value).into())?;
    same("repr", &case["repr"], &printed(case, value).into())?;
    if case.get("sorted").is_none() {
        let str = case.get("str").unwrap_or(&case["repr"]);
        same("str", str, &value.to_python_str().into())?;
    }
    Ok(())
}

fn same(what: &str, expected: &Json, found: &Json) -> Result<(), String> {
    if expected == found {
        Ok(())
    } else {
        Err(format!("{what}: expected {expected}, got {found}"))
    }
}

/// The `repr()`; its sorted characters where the order in which Python prints a set is random.
fn printed(case: &Json, value: &Value) -> String {
    let repr = value.to_python_repr();
    if case.get("sorted").is_none() {
        return repr;
    }
    let mut characters: Vec<char> = repr.chars().collect();
    characters.sort_unstable();
    characters.into_iter().collect()
}

fn at_place<'v>(value: &'v Value, place: &str) -> &'v Value {
    match (place, value) {
        ("value" | "flow value", Value::Map(mapping)) => mapping.get("k").map_or(value, |node| &node.value),
        ("item", Value::List(items)) => items.first().map_or(value, |node| &node.value),
        ("item", Value::Pairs(_)) => panic!("no case has pairs as its document"),
        ("key", Value::Map(mapping)) => mapping.iter().next().map_or(value, |(key, _)| &key.value),
        _ => value,
    }
}

fn python_type(value: &Value) -> &'static str {
    match value {
        Value::Null => "NoneType",
        Value::Bool(_) => "bool",
        Value::Int(_) => "int",
        Value::Float(_) => "float",
        Value::Str(_) => "str",
        Value::Bytes(_) => "bytes",
        Value::Timestamp(Timestamp { time: None, .. }) => "date",
        Value::Timestamp(_) => "datetime",
        Value::List(_) | Value::Pairs(_) => "list",
        Value::Set(_) => "set",
        Value::Map(_) => "dict",
    }
}

fn collect_positions(node: &Node, found: &mut Vec<Json>) {
    found.push(vec![node.start.line, node.start.column].into());
    match &node.value {
        Value::List(items) => items.iter().for_each(|item| collect_positions(item, found)),
        Value::Map(mapping) => {
            for (key, value) in mapping.iter() {
                collect_positions(key, found);
                collect_positions(value, found);
            }
        }
        _ => {}
    }
}

fn decode_base64(text: &str) -> Vec<u8> {
    match yaml::parse(format!("!!binary {text}").as_bytes()).unwrap().value {
        Value::Bytes(bytes) => bytes,
        other => panic!("{other:?}"),
    }
}
