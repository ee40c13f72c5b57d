//! The line of a file that an error or a finding is about, with the place marked below it.

use std::collections::HashMap;
use std::ops::Range;
use std::sync::Arc;

use annotate_snippets::{AnnotationKind, Group, Level, Renderer, Snippet};

use crate::cli::escape::one_line;
use crate::cli::terminal::{Stream, WIDEST};
use crate::lint::looks_secret;
use crate::nearest::nearest;
use crate::project::{Location, SourceFile, SourceLine};

/// How many characters on each side of the place are read: more than any terminal shows.
const AROUND: usize = 2 * WIDEST;
/// The longest mark, in characters.
const LONGEST_MARK: usize = 40;
/// The least width of line numbers; it aligns the excerpt with ` --> `.
const NUMBER_WIDTH: usize = 2;

/// Replaces a secret.
const MASK: &str = "****";

/// The keys whose values are a program's variables.
const KEY: &str = "environment";
const KEY_OF_KUBERNETES: &str = "env";

/// Draws excerpts, and caches which parts of the last file must not be shown.
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

    /// The line and the mark, each after a line end; empty if there is no such line.
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
            let before = masked(before, 0..end_of(before, AROUND), masks);
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

    /// The shown part of a line around a column, and the mark's place in it.
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
        let end = mark.end + end_of(&text[mark.end..], AROUND);
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

/// The byte position after so many characters.
fn end_of(text: &str, length: usize) -> usize {
    text.char_indices().nth(length).map_or(text.len(), |(end, _)| end)
}

/// Whether the character may be part of a name.
fn is_of_word(character: char) -> bool {
    character.is_alphanumeric() || "_-.".contains(character)
}

/// The word, quoted text or placeholder that begins at a byte of the line; otherwise the one character there.
fn marked(text: &str, start: usize) -> Range<usize> {
    let rest = &text[start..];
    let rest = &rest[..end_of(rest, LONGEST_MARK)];
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

/// A part of a line for a terminal, with secrets masked.
fn masked(text: &str, part: Range<usize>, masks: &[Range<usize>]) -> String {
    let mut shown = String::new();
    let mut at = part.start;
    for mask in masks
        .iter()
        .filter(|mask| mask.start < part.end && part.start < mask.end)
    {
        shown.push_str(&one_line(&text[at..mask.start.max(at)]));
        shown.push_str(MASK);
        at = mask.end.min(part.end);
    }
    shown.push_str(&one_line(&text[at..part.end]));
    shown
}

/// The parts of a file that are not shown: values of variables and everything that looks like a secret.
struct Masks {
    file: Arc<SourceFile>,
    /// The lines with variables or secrets, and where in the line they begin.
    hidden_lines: HashMap<usize, usize>,
    /// The masks of the last line.
    last: (usize, Vec<Range<usize>>),
}

impl Masks {
    fn new(file: &Arc<SourceFile>) -> Self {
        Self {
            hidden_lines: hidden_lines(file),
            file: Arc::clone(file),
            last: (0, Vec::new()),
        }
    }

    fn are_of(&self, file: &Arc<SourceFile>) -> bool {
        Arc::ptr_eq(&self.file, file)
    }

    /// The masked parts of a line, in order.
    fn of_line(&mut self, number: usize) -> &[Range<usize>] {
        if self.last.0 != number {
            let text = self.file.line(number).map_or("", |line| line.text());
            self.last = (number, masks_of(text, self.hidden_lines.get(&number).copied()));
        }
        &self.last.1
    }
}

/// The lines with variables or secrets: the rest of the key's line, and the lines below that are indented more or
/// are items of its list.
fn hidden_lines(file: &SourceFile) -> HashMap<usize, usize> {
    let mut found = HashMap::new();
    let mut key_indent = None;
    for (index, line) in file.lines().iter().enumerate() {
        let text = line.text();
        let indent = text.len() - text.trim_start().len();
        let rest = text[indent..].trim_end();
        if rest.is_empty() {
            continue;
        }
        if key_indent.is_some_and(|key| indent > key || (indent == key && rest.starts_with('-'))) {
            let bullets = rest.len() - rest.trim_start_matches(['-', ' ', '\t']).len();
            found.insert(index + 1, indent + bullets);
            continue;
        }
        key_indent = None;
        let hides = |(name, after): &(&str, usize)| {
            text[..*after].ends_with(':') && is_hidden(name, text[*after..].trim_start())
        };
        if let Some((_, after)) = names(text).find(hides) {
            key_indent = Some(indent);
            found.insert(index + 1, after);
        }
    }
    found
}

/// Whether the values below a key are variables (in MLproject files, also if the key is mistyped, and in
/// templates of Kubernetes) or a secret.
fn is_hidden(key: &str, value: &str) -> bool {
    let goes_on_below = value.is_empty() || value.starts_with(['[', '|', '>']);
    let is_hidden_below = || key == KEY_OF_KUBERNETES || looks_secret(key, MASK);
    key == KEY || nearest(key, [KEY]).is_some() || (goes_on_below && is_hidden_below())
}

fn masks_of(text: &str, hidden: Option<usize>) -> Vec<Range<usize>> {
    let end = text.trim_end().len();
    let value_at = |after: usize| {
        let rest = &text[after..];
        after + rest.len() - rest.trim_start_matches([' ', '\t', '"', '\'']).len()
    };
    let named = names(text).find_map(|(name, after)| {
        let start = value_at(after);
        let value = text[start..]
            .split([' ', '\t', '"', '\''])
            .next()
            .unwrap_or_default();
        (!value.starts_with('{') && looks_secret(name, value)).then_some(start)
    });
    let tail = hidden.map(value_at).into_iter().chain(named).min();
    let tail = tail.filter(|start| *start < end).map(|start| start..end);
    let shown = &text[..tail.as_ref().map_or(end, |tail| tail.start)];
    words(shown)
        .filter(|word| holds_secret(&text[word.clone()]))
        .chain(tail.clone())
        .collect()
}

/// The words before `:`, `=` and `,`, each with the place after that character.
fn names(text: &str) -> impl Iterator<Item = (&str, usize)> {
    text.match_indices([':', '=', ',']).map(|(at, _)| {
        let before = text[..at].trim_end_matches([' ', '"', '\'']);
        let name = before.trim_end_matches(is_of_word);
        (&before[name.len()..], at + 1)
    })
}

/// Whether a word contains a URL with credentials or a well-known service's token.
fn holds_secret(word: &str) -> bool {
    let mut parts = word.split(['[', ']', '{', '}', ',', '=']);
    looks_secret("", word) || parts.any(|part| looks_secret("", part))
}

/// The parts between blanks and quotes.
fn words(text: &str) -> impl Iterator<Item = Range<usize>> {
    text.split([' ', '\t', '"', '\'']).scan(0, |start, word| {
        let found = *start..*start + word.len();
        *start = found.end + 1;
        Some(found)
    })
}
