//! A transfer's progress bar.

use std::io;

use console::Term;
use indicatif::{ProgressBar, ProgressDrawTarget, ProgressFinish, ProgressStyle, TermLike};

use crate::cli::escape;
use crate::cli::terminal::WIDEST;
use crate::events::{Transfer, TransferUnit};
use crate::quantity;

/// A terminal with fewer columns shows no bar.
const NARROWEST: u16 = 20;

/// The one transfer that is shown.
#[derive(Debug)]
pub(super) struct TransferBar {
    what: String,
    bar: ProgressBar,
    /// Whether the last update had a total.
    has_total: bool,
}

/// Columns kept free at the right. The terminal echoes a `^C` there instead of starting a new line and leaving the
/// bar above it.
const ROOM: u16 = 3;

/// The most redraws per second.
const REDRAWS: u8 = 10;

/// Whether standard error is a terminal that can show a bar.
pub(super) fn can_be_drawn() -> bool {
    let terminal = Term::stderr();
    let is_dumb = std::env::var_os("TERM").is_none_or(|name| name == "dumb");
    terminal.is_term() && !is_dumb && terminal.size().1 >= NARROWEST
}

/// A bar on standard error. It goes with its value.
pub(super) fn bar(length: Option<u64>) -> ProgressBar {
    let target = ProgressDrawTarget::term_like_with_hz(Box::new(Screen(Term::buffered_stderr())), REDRAWS);
    ProgressBar::with_draw_target(length, target).with_finish(ProgressFinish::AndClear)
}

/// The columns that a bar may use.
pub(super) fn width() -> usize {
    usize::from(Screen(Term::stderr()).width())
}

impl TransferBar {
    /// The bar begins whole: each of its parts that is set later redraws it.
    pub(super) fn new(transfer: Transfer<'_>) -> Self {
        let total = transfer.total.filter(|total| *total > 0);
        Self {
            what: transfer.what.to_owned(),
            bar: bar(total)
                .with_style(style(transfer.unit, total.is_some()))
                .with_message(transfer_text(transfer)),
            has_total: total.is_some(),
        }
    }

    pub(super) fn is_of(&self, transfer: Transfer<'_>) -> bool {
        self.what == transfer.what
    }

    pub(super) fn clear(self) {
        self.bar.finish_and_clear();
    }

    pub(super) fn update(&mut self, transfer: Transfer<'_>) {
        let total = transfer.total.filter(|total| *total > 0);
        if self.has_total != total.is_some() {
            self.has_total = total.is_some();
            self.bar.set_style(style(transfer.unit, self.has_total));
        }
        if let Some(total) = total {
            self.bar.set_length(total);
        }
        self.bar.set_message(transfer_text(transfer));
        self.bar.set_position(transfer.done);
    }
}

/// The template of a transfer's line.
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

fn transfer_text(transfer: Transfer<'_>) -> String {
    let amount = |value: u64| match transfer.unit {
        TransferUnit::Bytes => quantity::size(value),
        TransferUnit::Objects => quantity::counted(value, "object"),
        TransferUnit::Files => quantity::counted(value, "file"),
    };
    let mut text = format!("{}: ", escape::one_line(transfer.what));
    match transfer.total.filter(|total| *total > 0) {
        Some(total) => {
            let done = match transfer.unit {
                TransferUnit::Bytes => quantity::size(transfer.done),
                // The total has the unit.
                TransferUnit::Objects | TransferUnit::Files => transfer.done.to_string(),
            };
            let percent = transfer.done.saturating_mul(100) / total;
            text.push_str(&format!("{done} of {} ({percent}%)", amount(total)));
        }
        None => text.push_str(&amount(transfer.done)),
    }
    if let Some(bytes) = transfer.bytes {
        text.push_str(&format!(", {}", quantity::size(bytes)));
    }
    text
}

/// Limits the width of a bar: it is drawn ten times a second, padded with spaces, and some terminals claim to have
/// 65535 columns.
#[derive(Debug)]
struct Screen(Term);

impl TermLike for Screen {
    fn width(&self) -> u16 {
        shown_width(self.0.size().1) - ROOM
    }

    fn height(&self) -> u16 {
        self.0.size().0
    }

    fn move_cursor_up(&self, lines: usize) -> io::Result<()> {
        self.0.move_cursor_up(lines)
    }

    fn move_cursor_down(&self, lines: usize) -> io::Result<()> {
        self.0.move_cursor_down(lines)
    }

    fn move_cursor_right(&self, columns: usize) -> io::Result<()> {
        self.0.move_cursor_right(columns)
    }

    fn move_cursor_left(&self, columns: usize) -> io::Result<()> {
        self.0.move_cursor_left(columns)
    }

    fn write_line(&self, text: &str) -> io::Result<()> {
        self.0.write_line(text)
    }

    fn write_str(&self, text: &str) -> io::Result<()> {
        self.0.write_str(text)
    }

    fn clear_line(&self) -> io::Result<()> {
        self.0.clear_line()
    }

    fn flush(&self) -> io::Result<()> {
        self.0.flush()
    }
}

fn shown_width(columns: u16) -> u16 {
    columns.clamp(NARROWEST, u16::try_from(WIDEST).unwrap_or(u16::MAX))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_bar_is_as_wide_as_a_line() {
        for (columns, expected) in [(0, 20), (1, 20), (80, 80), (65535, 120)] {
            assert_eq!(shown_width(columns), expected);
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
        let files = Transfer {
            done: 1,
            total: Some(1),
            unit: TransferUnit::Files,
            ..transfer
        };
        assert_eq!(transfer_text(files), "Fetching: 1 of 1 file (100%)");
    }
}
