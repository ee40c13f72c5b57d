//! Reads the progress lines of `git` and the server, which overwrite each other.

use crate::events::{Transfer, TransferUnit};

/// The most bytes of a line that is never finished.
const LONGEST_LINE: usize = 4096;

/// Reads the display from pieces of any size.
#[derive(Default)]
pub(super) struct ProgressDisplay {
    line: Vec<u8>,
}

impl ProgressDisplay {
    /// Reads the next piece and calls `on_state` for every line that it completes.
    pub(super) fn feed(&mut self, piece: &[u8], on_state: &mut dyn FnMut(Transfer<'_>)) {
        for byte in piece {
            if !matches!(byte, b'\r' | b'\n') && self.line.len() < LONGEST_LINE {
                self.line.push(*byte);
                continue;
            }
            if let Some(transfer) = parse(&String::from_utf8_lossy(&self.line)) {
                on_state(transfer);
            }
            self.line.clear();
        }
    }
}

/// Reads a line such as `remote: Compressing objects:  45% (9/20)` or
/// `Receiving objects: 100% (20/20), 1.50 MiB | 3.00 MiB/s, done.`
pub(super) fn parse(line: &str) -> Option<Transfer<'_>> {
    let line = line.strip_prefix("remote: ").unwrap_or(line);
    let (what, state) = line.split_once(": ")?;
    let unit = match what.rsplit(' ').next()? {
        "files" => TransferUnit::Files,
        "objects" | "deltas" => TransferUnit::Objects,
        _ => return None,
    };
    let (done, total, bytes) = match state.split_once("% (") {
        Some((_, counts)) => {
            let (counts, rest) = counts.split_once(')')?;
            let (done, total) = counts.split_once('/')?;
            (done, Some(total.parse().ok()?), bytes(rest))
        }
        None => (state.split(',').next()?, None, None),
    };
    Some(Transfer {
        what,
        done: done.trim().parse().ok()?,
        total,
        unit,
        bytes,
    })
}

/// Reads `, 1.50 MiB | 3.00 MiB/s`.
fn bytes(text: &str) -> Option<u64> {
    let mut words = text.strip_prefix(", ")?.split([' ', ',']);
    // All but whole bytes have two decimal places.
    let digits: u64 = words.next()?.replace('.', "").parse().ok()?;
    Some(match words.next()? {
        "bytes" => digits,
        "KiB" => (digits << 10) / 100,
        "MiB" => (digits << 20) / 100,
        "GiB" => (digits << 30) / 100,
        _ => return None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_display_is_read() {
        let text = "remote: Enumerating objects: 20, done.\nremote: Compressing objects:  45% (9/20)\r\
                    Receiving objects: 100% (20/20), 1.50 MiB | 3.00 MiB/s, done.\nResolving deltas: 50% (1/2)\r\
                    Updating files:  10% (3/30)\rfatal: bad objects: 3%\nFrom https://host/x\n";
        for size in [1, 7, text.len()] {
            let mut display = ProgressDisplay::default();
            let mut seen = Vec::new();
            for piece in text.as_bytes().chunks(size) {
                display.feed(piece, &mut |state| {
                    let (total, unit, bytes) = (state.total, state.unit, state.bytes);
                    let counts = format!("{} of {total:?} {unit:?}, {bytes:?}", state.done);
                    seen.push(format!("{}: {counts}", state.what));
                });
            }
            let expected = [
                "Enumerating objects: 20 of None Objects, None",
                "Compressing objects: 9 of Some(20) Objects, None",
                "Receiving objects: 20 of Some(20) Objects, Some(1572864)",
                "Resolving deltas: 1 of Some(2) Objects, None",
                "Updating files: 3 of Some(30) Files, None",
            ];
            assert_eq!(seen, expected, "in pieces of {size}");
        }
    }
}
