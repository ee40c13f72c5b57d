//! `--dry-run`: what a run would do.

mod json;
mod text;

use crate::cli::layout;
use crate::cli::params_file::ParameterOrigin;
use crate::cli::printer::{self, Printer};
use crate::cli::report::Failure;
use crate::cli::settings::RunSettings;
use crate::project::{ParameterType, quote};
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
    /// What the command gets.
    value: &'a str,
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
    printer::write_stdout(&if settings.json {
        format!("{:#}\n", json::object(&preview))
    } else {
        text::text(&preview, layout::line_width())
    })?;
    // What the store refuses it would refuse to a run too. One that cannot be reached may be there later.
    match preview.store.problem {
        Some(RunError::Tracking(error)) if error.is_of_store() => Err(RunError::from(error).into()),
        _ => Ok(()),
    }
}

fn parameters<'a>(plan: &'a RunPlan, settings: &RunSettings) -> Vec<ShownParameter<'a>> {
    let recorded = |name: &str| {
        let found = plan.params_to_log.iter().find(|(other, _)| other == name);
        found.map_or("", |(_, value)| value.as_str())
    };
    let given = |name: &str| plan.request.parameters.iter().any(|(other, _)| other == name);
    let declared = plan.parameters.declared.iter().map(|parameter| ShownParameter {
        name: &parameter.name,
        recorded: recorded(&parameter.name),
        value: parameter.value.text(),
        parameter_type: plan
            .entry_point
            .parameters
            .iter()
            .find(|declared| declared.name == parameter.name)
            .map(|declared| &declared.parameter_type),
        origin: if given(&parameter.name) {
            settings.origin_of(&parameter.name)
        } else {
            ParameterOrigin::Default
        },
    });
    let extra = plan.parameters.extra.iter().map(|(name, value)| ShownParameter {
        name,
        recorded: recorded(name),
        value,
        parameter_type: None,
        origin: settings.origin_of(name),
    });
    declared.chain(extra).collect()
}

/// Words as one types them in a shell.
fn command_line(words: &[String]) -> String {
    let quoted: Vec<_> = words.iter().map(|word| quote(word)).collect();
    quoted.join(" ")
}
