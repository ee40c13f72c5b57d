//! Mappings: Python's `dict`.

use super::node::Node;

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

    /// How many keys there are.
    pub fn len(&self) -> usize {
        self.entries.len()
    }

    /// Whether there is no key.
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

    /// The keys and values in order.
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
