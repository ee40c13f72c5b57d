//! Text without quotes.

use super::super::node::Style;
use super::Scanner;
use super::cursor::{is_blank_or_end, is_break};
use super::token::{Token, TokenKind};

impl Scanner {
    /// Takes a plain text. It may go on over lines that are indented more than the collection
    /// around it; in brackets indentation does not matter. A tab ends it.
    pub(super) fn scan_plain(&mut self) -> Token {
        let start = self.cursor.mark();
        let mut end = start;
        let mut text = String::new();
        let mut gap = String::new();
        while self.cursor.next() != '#' {
            let length = self.plain_word_length();
            if length == 0 {
                break;
            }
            self.allows_simple_key = false;
            text.push_str(&gap);
            self.cursor.take_into(length, &mut text);
            end = self.cursor.mark();
            gap = self.scan_plain_gap();
            if gap.is_empty() || self.flow_level == 0 && self.column() <= self.indent {
                break;
            }
        }
        Token {
            kind: TokenKind::Scalar {
                text,
                style: Style::Plain,
            },
            start,
            end,
        }
    }

    /// How many characters from here on are one word of a plain text.
    fn plain_word_length(&self) -> usize {
        let is_in_flow = self.flow_level != 0;
        let mut length = 0;
        loop {
            let character = self.cursor.peek(length);
            let ends = is_blank_or_end(character)
                || character == ':' && {
                    let after = self.cursor.peek(length + 1);
                    is_blank_or_end(after) || is_in_flow && matches!(after, ',' | '[' | ']' | '{' | '}')
                }
                || is_in_flow && matches!(character, ',' | '?' | '[' | ']' | '{' | '}');
            if ends {
                return length;
            }
            length += 1;
        }
    }

    /// Takes what stands between two words of a plain text, folded: spaces stay, one line's end
    /// becomes a space, of more the first is dropped. Empty where the text ends.
    fn scan_plain_gap(&mut self) -> String {
        let spaces = self.cursor.take(self.cursor.count(|character| character == ' '));
        let Some(line_break) = self.cursor.take_break() else {
            return spaces;
        };
        self.allows_simple_key = true;
        if self.cursor.is_at_document_marker() {
            return String::new();
        }
        let mut breaks = String::new();
        while self.cursor.next() == ' ' || is_break(self.cursor.next()) {
            match self.cursor.take_break() {
                Some(another) => {
                    breaks.push(another);
                    if self.cursor.is_at_document_marker() {
                        return String::new();
                    }
                }
                None => self.cursor.skip(1),
            }
        }
        fold(line_break, breaks)
    }
}

/// What a line's end and the empty lines after it mean between two words.
pub(super) fn fold(line_break: char, breaks: String) -> String {
    if line_break != '\n' {
        format!("{line_break}{breaks}")
    } else if breaks.is_empty() {
        " ".to_owned()
    } else {
        breaks
    }
}
