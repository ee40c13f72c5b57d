//! A Job that is followed to its end: what it and its pods become, what they write, and why they fail.

mod deletion;
mod job;
mod limits;
mod log_lines;
mod logs;
mod pods;

use std::collections::HashSet;
use std::fmt::Debug;
use std::time::Duration;

use k8s_openapi::api::batch::v1::Job;
use k8s_openapi::api::core::v1::{Event, Pod};
use kube::api::{Api, Resource};
use kube::runtime::watcher::Config;
use serde::de::DeserializeOwned;
use tokio::sync::mpsc;
use tokio::task::{AbortHandle, JoinSet};
use tokio::time::{Instant, sleep_until};

use self::limits::Silence;
use self::logs::LogMessage;
use self::pods::PodState;
use super::KubernetesError;
use super::api_problem::{ApiProblem, ProblemKind};
use super::gone;
use super::handle::JobHandle;
use super::reasons::Reason;
use super::watch::{Change, Watch};
use crate::backend::relayed::RelayedOutput;
use crate::events::Progress;
use crate::process::{Ended, Signals, TerminationSignal};

/// How long logs may still come when the Job has ended.
const LOG_DRAIN: Duration = Duration::from_secs(20);
/// How many messages wait at most.
const MESSAGES: usize = 64;

/// How long the entry point may take to start.
#[derive(Debug, Clone, Copy)]
pub(super) struct StartLimit {
    pub(super) after: Duration,
    /// Whether a start that only takes long, without any sign of trouble, is given up too.
    pub(super) is_strict: bool,
}

/// How a Job ended.
enum End {
    Known(Result<Ended, KubernetesError>),
    /// It failed for this reason and with these words, and its pods may tell why.
    Failed {
        reason: String,
        message: String,
    },
}

enum Message {
    Job(Change<Job>),
    Pods(Change<Pod>),
    /// The pods as they are when the Job has ended.
    LastPods(Change<Pod>),
    Events(Change<Event>),
    Log(String, LogMessage),
    /// The Job's deletion was asked for; the answer.
    Deletion(Result<(), ApiProblem>),
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
        reads_logs: output.is_wanted(),
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
        was_held: false,
        end: None,
        drained_by: None,
        knows_last_pods: false,
        silence: None,
        signal: None,
        is_cancelled: false,
        deletion: None,
    };
    let by_name = Config::default().fields(&format!("metadata.name={}", handle.name));
    follower.watch(handle.jobs(), by_name, Message::Job);
    follower.watch_pods(Message::Pods);
    follower.watch_events("Job", &handle.name);
    loop {
        if let Some(ended) = follower.result() {
            return follower.with_memory(ended).await;
        }
        let deadline = follower.deadline();
        tokio::select! {
            biased;
            signal = next_signal(signals, follower.signal.is_some()) => {
                if follower.take_signal(signal) {
                    return Ok(Ended::Interrupted { signal: follower.signal.unwrap_or(signal) });
                }
            }
            // The follower itself holds a sender: there is always one.
            Some(message) = receiver.recv() => {
                follower.take(message)?;
                follower.restart_the_clock_while_held();
                follower.end_what_cannot_start();
            }
            () = sleep_until(deadline) => follower.deadline_passed(),
        }
    }
}

async fn next_signal(signals: &mut Signals, is_further: bool) -> TerminationSignal {
    if is_further {
        signals.further().await
    } else {
        signals.next().await
    }
}

struct Follower<'a> {
    handle: &'a JobHandle,
    start_limit: Option<StartLimit>,
    /// Where what the entry point writes goes, and whether it goes anywhere.
    output: &'a mut RelayedOutput,
    reads_logs: bool,
    progress: &'a dyn Progress,
    sender: mpsc::Sender<Message>,
    tasks: JoinSet<()>,
    job: Option<Job>,
    /// In the order in which they came.
    pods: Vec<PodState>,
    /// What keeps pods from being made, as events tell it.
    event_problem: Option<Reason>,
    /// What has been told already.
    told: HashSet<String>,
    has_started: bool,
    /// From when on the time to start counts.
    waiting_since: Instant,
    /// Whether a queue held the Job back when it was looked at last.
    was_held: bool,
    /// How it ended, while logs may still come; and until when they may.
    end: Option<End>,
    drained_by: Option<Instant>,
    /// Whether the pods are known as they were when the Job had ended.
    knows_last_pods: bool,
    /// Since when the API has not answered.
    silence: Option<Silence>,
    /// The signal after which the Job is being deleted.
    signal: Option<TerminationSignal>,
    /// Whether others have deleted it before it had ended.
    is_cancelled: bool,
    deletion: Option<Deletion>,
}

impl Follower<'_> {
    fn watch_pods(&mut self, wrap: fn(Change<Pod>) -> Message) {
        let of_job = Config::default().labels(&format!("job-name={}", self.handle.name));
        self.watch(self.handle.pods(), of_job, wrap);
    }

    fn watch_events(&mut self, kind: &str, name: &str) -> AbortHandle {
        let of_object = format!("involvedObject.kind={kind},involvedObject.name={name}");
        let of_object = Config::default().fields(&of_object);
        self.watch(self.handle.events(), of_object, Message::Events)
    }

    /// Has every change of these resources become a message.
    fn watch<K>(&mut self, api: Api<K>, config: Config, wrap: fn(Change<K>) -> Message) -> AbortHandle
    where
        K: Resource + Clone + DeserializeOwned + Debug + Send + 'static,
    {
        let sender = self.sender.clone();
        self.tasks.spawn(async move {
            let mut watch = Watch::new(api, config);
            while let Some(change) = watch.next().await
                && sender.send(wrap(change)).await.is_ok()
            {}
        })
    }

    /// The result, once everything is known and shown.
    fn result(&mut self) -> Option<Result<Ended, KubernetesError>> {
        if self.end.is_none() || self.deletion.is_some() {
            return None;
        }
        let is_drained = self.knows_last_pods && self.pods.iter().all(|pod| pod.logs_done);
        let is_over = self.drained_by.is_some_and(|by| Instant::now() >= by);
        if !is_drained && !is_over {
            return None;
        }
        if !is_drained && self.reads_logs && self.signal.is_none() {
            self.progress
                .warning("the last lines of the entry point could not be read in time; some may be missing");
        }
        Some(match self.end.take()? {
            End::Known(result) => {
                if matches!(result, Ok(Ended::Exited(_))) {
                    self.tell_failures(None);
                }
                result
            }
            End::Failed { reason, message } => {
                if !message.is_empty() {
                    self.tell_once(&message);
                }
                self.failure(&reason, &message)
            }
        })
    }

    /// The result, unless the cluster remembers more of a Job that was gone when it was looked for.
    async fn with_memory(&self, ended: Result<Ended, KubernetesError>) -> Result<Ended, KubernetesError> {
        match ended {
            Err(KubernetesError::Deleted { .. } | KubernetesError::NoJob { .. }) if !self.is_cancelled => {
                gone::remembered_end(self.handle).await.unwrap_or(ended)
            }
            ended => ended,
        }
    }

    fn take(&mut self, message: Message) -> Result<(), KubernetesError> {
        match message {
            Message::Job(change) => return self.take_job(change),
            Message::Pods(change) => self.take_pods(change),
            Message::LastPods(change) => {
                let is_known = match &change {
                    Change::Trouble(problem) => problem.kind == ProblemKind::Forbidden,
                    _ => true,
                };
                self.knows_last_pods |= is_known;
                if !matches!(change, Change::Trouble(_)) {
                    self.take_pods(change);
                }
            }
            Message::Events(Change::Listed(events)) => {
                for event in &events {
                    self.take_event(event);
                }
            }
            Message::Events(Change::Changed(event)) => self.take_event(&event),
            Message::Events(_) => {}
            Message::Log(pod, message) => self.take_log(&pod, message),
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
