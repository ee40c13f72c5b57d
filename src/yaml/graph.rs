//! A document's nodes as written: tags and contents, before they become values.
//!
//! A node that aliases repeat is stored once, so a chain of aliases does not make a document grow.

use super::node::Style;
use super::scanner::Mark;

/// A node's place in its graph.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(super) struct NodeId(pub(super) usize);

/// A node as written.
#[derive(Debug)]
pub(super) struct GraphNode {
    pub(super) tag: Tag,
    pub(super) content: Content,
    pub(super) start: Mark,
    pub(super) style: Style,
    /// The last line of a single value; where a collection begins.
    pub(super) last_line: usize,
}

/// What a node consists of.
#[derive(Debug)]
pub(super) enum Content {
    Scalar(String),
    Sequence(Vec<NodeId>),
    Mapping(Vec<Pair>),
}

impl Content {
    pub(super) fn name(&self) -> &'static str {
        match self {
            Self::Scalar(_) => "a single value",
            Self::Sequence(_) => "a list",
            Self::Mapping(_) => "a mapping",
        }
    }
}

/// A key and its value.
#[derive(Debug, Clone, Copy)]
pub(super) struct Pair {
    pub(super) key: NodeId,
    pub(super) value: NodeId,
    /// Whether `<<` brought it from another mapping.
    pub(super) is_merged: bool,
}

#[derive(Debug)]
pub(super) struct Graph {
    pub(super) nodes: Vec<GraphNode>,
    pub(super) root: NodeId,
}

impl Graph {
    pub(super) fn node(&self, id: NodeId) -> &GraphNode {
        &self.nodes[id.0]
    }

    pub(super) fn node_mut(&mut self, id: NodeId) -> &mut GraphNode {
        &mut self.nodes[id.0]
    }
}

/// What kind of value a node is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Tag {
    Null,
    Bool,
    Int,
    Float,
    Binary,
    Timestamp,
    Str,
    Seq,
    Map,
    Set,
    OrderedMap,
    Pairs,
    /// `<<` as a key.
    Merge,
    /// `=` as a key.
    DefaultValue,
    /// An unknown tag.
    Unknown(String),
}

/// What the tags of YAML itself begin with.
const YAML_TAG_PREFIX: &str = "tag:yaml.org,2002:";

/// YAML's own tags: the name after the prefix, and the tag as people write it.
const TAGS: [(&str, &str, Tag); 14] = [
    ("null", "!!null", Tag::Null),
    ("bool", "!!bool", Tag::Bool),
    ("int", "!!int", Tag::Int),
    ("float", "!!float", Tag::Float),
    ("binary", "!!binary", Tag::Binary),
    ("timestamp", "!!timestamp", Tag::Timestamp),
    ("str", "!!str", Tag::Str),
    ("seq", "!!seq", Tag::Seq),
    ("map", "!!map", Tag::Map),
    ("set", "!!set", Tag::Set),
    ("omap", "!!omap", Tag::OrderedMap),
    ("pairs", "!!pairs", Tag::Pairs),
    ("merge", "<<", Tag::Merge),
    ("value", "=", Tag::DefaultValue),
];

impl Tag {
    /// The tag with this whole name.
    pub(super) fn from_name(name: String) -> Self {
        let suffix = name.strip_prefix(YAML_TAG_PREFIX);
        let known = TAGS.iter().find(|(known, ..)| suffix == Some(known));
        known.map_or_else(|| Self::Unknown(name), |(.., tag)| tag.clone())
    }

    /// The tag as a person writes it.
    pub(super) fn short_name(&self) -> &'static str {
        let known = TAGS.iter().find(|(.., tag)| tag == self);
        known.map_or("!", |(_, short, _)| short)
    }
}

/// The tag's name as a person writes it: `!!name` for the tags of YAML itself.
pub(super) fn readable_tag(name: &str) -> String {
    match name.strip_prefix(YAML_TAG_PREFIX) {
        Some(suffix) => format!("!!{suffix}"),
        None => name.to_owned(),
    }
}
