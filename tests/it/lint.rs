//! What lint finds in projects, whatever is in their files, and what a run refuses of the same projects.

use mlrun::internals::lint::{self, Code, Severity};
use mlrun::internals::project::{
    ParameterContext, Project as LoadedProject, ProjectEnvironment, ProjectProblem, TemplateError,
};

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

/// The MLproject texts of the whole repository: the corpora, the examples, and the texts in the tests' sources.
fn all_texts() -> Vec<String> {
    let root = std::path::Path::new(env!("CARGO_MANIFEST_DIR"));
    let mut texts: Vec<String> = Vec::new();
    for corpus in ["yaml_corpus/files.jsonl", "command_corpus/corpus.jsonl"] {
        let lines = std::fs::read_to_string(root.join("tests").join(corpus)).unwrap();
        for line in lines.lines() {
            let case: serde_json::Value = serde_json::from_str(line).unwrap();
            let text = case["text"].as_str().or(case["mlproject"].as_str());
            // Long texts are bombs for the parser.
            texts.extend(text.filter(|text| text.len() < 4000).map(str::to_owned));
        }
    }
    for example in std::fs::read_dir(root.join("examples")).unwrap() {
        texts.extend(std::fs::read_to_string(example.unwrap().path().join("MLproject")));
    }
    for folder in ["tests/it", "src"] {
        for file in crate::harness::rust_files(&root.join(folder)) {
            let source = std::fs::read_to_string(root.join(folder).join(file)).unwrap();
            texts.extend(literals(&source).filter(|text| {
                [
                    "entry_points",
                    "docker_env",
                    "python_env",
                    "conda_env",
                    "databricks_spark_job",
                ]
                .iter()
                .any(|key| text.contains(&format!("{key}:")))
            }));
        }
    }
    texts.sort();
    texts.dedup();
    texts
}

/// The texts in quotes of a Rust source. An escaped quote ends one, which makes another text of it.
fn literals(source: &str) -> impl Iterator<Item = String> {
    source
        .split('"')
        .filter(|part| part.len() < 4000)
        .map(|part| {
            part.replace("\\n\\\n", "\n")
                .replace("\\n", "\n")
                .replace("\\\n", "")
        })
        .map(|part| part.replace("{{", "{").replace("}}", "}"))
}

/// What a run refuses about a project's files is found without one, in the same words and at the same place; and
/// whatever lint calls an error, a run refuses.
#[test]
fn a_run_refuses_what_lint_finds() {
    let directory = tempfile::tempdir().unwrap();
    let (mut refused, mut fine) = (0, 0);
    let texts = all_texts();
    for text in &texts {
        std::fs::write(directory.path().join("MLproject"), text).unwrap();
        let findings = lint::check(directory.path()).unwrap();
        let has_error = findings
            .iter()
            .any(|finding| finding.code.severity() == Severity::Error);
        let mut is_refused = false;
        for error in refusals(directory.path()) {
            let is_said = findings.iter().any(|finding| match error.problem() {
                // Without an entry point there is nothing to point at.
                ProjectProblem::NoEntryPoint { .. } => finding.code == Code::NothingToRun,
                // Another directory may have the file.
                ProjectProblem::PathMissing { .. } => finding.code == Code::PathDefault,
                _ => {
                    finding.message == error.to_string()
                        && finding.location.as_ref() == error.location()
                        && finding.hint == error.hint()
                        && finding.code.severity() == Severity::Error
                }
            });
            assert!(is_said, "{text}\n{error}\n{:?}\n{findings:#?}", error.hint());
            is_refused |= !matches!(error.problem(), ProjectProblem::PathMissing { .. });
        }
        // These need more than the project's files to be refused; see below.
        let is_of_run = |code| matches!(code, Code::ParameterName | Code::InvalidValue);
        let is_sure = findings
            .iter()
            .any(|finding| finding.code.severity() == Severity::Error && !is_of_run(finding.code));
        assert!(is_refused || !is_sure, "{text}\n{findings:#?}");
        *(if has_error { &mut refused } else { &mut fine }) += 1;
    }
    assert!(
        refused > 100 && fine > 100,
        "{refused} and {fine} of {}",
        texts.len()
    );
}

/// The errors of all entry points of a project, with values for what has no default.
fn refusals(directory: &std::path::Path) -> Vec<mlrun::internals::project::ProjectError> {
    let project = match LoadedProject::load(directory) {
        Ok(project) => project,
        Err(error) => return vec![error],
    };
    let context = ParameterContext {
        directory: std::path::Path::new("/no/such/directory"),
        is_elsewhere: false,
    };
    let mut errors = Vec::new();
    // A container may have scripts of its own.
    let is_docker = matches!(project.environment, ProjectEnvironment::Docker(_));
    if project.entry_points.is_empty() && project.databricks_spark_job.is_none() && !is_docker {
        errors.extend(project.entry_point("main", None).err());
    }
    for entry_point in &project.entry_points {
        let required = entry_point
            .parameters
            .iter()
            .filter(|parameter| parameter.default.is_none());
        let mut given: Vec<(String, String)> = required
            .map(|parameter| {
                let value = if parameter.parameter_type.as_str() == "float" {
                    "0"
                } else {
                    "/"
                };
                (parameter.name.clone(), value.to_owned())
            })
            .collect();
        let mut refused = entry_point.resolve(&given, context).err();
        // A path that does not exist hides what follows.
        if matches!(&refused, Some(error) if matches!(error.problem(), ProjectProblem::PathMissing { .. })) {
            errors.extend(refused);
            let paths = entry_point.parameters.iter().filter(|parameter| {
                parameter.parameter_type.as_str() == "path"
                    && parameter
                        .default
                        .as_deref()
                        .is_some_and(|default| !default.is_empty())
            });
            given.extend(paths.map(|parameter| (parameter.name.clone(), "/".to_owned())));
            refused = entry_point.resolve(&given, context).err();
        }
        errors.extend(refused.filter(|error| !depends_on_value(error.problem()) || given.is_empty()));
    }
    errors
}

/// Whether another value could fit the command.
fn depends_on_value(problem: &ProjectProblem) -> bool {
    let ProjectProblem::Template { error, .. } = problem else {
        return false;
    };
    match error {
        TemplateError::IndexOutOfRange { .. } => true,
        TemplateError::FormatSpec { field, .. } => field.contains('{'),
        _ => false,
    }
}

/// The same for the files of environments, for `docker_env` and for names, with the program itself.
#[test]
fn a_dry_run_refuses_what_lint_finds() {
    const MAIN: &str = "entry_points: {main: {command: echo}}\n";
    let python_env = |text| vec![("MLproject", MAIN.to_owned()), ("python_env.yaml", text)];
    let conda = |text| vec![("MLproject", MAIN.to_owned()), ("conda.yaml", text)];
    let mlproject = |text: &str| vec![("MLproject", format!("{text}{MAIN}"))];
    let mut cases: Vec<Vec<(&str, String)>> = Vec::new();
    for text in [
        "",
        "- numpy\n",
        "a: [\n",
        "python: 3.10\n",
        "python: 3.11\n",
        "python: '^3'\n",
        "python: [3]\n",
        "pyhton: '3'\n",
        "dependencis: []\n",
        "dependencies: numpy\n",
        "dependencies: [numpy=1]\n",
        "dependencies: [numpy=>1]\n",
        "dependencies: [numpy 1.0]\n",
        "dependencies: ['numpy>=1 <2']\n",
        "dependencies: ['numpy==']\n",
        "dependencies: ['x[']\n",
        "dependencies: [{a: b}]\n",
        "dependencies: [pip: [x]]\n",
        "dependencies: [-r no.txt]\n",
        "dependencies: [-c no.txt]\n",
        "name: x\nchannels: []\n",
        "build_dependencies: [x=1]\n",
        // These are fine.
        "{}\n",
        "dependencies: []\n",
        "dependencies: [a, a]\ndependencies: [b]\n",
        "dependencies: ['a>=1,<2; x > \"1\"']\n",
        "dependencies: ['a (>=1)', 'b @ https://host/b', 'two words', ./x, '-e .', 'c[d]~=1.0']\n",
    ] {
        cases.push(python_env(text.to_owned()));
    }
    for text in [
        "numpy 1.0\n",
        "numpy=1\n",
        "-r no.txt\n",
        "-r r.txt\n",
        "numpy\n\npandas>=1 # x\n",
        "",
    ] {
        let mut files = python_env("dependencies: [-r r.txt]\n".to_owned());
        files.push(("r.txt", text.to_owned()));
        cases.push(files);
    }
    for text in [
        "a: [\n",
        "dependencies: a\n",
        "dependencies: [1]\n",
        "dependencies:\n- pip: a\n",
        "dependencies:\n- pip: [a=1]\n",
        "dependencies:\n- pip: [-r no.txt]\n",
        "python: '3'\n",
        // These are fine.
        "name: x\n",
        "dependancies: [a]\n",
        "dependencies: [a=1, 'b >=1', pip, {pip: [a==1]}]\n",
        "dependencies: ['python=3.8|3.9']\n",
    ] {
        cases.push(conda(text.to_owned()));
    }
    for text in [
        "docker_env: {image: a}\n",
        "name: x\ndocker_env: {image: 'a b'}\n",
        "name: x\ndocker_env: {image: -a}\n",
        "name: x\ndocker_env: {image: a, environment: [A=b]}\n",
        "name: x\ndocker_env: {image: a, environment: [['', b]]}\n",
        "name: x\ndocker_env: {image: a, volumes: ['/a:b']}\n",
        "name: x\ndocker_env: {image: a, volumes: ['$(ls):/b']}\n",
        "python_env: no.yaml\n",
        "conda_env: MLproject\n",
    ] {
        cases.push(mlproject(text));
    }
    let parameter =
        |declared| format!("entry_points: {{main: {{command: echo, parameters: {{{declared}}}}}}}\n");
    for declared in [
        "'a;b': {default: 1}",
        "a: {type: float, default: x}",
        "a: {type: path, default: ''}",
        "a b: {default: 1}",
    ] {
        cases.push(vec![("MLproject", parameter(declared))]);
    }
    cases.extend([
        vec![],
        vec![("MLproject.yaml", MAIN.to_owned())],
        vec![("sub/MLproject", MAIN.to_owned())],
    ]);
    let Some(python) = crate::harness::require_program("python3") else {
        return;
    };
    let (mut refused, mut fine) = (0, 0);
    for files in cases {
        let mut project = Project::new().env("MLFLOW_CONDA_HOME", "<sandbox>/work/conda");
        project
            .sandbox()
            .write_executable("conda/bin/conda", "#!/bin/sh\necho '{\"envs\": []}'\n");
        project.sandbox().link_program("python3", &python);
        for (name, text) in &files {
            project = project.file(name, text);
        }
        let linted = project.mlrun(&["lint", "project", "--json"]);
        let run = project.mlrun(&["run", "project", "--dry-run"]);
        assert_eq!(
            linted.code(),
            run.code(),
            "{files:?}\n{}\n{}",
            linted.stdout(),
            run.stderr()
        );
        if run.code() == 0 {
            fine += 1;
            continue;
        }
        refused += 1;
        let linted: serde_json::Value = serde_json::from_str(linted.stdout()).unwrap();
        let errors = linted["findings"].as_array().unwrap().iter();
        let mut errors = errors.filter(|finding| finding["severity"] == "error");
        let is_said = errors.any(|finding| {
            let said = |key: &str| {
                let text = finding[key].as_str().unwrap_or_default();
                run.stderr().contains(text.split(": it looks").next().unwrap())
            };
            (said("message") || finding["code"].as_str().unwrap().ends_with("mlproject")) && said("hint")
        });
        assert!(is_said, "{files:?}\n{linted:#}\n{}", run.stderr());
    }
    assert!(refused > 40 && fine > 8, "{refused} and {fine}");
}
