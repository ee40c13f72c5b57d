//! Text in quotes.

use super::super::error::{Problem, YamlError};
use super::super::node::Style;
use super::Scanner;
use super::cursor::{END, Mark, is_blank_or_end, is_break};
use super::plain::fold;
use super::token::{Token, TokenKind};

impl Scanner {
    /// Takes a text in single or double quotes. Its lines fold as those of a plain text do.
    pub(super) fn scan_quoted(&mut self, quote: char) -> Result<Token, YamlError> {
        let start = self.cursor.mark();
        let mut text = String::new();
        self.cursor.skip(1);
        self.scan_quoted_words(quote, start, &mut text)?;
        while self.cursor.next() != quote {
            self.scan_quoted_gap(start, &mut text)?;
            self.scan_quoted_words(quote, start, &mut text)?;
        }
        self.cursor.skip(1);
        Ok(Token {
            kind: TokenKind::Scalar {
                text,
                style: match quote {
                    '"' => Style::DoubleQuoted,
                    _ => Style::SingleQuoted,
                },
            },
            start,
            end: self.cursor.mark(),
        })
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
                    END => self.error(Problem::UnclosedQuote {
                        start: start.position(),
                    }),
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
            return Err(self.error(Problem::UnclosedQuote {
                start: start.position(),
            }));
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

    /// Takes empty lines and the next line's indentation, to the end of `breaks`.
    fn scan_quoted_breaks(&mut self, start: Mark, breaks: &mut String) -> Result<(), YamlError> {
        loop {
            if self.cursor.is_at_document_marker() {
                return Err(self.error(Problem::UnclosedQuote {
                    start: start.position(),
                }));
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
