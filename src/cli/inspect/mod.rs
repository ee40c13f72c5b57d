//! `mlrun inspect`: what a project contains and how to run it.

mod text;

use serde_json::{Value, json};

use crate::cli::args::InspectArguments;
use crate::cli::escape;
use crate::cli::printer::{self, Printer};
use crate::cli::project_source::{ProjectSource, look_at};
use crate::cli::report::{Failure, Outcome};
use crate::cli::terminal::Stream;
use crate::env_vars;
use crate::lint::{self, Finding};
use crate::project::{EntryPoint, EnvironmentEntry, Parameter, Project, ProjectEnvironment};
use crate::runner::RunError;
use text::Inspected;

/// Shows a project.
pub(crate) async fn run(arguments: InspectArguments, printer: &Printer) -> Result<Outcome, Failure> {
    let InspectArguments {
        uri,
        entry_point,
        version,
        json,
    } = arguments;
    look_at(&uri, version.clone(), printer, move |source| {
        let project = Project::load(source.work_dir.path()).map_err(RunError::from)?;
        let shell = env_vars::non_empty(env_vars::SHELL);
        let (entry_points, scripts) = match &entry_point {
            Some(name) => {
                let found = project.entry_point(name, shell.as_deref());
                (vec![found.map_err(RunError::from)?], Vec::new())
            }
            None if project.entry_points.is_empty() => (Vec::new(), project.scripts()),
            None => (project.entry_points.clone(), Vec::new()),
        };
        let version = version
            .iter()
            .flat_map(|version| ["-v".to_owned(), version.clone()]);
        let inspected = Inspected {
            source,
            entry_points,
            scripts,
            findings: findings(source, entry_point.as_deref())?,
            run_arguments: [source.uri.to_string()].into_iter().chain(version).collect(),
            project: &project,
        };
        printer::write_escaped_stdout(&if json {
            escape::json(&object(&inspected))
        } else {
            text::text(&inspected, Stream::Stdout.width())
        })?;
        Ok(Outcome::Succeeded)
    })
    .await
}

/// The findings about the project, without those about entry points that are not shown.
fn findings(source: &ProjectSource, entry_point: Option<&str>) -> Result<Vec<Finding>, Failure> {
    let mut findings = lint::check(source.work_dir.path()).map_err(RunError::from)?;
    if let Some(name) = entry_point {
        findings.retain(|finding| finding.entry_point.as_deref().is_none_or(|other| other == name));
    }
    Ok(findings)
}

/// The project for programs. New versions may add fields, but do not change them.
fn object(inspected: &Inspected<'_>) -> Value {
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
        "findings": crate::cli::lint::to_json(source, &inspected.findings),
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
