//! The thread that a command is carried out on, and what to say when there can be no thread.

use std::io;
use std::process::ExitCode;
use std::thread;

use super::printer::Printer;
use super::report::Failure;
use crate::process::start_hint;

/// The thread's stack, in bytes. The main thread's own may be anything: batch queues limit it (`ulimit -s`).
const STACK: usize = 8 * 1024 * 1024;

/// What tokio says when it panics because the system gives it no thread.
const NO_WORKER: &str = "OS can't spawn worker thread";

/// Carries out a command on a thread of its own, which has stack enough. A panic, which has been reported
/// already, is a failure like others.
pub(super) fn run(command: impl FnOnce() -> ExitCode + Send + 'static, printer: &Printer) -> ExitCode {
    match thread::Builder::new().stack_size(STACK).spawn(command) {
        Ok(work) => work.join().unwrap_or(ExitCode::FAILURE),
        Err(error) => printer.report(&no_thread(error)),
    }
}

/// The failure behind a panic that no bug has caused.
pub(super) fn failure_behind(panic: &str) -> Option<Failure> {
    // The message is all that is known of the system's error; it is this one where threads are limited.
    panic
        .starts_with(NO_WORKER)
        .then(|| no_thread(io::Error::from(rustix::io::Errno::AGAIN)))
}

fn no_thread(error: io::Error) -> Failure {
    let hint = start_hint(&error);
    Failure::new(anyhow::Error::new(error).context("cannot start a thread")).with_optional_hint(hint)
}
