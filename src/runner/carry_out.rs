//! What is done for a run after its creation: every way out gives it its end status.

use std::sync::Arc;
use std::time::Instant;

use futures_util::future::BoxFuture;
use tokio::sync::watch;

use super::created::{record_end, tree_tag};
use super::interruption::{catch_panic, until_signal};
use super::{CreatedRun, RunDetails, RunEnding, RunError};
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
    /// It was not: the run had done the work before.
    Reused,
}

/// Launches the entry point, waits for its end and records it.
pub(super) async fn carry_out(
    mut created: CreatedRun,
    signals: &mut Signals,
    details: &watch::Sender<RunDetails>,
    progress: &dyn Progress,
) -> RunEnding {
    let launched = catch_panic(launch(&mut created, signals, details, progress)).await;
    if let Ok(Launched::Submitted) = launched {
        return RunEnding {
            launched: Ok(Launched::Submitted),
            end: None,
            recorded: Ok(created.info.status),
        };
    }
    let end = RunEnd {
        status: status_of(&launched),
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
    created: &mut CreatedRun,
    signals: &mut Signals,
    details: &watch::Sender<RunDetails>,
    progress: &dyn Progress,
) -> Result<Launched, RunError> {
    let interrupted = |signal| Ok(Launched::Ended(Ended::Interrupted { signal }));
    let begun = Instant::now();
    let (command, _data) = match until_signal(signals, created.plan.download_data(progress)).await {
        Ok(downloaded) => downloaded?,
        Err(signal) => return interrupted(signal),
    };
    details.send_modify(|details| details.timings.data = Some(begun.elapsed()));
    let begun = Instant::now();
    let prepared = match until_signal(signals, prepare(&created.plan.environment, progress)).await {
        Ok(prepared) => prepared?,
        Err(signal) => return interrupted(signal),
    };
    let tags = prepared.environment.tags();
    details.send_modify(|details| {
        let planned = details.timings.environment.unwrap_or_default();
        details.timings.environment = Some(planned + begun.elapsed());
        details.environment_tags.clone_from(&tags);
    });
    created.set_tags(&tags).await?;
    match until_signal(signals, created.tell_tree(details)).await {
        Ok(told) => told?,
        Err(signal) => return interrupted(signal),
    }
    let launch_plan = created
        .plan
        .launch_plan(&created.info, command, prepared.environment);
    let begun = Instant::now();
    let mut submitted = created.plan.backend.launch(launch_plan, progress).await?;
    let tags = submitted.tags();
    if !tags.is_empty() {
        details.send_modify(|details| details.backend_tags.clone_from(&tags));
    }
    created.set_tags(&tags).await?;
    if !created.plan.backend.waits() {
        return Ok(Launched::Submitted);
    }
    let ended = submitted.wait(signals, progress).await;
    details.send_modify(|details| details.timings.run = Some(begun.elapsed()));
    drop(prepared.usage);
    Ok(Launched::Ended(ended?))
}

impl CreatedRun {
    async fn set_tags(&self, tags: &[(String, String)]) -> Result<(), RunError> {
        if tags.is_empty() {
            return Ok(());
        }
        Ok(self.store.set_tags(&self.info.run_id, tags).await?)
    }

    /// Tells how the project's files stand to their commit, where that was not known when the run was
    /// created. Afterwards the entry point may change them.
    async fn tell_tree(&mut self, details: &watch::Sender<RunDetails>) -> Result<(), RunError> {
        let tree = self.plan.tree.state().await;
        details.send_modify(|details| details.set_tree(tree));
        let tag = tree_tag(tree, &self.plan.request).filter(|_| !self.tells_tree);
        self.set_tags(tag.as_slice()).await
    }
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
        Ok(Launched::Reused) => RunStatus::Finished,
        Ok(Launched::Ended(Ended::Interrupted { .. })) => RunStatus::Killed,
        Ok(Launched::Submitted) => RunStatus::Running,
        Ok(Launched::Ended(Ended::Exited(_))) | Err(_) => RunStatus::Failed,
    }
}
