//! What a program writes, line by line.

use std::collections::VecDeque;

use crate::redact::without_credentials;

/// How many of the last lines are kept for an error.
const KEPT_LINES: usize = 20;
/// Where a line without an end is cut, in bytes.
const LONGEST_LINE: usize = 4096;

/// Splits output into lines and keeps the last ones.
#[derive(Debug, Default)]
pub(super) struct Lines {
    unfinished: Vec<u8>,
    last: VecDeque<String>,
}

impl Lines {
    /// Takes the next piece of output; `on_line` gets every line that it ends.
    pub(super) fn feed(&mut self, mut output: &[u8], on_line: &mut dyn FnMut(&str)) {
        while !output.is_empty() {
            let room = LONGEST_LINE - self.unfinished.len();
            let end = output.iter().take(room).position(|byte| *byte == b'\n');
            let (piece, rest) = match end {
                Some(end) => (&output[..end], &output[end + 1..]),
                None => output.split_at(room.min(output.len())),
            };
            self.unfinished.extend_from_slice(piece);
            output = rest;
            if end.is_some() || self.unfinished.len() == LONGEST_LINE {
                self.end_line(on_line);
            }
        }
    }

    /// Takes a last line that has no end as a line too.
    pub(super) fn finish(&mut self, on_line: &mut dyn FnMut(&str)) {
        if !self.unfinished.is_empty() {
            self.end_line(on_line);
        }
    }

    /// The last lines, without blank ones around them.
    pub(super) fn into_last(mut self) -> Vec<String> {
        self.finish(&mut |_| {});
        let is_blank = |line: &String| line.trim().is_empty();
        let mut lines: Vec<String> = self.last.into_iter().skip_while(is_blank).collect();
        while lines.last().is_some_and(is_blank) {
            lines.pop();
        }
        lines
    }

    fn end_line(&mut self, on_line: &mut dyn FnMut(&str)) {
        let bytes = std::mem::take(&mut self.unfinished);
        let text = String::from_utf8_lossy(&bytes);
        // A progress display writes over its line; a terminal would show the last state of it.
        let text = text
            .trim_end_matches('\r')
            .rsplit('\r')
            .next()
            .unwrap_or_default();
        let line = without_secrets(text);
        on_line(&line);
        if self.last.len() == KEPT_LINES {
            self.last.pop_front();
        }
        self.last.push_back(line);
    }
}

/// `text` without the credentials of the URLs in it.
pub(super) fn without_secrets(text: &str) -> String {
    if !text.contains("://") {
        return text.to_owned();
    }
    text.split_inclusive(char::is_whitespace)
        .map(|word| {
            let bare = word.trim_end();
            without_credentials(bare) + &word[bare.len()..]
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn lines(pieces: &[&[u8]]) -> (Vec<String>, Vec<String>) {
        let mut seen = Vec::new();
        let mut lines = Lines::default();
        let mut on_line = |line: &str| seen.push(line.to_owned());
        for piece in pieces {
            lines.feed(piece, &mut on_line);
        }
        lines.finish(&mut on_line);
        (seen, lines.into_last())
    }

    #[test]
    fn output_is_split_into_lines() {
        for (pieces, seen) in [
            (&[&b"one\ntwo\n"[..]][..], &["one", "two"][..]),
            (&[b"o", b"ne\r\ntw", b"o"], &["one", "two"]),
            (&[b"10%\r50%\r100%\n"], &["100%"]),
            (&[b"a\n\nb"], &["a", "", "b"]),
            (&[b"\xffx"], &["\u{fffd}x"]),
            (
                &[b"see https://u:p@host/x and a@b\n"],
                &["see https://host/x and a@b"],
            ),
            (&[], &[]),
        ] {
            assert_eq!(lines(pieces).0, seen);
        }
    }

    #[test]
    fn the_last_lines_are_kept_and_long_ones_cut() {
        let many: String = (0..50).map(|number| format!("{number}\n")).collect();
        let last = lines(&[b"\n", many.as_bytes(), b"\n \n"]).1;
        assert_eq!(
            (last.len(), last[0].as_str(), last[17].as_str()),
            (18, "32", "49")
        );

        let endless = vec![b'x'; 10_000];
        let lengths: Vec<usize> = lines(&[&endless]).0.iter().map(String::len).collect();
        assert_eq!(lengths, [4096, 4096, 1808]);
    }
}
