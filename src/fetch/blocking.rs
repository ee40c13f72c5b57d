//! Blocking work that fills a temporary directory, and that its asynchronous caller can cancel at any moment.

use std::path::{Path, PathBuf};
use std::thread;
use std::time::{Duration, Instant};

use tokio::sync::mpsc;
use tokio::task::{JoinError, JoinHandle};

use super::FetchError;
use crate::events::{Progress, Transfer};
use crate::temporary::{self, TemporaryDirectory};

/// How long to wait for cancelled work to stop. A library that writes files fails at the next file, because its
/// directory has been renamed by then. Work that still runs after this time is left alone.
const ABANDON_GRACE: Duration = Duration::from_secs(2);
/// The pause between two checks whether it has stopped.
const ABANDON_PAUSE: Duration = Duration::from_millis(1);

/// Passes the events of blocking work to its caller. The work is cancelled once the caller has dropped the receiver.
#[derive(Clone)]
pub(super) struct Reporter(mpsc::UnboundedSender<Event>);

enum Event {
    Info(String),
    Transfer(Transfer<'static>),
}

impl Reporter {
    /// Whether the caller has cancelled the work.
    pub(super) fn is_cancelled(&self) -> bool {
        self.0.is_closed()
    }

    /// Fails if the caller has cancelled the work.
    pub(super) fn check(&self) -> Result<(), FetchError> {
        if self.is_cancelled() {
            Err(FetchError::new("the fetch was cancelled", ""))
        } else {
            Ok(())
        }
    }

    /// Waits until the caller cancels the work.
    pub(super) async fn cancelled(&self) {
        self.0.closed().await;
    }

    /// Reports a log line.
    pub(super) fn info(&self, line: String) {
        let _ = self.0.send(Event::Info(line));
    }

    /// Reports the state of a transfer.
    pub(super) fn report(&self, transfer: Transfer<'static>) {
        let _ = self.0.send(Event::Transfer(transfer));
    }
}

/// Runs `work` on a thread that may block, with a new temporary directory to fill, and passes on its reports.
/// Dropping the returned future cancels the work and removes the directory.
pub(super) async fn fill<T: Send + 'static>(
    directory: TemporaryDirectory,
    progress: &dyn Progress,
    work: impl FnOnce(&Path, &Reporter) -> Result<T, FetchError> + Send + 'static,
) -> Result<(TemporaryDirectory, T), FetchError> {
    let path = directory.path().to_owned();
    let (sender, events) = mpsc::unbounded_channel();
    let task = tokio::task::spawn_blocking(move || {
        let reporter = Reporter(sender);
        let result = work(directory.path(), &reporter);
        result.map(|value| (directory, value))
    });
    let mut work = Work { task, events, path };
    // The channel closes when the work finishes and drops its sender.
    while let Some(event) = work.events.recv().await {
        match event {
            Event::Info(line) => progress.info(&line),
            Event::Transfer(transfer) => progress.transfer(transfer),
        }
    }
    match (&mut work.task).await.map_err(JoinError::try_into_panic) {
        Ok(result) => result,
        Err(Ok(panic)) => std::panic::resume_unwind(panic),
        // The runtime is shutting down, so nobody sees this error.
        Err(Err(error)) => Err(FetchError::of_directory("fill", &work.path)(error.into())),
    }
}

/// Running work. Dropping this value cancels it.
struct Work<T> {
    task: JoinHandle<T>,
    events: mpsc::UnboundedReceiver<Event>,
    path: PathBuf,
}

impl<T> Drop for Work<T> {
    fn drop(&mut self) {
        if self.task.is_finished() {
            return;
        }
        self.events.close();
        let aside = temporary::set_aside(&self.path);
        let begun = Instant::now();
        while !self.task.is_finished() && begun.elapsed() < ABANDON_GRACE {
            thread::sleep(ABANDON_PAUSE);
        }
        temporary::remove_set_aside(&aside);
        // The work may have created its directory again in the meantime.
        temporary::remove_set_aside(&self.path);
    }
}
