//! What becomes known of a run while it goes on, and what became of it.

use std::sync::Arc;
use std::time::Duration;

use super::error::RunError;
use crate::entities::RunStatus;
use crate::fetch::TreeState;
use crate::process::{Ended, ProgramExit, TerminationSignal};
use crate::tracking::RunEnd;

/// The time that each phase took; `None` for one that has not ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) struct Timings {
    /// Bringing the project onto this machine.
    pub fetch: Option<Duration>,
    /// Finding out which environment is needed, and preparing it.
    pub environment: Option<Duration>,
    /// Downloading the data of parameters.
    pub data: Option<Duration>,
    /// The entry point, from its start to its end.
    pub run: Option<Duration>,
}

/// What has become known of a run.
#[derive(Debug, Clone, Default)]
pub(crate) struct RunDetails {
    /// How long its phases took.
    pub timings: Timings,
    /// Whether the project's files are not those of their commit; `None` where there is none, or it is not
    /// known yet.
    pub is_dirty: Option<bool>,
    /// What the person may do about an entry point that failed.
    pub failure_hint: Option<String>,
    /// Tags that tell which environment it got, where the environment has such.
    pub environment_tags: Vec<(String, String)>,
    /// Tags that tell where the backend runs it, where the backend has such.
    pub backend_tags: Vec<(String, String)>,
}

impl RunDetails {
    pub(super) fn set_tree(&mut self, tree: &TreeState) {
        self.is_dirty = match tree {
            TreeState::Clean => Some(false),
            TreeState::Changed { .. } | TreeState::Untracked { .. } => Some(true),
            TreeState::Unknown => None,
        };
    }
}

/// What became of an entry point that was to be launched.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Launched {
    /// It ended.
    Exited(ProgramExit),
    /// A signal ended it, or what came before it.
    Interrupted {
        /// The signal.
        signal: TerminationSignal,
    },
    /// The backend has it, and nobody waits for it here.
    Submitted,
    /// It was not: the run had done the work before.
    Reused,
}

impl From<Ended> for Launched {
    fn from(ended: Ended) -> Self {
        match ended {
            Ended::Done(exit) => Self::Exited(exit),
            Ended::Interrupted(signal) => Self::Interrupted { signal },
        }
    }
}

/// What became of a run.
#[derive(Debug, Clone)]
pub struct RunEnding {
    /// How the entry point ended, or why it could not be run.
    pub launched: Result<Launched, Arc<RunError>>,
    /// What was to be recorded; `None` for a run that goes on without this program.
    pub end: Option<RunEnd>,
    /// The status that the store holds now, or why it could not be told of the end.
    pub recorded: Result<RunStatus, Arc<RunError>>,
}

impl RunEnding {
    /// The run's status as the store holds it; as it would be, where the store could not be told.
    pub fn status(&self) -> RunStatus {
        match (&self.recorded, self.end) {
            (Ok(status), _) => *status,
            (Err(_), Some(end)) => end.status,
            (Err(_), None) => RunStatus::Running,
        }
    }

    /// Whether the entry point ended well, now or in the run that is reused, and the store knows.
    pub fn is_success(&self) -> bool {
        let ended_well = match &self.launched {
            Ok(Launched::Exited(exit)) => exit.is_success(),
            Ok(Launched::Reused) => true,
            Ok(Launched::Interrupted { .. } | Launched::Submitted) | Err(_) => false,
        };
        ended_well && self.recorded.is_ok()
    }
}
