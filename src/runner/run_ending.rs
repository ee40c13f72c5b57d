//! What is known of a run while it runs, and how it ended.

use std::sync::Arc;
use std::time::Duration;

use super::error::RunError;
use crate::entities::RunStatus;
use crate::fetch::TreeState;
use crate::process::{Ended, ProgramExit, TerminationSignal};
use crate::tracking::RunEnd;

/// How long each phase took; `None` if it has not ended.
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

/// What is known of a run so far.
#[derive(Debug, Clone, Default)]
pub(crate) struct RunDetails {
    /// How long its phases took.
    pub timings: Timings,
    /// Whether the project's files differ from their commit; `None` if there is no commit, or it is not known yet.
    pub is_dirty: Option<bool>,
    /// What may help if the entry point failed.
    pub failure_hint: Option<String>,
    /// Tags that identify the environment, if it has any.
    pub environment_tags: Vec<(String, String)>,
    /// Tags that lead to the run at its backend, if it has any.
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

/// The outcome of launching an entry point.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Launched {
    /// It ended.
    Exited(ProgramExit),
    /// A signal ended it, or what came before it.
    Interrupted {
        /// The signal.
        signal: TerminationSignal,
    },
    /// The backend has accepted it, and this program does not wait for it.
    Submitted,
    /// Nothing was launched: an earlier run had done the work.
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

/// How a run ended.
#[derive(Debug, Clone)]
pub struct RunEnding {
    /// How the entry point ended, or why it could not be run.
    pub launched: Result<Launched, Arc<RunError>>,
    /// The end that was to be recorded; `None` for a run that continues without this program.
    pub end: Option<RunEnd>,
    /// The status that the store has now, or why the end could not be recorded.
    pub recorded: Result<RunStatus, Arc<RunError>>,
}

impl RunEnding {
    /// The run's status in the store, or the one that could not be recorded there.
    pub fn status(&self) -> RunStatus {
        match (&self.recorded, self.end) {
            (Ok(status), _) => *status,
            (Err(_), Some(end)) => end.status,
            (Err(_), None) => RunStatus::Running,
        }
    }

    /// Whether the entry point succeeded, now or in the reused run, and that is recorded.
    pub fn is_success(&self) -> bool {
        let ended_well = match &self.launched {
            Ok(Launched::Exited(exit)) => exit.is_success(),
            Ok(Launched::Reused) => true,
            Ok(Launched::Interrupted { .. } | Launched::Submitted) | Err(_) => false,
        };
        ended_well && self.recorded.is_ok()
    }
}
