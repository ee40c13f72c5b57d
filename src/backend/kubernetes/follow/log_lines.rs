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
    last_partial: Vec<u8>,
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
        let Some(last) = bytes.iter().rposition(|byte| *byte == b'\n') else {
            self.partial.extend_from_slice(bytes);
            return new;
        };
        let (ends, rest) = bytes.split_at(last + 1);
        let mut whole = std::mem::replace(&mut self.partial, rest.to_vec());
        whole.extend_from_slice(ends);
        for line in whole.split_inclusive(|byte| *byte == b'\n') {
            self.add(line, &mut new);
        }
        new
    }

    /// The last line, where the program did not end it.
    pub(super) fn rest(&mut self) -> Vec<u8> {
        let mut new = Vec::new();
        let partial = std::mem::take(&mut self.partial);
        self.add(&partial, &mut new);
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
