//! The state of the Job's pods, and their output.

use k8s_openapi::api::core::v1::{Event, Pod};
use tokio::sync::watch;

use super::phase::Phase;
use super::watch::Change;
use super::{Follower, PodState, logs};
use crate::backend::kubernetes::api_error::ProblemKind;
use crate::backend::kubernetes::job_api;
use crate::backend::kubernetes::pod_status::{self, Failure, PodView};
use crate::backend::kubernetes::reason::{self, Reason};
use crate::quantity;

impl Follower<'_> {
    pub(super) fn take_pods(&mut self, change: Change<Pod>) {
        match change {
            Change::Trouble(problem) if problem.kind == ProblemKind::Forbidden => {
                self.progress.warning(&format!(
                    "cannot watch the Job's pods ({problem}); logs and failure reasons are not shown"
                ));
            }
            Change::Trouble(_) => {}
            Change::Listed(pods) => {
                for known in &self.pods {
                    let uid = Some(known.view.borrow().uid.clone());
                    if !pods.iter().any(|pod| pod.metadata.uid == uid) {
                        known.view.send_modify(|view| view.is_gone = true);
                    }
                }
                for pod in &pods {
                    self.take_pod(pod);
                }
            }
            Change::Changed(pod) => self.take_pod(&pod),
            Change::Deleted(pod) => {
                self.take_pod(&pod);
                let uid = pod.metadata.uid.as_deref().unwrap_or_default();
                if let Some(pod) = self.pod(uid) {
                    pod.view.send_modify(PodView::lose);
                }
                self.tell_failures_if_retried();
            }
        }
    }

    pub(super) fn pod(&mut self, uid: &str) -> Option<&mut PodState> {
        self.pods.iter_mut().find(|pod| pod.view.borrow().uid == uid)
    }

    fn take_pod(&mut self, pod: &Pod) {
        if !self.handle.owns(&pod.metadata) {
            return;
        }
        let view = PodView::of(pod);
        if let Some(known) = self.pod(&view.uid) {
            known
                .view
                .send_if_modified(|old| std::mem::replace(old, view.clone()) != view);
        } else {
            if let Phase::Starting { problem, .. } = &mut self.phase {
                *problem = None;
            }
            self.add_pod(view.clone());
            if !self.phase.has_ended() {
                // The Job continues with this pod, so the earlier failures were not final.
                self.tell_failures(Some(self.pods.len() - 1));
            }
        }
        self.tell_pod(&view);
    }

    fn add_pod(&mut self, view: PodView) {
        let is_waiting = !view.has_started && !view.is_over;
        let events = is_waiting.then(|| self.watch_events("Pod", &view.name));
        let (view, receiver) = watch::channel(view);
        let reads_logs = self.output.is_wanted();
        if reads_logs {
            self.tasks
                .spawn(logs::follow(self.handle.api(), receiver, self.sender.clone()));
        }
        self.pods.push(PodState {
            view,
            logs_done: !reads_logs,
            events,
            is_failure_told: false,
        });
    }

    fn tell_pod(&mut self, view: &PodView) {
        if (view.has_started || view.is_over)
            && let Some(events) = self.pod(&view.uid).and_then(|pod| pod.events.take())
        {
            events.abort();
        }
        if view.has_started {
            self.phase.start();
            // The reference's wording.
            self.tell_once("Job started.");
        }
        if view.is_gated {
            self.tell_once("The pod waits until its scheduling gates are removed");
        }
        if let Some(problem) = &view.problem {
            self.warn_once(&problem.text);
        }
        if let Ok(restarts @ 1..) = u64::try_from(view.restarts) {
            self.tell_once(&format!(
                "The container of pod '{}' restarted ({})",
                view.name,
                quantity::counted(restarts, "time")
            ));
        }
        self.tell_failures_if_retried();
    }

    fn tell_failures_if_retried(&mut self) {
        if !self.phase.has_ended() && job_api::tries_again(self.job.as_ref()) {
            self.tell_failures(None);
        }
    }

    /// Notes that the Job itself stops all its pods, so that this is not reported.
    pub(super) fn expect_all_pods_to_end(&mut self) {
        for pod in &mut self.pods {
            pod.is_failure_told = true;
        }
    }

    /// Reports once why each pod failed, except the pod at that index.
    pub(super) fn tell_failures(&mut self, but: Option<usize>) {
        if self.signal().is_some() {
            return;
        }
        let job = self.job.as_ref();
        let is_ending = job.is_some_and(job_api::is_ending);
        let has_one_pod = job_api::has_one_pod(job);
        let count = self.pods.len();
        for (index, pod) in self.pods.iter_mut().enumerate() {
            let view = pod.view.borrow();
            let is_replaced = has_one_pod && index + 1 < count;
            let text = match &view.failure {
                _ if pod.is_failure_told || but == Some(index) => continue,
                // A finishing Job removes the pods that still run.
                Some(_) if is_ending && view.was_deleted && !is_replaced => continue,
                Some(Failure::ExitCode(code)) => format!("the entry point failed with exit code {code}"),
                Some(Failure::Other(reason)) => reason.text.clone(),
                // If this pod had succeeded, there would be no other one.
                None if view.is_gone && view.phase != "Succeeded" && is_replaced => {
                    reason::deleted(&view.name, view.has_started).text
                }
                None => continue,
            };
            pod.is_failure_told = true;
            self.progress.info(&format!("Pod '{}': {text}", view.name));
        }
    }

    pub(super) fn take_event(&mut self, event: &Event) {
        // A Job may fail to replace a stopped pod.
        let is_creation = event.reason.as_deref() == Some("FailedCreate");
        if self.phase.has_ended() || (self.phase.is_running() && !is_creation) {
            return;
        }
        let Some(reason) = pod_status::of_event(event) else {
            return;
        };
        let topic = match reason.hint {
            // Each attempt has a different text: the pod's name, the current usage.
            Some(hint) if is_creation => hint,
            _ => &reason.text,
        };
        if self.told.insert(topic.to_owned()) {
            self.progress.warning(&reason.text);
        }
        if let Phase::Starting { problem, .. } = &mut self.phase {
            *problem = Some(reason);
        }
    }

    /// Why the entry point does not start, or why no pod of the Job can succeed.
    pub(super) fn problem(&self) -> Option<Reason> {
        let views = || self.pods.iter().rev().map(|pod| pod.view.borrow());
        let present = views().find_map(|pod| pod.problem.clone().filter(|_| !pod.is_gone));
        // A Job without retries fails by itself, and stays for inspection.
        let tries_again = job_api::tries_again(self.job.as_ref());
        let lasting = || {
            views().find_map(|pod| match &pod.failure {
                Some(Failure::Other(reason)) if reason.is_lasting && tries_again => Some(reason.clone()),
                _ => None,
            })
        };
        let of_event = || match &self.phase {
            Phase::Starting { problem, .. } => problem.clone(),
            _ => None,
        };
        present.or_else(of_event).or_else(lasting)
    }
}
