//! `mlrun lint`: its formats, what it says of directories, and an independent check of SARIF.

use std::process::Command;

use serde_json::Value;

use crate::harness::{Printed, Project, Requirement, assert_contains, assert_golden, require};

/// A project with findings of every severity, in two files.
fn slips() -> Project {
    Project::new()
        .mlproject(
            "name: slips\npython_env: python_env.yaml\nentry_points:\n  main:\n    parameters:\n      \
             data: {type: path, default: \"100%, a.csv\"}\n      n: int\n    command: python train.py {data} {m} --color #fff\n",
        )
        .file("python_env.yaml", "python: 3.10\ndependencis: []\n")
}

#[test]
fn texts() {
    let mut text = String::new();
    let mut add = |project: &Project, arguments: &[&str]| {
        let mut all = vec!["lint"];
        all.extend(arguments);
        text.push_str(&project.mlrun(&all).transcript());
        text.push('\n');
    };
    add(&slips(), &["project"]);
    add(&slips(), &["project", "--format", "github"]);
    let good = || Project::new().command("echo");
    add(&good(), &["project"]);
    add(&good().file("python_env.yaml", "python: '3.11'\n"), &["project"]);
    add(&good(), &["project", "--format", "github"]);
    add(&Project::new(), &["project"]);
    add(&Project::new().file("train.py", ""), &["project"]);
    add(&Project::new().file("MLproject.yaml.txt", ""), &["project"]);
    add(&Project::new().file("MLproject/MLproject", ""), &["project"]);
    add(&Project::new().file("sub/MLproject", ""), &["project"]);
    add(&good(), &["project", "--format", "xml"]);
    assert_golden("lint", &text);
}

/// `--json` is short for `--format json`.
#[test]
fn json_has_two_spellings() {
    let project = slips();
    let short = project.mlrun(&["lint", "project", "--json"]).with_code(1);
    let long = project
        .mlrun(&["lint", "project", "--format", "json"])
        .with_code(1);
    assert_eq!(short.stdout(), long.stdout());
    project
        .mlrun(&["lint", "project", "--json", "--format", "sarif"])
        .expect_code(2);
}

/// Annotations and code scanning need paths that are relative to the repository.
#[test]
fn paths_are_relative_to_the_repository() {
    let project = slips();
    project.sandbox().shell("git init -q ..");
    let github = project.mlrun(&["lint", "project", "--format", "github"]);
    assert_contains(
        github.stdout(),
        "::error file=work/project/python_env.yaml,line=1,col=9,",
    );
    let sarif = project.mlrun(&["lint", "project", "--format", "sarif"]);
    let sarif: Value = serde_json::from_str(sarif.stdout()).unwrap();
    let uri = &sarif["runs"][0]["results"][0]["locations"][0]["physicalLocation"]["artifactLocation"]["uri"];
    assert_eq!(uri, "work/project/MLproject");
}

/// The published JSON schema of SARIF 2.1.0, applied by the Python package `jsonschema`.
#[test]
fn sarif_is_valid() {
    let Some(venv) = require(Requirement::Data) else {
        return;
    };
    let schema = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/sarif/sarif-schema-2.1.0.json");
    for project in [slips(), Project::new(), Project::new().command("echo")] {
        let finished = project.mlrun(&["lint", "project", "--format", "sarif"]);
        project.sandbox().write("log.sarif", finished.stdout());
        let printed = Command::new(venv.join("bin/python"))
            .arg("-c")
            .arg(
                "import json, sys, jsonschema\n\
                 schema, log = (json.load(open(path)) for path in sys.argv[1:])\n\
                 jsonschema.Draft4Validator.check_schema(schema)\n\
                 jsonschema.Draft4Validator(schema).validate(log)\n\
                 rules = [rule['id'] for rule in log['runs'][0]['tool']['driver']['rules']]\n\
                 for result in log['runs'][0]['results']:\n    assert rules[result['ruleIndex']] == result['ruleId']\n\
                 print(len(log['runs'][0]['results']))",
            )
            .args([schema, project.sandbox().work().join("log.sarif").to_str().unwrap()])
            .printed();
        let expected = project.mlrun(&["lint", "project", "--json"]);
        let expected: Value = serde_json::from_str(expected.stdout()).unwrap();
        assert_eq!(
            printed.trim(),
            expected["findings"].as_array().unwrap().len().to_string()
        );
    }
}
