//! What is found in projects, whatever their files hold, and what a run makes of the same projects.

use mlrun::internals::lint::{self, Code, Severity};
use mlrun::internals::project::{ParameterContext, Project as LoadedProject, ProjectProblem, TemplateError};

use crate::harness::Project;

/// The examples are good ones.
#[test]
fn the_examples_have_no_errors() {
    let examples = concat!(env!("CARGO_MANIFEST_DIR"), "/examples");
    for entry in std::fs::read_dir(examples).unwrap() {
        let path = entry.unwrap().path();
        if !path.join("MLproject").exists() {
            continue;
        }
        Project::new()
            .mlrun(&["lint", path.to_str().unwrap()])
            .expect_code(0);
    }
}

/// Whatever a file holds, it is looked at to the end; and what the program could not read is an error.
#[test]
fn every_text_is_looked_at() {
    let directory = tempfile::tempdir().unwrap();
    let corpus = include_str!("../yaml_corpus/files.jsonl");
    let mut texts = 0;
    for line in corpus.lines() {
        let case: serde_json::Value = serde_json::from_str(line).unwrap();
        // Long texts are bombs for the parser, which has tests of its own.
        let Some(text) = case["text"].as_str().filter(|text| text.len() < 4000) else {
            continue;
        };
        // The whole file, files that end early, and files with something odd in the middle.
        let ends = (0..=20)
            .map(|part| text.len() * part / 20)
            .filter(|end| text.is_char_boundary(*end));
        for end in ends {
            for text in [
                text[..end].to_owned(),
                format!("{}{{\\ \n: {}", &text[..end], &text[end..]),
            ] {
                std::fs::write(directory.path().join("MLproject"), &text).unwrap();
                let findings = lint::check(directory.path()).unwrap();
                let has_error = findings
                    .iter()
                    .any(|finding| finding.code.severity() == Severity::Error);
                let loaded = LoadedProject::load(directory.path());
                assert!(loaded.is_ok() || has_error, "{text:?}\n{loaded:?}\n{findings:?}");
                texts += 1;
            }
        }
    }
    assert!(texts > 1000, "{texts}");
}

/// A command that a run would refuse is found without one, and none that it would take.
#[test]
fn placeholders_are_judged_as_a_run_does() {
    let directory = tempfile::tempdir().unwrap();
    let mut refused = 0;
    for line in crate::harness::corpus::text("command_corpus").lines() {
        let case: serde_json::Value = serde_json::from_str(line).unwrap();
        let (Some(text), Some(name)) = (case["mlproject"].as_str(), case["entry_point"].as_str()) else {
            continue;
        };
        std::fs::write(directory.path().join("MLproject"), text).unwrap();
        let Ok(project) = LoadedProject::load(directory.path()) else {
            continue;
        };
        let Some(entry_point) = project.entry_points.iter().find(|point| point.name == name) else {
            continue;
        };
        let given: Vec<(String, String)> = entry_point
            .parameters
            .iter()
            .map(|parameter| {
                let is_float = parameter.parameter_type.as_str() == "float";
                (
                    parameter.name.clone(),
                    if is_float { "0" } else { "/" }.to_owned(),
                )
            })
            .collect();
        let context = ParameterContext {
            directory: directory.path(),
            is_elsewhere: false,
        };
        let findings = lint::check(directory.path()).unwrap();
        let is_found = findings.iter().any(|finding| {
            matches!(
                finding.code,
                Code::UndeclaredPlaceholder | Code::InvalidPlaceholder
            )
        });
        match entry_point.resolve(&given, context) {
            Ok(_) if project.entry_points.len() == 1 => assert!(!is_found, "{text}\n{findings:?}"),
            Err(error) => match error.problem() {
                ProjectProblem::Template {
                    error: TemplateError::IndexOutOfRange { .. } | TemplateError::FormatSpec { .. },
                    ..
                } => {}
                ProjectProblem::Template { .. } => {
                    refused += 1;
                    assert!(is_found, "{text}\n{error}\n{findings:?}");
                }
                _ => {}
            },
            Ok(_) => {}
        }
    }
    assert!(refused > 10, "{refused}");
}
