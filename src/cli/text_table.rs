//! Wraps text and lays it out in columns.

use std::borrow::Cow;

use clap::builder::styling::Style;
use console::measure_text_width;

use crate::cli::escape;
use crate::cli::terminal::{Stream, WIDEST, style};

/// Replaces what is cut.
pub(super) const ELLIPSIS: &str = "…";
/// The least width of a wrapped text.
const NARROWEST: usize = 20;
/// The blanks between columns.
pub(super) const GAP: usize = 2;

/// Wraps a text at blanks to lines of at most `width` columns. Longer words stay whole, and so does a command between
/// backquotes if it fits into a line. The text's own line ends stay.
pub(crate) fn wrapped(text: &str, width: usize) -> Vec<String> {
    text.lines().flat_map(|line| wrapped_line(line, width)).collect()
}

fn wrapped_line(line: &str, width: usize) -> Vec<String> {
    // What stands before the first word belongs to it.
    let (indent, rest) = line.split_at(line.len() - line.trim_start().len());
    let mut lines = vec![indent.to_owned()];
    let mut length = measure_text_width(indent);
    for (number, word) in words(rest, width).into_iter().enumerate() {
        let word_length = measure_text_width(word);
        let last = lines.last_mut().expect("there is a first line");
        if number == 0 {
            last.push_str(word);
            length += word_length;
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

/// The parts between blanks. A command between backquotes is one part if it fits, so that it can be copied.
fn words(line: &str, width: usize) -> Vec<&str> {
    let mut words = Vec::new();
    let mut start = 0;
    for (at, _) in line.match_indices(' ') {
        // It is a part of the word before.
        if at < start {
            continue;
        }
        let mut end = at;
        if line[start..at].matches('`').count() % 2 == 1
            && let Some(close) = line[at..].find('`').map(|close| at + close)
        {
            let whole = line[close..].find(' ').map_or(line.len(), |blank| close + blank);
            if measure_text_width(&line[start..whole]) <= width {
                end = whole;
            }
        }
        words.push(&line[start..end]);
        start = end + 1;
    }
    words.extend(line.get(start..));
    words
}

/// A text after its label, such as `hint:`. On a terminal the label is coloured, and the text is wrapped with a
/// hanging indent as wide as the label.
pub(crate) fn labelled(stream: Stream, label: &str, style: Style, text: &str) -> String {
    let indent = label.len() - label.trim_start().len();
    let painted = format!("{:indent$}{}", "", stream.paint(style, label.trim_start()));
    format!(
        "{painted} {}",
        fitting(stream, measure_text_width(label) + 1, text)
    )
}

/// On a terminal, the text wrapped with this hanging indent.
pub(crate) fn fitting(stream: Stream, first: usize, text: &str) -> String {
    match stream.wraps_at() {
        Some(width) => hanging(text, first, width),
        None => text.to_owned(),
    }
}

/// Wraps a text whose first line starts in column `first` and continues there. Its other lines continue two columns
/// to the right of their start.
fn hanging(text: &str, first: usize, width: usize) -> String {
    let mut shown = String::new();
    for (number, line) in text.split('\n').enumerate() {
        let own = line.len() - line.trim_start_matches(' ').len();
        let indent = if number == 0 { first } else { own + 2 };
        let indent = indent.min(width.saturating_sub(NARROWEST));
        if number > 0 {
            shown.push_str(&format!("\n{:own$}", ""));
        }
        for (part, words) in wrapped_line(&line[own..], width - indent).into_iter().enumerate() {
            if part > 0 {
                shown.push_str(&format!("\n{:indent$}", ""));
            }
            shown.push_str(&words);
        }
    }
    shown
}

/// A cell of a table: a text and its style.
pub(crate) trait Cell {
    fn text(&self) -> &str;
    fn style(&self) -> Style {
        Style::new()
    }
}

impl Cell for String {
    fn text(&self) -> &str {
        self
    }
}

/// A coloured cell.
#[derive(Debug, Clone)]
pub(crate) struct Painted {
    text: String,
    style: Style,
}

impl Painted {
    pub(crate) fn new(text: impl Into<String>, style: Style) -> Self {
        let text = text.into();
        Self { text, style }
    }

    pub(crate) fn plain(text: impl Into<String>) -> Self {
        Self::new(text, Style::new())
    }

    pub(crate) fn heading(text: impl Into<String>) -> Self {
        Self::new(text, style::HEADING)
    }
}

impl Cell for Painted {
    fn text(&self) -> &str {
        &self.text
    }

    fn style(&self) -> Style {
        self.style
    }
}

/// A table with this indentation, for standard output. The last column is wrapped to `width`, beside the others or,
/// if there is no room, below them. Rows may have fewer cells. A cell longer than [`WIDEST`] does not widen its column:
/// padding thousands of rows to a text of a megabyte would take gigabytes.
pub(crate) fn columns<C: Cell>(rows: &[Vec<C>], indent: usize, width: usize) -> String {
    let last = rows.iter().map(Vec::len).max().unwrap_or(1).max(1) - 1;
    let mut widths: Vec<usize> = (0..last).map(|column| natural_width(rows, column)).collect();
    let beside = indent + widths.iter().map(|width| width + GAP).sum::<usize>();
    let longest = rows.iter().filter_map(|row| row.get(last)).map(|cell| {
        let words = cell.text().split([' ', '\n']);
        words.map(measure_text_width).max().unwrap_or_default()
    });
    // Of what cannot be broken a line may be longer.
    let needed = longest.max().unwrap_or_default().min(NARROWEST);
    let is_beside = beside + needed <= width || last == 0;
    let start = if is_beside { beside } else { indent + 2 * GAP };
    let shortens = !is_beside && Stream::Stdout.is_terminal();
    if shortens {
        narrow(&mut widths, (width + GAP).saturating_sub(indent));
    }
    let mut text = String::new();
    for row in rows {
        let mut line = " ".repeat(indent);
        for (cell, width) in row.iter().zip(&widths) {
            let shown = escape::one_line(cell.text());
            let shown = if is_beside {
                shown
            } else {
                shortened(&shown, *width)
            };
            line.push_str(&padded(&shown, cell.style(), *width));
        }
        if let Some(cell) = row.get(last) {
            let shown = escape::escaped(cell.text());
            let parts = wrapped(&shown, width.saturating_sub(start).max(NARROWEST));
            for (number, part) in parts.iter().enumerate() {
                if number > 0 || !is_beside {
                    push_line(&mut text, &line);
                    line = " ".repeat(start);
                }
                line.push_str(&Stream::Stdout.paint(cell.style(), part));
            }
        }
        push_line(&mut text, &line);
    }
    text
}

pub(super) fn push_line(text: &mut String, line: &str) {
    text.push_str(line.trim_end());
    text.push('\n');
}

/// Narrows the widest columns until all fit. The first one names the row, and is narrowed last.
fn narrow(widths: &mut [usize], width: usize) {
    const LEAST: usize = 8;
    while widths.iter().map(|width| width + GAP).sum::<usize>() > width {
        let (first, others) = widths.split_at_mut(1);
        let widest = others.iter_mut().max().filter(|widest| **widest > LEAST);
        match widest.or(first.first_mut().filter(|first| **first > LEAST)) {
            Some(widest) => *widest -= 1,
            None => return,
        }
    }
}

/// The text, cut visibly if it is too long.
pub(super) fn shortened(text: &str, width: usize) -> Cow<'_, str> {
    console::truncate_str(text, width, ELLIPSIS)
}

/// The width of a column's widest cell, without those longer than [`WIDEST`].
pub(super) fn natural_width<C: Cell>(rows: &[Vec<C>], column: usize) -> usize {
    let cells = rows.iter().filter_map(|row| row.get(column));
    let lengths = cells.map(|cell| measure_text_width(&escape::one_line(cell.text())));
    let lengths = lengths.filter(|length| *length <= WIDEST);
    lengths.max().unwrap_or_default()
}

/// The cell and the blanks after it.
pub(super) fn padded(text: &str, style: Style, width: usize) -> String {
    let blanks = width.saturating_sub(measure_text_width(text)) + GAP;
    format!("{}{:blanks$}", Stream::Stdout.paint(style, text), "")
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
            ("漢字 漢字", 6, &["漢字", "漢字"]),
            ("try `mlrun run .` now", 13, &["try", "`mlrun run .`", "now"]),
            ("try `mlrun run .`, now", 12, &["try `mlrun", "run .`, now"]),
            ("a ` b c", 3, &["a `", "b c"]),
        ] {
            assert_eq!(wrapped(text, width), expected, "{text}");
        }
    }

    #[test]
    fn lines_go_on_below_their_beginning() {
        for (text, first, expected) in [
            (
                "one two three four five six",
                7,
                "one two three four\n       five six",
            ),
            (
                "one\n  two three four five six seven",
                7,
                "one\n  two three four five six\n    seven",
            ),
            (
                "one two three four five six",
                22,
                "one two three four\n       five six",
            ),
        ] {
            assert_eq!(hanging(text, first, 27), expected, "{text}");
        }
    }

    fn row(cells: &[&str]) -> Vec<String> {
        cells.iter().map(|cell| (*cell).to_owned()).collect()
    }

    #[test]
    fn cells_stand_in_columns() {
        let rows = [
            row(&["NAME", "TYPE", "TEXT"]),
            row(&["a", "float", "one two three four five"]),
            row(&["longer"]),
        ];
        assert_eq!(
            columns(&rows, 2, 38),
            "  NAME    TYPE   TEXT\n  a       float  one two three four\n                 five\n  longer\n"
        );
        let rows = [row(&["a name of some length", "one two three four five"])];
        assert_eq!(
            columns(&rows, 2, 26),
            "  a name of some length\n      one two three four\n      five\n"
        );
    }
}
