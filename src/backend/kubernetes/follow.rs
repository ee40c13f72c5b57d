//! A Job that is followed to its end: what it and its pods become, what they write, and why they fail.

use std::collections::HashSet;
use std::time::Duration;

use k8s_openapi::api::batch::v1::Job;
use k8s_openapi::api::core::v1::{Event, Pod};
use kube::Api;
use tokio::sync::{mpsc, watch};
use tokio::task::{AbortHandle, JoinSet};
use tokio::time::{Instant, sleep_until};

use super::KubernetesError;
use super::api_problem::{ApiProblem, ProblemKind};
use super::deletion;
use super::error::seconds;
use super::handle::JobHandle;
use super::logs::{ContainerProgress, LogFollower, LogMessage, LogSink};
use super::reasons::{self, Failure, JobEnd, PodView, Reason};
use super::watch::{Change, Selector, watch};
use crate::events::Progress;
use crate::process::{Ended, ProgramExit, Signals, TerminationSignal};

/// How long logs may still come when the Job has ended.
const LOG_DRAIN: Duration = Duration::from_secs(20);
/// How long the API may be silent before that is said, then how often it is said again.
const SILENCE: (Duration, Duration) = (Duration::from_secs(30), Duration::from_secs(300));
/// When a Job that cannot be asked for is given up.
const LOST: Duration = Duration::from_secs(30 * 60);
/// When it is given up where the credentials are no longer valid.
const LOCKED_OUT: Duration = Duration::from_secs(120);
/// How many messages wait at most.
const MESSAGES: usize = 64;

/// How a Job is followed.
#[derive(Debug, Clone, Copy)]
pub(super) struct FollowOptions {
    /// Show what the entry point writes.
    pub(super) logs: bool,
    /// End the Job where the entry point has not started by then.
    pub(super) start_limit: Option<StartLimit>,
    /// Whether a termination signal deletes the Job, or only ends the waiting.
    pub(super) delete_on_signal: bool,
}

/// How long the entry point may take to start.
#[derive(Debug, Clone, Copy)]
pub(super) struct StartLimit {
    pub(super) after: Duration,
    /// Whether a start that only takes long, without any sign of trouble, is given up too.
    pub(super) is_strict: bool,
}

enum Message {
    Job(Change<Job>),
    Pods(Change<Pod>),
    Events(Change<Event>),
    Log(String, LogMessage),
    /// The Job's deletion was asked for; the answer.
    Deletion(Result<(), KubernetesError>),
}

/// A pod of the Job.
struct PodState {
    uid: String,
    view: PodView,
    progress: watch::Sender<ContainerProgress>,
    /// Whether its logs have been read to their end.
    logs_done: bool,
    /// The watch of its events, until it has started.
    events: Option<AbortHandle>,
    is_failure_told: bool,
}

/// Follows the Job to its end.
///
/// # Errors
/// It failed for another reason than the entry point's exit code, or its end cannot be known.
pub(super) async fn follow(
    handle: &JobHandle,
    options: FollowOptions,
    signals: &mut Signals,
    progress: &dyn Progress,
) -> Result<Ended, KubernetesError> {
    let (sender, mut receiver) = mpsc::channel(MESSAGES);
    let mut follower = Follower::new(handle, options, sender, progress);
    follower.begin();
    loop {
        if let Some(ended) = follower.result() {
            return ended;
        }
        let deadline = follower.deadline();
        tokio::select! {
            biased;
            signal = next_signal(signals, follower.signal.is_some()) => {
                if follower.take_signal(signal) {
                    return Ok(Ended::Interrupted { signal: follower.signal.unwrap_or(signal) });
                }
            }
            message = receiver.recv() => match message {
                Some(message) => follower.take(message)?,
                None => unreachable!("the follower itself holds a sender"),
            },
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
    options: FollowOptions,
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
    /// How it ended, while logs may still come; and until when they may.
    end: Option<Result<Ended, KubernetesError>>,
    drained_by: Option<Instant>,
    /// Since when the API has not answered, when that is told next, and its last answer.
    silence: Option<(Instant, Instant, ApiProblem)>,
    /// The signal after which the Job is being deleted, and until when that may take.
    signal: Option<TerminationSignal>,
    deleted_by: Option<Instant>,
}

impl<'a> Follower<'a> {
    fn new(
        handle: &'a JobHandle,
        options: FollowOptions,
        sender: mpsc::Sender<Message>,
        progress: &'a dyn Progress,
    ) -> Self {
        Self {
            handle,
            options,
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
            silence: None,
            signal: None,
            deleted_by: None,
        }
    }

    fn begin(&mut self) {
        let name = &self.handle.name;
        let by_name = Selector {
            fields: Some(format!("metadata.name={name}")),
            labels: None,
        };
        let pods = Selector {
            fields: None,
            labels: Some(format!("job-name={name}")),
        };
        let sender = self.sender.clone();
        self.tasks
            .spawn(watch(self.handle.jobs(), by_name, Message::Job, sender));
        let sender = self.sender.clone();
        self.tasks
            .spawn(watch(self.handle.pods(), pods, Message::Pods, sender));
        self.watch_events("Job", name);
    }

    fn watch_events(&mut self, kind: &str, name: &str) -> AbortHandle {
        let selector = Selector {
            fields: Some(format!("involvedObject.kind={kind},involvedObject.name={name}")),
            labels: None,
        };
        let sender = self.sender.clone();
        let api: Api<Event> = self.handle.events();
        self.tasks.spawn(watch(api, selector, Message::Events, sender))
    }

    /// The result, once everything is known and shown.
    fn result(&mut self) -> Option<Result<Ended, KubernetesError>> {
        let is_drained = self.pods.iter().all(|pod| pod.logs_done);
        let is_over = self.drained_by.is_some_and(|by| Instant::now() >= by);
        if self.end.is_some() && (is_drained || is_over) {
            if !is_drained {
                self.progress.warning(
                    "the last lines of the entry point could not be read in time; some may be missing",
                );
            }
            return self.end.take();
        }
        None
    }

    /// The next moment at which something is due.
    fn deadline(&self) -> Instant {
        let far = Instant::now() + Duration::from_secs(3600);
        let start = match (self.options.start_limit, self.end.is_none() && !self.has_started) {
            (Some(limit), true) => {
                let due = self.waiting_since + limit.after;
                // One that only takes long is looked at again when something changes.
                (limit.is_strict || self.problem().is_some() || due > Instant::now()).then_some(due)
            }
            _ => None,
        };
        let silence = self.silence.as_ref().map(|(_, told_at, _)| *told_at);
        [start, self.drained_by, self.deleted_by, silence]
            .into_iter()
            .flatten()
            .fold(far, Instant::min)
    }

    fn deadline_passed(&mut self) {
        let now = Instant::now();
        if self.deleted_by.is_some_and(|by| now >= by) {
            self.deleted_by = None;
            self.progress.warning(&format!(
                "the Job '{}' is being deleted, but its pods have not ended yet",
                self.handle.name
            ));
            if let Some(signal) = self.signal {
                self.finish(Ok(Ended::Interrupted { signal }));
            }
            self.drained_by = Some(now);
        }
        self.tell_silence(now);
        if let Some(limit) = self.options.start_limit
            && self.end.is_none()
            && self.signal.is_none()
            && !self.has_started
            && now >= self.waiting_since + limit.after
        {
            let problem = self.problem();
            if problem.is_none() && !limit.is_strict {
                return;
            }
            let problem = problem.unwrap_or_else(|| Reason {
                text: format!("the pod is {}", self.phase_text()),
                hint: Some("give it more time with --start-timeout"),
            });
            self.delete();
            self.finish(Err(KubernetesError::NotStarted {
                after: limit.after,
                reason: problem.text,
                hint: problem.hint.map(str::to_owned),
            }));
        }
    }

    fn phase_text(&self) -> String {
        match self.pods.last() {
            Some(pod) => pod.view.phase.clone(),
            None => "not there".to_owned(),
        }
    }

    fn tell_silence(&mut self, now: Instant) {
        let Some((since, told_at, problem)) = &mut self.silence else {
            return;
        };
        let silent_for = now - *since;
        if now >= *told_at {
            *told_at = now + SILENCE.1;
            let for_seconds = Duration::from_secs(silent_for.as_secs());
            self.progress.warning(&format!(
                "{} has not answered for {}: {problem}; the Job goes on, and is followed again as soon as it answers",
                self.handle.cluster,
                seconds(for_seconds)
            ));
        }
        let patience = if problem.kind == ProblemKind::Unauthorized {
            LOCKED_OUT
        } else {
            LOST
        };
        if silent_for >= patience {
            let source = problem.clone();
            self.finish(Err(KubernetesError::Lost {
                job: self.handle.name.clone(),
                cluster: self.handle.cluster.to_string(),
                after: Duration::from_secs(silent_for.as_secs()),
                source,
            }));
            self.drained_by = Some(now);
        }
    }

    /// Deletes the Job where that is asked for. Whether nothing is waited for any more.
    fn take_signal(&mut self, signal: TerminationSignal) -> bool {
        if !self.options.delete_on_signal {
            self.signal = Some(signal);
            return true;
        }
        if self.signal.is_some() {
            self.progress.warning(&format!(
                "the Job '{}' is being deleted; its end is not waited for",
                self.handle.name
            ));
            return true;
        }
        self.signal = Some(signal);
        self.progress
            .info(&format!("Deleting the Job '{}' and its pods", self.handle.name));
        self.delete();
        false
    }

    fn delete(&mut self) {
        let (handle, sender) = (self.handle.clone(), self.sender.clone());
        let grace = self
            .job
            .as_ref()
            .map(deletion::termination_grace)
            .unwrap_or_default();
        self.deleted_by = Some(Instant::now() + grace + deletion::BEYOND_GRACE);
        self.tasks.spawn(async move {
            let deleted = handle.delete().await;
            let _ = sender.send(Message::Deletion(deleted)).await;
        });
    }

    fn take(&mut self, message: Message) -> Result<(), KubernetesError> {
        match message {
            Message::Job(change) => return self.take_job(change),
            Message::Pods(change) => self.take_pods(change),
            Message::Events(Change::Listed(events)) => {
                for event in &events {
                    self.take_event(event);
                }
            }
            Message::Events(Change::Changed(event)) => self.take_event(&event),
            Message::Events(_) => {}
            Message::Log(pod, message) => self.take_log(&pod, message),
            Message::Deletion(Ok(())) => {}
            Message::Deletion(Err(error)) => {
                self.progress.warning(&format!(
                    "{error}: {}; delete it yourself: kubectl delete job {} -n {}",
                    std::error::Error::source(&error)
                        .map(ToString::to_string)
                        .unwrap_or_default(),
                    self.handle.name,
                    self.handle.namespace
                ));
                if let Some(signal) = self.signal {
                    self.finish(Ok(Ended::Interrupted { signal }));
                }
                self.drained_by = Some(Instant::now());
            }
        }
        Ok(())
    }

    fn take_job(&mut self, change: Change<Job>) -> Result<(), KubernetesError> {
        match change {
            Change::Trouble(problem) => match problem.kind {
                ProblemKind::Forbidden => return Err(self.handle.cluster.problem("watch the Job", problem)),
                _ => {
                    let now = Instant::now();
                    let (since, told_at) = match &self.silence {
                        Some((since, told_at, _)) => (*since, *told_at),
                        None => (now, now + SILENCE.0),
                    };
                    self.silence = Some((since, told_at, problem));
                }
            },
            Change::Listed(jobs) => {
                self.api_answers();
                match jobs.into_iter().find(|job| self.handle.is(&job.metadata)) {
                    Some(job) => self.take_job_state(job),
                    None => self.job_is_gone(),
                }
            }
            Change::Changed(job) if self.handle.is(&job.metadata) => {
                self.api_answers();
                self.take_job_state(*job);
            }
            Change::Deleted(job) if self.handle.is(&job.metadata) => {
                self.api_answers();
                self.take_job_state(*job);
                self.job_is_gone();
            }
            Change::Changed(_) | Change::Deleted(_) => {}
        }
        Ok(())
    }

    fn api_answers(&mut self) {
        if let Some((since, told_at, _)) = self.silence.take()
            && told_at > since + SILENCE.0
        {
            self.progress
                .info(&format!("{} answers again", self.handle.cluster));
        }
    }

    fn take_job_state(&mut self, job: Job) {
        if reasons::is_suspended(&job) {
            self.tell_once("The Job is suspended; it starts when it is resumed");
            self.waiting_since = Instant::now();
        }
        let end = reasons::end_of(&job);
        if self.job.is_none() && end.is_none() && !self.has_started {
            // The reference's words.
            self.tell_once("Waiting for Job to start");
        }
        self.job = Some(job);
        if let Some(end) = end {
            self.take_end(&end);
        }
    }

    fn take_end(&mut self, end: &JobEnd) {
        if self.end.is_some() {
            return;
        }
        let result = match end {
            JobEnd::Complete => Ok(Ended::Exited(ProgramExit::Code(0))),
            JobEnd::Failed { reason, message } => {
                if !message.is_empty() {
                    self.tell_once(message);
                }
                self.failure(reason, message)
            }
        };
        self.finish(result);
    }

    /// Why the Job failed: what its last pod says, unless the Job itself was too slow.
    fn failure(&self, reason: &str, message: &str) -> Result<Ended, KubernetesError> {
        let of_pod = self.pods.iter().rev().find_map(|pod| pod.view.failure.clone());
        let reason = match of_pod {
            Some(failure) if reason != "DeadlineExceeded" => return ended_by(failure),
            _ => reasons::of_job(self.job.as_ref(), reason, message),
        };
        ended_by(Failure::Other(reason))
    }

    /// The Job is no longer there: deleted by this program, by the rule of its template, or by others.
    fn job_is_gone(&mut self) {
        self.deleted_by = None;
        for pod in &mut self.pods {
            pod.progress.send_modify(|progress| progress.is_gone = true);
        }
        if let (Some(signal), None) = (self.signal, &self.end) {
            self.finish(Ok(Ended::Interrupted { signal }));
        }
        if self.end.is_some() {
            return;
        }
        let spec = self.job.as_ref().and_then(|job| job.spec.as_ref());
        let goes_by_itself = spec.is_some_and(|spec| spec.ttl_seconds_after_finished.is_some());
        let last = self.pods.last().map(|pod| pod.view.clone());
        let result = match last {
            Some(pod) if goes_by_itself && pod.phase == "Succeeded" => {
                Ok(Ended::Exited(ProgramExit::Code(0)))
            }
            Some(PodView {
                failure: Some(failure),
                ..
            }) if goes_by_itself => ended_by(failure),
            _ => Err(KubernetesError::Deleted {
                job: self.handle.name.clone(),
                namespace: self.handle.namespace.clone(),
            }),
        };
        self.finish(result);
    }

    fn finish(&mut self, result: Result<Ended, KubernetesError>) {
        if self.end.is_none() {
            self.end = Some(result);
            self.drained_by = Some(Instant::now() + LOG_DRAIN);
        }
    }

    fn take_pods(&mut self, change: Change<Pod>) {
        match change {
            Change::Trouble(problem) if problem.kind == ProblemKind::Forbidden => {
                self.progress.warning(&format!(
                    "the pods of the Job cannot be watched ({problem}): neither logs nor reasons are shown"
                ));
            }
            Change::Trouble(_) => {}
            Change::Listed(pods) => {
                let there: HashSet<String> = pods.iter().filter_map(|pod| pod.metadata.uid.clone()).collect();
                for pod in &pods {
                    self.take_pod(pod);
                }
                for pod in &mut self.pods {
                    if !there.contains(&pod.uid) {
                        pod.progress.send_modify(|progress| progress.is_gone = true);
                    }
                }
            }
            Change::Changed(pod) => self.take_pod(&pod),
            Change::Deleted(pod) => {
                self.take_pod(&pod);
                let uid = pod.metadata.uid.as_deref().unwrap_or_default();
                if let Some(pod) = self.pod(uid) {
                    pod.progress.send_modify(|progress| progress.is_gone = true);
                }
            }
        }
    }

    fn pod(&mut self, uid: &str) -> Option<&mut PodState> {
        self.pods.iter_mut().find(|pod| pod.uid == uid)
    }

    fn take_pod(&mut self, pod: &Pod) {
        if !self.handle.owns(&pod.metadata) {
            return;
        }
        let Some(uid) = pod.metadata.uid.clone() else {
            return;
        };
        let containers = pod.spec.as_ref().map(|spec| spec.containers.as_slice());
        let Some(container) = containers.and_then(<[_]>::first).map(|first| first.name.clone()) else {
            return;
        };
        let view = PodView::of(pod, &container);
        let now = ContainerProgress {
            has_started: view.has_started,
            restarts: view.restarts,
            is_over: view.is_over,
            is_gone: false,
        };
        if let Some(state) = self.pod(&uid) {
            state.progress.send_if_modified(|progress| {
                let is_changed = *progress != now;
                *progress = now;
                is_changed
            });
            state.view = view;
        } else {
            let state = self.new_pod(&uid, view, now, container);
            self.pods.push(state);
        }
        self.tell_pod(&uid);
    }

    fn new_pod(&mut self, uid: &str, view: PodView, now: ContainerProgress, container: String) -> PodState {
        let (progress, receiver) = watch::channel(now);
        let pod = view.name.clone();
        if self.options.logs {
            let sink = LogSink {
                wrap: Message::Log,
                pod_uid: uid.to_owned(),
                sender: self.sender.clone(),
            };
            let follower = LogFollower {
                api: self.handle.pods(),
                pod: pod.clone(),
                container,
                progress: receiver,
            };
            self.tasks.spawn(follower.follow(sink));
        }
        let events = (!view.has_started && !view.is_over).then(|| self.watch_events("Pod", &pod));
        PodState {
            uid: uid.to_owned(),
            view,
            progress,
            logs_done: !self.options.logs,
            events,
            is_failure_told: false,
        }
    }

    fn tell_pod(&mut self, uid: &str) {
        let Some(state) = self.pod(uid) else { return };
        let view = state.view.clone();
        if (view.has_started || view.is_over)
            && let Some(events) = state.events.take()
        {
            events.abort();
        }
        let tells_failure = view.failure.is_some() && !std::mem::replace(&mut state.is_failure_told, true);
        if view.has_started && !self.has_started {
            self.has_started = true;
            self.event_problem = None;
            // The reference's words.
            self.progress.info("Job started.");
        }
        if let Some(problem) = &view.problem {
            self.warn_once(&problem.text);
        }
        if view.restarts > 0 {
            self.tell_once(&format!(
                "The container in the pod '{}' has been started again ({} times)",
                view.name, view.restarts
            ));
        }
        let is_retried = self.end.is_none() && self.signal.is_none() && backoff_limit(self.job.as_ref()) > 0;
        if tells_failure && is_retried {
            let text = match &view.failure {
                Some(Failure::ExitCode(code)) => format!("the entry point ended with exit code {code}"),
                Some(Failure::Other(reason)) => reason.text.clone(),
                None => return,
            };
            self.progress.info(&format!("Pod '{}': {text}", view.name));
        }
    }

    fn take_event(&mut self, event: &Event) {
        if self.has_started || self.end.is_some() {
            return;
        }
        if let Some(reason) = reasons::of_event(event) {
            self.warn_once(&reason.text);
            self.event_problem = Some(reason);
        }
    }

    /// What keeps the entry point from starting.
    fn problem(&self) -> Option<Reason> {
        let of_pods = self.pods.iter().rev().find_map(|pod| pod.view.problem.clone());
        of_pods.or_else(|| self.event_problem.clone())
    }

    fn take_log(&mut self, pod: &str, message: LogMessage) {
        match message {
            LogMessage::Output(bytes) => self.progress.output(&bytes),
            LogMessage::Unreadable(problem) => {
                self.warn_once(&format!("what the entry point writes cannot be read: {problem}"));
            }
            LogMessage::Done => {
                if let Some(state) = self.pod(pod) {
                    state.logs_done = true;
                }
            }
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

fn ended_by(failure: Failure) -> Result<Ended, KubernetesError> {
    match failure {
        Failure::ExitCode(code) => Ok(Ended::Exited(ProgramExit::Code(code))),
        Failure::Other(reason) => Err(KubernetesError::Failed {
            reason: reason.text,
            hint: reason.hint.map(str::to_owned),
        }),
    }
}

/// How often Kubernetes tries again; 6 times where the Job does not say.
fn backoff_limit(job: Option<&Job>) -> i32 {
    let spec = job.and_then(|job| job.spec.as_ref());
    spec.and_then(|spec| spec.backoff_limit).unwrap_or(6)
}
