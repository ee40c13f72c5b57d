//! Which value each node of a graph is.
//!
//! The nodes are visited in PyYAML's order: a collection's own keys and values first, the contents
//! of those that are collections later. Of several errors the same one is then the first.

use std::collections::VecDeque;

use super::error::{MAX_MERGED_KEYS, MAX_NESTING, Problem, YamlError};
use super::graph::{Content, Graph, GraphNode, NodeId, Pair, Tag, readable_tag};
use super::node::Value;
use super::number;
use super::scalar;
use super::timestamp::Timestamp;

/// What a node is. The contents of lists, mappings and sets are those of their nodes.
#[derive(Debug)]
pub(super) enum Object {
    Scalar(Value),
    List,
    Map,
    Set,
    Pairs(Vec<(NodeId, NodeId)>),
}

/// The values of a graph's nodes; `None` for nodes without a value.
pub(super) type Objects = Vec<Option<Object>>;

/// Finds what the nodes are, and merges what `<<` says into their mappings.
pub(super) fn construct(graph: &mut Graph) -> Result<Objects, YamlError> {
    let mut constructor = Constructor {
        merging: vec![Merging::ToDo; graph.nodes.len()],
        objects: std::iter::repeat_with(|| None).take(graph.nodes.len()).collect(),
        pending: VecDeque::new(),
        merged_keys: 0,
        graph,
    };
    let root = constructor.graph.root;
    constructor.object(root)?;
    while let Some(id) = constructor.pending.pop_front() {
        constructor.contents(id)?;
    }
    Ok(constructor.objects)
}

struct Constructor<'g> {
    graph: &'g mut Graph,
    objects: Objects,
    /// Collections whose contents were not visited yet.
    pending: VecDeque<NodeId>,
    merging: Vec<Merging>,
    merged_keys: usize,
}

impl Constructor<'_> {
    fn object(&mut self, id: NodeId) -> Result<(), YamlError> {
        if self.objects[id.0].is_some() {
            return Ok(());
        }
        let collection = match self.graph.node(id).tag {
            Tag::Seq => Object::List,
            Tag::Map => Object::Map,
            Tag::Set => Object::Set,
            Tag::OrderedMap | Tag::Pairs => Object::Pairs(Vec::new()),
            _ => {
                self.objects[id.0] = Some(Object::Scalar(self.scalar(id)?));
                return Ok(());
            }
        };
        self.objects[id.0] = Some(collection);
        self.pending.push_back(id);
        Ok(())
    }

    fn scalar(&self, id: NodeId) -> Result<Value, YamlError> {
        let node = self.graph.node(id);
        let text = match &node.tag {
            Tag::Unknown(name) => {
                let tag = readable_tag(name);
                return Err(error(node, Problem::UnknownTag { tag }));
            }
            Tag::Merge | Tag::DefaultValue => {
                let tag = node.tag.short_name().to_owned();
                return Err(error(node, Problem::UnknownTag { tag }));
            }
            _ => self.text(id)?,
        };
        let malformed = |kind| Problem::Malformed {
            kind,
            text: text.to_owned(),
        };
        match node.tag {
            Tag::Null => Ok(Value::Null),
            Tag::Bool => scalar::read_boolean(text)
                .map(Value::Bool)
                .ok_or_else(|| malformed("boolean")),
            Tag::Int => number::read_integer(text).map(Value::Int),
            Tag::Float => number::read_float(text).map(Value::Float),
            Tag::Timestamp => Timestamp::read(text)
                .map(Value::Timestamp)
                .ok_or_else(|| malformed("date or time")),
            Tag::Binary => Some(text)
                .filter(|text| text.is_ascii())
                .and_then(scalar::decode_base64)
                .map(Value::Bytes)
                .ok_or_else(|| malformed("Base64 text")),
            _ => Ok(Value::Str(text.to_owned())),
        }
        .map_err(|problem| error(node, problem))
    }

    /// The text of a single value. A mapping has the text of its key `=`.
    fn text(&self, id: NodeId) -> Result<&str, YamlError> {
        let mut node = self.graph.node(id);
        for _ in 0..MAX_NESTING {
            let default = match &node.content {
                Content::Scalar(text) => return Ok(text),
                Content::Mapping(pairs) => pairs
                    .iter()
                    .find(|pair| self.graph.node(pair.key).tag == Tag::DefaultValue),
                Content::Sequence(_) => None,
            };
            match default {
                Some(pair) => node = self.graph.node(pair.value),
                None => {
                    let tag = self.graph.node(id).tag.short_name();
                    return Err(wrong_content(node, "a single value", tag));
                }
            }
        }
        Err(error(node, Problem::Recursive))
    }

    /// Finds what the collection's keys, values and items are.
    fn contents(&mut self, id: NodeId) -> Result<(), YamlError> {
        match self.objects[id.0] {
            Some(Object::List) => self.list(id),
            Some(Object::Map | Object::Set) => self.mapping(id),
            Some(Object::Pairs(_)) => {
                let pairs = self.pairs(id)?;
                self.objects[id.0] = Some(Object::Pairs(pairs));
                Ok(())
            }
            Some(Object::Scalar(_)) | None => Ok(()),
        }
    }

    fn list(&mut self, id: NodeId) -> Result<(), YamlError> {
        self.items(id)?.into_iter().try_for_each(|item| self.object(item))
    }

    /// The items of a node that must be a list.
    fn items(&self, id: NodeId) -> Result<Vec<NodeId>, YamlError> {
        let node = self.graph.node(id);
        match &node.content {
            Content::Sequence(items) => Ok(items.clone()),
            _ => Err(wrong_content(node, "a list", node.tag.short_name())),
        }
    }

    fn mapping(&mut self, id: NodeId) -> Result<(), YamlError> {
        let node = self.graph.node(id);
        if !matches!(node.content, Content::Mapping(_)) {
            return Err(wrong_content(node, "a mapping", node.tag.short_name()));
        }
        self.flatten(id, 0)?;
        for Pair { key, value, .. } in self.pairs_of(id).to_vec() {
            self.object(key)?;
            if !matches!(self.objects[key.0], Some(Object::Scalar(_))) {
                let key = self.graph.node(key);
                let found = key.content.name();
                return Err(error(key, Problem::CollectionAsKey { found }));
            }
            self.object(value)?;
        }
        Ok(())
    }

    fn pairs_of(&self, id: NodeId) -> &[Pair] {
        match &self.graph.node(id).content {
            Content::Mapping(pairs) => pairs,
            _ => &[],
        }
    }

    /// The pairs of `!!omap` and `!!pairs`: a list of mappings with one key each.
    fn pairs(&mut self, id: NodeId) -> Result<Vec<(NodeId, NodeId)>, YamlError> {
        let tag = self.graph.node(id).tag.short_name();
        let mut pairs = Vec::new();
        for item in self.items(id)? {
            let [Pair { key, value, .. }] = *self.pairs_of(item) else {
                return Err(error(self.graph.node(item), Problem::Pair { tag }));
            };
            self.object(key)?;
            self.object(value)?;
            pairs.push((key, value));
        }
        Ok(pairs)
    }

    /// Replaces the keys `<<` of a mapping by what they bring, which comes before its own keys.
    fn flatten(&mut self, id: NodeId, depth: usize) -> Result<(), YamlError> {
        match self.merging[id.0] {
            Merging::Done => return Ok(()),
            Merging::Underway => return Err(error(self.graph.node(id), Problem::Recursive)),
            Merging::ToDo => self.merging[id.0] = Merging::Underway,
        }
        if depth > MAX_NESTING {
            return Err(error(self.graph.node(id), Problem::TooDeep));
        }
        let mut merged = Vec::new();
        let mut own = Vec::new();
        for pair in self.pairs_of(id).to_vec() {
            match self.graph.node(pair.key).tag {
                Tag::Merge => {
                    self.merge(id, pair.value, depth, &mut merged)?;
                    continue;
                }
                Tag::DefaultValue => self.graph.node_mut(pair.key).tag = Tag::Str,
                _ => {}
            }
            own.push(pair);
        }
        merged.append(&mut own);
        self.graph.node_mut(id).content = Content::Mapping(merged);
        self.merging[id.0] = Merging::Done;
        Ok(())
    }

    /// Adds what a mapping, or a list of mappings, brings into the mapping `into`. Of two in a list
    /// the first wins, so it comes last. What `into` itself would bring it has anyway.
    fn merge(
        &mut self,
        into: NodeId,
        from: NodeId,
        depth: usize,
        merged: &mut Vec<Pair>,
    ) -> Result<(), YamlError> {
        let mut sources = match &self.graph.node(from).content {
            Content::Mapping(_) => vec![from],
            Content::Sequence(items) => items.clone(),
            Content::Scalar(_) => return Err(self.not_mergeable(from)),
        };
        sources.retain(|&source| source != into);
        for &source in &sources {
            if !matches!(self.graph.node(source).content, Content::Mapping(_)) {
                return Err(self.not_mergeable(source));
            }
            self.flatten(source, depth + 1)?;
            self.merged_keys += self.pairs_of(source).len();
            if self.merged_keys > MAX_MERGED_KEYS {
                return Err(error(self.graph.node(source), Problem::TooManyMergedKeys));
            }
        }
        for &source in sources.iter().rev() {
            merged.extend(self.pairs_of(source).iter().map(|pair| Pair {
                is_merged: true,
                ..*pair
            }));
        }
        Ok(())
    }

    fn not_mergeable(&self, id: NodeId) -> YamlError {
        let node = self.graph.node(id);
        let found = node.content.name();
        error(node, Problem::Merge { found })
    }
}

/// How far the keys `<<` of a mapping were replaced.
#[derive(Debug, Clone, Copy)]
enum Merging {
    ToDo,
    Underway,
    Done,
}

fn error(node: &GraphNode, problem: Problem) -> YamlError {
    YamlError::new(problem, node.start.position())
}

fn wrong_content(node: &GraphNode, expected: &'static str, tag: &'static str) -> YamlError {
    let found = node.content.name();
    error(node, Problem::WrongContent { expected, tag, found })
}
