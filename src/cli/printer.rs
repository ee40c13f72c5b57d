//! Everything that mlrun writes to the terminal. Log lines go to standard error, since standard output
//! belongs to the entry point; a command without an entry point writes there what it was asked for.

use std::io::Write;
use std::process::ExitCode;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{SystemTime, UNIX_EPOCH};

use crate::cli::args::LogFormat;
use crate::cli::build_line::BuildLine;
use crate::cli::escape;
use crate::cli::excerpt::Excerpts;
use crate::cli::report::Failure;
use crate::cli::text_table::Stream;
use crate::cli::transfer_bar::{self, TransferBar};
use crate::events::{Build, BuildDisplay, Progress, Transfer};
use crate::runner::in_background;

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
    build: Mutex<Option<BuildLine>>,
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
            build: Mutex::new(None),
        }
    }

    /// A line that says why something failed.
    pub(crate) fn error(&self, line: &str) {
        self.write(Level::Error, line);
    }

    /// Why something failed: its causes and its hint have lines of their own.
    pub(crate) fn failure(&self, failure: &Failure) {
        self.write_text(Level::Error, &failure.text(), |_| {
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
        self.write_text(level, line, |line| {
            escape::escaped(&escape::without_fakes(line)).into_owned()
        });
    }

    fn write_text(&self, level: Level, line: &str, shown: impl FnOnce(&str) -> String) {
        if level == Level::Info && self.verbosity < Verbosity::Normal {
            return;
        }
        self.clear_transfer();
        let text = match self.format {
            LogFormat::Text => match level {
                Level::Warning => format!("warning: {}\n", shown(line)),
                Level::Info | Level::Error => format!("{}\n", shown(line)),
            },
            LogFormat::Json => json_line(level, line),
        };
        // A closed standard error is no reason to fail: the run goes on unheard.
        let _ = std::io::stderr().lock().write_all(text.as_bytes());
    }

    fn clear_transfer(&self) {
        if let Some(transfer) = self.transfer().take() {
            transfer.clear();
        }
        if let Some(build) = self.build_line().take() {
            build.clear();
        }
    }

    fn build_line(&self) -> MutexGuard<'_, Option<BuildLine>> {
        self.build.lock().unwrap_or_else(PoisonError::into_inner)
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
        self.write_text(Level::Info, line, str::to_owned);
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

    fn build_display(&self) -> BuildDisplay {
        match self.verbosity {
            Verbosity::Quiet => BuildDisplay::Hidden,
            Verbosity::Normal if self.draws_progress => BuildDisplay::Live,
            Verbosity::Normal | Verbosity::Verbose => BuildDisplay::Lines,
        }
    }

    fn build(&self, build: Build<'_>) {
        self.build_line()
            .get_or_insert_with(BuildLine::default)
            .update(build);
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

fn json_line(level: Level, line: &str) -> String {
    let level = match level {
        Level::Info => "info",
        Level::Warning => "warning",
        Level::Error => "error",
    };
    let since_epoch = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    let object = serde_json::json!({
        "time": since_epoch.as_secs_f64(),
        "level": level,
        "message": line,
    });
    escape::json_escaped(&format!("{object}\n"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_json_line_is_one_object() {
        let line = json_line(Level::Warning, "a \"b\"\nc");
        let value: serde_json::Value = serde_json::from_str(&line).expect("valid JSON");
        assert_eq!(value["level"], "warning");
        assert_eq!(value["message"], "a \"b\"\nc");
        assert_eq!(line.matches('\n').count(), 1);
    }
}
