//! `--dry-run`: what a run would do.

mod json;
mod preview;
mod text;

use crate::cli::escape;
use crate::cli::printer::{self, Printer};
use crate::cli::report::Failure;
use crate::cli::settings::RunSettings;
use crate::cli::text_table::Stream;
use crate::redact;
use crate::runner::{RunError, RunPlan, StorePreview};
use preview::{Preview, parameters};

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
