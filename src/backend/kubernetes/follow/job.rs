//! What becomes of the Job itself.

use k8s_openapi::api::batch::v1::{Job, JobCondition};

use super::limits::Silence;
use super::pods::PodState;
use super::{End, Follower};
use crate::backend::kubernetes::KubernetesError;
use crate::backend::kubernetes::api_problem::ProblemKind;
use crate::backend::kubernetes::job_state;
use crate::backend::kubernetes::reasons::{self, Failure, PodView};
use crate::backend::kubernetes::watch::Change;
use crate::process::{Ended, ProgramExit};

const SUCCESS: Ended = Ended::Exited(ProgramExit::Code(0));

impl Follower<'_> {
    pub(super) fn take_job(&mut self, change: Change<Job>) -> Result<(), KubernetesError> {
        if !matches!(change, Change::Trouble(_)) {
            self.api_answers();
        }
        match change {
            Change::Trouble(problem) if problem.kind == ProblemKind::Forbidden => {
                return Err(self.handle.cluster.problem("watch the Job", problem));
            }
            Change::Trouble(problem) => {
                let problem = self.handle.cluster.explained(problem);
                let begun = || Silence::begin(problem.clone());
                self.silence.get_or_insert_with(begun).problem = problem.clone();
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

    fn api_answers(&mut self) {
        if self.silence.take().is_some_and(|silence| silence.was_told) {
            self.progress
                .info(&format!("{} answers again", self.handle.cluster));
        }
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
            let has_failed = |pod: &PodState| pod.view.failure.is_some() && is_meant(&pod.view);
            self.pods.iter().rposition(has_failed)
        };
        // A Job that fails deletes its other pods.
        let last = failed(|pod| !pod.was_deleted).or_else(|| failed(|_| true));
        self.tell_failures(last);
        let of_pod = last.and_then(|last| self.pods[last].view.failure.clone());
        match of_pod {
            Some(failure) if end.reason.as_deref() != Some("DeadlineExceeded") => ended_by(failure),
            _ => {
                let (reason, message) = (end.reason.as_deref(), end.message.as_deref());
                Err(reasons::of_job(self.job.as_ref(), reason, message).into())
            }
        }
    }

    /// The Job is no longer there: deleted by this program, by the rule of its template, or by others.
    fn job_is_gone(&mut self) {
        self.deletion = None;
        for pod in &mut self.pods {
            pod.progress.send_modify(|progress| progress.is_gone = true);
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
        let last = self.pods.last().map(|pod| pod.view.clone());
        let result = match last {
            Some(pod) if pod.phase == "Succeeded" && (has_one_pod || goes_by_itself) => Ok(SUCCESS),
            Some(PodView {
                failure: Some(failure),
                was_deleted: false,
                ..
            }) if is_decided => ended_by(failure),
            _ if goes_by_itself => Err(self.handle.is_gone()),
            _ => Err(self.handle.was_deleted()),
        };
        self.finish(End::Known(result));
    }
}

fn ended_by(failure: Failure) -> Result<Ended, KubernetesError> {
    match failure {
        Failure::ExitCode(code) => Ok(Ended::Exited(ProgramExit::Code(code))),
        Failure::Other(reason) => Err(reason.into()),
    }
}
