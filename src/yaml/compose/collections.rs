//! Lists and mappings, by indentation and in brackets.

use super::super::error::{Problem, YamlError};
use super::super::scanner::{Mark, TokenKind};
use super::open::{Next, NodeContext, Shape};
use super::{Composer, next_is};

impl Composer {
    /// Finds what comes next in the innermost open collection and takes the indicators before it.
    pub(super) fn next_part(&mut self) -> Result<Next, YamlError> {
        let Some(open) = self.open.last() else {
            return Ok(Next::End);
        };
        match open.shape {
            Shape::BlockList => self.next_in_block_list(),
            Shape::IndentlessList => self.next_in_indentless_list(),
            Shape::BlockMapping if open.wants_value() => self.block_value(),
            Shape::BlockMapping => self.next_in_block_mapping(),
            Shape::FlowList => {
                let (is_first, start) = (open.parts.is_empty(), open.start);
                self.next_in_flow_list(is_first, start)
            }
            Shape::FlowMapping | Shape::FlowPair if open.wants_value() => {
                let is_bare = open.has_bare_key;
                self.flow_value(is_bare)
            }
            Shape::FlowPair if open.parts.is_empty() => self.flow_part(),
            Shape::FlowPair => Ok(Next::End),
            Shape::FlowMapping => {
                let (is_first, start) = (open.parts.is_empty(), open.start);
                self.next_in_flow_mapping(is_first, start)
            }
        }
    }

    fn next_in_block_list(&mut self) -> Result<Next, YamlError> {
        if next_is!(self, TokenKind::BlockEntry) {
            let after = self.scanner.take()?.end;
            let is_empty = next_is!(self, TokenKind::BlockEntry | TokenKind::BlockEnd);
            return Ok(part(is_empty, after, NodeContext::Block));
        }
        if !next_is!(self, TokenKind::BlockEnd) {
            return self.unexpected("the next list item or the list's end");
        }
        self.end()
    }

    fn next_in_indentless_list(&mut self) -> Result<Next, YamlError> {
        if !next_is!(self, TokenKind::BlockEntry) {
            return Ok(Next::End);
        }
        let after = self.scanner.take()?.end;
        let is_empty = next_is!(
            self,
            TokenKind::BlockEntry | TokenKind::Key | TokenKind::Value | TokenKind::BlockEnd
        );
        Ok(part(is_empty, after, NodeContext::Block))
    }

    fn next_in_block_mapping(&mut self) -> Result<Next, YamlError> {
        if next_is!(self, TokenKind::Key) {
            return self.block_part();
        }
        if !next_is!(self, TokenKind::BlockEnd) {
            return self.unexpected("the next key or the mapping's end");
        }
        self.end()
    }

    fn block_value(&mut self) -> Result<Next, YamlError> {
        if next_is!(self, TokenKind::Value) {
            self.block_part()
        } else {
            Ok(Next::Empty(self.scanner.peek()?.start))
        }
    }

    /// What stands after the indicator of a key or of a value.
    fn block_part(&mut self) -> Result<Next, YamlError> {
        let after = self.scanner.take()?.end;
        let is_empty = next_is!(self, TokenKind::Key | TokenKind::Value | TokenKind::BlockEnd);
        Ok(part(is_empty, after, NodeContext::BlockValue))
    }

    fn next_in_flow_list(&mut self, is_first: bool, start: Mark) -> Result<Next, YamlError> {
        if !is_first && !next_is!(self, TokenKind::FlowSequenceEnd) {
            self.separator(']', start)?;
        }
        if next_is!(self, TokenKind::FlowSequenceEnd) {
            self.end()
        } else if next_is!(self, TokenKind::Key) {
            Ok(Next::Pair(self.scanner.peek()?.start))
        } else {
            Ok(Next::Node(NodeContext::Flow))
        }
    }

    fn next_in_flow_mapping(&mut self, is_first: bool, start: Mark) -> Result<Next, YamlError> {
        if !is_first && !next_is!(self, TokenKind::FlowMappingEnd) {
            self.separator('}', start)?;
        }
        if next_is!(self, TokenKind::FlowMappingEnd) {
            return self.end();
        }
        let is_bare = !next_is!(self, TokenKind::Key);
        if let Some(open) = self.open.last_mut() {
            open.has_bare_key = is_bare;
        }
        if is_bare {
            Ok(Next::Node(NodeContext::Flow))
        } else {
            self.flow_part()
        }
    }

    fn flow_value(&mut self, is_bare: bool) -> Result<Next, YamlError> {
        if !is_bare && next_is!(self, TokenKind::Value) {
            self.flow_part()
        } else {
            Ok(Next::Empty(self.scanner.peek()?.start))
        }
    }

    /// What stands in brackets after the indicator of a key or of a value.
    fn flow_part(&mut self) -> Result<Next, YamlError> {
        let after = self.scanner.take()?.end;
        let is_empty = next_is!(
            self,
            TokenKind::Value | TokenKind::FlowEntry | TokenKind::FlowSequenceEnd | TokenKind::FlowMappingEnd
        );
        Ok(part(is_empty, after, NodeContext::Flow))
    }

    fn separator(&mut self, closing: char, start: Mark) -> Result<(), YamlError> {
        if next_is!(self, TokenKind::FlowEntry) {
            self.scanner.take()?;
            return Ok(());
        }
        let token = self.scanner.peek()?;
        let problem = Problem::ExpectedClosing {
            closing,
            start: start.position(),
            found: token.kind.name(),
        };
        Err(YamlError::new(problem, token.start.position()))
    }

    /// Takes the token that ends a collection.
    fn end(&mut self) -> Result<Next, YamlError> {
        self.scanner.take()?;
        Ok(Next::End)
    }
}

fn part(is_empty: bool, after: Mark, place: NodeContext) -> Next {
    if is_empty {
        Next::Empty(after)
    } else {
        Next::Node(place)
    }
}
