//! The state of the Job itself, and its deletion while it is followed: after a signal, after a slow start, or
//! by others.

use std::time::Duration;

use k8s_openapi::api::batch::v1::{Job, JobCondition};
use tokio::time::Instant;

use super::phase::{Deleter, Deletion, DeletionStage, End};
use super::watch::Change;
use super::{Follower, Message, Silence};
use crate::backend::error::ServiceError;
use crate::backend::kubernetes::api_error::{ApiProblem, ProblemKind};
use crate::backend::kubernetes::job_api::{self, SUCCESS};
use crate::backend::kubernetes::pod_status::{Failure, PodView};
use crate::process::{Ended, ProgramExit, TerminationSignal};

/// How long to wait for the answer to a deletion after a signal: batch systems kill soon.
const HASTY_PATIENCE: Duration = Duration::from_secs(5);

/// The Job's state.
impl Follower<'_> {
    pub(super) fn take_job(&mut self, change: Change<Job>) -> Result<(), ServiceError> {
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
                match &mut self.silence {
                    Some(silence) => silence.problem = problem,
                    None => self.silence = Some(Silence::begin(problem)),
                }
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
        let end = job_api::end_of(&job).cloned();
        let is_cancelled = job_api::was_cancelled(&job);
        if self.job.is_none() && end.is_none() && !self.phase.is_running() {
            // The reference's wording.
            self.tell_once("Waiting for Job to start");
        }
        self.job = Some(job);
        if is_cancelled {
            self.others_delete_it();
        }
        if let Some(end) = end {
            // How the pods of a deleted Job ended means nothing.
            let end = self.end_by_deletion().unwrap_or(match end.type_.as_str() {
                "Complete" => End::Known(Ok(SUCCESS)),
                _ => End::Failed(end),
            });
            self.finish(end);
        }
    }

    /// Reports whenever the Job is suspended, as by a queue, or resumed.
    fn tell_suspension(&mut self, job: &Job) {
        let was_suspended = job_api::is_suspended(self.job.as_ref());
        let is_suspended = job_api::is_suspended(Some(job));
        if was_suspended == is_suspended || self.phase.has_ended() || self.signal().is_some() {
            return;
        }
        if is_suspended {
            self.expect_all_pods_to_end();
        }
        let text = match (is_suspended, job_api::queue_of(job)) {
            (false, _) => "The Job was resumed".to_owned(),
            (true, _) if self.phase.is_running() => {
                "The Job is suspended again, and its pods are stopped; it starts from the beginning when it is resumed"
                    .to_owned()
            }
            (true, Some(queue)) => {
                format!("The Job is suspended; it starts when Kueue admits it (queue '{queue}')")
            }
            (true, None) => "The Job is suspended; it starts when it is resumed".to_owned(),
        };
        self.progress.info(&text);
    }

    /// The Job is gone: deleted by this program, by its own time to live, or by others.
    fn job_is_gone(&mut self) {
        self.end_deletion();
        for pod in &self.pods {
            pod.view.send_modify(|view| view.is_gone = true);
        }
        let end = self.end_by_deletion().unwrap_or_else(|| self.end_of_gone_job());
        self.finish(end);
    }

    fn end_of_gone_job(&self) -> End {
        let goes_by_itself = job_api::goes_by_itself(self.job.as_ref());
        let has_one_pod = job_api::has_one_pod(self.job.as_ref());
        let is_decided = goes_by_itself || !job_api::tries_again(self.job.as_ref());
        let last = self.pods.last().map(|pod| pod.view.borrow().clone());
        match last {
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
        }
    }
}

/// The Job's end.
impl Follower<'_> {
    pub(super) fn finish(&mut self, end: End) {
        if self.phase.finish(end) {
            self.watch_pods(Message::LastPods);
        }
    }

    /// How the Job ended, once everything is read and shown.
    pub(super) fn take_end(&mut self) -> Option<End> {
        let stage = self.deletion.map(|deletion| deletion.stage);
        if let Some(DeletionStage::Asked | DeletionStage::Begun { .. }) = stage {
            return None;
        }
        let (end, is_whole) = self.phase.end(self.pods.iter().all(|pod| pod.logs_done))?;
        if !is_whole && self.output.is_wanted() && self.signal().is_none() {
            self.progress
                .warning("could not read the entry point's last lines in time; some may be missing");
        }
        Some(end)
    }

    pub(super) async fn result(&mut self, end: End) -> Result<Ended, ServiceError> {
        match end {
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
        }
    }

    /// Why the Job failed: the reason of its last pod, unless the Job exceeded its deadline.
    fn failure(&mut self, end: &JobCondition) -> Result<Ended, ServiceError> {
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
                Err(job_api::failure(self.job.as_ref(), end.reason.as_deref(), end.message.as_deref()).into())
            }
        }
    }
}

/// The Job's deletion.
impl Follower<'_> {
    /// The signal that caused the Job's deletion.
    pub(super) fn signal(&self) -> Option<TerminationSignal> {
        match self.deletion?.by {
            Deleter::Signal(signal) => Some(signal),
            Deleter::StartLimit | Deleter::Others => None,
        }
    }

    /// Deletes the Job at the first signal if this program created it. Otherwise stops waiting.
    pub(super) fn take_signal(&mut self, signal: TerminationSignal) -> Option<Ended> {
        if self.start_limit.is_none() {
            return Some(Ended::Interrupted(signal));
        }
        let Some(Deletion {
            by: Deleter::Signal(signal),
            stage,
        }) = self.deletion
        else {
            self.handle.tell_deletion(self.progress);
            self.delete(Deleter::Signal(signal), HASTY_PATIENCE);
            return None;
        };
        if let DeletionStage::Asked = stage {
            self.tell_unanswered(None);
        } else {
            self.progress.warning(&format!(
                "the Job '{}' is being deleted; not waiting for its end",
                self.handle.name
            ));
        }
        Some(Ended::Interrupted(signal))
    }

    /// Requests the Job's deletion; waits this long for the answer.
    pub(super) fn delete(&mut self, by: Deleter, patience: Duration) {
        let (handle, sender) = (self.handle.clone(), self.sender.clone());
        let stage = DeletionStage::Asked;
        self.deletion = Some(Deletion { by, stage });
        self.tasks.spawn(async move {
            let deleted = handle.delete(patience).await;
            let _ = sender.send(Message::Deletion(deleted)).await;
        });
    }

    pub(super) fn take_answer_to_deletion(&mut self, answer: Result<(), ApiProblem>) {
        // The Job may have disappeared before the answer arrived.
        let Some(Deletion {
            by,
            stage: DeletionStage::Asked,
        }) = self.deletion
        else {
            return;
        };
        match answer {
            Ok(()) => return self.await_deletion(by),
            Err(problem) if problem.is_passing() => self.tell_unanswered(Some(&problem)),
            Err(problem) => self.progress.warning(&format!(
                "cannot delete the Job on {}: {problem}; delete it yourself: {}",
                self.handle.cluster,
                self.handle.deletion_command()
            )),
        }
        self.give_up_deletion();
    }

    /// The deletion has begun. Its pods have their grace period, whoever deletes the Job.
    fn await_deletion(&mut self, by: Deleter) {
        let until = Instant::now() + job_api::time_to_end(self.job.as_ref());
        let stage = DeletionStage::Begun { until };
        self.deletion = Some(Deletion { by, stage });
    }

    /// The Job was deleted before it finished, perhaps by others.
    fn others_delete_it(&mut self) {
        if self.deletion.is_none() && !self.phase.has_ended() {
            self.await_deletion(Deleter::Others);
            self.progress.info(&format!(
                "The Job '{}' was deleted by someone else; waiting for its pods to stop",
                self.handle.name
            ));
        }
    }

    pub(super) fn look_at_the_deletion(&mut self, now: Instant) {
        if let Some(DeletionStage::Begun { until }) = self.deletion.map(|deletion| deletion.stage)
            && now >= until
        {
            self.handle.tell_long_deletion(self.progress);
            self.give_up_deletion();
        }
    }

    fn give_up_deletion(&mut self) {
        if let Some(end) = self.end_by_deletion() {
            self.finish(end);
        }
        self.end_deletion();
        self.phase.stop_draining();
    }

    fn end_deletion(&mut self) {
        if let Some(deletion) = &mut self.deletion {
            deletion.stage = DeletionStage::Over;
        }
    }

    /// The end of a Job that was deleted before it finished.
    fn end_by_deletion(&self) -> Option<End> {
        Some(End::Known(match self.deletion?.by {
            Deleter::Signal(signal) => Ok(Ended::Interrupted(signal)),
            Deleter::Others => Err(self.handle.was_deleted()),
            Deleter::StartLimit => return None,
        }))
    }

    /// It is unknown whether the Job will be deleted.
    fn tell_unanswered(&self, problem: Option<&ApiProblem>) {
        let problem = problem.map_or_else(String::new, |problem| format!(" ({problem})"));
        self.progress.warning(&format!(
            "{} did not confirm the deletion of the Job '{}'{problem}; it may still be running; delete it yourself: {}",
            self.handle.cluster,
            self.handle.name,
            self.handle.deletion_command()
        ));
    }
}

fn ended_by(failure: Failure) -> Result<Ended, ServiceError> {
    match failure {
        Failure::ExitCode(code) => Ok(Ended::Done(ProgramExit::Code(code))),
        Failure::Other(reason) => Err(reason.into()),
    }
}
