//! The plan for a person.

use super::preview::{Preview, ShownParameter, command_line};
use crate::cli::escape::one_line;
use crate::cli::text_table::columns;
use crate::runner::StorePreview;
use crate::tracking::ExperimentSelector;

/// How far the parts below a title are indented.
const INDENT: usize = 2;

/// The whole text. Commands and requests stand in it as they are, however long their lines are.
pub(super) fn text(preview: &Preview<'_>, width: usize) -> String {
    // Paths and URIs stay whole too.
    let mut text = columns(&head(preview), 0, usize::MAX);
    let plan = preview.plan;
    text.push_str(&format!("\nentry point {}\n", one_line(&plan.entry_point.name)));
    if !preview.parameters.is_empty() {
        text.push_str(&columns(&parameter_rows(&preview.parameters), INDENT, width));
        text.push('\n');
    }
    text.push_str(&block(&preview.command));
    if let Some(words) = &preview.container {
        text.push_str(&format!("\ncontainer\n{}", block(&command_line(words))));
    }
    for (title, part) in &preview.of_backend {
        text.push_str(&format!("\n{title}\n{}", block(part)));
    }
    text.push_str("\nNothing was created: this was a dry run.\n");
    text
}

fn head(preview: &Preview<'_>) -> Vec<Vec<String>> {
    let plan = preview.plan;
    let source = plan.work_dir.source();
    let mut rows = vec![("project", source.name.clone())];
    if let Some(commit) = &source.commit {
        let branch = source.branch.as_ref().map(|branch| format!(" ({branch})"));
        rows.push(("commit", format!("{commit}{}", branch.unwrap_or_default())));
    }
    rows.push((
        "directory",
        if plan.work_dir.is_temporary() {
            "a temporary one, removed when the run ends".to_owned()
        } else {
            plan.work_dir.path().display().to_string()
        },
    ));
    rows.push(("environment", plan.environment.to_string()));
    rows.push(("backend", plan.backend.name().to_owned()));
    rows.push(("tracking URI", store(preview)));
    match &plan.request.run_id {
        Some(run_id) => {
            let status = preview
                .store
                .run_status
                .map(|status| format!(" (there already, {status})"));
            rows.push(("run", format!("{run_id}{}", status.unwrap_or_default())));
        }
        None => rows.push(("experiment", experiment(preview))),
    }
    rows.extend(plan.request.run_name.clone().map(|name| ("run name", name)));
    // What the store itself says is told as an error.
    if let Some(problem) = preview
        .store
        .problem
        .as_ref()
        .filter(|_| preview.store.store_exists.is_none())
    {
        rows.push(("", format!("not known: {problem}")));
    } else if preview.store.is_silent {
        rows.push(("", "not known: the store does not answer".to_owned()));
    }
    if plan.request.reuse && preview.store.problem.is_none() && !preview.store.is_silent {
        rows.push(("reuse", reuse(&preview.store)));
    }
    if let Some(directory) = &plan.request.storage_dir {
        rows.push(("downloads to", directory.display().to_string()));
    }
    rows.extend(
        plan.data
            .iter()
            .map(|request| ("download", format!("{} = {}", request.parameter, request.uri))),
    );
    let row = |(title, value): (&str, String)| vec![title.to_owned(), value];
    rows.into_iter().map(row).collect()
}

fn store(preview: &Preview<'_>) -> String {
    let uri = &preview.plan.tracking_uri;
    match preview.store.store_exists {
        Some(false) => format!("{uri} (to be made)"),
        _ => uri.to_string(),
    }
}

fn experiment(preview: &Preview<'_>) -> String {
    let glance = &preview.store;
    let name = match &preview.plan.experiment {
        ExperimentSelector::Default => "the default one".to_owned(),
        ExperimentSelector::Id(id) => return id.to_string(),
        ExperimentSelector::Name(name) => format!("'{name}'"),
    };
    match (glance.experiment_exists, &glance.experiment_id) {
        (Some(true), Some(id)) => format!("{name} ({id})"),
        (Some(false), _) => format!("{name} (to be made)"),
        _ => format!("{name} (made when it is missing)"),
    }
}

fn reuse(glance: &StorePreview) -> String {
    match (&glance.reusable_run, &glance.reason_against_reuse) {
        (Some(run_id), _) => format!("run {run_id} has done this: nothing would be run"),
        (None, Some(reason)) => format!("no run: {reason}"),
        (None, None) => "no run: no finished one of the experiment has done this".to_owned(),
    }
}

fn parameter_rows(parameters: &[ShownParameter<'_>]) -> Vec<Vec<String>> {
    let mut rows = vec![["PARAMETER", "FROM", "VALUE"].map(str::to_owned).to_vec()];
    rows.extend(parameters.iter().map(|parameter| {
        let undeclared = if parameter.parameter_type.is_none() {
            ", undeclared"
        } else {
            ""
        };
        vec![
            parameter.name.to_owned(),
            format!("{}{undeclared}", parameter.origin),
            if parameter.recorded.is_empty() {
                "''".to_owned()
            } else {
                parameter.recorded.to_owned()
            },
        ]
    }));
    rows
}

fn block(text: &str) -> String {
    let lines = text.trim_end().lines();
    lines
        .map(|line| format!("{}\n", format!("{:INDENT$}{line}", "").trim_end()))
        .collect()
}
