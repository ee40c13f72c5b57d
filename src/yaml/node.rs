//! Values and where they stand.

use num_bigint::BigInt;

use super::mapping::Mapping;
use super::position::Position;
use super::timestamp::Timestamp;

/// A value and where it begins.
#[derive(Debug, Clone, PartialEq)]
pub struct Node {
    /// The value.
    pub value: Value,
    /// Where its text begins. What an alias or `<<` repeats keeps the place where it is written.
    pub start: Position,
}

/// A value as PyYAML's safe loader makes it.
#[derive(Debug, Clone, PartialEq)]
pub enum Value {
    /// `None`: nothing written, `~` or `null`.
    Null,
    /// `bool`.
    Bool(bool),
    /// `int`.
    Int(BigInt),
    /// `float`.
    Float(f64),
    /// `str`.
    Str(String),
    /// `bytes`.
    Bytes(Vec<u8>),
    /// `datetime.date` or `datetime.datetime`.
    Timestamp(Timestamp),
    /// `list`.
    List(Vec<Node>),
    /// A `list` of pairs (`tuple`), from `!!omap` and `!!pairs`.
    Pairs(Vec<(Node, Node)>),
    /// `set`: each value once, in the order in which Python would print them where that is known.
    Set(Vec<Node>),
    /// `dict`.
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

    /// The boolean, if it is one.
    pub fn as_bool(&self) -> Option<bool> {
        match self {
            Self::Bool(value) => Some(*value),
            _ => None,
        }
    }

    /// The text, if it is text.
    pub fn as_str(&self) -> Option<&str> {
        match self {
            Self::Str(text) => Some(text),
            _ => None,
        }
    }

    /// The items, if it is a list. The pairs of `!!omap` and `!!pairs` are none.
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
    /// See [`Value::kind`].
    pub fn kind(&self) -> &'static str {
        self.value.kind()
    }

    /// See [`Value::is_null`].
    pub fn is_null(&self) -> bool {
        self.value.is_null()
    }

    /// See [`Value::as_bool`].
    pub fn as_bool(&self) -> Option<bool> {
        self.value.as_bool()
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
