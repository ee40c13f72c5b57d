//! What becomes of the Job's pods, and what they write.

use std::collections::HashSet;

use k8s_openapi::api::batch::v1::Job;
use k8s_openapi::api::core::v1::{Event, Pod};
use tokio::sync::watch;
use tokio::task::AbortHandle;
use tokio::time::Instant;

use super::{Follower, Message};
use crate::backend::kubernetes::api_problem::ProblemKind;
use crate::backend::kubernetes::logs::{ContainerProgress, LogFollower, LogMessage, LogSink};
use crate::backend::kubernetes::reasons::{self, Failure, PodView, Reason};
use crate::backend::kubernetes::watch::Change;

/// A pod of the Job.
pub(super) struct PodState {
    uid: String,
    pub(super) view: PodView,
    pub(super) progress: watch::Sender<ContainerProgress>,
    /// Whether its logs have been read to their end.
    pub(super) logs_done: bool,
    /// The watch of its events, until it has started.
    events: Option<AbortHandle>,
    is_failure_told: bool,
}

impl Follower<'_> {
    pub(super) fn take_pods(&mut self, change: Change<Pod>) {
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
        if self.reads_logs {
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
            logs_done: !self.reads_logs,
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
        if view.is_gated {
            self.tell_once("The pod is kept back by its scheduling gates; it starts when they are removed");
            self.waiting_since = Instant::now();
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

    pub(super) fn take_event(&mut self, event: &Event) {
        if self.has_started || self.end.is_some() {
            return;
        }
        if let Some(reason) = reasons::of_event(event) {
            self.warn_once(&reason.text);
            self.event_problem = Some(reason);
        }
    }

    /// What keeps the entry point from starting.
    pub(super) fn problem(&self) -> Option<Reason> {
        let of_pods = self.pods.iter().rev().find_map(|pod| pod.view.problem.clone());
        of_pods.or_else(|| self.event_problem.clone())
    }

    pub(super) fn take_log(&mut self, pod: &str, message: LogMessage) {
        match message {
            LogMessage::Output(bytes) => self.output.take(&bytes, self.progress),
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

    pub(super) fn phase_text(&self) -> String {
        match self.pods.last() {
            Some(pod) => pod.view.phase.clone(),
            None => "not there".to_owned(),
        }
    }
}

/// How often Kubernetes tries again; 6 times where the Job does not say.
fn backoff_limit(job: Option<&Job>) -> i32 {
    let spec = job.and_then(|job| job.spec.as_ref());
    spec.and_then(|spec| spec.backoff_limit).unwrap_or(6)
}
