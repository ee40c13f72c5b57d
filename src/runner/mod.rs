//! Runs of projects, from the request to the recorded end.
//!
//! [`run_with`] does it in three steps, which the command line takes too: [`RunPlan::make`] fetches the project and
//! checks everything that can be checked, [`RunPlan::begin`] finds a run to reuse or creates one in the tracking
//! store, and [`Begun::submit`] does the work.
//!
//! Nothing here is global to the process: several runs at once do not affect each other. No signals are handled, and
//! only children that a run started are touched, unless the program asks for more
//! ([`Signals::install`](crate::process::Signals::install),
//! [`own_all_children`](crate::process::own_all_children)). Therefore:
//!
//! - A program that ends by a signal, such as Ctrl-C, leaves its runs behind. Call
//!   [`SubmittedRun::cancel`] and [`SubmittedRun::wait`] before it ends.
//! - Cancelling a run does not find a process that its entry point started in another process group and whose
//!   parent has ended.

mod created_run;
mod error;
mod execute;
mod failure;
mod log_output;
mod make_plan;
mod path_data;
mod plan;
mod record;
mod request;
mod reuse;
mod run_ending;
mod store_preview;
mod submitted_run;

use std::sync::Arc;

pub(crate) use created_run::CreatedRun;
pub use error::RunError;
pub(crate) use make_plan::in_background;
pub(crate) use plan::RunPlan;
pub(crate) use request::select_experiment;
pub use request::{ImageChoice, RunRequest};
pub(crate) use reuse::ReusableRun;
pub use run_ending::{Launched, RunEnding};
pub(crate) use run_ending::{RunDetails, Timings};
pub(crate) use store_preview::StorePreview;
pub(crate) use submitted_run::Begun;
pub use submitted_run::SubmittedRun;

use crate::events::{Progress, Silent};
use crate::process::Signals;

/// Runs a project: returns when the run is in the tracking store, and goes on with it in a task.
///
/// # Errors
/// The project cannot be fetched, something about it or the request is wrong, or the store refuses. There
/// is no run then, unless the error is [`RunError::NotPrepared`]. What goes wrong later is part of
/// [`RunEnding`].
///
/// # Panics
/// Outside of a tokio runtime with its I/O and time drivers.
///
/// # Examples
/// ```
/// # let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
/// # runtime.block_on(async {
/// use mlrun::{EnvManager, RunRequest, RunStatus};
///
/// # let directory = tempfile::tempdir()?;
/// # std::fs::write(
/// #     directory.path().join("MLproject"),
/// #     "entry_points:\n  main:\n    parameters:\n      alpha: {type: float, default: 0.1}\n    command: test {alpha} = 0.5\n",
/// # )?;
/// let request = RunRequest::new(".")
///     .parameter("alpha", 0.5)
///     .env_manager(EnvManager::Local)
///     .current_directory(directory.path());
/// let run = mlrun::run(request).await?;
/// println!("run {} has begun", run.run_id());
/// let ending = run.wait().await;
/// assert_eq!(ending.status(), RunStatus::Finished);
/// # Ok::<_, Box<dyn std::error::Error>>(())
/// # })?;
/// # Ok::<_, Box<dyn std::error::Error>>(())
/// ```
pub async fn run(request: RunRequest) -> Result<SubmittedRun, RunError> {
    run_with(request, Signals::on_request()?, Arc::new(Silent)).await
}

/// As [`run`], with signals that may cut it short, and something that hears what a person may want to know
/// meanwhile.
///
/// # Errors
/// As of [`run`]; also [`RunError::Interrupted`] and [`RunError::InterruptedInCreation`]. A signal that comes
/// later is part of [`RunEnding`].
///
/// # Panics
/// As of [`run`].
pub async fn run_with(
    request: RunRequest,
    mut signals: Signals,
    progress: Arc<dyn Progress>,
) -> Result<SubmittedRun, RunError> {
    let plan = RunPlan::make(request, &mut signals, progress.as_ref()).await?;
    let begun = plan.begin(&mut signals, &progress, || {}).await?;
    Ok(begun.submit(signals, progress))
}
