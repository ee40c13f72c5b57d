//! Blocking work that fills a temporary directory, beside an asynchronous program that may lose
//! interest in it at any moment.

use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc as std_mpsc;
use std::time::Duration;

use tokio::sync::mpsc;
use tokio::task::JoinError;

use super::FetchError;
use crate::events::{Progress, Transfer};
use crate::temporary::{self, TemporaryDirectory};

/// How long an abandoned fetch may take to notice it: a library that writes files does at the next one,
/// since its directory has another name by then. What does not return is not waited for any longer.
const ABANDON_GRACE: Duration = Duration::from_secs(2);

/// Whether nobody waits for the work any more.
pub(super) type Cancelled = Arc<AtomicBool>;

/// What blocking work tells while it goes on, and hears about whether it shall go on.
pub(super) struct Reporter {
    is_cancelled: Cancelled,
    events: mpsc::UnboundedSender<Event>,
}

enum Event {
    Info(String),
    Transfer(Transfer<'static>),
}

impl Reporter {
    /// Whether nobody waits for the work any more.
    pub(super) fn is_cancelled(&self) -> bool {
        self.is_cancelled.load(Ordering::Relaxed)
    }

    /// Fails if nobody waits for the work any more.
    pub(super) fn check(&self) -> io::Result<()> {
        match self.is_cancelled() {
            true => Err(io::ErrorKind::Interrupted.into()),
            false => Ok(()),
        }
    }

    /// As [`is_cancelled`](Self::is_cancelled), to be asked elsewhere.
    pub(super) fn cancelled(&self) -> Cancelled {
        Arc::clone(&self.is_cancelled)
    }

    /// A line that belongs to the normal course of a run.
    pub(super) fn info(&self, line: String) {
        let _ = self.events.send(Event::Info(line));
    }

    /// The state of a transfer.
    pub(super) fn report(&self, transfer: Transfer<'static>) {
        let _ = self.events.send(Event::Transfer(transfer));
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
    let is_cancelled = Cancelled::default();
    let (events, mut received_events) = mpsc::unbounded_channel();
    let (end, ended) = std_mpsc::channel::<()>();
    let mut abandoned = Abandoned {
        is_cancelled: Arc::clone(&is_cancelled),
        path: directory.path().to_owned(),
        ended: Some(ended),
    };
    let task = tokio::task::spawn_blocking(move || {
        // Dropped last, when the directory of failed work is already gone.
        let _end = end;
        let reporter = Reporter { is_cancelled, events };
        let result = work(directory.path(), &reporter);
        result.map(|value| (directory, value))
    });
    // The channel closes when the work is done and drops its sender.
    while let Some(event) = received_events.recv().await {
        match event {
            Event::Info(line) => progress.info(&line),
            Event::Transfer(transfer) => progress.transfer(transfer),
        }
    }
    let result = task.await;
    abandoned.ended = None;
    match result.map_err(JoinError::try_into_panic) {
        Ok(result) => result,
        Err(Ok(panic)) => std::panic::resume_unwind(panic),
        // The runtime ends: nobody hears this.
        Err(Err(error)) => Err(FetchError::WorkDirectory {
            action: "fill",
            path: std::mem::take(&mut abandoned.path),
            source: error.into(),
        }),
    }
}

/// Ends the work when the future that waits for it is dropped.
struct Abandoned {
    is_cancelled: Cancelled,
    path: PathBuf,
    ended: Option<std_mpsc::Receiver<()>>,
}

impl Drop for Abandoned {
    fn drop(&mut self) {
        if let Some(ended) = self.ended.take() {
            self.is_cancelled.store(true, Ordering::Relaxed);
            let aside = temporary::set_aside(&self.path);
            // Nothing is ever sent: the channel's end is the signal.
            let _ = ended.recv_timeout(ABANDON_GRACE);
            temporary::remove_set_aside(&aside);
            // The work may have made its directory anew just then.
            temporary::remove_set_aside(&self.path);
        }
    }
}
