//! Text after `|` and `>`.

use super::super::error::{Problem, YamlError};
use super::super::node::Style;
use super::cursor::{Mark, is_break, is_break_or_end, is_space_or_end};
use super::{Scanner, TokenKind};

/// What becomes of the line ends after a block text.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Chomping {
    /// `-`: none stays.
    Strip,
    /// Nothing written: one stays.
    Clip,
    /// `+`: all stay.
    Keep,
}

impl Scanner {
    /// Takes a literal (`|`) or folded (`>`) text. When folded, a line's end becomes a space, but
    /// not beside lines that are indented more than the rest.
    pub(super) fn scan_block_scalar(&mut self, is_folded: bool) -> Result<(), YamlError> {
        let start = self.cursor.mark();
        self.cursor.skip(1);
        let (chomping, increment) = self.scan_block_header()?;
        let least = usize::try_from(self.indent + 1).unwrap_or(0).max(1);
        let mut breaks = String::new();
        let mut end = self.cursor.mark();
        let indent = match increment {
            Some(increment) => {
                let indent = least + increment - 1;
                self.scan_block_breaks(indent, &mut breaks, &mut end);
                indent
            }
            None => least.max(self.scan_block_indentation(&mut breaks, &mut end)),
        };
        let mut text = String::new();
        let mut line_break = None;
        while self.is_in_block_line(indent) {
            text.push_str(&breaks);
            breaks.clear();
            let begins_with_blank = self.is_before_blank_in_block();
            let length = self.cursor.count(|character| !is_break_or_end(character));
            self.cursor.take_into(length, &mut text);
            line_break = self.cursor.take_break();
            end = self.cursor.mark();
            self.scan_block_breaks(indent, &mut breaks, &mut end);
            if !self.is_in_block_line(indent) {
                break;
            }
            if is_folded && line_break == Some('\n') && !begins_with_blank && !self.is_before_blank_in_block()
            {
                if breaks.is_empty() {
                    text.push(' ');
                }
            } else {
                text.extend(line_break);
            }
        }
        if chomping != Chomping::Strip {
            text.extend(line_break);
        }
        if chomping == Chomping::Keep {
            text.push_str(&breaks);
        }
        let style = if is_folded { Style::Folded } else { Style::Literal };
        self.push(TokenKind::Scalar { text, style }, start, end);
        Ok(())
    }

    fn is_in_block_line(&self, indent: usize) -> bool {
        self.cursor.column() == indent && !self.cursor.is_at_end()
    }

    fn is_before_blank_in_block(&self) -> bool {
        matches!(self.cursor.next(), ' ' | '\t')
    }

    /// Takes the rest of the line after `|` or `>`: the chomping and the indentation, in any order.
    fn scan_block_header(&mut self) -> Result<(Chomping, Option<usize>), YamlError> {
        let mut chomping = self.scan_chomping();
        let increment = self.scan_increment()?;
        if chomping.is_none() && increment.is_some() {
            chomping = self.scan_chomping();
        }
        if !is_space_or_end(self.cursor.next()) {
            return Err(self.error(Problem::BlockHeader));
        }
        self.end_line(Problem::BlockHeader)?;
        Ok((chomping.unwrap_or(Chomping::Clip), increment))
    }

    fn scan_chomping(&mut self) -> Option<Chomping> {
        let chomping = match self.cursor.next() {
            '+' => Chomping::Keep,
            '-' => Chomping::Strip,
            _ => return None,
        };
        self.cursor.skip(1);
        Some(chomping)
    }

    fn scan_increment(&mut self) -> Result<Option<usize>, YamlError> {
        match self.cursor.next() {
            '0' => Err(self.error(Problem::BlockHeader)),
            digit @ '1'..='9' => {
                self.cursor.skip(1);
                Ok(Some(digit as usize - '0' as usize))
            }
            _ => Ok(None),
        }
    }

    /// Takes the empty lines before the text and returns the deepest indentation among them and
    /// the text's first line.
    fn scan_block_indentation(&mut self, breaks: &mut String, end: &mut Mark) -> usize {
        let mut deepest = 0;
        while self.cursor.next() == ' ' || is_break(self.cursor.next()) {
            match self.cursor.take_break() {
                Some(line_break) => {
                    breaks.push(line_break);
                    *end = self.cursor.mark();
                }
                None => {
                    self.cursor.skip(1);
                    deepest = deepest.max(self.cursor.column());
                }
            }
        }
        deepest
    }

    /// Takes empty lines and the next line's indentation, at most `indent` spaces.
    fn scan_block_breaks(&mut self, indent: usize, breaks: &mut String, end: &mut Mark) {
        loop {
            while self.cursor.column() < indent && self.cursor.next() == ' ' {
                self.cursor.skip(1);
            }
            match self.cursor.take_break() {
                Some(line_break) => {
                    breaks.push(line_break);
                    *end = self.cursor.mark();
                }
                None => return,
            }
        }
    }
}
