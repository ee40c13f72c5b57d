//! Running a tool to its end while its output is read.

use std::borrow::Cow;
use std::future::pending;
use std::io::{self, PipeReader};
use std::os::fd::OwnedFd;
use std::process::{ChildStdin, Stdio};
use std::time::Duration;

use rustix::process::{Pid, Signal, kill_process_group};
use tokio::io::AsyncReadExt;
use tokio::net::unix::pipe::{Receiver, Sender};
use tokio::signal::unix::{Signal as SignalStream, SignalKind, signal};
use tokio::time::{Instant, sleep_until};

use super::call::ProgramCall;
use super::children::{self, State};
use super::error::ProcessError;
use super::exit::ProgramExit;
use super::lines::Lines;

/// How long the output of a program that has ended is read on while another process, such as a
/// daemon that it started, keeps the pipe open.
const LAST_OUTPUT: Duration = Duration::from_millis(200);
/// How much is read at once.
const CHUNK: usize = 16 * 1024;

/// What a program that ended well has written to standard output.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Captured {
    /// All of it.
    pub stdout: Vec<u8>,
}

impl Captured {
    /// The output as text; invalid UTF-8 is replaced.
    pub fn text(&self) -> Cow<'_, str> {
        String::from_utf8_lossy(&self.stdout)
    }
}

/// Which stream a piece of output comes from.
#[derive(Debug, Clone, Copy)]
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
        let (mut running, _) = self.start(Stdio::null())?;
        let mut stdout = Vec::new();
        let mut errors = Lines::default();
        let result = running
            .until_end(&mut |origin, output| match origin {
                Origin::Stdout => stdout.extend_from_slice(output),
                Origin::Stderr => {
                    on_errors(output);
                    errors.feed(output, &mut |_| {});
                }
            })
            .await;
        let mut last_lines = errors.into_last();
        if last_lines.is_empty() && !matches!(result, Ok(ProgramExit::Code(0))) {
            // Some programs write their errors to standard output.
            let mut lines = Lines::default();
            lines.feed(&stdout, &mut |_| {});
            last_lines = lines.into_last();
        }
        running.verdict(result, last_lines).map(|()| Captured { stdout })
    }

    /// Runs the program with an empty standard input and hands over every line that it writes to
    /// standard output or standard error, as it comes. When the future is dropped, the program's
    /// process group is killed.
    ///
    /// # Errors
    /// As of [`capture`](Self::capture).
    pub async fn stream(&self, on_line: &mut (dyn FnMut(&str) + Send)) -> Result<(), ProcessError> {
        self.stream_with(Stdio::null(), on_line).await
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
        self.stream_with(input.into(), on_line).await
    }

    async fn stream_with(
        &self,
        stdin: Stdio,
        on_line: &mut (dyn FnMut(&str) + Send),
    ) -> Result<(), ProcessError> {
        let (mut running, _) = self.start(stdin)?;
        // Each stream has its own unfinished line; the last lines of both are one story.
        let mut unfinished = [Lines::default(), Lines::default()];
        let mut story = Lines::default();
        let mut tell = |line: &str| {
            on_line(line);
            story.feed(line.as_bytes(), &mut |_| {});
            story.feed(b"\n", &mut |_| {});
        };
        let result = running
            .until_end(&mut |origin, output| unfinished[origin as usize].feed(output, &mut tell))
            .await;
        for lines in &mut unfinished {
            lines.finish(&mut tell);
        }
        running.verdict(result, story.into_last())
    }

    /// Starts the program for a protocol that is spoken on its standard output and input, which are returned.
    ///
    /// # Errors
    /// The program cannot be started.
    pub(crate) fn converse(&self) -> Result<(Conversation, Receiver, Sender), ProcessError> {
        let (mut running, stdin) = self.start(Stdio::piped())?;
        let no_pipe = || io::Error::from(io::ErrorKind::BrokenPipe);
        let stdin = stdin.ok_or_else(no_pipe);
        let stdin = stdin.and_then(|stdin| Sender::from_owned_fd(stdin.into()));
        let stdin = stdin.map_err(|source| running.unreadable(source))?;
        let stdout = running.stdout.receiver.take().ok_or_else(no_pipe);
        let stdout = stdout.map_err(|source| running.unreadable(source))?;
        Ok((Conversation(running), stdout, stdin))
    }

    fn start(&self, stdin: Stdio) -> Result<(Running, Option<ChildStdin>), ProcessError> {
        let child_signal = signal(SignalKind::child()).map_err(|source| ProcessError::Signals { source })?;
        let mut child = self.spawn(stdin, Stdio::piped)?;
        let mut running = Running {
            command_line: self.command_line(),
            program: Some(Pid::from_child(&child)),
            child_signal,
            stdout: Pipe::default(),
            stderr: Pipe::default(),
        };
        let stdout = Pipe::new(child.stdout.take());
        running.stdout = stdout.map_err(|source| running.unreadable(source))?;
        let stderr = Pipe::new(child.stderr.take());
        running.stderr = stderr.map_err(|source| running.unreadable(source))?;
        Ok((running, child.stdin.take()))
    }
}

/// A program whose standard output and input belong to a protocol. Its process group is killed when this is
/// dropped before [`finish`](Self::finish) has seen its end.
pub(crate) struct Conversation(Running);

impl Conversation {
    /// Waits for the program's end.
    ///
    /// # Errors
    /// The program ended with anything but exit code 0.
    pub(crate) async fn finish(mut self) -> Result<(), ProcessError> {
        let mut errors = Lines::default();
        let result = self
            .0
            .until_end(&mut |_, output| errors.feed(output, &mut |_| {}))
            .await;
        self.0.verdict(result, errors.into_last())
    }
}

/// A program that runs. Its process group is killed when this is dropped before its end was seen.
struct Running {
    command_line: String,
    /// The program, until it is seen to end.
    program: Option<Pid>,
    child_signal: SignalStream,
    stdout: Pipe,
    stderr: Pipe,
}

impl Running {
    /// Hands over what the program writes, until it has ended and its pipes are closed, or nothing more is to be
    /// expected from them.
    async fn until_end(
        &mut self,
        on_output: &mut (dyn FnMut(Origin, &[u8]) + Send),
    ) -> Result<ProgramExit, ProcessError> {
        let mut ended: Option<(ProgramExit, Instant)> = None;
        loop {
            match self.program.map(children::state) {
                Some(State::Ended(exit)) => {
                    // What it left in the background stays.
                    self.program = None;
                    ended = Some((exit, Instant::now() + LAST_OUTPUT));
                }
                Some(State::Stopped(signal)) if asks_terminal(signal) => {
                    return Err(ProcessError::AsksTerminal {
                        command_line: self.command_line.clone(),
                        last_lines: Vec::new(),
                    });
                }
                _ => {}
            }
            if let Some((exit, _)) = ended
                && self.stdout.is_closed()
                && self.stderr.is_closed()
            {
                return Ok(exit);
            }
            let (origin, output) = tokio::select! {
                biased;
                output = self.stdout.read() => (Origin::Stdout, output),
                output = self.stderr.read() => (Origin::Stderr, output),
                _ = self.child_signal.recv(), if ended.is_none() => continue,
                exit = last_output(ended) => return Ok(exit),
            };
            match output {
                Ok(output) => on_output(origin, output),
                Err(source) => return Err(self.unreadable(source)),
            }
        }
    }

    fn verdict(
        &self,
        result: Result<ProgramExit, ProcessError>,
        last_lines: Vec<String>,
    ) -> Result<(), ProcessError> {
        match result {
            Ok(ProgramExit::Code(0)) => Ok(()),
            Ok(exit) => Err(ProcessError::Failed {
                command_line: self.command_line.clone(),
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

    fn unreadable(&self, source: io::Error) -> ProcessError {
        ProcessError::Output {
            command_line: self.command_line.clone(),
            source,
        }
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        if let Some(program) = self.program {
            // Gone already is as good.
            let _ = kill_process_group(program, Signal::KILL);
            children::forget(program);
        }
    }
}

/// Waits until nothing more is expected from a program that has ended.
async fn last_output(ended: Option<(ProgramExit, Instant)>) -> ProgramExit {
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

/// One end of a pipe, until the other one is closed.
#[derive(Default)]
struct Pipe {
    receiver: Option<Receiver>,
    buffer: Vec<u8>,
}

impl Pipe {
    fn new(stream: Option<impl Into<OwnedFd>>) -> io::Result<Self> {
        let stream = stream.ok_or(io::ErrorKind::BrokenPipe)?;
        Ok(Self {
            receiver: Some(Receiver::from_owned_fd(stream.into())?),
            buffer: vec![0; CHUNK],
        })
    }

    fn is_closed(&self) -> bool {
        self.receiver.is_none()
    }

    /// The next output, empty at its end; never ready after that.
    async fn read(&mut self) -> io::Result<&[u8]> {
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
