//! A project for programs. Fields are added from version to version; none changes its meaning.

use serde_json::{Value, json};

use super::inspected::Inspected;
use crate::cli::lint;
use crate::project::{EntryPoint, EnvironmentEntry, Parameter, ProjectEnvironment};

/// The project as one object.
pub(super) fn object(inspected: &Inspected<'_>) -> Value {
    let Inspected { source, project, .. } = inspected;
    let origin = source.work_dir.source();
    let is_kept = !source.work_dir.is_temporary();
    json!({
        "name": project.name,
        "uri": source.uri.to_string(),
        "source": {
            "name": origin.name,
            "commit": origin.commit,
            "repository": origin.repo_url,
            "branch": origin.branch,
        },
        "directory": is_kept.then(|| source.work_dir.path().display().to_string()),
        "file": project.file.as_deref().map(|file| source.shown(file)),
        "environment": environment(inspected),
        "entry_points": inspected.entry_points.iter().map(entry_point).collect::<Vec<_>>(),
        "scripts": inspected.scripts,
        "findings": lint::to_json(source, &inspected.findings),
    })
}

fn environment(inspected: &Inspected<'_>) -> Value {
    let project = inspected.project;
    if let Some(job) = &project.databricks_spark_job {
        return json!({
            "kind": "databricks_spark_job",
            "python_file": job.python_file,
            "parameters": job.parameters,
            "python_libraries": job.python_libraries,
        });
    }
    match &project.environment {
        ProjectEnvironment::Python { file: None } => json!({ "kind": "none" }),
        ProjectEnvironment::Python { file: Some(file) } => {
            json!({ "kind": "python", "file": inspected.source.shown(file) })
        }
        ProjectEnvironment::Conda { file } => {
            json!({ "kind": "conda", "file": inspected.source.shown(file) })
        }
        ProjectEnvironment::Docker(docker) => {
            let variable = |entry: &EnvironmentEntry| json!({ "name": entry.name(), "copied": matches!(entry, EnvironmentEntry::Copy(_)) });
            json!({
                "kind": "docker",
                "image": docker.image,
                "volumes": docker.volumes,
                "variables": docker.environment.iter().map(variable).collect::<Vec<_>>(),
            })
        }
    }
}

fn entry_point(entry_point: &EntryPoint) -> Value {
    json!({
        "name": entry_point.name,
        "command": entry_point.command,
        "line": entry_point.location.as_ref().map(|location| location.position.line),
        "parameters": entry_point.parameters.iter().map(parameter).collect::<Vec<_>>(),
    })
}

fn parameter(parameter: &Parameter) -> Value {
    json!({
        "name": parameter.name,
        "type": parameter.parameter_type.as_str(),
        "default": parameter.default,
        "required": parameter.default.is_none(),
        "description": parameter.description,
        "line": parameter.location.position.line,
    })
}
