//! A Job that is followed to its end: what it and its pods become, what they write, and why they fail.

mod job;
mod logs;
mod pods;

use std::collections::HashSet;
use std::pin::pin;
use std::time::Duration;

use futures_util::{StreamExt as _, stream};
use k8s_openapi::api::batch::v1::{Job, JobCondition};
use k8s_openapi::api::core::v1::{Event, Pod};
use kube::runtime::watcher::Config;
use tokio::sync::mpsc;
use tokio::task::{AbortHandle, JoinSet};
use tokio::time::{Instant, interval};

use super::KubernetesError;
use super::error::{ApiProblem, ProblemKind, seconds};
use super::job_api::{JobHandle, PATIENCE};
use super::job_state::is_suspended;
use super::pod_status::PodView;
use super::reason::Reason;
use super::watch::{Change, watch};
use crate::backend::output_log::RelayedOutput;
use crate::entities::RunStatus;
use crate::events::Progress;
use crate::process::{Ended, Signals, TerminationSignal};

/// How long logs may still come when the Job has ended.
const LOG_DRAIN: Duration = Duration::from_secs(20);
/// How often to look at the time.
const TICK: Duration = Duration::from_millis(100);
const MESSAGES: usize = 64;
/// How long the API may be silent before that is said.
const TOLD_AFTER: Duration = Duration::from_secs(30);
/// How often it is said again.
const TOLD_AGAIN: Duration = Duration::from_secs(300);
/// When a Job that cannot be asked for is given up.
const LOST: Duration = Duration::from_secs(30 * 60);
/// When it is given up where the credentials are no longer valid.
const LOCKED_OUT: Duration = Duration::from_secs(120);

/// How long the entry point may take to start.
#[derive(Debug, Clone, Copy)]
pub(super) struct StartLimit {
    pub(super) after: Duration,
    /// Whether a start that only takes long, without any sign of trouble, is given up too.
    pub(super) is_strict: bool,
}

enum End {
    Known(Result<Ended, KubernetesError>),
    /// It failed so, and its pods may tell why.
    Failed(JobCondition),
    /// It is gone. This is said if the cluster does not remember more.
    Gone(KubernetesError),
}

enum Message {
    Job(Change<Job>),
    Pods(Change<Pod>),
    /// The pods as they are when the Job has ended.
    LastPods(Change<Pod>),
    Events(Change<Event>),
    /// Whole lines of a log; the last one of all may lack its end.
    Output(Vec<u8>),
    LogUnreadable(ApiProblem),
    /// The log of the pod with this uid has been read, as far as it can be.
    LogDone(String),
    /// The Job's deletion was asked for; the answer.
    Deletion(Result<(), ApiProblem>),
}

/// A pod of the Job.
struct PodState {
    /// As it is, for all who follow it.
    view: tokio::sync::watch::Sender<PodView>,
    /// Whether its logs have been read to their end.
    logs_done: bool,
    /// The watch of its events, until it has started.
    events: Option<AbortHandle>,
    is_failure_told: bool,
}

/// A deletion of the Job that has not come to its end.
#[derive(Debug, Clone, Copy)]
enum Deletion {
    /// This program has asked for it, and the API has not answered.
    Asked,
    /// It goes on, and may take until then.
    Begun { until: Instant },
}

/// Follows the Job to its end. With a limit, the Job is deleted if the entry point has not started by then,
/// or after a termination signal; without one, a signal only ends the waiting.
///
/// # Errors
/// It failed for another reason than the entry point's exit code, or its end cannot be known.
pub(super) async fn follow(
    handle: &JobHandle,
    start_limit: Option<StartLimit>,
    output: &mut RelayedOutput,
    signals: &mut Signals,
    progress: &dyn Progress,
) -> Result<Ended, KubernetesError> {
    let (sender, mut receiver) = mpsc::channel(MESSAGES);
    let mut follower = Follower {
        handle,
        start_limit,
        output,
        progress,
        sender,
        tasks: JoinSet::new(),
        job: None,
        pods: Vec::new(),
        event_problem: None,
        told: HashSet::new(),
        has_started: false,
        waiting_since: Instant::now(),
        end: None,
        drained_by: None,
        knows_last_pods: false,
        silence: None,
        signal: None,
        is_cancelled: false,
        deletion: None,
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
        if let Some(ended) = follower.result().await {
            return ended;
        }
        tokio::select! {
            biased;
            Some(signal) = signals.next() => {
                if follower.take_signal(signal) {
                    return Ok(Ended::Interrupted(follower.signal.unwrap_or(signal)));
                }
            }
            // The follower itself holds a sender: there is always one.
            Some(message) = receiver.recv() => follower.take(message)?,
            _ = ticks.tick() => {}
        }
        follower.look_at_the_time();
    }
}

/// A time in which the API does not answer.
struct Silence {
    since: Instant,
    /// How long it may last before it is told, for the first time or again.
    told_after: Duration,
    /// What kept the API from answering last.
    problem: Option<ApiProblem>,
}

impl Silence {
    fn begin() -> Self {
        Self {
            since: Instant::now(),
            told_after: TOLD_AFTER,
            problem: None,
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
    job: Option<Job>,
    /// In the order in which they came.
    pods: Vec<PodState>,
    /// What keeps pods from being made, as events tell it.
    event_problem: Option<Reason>,
    told: HashSet<String>,
    has_started: bool,
    /// From when on the time to start counts.
    waiting_since: Instant,
    end: Option<End>,
    drained_by: Option<Instant>,
    /// Whether the pods are known as they were when the Job had ended.
    knows_last_pods: bool,
    /// Since when the API has not answered.
    silence: Option<Silence>,
    signal: Option<TerminationSignal>,
    /// Whether others have deleted it before it had ended.
    is_cancelled: bool,
    deletion: Option<Deletion>,
}

impl Follower<'_> {
    fn watch_job(&mut self) {
        let by_name = Config::default().fields(&format!("metadata.name={}", self.handle.name));
        let (handle, sender) = (self.handle.clone(), self.sender.clone());
        self.tasks.spawn(watch(handle, by_name, sender, Message::Job));
    }

    fn watch_pods(&mut self, wrap: fn(Change<Pod>) -> Message) {
        let of_job = Config::default().labels(&format!("job-name={}", self.handle.name));
        let (handle, sender) = (self.handle.clone(), self.sender.clone());
        self.tasks.spawn(watch(handle, of_job, sender, wrap));
    }

    fn watch_events(&mut self, kind: &str, name: &str) -> AbortHandle {
        let of_object = format!("involvedObject.kind={kind},involvedObject.name={name}");
        let of_object = Config::default().fields(&of_object);
        let (handle, sender) = (self.handle.clone(), self.sender.clone());
        self.tasks
            .spawn(watch(handle, of_object, sender, Message::Events))
    }

    /// The result, once everything is known and shown.
    async fn result(&mut self) -> Option<Result<Ended, KubernetesError>> {
        if self.end.is_none() || self.deletion.is_some() {
            return None;
        }
        let is_drained = self.knows_last_pods && self.pods.iter().all(|pod| pod.logs_done);
        let is_over = self.drained_by.is_some_and(|by| Instant::now() >= by);
        if !is_drained && !is_over {
            return None;
        }
        if !is_drained && self.output.is_wanted() && self.signal.is_none() {
            self.progress
                .warning("the last lines of the entry point could not be read in time; some may be missing");
        }
        Some(match self.end.take()? {
            End::Known(result) => {
                if matches!(result, Ok(Ended::Done(_))) {
                    self.tell_failures(None);
                }
                result
            }
            End::Failed(end) => {
                if let Some(message) = end.message.as_deref().filter(|message| !message.is_empty()) {
                    self.tell_once(message);
                }
                self.failure(&end)
            }
            End::Gone(error) => self.handle.remembered_end().await.unwrap_or(Err(error)),
        })
    }

    fn take(&mut self, message: Message) -> Result<(), KubernetesError> {
        match message {
            Message::Job(change) => return self.take_job(change),
            Message::Pods(change) => self.take_pods(change),
            Message::LastPods(Change::Trouble(problem)) => {
                self.knows_last_pods |= problem.kind == ProblemKind::Forbidden;
            }
            Message::LastPods(change) => {
                self.knows_last_pods = true;
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
            // A pod that has ended, and was taken away at once.
            Message::LogUnreadable(problem) if problem.kind == ProblemKind::NotFound => {
                self.tell_once("The pod was removed before its log was read to the end");
            }
            Message::LogUnreadable(problem) => {
                self.warn_once(&format!("what the entry point writes cannot be read: {problem}"));
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

    /// The Job has ended; its pods and logs may still have to say something.
    fn finish(&mut self, end: End) {
        if self.end.is_none() {
            self.end = Some(end);
            self.drained_by = Some(Instant::now() + LOG_DRAIN);
            self.watch_pods(Message::LastPods);
        }
    }

    /// Does what is due.
    fn look_at_the_time(&mut self) {
        let now = Instant::now();
        if let Some(Deletion::Begun { until }) = self.deletion
            && now >= until
        {
            self.handle.tell_long_deletion(self.progress);
            self.give_up_deletion();
        }
        self.tell_silence(now);
        self.look_at_the_start(now);
    }

    /// Ends the Job if waiting does not help, for an entry point that never starts, or a container beside it
    /// without which the pod never ends; or if the time to start is over.
    fn look_at_the_start(&mut self, now: Instant) {
        let newest = self.pods.last().map(|pod| pod.view.borrow().clone());
        let is_gated = newest.as_ref().is_some_and(|pod| pod.is_gated && !pod.is_over);
        // A queue that decides when the Job starts may take any time.
        if is_gated || is_suspended(self.job.as_ref()) {
            self.waiting_since = now;
        }
        let Some(limit) = self.start_limit else { return };
        if self.end.is_some() || self.signal.is_some() {
            return;
        }
        let is_late = !self.has_started && now >= self.waiting_since + limit.after;
        let phase = || match &newest {
            Some(pod) => format!("the pod is {}", pod.phase),
            None => "the Job has no pod yet".to_owned(),
        };
        let (what, reason) = match self.problem() {
            Some(problem) if problem.is_lasting => ("cannot start".to_owned(), problem),
            problem if is_late && (problem.is_some() || limit.is_strict) => {
                let slow = || Reason::new(phase(), Some("give it more time with --start-timeout"));
                let what = format!("has not started within {}", seconds(limit.after));
                (what, problem.unwrap_or_else(slow))
            }
            _ => return,
        };
        self.delete(PATIENCE);
        let text = format!("the entry point {what}: {}", reason.text);
        let reason = Reason { text, ..reason };
        self.finish(End::Known(Err(reason.into())));
    }

    fn tell_silence(&mut self, now: Instant) {
        let Some(silence) = &mut self.silence else { return };
        let Some(problem) = &silence.problem else { return };
        let lasted = Duration::from_secs((now - silence.since).as_secs());
        let patience = match problem.kind {
            ProblemKind::Unauthorized => LOCKED_OUT,
            _ => LOST,
        };
        let (cluster, time) = (&self.handle.cluster, seconds(lasted));
        if lasted >= patience {
            let text = format!(
                "the Job '{}' goes on, but {cluster} has not answered for {time}",
                self.handle.name
            );
            let hint = "`mlrun wait RUN_ID` follows it again".to_owned();
            let lost = KubernetesError::failed(text, Some(hint), Some(problem.clone().into()));
            self.silence = None;
            self.finish(End::Known(Err(lost.with_status(RunStatus::Running))));
            self.drained_by = Some(now);
        } else if lasted >= silence.told_after {
            silence.told_after = lasted + TOLD_AGAIN;
            self.progress.warning(&format!(
                "{cluster} has not answered for {time}: {problem}; the Job goes on, and is followed again as soon as it answers"
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
