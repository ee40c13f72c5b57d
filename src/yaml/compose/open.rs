//! Collections that are not closed yet. They wait on a stack of our own, so that nesting needs no deep calls.

use super::super::graph::{Content, NodeId, Pair};
use super::super::scanner::Mark;

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
    pub(super) start: Mark,
    /// Items, or keys and values in turn.
    pub(super) parts: Vec<NodeId>,
    /// Whether the last key stands in brackets without `?` and `:`.
    pub(super) has_bare_key: bool,
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

    pub(super) fn wants_value(&self) -> bool {
        self.parts.len() % 2 == 1
    }
}

/// What comes next in a collection.
pub(super) enum Next {
    Node(NodeContext),
    /// A part that is left out, and where it would stand.
    Empty(Mark),
    /// A mapping without braces.
    Pair(Mark),
    End,
}

/// What may stand where a node is expected.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum NodeContext {
    /// A block collection too.
    Block,
    /// A block collection, also a list whose `-` is not indented more than its key.
    BlockValue,
    /// Nothing that depends on indentation.
    Flow,
}
