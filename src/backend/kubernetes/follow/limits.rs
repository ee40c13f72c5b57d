//! What has its time: the start, and an API that is silent.

use std::time::Duration;

use tokio::time::Instant;

use super::{Deletion, End, Follower, StartLimit};
use crate::backend::kubernetes::KubernetesError;
use crate::backend::kubernetes::api_problem::{ApiProblem, ProblemKind};
use crate::backend::kubernetes::error::{JobFate, seconds};
use crate::backend::kubernetes::handle::PATIENCE;
use crate::backend::kubernetes::job_state::is_suspended;
use crate::backend::kubernetes::reasons::Reason;

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
    /// When it is looked at again.
    due: Instant,
    pub(super) problem: ApiProblem,
    pub(super) was_told: bool,
}

impl Silence {
    pub(super) fn begin(problem: ApiProblem) -> Self {
        let since = Instant::now();
        Self {
            since,
            due: since + TOLD_AFTER,
            problem,
            was_told: false,
        }
    }

    fn patience(&self) -> Duration {
        match self.problem.kind {
            ProblemKind::Unauthorized => LOCKED_OUT,
            _ => LOST,
        }
    }
}

impl Follower<'_> {
    /// The next moment at which something is due.
    pub(super) fn deadline(&self) -> Instant {
        let far = Instant::now() + Duration::from_secs(3600);
        // A start that only takes long is looked at again when something changes.
        let start = self
            .start_due()
            .filter(|(due, limit)| limit.is_strict || self.problem().is_some() || *due > Instant::now())
            .map(|(due, _)| due);
        let silence = self.silence.as_ref().map(|silence| silence.due);
        let ended_by = match self.deletion {
            Some(Deletion::Begun { until }) => Some(until),
            Some(Deletion::Asked) => None,
            None => self.drained_by,
        };
        [start, ended_by, silence]
            .into_iter()
            .flatten()
            .fold(far, Instant::min)
    }

    /// When the entry point shall have started, if it is waited for.
    fn start_due(&self) -> Option<(Instant, StartLimit)> {
        let is_awaited = self.end.is_none() && self.signal.is_none() && !self.has_started && !self.is_held();
        let limit = self.start_limit.filter(|_| is_awaited)?;
        Some((self.waiting_since + limit.after, limit))
    }

    pub(super) fn deadline_passed(&mut self) {
        let now = Instant::now();
        if let Some(Deletion::Begun { until }) = self.deletion
            && now >= until
        {
            self.deletion_takes_too_long();
        }
        self.tell_silence(now);
        if let Some((due, limit)) = self.start_due()
            && now >= due
        {
            let problem = self.problem();
            if problem.is_none() && !limit.is_strict {
                return;
            }
            let problem = problem.unwrap_or_else(|| {
                let phase = match self.pods.last() {
                    Some(pod) => format!("the pod is {}", pod.view.phase),
                    None => "the Job has no pod yet".to_owned(),
                };
                Reason::new(phase, Some("give it more time with --start-timeout"))
            });
            let within = seconds(limit.after);
            self.give_up_start(&format!("has not started within {within}"), problem);
        }
    }

    /// Deletes a Job whose entry point does not start.
    fn give_up_start(&mut self, what: &str, reason: Reason) {
        self.delete(PATIENCE);
        let text = format!("the entry point {what}: {}", reason.text);
        let reason = Reason { text, ..reason };
        self.finish(End::Known(Err(reason.into())));
    }

    /// Whether a queue decides when the Job starts: that may take any time.
    fn is_held(&self) -> bool {
        let newest = self.pods.last().map(|pod| &pod.view);
        is_suspended(self.job.as_ref()) || newest.is_some_and(|pod| pod.is_gated && !pod.is_over)
    }

    /// The time to start counts from when nobody holds the Job back any more.
    pub(super) fn restart_the_clock_while_held(&mut self) {
        let is_held = self.is_held();
        if is_held || self.was_held {
            self.waiting_since = Instant::now();
        }
        self.was_held = is_held;
    }

    /// Ends the Job at once where waiting does not help: an entry point that never starts, or a container
    /// beside it without which the pod never ends.
    pub(super) fn end_what_cannot_start(&mut self) {
        if self.start_limit.is_none() || self.end.is_some() || self.signal.is_some() {
            return;
        }
        if let Some(problem) = self.problem().filter(|problem| problem.is_lasting) {
            self.give_up_start("cannot start", problem);
        }
    }

    fn tell_silence(&mut self, now: Instant) {
        let Some(silence) = self.silence.as_mut().filter(|silence| now >= silence.due) else {
            return;
        };
        let lasted = Duration::from_secs((now - silence.since).as_secs());
        if lasted < silence.patience() {
            silence.was_told = true;
            silence.due = (now + TOLD_AGAIN).min(silence.since + silence.patience());
            self.progress.warning(&format!(
                "{} has not answered for {}: {}; the Job goes on, and is followed again as soon as it answers",
                self.handle.cluster,
                seconds(lasted),
                silence.problem
            ));
            return;
        }
        let problem = format!(
            "the Job '{}' goes on, but {} has not answered for {}",
            self.handle.name,
            self.handle.cluster,
            seconds(lasted)
        );
        let hint = "`mlrun wait RUN_ID` follows it again".to_owned();
        let lost = KubernetesError::failed(problem, Some(hint), Some(silence.problem.clone().into()));
        self.silence = None;
        self.finish(End::Known(Err(lost.with_fate(JobFate::Lost))));
        self.drained_by = Some(now);
    }
}
