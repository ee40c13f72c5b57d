//! Follows a Job until it finishes: its state, its pods, their output, and why they fail.

mod job;
mod logs;
mod phase;
mod pods;
mod watch;

use std::collections::HashSet;
use std::pin::pin;
use std::time::Duration;

use futures_util::{StreamExt as _, stream};
use k8s_openapi::api::batch::v1::Job;
use k8s_openapi::api::core::v1::{Event, Pod};
use kube::runtime::watcher::Config;
use tokio::sync::mpsc;
use tokio::task::{AbortHandle, JoinSet};
use tokio::time::{Instant, interval};

use self::phase::{Deleter, Deletion, End, Phase};
use self::watch::{Change, watch};
use super::api_error::{ApiProblem, ProblemKind};
use super::job_api::{JobHandle, PATIENCE, is_suspended};
use super::pod_status::PodView;
use super::reason::Reason;
use crate::backend::error::ServiceError;
use crate::backend::output_log::RelayedOutput;
use crate::entities::RunStatus;
use crate::events::Progress;
use crate::process::{Ended, Signals};
use crate::quantity;

const TICK: Duration = Duration::from_millis(100);
const MESSAGES: usize = 64;
/// How long the API may be silent before a warning.
const TOLD_AFTER: Duration = Duration::from_secs(30);
/// How often the warning is repeated.
const TOLD_AGAIN: Duration = Duration::from_secs(300);
/// When to give up on a Job that cannot be reached.
const LOST: Duration = Duration::from_secs(30 * 60);
/// The same if the credentials are no longer valid.
const LOCKED_OUT: Duration = Duration::from_secs(120);

#[derive(Debug, Clone, Copy)]
pub(super) struct StartLimit {
    pub(super) after: Duration,
    /// Whether the limit also applies to a slow start without any sign of trouble.
    pub(super) is_strict: bool,
}

enum Message {
    Job(Change<Job>),
    Pods(Change<Pod>),
    /// The pods after the Job's end.
    LastPods(Change<Pod>),
    Events(Change<Event>),
    /// Whole lines of a log; only the very last one may be incomplete.
    Output(Vec<u8>),
    LogUnreadable(ApiProblem),
    /// The log of the pod with this uid has been read as far as possible.
    LogDone(String),
    /// The answer to the Job's deletion.
    Deletion(Result<(), ApiProblem>),
}

struct PodState {
    /// The current state.
    view: tokio::sync::watch::Sender<PodView>,
    logs_done: bool,
    /// The watch of its events, until it has started.
    events: Option<AbortHandle>,
    is_failure_told: bool,
}

/// Follows the Job until it finishes. With a limit, the Job is deleted if the entry point has not started by
/// then, or after a termination signal; without one, a signal only stops the waiting.
///
/// # Errors
/// It failed for another reason than the entry point's exit code, or its end cannot be determined.
pub(super) async fn follow(
    handle: &JobHandle,
    start_limit: Option<StartLimit>,
    output: &mut RelayedOutput,
    signals: &mut Signals,
    progress: &dyn Progress,
) -> Result<Ended, ServiceError> {
    let (sender, mut receiver) = mpsc::channel(MESSAGES);
    let mut follower = Follower {
        handle,
        start_limit,
        output,
        progress,
        sender,
        tasks: JoinSet::new(),
        phase: Phase::starting(),
        deletion: None,
        silence: None,
        job: None,
        pods: Vec::new(),
        told: HashSet::new(),
    };
    follower.watch_job();
    follower.watch_pods(Message::Pods);
    follower.watch_events("Job", &handle.name);
    let mut ticks = interval(TICK);
    let mut signals = pin!(stream::unfold((signals, false), async |(signals, insists)| {
        let signal = if insists {
            signals.further().await
        } else {
            signals.next().await
        };
        Some((signal, (signals, true)))
    }));
    loop {
        if let Some(end) = follower.take_end() {
            return follower.result(end).await;
        }
        tokio::select! {
            biased;
            Some(signal) = signals.next() => {
                if let Some(ended) = follower.take_signal(signal) {
                    return Ok(ended);
                }
            }
            // Never `None`: the follower itself holds a sender.
            Some(message) = receiver.recv() => follower.take(message)?,
            _ = ticks.tick() => {}
        }
        follower.look_at_the_time();
    }
}

/// A period in which the API does not answer.
struct Silence {
    since: Instant,
    /// How long it may last before the next warning.
    told_after: Duration,
    /// The latest reason.
    problem: ApiProblem,
}

impl Silence {
    fn begin(problem: ApiProblem) -> Self {
        Self {
            since: Instant::now(),
            told_after: TOLD_AFTER,
            problem,
        }
    }

    fn was_told(&self) -> bool {
        self.told_after > TOLD_AFTER
    }
}

struct Follower<'a> {
    handle: &'a JobHandle,
    start_limit: Option<StartLimit>,
    output: &'a mut RelayedOutput,
    progress: &'a dyn Progress,
    sender: mpsc::Sender<Message>,
    tasks: JoinSet<()>,
    phase: Phase,
    deletion: Option<Deletion>,
    silence: Option<Silence>,
    job: Option<Job>,
    /// In the order of their appearance.
    pods: Vec<PodState>,
    told: HashSet<String>,
}

impl Follower<'_> {
    fn watch_job(&mut self) {
        let by_name = Config::default().fields(&format!("metadata.name={}", self.handle.name));
        let watched = watch(self.handle.clone(), by_name, self.sender.clone(), Message::Job);
        self.tasks.spawn(watched);
    }

    fn watch_pods(&mut self, wrap: fn(Change<Pod>) -> Message) {
        let of_job = Config::default().labels(&format!("job-name={}", self.handle.name));
        let watched = watch(self.handle.clone(), of_job, self.sender.clone(), wrap);
        self.tasks.spawn(watched);
    }

    fn watch_events(&mut self, kind: &str, name: &str) -> AbortHandle {
        let of_object = format!("involvedObject.kind={kind},involvedObject.name={name}");
        let of_object = Config::default().fields(&of_object);
        let watched = watch(
            self.handle.clone(),
            of_object,
            self.sender.clone(),
            Message::Events,
        );
        self.tasks.spawn(watched)
    }

    fn take(&mut self, message: Message) -> Result<(), ServiceError> {
        match message {
            Message::Job(change) => return self.take_job(change),
            Message::Pods(change) => self.take_pods(change),
            Message::LastPods(Change::Trouble(problem)) => {
                if problem.kind == ProblemKind::Forbidden {
                    self.phase.know_last_pods();
                }
            }
            Message::LastPods(change) => {
                self.phase.know_last_pods();
                self.take_pods(change);
            }
            Message::Events(Change::Listed(events)) => {
                for event in &events {
                    self.take_event(event);
                }
            }
            Message::Events(Change::Changed(event)) => self.take_event(&event),
            Message::Events(_) => {}
            Message::Output(bytes) => self.output.take(&bytes, self.progress),
            // A pod that finished and was removed at once.
            Message::LogUnreadable(problem) if problem.kind == ProblemKind::NotFound => {
                self.tell_once("The pod was removed before its whole log was read");
            }
            Message::LogUnreadable(problem) => {
                self.warn_once(&format!("cannot read the entry point's output: {problem}"));
            }
            Message::LogDone(uid) => {
                if let Some(pod) = self.pod(&uid) {
                    pod.logs_done = true;
                }
            }
            Message::Deletion(answer) => self.take_answer_to_deletion(answer),
        }
        Ok(())
    }

    fn look_at_the_time(&mut self) {
        let now = Instant::now();
        self.look_at_the_deletion(now);
        self.tell_silence(now);
        self.look_at_the_start(now);
    }

    /// Stops the Job if the time to start is over, or if waiting cannot help: the entry point never starts, or
    /// a sidecar container keeps the pod from finishing.
    fn look_at_the_start(&mut self, now: Instant) {
        let Some(limit) = self.start_limit else { return };
        if self.phase.has_ended() || self.signal().is_some() {
            return;
        }
        let newest = self.pods.last().map(|pod| pod.view.borrow().clone());
        let mut is_late = false;
        if let Phase::Starting { since, .. } = &mut self.phase {
            let is_gated = newest.as_ref().is_some_and(|pod| pod.is_gated && !pod.is_over);
            // A queue may take any time to start the Job.
            if is_gated || is_suspended(self.job.as_ref()) {
                *since = now;
            }
            is_late = now >= *since + limit.after;
        }
        let phase = || match &newest {
            Some(pod) => format!("the pod is {}", pod.phase),
            None => "the Job has no pod yet".to_owned(),
        };
        let (what, reason) = match self.problem() {
            Some(problem) if problem.is_lasting => ("cannot start".to_owned(), problem),
            problem if is_late && (problem.is_some() || limit.is_strict) => {
                let slow = || Reason::new(phase(), Some("allow more time with --start-timeout"));
                let what = format!("has not started within {}", quantity::duration(limit.after));
                (what, problem.unwrap_or_else(slow))
            }
            _ => return,
        };
        self.delete(Deleter::StartLimit, PATIENCE);
        let text = format!("the entry point {what}: {}", reason.text);
        let reason = Reason { text, ..reason };
        self.finish(End::Known(Err(reason.into())));
    }

    fn tell_silence(&mut self, now: Instant) {
        let Some(silence) = &mut self.silence else { return };
        let problem = &silence.problem;
        let lasted = Duration::from_secs((now - silence.since).as_secs());
        let patience = match problem.kind {
            ProblemKind::Unauthorized => LOCKED_OUT,
            _ => LOST,
        };
        let (cluster, time) = (&self.handle.cluster, quantity::duration(lasted));
        if lasted >= patience {
            let text = format!(
                "the Job '{}' may still be running, but {cluster} has not answered for {time}",
                self.handle.name
            );
            let hint = "`mlrun wait RUN_ID` follows it again".to_owned();
            let lost = ServiceError::failed(text, Some(hint), Some(problem.clone().into()));
            self.silence = None;
            self.finish(End::Known(Err(lost.with_status(RunStatus::Running))));
            self.phase.stop_draining();
        } else if lasted >= silence.told_after {
            silence.told_after = lasted + TOLD_AGAIN;
            self.progress.warning(&format!(
                "{cluster} has not answered for {time}: {problem}; the Job keeps running, and mlrun keeps trying \
                to reach it"
            ));
        }
    }

    fn tell_once(&mut self, text: &str) {
        if self.told.insert(text.to_owned()) {
            self.progress.info(text);
        }
    }

    fn warn_once(&mut self, text: &str) {
        if self.told.insert(text.to_owned()) {
            self.progress.warning(text);
        }
    }
}
