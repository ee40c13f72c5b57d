//! Text in columns and lines of a width, for a person.

use std::borrow::Cow;

use rustix::termios::tcgetwinsize;

use crate::cli::escape;

/// The width of lines where no terminal says another one.
const DEFAULT_WIDTH: usize = 80;
/// Lines longer than this are hard to read, however wide the terminal is.
pub(super) const WIDEST: usize = 120;
/// A narrower terminal wraps lines by itself.
const NARROWEST: usize = 20;
/// What a last column has at least.
const NARROWEST_COLUMN: usize = 20;

/// Where a text goes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Stream {
    Stdout,
    Stderr,
}

impl Stream {
    /// How long lines should be at most.
    pub(crate) fn width(self) -> usize {
        let size = match self {
            Self::Stdout => tcgetwinsize(std::io::stdout()),
            Self::Stderr => tcgetwinsize(std::io::stderr()),
        };
        match size.map_or(0, |size| usize::from(size.ws_col)) {
            0 => DEFAULT_WIDTH,
            columns => columns.clamp(NARROWEST, WIDEST),
        }
    }

    /// Whether colours are shown: on a terminal, unless `NO_COLOR` or `CLICOLOR=0` is set, and wherever
    /// `CLICOLOR_FORCE` is.
    pub(crate) fn has_colors(self) -> bool {
        match self {
            Self::Stdout => console::colors_enabled(),
            Self::Stderr => console::colors_enabled_stderr(),
        }
    }
}

/// Breaks a text at its spaces into lines of at most `width` characters. Longer words stay whole, and
/// the text's own line ends stay.
pub(crate) fn wrapped(text: &str, width: usize) -> Vec<String> {
    text.lines().flat_map(|line| wrapped_line(line, width)).collect()
}

fn wrapped_line(line: &str, width: usize) -> Vec<String> {
    let mut lines = vec![String::new()];
    let mut length = 0;
    // What stands before the first word belongs to it.
    let indent = line.len() - line.trim_start().len();
    let (indent, rest) = line.split_at(indent);
    for (number, word) in rest.split(' ').enumerate() {
        let word_length = word.chars().count();
        let last = lines.last_mut().expect("there is a first line");
        if number == 0 {
            last.push_str(indent);
            last.push_str(word);
            length = indent.chars().count() + word_length;
        } else if length + 1 + word_length > width {
            lines.push(word.to_owned());
            length = word_length;
        } else {
            last.push(' ');
            last.push_str(word);
            length += 1 + word_length;
        }
    }
    lines
}

/// Lines with this indentation, each row's cells in columns. The last column is broken into lines that
/// fit into `width`; a row may have fewer cells than others. A cell that is longer than a line can be widens
/// no column: thousands of rows beside a text of a megabyte would be gigabytes of spaces.
pub(crate) fn columns(rows: &[Vec<String>], indent: usize, width: usize) -> String {
    let rows: Vec<Vec<Cow<'_, str>>> = rows.iter().map(|row| shown_cells(row)).collect();
    let count = rows.iter().map(Vec::len).max().unwrap_or_default();
    let widths: Vec<usize> = (0..count.saturating_sub(1))
        .map(|column| {
            let cells = rows.iter().filter_map(|row| row.get(column));
            let lengths = cells.map(|cell| cell.chars().count());
            lengths
                .filter(|length| *length <= WIDEST)
                .max()
                .unwrap_or_default()
        })
        .collect();
    let before_last = indent + widths.iter().map(|width| width + 2).sum::<usize>();
    let last_width = width.saturating_sub(before_last).max(NARROWEST_COLUMN);
    let mut text = String::new();
    for row in &rows {
        let mut line = " ".repeat(indent);
        for (cell, width) in row.iter().zip(&widths) {
            line.push_str(&format!("{cell:<width$}  "));
        }
        let last = row.get(widths.len()).map_or("", Cow::as_ref);
        let mut parts = wrapped(last, last_width).into_iter();
        line.push_str(&parts.next().unwrap_or_default());
        text.push_str(line.trim_end());
        text.push('\n');
        for part in parts {
            text.push_str(format!("{:before_last$}{part}", "").trim_end());
            text.push('\n');
        }
    }
    text
}

/// A row's cells for a terminal; in the last one its line ends stay.
fn shown_cells(row: &[String]) -> Vec<Cow<'_, str>> {
    let last = row.len().saturating_sub(1);
    row.iter()
        .enumerate()
        .map(|(place, cell)| {
            if place == last {
                escape::escaped(cell)
            } else {
                escape::one_line(cell)
            }
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_are_broken_at_spaces() {
        for (text, width, expected) in [
            ("", 10, &[][..]),
            ("one two three", 20, &["one two three"]),
            ("one two three", 7, &["one two", "three"]),
            ("one two three", 3, &["one", "two", "three"]),
            ("  one two three", 7, &["  one", "two", "three"]),
            ("a-long-word b", 4, &["a-long-word", "b"]),
            ("one\n\ntwo", 9, &["one", "", "two"]),
        ] {
            assert_eq!(wrapped(text, width), expected, "{text}");
        }
    }

    #[test]
    fn cells_stand_in_columns() {
        let row = |cells: &[&str]| cells.iter().map(|cell| (*cell).to_owned()).collect::<Vec<_>>();
        let rows = [
            row(&["NAME", "TYPE", "TEXT"]),
            row(&["a", "float", "one two three four five"]),
            row(&["longer"]),
        ];
        assert_eq!(
            columns(&rows, 2, 38),
            "  NAME    TYPE   TEXT\n  a       float  one two three four\n                 five\n  longer\n"
        );
    }
}
