//! Everything that mlrun writes to the terminal. Standard error only: standard output belongs to the
//! entry point.

use std::io::{IsTerminal, Write};
use std::sync::Mutex;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use crate::cli::args::LogFormat;
use crate::events::{Progress, Transfer, TransferUnit};

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
    transfer: Mutex<TransferLine>,
}

/// The state of the one progress line.
#[derive(Debug, Default)]
struct TransferLine {
    what: String,
    last_drawn: Option<Instant>,
    is_open: bool,
}

/// A progress line is redrawn at most this often.
const REDRAW_INTERVAL: Duration = Duration::from_millis(100);

impl Printer {
    pub(crate) fn new(format: LogFormat, verbosity: Verbosity) -> Self {
        let draws_progress =
            format == LogFormat::Text && verbosity > Verbosity::Quiet && std::io::stderr().is_terminal();
        Self {
            format,
            verbosity,
            draws_progress,
            transfer: Mutex::default(),
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
        self.close_transfer_line();
        let text = match self.format {
            LogFormat::Text => match level {
                Level::Warning => format!("warning: {line}\n"),
                Level::Info | Level::Error => format!("{line}\n"),
            },
            LogFormat::Json => json_line(level, line),
        };
        write_stderr(&text);
    }

    fn close_transfer_line(&self) {
        let mut state = self
            .transfer
            .lock()
            .unwrap_or_else(std::sync::PoisonError::into_inner);
        if std::mem::take(&mut state.is_open) {
            write_stderr("\r\x1b[K");
        }
    }
}

impl Progress for Printer {
    fn info(&self, line: &str) {
        self.write(Level::Info, line);
    }

    fn warning(&self, line: &str) {
        self.write(Level::Warning, line);
    }

    fn transfer(&self, transfer: Transfer<'_>) {
        let is_complete = transfer.total == Some(transfer.done);
        if !self.draws_progress {
            return;
        }
        let mut state = self
            .transfer
            .lock()
            .unwrap_or_else(std::sync::PoisonError::into_inner);
        let is_due = state.what != transfer.what
            || is_complete
            || state
                .last_drawn
                .is_none_or(|drawn| drawn.elapsed() >= REDRAW_INTERVAL);
        if is_due {
            transfer.what.clone_into(&mut state.what);
            state.last_drawn = Some(Instant::now());
            state.is_open = true;
            write_stderr(&format!("\r\x1b[K{}", transfer_text(transfer)));
        }
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

/// A number of bytes for a person, in powers of 1024.
pub(crate) fn byte_text(bytes: u64) -> String {
    const UNITS: [&str; 5] = ["KiB", "MiB", "GiB", "TiB", "PiB"];
    if bytes < 1024 {
        return format!("{bytes} B");
    }
    #[expect(clippy::cast_precision_loss, reason = "one decimal place is shown")]
    let mut value = bytes as f64 / 1024.0;
    let mut unit = 0;
    while value >= 1024.0 && unit + 1 < UNITS.len() {
        value /= 1024.0;
        unit += 1;
    }
    format!("{value:.1} {}", UNITS[unit])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bytes_read_well() {
        for (bytes, expected) in [
            (0, "0 B"),
            (1023, "1023 B"),
            (1024, "1.0 KiB"),
            (1536, "1.5 KiB"),
            (5 * 1024 * 1024, "5.0 MiB"),
            (u64::MAX, "16384.0 PiB"),
        ] {
            assert_eq!(byte_text(bytes), expected);
        }
    }

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
