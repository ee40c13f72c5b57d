//! Steps that a termination signal, or a panic, may cut short.

use std::panic::AssertUnwindSafe;
use std::pin::pin;
use std::time::Duration;

use super::RunError;
use crate::process::{Signals, TerminationSignal};

/// How long a step with the tracking store may go on after a signal, so that no run stays `RUNNING`.
const STORE_GRACE: Duration = Duration::from_secs(10);

/// Works until a signal comes; then the work is dropped where it stands.
///
/// # Errors
/// The signal that came.
pub(crate) async fn until_signal<T>(
    signals: &mut Signals,
    work: impl Future<Output = T>,
) -> Result<T, TerminationSignal> {
    tokio::select! {
        biased;
        signal = signals.next() => Err(signal),
        result = work => Ok(result),
    }
}

/// Works on after a signal for ten seconds, unless a second one comes: a step with the tracking store
/// that is cut off could leave a run behind that nobody ends. Gives the result and the signal that came
/// meanwhile.
///
/// # Errors
/// The signal that came, where the work has been given up.
pub(crate) async fn despite_signals<T>(
    signals: &mut Signals,
    work: impl Future<Output = T>,
) -> Result<(T, Option<TerminationSignal>), TerminationSignal> {
    let mut work = pin!(work);
    let signal = match until_signal(signals, work.as_mut()).await {
        Ok(result) => return Ok((result, None)),
        Err(signal) => signal,
    };
    let limited = tokio::time::timeout(STORE_GRACE, work);
    match until_signal(signals, limited).await {
        Ok(Ok(result)) => Ok((result, Some(signal))),
        _ => Err(signal),
    }
}

/// Turns a panic, which the panic report has shown already, into an error.
pub(super) async fn catch_panic<T>(work: impl Future<Output = Result<T, RunError>>) -> Result<T, RunError> {
    let mut work = pin!(work);
    std::future::poll_fn(|context| {
        std::panic::catch_unwind(AssertUnwindSafe(|| work.as_mut().poll(context)))
            .unwrap_or(std::task::Poll::Ready(Err(RunError::Bug)))
    })
    .await
}

/// Does what may take a while beside the task, so that whoever waits for a signal too hears of it at once.
/// Work that nobody waits for any more ends with the program.
///
/// # Errors
/// The work has panicked, which has been reported.
pub(crate) async fn in_background<T: Send + 'static>(
    work: impl FnOnce() -> T + Send + 'static,
) -> Result<T, RunError> {
    tokio::task::spawn_blocking(work).await.map_err(|_| RunError::Bug)
}
