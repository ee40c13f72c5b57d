//! What is done for a run after its creation: every way out gives it its end status.

use std::sync::Arc;

use futures_util::future::BoxFuture;

use super::created::record_end;
use super::interruption::{catch_panic, until_signal};
use super::{CreatedRun, RunEnding, RunError};
use crate::environment::{self, EnvironmentError, EnvironmentPlan, Prepared};
use crate::events::Progress;
use crate::process::{Ended, Signals};
use crate::run::{RunStatus, UnixMillis};
use crate::tracking::RunEnd;

/// What became of an entry point that was to be launched.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Launched {
    /// It ended, or a signal ended it or what came before it.
    Ended(Ended),
    /// The backend has it, and nobody waits for it here.
    Submitted,
}

/// Launches the entry point, waits for its end and records it.
pub(super) async fn carry_out(
    created: CreatedRun,
    signals: &mut Signals,
    progress: &dyn Progress,
) -> RunEnding {
    let launched = catch_panic(launch(&created, signals, progress)).await;
    let status = status_of(&launched);
    if !status.is_terminated() {
        return RunEnding {
            launched: launched.map_err(Arc::new),
            end: None,
            recorded: Ok(created.info.status),
        };
    }
    let end = RunEnd {
        status,
        end_time: UnixMillis::now(),
        // A run of `--run-id` that had ended before has no verdict of this entry point.
        keep_failure: !created.info.status.is_terminated()
            && matches!(&launched, Ok(Launched::Ended(Ended::Exited(exit))) if exit.is_success()),
    };
    let recorded = record_end(created.store.as_ref(), &created.info, end, signals).await;
    RunEnding {
        launched: launched.map_err(Arc::new),
        end: Some(end),
        recorded: recorded.map_err(Arc::new),
    }
}

/// Downloads data, prepares the environment, starts the entry point and waits for its end, unless
/// the backend shall not be waited for.
async fn launch(
    created: &CreatedRun,
    signals: &mut Signals,
    progress: &dyn Progress,
) -> Result<Launched, RunError> {
    let CreatedRun { plan, store, info } = created;
    let interrupted = |signal| Ok(Launched::Ended(Ended::Interrupted { signal }));
    let (command, _data) = match until_signal(signals, plan.download_data(progress)).await {
        Ok(downloaded) => downloaded?,
        Err(signal) => return interrupted(signal),
    };
    let prepared = match until_signal(signals, prepare(&plan.environment, progress)).await {
        Ok(prepared) => prepared?,
        Err(signal) => return interrupted(signal),
    };
    let environment_tags = prepared.environment.tags();
    if !environment_tags.is_empty() {
        store.set_tags(&info.run_id, &environment_tags).await?;
    }
    let launch_plan = plan.launch_plan(info, command, prepared.environment);
    match until_signal(signals, plan.backend.stage(&launch_plan, progress)).await {
        Ok(staged) => staged?,
        Err(signal) => return interrupted(signal),
    }
    let mut submitted = plan.backend.launch(launch_plan, progress).await?;
    let tags = submitted.tags();
    if !tags.is_empty() {
        store.set_tags(&info.run_id, &tags).await?;
    }
    if !plan.backend.waits() {
        return Ok(Launched::Submitted);
    }
    let ended = submitted.wait(signals, progress).await?;
    drop(prepared.usage);
    Ok(Launched::Ended(ended))
}

/// [`environment::prepare`], boxed: only so can the compiler tell that a task may do it.
fn prepare<'a>(
    plan: &'a EnvironmentPlan,
    progress: &'a dyn Progress,
) -> BoxFuture<'a, Result<Prepared, EnvironmentError>> {
    Box::pin(environment::prepare(plan, progress))
}

fn status_of(launched: &Result<Launched, RunError>) -> RunStatus {
    match launched {
        Ok(Launched::Ended(Ended::Exited(exit))) if exit.is_success() => RunStatus::Finished,
        Ok(Launched::Ended(Ended::Interrupted { .. })) => RunStatus::Killed,
        Ok(Launched::Submitted) => RunStatus::Running,
        Err(RunError::Backend(error)) => error.run_status(),
        Ok(Launched::Ended(Ended::Exited(_))) | Err(_) => RunStatus::Failed,
    }
}
