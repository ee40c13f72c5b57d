//! A run after its creation: every way out records its end.

use std::future::pending;
use std::panic::AssertUnwindSafe;
use std::pin::pin;
use std::sync::Arc;
use std::time::Instant;

use futures_util::future::BoxFuture;
use tokio::sync::watch;

use super::created_run::tree_tag;
use super::failure::Traces;
use super::log_output::KeptOutput;
use super::record::{end_now, record_end, record_remote};
use super::run_ending::{Launched, RunEnding};
use super::{CreatedRun, RunDetails, RunError};
use crate::backend::{Launch, LaunchPlan};
use crate::entities::{RunStatus, UnixMillis};
use crate::environment::{self, EnvironmentError, EnvironmentPlan, Prepared, Usage};
use crate::events::Progress;
use crate::fetch::{TreeComparison, TreeState};
use crate::process::{Ended, Interruptible, OWN_SIGNAL_DELAY, Signals, until_signal};
use crate::temporary::TemporaryDirectory;
use crate::tracking::RunEnd;

/// Launches the entry point, waits for its end and records it.
pub(super) async fn execute(
    mut created: CreatedRun,
    signals: &mut Signals,
    details: &watch::Sender<RunDetails>,
    progress: &dyn Progress,
) -> RunEnding {
    let told = signals.told();
    let tree = std::mem::replace(&mut created.plan.tree, TreeComparison::Known(TreeState::Unknown));
    let mut traces = None;
    let work = launch(&created, tree, signals, details, &mut traces, progress);
    let launched = launch_or_mark(&created, told, work).await.map_err(Arc::new);
    if status_of(&launched).is_terminated() {
        let ending = record(&created, launched, signals, progress).await;
        if let (Ok(Launched::Exited(exit)), Some(traces)) = (&ending.launched, traces)
            && !exit.is_success()
            && let Interruptible::Done(hint) = until_signal(signals, traces.hint(*exit)).await
        {
            details.send_modify(|details| details.failure_hint = hint);
        }
        return ending;
    }
    RunEnding {
        launched,
        end: None,
        recorded: Ok(created.info.status),
    }
}

/// Records how a run ended. A signal that comes now may have been meant for the entry point too, which
/// has just ended by it: batch systems signal all processes of a job, one after the other. The end was
/// an interruption then.
async fn record(
    created: &CreatedRun,
    launched: Result<Launched, Arc<RunError>>,
    signals: &mut Signals,
    progress: &dyn Progress,
) -> RunEnding {
    let end = RunEnd {
        status: status_of(&launched),
        end_time: UnixMillis::now(),
        // A run of `--run-id` that had ended before has no verdict of this entry point.
        keep_failure: !created.info.status.is_terminated()
            && matches!(&launched, Ok(Launched::Exited(exit)) if exit.is_success()),
    };
    let was_interrupted = matches!(launched, Ok(Launched::Interrupted { .. }));
    let begun = Instant::now();
    let (mut told, mut told_after) = (pin!(signals.told()), None);
    let (recorded, signal) = {
        let mut recorded = pin!(record_end(created, end, was_interrupted, signals, progress));
        loop {
            tokio::select! {
                () = &mut told, if told_after.is_none() => told_after = Some(begun.elapsed()),
                recorded = &mut recorded => break recorded,
            }
        }
    };
    let is_in_time = told_after.unwrap_or_else(|| begun.elapsed()) < OWN_SIGNAL_DELAY;
    let mut ending = RunEnding {
        launched,
        end: Some(end),
        recorded,
    };
    if let (Ok(Launched::Exited(_)), Some(signal)) = (&ending.launched, signal)
        && is_in_time
    {
        let end = end_now(RunStatus::Killed);
        ending.launched = Ok(Launched::Interrupted { signal });
        ending.end = Some(end);
        (ending.recorded, _) = record_end(created, end, true, signals, progress).await;
    }
    ending
}

/// Launches the entry point. When a signal asks for its end, the run is marked at once, while its
/// processes are given time: whoever sent the signal may kill this program too before they have ended.
async fn launch_or_mark(
    created: &CreatedRun,
    told: impl Future<Output = ()>,
    launch: impl Future<Output = Result<Launched, RunError>>,
) -> Result<Launched, RunError> {
    let launched = catch_panic(launch);
    if !created.plan.backend.waits() {
        return launched.await;
    }
    let marked = async {
        told.await;
        // A store that refuses will say so when the end itself is recorded.
        if let Err(error) = created
            .store
            .end_run(&created.info.run_id, end_now(RunStatus::Killed))
            .await
        {
            tracing::debug!(%error, "a run that is being ended");
        }
        pending().await
    };
    tokio::select! {
        biased;
        launched = launched => launched,
        never = marked => never,
    }
}

/// Launches the entry point once it is prepared, and waits for its end if the backend is to be waited for.
async fn launch(
    created: &CreatedRun,
    tree: TreeComparison,
    signals: &mut Signals,
    details: &watch::Sender<RunDetails>,
    traces: &mut Option<Traces>,
    progress: &dyn Progress,
) -> Result<Launched, RunError> {
    let preparation = created.prepare(tree, details, progress);
    match until_signal(signals, preparation).await.transpose()? {
        Interruptible::Done(prepared) => {
            *traces = Traces::new(created, &prepared.launch_plan);
            run_entry_point(created, prepared, signals, details, traces, progress).await
        }
        Interruptible::Interrupted(signal) => Ok(Launched::Interrupted { signal }),
    }
}

/// An entry point that only has to be started, and what must be there until it has ended.
struct PreparedLaunch {
    launch_plan: LaunchPlan,
    usage: Usage,
    _data: Option<TemporaryDirectory>,
}

/// Starts the entry point and waits for its end.
async fn run_entry_point(
    created: &CreatedRun,
    mut prepared: PreparedLaunch,
    signals: &mut Signals,
    details: &watch::Sender<RunDetails>,
    traces: &mut Option<Traces>,
    progress: &dyn Progress,
) -> Result<Launched, RunError> {
    let kept = KeptOutput::begin(created)?;
    prepared.launch_plan.output_log = kept.as_ref().map(KeptOutput::files);
    let begun = Instant::now();
    let backend = created.plan.backend.as_ref();
    let mut submitted = match backend.launch(prepared.launch_plan, signals, progress).await? {
        Launch::Done(submitted) => submitted,
        Launch::Interrupted(signal) => return Ok(Launched::Interrupted { signal }),
    };
    let signal = match submitted.remote() {
        Some(remote) => {
            record_remote(created, submitted.as_mut(), remote, details, signals, progress).await?
        }
        None => None,
    };
    if signal.is_none() && !backend.waits() {
        return Ok(Launched::Submitted);
    }
    // It is for the backend to end what it has started.
    signals.put_back(signal);
    let ended = submitted.wait(signals, progress).await;
    details.send_modify(|details| details.timings.run = Some(begun.elapsed()));
    drop(prepared.usage);
    if let Some(kept) = kept {
        let was_interrupted = matches!(ended, Ok(Ended::Interrupted(_)));
        let has_failed = matches!(ended, Ok(Ended::Done(exit)) if !exit.is_success());
        if let Some(traces) = traces.as_mut().filter(|_| has_failed)
            && let Err(error) = traces.read_errors(&kept.files().stderr)
        {
            tracing::debug!(%error, "the kept output cannot be searched for the failure");
        }
        kept.upload(created, was_interrupted, signals, progress).await;
    }
    Ok(ended?.into())
}

impl CreatedRun {
    /// Downloads data, prepares the environment and brings to the backend what it needs.
    async fn prepare(
        &self,
        tree: TreeComparison,
        details: &watch::Sender<RunDetails>,
        progress: &dyn Progress,
    ) -> Result<PreparedLaunch, RunError> {
        let begun = Instant::now();
        let (command, data) = self.plan.download_data(progress).await?;
        details.send_modify(|details| details.timings.data = Some(begun.elapsed()));
        let begun = Instant::now();
        let Prepared { environment, usage } = prepare(&self.plan.environment, progress).await?;
        let tags = environment.tags();
        details.send_modify(|details| {
            let planned = details.timings.environment.unwrap_or_default();
            details.timings.environment = Some(planned + begun.elapsed());
            details.environment_tags.clone_from(&tags);
        });
        self.set_tags(&tags).await?;
        self.tell_tree(tree, details).await?;
        let workspace = self.plan.workspace(self.store.as_ref()).await?;
        let launch_plan = self.plan.launch_plan(&self.info, command, environment, workspace);
        self.plan.backend.stage(&launch_plan, progress).await?;
        Ok(PreparedLaunch {
            launch_plan,
            usage,
            _data: data,
        })
    }

    async fn set_tags(&self, tags: &[(String, String)]) -> Result<(), RunError> {
        if tags.is_empty() {
            return Ok(());
        }
        Ok(self.store.set_tags(&self.info.run_id, tags).await?)
    }

    /// Records if the project's files differ from their commit, unless that was known when the run was created.
    /// Afterwards the entry point may change them.
    async fn tell_tree(
        &self,
        mut tree: TreeComparison,
        details: &watch::Sender<RunDetails>,
    ) -> Result<(), RunError> {
        let tree = tree.state().await;
        details.send_modify(|details| details.set_tree(tree));
        let tag = tree_tag(tree, &self.plan.request).filter(|_| !self.tells_tree);
        self.set_tags(tag.as_slice()).await
    }
}

/// [`environment::prepare`], boxed: otherwise the compiler cannot prove that the future is `Send`.
fn prepare<'a>(
    plan: &'a EnvironmentPlan,
    progress: &'a dyn Progress,
) -> BoxFuture<'a, Result<Prepared, EnvironmentError>> {
    Box::pin(environment::prepare(plan, progress))
}

/// Turns a panic, which the panic report has shown already, into an error.
async fn catch_panic<T>(work: impl Future<Output = Result<T, RunError>>) -> Result<T, RunError> {
    let mut work = pin!(work);
    std::future::poll_fn(|context| {
        std::panic::catch_unwind(AssertUnwindSafe(|| work.as_mut().poll(context)))
            .unwrap_or(std::task::Poll::Ready(Err(RunError::Bug)))
    })
    .await
}

fn status_of(launched: &Result<Launched, Arc<RunError>>) -> RunStatus {
    match launched {
        Ok(Launched::Exited(exit)) if exit.is_success() => RunStatus::Finished,
        Ok(Launched::Reused) => RunStatus::Finished,
        Ok(Launched::Interrupted { .. }) => RunStatus::Killed,
        Ok(Launched::Submitted) => RunStatus::Running,
        Ok(Launched::Exited(_)) => RunStatus::Failed,
        Err(error) => error.run_status(),
    }
}
