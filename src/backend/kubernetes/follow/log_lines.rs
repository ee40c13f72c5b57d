//! The lines of a log that comes in pieces: each of them once.
//!
//! The API gives every line its time, and begins at a second when it is asked to. So a broken stream is
//! begun again a little before the last line, and the lines that have come already are left out.

use std::collections::VecDeque;
use std::hash::{DefaultHasher, Hash as _, Hasher as _};

use k8s_openapi::jiff::{SignedDuration, Timestamp};

/// How far back a stream is begun again. Lines of the two outputs of a program may be some
/// milliseconds out of order.
const OVERLAP: SignedDuration = SignedDuration::from_secs(2);
/// Lines of one pod over several streams: each of them once.
#[derive(Debug, Default)]
pub(super) struct Continuation {
    /// The lines of the last seconds, as time and hash, in the order of the log.
    recent: VecDeque<(Timestamp, u64)>,
    newest: Option<Timestamp>,
    /// Where in `recent` the present stream is.
    cursor: usize,
    /// The beginning of a line whose end has not come.
    partial: Vec<u8>,
    /// What it was when the stream before ended.
    last_partial: Vec<u8>,
    /// How many lines were new.
    pub(super) count: u64,
}

impl Continuation {
    /// When the next stream shall begin: at a whole second, as the API would round it.
    pub(super) fn since(&self) -> Option<Timestamp> {
        let begin = self.newest?.checked_sub(OVERLAP).ok()?;
        Timestamp::from_second(begin.as_second()).ok()
    }

    /// A new stream begins. What the last one left unfinished comes again.
    pub(super) fn begin(&mut self) {
        self.cursor = 0;
        self.last_partial = std::mem::take(&mut self.partial);
    }

    /// Whether the present stream has had all that came before it, to its end. An answer that was cut
    /// off on its way cannot be told from a whole one else.
    pub(super) fn is_repeated(&self) -> bool {
        self.cursor == self.recent.len() && self.partial == self.last_partial
    }

    /// Takes bytes of the stream; gives the new lines in them without their times.
    pub(super) fn take(&mut self, bytes: &[u8]) -> Vec<u8> {
        let mut new = Vec::with_capacity(bytes.len());
        let mut rest = bytes;
        while let Some(end) = rest.iter().position(|byte| *byte == b'\n') {
            let (line, after) = rest.split_at(end + 1);
            rest = after;
            if self.partial.is_empty() {
                self.add(line, &mut new);
            } else {
                let mut whole = std::mem::take(&mut self.partial);
                whole.extend_from_slice(line);
                self.add(&whole, &mut new);
            }
        }
        self.partial.extend_from_slice(rest);
        new
    }

    /// The last line, where the program did not end it.
    pub(super) fn rest(&mut self) -> Vec<u8> {
        let mut new = Vec::new();
        let partial = std::mem::take(&mut self.partial);
        if !partial.is_empty() {
            self.add(&partial, &mut new);
        }
        new
    }

    /// Adds the line where it is new.
    fn add(&mut self, line: &[u8], new: &mut Vec<u8>) {
        match split_time(line) {
            Some((time, text)) => {
                if self.is_new(time, text) {
                    self.count += 1;
                    new.extend_from_slice(text);
                }
            }
            // Not of the container: what the node itself says about its logs.
            None => new.extend_from_slice(line),
        }
    }

    fn is_new(&mut self, time: Timestamp, text: &[u8]) -> bool {
        let mut hasher = DefaultHasher::new();
        text.hash(&mut hasher);
        let line = (time, hasher.finish());
        let found = self
            .recent
            .iter()
            .skip(self.cursor)
            .position(|known| *known == line);
        if let Some(ahead) = found {
            self.cursor += ahead + 1;
            return false;
        }
        self.recent.insert(self.cursor, line);
        self.cursor += 1;
        if self.newest.is_none_or(|newest| time > newest) {
            self.newest = Some(time);
            self.forget();
        }
        true
    }

    /// Forgets the lines that no later stream has.
    fn forget(&mut self) {
        let Some(since) = self.since() else { return };
        while self.recent.front().is_some_and(|(time, _)| *time < since) {
            self.recent.pop_front();
            self.cursor = self.cursor.saturating_sub(1);
        }
    }
}

/// The line's time, and the line.
fn split_time(line: &[u8]) -> Option<(Timestamp, &[u8])> {
    let end = line.iter().take(40).position(|byte| *byte == b' ')?;
    let time = std::str::from_utf8(&line[..end]).ok()?.parse().ok()?;
    Some((time, &line[end + 1..]))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn text(bytes: Vec<u8>) -> String {
        String::from_utf8(bytes).unwrap()
    }

    /// A log of `count` lines, some with the same time and text.
    fn log(count: usize) -> Vec<String> {
        (0..count)
            .map(|number| {
                let millis = number / 3 * 400;
                format!(
                    "2026-01-02T03:{:02}:{:02}.{:03}000001Z line {}\n",
                    millis / 60_000,
                    millis / 1000 % 60,
                    millis % 1000,
                    number / 2
                )
            })
            .collect()
    }

    #[test]
    fn every_line_comes_once_wherever_the_stream_breaks() {
        let log = log(60);
        let whole: String = log
            .iter()
            .map(|line| line.split_once(' ').unwrap().1.to_owned())
            .collect();
        let all: String = log.concat();
        for step in [1, 7, 40, 333, 1000] {
            let mut lines = Continuation::default();
            let mut read = String::new();
            let mut cut = step;
            loop {
                let since = lines.since();
                lines.begin();
                // What the server sends: from the second on, cut off in the middle of a line.
                let sent: String = log
                    .iter()
                    .filter(|line| {
                        let time: Timestamp = line.split(' ').next().unwrap().parse().unwrap();
                        since.is_none_or(|since| time >= since)
                    })
                    .cloned()
                    .collect();
                let end = all.len().min(cut).saturating_sub(all.len() - sent.len());
                for piece in sent.as_bytes()[..end].chunks(13) {
                    read.push_str(&text(lines.take(piece)));
                }
                if cut >= all.len() {
                    break;
                }
                cut += step;
            }
            assert_eq!(read, whole, "cut every {step} bytes");
            assert!(lines.recent.len() < 30, "{}", lines.recent.len());
        }
    }

    #[test]
    fn lines_out_of_order_are_neither_lost_nor_repeated() {
        let first = "2026-01-02T03:04:05.9Z b\n2026-01-02T03:04:06.0Z c\n";
        let again = "2026-01-02T03:04:05.9Z b\n2026-01-02T03:04:05.8Z late\n2026-01-02T03:04:06.0Z c\n";
        let mut lines = Continuation::default();
        assert_eq!(text(lines.take(first.as_bytes())), "b\nc\n");
        for expected in ["late\n", ""] {
            let since = lines.since().unwrap().to_string();
            assert_eq!(since, "2026-01-02T03:04:04Z");
            lines.begin();
            assert_eq!(text(lines.take(again.as_bytes())), expected);
        }
    }

    #[test]
    fn what_has_no_time_and_what_has_no_end_is_shown() {
        let mut lines = Continuation::default();
        let mut read =
            lines.take(b"unable to retrieve container logs\n2026-01-02T03:04:05Z a\n2026-01-02T03:04:05Z b");
        read.extend(lines.rest());
        assert_eq!(text(read), "unable to retrieve container logs\na\nb");
    }
}
