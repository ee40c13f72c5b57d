//! Values and their positions.

use std::fmt;

use num_bigint::BigInt;

use super::timestamp::Timestamp;

/// A place in a text.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Position {
    /// The line, counted from 1.
    pub line: usize,
    /// The column in characters, counted from 1.
    pub column: usize,
}

impl fmt::Display for Position {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "line {}, column {}", self.line, self.column)
    }
}

/// A value and where it begins.
#[derive(Debug, Clone, PartialEq)]
pub struct Node {
    /// The value.
    pub value: Value,
    /// Where its text begins. What an alias or `<<` repeats keeps the place where it is written.
    pub start: Position,
    /// How its text is written.
    pub written: Written,
}

/// How a value is written.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Written {
    pub style: Style,
    /// The last line of the text, counted from 1; for a collection, its first line.
    pub last_line: usize,
    /// The text of a scalar that is not text itself.
    pub(super) text: Option<Box<str>>,
}

/// The ways to write a value.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Style {
    /// Without quotes, or nothing at all.
    #[default]
    Plain,
    SingleQuoted,
    DoubleQuoted,
    /// After `|`.
    Literal,
    /// After `>`.
    Folded,
    /// A list or mapping.
    Collection,
}

/// A value as PyYAML's safe loader makes it.
#[derive(Debug, Clone, PartialEq)]
#[expect(missing_docs, reason = "most have the name that Python gives them")]
pub enum Value {
    /// `None`: nothing written, `~` or `null`.
    Null,
    Bool(bool),
    Int(BigInt),
    Float(f64),
    Str(String),
    Bytes(Vec<u8>),
    Timestamp(Timestamp),
    List(Vec<Node>),
    /// A `list` of pairs (`tuple`), from `!!omap` and `!!pairs`.
    Pairs(Vec<(Node, Node)>),
    /// `set`: each value once, in the order in which Python would print them if that is known.
    Set(Vec<Node>),
    Map(Mapping),
}

impl Value {
    /// What kind of value it is, for a message: "a number", "a list".
    pub fn kind(&self) -> &'static str {
        match self {
            Self::Null => "nothing",
            Self::Bool(_) => "a boolean",
            Self::Int(_) | Self::Float(_) => "a number",
            Self::Str(_) => "text",
            Self::Bytes(_) => "binary data",
            Self::Timestamp(Timestamp { time: None, .. }) => "a date",
            Self::Timestamp(_) => "a time",
            Self::List(_) | Self::Pairs(_) => "a list",
            Self::Set(_) => "a set",
            Self::Map(_) => "a mapping",
        }
    }

    /// Whether it is `None`.
    pub fn is_null(&self) -> bool {
        matches!(self, Self::Null)
    }

    /// Whether it holds other values.
    pub fn is_collection(&self) -> bool {
        matches!(self, Self::List(_) | Self::Pairs(_) | Self::Set(_) | Self::Map(_))
    }

    /// The text, if it is text.
    pub fn as_str(&self) -> Option<&str> {
        match self {
            Self::Str(text) => Some(text),
            _ => None,
        }
    }

    /// The items, if it is a list (not the pairs of `!!omap` and `!!pairs`).
    pub fn as_list(&self) -> Option<&[Node]> {
        match self {
            Self::List(items) => Some(items),
            _ => None,
        }
    }

    /// The mapping, if it is one.
    pub fn as_mapping(&self) -> Option<&Mapping> {
        match self {
            Self::Map(mapping) => Some(mapping),
            _ => None,
        }
    }
}

impl Node {
    /// The text of a scalar without quotes, escapes and folded lines; empty for a collection.
    pub fn text(&self) -> &str {
        match &self.value {
            Value::Str(text) => text,
            _ => self.written.text.as_deref().unwrap_or_default(),
        }
    }

    /// See [`Value::kind`].
    pub fn kind(&self) -> &'static str {
        self.value.kind()
    }

    /// See [`Value::is_null`].
    pub fn is_null(&self) -> bool {
        self.value.is_null()
    }

    /// See [`Value::as_str`].
    pub fn as_str(&self) -> Option<&str> {
        self.value.as_str()
    }

    /// See [`Value::as_list`].
    pub fn as_list(&self) -> Option<&[Node]> {
        self.value.as_list()
    }

    /// See [`Value::as_mapping`].
    pub fn as_mapping(&self) -> Option<&Mapping> {
        self.value.as_mapping()
    }
}

/// Keys and values in the order of a Python `dict`: a key that is written again keeps its first
/// place and takes the last value. `1`, `1.0` and `true` are one key, as in Python.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Mapping {
    entries: Vec<(Node, Node)>,
    /// The keys that were written again, each with the number of its entry.
    repeated: Vec<(usize, Node)>,
}

impl Mapping {
    /// Takes entries without equal keys, and the keys written again with their entry's number.
    pub(super) fn new(entries: Vec<(Node, Node)>, repeated: Vec<(usize, Node)>) -> Self {
        Self { entries, repeated }
    }

    pub fn len(&self) -> usize {
        self.entries.len()
    }

    pub fn is_empty(&self) -> bool {
        self.entries.is_empty()
    }

    /// The value of a key that is this text.
    pub fn get(&self, key: &str) -> Option<&Node> {
        self.get_entry(key).map(|(_, value)| value)
    }

    /// The key that is this text, and its value.
    pub fn get_entry(&self, key: &str) -> Option<(&Node, &Node)> {
        self.iter().find(|(candidate, _)| candidate.as_str() == Some(key))
    }

    pub fn iter(&self) -> impl DoubleEndedIterator<Item = (&Node, &Node)> + ExactSizeIterator {
        self.entries.iter().map(|(key, value)| (key, value))
    }

    /// The keys that were written more than once: the first, and the one written again, in the
    /// order of the latter. A key that overrides one merged with `<<` is not repeated.
    pub fn repeated_keys(&self) -> impl Iterator<Item = (&Node, &Node)> {
        self.repeated
            .iter()
            .map(|(entry, again)| (&self.entries[*entry].0, again))
    }
}
