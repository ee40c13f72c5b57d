//! The characters of a text, and the place in it.

use super::super::node::Position;

/// A place in a text, counted from 0.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(in crate::yaml) struct Mark {
    /// The number of characters before it.
    pub(in crate::yaml) index: usize,
    pub(in crate::yaml) line: usize,
    pub(in crate::yaml) column: usize,
}

impl Mark {
    /// The place as people count it.
    pub(in crate::yaml) fn position(self) -> Position {
        Position {
            line: self.line + 1,
            column: self.column + 1,
        }
    }
}

/// What [`Cursor::peek`] returns after the end; no text that is read holds it.
pub(super) const END: char = '\0';

/// Whether the character ends a line.
pub(in crate::yaml) fn is_break(character: char) -> bool {
    matches!(character, '\r' | '\n' | '\u{85}' | '\u{2028}' | '\u{2029}')
}

/// Whether the character ends a line or the text.
pub(super) fn is_break_or_end(character: char) -> bool {
    character == END || is_break(character)
}

/// Whether the character is a space, a line's end or the text's end.
pub(super) fn is_space_or_end(character: char) -> bool {
    character == ' ' || is_break_or_end(character)
}

/// Whether the character is a space, a tab, a line's end or the text's end.
pub(super) fn is_blank_or_end(character: char) -> bool {
    character == '\t' || is_space_or_end(character)
}

/// Whether the names of anchors, tag handles and directives may contain the character.
pub(super) fn is_word(character: char) -> bool {
    character.is_ascii_alphanumeric() || matches!(character, '-' | '_')
}

/// A reading position in a text.
pub(in crate::yaml) struct Cursor {
    characters: Vec<char>,
    mark: Mark,
}

impl Cursor {
    pub(in crate::yaml) fn new(characters: Vec<char>) -> Self {
        Self {
            characters,
            mark: Mark::default(),
        }
    }

    pub(in crate::yaml) fn mark(&self) -> Mark {
        self.mark
    }

    pub(super) fn column(&self) -> usize {
        self.mark.column
    }

    /// The next character; [`END`] after the last.
    pub(super) fn next(&self) -> char {
        self.peek(0)
    }

    /// Whether all characters were taken.
    pub(super) fn is_at_end(&self) -> bool {
        self.next() == END
    }

    /// The character `offset` characters on.
    pub(super) fn peek(&self, offset: usize) -> char {
        self.characters
            .get(self.mark.index + offset)
            .copied()
            .unwrap_or(END)
    }

    /// How many characters from here on are of this kind. The kind must not include [`END`].
    pub(super) fn count(&self, is_of_kind: impl Fn(char) -> bool) -> usize {
        self.count_from(0, is_of_kind)
    }

    /// As [`count`](Self::count), from `offset` characters on.
    pub(super) fn count_from(&self, offset: usize, is_of_kind: impl Fn(char) -> bool) -> usize {
        (offset..)
            .take_while(|&offset| is_of_kind(self.peek(offset)))
            .count()
    }

    /// Moves on by `length` characters.
    pub(in crate::yaml) fn skip(&mut self, length: usize) {
        for _ in 0..length {
            let character = self.next();
            self.mark.index += 1;
            if is_break(character) && !(character == '\r' && self.next() == '\n') {
                self.mark.line += 1;
                self.mark.column = 0;
            } else if character != '\u{feff}' {
                self.mark.column += 1;
            }
        }
    }

    /// Moves on past spaces.
    pub(super) fn skip_spaces(&mut self) {
        self.skip(self.count(|character| character == ' '));
    }

    /// Moves on to the end of the line.
    pub(super) fn skip_to_break(&mut self) {
        self.skip(self.count(|character| !is_break_or_end(character)));
    }

    /// Takes `length` characters to the end of `text`.
    pub(super) fn take_into(&mut self, length: usize, text: &mut String) {
        text.extend((0..length).map(|offset| self.peek(offset)));
        self.skip(length);
    }

    /// Takes `length` characters.
    pub(super) fn take(&mut self, length: usize) -> String {
        let mut text = String::with_capacity(length);
        self.take_into(length, &mut text);
        text
    }

    /// Takes a line's end, if there is one here: as `\n`, or as the Unicode separator that it is.
    pub(super) fn take_break(&mut self) -> Option<char> {
        match self.next() {
            '\r' if self.peek(1) == '\n' => {
                self.skip(2);
                Some('\n')
            }
            '\r' | '\n' | '\u{85}' => {
                self.skip(1);
                Some('\n')
            }
            separator @ ('\u{2028}' | '\u{2029}') => {
                self.skip(1);
                Some(separator)
            }
            _ => None,
        }
    }

    /// Whether the next word is `---` or `...`.
    pub(super) fn is_at_document_marker(&self) -> bool {
        let first = self.next();
        matches!(first, '-' | '.')
            && self.peek(1) == first
            && self.peek(2) == first
            && is_blank_or_end(self.peek(3))
    }
}
