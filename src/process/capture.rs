//! Running a tool to its end while its output is read.

use std::borrow::Cow;
use std::future::pending;
use std::io::{self, PipeReader};
use std::process::Child;
use std::time::Duration;

use rustix::process::{Pid, Signal, kill_process_group};
use tokio::io::AsyncReadExt;
use tokio::net::unix::pipe::Receiver;
use tokio::signal::unix::{SignalKind, signal};
use tokio::time::{Instant, sleep_until};

use super::call::{ProgramCall, Streams};
use super::children::{self, State};
use super::error::ProcessError;
use super::exit::ProgramExit;
use super::lines::Lines;

/// How long the output of a program that has ended is read on while another process, such as a
/// daemon that it started, keeps the pipe open.
pub(super) const LAST_OUTPUT: Duration = Duration::from_millis(200);
/// How much is read at once.
const CHUNK: usize = 16 * 1024;

/// What a program that ended well has written to standard output.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Captured {
    /// All of it.
    pub stdout: Vec<u8>,
}

impl Captured {
    /// The output as text; what is no valid UTF-8 is replaced.
    pub fn text(&self) -> Cow<'_, str> {
        String::from_utf8_lossy(&self.stdout)
    }
}

/// Which stream a piece of output comes from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Origin {
    Stdout,
    Stderr,
}

impl ProgramCall {
    /// Runs the program with an empty standard input and returns what it writes to standard
    /// output. When the future is dropped, the program's process group is killed.
    ///
    /// # Errors
    /// The program cannot be started, ends with anything but exit code 0, or wants to read the
    /// terminal.
    pub async fn capture(&self) -> Result<Captured, ProcessError> {
        self.capture_watched(&mut |_| {}).await
    }

    /// As [`capture`](Self::capture), and hands over what the program writes to standard error in pieces of any
    /// size, as they come: a display of progress ends no line.
    ///
    /// # Errors
    /// As of [`capture`](Self::capture).
    pub async fn capture_watched(
        &self,
        on_errors: &mut (dyn FnMut(&[u8]) + Send),
    ) -> Result<Captured, ProcessError> {
        let mut stdout = Vec::new();
        let mut errors = Lines::default();
        let result = self
            .run(Streams::Captured, &mut |origin, output| match origin {
                Origin::Stdout => stdout.extend_from_slice(output),
                Origin::Stderr => {
                    on_errors(output);
                    errors.feed(output, &mut |_| {});
                }
            })
            .await;
        errors.finish(&mut |_| {});
        let mut last_lines = errors.into_last();
        if last_lines.is_empty() && !matches!(result, Ok(ProgramExit::Code(0))) {
            // Some programs tell their errors on standard output.
            let mut lines = Lines::default();
            lines.feed(&stdout, &mut |_| {});
            lines.finish(&mut |_| {});
            last_lines = lines.into_last();
        }
        self.verdict(result, last_lines).map(|()| Captured { stdout })
    }

    /// Runs the program with an empty standard input and hands over every line that it writes to
    /// standard output or standard error, as it comes. When the future is dropped, the program's
    /// process group is killed.
    ///
    /// # Errors
    /// As of [`capture`](Self::capture).
    pub async fn stream(&self, on_line: &mut (dyn FnMut(&str) + Send)) -> Result<(), ProcessError> {
        self.stream_with(Streams::Captured, on_line).await
    }

    /// As [`stream`](Self::stream), with `input` as the program's standard input. Whoever writes to the
    /// pipe's other end meets a closed pipe when the program reads no more.
    ///
    /// # Errors
    /// As of [`capture`](Self::capture).
    pub async fn stream_from(
        &self,
        input: PipeReader,
        on_line: &mut (dyn FnMut(&str) + Send),
    ) -> Result<(), ProcessError> {
        self.stream_with(Streams::Fed(input), on_line).await
    }

    async fn stream_with(
        &self,
        streams: Streams,
        on_line: &mut (dyn FnMut(&str) + Send),
    ) -> Result<(), ProcessError> {
        // Each stream has its own unfinished line; the last lines of both are one story.
        let mut unfinished = [Lines::default(), Lines::default()];
        let mut story = Lines::default();
        let mut tell = |line: &str| {
            on_line(line);
            story.feed(line.as_bytes(), &mut |_| {});
            story.feed(b"\n", &mut |_| {});
        };
        let result = self
            .run(streams, &mut |origin, output| {
                unfinished[origin as usize].feed(output, &mut tell);
            })
            .await;
        for lines in &mut unfinished {
            lines.finish(&mut tell);
        }
        self.verdict(result, story.into_last())
    }

    fn verdict(
        &self,
        result: Result<ProgramExit, ProcessError>,
        last_lines: Vec<String>,
    ) -> Result<(), ProcessError> {
        match result {
            Ok(ProgramExit::Code(0)) => Ok(()),
            Ok(exit) => Err(ProcessError::Failed {
                command_line: self.command_line(),
                exit,
                last_lines,
            }),
            Err(ProcessError::AsksTerminal { command_line, .. }) => Err(ProcessError::AsksTerminal {
                command_line,
                last_lines,
            }),
            Err(error) => Err(error),
        }
    }

    async fn run(
        &self,
        streams: Streams,
        on_output: &mut (dyn FnMut(Origin, &[u8]) + Send),
    ) -> Result<ProgramExit, ProcessError> {
        let mut child_signal =
            signal(SignalKind::child()).map_err(|source| ProcessError::Signals { source })?;
        let mut child = self.spawn(streams)?;
        let mut running = Running(Some(Pid::from_child(&child)));
        let unreadable = |source| ProcessError::Output {
            command_line: self.command_line(),
            source,
        };
        let (mut stdout, mut stderr) = pipes(&mut child).map_err(unreadable)?;
        let mut ended: Option<(ProgramExit, Instant)> = None;
        loop {
            if let Some(program) = running.0 {
                match children::state(program) {
                    State::Ended(exit) => {
                        // What it left in the background stays.
                        running.0 = None;
                        ended = Some((exit, Instant::now() + LAST_OUTPUT));
                    }
                    State::Stopped(signal) if asks_terminal(signal) => {
                        return Err(ProcessError::AsksTerminal {
                            command_line: self.command_line(),
                            last_lines: Vec::new(),
                        });
                    }
                    State::Stopped(_) | State::Running => {}
                }
            }
            if let Some((exit, _)) = ended
                && stdout.is_closed()
                && stderr.is_closed()
            {
                return Ok(exit);
            }
            tokio::select! {
                biased;
                output = stdout.read() => on_output(Origin::Stdout, output.map_err(unreadable)?),
                output = stderr.read() => on_output(Origin::Stderr, output.map_err(unreadable)?),
                _ = child_signal.recv(), if ended.is_none() => {}
                exit = last_output(ended) => return Ok(exit),
            }
        }
    }
}

/// Waits until nothing more is expected from a program that has ended.
pub(super) async fn last_output(ended: Option<(ProgramExit, Instant)>) -> ProgramExit {
    match ended {
        Some((exit, deadline)) => {
            sleep_until(deadline).await;
            exit
        }
        None => pending().await,
    }
}

/// Whether a program that this signal stopped wants to use the terminal.
fn asks_terminal(signal: i32) -> bool {
    [Signal::TTIN.as_raw(), Signal::TTOU.as_raw()].contains(&signal)
}

/// A program that runs, until it is seen to end. Its process group is killed when this is dropped.
pub(super) struct Running(pub(super) Option<Pid>);

impl Drop for Running {
    fn drop(&mut self) {
        if let Some(program) = self.0 {
            // Gone already is as good.
            let _ = kill_process_group(program, Signal::KILL);
            children::forget(program);
        }
    }
}

/// One end of a pipe, until the other one is closed.
pub(super) struct Pipe {
    receiver: Option<Receiver>,
    buffer: Vec<u8>,
}

impl Pipe {
    fn new(receiver: io::Result<Receiver>) -> io::Result<Self> {
        Ok(Self {
            receiver: Some(receiver?),
            buffer: vec![0; CHUNK],
        })
    }

    /// Gives the pipe away: it is as good as closed here.
    pub(super) fn take(&mut self) -> Option<Receiver> {
        self.receiver.take()
    }

    pub(super) fn is_closed(&self) -> bool {
        self.receiver.is_none()
    }

    /// The next output, empty at its end; never ready after that.
    pub(super) async fn read(&mut self) -> io::Result<&[u8]> {
        let Some(receiver) = &mut self.receiver else {
            return pending().await;
        };
        let length = receiver.read(&mut self.buffer).await?;
        if length == 0 {
            self.receiver = None;
        }
        Ok(&self.buffer[..length])
    }
}

pub(super) fn pipes(child: &mut Child) -> io::Result<(Pipe, Pipe)> {
    let stdout = child.stdout.take().ok_or(io::ErrorKind::BrokenPipe)?;
    let stderr = child.stderr.take().ok_or(io::ErrorKind::BrokenPipe)?;
    Ok((
        Pipe::new(Receiver::from_owned_fd(stdout.into()))?,
        Pipe::new(Receiver::from_owned_fd(stderr.into()))?,
    ))
}
