//! Running a tool that is written to and read from while it runs.

use std::io;

use rustix::process::Pid;
use tokio::net::unix::pipe::{Receiver, Sender};
use tokio::signal::unix::{Signal, SignalKind, signal};
use tokio::time::Instant;

use super::call::{ProgramCall, Streams};
use super::capture::{LAST_OUTPUT, Pipe, Running, last_output, pipes};
use super::children::{self, State};
use super::error::ProcessError;
use super::exit::ProgramExit;
use super::lines::Lines;

/// A program that runs while it is written to and read from. Its process group is killed when this
/// is dropped before [`finish`](Self::finish) has seen its end.
pub struct Conversation {
    command_line: String,
    running: Running,
    child_signal: Signal,
    stdin: Option<Sender>,
    stdout: Pipe,
    stderr: Pipe,
    errors: Lines,
}

impl ProgramCall {
    /// Starts the program with pipes for its standard streams.
    ///
    /// # Errors
    /// The program cannot be started.
    pub fn converse(&self) -> Result<Conversation, ProcessError> {
        let child_signal = signal(SignalKind::child()).map_err(|source| ProcessError::Signals { source })?;
        let mut child = self.spawn(Streams::Conversed)?;
        let running = Running(Some(Pid::from_child(&child)));
        let unreadable = |source| ProcessError::Output {
            command_line: self.command_line(),
            source,
        };
        let stdin = child
            .stdin
            .take()
            .ok_or_else(|| io::ErrorKind::BrokenPipe.into())
            .and_then(|stdin| Sender::from_owned_fd(stdin.into()))
            .map_err(unreadable)?;
        let (stdout, stderr) = pipes(&mut child).map_err(unreadable)?;
        Ok(Conversation {
            command_line: self.command_line(),
            running,
            child_signal,
            stdin: Some(stdin),
            stdout,
            stderr,
            errors: Lines::default(),
        })
    }
}

impl Conversation {
    /// Takes the program's standard output and input, for a protocol that reads and writes at the same time.
    /// How the program ends is still told by [`finish`](Self::finish). Nothing if they are closed.
    pub fn take_streams(&mut self) -> Option<(Receiver, Sender)> {
        Some((self.stdout.take()?, self.stdin.take()?))
    }

    /// Ends the input, waits for the program's end, and tells whether it ended well.
    ///
    /// # Errors
    /// The program ended with anything but exit code 0.
    pub async fn finish(mut self) -> Result<(), ProcessError> {
        self.stdin = None;
        let mut ended: Option<(ProgramExit, Instant)> = None;
        let exit = loop {
            if let (Some(program), None) = (self.running.0, ended)
                && let State::Ended(exit) = children::state(program)
            {
                self.running.0 = None;
                ended = Some((exit, Instant::now() + LAST_OUTPUT));
            }
            if let Some((exit, _)) = ended
                && self.stderr.is_closed()
            {
                break exit;
            }
            // What cannot be read any more is as good as ended.
            tokio::select! {
                biased;
                output = self.stderr.read() => self.errors.feed(output.unwrap_or_default(), &mut |_| {}),
                _ = self.stdout.read() => {}
                _ = self.child_signal.recv(), if ended.is_none() => {}
                exit = last_output(ended) => break exit,
            }
        };
        self.errors.finish(&mut |_| {});
        match exit {
            ProgramExit::Code(0) => Ok(()),
            exit => Err(ProcessError::Failed {
                command_line: self.command_line,
                exit,
                last_lines: self.errors.into_last(),
            }),
        }
    }
}
