//! `--timeout`: how long a run may take.

use std::convert::Infallible;
use std::future::pending;
use std::time::Duration;

use crate::cli::printer::Printer;
use crate::http::in_words;
use crate::process::TerminationSignal;
use crate::runner::{Launched, RunEnding, SubmittedRun};

/// How long a run may take, and whether it took longer.
pub(crate) struct TimeLimit {
    limit: Option<Duration>,
    is_over: bool,
}

impl TimeLimit {
    pub(crate) fn new(limit: Option<Duration>) -> Self {
        Self {
            limit,
            is_over: false,
        }
    }

    /// Ends the run when its time is over, as `SIGTERM` does. Never returns: the run's own end is to be
    /// waited for.
    pub(crate) async fn end(&mut self, run: &SubmittedRun, printer: &Printer) -> Infallible {
        if let Some(limit) = self.limit {
            tokio::time::sleep(limit).await;
            self.is_over = true;
            printer.error(&format!(
                "=== Run (ID '{}') takes longer than {}: it is ended ===",
                run.run_id(),
                in_words(limit)
            ));
            run.cancel();
        }
        pending().await
    }

    /// Whether the limit was what ended the run.
    pub(crate) fn has_ended(&self, ending: &RunEnding) -> bool {
        let by_request = Launched::Interrupted {
            signal: TerminationSignal::Terminate,
        };
        self.is_over && matches!(&ending.launched, Ok(launched) if *launched == by_request)
    }
}
