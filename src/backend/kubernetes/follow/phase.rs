//! The phases of a Job that is followed, and what leads from one to the next.
//!
//! ```text
//! Starting -> Running -> Draining -> Ended
//! ```
//!
//! - `Running`: a container of the entry point has run.
//! - `Draining`: the Job has ended, in either of the phases before. It has completed or failed, is gone, did not
//!   start in time, or cannot be asked for any more. Its pods and logs have some time left.
//! - `Ended`: they are known and shown, or that time is over.
//!
//! Beside the phases there may be a deletion: after a signal, after a start that took too long, or by others.
//! Until it is over, `Draining` lasts.

use std::mem;
use std::time::Duration;

use k8s_openapi::api::batch::v1::JobCondition;
use tokio::time::Instant;

use crate::backend::error::ServiceError;
use crate::backend::kubernetes::reason::Reason;
use crate::process::{Ended, TerminationSignal};

/// How long logs may still come when the Job has ended.
const LOG_DRAIN: Duration = Duration::from_secs(20);

pub(super) enum Phase {
    Starting {
        /// From when on the time to start counts.
        since: Instant,
        /// What keeps pods from being made, as events tell it.
        problem: Option<Reason>,
    },
    Running,
    /// How the Job ended is known, but its pods and logs may still have something to say.
    Draining {
        end: End,
        until: Instant,
        /// Whether the pods are known as they were when the Job had ended.
        knows_last_pods: bool,
    },
    Ended,
}

pub(super) enum End {
    Known(Result<Ended, ServiceError>),
    /// It failed so, and its pods may tell why.
    Failed(JobCondition),
    /// It is gone. This is said if the cluster does not remember more.
    Gone(ServiceError),
}

/// The Job's deletion while it is followed.
#[derive(Clone, Copy)]
pub(super) struct Deletion {
    pub(super) by: Deleter,
    pub(super) stage: DeletionStage,
}

#[derive(Clone, Copy)]
pub(super) enum Deleter {
    /// This program, after the first signal.
    Signal(TerminationSignal),
    /// This program, since waiting for the entry point's start does not help.
    StartLimit,
    Others,
}

#[derive(Clone, Copy)]
pub(super) enum DeletionStage {
    /// The API has not answered.
    Asked,
    /// It goes on, and may take until then.
    Begun { until: Instant },
    /// The Job is gone, or its deletion is not waited for.
    Over,
}

impl Phase {
    pub(super) fn starting() -> Self {
        Self::Starting {
            since: Instant::now(),
            problem: None,
        }
    }

    pub(super) fn is_running(&self) -> bool {
        matches!(self, Self::Running)
    }

    pub(super) fn has_ended(&self) -> bool {
        matches!(self, Self::Draining { .. } | Self::Ended)
    }

    pub(super) fn start(&mut self) {
        if let Self::Starting { .. } = self {
            *self = Self::Running;
        }
    }

    /// Notes how the Job ended. Its first end counts: whether this is the one.
    pub(super) fn finish(&mut self, end: End) -> bool {
        let is_first = !self.has_ended();
        if is_first {
            *self = Self::Draining {
                end,
                until: Instant::now() + LOG_DRAIN,
                knows_last_pods: false,
            };
        }
        is_first
    }

    pub(super) fn know_last_pods(&mut self) {
        if let Self::Draining { knows_last_pods, .. } = self {
            *knows_last_pods = true;
        }
    }

    pub(super) fn stop_draining(&mut self) {
        if let Self::Draining { until, .. } = self {
            *until = Instant::now();
        }
    }

    /// Ends the draining, if it is time, and gives the Job's end; also whether everything has been read by then.
    pub(super) fn end(&mut self, logs_are_read: bool) -> Option<(End, bool)> {
        let Self::Draining {
            until,
            knows_last_pods,
            ..
        } = *self
        else {
            return None;
        };
        let is_whole = knows_last_pods && logs_are_read;
        if !is_whole && Instant::now() < until {
            return None;
        }
        match mem::replace(self, Self::Ended) {
            Self::Draining { end, .. } => Some((end, is_whole)),
            _ => None,
        }
    }
}
