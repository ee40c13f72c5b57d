//! The comparison of a project's files with the commit that they belong to, beside other work.

use std::path::PathBuf;

use tokio::task::JoinHandle;

use super::git::{self, TreeState};
use super::work_dir::WorkDir;

/// A comparison that goes on by itself until its result is asked for.
#[derive(Debug)]
pub enum TreeComparison {
    /// The result.
    Known(TreeState),
    /// It goes on.
    GoesOn(JoinHandle<TreeState>),
}

/// Begins to compare a project's files with the commit that they belong to. Its time grows with the
/// number of files: each is looked at, as `git status` does it. `no_part` are files and directories
/// that are no part of the project, such as the tracking store.
pub fn compare_with_commit(work_dir: &WorkDir, no_part: Vec<PathBuf>) -> TreeComparison {
    if work_dir.source().commit.is_none() {
        TreeComparison::Known(TreeState::Unknown)
    } else if work_dir.is_temporary() {
        // It was checked out a moment ago.
        TreeComparison::Known(TreeState::Clean)
    } else {
        let directory = work_dir.path().to_owned();
        TreeComparison::GoesOn(tokio::task::spawn_blocking(move || {
            git::find_repository(&directory).map_or(TreeState::Unknown, |repository| {
                repository.tree_state(&directory, &no_part)
            })
        }))
    }
}

impl TreeComparison {
    /// The result, where it is there.
    pub async fn finished(&mut self) -> Option<&TreeState> {
        match self {
            Self::GoesOn(task) if !task.is_finished() => None,
            _ => Some(self.state().await),
        }
    }

    /// Waits for the result.
    pub async fn state(&mut self) -> &TreeState {
        if let Self::GoesOn(task) = self {
            *self = Self::Known(task.await.unwrap_or(TreeState::Unknown));
        }
        match self {
            Self::Known(state) => state,
            Self::GoesOn(_) => &TreeState::Unknown,
        }
    }
}
