//! The creation of a Job, which a signal may cut short: also then none is left behind.

use std::time::Duration;

use k8s_openapi::api::batch::v1::Job;
use serde_json::Value;
use tokio::time::{Instant, sleep, timeout};

use super::api_problem::{ApiProblem, ProblemKind};
use super::handle::{JobHandle, PATIENCE};
use super::watch::Pauses;
use crate::events::Progress;
use crate::process::{Signals, TerminationSignal};

/// How long the answer to a request that is under way may still come after a signal.
const ANSWER_PATIENCE: Duration = Duration::from_secs(1);
/// How long a Job is looked for that may have been created.
const LOOK_PATIENCE: Duration = Duration::from_secs(2);
/// How often it is looked for in that time.
const LOOK_AGAIN: Duration = Duration::from_millis(100);

/// What became of a Job that was to be created.
#[derive(Debug)]
pub(super) enum Creation {
    /// It is there; a signal may have come meanwhile.
    Done(Box<Job>, Option<TerminationSignal>),
    /// The signal came first. The Job is not there, or the person has been told that it may be.
    Interrupted(TerminationSignal),
}

/// What is known of requests whose answers were lost.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Doubt {
    /// None was carried out.
    None,
    /// One may have been carried out.
    MayBeThere,
    /// One may be carried out even now.
    MayCome,
}

/// Creates the Job. A request whose answer was lost is made again; the Job that it made is then known
/// by its name, which no other has.
pub(super) async fn create(
    handle: &JobHandle,
    job: &Value,
    signals: &mut Signals,
    progress: &dyn Progress,
) -> Result<Creation, ApiProblem> {
    let begun = Instant::now();
    let mut pauses = Pauses::default();
    let mut doubt = Doubt::None;
    loop {
        let mut answer = Box::pin(handle.create_once(job, false));
        let answered = tokio::select! {
            biased;
            signal = signals.next() => Err(signal),
            answer = &mut answer => Ok(answer),
        };
        let problem = match answered {
            Ok(Ok(answer)) => return Ok(Creation::Done(Box::new(answer.job), None)),
            Ok(Err(problem)) => problem,
            Err(signal) => {
                match timeout(ANSWER_PATIENCE, answer).await {
                    Ok(Ok(answer)) => return Ok(Creation::Done(Box::new(answer.job), Some(signal))),
                    Ok(Err(problem)) => doubt = doubt.max(left_by(&problem)),
                    Err(_) => doubt = Doubt::MayCome,
                }
                return Ok(interrupted(handle, doubt, signal, signals, progress).await);
            }
        };
        doubt = doubt.max(left_by(&problem));
        let is_there = problem.kind == ProblemKind::AlreadyExists && doubt > Doubt::None;
        if is_there || !problem.is_passing() || begun.elapsed() >= PATIENCE {
            return match found(handle, doubt, signals, progress).await {
                Some(job) => Ok(Creation::Done(Box::new(job), None)),
                None => Err(problem),
            };
        }
        tracing::debug!(%problem, "a Job that is not created yet");
        let paused = tokio::select! {
            biased;
            signal = signals.next() => Err(signal),
            () = pauses.pause() => Ok(()),
        };
        if let Err(signal) = paused {
            return Ok(interrupted(handle, doubt, signal, signals, progress).await);
        }
    }
}

/// What a request leaves that was answered so.
fn left_by(problem: &ApiProblem) -> Doubt {
    if problem.may_be_done() {
        Doubt::MayBeThere
    } else {
        Doubt::None
    }
}

async fn interrupted(
    handle: &JobHandle,
    doubt: Doubt,
    signal: TerminationSignal,
    signals: &mut Signals,
    progress: &dyn Progress,
) -> Creation {
    match found(handle, doubt, signals, progress).await {
        Some(job) => Creation::Done(Box::new(job), Some(signal)),
        None => Creation::Interrupted(signal),
    }
}

/// The Job, where it is there against all appearances. Where that cannot be known, the person is told.
async fn found(
    handle: &JobHandle,
    doubt: Doubt,
    signals: &mut Signals,
    progress: &dyn Progress,
) -> Option<Job> {
    if doubt == Doubt::None {
        return None;
    }
    let looked = tokio::select! {
        biased;
        _ = signals.further() => None,
        looked = timeout(LOOK_PATIENCE, look(handle, doubt)) => looked.ok(),
    };
    match looked {
        Some(Ok(job)) => return job,
        Some(Err(problem)) => tracing::debug!(%problem, "a Job that cannot be looked for"),
        None => {}
    }
    progress.warning(&format!(
        "whether the Job '{}' was created is not known; if it was, delete it: {}",
        handle.name,
        handle.deletion_command()
    ));
    None
}

/// Looks for the Job until it is known whether it is there.
async fn look(handle: &JobHandle, doubt: Doubt) -> Result<Option<Job>, ApiProblem> {
    loop {
        match handle
            .jobs()
            .get_opt(&handle.name)
            .await
            .map_err(ApiProblem::from)
        {
            Ok(None) if doubt == Doubt::MayCome => {}
            Ok(found) => return Ok(found),
            Err(problem) if !problem.is_passing() => return Err(problem),
            Err(_) => {}
        }
        sleep(LOOK_AGAIN).await;
    }
}
