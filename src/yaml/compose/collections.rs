//! Lists and mappings, by indentation and in brackets.
//!
//! Those that are not closed yet wait on a stack of our own, so that nesting needs no deep calls.

use super::super::error::{Problem, YamlError};
use super::super::graph::{Content, NodeId, Pair};
use super::super::scanner::{Mark, TokenKind};
use super::{Composer, Place, next_is};

/// How a collection is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Shape {
    /// Items after `- `, indented more than what is around them.
    BlockList,
    /// Items after `- ` in the same column as the key that they belong to.
    IndentlessList,
    /// `key: value` lines.
    BlockMapping,
    /// `[item, key: value, …]`.
    FlowList,
    /// `{key: value, …}`.
    FlowMapping,
    /// `key: value` as an item of a list in brackets: a mapping of its own.
    FlowPair,
}

impl Shape {
    pub(super) fn is_list(self) -> bool {
        matches!(self, Self::BlockList | Self::IndentlessList | Self::FlowList)
    }

    /// Whether a token of its own begins it.
    pub(super) fn has_opening_token(self) -> bool {
        !matches!(self, Self::IndentlessList | Self::FlowPair)
    }
}

/// A collection whose end was not reached.
pub(super) struct Open {
    pub(super) id: NodeId,
    pub(super) shape: Shape,
    start: Mark,
    /// Items, or keys and values in turn.
    parts: Vec<NodeId>,
    /// Whether the last key stands in brackets without `?` and `:`.
    has_bare_key: bool,
}

impl Open {
    pub(super) fn new(id: NodeId, shape: Shape, start: Mark) -> Self {
        Self {
            id,
            shape,
            start,
            parts: Vec::new(),
            has_bare_key: false,
        }
    }

    pub(super) fn add(&mut self, part: NodeId) {
        self.parts.push(part);
    }

    pub(super) fn into_content(self) -> Content {
        if self.shape.is_list() {
            return Content::Sequence(self.parts);
        }
        let (pairs, _) = self.parts.as_chunks();
        Content::Mapping(
            pairs
                .iter()
                .map(|&[key, value]| Pair {
                    key,
                    value,
                    is_merged: false,
                })
                .collect(),
        )
    }

    fn wants_value(&self) -> bool {
        self.parts.len() % 2 == 1
    }
}

/// What comes next in a collection.
pub(super) enum Next {
    Node(Place),
    /// A part that is left out, and where it would stand.
    Empty(Mark),
    /// A mapping without braces.
    Pair(Mark),
    End,
}

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
            return Ok(part(is_empty, after, Place::Block));
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
        Ok(part(is_empty, after, Place::Block))
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
        Ok(part(is_empty, after, Place::BlockValue))
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
            Ok(Next::Node(Place::Flow))
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
            Ok(Next::Node(Place::Flow))
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
        Ok(part(is_empty, after, Place::Flow))
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

fn part(is_empty: bool, after: Mark, place: Place) -> Next {
    if is_empty {
        Next::Empty(after)
    } else {
        Next::Node(place)
    }
}
