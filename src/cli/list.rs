//! Tables with one line for each row; on a terminal the lines fit.

use std::borrow::Cow;

use console::measure_text_width;

use crate::cli::escape;
use crate::cli::terminal::{Stream, style};
use crate::cli::text_table::{Cell, ELLIPSIS, GAP, natural_width, padded, push_line, shortened};

/// A column, and how it may shrink if a row does not fit into a line.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Column {
    heading: &'static str,
    /// The least width; `usize::MAX` never cuts cells.
    least: usize,
    /// Which part of a cut cell is shown.
    keeps: Keeps,
    /// The order in which columns are left out; 0 is never left out.
    left_out: u8,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Keeps {
    Beginning,
    End,
}

impl Column {
    pub(crate) const fn new(heading: &'static str) -> Self {
        Self {
            heading,
            least: usize::MAX,
            keeps: Keeps::Beginning,
            left_out: 0,
        }
    }

    /// Cells may be cut at their end.
    pub(crate) const fn shortened_to(self, least: usize) -> Self {
        Self { least, ..self }
    }

    /// Cells may be cut at their beginning, which suits paths.
    pub(crate) const fn shortened_at_start_to(self, least: usize) -> Self {
        let keeps = Keeps::End;
        Self { least, keeps, ..self }
    }

    /// The column may be left out, after those with lower numbers.
    pub(crate) const fn left_out(self, left_out: u8) -> Self {
        Self { left_out, ..self }
    }

    fn shown<'a>(&self, text: &'a str, width: usize) -> Cow<'a, str> {
        let length = measure_text_width(text);
        if length <= width {
            return Cow::Borrowed(text);
        }
        let kept: Cow<'_, str> = match self.keeps {
            Keeps::Beginning => return shortened(text, width),
            Keeps::End => text.chars().rev().collect::<String>().into(),
        };
        let kept = console::truncate_str(&kept, width.saturating_sub(1), "");
        format!("{ELLIPSIS}{}", kept.chars().rev().collect::<String>()).into()
    }
}

/// The table with its heading, for standard output. On a terminal, columns are left out and cells are visibly cut until
/// the lines fit; elsewhere lines are whole.
pub(crate) fn list<C: Cell>(columns: &[Column], rows: &[Vec<C>]) -> String {
    list_of_width(columns, rows, Stream::Stdout.wraps_at().unwrap_or(usize::MAX))
}

fn list_of_width<C: Cell>(columns: &[Column], rows: &[Vec<C>], width: usize) -> String {
    let natural: Vec<usize> = columns
        .iter()
        .enumerate()
        .map(|(place, column)| natural_width(rows, place).max(column.heading.len()))
        .collect();
    let widths = fitted(columns, &natural, width);
    let is_whole = |column: &Column| column.least == usize::MAX || width == usize::MAX;
    let mut text = String::new();
    let mut line = String::new();
    for (column, width) in columns.iter().zip(&widths) {
        line.extend(width.map(|width| padded(column.heading, style::HEADING, width)));
    }
    push_line(&mut text, &line);
    for row in rows {
        line.clear();
        for ((cell, column), width) in row.iter().zip(columns).zip(&widths) {
            if let Some(width) = width {
                let shown = escape::one_line(cell.text());
                let room = if is_whole(column) { usize::MAX } else { *width };
                line.push_str(&padded(&column.shown(&shown, room), cell.style(), *width));
            }
        }
        push_line(&mut text, &line);
    }
    text
}

/// The width of each column; `None` if it is left out.
fn fitted(columns: &[Column], natural: &[usize], width: usize) -> Vec<Option<usize>> {
    let least = |place: usize| natural[place].min(columns[place].least);
    let mut shown: Vec<usize> = (0..columns.len()).collect();
    let needed = |shown: &[usize]| shown.iter().map(|place| least(*place) + GAP).sum::<usize>() - GAP;
    while needed(&shown) > width {
        let next = shown
            .iter()
            .enumerate()
            .filter(|(_, place)| columns[**place].left_out > 0);
        let Some((at, _)) = next.min_by_key(|(_, place)| columns[**place].left_out) else {
            break;
        };
        shown.remove(at);
    }
    let mut widths: Vec<Option<usize>> = vec![None; columns.len()];
    for place in &shown {
        widths[*place] = Some(least(*place));
    }
    let mut spare = width.saturating_sub(needed(&shown));
    // What is left goes to those that are shortened, one after the other.
    while spare > 0 {
        let before = spare;
        for place in &shown {
            if let Some(width) = widths[*place].as_mut().filter(|width| **width < natural[*place]) {
                let more = usize::from(spare > 0);
                *width += more;
                spare -= more;
            }
        }
        if spare == before {
            break;
        }
    }
    widths
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_list_fits() {
        const COLUMNS: [Column; 4] = [
            Column::new("NAME").shortened_to(4),
            Column::new("KIND").left_out(1),
            Column::new("SIZE"),
            Column::new("PLACE").shortened_at_start_to(5),
        ];
        let rows = [["abcdefgh", "x", "1 B", "/home/anna/x"]
            .map(str::to_owned)
            .to_vec()];
        for (width, expected) in [
            (
                usize::MAX,
                "NAME      KIND  SIZE  PLACE\nabcdefgh  x     1 B   /home/anna/x\n",
            ),
            (
                30,
                "NAME      KIND  SIZE  PLACE\nabcdefgh  x     1 B   …/anna/x\n",
            ),
            (20, "NAME    SIZE  PLACE\nabcde…  1 B   …nna/x\n"),
            (1, "NAME  SIZE  PLACE\nabc…  1 B   …na/x\n"),
        ] {
            assert_eq!(list_of_width(&COLUMNS, &rows, width), expected, "{width}");
        }
    }
}
