//! What becomes of the Job itself; also if it is deleted while it is followed: after a signal, after a start
//! that took too long, or by others.

use std::time::Duration;

use k8s_openapi::api::batch::v1::{Job, JobCondition};
use tokio::time::Instant;

use super::{Deletion, End, Follower, Message, Silence};
use crate::backend::kubernetes::KubernetesError;
use crate::backend::kubernetes::error::{ApiProblem, ProblemKind};
use crate::backend::kubernetes::job_api::{SUCCESS, time_to_end};
use crate::backend::kubernetes::job_state;
use crate::backend::kubernetes::pod_status::{self, Failure, PodView};
use crate::backend::kubernetes::watch::Change;
use crate::process::{Ended, ProgramExit, TerminationSignal};

/// How long the API may take to answer a deletion that a signal asked for: batch systems kill soon.
const HASTY_PATIENCE: Duration = Duration::from_secs(5);

impl Follower<'_> {
    pub(super) fn take_job(&mut self, change: Change<Job>) -> Result<(), KubernetesError> {
        let answers = !matches!(change, Change::Trouble(_));
        if answers && self.silence.take().is_some_and(|silence| silence.was_told()) {
            self.progress
                .info(&format!("{} answers again", self.handle.cluster));
        }
        match change {
            Change::Trouble(problem) if problem.kind == ProblemKind::Forbidden => {
                return Err(self.handle.cluster.problem("watch the Job", problem));
            }
            Change::Trouble(problem) => {
                let problem = self.handle.cluster.credentials.explained(problem);
                let silence = self.silence.get_or_insert_with(Silence::begin);
                silence.problem = Some(problem);
            }
            Change::Listed(jobs) => match jobs.into_iter().find(|job| self.handle.is(&job.metadata)) {
                Some(job) => self.take_job_state(job),
                None => self.job_is_gone(),
            },
            Change::Changed(job) if self.handle.is(&job.metadata) => self.take_job_state(*job),
            Change::Deleted(job) if self.handle.is(&job.metadata) => {
                self.take_job_state(*job);
                self.job_is_gone();
            }
            Change::Changed(_) | Change::Deleted(_) => {}
        }
        Ok(())
    }

    fn take_job_state(&mut self, job: Job) {
        self.tell_suspension(&job);
        let end = job_state::end_of(&job).cloned();
        let is_cancelled = job_state::was_cancelled(&job);
        if self.job.is_none() && end.is_none() && !self.has_started {
            // The reference's words.
            self.tell_once("Waiting for Job to start");
        }
        self.job = Some(job);
        if is_cancelled {
            self.others_delete_it();
        }
        if let Some(end) = end {
            self.take_end(end);
        }
    }

    /// Tells whenever the Job is held back, as queues do, or let go.
    fn tell_suspension(&mut self, job: &Job) {
        let was_suspended = job_state::is_suspended(self.job.as_ref());
        let is_suspended = job_state::is_suspended(Some(job));
        if was_suspended == is_suspended || self.end.is_some() || self.signal.is_some() {
            return;
        }
        if is_suspended {
            self.expect_all_pods_to_end();
        }
        let text = match (is_suspended, job_state::queue_of(job)) {
            (false, _) => "The Job is resumed".to_owned(),
            (true, _) if self.has_started => {
                "The Job is suspended again, and its pods are ended; it starts anew when it is resumed"
                    .to_owned()
            }
            (true, Some(queue)) => {
                format!("The Job is suspended; it starts when Kueue admits it (queue '{queue}')")
            }
            (true, None) => "The Job is suspended; it starts when it is resumed".to_owned(),
        };
        self.progress.info(&text);
    }

    fn take_end(&mut self, end: JobCondition) {
        if self.end.is_some() {
            return;
        }
        // What the pods of a deleted Job make of their end says nothing.
        let result = if self.signal.is_some() || self.is_cancelled {
            self.end_by_deletion()
        } else if end.type_ == "Complete" {
            End::Known(Ok(SUCCESS))
        } else {
            End::Failed(end)
        };
        self.finish(result);
    }

    /// Why the Job failed: what its last pod says, unless the Job itself was too slow.
    pub(super) fn failure(&mut self, end: &JobCondition) -> Result<Ended, KubernetesError> {
        let failed = |is_meant: fn(&PodView) -> bool| {
            let has_failed = |pod: &PodView| pod.failure.is_some() && is_meant(pod);
            self.pods.iter().rposition(|pod| has_failed(&pod.view.borrow()))
        };
        // A Job that fails deletes its other pods.
        let last = failed(|pod| !pod.was_deleted).or_else(|| failed(|_| true));
        self.tell_failures(last);
        let of_pod = last.and_then(|last| self.pods[last].view.borrow().failure.clone());
        match of_pod {
            Some(failure) if end.reason.as_deref() != Some("DeadlineExceeded") => ended_by(failure),
            _ => {
                let (reason, message) = (end.reason.as_deref(), end.message.as_deref());
                Err(pod_status::of_job(self.job.as_ref(), reason, message).into())
            }
        }
    }

    /// The Job is no longer there: deleted by this program, by the rule of its template, or by others.
    fn job_is_gone(&mut self) {
        self.deletion = None;
        for pod in &self.pods {
            pod.view.send_modify(|view| view.is_gone = true);
        }
        if self.signal.is_some() || self.is_cancelled {
            self.finish(self.end_by_deletion());
        }
        if self.end.is_some() {
            return;
        }
        let goes_by_itself = job_state::goes_by_itself(self.job.as_ref());
        let has_one_pod = job_state::has_one_pod(self.job.as_ref());
        let is_decided = goes_by_itself || !job_state::tries_again(self.job.as_ref());
        let last = self.pods.last().map(|pod| pod.view.borrow().clone());
        let end = match last {
            Some(pod) if pod.phase == "Succeeded" && (has_one_pod || goes_by_itself) => {
                End::Known(Ok(SUCCESS))
            }
            Some(PodView {
                failure: Some(failure),
                was_deleted: false,
                ..
            }) if is_decided => End::Known(ended_by(failure)),
            _ if goes_by_itself => End::Gone(self.handle.is_gone()),
            _ => End::Gone(self.handle.was_deleted()),
        };
        self.finish(end);
    }

    /// Deletes the Job where that is asked for. Whether nothing is waited for any more.
    pub(super) fn take_signal(&mut self, signal: TerminationSignal) -> bool {
        let is_first = self.signal.is_none();
        self.signal.get_or_insert(signal);
        let job = &self.handle.name;
        match self.deletion {
            _ if self.start_limit.is_none() => {}
            _ if is_first => {
                self.handle.tell_deletion(self.progress);
                self.delete(HASTY_PATIENCE);
                return false;
            }
            Some(Deletion::Asked) => self.tell_unanswered(None),
            _ => self.progress.warning(&format!(
                "the Job '{job}' is being deleted; its end is not waited for"
            )),
        }
        true
    }

    /// Asks for the Job's deletion. The answer may take so long.
    pub(super) fn delete(&mut self, patience: Duration) {
        let (handle, sender) = (self.handle.clone(), self.sender.clone());
        self.deletion = Some(Deletion::Asked);
        self.tasks.spawn(async move {
            let deleted = handle.delete(patience).await;
            let _ = sender.send(Message::Deletion(deleted)).await;
        });
    }

    pub(super) fn take_answer_to_deletion(&mut self, answer: Result<(), ApiProblem>) {
        // The Job itself may have shown before the answer that it is gone.
        let Some(Deletion::Asked) = self.deletion else {
            return;
        };
        let Err(problem) = answer else {
            self.deletion = Some(self.begun_deletion());
            return;
        };
        if problem.is_passing() {
            self.tell_unanswered(Some(&problem));
        } else {
            let cluster = &self.handle.cluster;
            self.progress.warning(&format!(
                "cannot delete the Job on {cluster}: {problem}; delete it yourself: {}",
                self.handle.deletion_command()
            ));
        }
        self.give_up_deletion();
    }

    /// Whoever deleted the Job, its pods have their time to end.
    fn begun_deletion(&self) -> Deletion {
        Deletion::Begun {
            until: Instant::now() + time_to_end(self.job.as_ref()),
        }
    }

    /// The Job was deleted before it had ended, maybe by others.
    fn others_delete_it(&mut self) {
        let is_own = self.signal.is_some() || self.deletion.is_some();
        if is_own || self.end.is_some() || self.is_cancelled {
            return;
        }
        self.is_cancelled = true;
        self.deletion = Some(self.begun_deletion());
        self.progress.info(&format!(
            "The Job '{}' is being deleted by others; waiting for its pods to end",
            self.handle.name
        ));
    }

    /// The deletion is not waited for any more.
    pub(super) fn give_up_deletion(&mut self) {
        if self.signal.is_some() || self.is_cancelled {
            self.finish(self.end_by_deletion());
        }
        self.deletion = None;
        self.drained_by = Some(Instant::now());
    }

    /// How a Job ends that this program deleted after a signal, or others.
    fn end_by_deletion(&self) -> End {
        End::Known(match self.signal {
            Some(signal) => Ok(Ended::Interrupted(signal)),
            None => Err(self.handle.was_deleted()),
        })
    }

    /// Nobody knows whether the Job will be deleted.
    fn tell_unanswered(&self, problem: Option<&ApiProblem>) {
        let problem = problem.map_or_else(String::new, |problem| format!(" ({problem})"));
        self.progress.warning(&format!(
            "{} has not answered the deletion of the Job '{}'{problem}: the Job may still run; delete it yourself: {}",
            self.handle.cluster,
            self.handle.name,
            self.handle.deletion_command()
        ));
    }
}

fn ended_by(failure: Failure) -> Result<Ended, KubernetesError> {
    match failure {
        Failure::ExitCode(code) => Ok(Ended::Done(ProgramExit::Code(code))),
        Failure::Other(reason) => Err(reason.into()),
    }
}
