//! `--dry-run`: the plan of a run.

use std::borrow::Cow;
use std::collections::HashMap;

use serde_json::{Map, Value, json};

use crate::cli::escape;
use crate::cli::params_file::ParameterOrigin;
use crate::cli::printer::{self, Printer};
use crate::cli::report::Failure;
use crate::cli::settings::RunSettings;
use crate::cli::terminal::Stream;
use crate::cli::text_table::columns;
use crate::project::{ParameterType, ParameterValue};
use crate::redact;
use crate::runner::{RunError, RunPlan, StorePreview};
use crate::tracking::ExperimentSelector;

/// Writes the plan to standard output, which no entry point uses in a dry run.
pub(crate) async fn show(
    plan: &mut RunPlan,
    settings: &RunSettings,
    printer: &Printer,
) -> Result<(), Failure> {
    let store = plan.preview_store(printer).await;
    let plan = &*plan;
    let launch_plan = plan.imagined_launch(plan.imagined_environment(), &StorePreview::default());
    let container = plan.container_command_line(&store).map(|words| {
        let words = words.iter().map(|word| redact::without_credentials(word));
        words.collect::<Vec<String>>()
    });
    let preview = Preview {
        parameters: parameters(plan, settings),
        store,
        command: plan.whole_command(),
        container,
        of_backend: plan.backend.preview(&launch_plan)?,
        plan,
    };
    let text = if settings.json {
        escape::json(&object(&preview))
    } else {
        text(&preview, Stream::Stdout.width())
    };
    printer::write_large_stdout(text).await?;
    // What the store rejects now, it would reject in a run. An unreachable store may be back later.
    match preview.store.problem {
        Some(RunError::Tracking(error)) if error.is_of_store() => Err(RunError::from(error).into()),
        _ => Ok(()),
    }
}

/// Everything that is shown.
struct Preview<'a> {
    plan: &'a RunPlan,
    parameters: Vec<ShownParameter<'a>>,
    store: StorePreview,
    /// The local shell command, or the entry point's command on another backend.
    command: String,
    /// The command line that starts the container.
    container: Option<Vec<String>>,
    /// Titles and texts.
    of_backend: Vec<(&'static str, String)>,
}

/// A parameter of the run.
struct ShownParameter<'a> {
    name: &'a str,
    /// The recorded value.
    recorded: &'a str,
    /// The command's value; for data to be downloaded, its future path.
    value: Cow<'a, str>,
    /// The declared type; `None` for an undeclared parameter.
    parameter_type: Option<&'a ParameterType>,
    origin: ParameterOrigin,
}

fn parameters<'a>(plan: &'a RunPlan, settings: &RunSettings) -> Vec<ShownParameter<'a>> {
    let (recorded, given) = (by_name(&plan.params_to_log), by_name(&plan.request.parameters));
    let recorded = |name: &str| recorded.get(name).copied().unwrap_or_default();
    let declared = plan.entry_point.parameters.iter();
    let types: HashMap<&str, &ParameterType> = declared
        .map(|declared| (declared.name.as_str(), &declared.parameter_type))
        .collect();
    let declared = plan.parameters.declared.iter().map(|parameter| ShownParameter {
        name: &parameter.name,
        recorded: recorded(&parameter.name),
        value: shown_value(plan, &parameter.value),
        parameter_type: types.get(parameter.name.as_str()).copied(),
        origin: if given.contains_key(parameter.name.as_str()) {
            settings.origin_of(&parameter.name)
        } else {
            ParameterOrigin::Default
        },
    });
    let extra = plan.parameters.extra.iter().map(|(name, value)| ShownParameter {
        name,
        recorded: recorded(name),
        value: value.into(),
        parameter_type: None,
        origin: settings.origin_of(name),
    });
    declared.chain(extra).collect()
}

fn by_name(pairs: &[(String, String)]) -> HashMap<&str, &str> {
    let pairs = pairs.iter();
    pairs
        .map(|(name, value)| (name.as_str(), value.as_str()))
        .collect()
}

fn shown_value<'a>(plan: &RunPlan, value: &'a ParameterValue) -> Cow<'a, str> {
    let ParameterValue::Download { position, .. } = value else {
        return value.text().into();
    };
    let request = plan.data.iter().find(|request| request.position == *position);
    match (request, &plan.command.data_directory) {
        (Some(request), Some(directory)) => request.path_in(directory).to_string_lossy().into_owned().into(),
        _ => value.text().into(),
    }
}

/// The indentation of the parts below a title.
const INDENT: usize = 2;

/// The plan for a person. Commands and requests are shown unchanged, however long their lines are.
fn text(preview: &Preview<'_>, width: usize) -> String {
    let mut text = columns(&head(preview), 0, Stream::Stdout.wraps_at().unwrap_or(usize::MAX));
    let plan = preview.plan;
    text.push_str(&format!(
        "\nentry point {}\n",
        escape::one_line(&plan.entry_point.name)
    ));
    if !preview.parameters.is_empty() {
        text.push_str(&columns(&parameter_rows(&preview.parameters), INDENT, width));
        text.push('\n');
    }
    text.push_str(&block(&preview.command));
    if let Some(words) = &preview.container {
        // Words that would act on a terminal are quoted too.
        let words: Vec<_> = words.iter().map(|word| escape::shell_word(word)).collect();
        text.push_str(&format!("\ncontainer\n{}", block(&words.join(" "))));
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
            "temporary; removed after the run".to_owned()
        } else {
            plan.work_dir.path().display().to_string()
        },
    ));
    rows.push(("environment", plan.environment.to_string()));
    rows.push(("backend", plan.backend.name().to_owned()));
    rows.push(("tracking URI", tracking_store(preview)));
    match &plan.request.run_id {
        Some(run_id) => {
            let status = preview
                .store
                .run_status
                .map(|status| format!(" (exists, {status})"));
            rows.push(("run", format!("{run_id}{}", status.unwrap_or_default())));
        }
        None => rows.push(("experiment", experiment(preview))),
    }
    rows.extend(plan.request.run_name.clone().map(|name| ("run name", name)));
    // What the store itself answers is reported as an error.
    if let Some(problem) = preview
        .store
        .problem
        .as_ref()
        .filter(|_| preview.store.store_exists.is_none())
    {
        rows.push(("", format!("unknown: {problem}")));
    } else if preview.store.is_silent {
        rows.push(("", "unknown: the store does not answer".to_owned()));
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

fn tracking_store(preview: &Preview<'_>) -> String {
    let uri = &preview.plan.tracking_uri;
    match preview.store.store_exists {
        Some(false) => format!("{uri} (will be created)"),
        _ => uri.to_string(),
    }
}

fn experiment(preview: &Preview<'_>) -> String {
    let store = &preview.store;
    let name = match &preview.plan.experiment {
        ExperimentSelector::Default => "Default".to_owned(),
        ExperimentSelector::Id(id) => return id.to_string(),
        ExperimentSelector::Name(name) => format!("'{name}'"),
    };
    match (store.experiment_exists, &store.experiment_id) {
        (Some(true), Some(id)) => format!("{name} ({id})"),
        (Some(false), _) => format!("{name} (will be created)"),
        _ => format!("{name} (created if it does not exist)"),
    }
}

fn reuse(store: &StorePreview) -> String {
    match (&store.reusable_run, &store.reason_against_reuse) {
        (Some(run_id), _) => format!("run {run_id} matches, so nothing would run"),
        (None, Some(reason)) => format!("no run: {reason}"),
        (None, None) => "no run: no finished run of the experiment matches".to_owned(),
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

/// The plan as JSON. New versions may add fields, but never change their meaning.
fn object(preview: &Preview<'_>) -> Value {
    let plan = preview.plan;
    let source = plan.work_dir.source();
    let environment = &plan.environment;
    let is_kept = !plan.work_dir.is_temporary();
    let of_backend: Map<String, Value> = preview
        .of_backend
        .iter()
        .map(|(title, text)| ((*title).to_owned(), Value::from(text.as_str())))
        .collect();
    json!({
        "source": {
            "name": source.name,
            "commit": source.commit,
            "repository": source.repo_url,
            "branch": source.branch,
        },
        "directory": is_kept.then(|| plan.work_dir.path().display().to_string()),
        "entry_point": plan.entry_point.name,
        "parameters": preview.parameters.iter().map(parameter_object).collect::<Vec<_>>(),
        "downloads": plan.data.iter().map(|request| json!({
            "parameter": request.parameter,
            "uri": request.uri.to_string(),
        })).collect::<Vec<_>>(),
        "command": preview.command,
        "environment": {
            "manager": match environment.container() {
                Some(_) => "docker",
                None => environment.manager.as_str(),
            },
            "name": environment.name(),
            "directory": environment.environment_directory().map(|directory| directory.display().to_string()),
            "exists": environment.is_there(),
            "image": environment.container().map(|container| container.image.uri),
        },
        "backend": { "name": plan.backend.name(), "previews": of_backend },
        "container": preview.container,
        "tracking_uri": plan.tracking_uri.to_string(),
        "store_exists": preview.store.store_exists,
        "experiment": experiment_object(preview),
        "run": {
            "run_id": plan.request.run_id.as_ref().map(ToString::to_string),
            "run_name": plan.request.run_name,
            "status": preview.store.run_status.map(|status| status.as_str()),
        },
        "reusable_run": preview.store.reusable_run.as_ref().map(ToString::to_string),
        "problem": match (&preview.store.problem, preview.store.is_silent) {
            (Some(problem), _) => Some(problem.to_string()),
            (None, true) => Some("the store does not answer".to_owned()),
            (None, false) => None,
        },
    })
}

fn experiment_object(preview: &Preview<'_>) -> Value {
    let (name, id) = match &preview.plan.experiment {
        ExperimentSelector::Default => (None, Some("0")),
        ExperimentSelector::Id(id) => (None, Some(id.as_str())),
        ExperimentSelector::Name(name) => (Some(name), None),
    };
    let found = preview.store.experiment_id.as_ref();
    json!({
        "name": name,
        "experiment_id": found.map(|id| id.as_str()).or(id),
        "exists": preview.store.experiment_exists,
    })
}

fn parameter_object(parameter: &ShownParameter<'_>) -> Value {
    json!({
        "name": parameter.name,
        "type": parameter.parameter_type.map(|parameter_type| parameter_type.as_str()),
        "declared": parameter.parameter_type.is_some(),
        "recorded": parameter.recorded,
        "value": parameter.value,
        "from": parameter.origin.as_str(),
    })
}
