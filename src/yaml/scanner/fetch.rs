//! Which token begins at a place.

use super::super::error::{Problem, YamlError};
use super::cursor::{END, Mark, is_blank_or_end};
use super::{Scanner, Token, TokenKind};

impl Scanner {
    /// Adds the next token to the queue, with those that it implies.
    pub(super) fn fetch(&mut self) -> Result<(), YamlError> {
        self.skip_to_token();
        self.drop_stale_keys()?;
        self.unwind_indent(self.column());
        let is_first_in_line = self.cursor.column() == 0;
        let character = self.cursor.next();
        match character {
            END => self.fetch_stream_end(),
            '%' if is_first_in_line => self.end_blocks().and_then(|()| self.scan_directive()),
            '-' if is_first_in_line && self.cursor.is_at_document_marker() => {
                self.fetch_document_marker(TokenKind::DocumentStart)
            }
            '.' if is_first_in_line && self.cursor.is_at_document_marker() => {
                self.fetch_document_marker(TokenKind::DocumentEnd)
            }
            '[' => self.fetch_opening_bracket(TokenKind::FlowSequenceStart),
            '{' => self.fetch_opening_bracket(TokenKind::FlowMappingStart),
            ']' => self.fetch_closing_bracket(TokenKind::FlowSequenceEnd),
            '}' => self.fetch_closing_bracket(TokenKind::FlowMappingEnd),
            ',' => self.fetch_flow_entry(),
            '-' if self.is_before_blank() => self.fetch_entry(
                TokenKind::BlockEntry,
                TokenKind::BlockSequenceStart,
                Problem::UnexpectedListItem,
            ),
            '?' if self.flow_level != 0 || self.is_before_blank() => self.fetch_entry(
                TokenKind::Key,
                TokenKind::BlockMappingStart,
                Problem::UnexpectedKey,
            ),
            ':' if self.flow_level != 0 || self.is_before_blank() => self.fetch_value(),
            '*' | '&' => self.fetch_word(|scanner| scanner.scan_anchor(character)),
            '!' => self.fetch_word(Self::scan_tag),
            '|' | '>' if self.flow_level == 0 => self.fetch_block_scalar(character == '>'),
            '\'' | '"' => self.fetch_word(|scanner| scanner.scan_quoted(character)),
            '\t' => Err(self.error(Problem::Tab)),
            '|' | '>' | '%' | '@' | '`' => Err(self.error(Problem::UnexpectedCharacter { character })),
            _ => self.fetch_word(Self::scan_plain),
        }
    }

    fn is_before_blank(&self) -> bool {
        is_blank_or_end(self.cursor.peek(1))
    }

    /// Moves on past spaces, comments and line ends.
    fn skip_to_token(&mut self) {
        if self.cursor.mark().index == 0 && self.cursor.next() == '\u{feff}' {
            self.cursor.skip(1);
        }
        loop {
            self.cursor.skip_spaces();
            if self.cursor.next() == '#' {
                self.cursor.skip_to_break();
            }
            if self.cursor.take_break().is_none() {
                return;
            }
            if self.flow_level == 0 {
                self.allows_simple_key = true;
            }
        }
    }

    fn fetch_stream_end(&mut self) -> Result<(), YamlError> {
        self.end_blocks()?;
        self.simple_keys.clear();
        self.push_indicator(TokenKind::StreamEnd, 0);
        self.is_at_end = true;
        Ok(())
    }

    fn fetch_document_marker(&mut self, kind: TokenKind) -> Result<(), YamlError> {
        self.end_blocks()?;
        self.push_indicator(kind, 3);
        Ok(())
    }

    /// Ends all block collections.
    fn end_blocks(&mut self) -> Result<(), YamlError> {
        self.unwind_indent(-1);
        self.remove_simple_key()?;
        self.allows_simple_key = false;
        Ok(())
    }

    fn fetch_opening_bracket(&mut self, kind: TokenKind) -> Result<(), YamlError> {
        self.save_simple_key()?;
        self.flow_level += 1;
        self.allows_simple_key = true;
        self.push_indicator(kind, 1);
        Ok(())
    }

    fn fetch_closing_bracket(&mut self, kind: TokenKind) -> Result<(), YamlError> {
        self.remove_simple_key()?;
        self.flow_level -= 1;
        self.allows_simple_key = false;
        self.push_indicator(kind, 1);
        Ok(())
    }

    fn fetch_flow_entry(&mut self) -> Result<(), YamlError> {
        self.allows_simple_key = true;
        self.remove_simple_key()?;
        self.push_indicator(TokenKind::FlowEntry, 1);
        Ok(())
    }

    /// Takes the indicator before an entry of a block collection, which begins here if none stands at this column
    /// yet, or of one in brackets.
    fn fetch_entry(
        &mut self,
        kind: TokenKind,
        block: TokenKind,
        otherwise: Problem,
    ) -> Result<(), YamlError> {
        if self.flow_level == 0 {
            if !self.allows_simple_key {
                return Err(self.error(otherwise));
            }
            if self.add_indent(self.column()) {
                self.push_indicator(block, 0);
            }
        }
        self.allows_simple_key = self.flow_level == 0 || matches!(kind, TokenKind::BlockEntry);
        self.remove_simple_key()?;
        self.push_indicator(kind, 1);
        Ok(())
    }

    fn fetch_value(&mut self) -> Result<(), YamlError> {
        let Some(key) = self.take_simple_key() else {
            let (kind, block) = (TokenKind::Value, TokenKind::BlockMappingStart);
            return self.fetch_entry(kind, block, Problem::UnexpectedValue);
        };
        let place = key.token_number - self.taken;
        self.insert(place, TokenKind::Key, key.mark);
        let column = i64::try_from(key.mark.column).unwrap_or(i64::MAX);
        if self.flow_level == 0 && self.add_indent(column) {
            self.insert(place, TokenKind::BlockMappingStart, key.mark);
        }
        self.allows_simple_key = false;
        self.push_indicator(TokenKind::Value, 1);
        Ok(())
    }

    fn insert(&mut self, place: usize, kind: TokenKind, mark: Mark) {
        let (start, end) = (mark, mark);
        self.tokens.insert(place, Token { kind, start, end });
    }

    fn fetch_block_scalar(&mut self, is_folded: bool) -> Result<(), YamlError> {
        self.allows_simple_key = true;
        self.remove_simple_key()?;
        self.scan_block_scalar(is_folded)
    }

    /// Takes a token that may be or precede a key.
    fn fetch_word(&mut self, scan: impl FnOnce(&mut Self) -> Result<(), YamlError>) -> Result<(), YamlError> {
        self.save_simple_key()?;
        self.allows_simple_key = false;
        scan(self)
    }
}
