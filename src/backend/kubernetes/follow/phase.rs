//! The phases of a followed Job, and the transitions between them.
//!
//! ```text
//! Starting -> Running -> Draining -> Ended
//! ```
//!
//! - `Running`: the entry point's container has started.
//! - `Draining`: the Job has completed or failed, is gone, did not start in time, or can no longer be reached. Its
//!   pods and logs may still be read for a while.
//! - `Ended`: they are read, or that time is over.
//!
//! A deletion may happen in any phase: after a signal, after a slow start, or by others. `Draining` lasts until
//! it is over.

use std::mem;
use std::time::Duration;

use k8s_openapi::api::batch::v1::JobCondition;
use tokio::time::Instant;

use crate::backend::error::ServiceError;
use crate::backend::kubernetes::reason::Reason;
use crate::process::{Ended, TerminationSignal};

/// How long to read logs after the Job has ended.
const LOG_DRAIN: Duration = Duration::from_secs(20);

pub(super) enum Phase {
    Starting {
        /// When the time to start began.
        since: Instant,
        /// What prevents the creation of pods, according to events.
        problem: Option<Reason>,
    },
    Running,
    /// The Job's end is known, but its pods and logs may still add to it.
    Draining {
        end: End,
        until: Instant,
        /// Whether the pods' state after the Job's end is known.
        knows_last_pods: bool,
    },
    Ended,
}

pub(super) enum End {
    Known(Result<Ended, ServiceError>),
    /// It failed, and its pods may say why.
    Failed(JobCondition),
    /// It is gone. This is the error if the cluster's events do not say more.
    Gone(ServiceError),
}

/// A deletion of the followed Job.
#[derive(Clone, Copy)]
pub(super) struct Deletion {
    pub(super) by: Deleter,
    pub(super) stage: DeletionStage,
}

#[derive(Clone, Copy)]
pub(super) enum Deleter {
    /// This program, after the first signal.
    Signal(TerminationSignal),
    /// This program, because waiting for the entry point's start does not help.
    StartLimit,
    Others,
}

#[derive(Clone, Copy)]
pub(super) enum DeletionStage {
    /// Requested; the API has not answered.
    Asked,
    /// In progress; it may take until then.
    Begun { until: Instant },
    /// The Job is gone, or mlrun no longer waits for it.
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

    /// Notes how the Job ended. Only the first end counts; returns whether this is it.
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

    /// Finishes draining when it is time, and returns the Job's end and whether everything was read.
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
