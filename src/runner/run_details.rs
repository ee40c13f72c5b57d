//! What becomes known of a run while it goes on.

use std::time::Duration;

use crate::fetch::TreeState;

/// The time that each phase took; `None` for one that has not ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Timings {
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
pub struct RunDetails {
    /// How long its phases took.
    pub timings: Timings,
    /// Whether the project's files are not those of their commit; `None` where there is none, or it is not
    /// known yet.
    pub is_dirty: Option<bool>,
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
