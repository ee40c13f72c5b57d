//! `mlrun inspect`: what a project holds, and how it is run.

mod inspected;
mod json;
mod text;

use crate::cli::args::InspectArguments;
use crate::cli::escape;
use crate::cli::printer::{self, Printer};
use crate::cli::project_source::{ProjectSource, look_at};
use crate::cli::report::{Failure, Outcome};
use crate::cli::text_table::Stream;
use crate::env_vars;
use crate::lint::{self, Finding};
use crate::project::Project;
use crate::runner::RunError;
use inspected::Inspected;

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
            Some(name) => (
                vec![
                    project
                        .entry_point(name, shell.as_deref())
                        .map_err(RunError::from)?,
                ],
                Vec::new(),
            ),
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
        printer::write_stdout(&if json {
            escape::json(&json::object(&inspected))
        } else {
            text::text(&inspected, Stream::Stdout.width())
        })?;
        Ok(Outcome::Succeeded)
    })
    .await
}

/// What there is to say about the project; of its entry points only about the one that is shown.
fn findings(source: &ProjectSource, entry_point: Option<&str>) -> Result<Vec<Finding>, Failure> {
    let mut findings = lint::check(source.work_dir.path()).map_err(RunError::from)?;
    if let Some(name) = entry_point {
        findings.retain(|finding| finding.entry_point.as_deref().is_none_or(|other| other == name));
    }
    Ok(findings)
}
