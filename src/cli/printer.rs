//! Everything that mlrun writes to the terminal. Log lines go to standard error, because standard output belongs to
//! the entry point. Commands without an entry point print their results to standard output.

use std::io::Write;
use std::process::ExitCode;
use std::sync::{Mutex, MutexGuard, OnceLock, PoisonError};
use std::time::{SystemTime, UNIX_EPOCH};

use serde::Serialize;

use crate::cli::args::LogFormat;
use crate::cli::build_line::BuildLine;
use crate::cli::escape;
use crate::cli::report::Failure;
use crate::cli::terminal::{Stream, style};
use crate::cli::text_table::{fitting, labelled};
use crate::cli::transfer_bar::{self, TransferBar};
use crate::entities::{RunId, RunStatus};
use crate::events::{Build, BuildDisplay, Event, Progress, Transfer};
use crate::runner::in_background;

/// The start of the lines that scripts look for. They are never wrapped.
const OF_RUN: &str = "===";

/// How many characters of a run's id stand for it.
const SHORT_ID: usize = 8;

/// How much is shown.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Verbosity {
    /// Warnings and errors.
    Quiet,
    /// Also the usual log lines.
    Normal,
    /// Also internal details.
    Verbose,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "lowercase")]
enum Level {
    Debug,
    Info,
    Warning,
    Error,
}

impl Level {
    fn of(event: &Event<'_>) -> Self {
        match event {
            // It may have recorded another status itself.
            Event::RunEnded {
                exit_code: Some(0), ..
            } => Self::Info,
            Event::RunEnded { status, .. } if *status != RunStatus::Finished.as_str() => Self::Error,
            _ => Self::Info,
        }
    }
}

/// Writes log lines in the chosen format, and draws transfer progress on a terminal.
#[derive(Debug)]
pub(crate) struct Printer {
    format: LogFormat,
    verbosity: Verbosity,
    draws_progress: bool,
    live: Mutex<Option<Live>>,
    /// The run whose lines are labelled.
    label: OnceLock<RunId>,
}

/// The line that is redrawn in place. Every other line takes its place.
#[derive(Debug)]
enum Live {
    Transfer(TransferBar),
    Build(BuildLine),
}

impl Printer {
    pub(crate) fn new(format: LogFormat, verbosity: Verbosity) -> Self {
        let draws_progress =
            format == LogFormat::Text && verbosity > Verbosity::Quiet && transfer_bar::can_be_drawn();
        Self {
            format,
            verbosity,
            draws_progress,
            live: Mutex::new(None),
            label: OnceLock::new(),
        }
    }

    /// Whether a person reads along: on a terminal, unless they asked for silence or for JSON.
    pub(crate) fn is_read(&self) -> bool {
        self.format == LogFormat::Text && self.verbosity > Verbosity::Quiet && Stream::Stderr.is_terminal()
    }

    /// Lines for a person who [reads along](Self::is_read), laid out and escaped already.
    pub(crate) fn summary(&self, text: &str) {
        self.write(text, &format!("{text}\n"));
    }

    /// From now on lines that do not hold the run's id begin with a part of it, so that the lines of runs that
    /// write to the same place at the same time can be told apart.
    pub(crate) fn label_lines(&self, run_id: &RunId) {
        // A program has one run.
        let _ = self.label.set(run_id.clone());
    }

    /// A line that says why something failed.
    pub(crate) fn error(&self, line: &str) {
        self.line(Level::Error, None, line);
    }

    /// A log line that ends with a run's status.
    pub(crate) fn status(&self, line: &str, status: RunStatus) {
        let name = status.as_str();
        match self.format {
            LogFormat::Text if self.verbosity > Verbosity::Quiet => {
                let line = shown(Level::Info, None, &format!("{line} {name}"));
                let line = line.strip_suffix(name).unwrap_or(&line);
                let painted = Stream::Stderr.paint(style::of_status(status), name);
                self.write(line, &format!("{line}{painted}\n"));
            }
            LogFormat::Text => {}
            LogFormat::Json => self.info(&format!("{line} {name}")),
        }
    }

    /// A line for debugging.
    pub(crate) fn debug(&self, line: &str) {
        self.line(Level::Debug, None, line);
    }

    /// A failure, with its causes and hint on lines of their own.
    pub(crate) fn failure(&self, failure: &Failure) {
        match self.format {
            LogFormat::Text => self.write(&failure.headline(), &format!("{}\n", failure.shown())),
            LogFormat::Json => self.write_whole(&json_failure(failure)),
        }
    }

    /// Prints why a command failed and returns its exit code.
    pub(crate) fn report(&self, failure: &Failure) -> ExitCode {
        self.failure(failure);
        ExitCode::from(failure.code())
    }

    /// Prints help to standard output, or a usage error to standard error.
    pub(crate) fn usage(&self, error: &clap::Error) -> ExitCode {
        let code = ExitCode::from(u8::try_from(error.exit_code()).unwrap_or(2));
        let text = error.render();
        let stream = if error.use_stderr() {
            Stream::Stderr
        } else {
            Stream::Stdout
        };
        let painted = if stream.has_colors() {
            text.ansi().to_string()
        } else {
            text.to_string()
        };
        match (stream, self.format) {
            // A closed pipe while help is written is no error.
            (Stream::Stdout, _) => drop(write_escaped_stdout(&painted)),
            (Stream::Stderr, LogFormat::Text) => self.write_whole(&painted),
            (Stream::Stderr, LogFormat::Json) => {
                // Below it there is the usage.
                let text = text.to_string();
                let message = text.split("\n\n").next().unwrap_or_default();
                let message = message.strip_prefix("error: ").unwrap_or(message);
                self.line(Level::Error, None, message);
            }
        }
        code
    }

    pub(crate) fn verbosity(&self) -> Verbosity {
        self.verbosity
    }

    fn line(&self, level: Level, event: Option<&Event<'_>>, line: &str) {
        let least = match self.verbosity {
            Verbosity::Quiet => Level::Warning,
            Verbosity::Normal => Level::Info,
            Verbosity::Verbose => Level::Debug,
        };
        if level < least {
            return;
        }
        match self.format {
            LogFormat::Text => self.write(line, &format!("{}\n", shown(level, event, line))),
            LogFormat::Json => self.write_whole(&json_line(level, event, line)),
        }
    }

    /// Writes the text of a line, labelled unless the line names the run.
    fn write(&self, line: &str, text: &str) {
        self.write_whole(&self.labelled(line, text));
    }

    fn labelled(&self, line: &str, text: &str) -> String {
        match self.label.get() {
            Some(run_id) if !line.contains(run_id.as_str()) => {
                let short: String = run_id.as_str().chars().take(SHORT_ID).collect();
                let short = escape::one_line(&short);
                text.lines().map(|line| format!("[{short}] {line}\n")).collect()
            }
            _ => text.to_owned(),
        }
    }

    fn write_whole(&self, text: &str) {
        self.clear_live();
        // A closed standard error is no reason to fail: the run goes on unheard.
        let _ = std::io::stderr().lock().write_all(text.as_bytes());
    }

    fn clear_live(&self) {
        match self.live().take() {
            Some(Live::Transfer(bar)) => bar.clear(),
            Some(Live::Build(line)) => line.clear(),
            None => {}
        }
    }

    fn live(&self) -> MutexGuard<'_, Option<Live>> {
        self.live.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Progress for Printer {
    fn info(&self, line: &str) {
        self.line(Level::Info, None, line);
    }

    fn event(&self, event: &Event<'_>, line: &str) {
        self.line(Level::of(event), Some(event), line);
    }

    fn program_line(&self, line: &str) {
        match self.format {
            LogFormat::Text if self.verbosity > Verbosity::Quiet => self.write(line, &format!("{line}\n")),
            LogFormat::Text => {}
            LogFormat::Json => self.line(Level::Info, None, line),
        }
    }

    fn warning(&self, line: &str) {
        self.line(Level::Warning, None, line);
    }

    fn output(&self, bytes: &[u8]) {
        self.clear_live();
        let mut stdout = std::io::stdout().lock();
        // A reader that went away is no reason to fail: the run goes on unheard.
        let _ = stdout.write_all(bytes).and_then(|()| stdout.flush());
    }

    fn transfer(&self, transfer: Transfer<'_>) {
        if !self.draws_progress {
            return;
        }
        let mut live = self.live();
        if !matches!(&*live, Some(Live::Transfer(bar)) if bar.is_of(transfer)) {
            *live = Some(Live::Transfer(TransferBar::new(transfer)));
        }
        if let Some(Live::Transfer(bar)) = &mut *live {
            bar.update(transfer);
        }
    }

    fn build_display(&self) -> BuildDisplay {
        match self.verbosity {
            Verbosity::Quiet => BuildDisplay::Hidden,
            Verbosity::Normal if self.draws_progress => BuildDisplay::Live,
            Verbosity::Normal | Verbosity::Verbose => BuildDisplay::Lines,
        }
    }

    fn build(&self, build: Build<'_>) {
        let mut live = self.live();
        if !matches!(&*live, Some(Live::Build(_))) {
            *live = Some(Live::Build(BuildLine::default()));
        }
        if let Some(Live::Build(line)) = &mut *live {
            line.update(build);
        }
    }
}

/// Writes a command's result to standard output, with control characters escaped. A closed pipe is not a failure.
pub(crate) fn write_stdout(text: &str) -> Result<(), Failure> {
    write_escaped_stdout(&escape::escaped(text))
}

/// As [`write_stdout`], for a text that is escaped already.
pub(crate) fn write_escaped_stdout(text: &str) -> Result<(), Failure> {
    match std::io::stdout().lock().write_all(text.as_bytes()) {
        Err(error) if error.kind() != std::io::ErrorKind::BrokenPipe => {
            Err(Failure::caused_by(error, "cannot write to standard output"))
        }
        _ => Ok(()),
    }
}

/// As [`write_stdout`], for a text that may fill a pipe. Signals are handled while its reader is slow.
pub(crate) async fn write_large_stdout(text: String) -> Result<(), Failure> {
    in_background(move || write_stdout(&text)).await?
}

/// A line for a person: coloured and wrapped on a terminal, unchanged elsewhere.
fn shown(level: Level, event: Option<&Event<'_>>, line: &str) -> String {
    let stream = Stream::Stderr;
    let text = escape::without_fakes(line);
    let text = escape::escaped(&text);
    // What has lines of its own is laid out already.
    let has_lines = text.contains('\n');
    match level {
        Level::Warning if has_lines => {
            format!("{} {text}", stream.paint(style::WARNING, "warning:"))
        }
        Level::Warning => labelled(stream, "warning:", style::WARNING, &text),
        Level::Debug => stream.paint(style::FAINT, &text),
        Level::Info | Level::Error if !text.starts_with(OF_RUN) && has_lines => text.into_owned(),
        Level::Info | Level::Error if !text.starts_with(OF_RUN) => fitting(stream, 2, &text),
        Level::Error => {
            let line = stream.paint(style::ERROR, &text);
            let hint = event.and_then(Event::hint).map(|hint| {
                let hint = escape::continued(hint);
                labelled(stream, "hint:", style::HINT, &escape::escaped(&hint))
            });
            match hint {
                Some(hint) => format!("{line}\n{hint}"),
                None => line,
            }
        }
        Level::Info => match event {
            Some(Event::RunEnded { .. }) => stream.paint(style::SUCCESS, &text),
            _ => stream.paint(style::HEADING, &text),
        },
    }
}

/// A line for a program. New versions may add fields, but do not change them.
#[derive(Serialize)]
struct JsonLine<'a> {
    time: f64,
    level: Level,
    message: &'a str,
    #[serde(flatten)]
    event: Option<&'a Event<'a>>,
    #[serde(flatten)]
    failure: Option<JsonFailure>,
}

/// The fields of a failure beside its message.
#[derive(Serialize)]
struct JsonFailure {
    #[serde(skip_serializing_if = "Vec::is_empty")]
    causes: Vec<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    hint: Option<String>,
    #[serde(flatten)]
    place: Option<JsonPlace>,
}

#[derive(Serialize)]
struct JsonPlace {
    file: String,
    line: usize,
    column: usize,
}

fn json_line(level: Level, event: Option<&Event<'_>>, message: &str) -> String {
    json_text(level, message, event, None)
}

fn json_failure(failure: &Failure) -> String {
    let place = failure.location().map(|location| JsonPlace {
        file: location.file.path().display().to_string(),
        line: location.position.line,
        column: location.position.column,
    });
    let details = JsonFailure {
        causes: failure.causes(),
        hint: failure.hint(),
        place,
    };
    json_text(Level::Error, &failure.headline(), None, Some(details))
}

fn json_text(level: Level, message: &str, event: Option<&Event<'_>>, failure: Option<JsonFailure>) -> String {
    let since_epoch = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    let line = JsonLine {
        time: since_epoch.as_secs_f64(),
        level,
        message,
        event,
        failure,
    };
    let object = serde_json::to_string(&line).unwrap_or_default();
    escape::json_escaped(&format!("{object}\n"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(line: &str) -> serde_json::Value {
        assert_eq!(line.matches('\n').count(), 1);
        serde_json::from_str(line).expect("valid JSON")
    }

    #[test]
    fn a_json_line_is_one_object() {
        let value = read(&json_line(Level::Warning, None, "a \"b\"\nc"));
        assert_eq!(value["level"], "warning");
        assert_eq!(value["message"], "a \"b\"\nc");
        assert_eq!(value.as_object().map(serde_json::Map::len), Some(3));
    }

    #[test]
    fn lines_that_do_not_name_the_run_are_labelled() {
        let printer = Printer::new(LogFormat::Text, Verbosity::Normal);
        assert_eq!(printer.labelled("a", "a\n"), "a\n");
        printer.label_lines(&RunId::new("0123456789abcdef"));
        assert_eq!(
            printer.labelled("a\nhint: b", "a\nhint: b\n"),
            "[01234567] a\n[01234567] hint: b\n"
        );
        let own = "=== Run (ID '0123456789abcdef') failed ===";
        assert_eq!(printer.labelled(own, own), own);
    }

    #[test]
    fn json_lines_have_fields() {
        let event = Event::RunEnded {
            run_id: "0123",
            experiment_id: "0",
            status: "FAILED",
            exit_code: Some(3),
            signal: None,
            duration: Some(1.5),
            hint: Some("chmod"),
        };
        let value = read(&json_line(Level::of(&event), Some(&event), "=== … ==="));
        for (field, expected) in [
            ("level", "error"),
            ("event", "run_ended"),
            ("run_id", "0123"),
            ("experiment_id", "0"),
            ("status", "FAILED"),
            ("hint", "chmod"),
        ] {
            assert_eq!(value[field], expected);
        }
        assert_eq!(
            (&value["exit_code"], &value["duration"]),
            (&3.into(), &1.5.into())
        );
        assert!(value.get("signal").is_none());
        let error = anyhow::anyhow!("refused").context("cannot");
        let value = read(&json_failure(&Failure::new(error).with_hint("try")));
        assert_eq!(value["message"], "cannot");
        assert_eq!(
            (&value["causes"][0], &value["hint"]),
            (&"refused".into(), &"try".into())
        );
    }
}
