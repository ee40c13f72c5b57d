//! `--dry-run`: what a run would do.

mod json;
mod text;

use std::borrow::Cow;
use std::collections::{HashMap, HashSet};

use crate::cli::escape;
use crate::cli::layout::Stream;
use crate::cli::params_file::ParameterOrigin;
use crate::cli::printer::{self, Printer};
use crate::cli::report::Failure;
use crate::cli::settings::RunSettings;
use crate::project::{ParameterType, ParameterValue};
use crate::redact;
use crate::runner::{RunError, RunPlan, StoreGlance};

/// All that is shown.
struct Preview<'a> {
    plan: &'a RunPlan,
    parameters: Vec<ShownParameter<'a>>,
    store: StoreGlance,
    /// What the shell runs on this machine, or what the entry point's command is elsewhere.
    command: String,
    /// The program that makes the container, and its arguments.
    container: Option<Vec<String>>,
    /// Titles and texts.
    of_backend: Vec<(&'static str, String)>,
}

/// A parameter of the run.
struct ShownParameter<'a> {
    name: &'a str,
    /// What the run records.
    recorded: &'a str,
    /// What the command gets; of data that is still to be downloaded, the path that it will have.
    value: Cow<'a, str>,
    /// The declared type; nothing where the parameter is not declared.
    parameter_type: Option<&'a ParameterType>,
    origin: ParameterOrigin,
}

/// Writes the plan to standard output, which no entry point uses in a dry run.
pub(crate) async fn show(
    plan: &mut RunPlan,
    settings: &RunSettings,
    printer: &Printer,
) -> Result<(), Failure> {
    let store = plan.glance_at_store(printer).await;
    let plan = &*plan;
    let launch_plan = plan.imagined_launch(plan.imagined_environment(), &StoreGlance::default());
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
        escape::json(&json::object(&preview))
    } else {
        text::text(&preview, Stream::Stdout.width())
    };
    printer::write_large_stdout(text).await?;
    // What the store refuses it would refuse to a run too. One that cannot be reached may be there later.
    match preview.store.problem {
        Some(RunError::Tracking(error)) if error.is_of_store() => Err(RunError::from(error).into()),
        _ => Ok(()),
    }
}

fn parameters<'a>(plan: &'a RunPlan, settings: &RunSettings) -> Vec<ShownParameter<'a>> {
    let recorded: HashMap<&str, &str> = plan
        .params_to_log
        .iter()
        .map(|(name, value)| (name.as_str(), value.as_str()))
        .collect();
    let recorded = |name: &str| recorded.get(name).copied().unwrap_or_default();
    let given: HashSet<&str> = plan
        .request
        .parameters
        .iter()
        .map(|(name, _)| name.as_str())
        .collect();
    let types: HashMap<&str, &ParameterType> = plan
        .entry_point
        .parameters
        .iter()
        .map(|declared| (declared.name.as_str(), &declared.parameter_type))
        .collect();
    let paths: HashMap<usize, String> = plan
        .data
        .iter()
        .zip(plan.command.data_directory.iter().cycle())
        .map(|(request, directory)| {
            (
                request.position,
                request.path_in(directory).to_string_lossy().into_owned(),
            )
        })
        .collect();
    let declared = plan.parameters.declared.iter().map(|parameter| ShownParameter {
        name: &parameter.name,
        recorded: recorded(&parameter.name),
        value: shown_value(&parameter.value, &paths),
        parameter_type: types.get(parameter.name.as_str()).copied(),
        origin: if given.contains(parameter.name.as_str()) {
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

fn shown_value<'a>(value: &'a ParameterValue, paths: &HashMap<usize, String>) -> Cow<'a, str> {
    let path = match value {
        ParameterValue::Download { position, .. } => paths.get(position),
        ParameterValue::Text(_) => None,
    };
    path.map_or_else(|| value.text().into(), |path| path.clone().into())
}

/// Words as one types them in a shell, also those that act on a terminal.
fn command_line(words: &[String]) -> String {
    let quoted: Vec<_> = words.iter().map(|word| escape::shell_word(word)).collect();
    quoted.join(" ")
}
