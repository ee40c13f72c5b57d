//! What all steps of a fetch from Git share: how they wait, and whom they tell.

use std::pin::pin;
use std::time::Duration;

use tokio::runtime::Runtime;

use super::super::blocking::Reporter;
use super::problem::GitProblem;

/// How often a step that waits looks whether anybody still waits for it.
const CANCEL_INTERVAL: Duration = Duration::from_millis(50);

/// A fetch that goes on, on a thread that may block.
pub(super) struct Task<'a> {
    /// Hears how far the fetch is.
    pub(super) reporter: &'a Reporter,
    // One of its own: the one that waits for this thread stands still when it gives the fetch up. It is
    // there until the task is dropped.
    runtime: Option<Runtime>,
}

impl Drop for Task<'_> {
    fn drop(&mut self) {
        if let Some(runtime) = self.runtime.take() {
            // A name server that does not answer must not hold the end of the fetch back.
            runtime.shutdown_background();
        }
    }
}

impl<'a> Task<'a> {
    pub(super) fn new(reporter: &'a Reporter) -> Result<Self, GitProblem> {
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build()
            .map_err(|error| GitProblem::Broken {
                reason: error.to_string(),
            })?;
        Ok(Self {
            reporter,
            runtime: Some(runtime),
        })
    }

    /// Waits for something, unless the fetch is given up meanwhile.
    pub(super) fn wait<T>(&self, future: impl Future<Output = T>) -> Result<T, GitProblem> {
        let runtime = self.runtime.as_ref().ok_or(GitProblem::Interrupted)?;
        runtime.block_on(async {
            let mut future = pin!(future);
            loop {
                self.check()?;
                if let Ok(value) = tokio::time::timeout(CANCEL_INTERVAL, future.as_mut()).await {
                    return Ok(value);
                }
            }
        })
    }

    /// Fails where the fetch is given up.
    pub(super) fn check(&self) -> Result<(), GitProblem> {
        if self.reporter.is_cancelled() {
            Err(GitProblem::Interrupted)
        } else {
            Ok(())
        }
    }
}
