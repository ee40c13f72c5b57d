//! The words of YAML's grammar.

use super::super::node::Style;
use super::cursor::Mark;

/// A word of the text and its place.
#[derive(Debug)]
pub(in crate::yaml) struct Token {
    pub(in crate::yaml) kind: TokenKind,
    pub(in crate::yaml) start: Mark,
    pub(in crate::yaml) end: Mark,
}

/// A tag as written: `!handle!suffix`, or the whole tag.
#[derive(Debug)]
pub(in crate::yaml) struct WrittenTag {
    pub(in crate::yaml) handle: Option<String>,
    pub(in crate::yaml) suffix: String,
}

/// A line that begins with `%`.
#[derive(Debug)]
pub(in crate::yaml) enum Directive {
    /// `%YAML major.minor`.
    Version { major: String },
    /// `%TAG handle prefix`.
    Tag { handle: String, prefix: String },
    /// Any other, which means nothing.
    Unknown,
}

#[derive(Debug)]
pub(in crate::yaml) enum TokenKind {
    StreamEnd,
    Directive(Directive),
    DocumentStart,
    DocumentEnd,
    BlockSequenceStart,
    BlockMappingStart,
    BlockEnd,
    FlowSequenceStart,
    FlowMappingStart,
    FlowSequenceEnd,
    FlowMappingEnd,
    BlockEntry,
    FlowEntry,
    Key,
    Value,
    Alias(String),
    Anchor(String),
    Tag(WrittenTag),
    Scalar { text: String, style: Style },
}

impl TokenKind {
    /// The token's name for a person.
    pub(in crate::yaml) fn name(&self) -> &'static str {
        match self {
            Self::StreamEnd => "the end of the text",
            Self::Directive(_) => "a '%' directive",
            Self::DocumentStart => "'---'",
            Self::DocumentEnd => "'...'",
            Self::BlockSequenceStart => "a list",
            Self::BlockMappingStart | Self::Key => "a key",
            Self::BlockEnd => "a line that is indented less",
            Self::FlowSequenceStart => "'['",
            Self::FlowMappingStart => "'{'",
            Self::FlowSequenceEnd => "']'",
            Self::FlowMappingEnd => "'}'",
            Self::BlockEntry => "'-'",
            Self::FlowEntry => "','",
            Self::Value => "':'",
            Self::Alias(_) => "an alias ('*')",
            Self::Anchor(_) => "an anchor ('&')",
            Self::Tag(_) => "a tag ('!')",
            Self::Scalar { .. } => "text",
        }
    }
}
