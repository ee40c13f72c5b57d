//! Text without and in quotes, whose lines fold.

use super::super::error::{Problem, YamlError};
use super::super::node::Style;
use super::cursor::{END, Mark, is_blank_or_end, is_break};
use super::{Scanner, TokenKind};

impl Scanner {
    /// Takes a plain text. It may go on over lines that are indented more than the collection
    /// around it; in brackets indentation does not matter. A tab ends it.
    pub(super) fn scan_plain(&mut self) -> Result<(), YamlError> {
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
        let style = Style::Plain;
        self.push(TokenKind::Scalar { text, style }, start, end);
        Ok(())
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

    /// Takes a text in single or double quotes. Its lines fold as those of a plain text do.
    pub(super) fn scan_quoted(&mut self, quote: char) -> Result<(), YamlError> {
        let start = self.cursor.mark();
        let mut text = String::new();
        self.cursor.skip(1);
        self.scan_quoted_words(quote, start, &mut text)?;
        while self.cursor.next() != quote {
            self.scan_quoted_gap(start, &mut text)?;
            self.scan_quoted_words(quote, start, &mut text)?;
        }
        self.cursor.skip(1);
        let style = match quote {
            '"' => Style::DoubleQuoted,
            _ => Style::SingleQuoted,
        };
        self.push_from(start, TokenKind::Scalar { text, style });
        Ok(())
    }

    /// Takes everything up to a blank, the end or the closing quote.
    fn scan_quoted_words(&mut self, quote: char, start: Mark, text: &mut String) -> Result<(), YamlError> {
        loop {
            let length = self
                .cursor
                .count(|character| !is_blank_or_end(character) && !matches!(character, '\'' | '"' | '\\'));
            self.cursor.take_into(length, text);
            match self.cursor.next() {
                '\'' if quote == '\'' && self.cursor.peek(1) == '\'' => {
                    text.push('\'');
                    self.cursor.skip(2);
                }
                '\\' if quote == '"' => self.scan_escape(start, text)?,
                character @ ('\'' | '"' | '\\') if character != quote => {
                    text.push(character);
                    self.cursor.skip(1);
                }
                _ => return Ok(()),
            }
        }
    }

    /// Takes a backslash and what follows it.
    fn scan_escape(&mut self, start: Mark, text: &mut String) -> Result<(), YamlError> {
        self.cursor.skip(1);
        let character = self.cursor.next();
        let digits = match character {
            'x' => 2,
            'u' => 4,
            'U' => 8,
            _ if is_break(character) => {
                self.cursor.take_break();
                return self.scan_quoted_breaks(start, text);
            }
            _ => {
                text.push(simple_escape(character).ok_or_else(|| match character {
                    END => self.unclosed(start),
                    _ => self.error(Problem::UnknownEscape { character }),
                })?);
                self.cursor.skip(1);
                return Ok(());
            }
        };
        self.cursor.skip(1);
        if (0..digits).any(|offset| !self.cursor.peek(offset).is_ascii_hexdigit()) {
            return Err(self.error(Problem::EscapeDigits { length: digits }));
        }
        let mark = self.cursor.mark();
        // Half of a surrogate pair is a character for Python, but one that it cannot write.
        let code = u32::from_str_radix(&self.cursor.take(digits), 16).ok();
        let decoded = code.and_then(char::from_u32);
        text.push(decoded.ok_or_else(|| YamlError::new(Problem::EscapeCharacter, mark.position()))?);
        Ok(())
    }

    /// Takes the blanks between two words.
    fn scan_quoted_gap(&mut self, start: Mark, text: &mut String) -> Result<(), YamlError> {
        let blanks = self
            .cursor
            .take(self.cursor.count(|character| matches!(character, ' ' | '\t')));
        if self.cursor.next() == END {
            return Err(self.unclosed(start));
        }
        match self.cursor.take_break() {
            Some(line_break) => {
                let mut breaks = String::new();
                self.scan_quoted_breaks(start, &mut breaks)?;
                text.push_str(&fold(line_break, breaks));
            }
            None => text.push_str(&blanks),
        }
        Ok(())
    }

    fn unclosed(&self, start: Mark) -> YamlError {
        let start = start.position();
        self.error(Problem::UnclosedQuote { start })
    }

    /// Takes empty lines and the next line's indentation, to the end of `breaks`.
    fn scan_quoted_breaks(&mut self, start: Mark, breaks: &mut String) -> Result<(), YamlError> {
        loop {
            if self.cursor.is_at_document_marker() {
                return Err(self.unclosed(start));
            }
            self.cursor
                .skip(self.cursor.count(|character| matches!(character, ' ' | '\t')));
            match self.cursor.take_break() {
                Some(line_break) => breaks.push(line_break),
                None => return Ok(()),
            }
        }
    }
}

/// What a line's end and the empty lines after it mean between two words.
fn fold(line_break: char, breaks: String) -> String {
    if line_break != '\n' {
        format!("{line_break}{breaks}")
    } else if breaks.is_empty() {
        " ".to_owned()
    } else {
        breaks
    }
}

/// What a backslash and one character mean.
fn simple_escape(character: char) -> Option<char> {
    Some(match character {
        '0' => '\0',
        'a' => '\u{7}',
        'b' => '\u{8}',
        't' | '\t' => '\t',
        'n' => '\n',
        'v' => '\u{b}',
        'f' => '\u{c}',
        'r' => '\r',
        'e' => '\u{1b}',
        ' ' | '"' | '\\' | '/' => character,
        'N' => '\u{85}',
        '_' => '\u{a0}',
        'L' => '\u{2028}',
        'P' => '\u{2029}',
        _ => return None,
    })
}
