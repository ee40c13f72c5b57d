//! Blocking work that fills a temporary directory, beside an asynchronous program that may lose
//! interest in it at any moment.

use std::path::{Path, PathBuf};
use std::thread;
use std::time::{Duration, Instant};

use tokio::sync::mpsc;
use tokio::task::{JoinError, JoinHandle};

use super::FetchError;
use crate::events::{Progress, Transfer};
use crate::temporary::{self, TemporaryDirectory};

/// How long an abandoned fetch may take to notice it: a library that writes files does at the next one,
/// since its directory has another name by then. What does not return is not waited for any longer.
const ABANDON_GRACE: Duration = Duration::from_secs(2);
/// How often it is looked at meanwhile.
const ABANDON_PAUSE: Duration = Duration::from_millis(1);

/// What blocking work tells while it goes on, and hears about whether it shall go on: nobody waits for it
/// any more once its events are not received.
#[derive(Clone)]
pub(super) struct Reporter(mpsc::UnboundedSender<Event>);

enum Event {
    Info(String),
    Transfer(Transfer<'static>),
}

impl Reporter {
    /// Whether nobody waits for the work any more.
    pub(super) fn is_cancelled(&self) -> bool {
        self.0.is_closed()
    }

    /// Fails if nobody waits for the work any more.
    pub(super) fn check(&self) -> Result<(), FetchError> {
        if self.is_cancelled() {
            Err(FetchError::new("the fetch was given up", ""))
        } else {
            Ok(())
        }
    }

    /// Waits until nobody waits for the work any more.
    pub(super) async fn cancelled(&self) {
        self.0.closed().await;
    }

    /// A line that belongs to the normal course of a run.
    pub(super) fn info(&self, line: String) {
        let _ = self.0.send(Event::Info(line));
    }

    /// The state of a transfer.
    pub(super) fn report(&self, transfer: Transfer<'static>) {
        let _ = self.0.send(Event::Transfer(transfer));
    }
}

/// Runs `work` on a thread that may block, with a new temporary directory to fill, and passes on
/// what it reports. When the returned future is dropped the work is told to stop and the directory
/// is removed.
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
    // The channel closes when the work is done and drops its sender.
    while let Some(event) = work.events.recv().await {
        match event {
            Event::Info(line) => progress.info(&line),
            Event::Transfer(transfer) => progress.transfer(transfer),
        }
    }
    match (&mut work.task).await.map_err(JoinError::try_into_panic) {
        Ok(result) => result,
        Err(Ok(panic)) => std::panic::resume_unwind(panic),
        // The runtime ends: nobody hears this.
        Err(Err(error)) => Err(FetchError::of_directory("fill", &work.path)(error.into())),
    }
}

/// Work that is waited for; it ends with this value.
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
        // The work may have made its directory anew just then.
        temporary::remove_set_aside(&self.path);
    }
}
