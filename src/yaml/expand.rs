//! A graph and what its nodes are, to a tree of values.

use std::collections::HashMap;

use super::construct::{Object, Objects};
use super::error::{MAX_ALIAS_COPIES, MAX_NESTING, Problem, YamlError};
use super::graph::{Content, Graph, NodeId};
use super::key::{Key, set_order};
use super::node::{Mapping, Node, Value, Written};

pub(super) fn expand(graph: &Graph, objects: &Objects) -> Result<Node, YamlError> {
    Expander {
        graph,
        objects,
        states: vec![State::New; graph.nodes.len()],
        depth: 0,
        copied: 0,
    }
    .node(graph.root)
}

/// How far a node was made.
#[derive(Clone, Copy, PartialEq, Eq)]
enum State {
    New,
    /// Its contents are being made.
    Open,
    /// It was made once; another time is a copy.
    Made,
}

struct Expander<'g> {
    graph: &'g Graph,
    objects: &'g Objects,
    states: Vec<State>,
    depth: usize,
    /// The bytes that copies took so far.
    copied: usize,
}

/// A key of a mapping that is being made.
struct Entry {
    key: NodeId,
    value: NodeId,
    /// Whether the mapping itself has the key, not only what it merges.
    is_own: bool,
}

impl<'g> Expander<'g> {
    fn node(&mut self, id: NodeId) -> Result<Node, YamlError> {
        match self.states[id.0] {
            State::New => {}
            State::Open => return Err(self.error(id, Problem::Recursive)),
            State::Made => self.count_copy(id)?,
        }
        let value = match self.object(id) {
            Object::Scalar(value) => value.clone(),
            collection => {
                if self.depth == MAX_NESTING {
                    return Err(self.error(id, Problem::TooDeep));
                }
                self.states[id.0] = State::Open;
                self.depth += 1;
                let value = match collection {
                    Object::Set => Value::Set(self.set(id)?),
                    Object::Map => Value::Map(self.mapping(id)?),
                    Object::Pairs(pairs) => Value::Pairs(self.pairs(pairs)?),
                    _ => Value::List(self.list(id)?),
                };
                self.depth -= 1;
                value
            }
        };
        self.states[id.0] = State::Made;
        Ok(Node {
            written: self.written(id, &value),
            value,
            start: self.graph.node(id).start.position(),
        })
    }

    fn written(&self, id: NodeId, value: &Value) -> Written {
        let node = self.graph.node(id);
        Written {
            style: node.style,
            last_line: node.last_line,
            text: match (&node.content, value) {
                (_, Value::Str(_)) => None,
                (Content::Scalar(text), _) => Some(text.as_str().into()),
                _ => None,
            },
        }
    }

    fn object(&self, id: NodeId) -> &'g Object {
        self.objects[id.0]
            .as_ref()
            .expect("every node that a value holds was constructed")
    }

    fn list(&mut self, id: NodeId) -> Result<Vec<Node>, YamlError> {
        let Content::Sequence(items) = &self.graph.node(id).content else {
            return Ok(Vec::new());
        };
        items.iter().map(|&item| self.node(item)).collect()
    }

    fn pairs(&mut self, pairs: &[(NodeId, NodeId)]) -> Result<Vec<(Node, Node)>, YamlError> {
        pairs
            .iter()
            .map(|&(key, value)| Ok((self.node(key)?, self.node(value)?)))
            .collect()
    }

    fn set(&mut self, id: NodeId) -> Result<Vec<Node>, YamlError> {
        let (entries, _) = self.entries(id);
        let values: Result<_, _> = entries.into_iter().map(|entry| self.node(entry.key)).collect();
        Ok(set_order(values?))
    }

    fn mapping(&mut self, id: NodeId) -> Result<Mapping, YamlError> {
        let (entries, repeated) = self.entries(id);
        let entries: Vec<_> = entries.iter().map(|entry| (entry.key, entry.value)).collect();
        let entries = self.pairs(&entries)?;
        let repeated: Result<_, YamlError> = repeated
            .into_iter()
            .map(|(place, key)| Ok((place, self.node(key)?)))
            .collect();
        Ok(Mapping::new(entries, repeated?))
    }

    /// The keys of a mapping without the equal ones, and the keys that it wrote again.
    fn entries(&self, id: NodeId) -> (Vec<Entry>, Vec<(usize, NodeId)>) {
        let mut entries: Vec<Entry> = Vec::new();
        let mut repeated = Vec::new();
        let mut places = HashMap::new();
        let Content::Mapping(pairs) = &self.graph.node(id).content else {
            return (entries, repeated);
        };
        for pair in pairs {
            let Object::Scalar(value) = self.object(pair.key) else {
                continue;
            };
            let place = *places.entry(Key::new(value)).or_insert(entries.len());
            match entries.get_mut(place) {
                None => entries.push(Entry {
                    key: pair.key,
                    value: pair.value,
                    is_own: !pair.is_merged,
                }),
                Some(entry) => {
                    entry.value = pair.value;
                    if entry.is_own {
                        repeated.push((place, pair.key));
                    }
                    entry.is_own = !pair.is_merged;
                }
            }
        }
        (entries, repeated)
    }

    /// Counts what another copy of the node itself takes; its contents are counted when they come.
    fn count_copy(&mut self, id: NodeId) -> Result<(), YamlError> {
        let text = match self.object(id) {
            Object::Scalar(Value::Str(text)) => text.len(),
            Object::Scalar(Value::Bytes(bytes)) => bytes.len(),
            Object::Scalar(Value::Int(integer)) => usize::try_from(integer.bits() / 8).unwrap_or(usize::MAX),
            _ => 0,
        };
        self.copied += size_of::<Node>() + text;
        if self.copied > MAX_ALIAS_COPIES {
            return Err(self.error(id, Problem::TooManyCopies));
        }
        Ok(())
    }

    fn error(&self, id: NodeId, problem: Problem) -> YamlError {
        YamlError::new(problem, self.graph.node(id).start.position())
    }
}
