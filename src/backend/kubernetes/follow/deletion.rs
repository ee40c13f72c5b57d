//! A Job that is deleted while it is followed: after a signal, after a start that took too long, or by
//! others.

use std::time::Duration;

use tokio::time::Instant;

use super::{Deletion, End, Follower, Message};
use crate::backend::kubernetes::api_problem::ApiProblem;
use crate::backend::kubernetes::deletion::{self, HASTY_PATIENCE};
use crate::process::{Ended, TerminationSignal};

impl Follower<'_> {
    /// Deletes the Job where that is asked for. Whether nothing is waited for any more.
    pub(super) fn take_signal(&mut self, signal: TerminationSignal) -> bool {
        let is_first = self.signal.is_none();
        self.signal.get_or_insert(signal);
        let job = &self.handle.name;
        match self.deletion {
            _ if self.start_limit.is_none() => {}
            _ if is_first => {
                self.progress
                    .info(&format!("Deleting the Job '{job}' and its pods"));
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
        let grace = self.job.as_ref().map(deletion::termination_grace);
        Deletion::Begun {
            until: Instant::now() + grace.unwrap_or_default() + deletion::BEYOND_GRACE,
        }
    }

    /// The Job was deleted before it had ended, maybe by others.
    pub(super) fn others_delete_it(&mut self) {
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

    pub(super) fn deletion_takes_too_long(&mut self) {
        self.progress.warning(&format!(
            "the Job '{}' is being deleted, but its pods have not ended yet",
            self.handle.name
        ));
        self.give_up_deletion();
    }

    /// The deletion is not waited for any more.
    fn give_up_deletion(&mut self) {
        if self.signal.is_some() || self.is_cancelled {
            self.finish(self.end_by_deletion());
        }
        self.deletion = None;
        self.drained_by = Some(Instant::now());
    }

    /// How a Job ends that this program deleted after a signal, or others.
    pub(super) fn end_by_deletion(&self) -> End {
        End::Known(match self.signal {
            Some(signal) => Ok(Ended::Interrupted { signal }),
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
