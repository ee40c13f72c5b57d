//! What of a file's lines is not shown: values of variables, and all that looks like a secret.

use std::collections::HashMap;
use std::ops::Range;
use std::sync::Arc;

use crate::lint::looks_secret;
use crate::nearest::nearest;
use crate::project::SourceFile;

/// What stands for a secret.
pub(super) const MASK: &str = "****";

/// The keys whose values are a program's variables.
const KEY: &str = "environment";
const KEY_OF_KUBERNETES: &str = "env";

/// The masked parts of a file's lines.
pub(super) struct Masks {
    file: Arc<SourceFile>,
    /// The lines that hold variables or a secret, and where in them these begin.
    hidden_lines: HashMap<usize, usize>,
    /// The masks of the line that was asked for last.
    last: (usize, Vec<Range<usize>>),
}

impl Masks {
    pub(super) fn new(file: &Arc<SourceFile>) -> Self {
        Self {
            hidden_lines: hidden_lines(file),
            file: Arc::clone(file),
            last: (0, Vec::new()),
        }
    }

    pub(super) fn are_of(&self, file: &Arc<SourceFile>) -> bool {
        Arc::ptr_eq(&self.file, file)
    }

    /// The masked parts of a line, in their order.
    pub(super) fn of_line(&mut self, number: usize) -> &[Range<usize>] {
        if self.last.0 != number {
            let text = self.file.line(number).map_or("", |line| line.text());
            self.last = (number, masks_of(text, self.hidden_lines.get(&number).copied()));
        }
        &self.last.1
    }
}

/// The lines that hold variables or a secret: what follows the key on its line, and the lines below that are
/// indented more, or are items of its list.
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
        let is_of_name = |character: char| character.is_alphanumeric() || "_-.".contains(character);
        let name = before.trim_end_matches(is_of_name);
        (&before[name.len()..], at + 1)
    })
}

/// Whether a word is or has in it a URL with credentials or a well-known service's token.
fn holds_secret(word: &str) -> bool {
    let mut parts = word.split(['[', ']', '{', '}', ',', '=']);
    looks_secret("", word) || parts.any(|part| looks_secret("", part))
}

/// What stands between blanks and quotes.
fn words(text: &str) -> impl Iterator<Item = Range<usize>> {
    text.split([' ', '\t', '"', '\'']).scan(0, |start, word| {
        let found = *start..*start + word.len();
        *start = found.end + 1;
        Some(found)
    })
}
