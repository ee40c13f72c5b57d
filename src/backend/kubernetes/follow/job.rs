//! What becomes of the Job itself.

use k8s_openapi::api::batch::v1::Job;
use tokio::time::Instant;

use super::limits::Silence;
use super::{End, Follower};
use crate::backend::kubernetes::KubernetesError;
use crate::backend::kubernetes::api_problem::ProblemKind;
use crate::backend::kubernetes::cancelled::was_cancelled;
use crate::backend::kubernetes::reasons::{self, Failure, JobEnd, PodView};
use crate::backend::kubernetes::watch::Change;
use crate::process::{Ended, ProgramExit};

impl Follower<'_> {
    pub(super) fn take_job(&mut self, change: Change<Job>) -> Result<(), KubernetesError> {
        match change {
            Change::Trouble(problem) => match problem.kind {
                ProblemKind::Forbidden => return Err(self.handle.cluster.problem("watch the Job", problem)),
                _ => match &mut self.silence {
                    Some(silence) => silence.goes_on(problem),
                    None => self.silence = Some(Silence::begin(problem)),
                },
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
        if self.silence.take().is_some_and(|silence| silence.was_told) {
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
        let is_cancelled = was_cancelled(&job);
        if self.job.is_none() && end.is_none() && !self.has_started {
            // The reference's words.
            self.tell_once("Waiting for Job to start");
        }
        self.job = Some(job);
        if is_cancelled {
            self.others_delete_it();
        }
        if let Some(end) = end {
            self.take_end(&end);
        }
    }

    fn take_end(&mut self, end: &JobEnd) {
        if self.end.is_some() {
            return;
        }
        let result = match end {
            // What the pods of a deleted Job make of their end says nothing.
            _ if self.signal.is_some() || self.is_cancelled => self.end_by_deletion(),
            JobEnd::Complete => End::Known(Ok(Ended::Exited(ProgramExit::Code(0)))),
            JobEnd::Failed { reason, message } => End::Failed {
                reason: reason.clone(),
                message: message.clone(),
            },
        };
        self.finish(result);
    }

    /// Why the Job failed: what its last pod says, unless the Job itself was too slow.
    pub(super) fn failure(&self, reason: &str, message: &str) -> Result<Ended, KubernetesError> {
        let of_pod = self.pods.iter().rev().find_map(|pod| pod.view.failure.clone());
        let reason = match of_pod {
            Some(failure) if reason != "DeadlineExceeded" => return ended_by(failure),
            _ => reasons::of_job(self.job.as_ref(), reason, message),
        };
        ended_by(Failure::Other(reason))
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
        self.finish(End::Known(result));
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
