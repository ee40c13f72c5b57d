//! Conda environments, with a real conda and the real `mlflow` beside it.

mod names;
mod programs;
mod runs;

use std::fs;

use serde_json::Value;

use crate::harness::{Project, Reference, Request};

/// A conda that has no environments and can make none: enough for what only looks for it.
const EMPTY_CONDA: &str = "#!/bin/sh\necho '{\"envs\": []}'\n";

/// A project whose MLproject names `conda.yaml`, and the variable that leads to [`EMPTY_CONDA`].
fn project_with_empty_conda() -> Project {
    let project = Project::new().env("MLFLOW_CONDA_HOME", "<sandbox>/work/conda");
    project.sandbox().write_executable("conda/bin/conda", EMPTY_CONDA);
    project
}

/// The environment of a dry run: what stands behind `environment`, with the lines that go on below.
fn planned_environment(output: &str) -> Vec<String> {
    let mut lines = output
        .lines()
        .skip_while(|line| !line.starts_with("environment "))
        .peekable();
    let mut environment = Vec::new();
    while let Some(line) = lines.next_if(|line| environment.is_empty() || line.starts_with("  ")) {
        let text = line.strip_prefix("environment").unwrap_or(line);
        environment.push(text.trim().to_owned());
    }
    environment
}

/// The name of an environment in a text of [`planned_environment`].
fn environment_name(text: &str) -> &str {
    let start = text
        .find("mlflow-")
        .unwrap_or_else(|| panic!("no name in: {text}"));
    &text[start..(start + 47).min(text.len())]
}

/// Runs Python text in the project's directory, in the process of the reference. Gives the JSON that
/// it prints.
fn ask_reference(reference: &Reference, project: &Project, script: &str) -> Value {
    let sandbox = project.sandbox();
    let file = |name: &str| sandbox.root().join("tmp").join(name);
    let environment = sandbox.environment();
    let request = Request {
        directory: &sandbox.work().join("project"),
        environment: &environment,
        streams: ["/dev/null".as_ref(), &file("stdout"), &file("stderr")],
    };
    let code = reference.script(&request, script);
    let stderr = fs::read_to_string(file("stderr")).unwrap();
    assert_eq!(code, 0, "{stderr}");
    serde_json::from_str(fs::read_to_string(file("stdout")).unwrap().trim()).unwrap()
}
