//! Lists and mappings, by indentation and in brackets, that are not closed yet.

use super::error::{Problem, YamlError};
use super::graph::{Content, NodeId, Pair};
use super::scanner::{Mark, Scanner, TokenKind, next_is};

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
    /// `key: value` as an item of a list in brackets, which makes a mapping.
    FlowPair,
}

impl Shape {
    pub(super) fn is_list(self) -> bool {
        matches!(self, Self::BlockList | Self::IndentlessList | Self::FlowList)
    }

    /// Whether a separate token begins it.
    pub(super) fn has_opening_token(self) -> bool {
        !matches!(self, Self::IndentlessList | Self::FlowPair)
    }
}

/// What comes next in a collection.
pub(super) enum Next {
    Node(NodeContext),
    /// An omitted part, and its position.
    Empty(Mark),
    /// A mapping without braces.
    Pair(Mark),
    End,
}

/// What is allowed in the place of a node.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum NodeContext {
    /// A block collection too.
    Block,
    /// A block collection, also a list whose `-` is not indented more than its key.
    BlockValue,
    /// Nothing that depends on indentation.
    Flow,
}

/// A collection whose end was not reached.
pub(super) struct Open {
    pub(super) id: NodeId,
    shape: Shape,
    start: Mark,
    /// Items, or keys and values in turn.
    pub(super) parts: Vec<NodeId>,
    /// Whether the last key is in brackets without `?` and `:`.
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

    /// Finds what comes next and takes the indicators before it.
    pub(super) fn next(&mut self, scanner: &mut Scanner) -> Result<Next, YamlError> {
        let wants_value = self.parts.len() % 2 == 1;
        match self.shape {
            Shape::BlockList => next_in_block_list(scanner),
            Shape::IndentlessList => next_in_indentless_list(scanner),
            Shape::BlockMapping if wants_value => block_value(scanner),
            Shape::BlockMapping => next_in_block_mapping(scanner),
            Shape::FlowList => self.next_in_flow_list(scanner),
            Shape::FlowMapping | Shape::FlowPair if wants_value => self.flow_value(scanner),
            Shape::FlowPair if self.parts.is_empty() => flow_part(scanner),
            Shape::FlowPair => Ok(Next::End),
            Shape::FlowMapping => self.next_in_flow_mapping(scanner),
        }
    }

    fn next_in_flow_list(&self, scanner: &mut Scanner) -> Result<Next, YamlError> {
        if !next_is!(scanner, TokenKind::FlowSequenceEnd) {
            self.separator(']', scanner)?;
        }
        if next_is!(scanner, TokenKind::FlowSequenceEnd) {
            end(scanner)
        } else if next_is!(scanner, TokenKind::Key) {
            Ok(Next::Pair(scanner.peek()?.start))
        } else {
            Ok(Next::Node(NodeContext::Flow))
        }
    }

    fn next_in_flow_mapping(&mut self, scanner: &mut Scanner) -> Result<Next, YamlError> {
        if !next_is!(scanner, TokenKind::FlowMappingEnd) {
            self.separator('}', scanner)?;
        }
        if next_is!(scanner, TokenKind::FlowMappingEnd) {
            return end(scanner);
        }
        self.has_bare_key = !next_is!(scanner, TokenKind::Key);
        if self.has_bare_key {
            Ok(Next::Node(NodeContext::Flow))
        } else {
            flow_part(scanner)
        }
    }

    fn flow_value(&self, scanner: &mut Scanner) -> Result<Next, YamlError> {
        if !self.has_bare_key && next_is!(scanner, TokenKind::Value) {
            flow_part(scanner)
        } else {
            Ok(Next::Empty(scanner.peek()?.start))
        }
    }

    /// Takes the comma between two parts.
    fn separator(&self, closing: char, scanner: &mut Scanner) -> Result<(), YamlError> {
        if self.parts.is_empty() {
            return Ok(());
        }
        if next_is!(scanner, TokenKind::FlowEntry) {
            scanner.take()?;
            return Ok(());
        }
        let token = scanner.peek()?;
        let problem = Problem::ExpectedClosing {
            closing,
            start: self.start.position(),
            found: token.kind.name(),
        };
        Err(YamlError::new(problem, token.start.position()))
    }
}

fn next_in_block_list(scanner: &mut Scanner) -> Result<Next, YamlError> {
    if next_is!(scanner, TokenKind::BlockEntry) {
        let after = scanner.take()?.end;
        let is_empty = next_is!(scanner, TokenKind::BlockEntry | TokenKind::BlockEnd);
        return Ok(part(is_empty, after, NodeContext::Block));
    }
    if !next_is!(scanner, TokenKind::BlockEnd) {
        return scanner.unexpected("the next list item or the list's end");
    }
    end(scanner)
}

fn next_in_indentless_list(scanner: &mut Scanner) -> Result<Next, YamlError> {
    if !next_is!(scanner, TokenKind::BlockEntry) {
        return Ok(Next::End);
    }
    let after = scanner.take()?.end;
    let is_empty = next_is!(
        scanner,
        TokenKind::BlockEntry | TokenKind::Key | TokenKind::Value | TokenKind::BlockEnd
    );
    Ok(part(is_empty, after, NodeContext::Block))
}

fn next_in_block_mapping(scanner: &mut Scanner) -> Result<Next, YamlError> {
    if next_is!(scanner, TokenKind::Key) {
        return block_part(scanner);
    }
    if !next_is!(scanner, TokenKind::BlockEnd) {
        return scanner.unexpected("the next key or the mapping's end");
    }
    end(scanner)
}

fn block_value(scanner: &mut Scanner) -> Result<Next, YamlError> {
    if next_is!(scanner, TokenKind::Value) {
        block_part(scanner)
    } else {
        Ok(Next::Empty(scanner.peek()?.start))
    }
}

/// What follows the indicator of a key or value.
fn block_part(scanner: &mut Scanner) -> Result<Next, YamlError> {
    let after = scanner.take()?.end;
    let is_empty = next_is!(scanner, TokenKind::Key | TokenKind::Value | TokenKind::BlockEnd);
    Ok(part(is_empty, after, NodeContext::BlockValue))
}

/// What follows the indicator of a key or value in brackets.
fn flow_part(scanner: &mut Scanner) -> Result<Next, YamlError> {
    let after = scanner.take()?.end;
    let is_empty = next_is!(
        scanner,
        TokenKind::Value | TokenKind::FlowEntry | TokenKind::FlowSequenceEnd | TokenKind::FlowMappingEnd
    );
    Ok(part(is_empty, after, NodeContext::Flow))
}

fn part(is_empty: bool, after: Mark, place: NodeContext) -> Next {
    if is_empty {
        Next::Empty(after)
    } else {
        Next::Node(place)
    }
}

/// Takes the token that ends a collection.
fn end(scanner: &mut Scanner) -> Result<Next, YamlError> {
    scanner.take()?;
    Ok(Next::End)
}
