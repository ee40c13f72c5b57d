//! `--dry-run`: what a run would do.

use crate::cli::printer;
use crate::cli::report::Failure;
use crate::runner::RunPlan;
use crate::tracking::ExperimentSelector;

/// Writes the plan to standard output, which no entry point uses in a dry run.
pub(crate) fn show(plan: &RunPlan) -> Result<(), Failure> {
    let launch_plan = plan.imagined_launch(plan.imagined_environment());
    let of_backend = plan.backend.preview(&launch_plan)?;
    printer::write_stdout(&text(plan, of_backend))
}

fn text(plan: &RunPlan, of_backend: Vec<(&'static str, String)>) -> String {
    let source = plan.work_dir.source();
    let experiment = match &plan.experiment {
        ExperimentSelector::Default => "0 (the default)".to_owned(),
        ExperimentSelector::Id(id) => id.to_string(),
        ExperimentSelector::Name(name) => format!("'{name}' (made when it is missing)"),
    };
    let mut lines = vec![
        ("project", source.name.clone()),
        (
            "commit",
            source.commit.clone().unwrap_or_else(|| "none".to_owned()),
        ),
        ("directory", plan.work_dir.path().display().to_string()),
        ("entry point", plan.entry_point.name.clone()),
        ("environment", plan.environment.to_string()),
        ("backend", plan.backend.name().to_owned()),
        ("tracking URI", plan.tracking_uri.to_string()),
        ("experiment", experiment),
    ];
    lines.extend(
        plan.params_to_log
            .iter()
            .map(|(name, value)| ("parameter", format!("{name} = {value}"))),
    );
    if let Some(directory) = &plan.request.storage_dir {
        lines.push(("downloads to", directory.display().to_string()));
    }
    lines.extend(
        plan.data
            .iter()
            .map(|request| ("download", format!("{} = {}", request.parameter, request.uri))),
    );
    lines.push(("command", plan.command.command.clone()));
    lines.extend(plan.container_command_line().map(|line| ("container", line)));
    lines.extend(of_backend);
    lines
        .into_iter()
        .map(|(title, value)| format!("{title:<13} {}\n", value.replace('\n', "\n              ")))
        .collect()
}
