//! Everything that mlrun writes to the terminal. Log lines go to standard error, since standard output
//! belongs to the entry point; a command without an entry point writes there what it was asked for.

use std::io::{IsTerminal as _, Write};
use std::process::ExitCode;
use std::sync::{Mutex, MutexGuard, OnceLock, PoisonError};
use std::time::{SystemTime, UNIX_EPOCH};

use crate::cli::args::LogFormat;
use crate::cli::escape;
use crate::cli::excerpt::Excerpts;
use crate::cli::report::Failure;
use crate::cli::text_table::Stream;
use crate::cli::transfer_bar::{self, TransferBar};
use crate::entities::RunId;
use crate::events::{Progress, Transfer};
use crate::runner::in_background;

/// How many characters of a run's id stand for it.
const SHORT_ID: usize = 8;

/// How much is shown.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Verbosity {
    /// Warnings and errors.
    Quiet,
    /// The normal course of a run too.
    Normal,
    /// What happens inside, too.
    Verbose,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Level {
    Info,
    Warning,
    Error,
}

/// Writes lines in the asked form; draws transfer progress where a person looks on.
#[derive(Debug)]
pub(crate) struct Printer {
    format: LogFormat,
    verbosity: Verbosity,
    draws_progress: bool,
    transfer: Mutex<Option<TransferBar>>,
    /// The run whose lines are labelled.
    label: OnceLock<RunId>,
}

impl Printer {
    pub(crate) fn new(format: LogFormat, verbosity: Verbosity) -> Self {
        let draws_progress =
            format == LogFormat::Text && verbosity > Verbosity::Quiet && transfer_bar::can_be_drawn();
        Self {
            format,
            verbosity,
            draws_progress,
            transfer: Mutex::new(None),
            label: OnceLock::new(),
        }
    }

    /// Whether a person reads along: on a terminal, unless they asked for silence or for JSON.
    pub(crate) fn is_read(&self) -> bool {
        let is_asked_for = self.format == LogFormat::Text && self.verbosity > Verbosity::Quiet;
        is_asked_for && std::io::stderr().is_terminal()
    }

    /// Lines for a person who [reads along](Self::is_read), in which foreign text has been escaped.
    pub(crate) fn summary(&self, text: &str) {
        self.write_text(Level::Info, text, None, str::to_owned);
    }

    /// A line that says why something failed.
    pub(crate) fn error(&self, line: &str) {
        self.write(Level::Error, line);
    }

    /// As [`error`](Self::error), with what the person may do on a line of its own.
    pub(crate) fn error_with_hint(&self, line: &str, hint: Option<&str>) {
        self.write_text(Level::Error, line, hint, plain);
    }

    /// From now on lines that do not hold the run's id begin with a part of it: those of runs that go on at the same
    /// time and write to the same place can be told apart then.
    pub(crate) fn label_lines(&self, run_id: &RunId) {
        // A program has one run.
        let _ = self.label.set(run_id.clone());
    }

    /// Why something failed: its causes and its hint have lines of their own.
    pub(crate) fn failure(&self, failure: &Failure) {
        self.write_text(Level::Error, &failure.text(), None, |_| {
            let excerpt = failure
                .location()
                .map(|location| Excerpts::new(Stream::Stderr).of(location));
            [
                escape::escaped(&failure.head()).as_ref(),
                &excerpt.unwrap_or_default(),
                &escape::escaped(&failure.tail()),
            ]
            .concat()
        });
    }

    /// Says why a command failed, and gives its exit code.
    pub(crate) fn report(&self, failure: &Failure) -> ExitCode {
        self.failure(failure);
        ExitCode::from(failure.code())
    }

    fn write(&self, level: Level, line: &str) {
        self.write_text(level, line, None, plain);
    }

    fn write_text(&self, level: Level, line: &str, hint: Option<&str>, shown: impl FnOnce(&str) -> String) {
        if level == Level::Info && self.verbosity < Verbosity::Normal {
            return;
        }
        self.clear_transfer();
        let text = match self.format {
            LogFormat::Text => self.labelled(line, &text_lines(level, &shown(line), hint)),
            LogFormat::Json => json_line(level, line, hint),
        };
        // A closed standard error is no reason to fail: the run goes on unheard.
        let _ = std::io::stderr().lock().write_all(text.as_bytes());
    }

    /// The text with the run's label, unless the line that it is made of names the run.
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

    fn clear_transfer(&self) {
        if let Some(transfer) = self.transfer().take() {
            transfer.clear();
        }
    }

    fn transfer(&self) -> MutexGuard<'_, Option<TransferBar>> {
        self.transfer.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Progress for Printer {
    fn info(&self, line: &str) {
        self.write(Level::Info, line);
    }

    fn program_line(&self, line: &str) {
        self.write_text(Level::Info, line, None, str::to_owned);
    }

    fn warning(&self, line: &str) {
        self.write(Level::Warning, line);
    }

    fn output(&self, bytes: &[u8]) {
        self.clear_transfer();
        let mut stdout = std::io::stdout().lock();
        // A reader that went away is no reason to fail: the run goes on unheard.
        let _ = stdout.write_all(bytes).and_then(|()| stdout.flush());
    }

    fn transfer(&self, transfer: Transfer<'_>) {
        if !self.draws_progress {
            return;
        }
        let mut shown = self.transfer();
        let shown = match shown.as_mut() {
            Some(shown) if shown.is_of(transfer) => shown,
            _ => shown.insert(TransferBar::new(transfer.what)),
        };
        shown.update(transfer);
    }
}

/// Writes what a command was asked for to standard output, with all that acts on a terminal written out. A
/// closed pipe is no failure.
pub(crate) fn write_stdout(text: &str) -> Result<(), Failure> {
    write_escaped_stdout(&escape::escaped(text))
}

/// As [`write_stdout`], for a text in which that is written out already.
pub(crate) fn write_escaped_stdout(text: &str) -> Result<(), Failure> {
    match std::io::stdout().lock().write_all(text.as_bytes()) {
        Err(error) if error.kind() != std::io::ErrorKind::BrokenPipe => {
            Err(Failure::caused_by(error, "cannot write to standard output"))
        }
        _ => Ok(()),
    }
}

/// As [`write_stdout`], for a text that may fill a pipe whose reader waits: signals are heard meanwhile.
pub(crate) async fn write_large_stdout(text: String) -> Result<(), Failure> {
    in_background(move || write_stdout(&text)).await?
}

/// A line as it is shown, with its further lines.
fn plain(line: &str) -> String {
    escape::escaped(&escape::without_fakes(line)).into_owned()
}

/// What is written for a line that is shown so.
fn text_lines(level: Level, shown: &str, hint: Option<&str>) -> String {
    let start = if level == Level::Warning { "warning: " } else { "" };
    let hint = hint.map(|hint| format!("hint: {}\n", escape::escaped(&escape::continued(hint))));
    format!("{start}{shown}\n{}", hint.unwrap_or_default())
}

fn json_line(level: Level, line: &str, hint: Option<&str>) -> String {
    let level = match level {
        Level::Info => "info",
        Level::Warning => "warning",
        Level::Error => "error",
    };
    let since_epoch = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    let mut object = serde_json::json!({
        "time": since_epoch.as_secs_f64(),
        "level": level,
        "message": line,
    });
    if let Some(hint) = hint {
        object["hint"] = hint.into();
    }
    escape::json_escaped(&format!("{object}\n"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_json_line_is_one_object() {
        let line = json_line(Level::Warning, "a \"b\"\nc", Some("d"));
        let value: serde_json::Value = serde_json::from_str(&line).expect("valid JSON");
        assert_eq!(value["level"], "warning");
        assert_eq!(value["message"], "a \"b\"\nc");
        assert_eq!(value["hint"], "d");
        assert_eq!(line.matches('\n').count(), 1);
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
}
