//! Everything that mlrun writes to the terminal. Log lines go to standard error, since standard output
//! belongs to the entry point; a command without an entry point writes there what it was asked for.

use std::io::{IsTerminal, Write};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{SystemTime, UNIX_EPOCH};

use indicatif::{ProgressBar, ProgressDrawTarget, ProgressFinish, ProgressStyle};

use crate::cli::args::LogFormat;
use crate::cli::report::Failure;
use crate::events::{Progress, Transfer, TransferUnit, byte_text};

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
}

/// The one transfer that is shown.
#[derive(Debug)]
struct TransferBar {
    what: String,
    bar: ProgressBar,
    /// Whether it was known last how much there will be.
    has_total: Option<bool>,
}

/// A bar is redrawn so often at most, in times per second.
const REDRAWS: u8 = 10;

impl Printer {
    pub(crate) fn new(format: LogFormat, verbosity: Verbosity) -> Self {
        let draws_progress =
            format == LogFormat::Text && verbosity > Verbosity::Quiet && std::io::stderr().is_terminal();
        Self {
            format,
            verbosity,
            draws_progress,
            transfer: Mutex::new(None),
        }
    }

    /// A line that says why something failed.
    pub(crate) fn error(&self, line: &str) {
        self.write(Level::Error, line);
    }

    fn write(&self, level: Level, line: &str) {
        if level == Level::Info && self.verbosity < Verbosity::Normal {
            return;
        }
        self.clear_transfer();
        let text = match self.format {
            LogFormat::Text => match level {
                Level::Warning => format!("warning: {line}\n"),
                Level::Info | Level::Error => format!("{line}\n"),
            },
            LogFormat::Json => json_line(level, line),
        };
        write_stderr(&text);
    }

    fn clear_transfer(&self) {
        if let Some(transfer) = self.transfer().take() {
            transfer.bar.finish_and_clear();
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
            Some(shown) if shown.what == transfer.what => shown,
            _ => shown.insert(TransferBar::new(transfer.what)),
        };
        shown.update(transfer);
    }
}

impl TransferBar {
    fn new(what: &str) -> Self {
        let target = ProgressDrawTarget::stderr_with_hz(REDRAWS);
        Self {
            what: what.to_owned(),
            bar: ProgressBar::with_draw_target(None, target).with_finish(ProgressFinish::AndClear),
            has_total: None,
        }
    }

    fn update(&mut self, transfer: Transfer<'_>) {
        let total = transfer.total.filter(|total| *total > 0);
        if self.has_total.replace(total.is_some()) != Some(total.is_some()) {
            self.bar.set_style(style(transfer.unit, total.is_some()));
        }
        if let Some(total) = total {
            self.bar.set_length(total);
        }
        self.bar.set_message(transfer_text(transfer));
        self.bar.set_position(transfer.done);
    }
}

/// What stands in a transfer's line beside its text.
fn style(unit: TransferUnit, has_total: bool) -> ProgressStyle {
    let template = match (has_total, unit) {
        (true, TransferUnit::Bytes) => "{msg} [{wide_bar}] {binary_bytes_per_sec}, {eta} left",
        (true, TransferUnit::Files | TransferUnit::Objects) => "{msg} [{wide_bar}] {eta} left",
        (false, TransferUnit::Bytes) => "{wide_msg} {binary_bytes_per_sec}",
        (false, TransferUnit::Files | TransferUnit::Objects) => "{wide_msg}",
    };
    ProgressStyle::with_template(template)
        .expect("a template of our own")
        .progress_chars("=> ")
}

/// Writes what a command was asked for to standard output. A closed pipe is no failure.
pub(crate) fn write_stdout(text: &str) -> Result<(), Failure> {
    match std::io::stdout().lock().write_all(text.as_bytes()) {
        Err(error) if error.kind() != std::io::ErrorKind::BrokenPipe => Err(Failure::new(
            anyhow::Error::new(error).context("cannot write to standard output"),
        )),
        _ => Ok(()),
    }
}

/// A closed standard error is no reason to fail: the run goes on unheard.
fn write_stderr(text: &str) {
    let _ = std::io::stderr().lock().write_all(text.as_bytes());
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
    format!("{object}\n")
}

fn transfer_text(transfer: Transfer<'_>) -> String {
    let amount = |value: u64| match transfer.unit {
        TransferUnit::Bytes => byte_text(value),
        TransferUnit::Objects => format!("{value} objects"),
        TransferUnit::Files => format!("{value} files"),
    };
    let mut text = match transfer.total.filter(|total| *total > 0) {
        Some(total) => format!(
            "{}: {} of {} ({}%)",
            transfer.what,
            amount(transfer.done),
            amount(total),
            transfer.done.saturating_mul(100) / total
        ),
        None => format!("{}: {}", transfer.what, amount(transfer.done)),
    };
    if let Some(bytes) = transfer.bytes {
        text.push_str(", ");
        text.push_str(&byte_text(bytes));
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_transfer_reads_well() {
        let transfer = Transfer {
            what: "Fetching",
            done: 512,
            total: Some(2048),
            unit: TransferUnit::Bytes,
            bytes: None,
        };
        assert_eq!(transfer_text(transfer), "Fetching: 512 B of 2.0 KiB (25%)");
        let open_ended = Transfer {
            total: None,
            unit: TransferUnit::Objects,
            ..transfer
        };
        assert_eq!(transfer_text(open_ended), "Fetching: 512 objects");
        let with_bytes = Transfer {
            bytes: Some(1536),
            ..open_ended
        };
        assert_eq!(transfer_text(with_bytes), "Fetching: 512 objects, 1.5 KiB");
    }

    #[test]
    fn a_json_line_is_one_object() {
        let line = json_line(Level::Warning, "a \"b\"\nc");
        let value: serde_json::Value = serde_json::from_str(&line).expect("valid JSON");
        assert_eq!(value["level"], "warning");
        assert_eq!(value["message"], "a \"b\"\nc");
        assert_eq!(line.matches('\n').count(), 1);
    }
}
