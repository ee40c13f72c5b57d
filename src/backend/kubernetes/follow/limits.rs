//! What has its time: the start, and an API that is silent.

use std::time::Duration;

use tokio::time::Instant;

use super::{Deletion, End, Follower};
use crate::backend::kubernetes::KubernetesError;
use crate::backend::kubernetes::error::{ApiProblem, ProblemKind, seconds};
use crate::backend::kubernetes::handle::PATIENCE;
use crate::backend::kubernetes::job_state::is_suspended;
use crate::backend::kubernetes::reasons::Reason;
use crate::run::RunStatus;

/// How long the API may be silent before that is said.
const TOLD_AFTER: Duration = Duration::from_secs(30);
/// How often it is said again.
const TOLD_AGAIN: Duration = Duration::from_secs(300);
/// When a Job that cannot be asked for is given up.
const LOST: Duration = Duration::from_secs(30 * 60);
/// When it is given up where the credentials are no longer valid.
const LOCKED_OUT: Duration = Duration::from_secs(120);

/// A time in which the API does not answer.
pub(super) struct Silence {
    since: Instant,
    /// How long it may last before it is told, for the first time or again.
    told_after: Duration,
    /// What kept the API from answering last.
    pub(super) problem: Option<ApiProblem>,
}

impl Silence {
    pub(super) fn begin() -> Self {
        Self {
            since: Instant::now(),
            told_after: TOLD_AFTER,
            problem: None,
        }
    }

    pub(super) fn was_told(&self) -> bool {
        self.told_after > TOLD_AFTER
    }
}

impl Follower<'_> {
    /// Does what is due.
    pub(super) fn look_at_the_time(&mut self) {
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
}
