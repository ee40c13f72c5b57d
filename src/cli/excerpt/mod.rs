//! The line of a file that an error or a remark is about, with the place marked under it.

mod mask;

use std::ops::Range;
use std::sync::Arc;

use annotate_snippets::{AnnotationKind, Group, Level, Renderer, Snippet};

use self::mask::Masks;
use crate::cli::escape::one_line;
use crate::cli::text_table::{Stream, WIDEST};
use crate::project::{Location, SourceFile, SourceLine};

/// How many characters on each side of the place are looked at: more than any terminal shows.
const AROUND: usize = 2 * WIDEST;
/// The longest mark, in characters.
const LONGEST_MARK: usize = 40;
/// The columns that line numbers have at least, so that what follows stands under ` --> `.
const NUMBER_WIDTH: usize = 2;

/// Draws excerpts, and remembers of the last file what must not be shown.
pub(crate) struct Excerpts {
    renderer: Renderer,
    width: usize,
    masks: Option<Masks>,
}

impl Excerpts {
    /// For lines that are written to this stream.
    pub(crate) fn new(stream: Stream) -> Self {
        Self {
            renderer: if stream.has_colors() {
                Renderer::styled()
            } else {
                Renderer::plain()
            },
            width: stream.width(),
            masks: None,
        }
    }

    /// The place's line and the mark, each with a line's end before it; empty if there is no such line.
    pub(crate) fn of(&mut self, location: &Location) -> String {
        let number = location.position.line;
        let Some(line) = location.file.line(number) else {
            return String::new();
        };
        let (mut source, mut mark) = self.shown(&location.file, number, line, location.position.column);
        let mut first = number;
        // An empty line says nothing: it is where a text ended too early.
        if source.is_empty() && number > 1 {
            let before = location.file.line(number - 1).map_or("", SourceLine::text);
            let masks = self.masks(&location.file).of_line(number - 1);
            let end = before
                .char_indices()
                .nth(AROUND)
                .map_or(before.len(), |(end, _)| end);
            let before = masked(before, 0..end, masks);
            mark = before.len() + 1..before.len() + 1;
            source = before + "\n";
            first -= 1;
        }
        if source.trim().is_empty() {
            return String::new();
        }
        let indent = NUMBER_WIDTH.saturating_sub(number.to_string().len());
        let snippet = Snippet::source(source)
            .line_start(first)
            .annotation(AnnotationKind::Primary.span(mark));
        let renderer = self.renderer.clone().term_width(self.width - indent);
        let drawn = renderer.render(&[Group::with_level(Level::ERROR).element(snippet)]);
        drawn
            .lines()
            .map(|line| format!("\n{:indent$}{line}", "").trim_end().to_owned())
            .collect()
    }

    /// What is shown around a column of a line, and where in it the mark is.
    fn shown(
        &mut self,
        file: &Arc<SourceFile>,
        number: usize,
        line: &SourceLine,
        column: usize,
    ) -> (String, Range<usize>) {
        let text = line.text();
        let mark = marked(text, line.byte_of(column));
        let masks = self.masks(file).of_line(number);
        let hidden = masks
            .iter()
            .filter(|mask| mask.start <= mark.end && mark.start < mask.end);
        let mark = hidden.fold(mark.clone(), |mark, mask| {
            mark.start.min(mask.start)..mark.end.max(mask.end)
        });
        let after = &text[mark.end..];
        let end = after
            .char_indices()
            .nth(AROUND)
            .map_or(text.len(), |(end, _)| mark.end + end);
        let start = line.byte_of(column.saturating_sub(AROUND)).min(mark.start);
        let before = masked(text, start..mark.start, masks);
        let inside = masked(text, mark.clone(), masks);
        let shown_mark = before.len()..before.len() + inside.len();
        (before + &inside + &masked(text, mark.end..end, masks), shown_mark)
    }

    fn masks(&mut self, file: &Arc<SourceFile>) -> &mut Masks {
        self.masks.take_if(|masks| !masks.are_of(file));
        self.masks.get_or_insert_with(|| Masks::new(file))
    }
}

/// The word that begins at a byte of the line, or the text in quotes, or the placeholder; else the one
/// character there.
fn marked(text: &str, start: usize) -> Range<usize> {
    let is_of_word = |character: char| character.is_alphanumeric() || "_-.".contains(character);
    let rest = &text[start..];
    let end = rest
        .char_indices()
        .nth(LONGEST_MARK)
        .map_or(rest.len(), |(end, _)| end);
    let rest = &rest[..end];
    let first = rest.chars().next().map_or(0, char::len_utf8);
    let (opening, after) = rest.split_at(first);
    let word = after
        .find(|character| !is_of_word(character))
        .unwrap_or(after.len());
    let length = match opening {
        "\"" | "'" => after.find(opening).map_or(first, |close| first + close + 1),
        "{" if after[word..].starts_with('}') => first + word + 1,
        _ if opening.chars().all(is_of_word) => first + word,
        _ => first,
    };
    start..start + length
}

/// A part of a line for a terminal, without what is masked.
fn masked(text: &str, part: Range<usize>, masks: &[Range<usize>]) -> String {
    let mut shown = String::new();
    let mut at = part.start;
    for mask in masks
        .iter()
        .filter(|mask| mask.start < part.end && part.start < mask.end)
    {
        shown.push_str(&one_line(&text[at..mask.start.max(at)]));
        shown.push_str(mask::MASK);
        at = mask.end.min(part.end);
    }
    shown.push_str(&one_line(&text[at..part.end]));
    shown
}
