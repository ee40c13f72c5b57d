//! Tokens to a graph of nodes: YAML's grammar, as far as PyYAML has it.
//!
//! ```text
//! stream   = document? (directive* '---' document)*
//! node     = alias | (tag? anchor? | anchor? tag?) content?
//! content  = scalar | block list | block mapping | '[' … ']' | '{' … '}'
//! ```

use std::collections::HashMap;

use super::collection::{Next, NodeContext, Open, Shape};
use super::error::{MAX_NESTING, Problem, YamlError};
use super::graph::{Content, Graph, GraphNode, NodeId, Tag};
use super::node::Style;
use super::scalar;
use super::scanner::{Directive, Mark, Scanner, Token, TokenKind, WrittenTag, next_is};

/// Reads the one document of a text; `None` where there is none.
pub(super) fn compose(characters: Vec<char>) -> Result<Option<Graph>, YamlError> {
    Composer {
        scanner: Scanner::new(characters),
        nodes: Vec::new(),
        anchors: HashMap::new(),
        tag_handles: default_tag_handles(),
        open: Vec::new(),
    }
    .single_document()
}

fn default_tag_handles() -> HashMap<String, String> {
    [("!", "!"), ("!!", "tag:yaml.org,2002:")]
        .map(|(handle, prefix)| (handle.to_owned(), prefix.to_owned()))
        .into()
}

/// The tag and the anchor before a node's content.
#[derive(Default)]
struct Properties {
    /// The position of the first of them.
    start: Option<Mark>,
    anchor: Option<String>,
    /// The tag's whole name.
    tag: Option<String>,
    /// Whether the tag is a lone `!`.
    has_lone_mark: bool,
}

struct Composer {
    scanner: Scanner,
    nodes: Vec<GraphNode>,
    anchors: HashMap<String, NodeId>,
    tag_handles: HashMap<String, String>,
    /// The open collections, the innermost last. An explicit stack, so that nesting needs no deep calls.
    open: Vec<Open>,
}

impl Composer {
    fn single_document(mut self) -> Result<Option<Graph>, YamlError> {
        let root = if next_is!(
            self.scanner,
            TokenKind::Directive(_) | TokenKind::DocumentStart | TokenKind::StreamEnd
        ) {
            match self.document_start()? {
                Some(_) => self.explicit_document()?,
                None => return Ok(None),
            }
        } else {
            self.tree()?
        };
        if next_is!(self.scanner, TokenKind::DocumentEnd) {
            self.scanner.take()?;
        }
        match self.document_start()? {
            Some(start) => Err(YamlError::new(Problem::SecondDocument, start.position())),
            None => Ok(Some(Graph {
                nodes: self.nodes,
                root,
            })),
        }
    }

    /// Takes everything up to `---` and returns where the document begins; `None` at the end.
    fn document_start(&mut self) -> Result<Option<Mark>, YamlError> {
        while next_is!(self.scanner, TokenKind::DocumentEnd) {
            self.scanner.take()?;
        }
        if next_is!(self.scanner, TokenKind::StreamEnd) {
            return Ok(None);
        }
        let start = self.scanner.peek()?.start;
        self.directives()?;
        if !next_is!(self.scanner, TokenKind::DocumentStart) {
            return self.scanner.unexpected("the start of a document ('---')");
        }
        self.scanner.take()?;
        Ok(Some(start))
    }

    fn directives(&mut self) -> Result<(), YamlError> {
        let mut has_version = false;
        let mut handles = HashMap::new();
        while next_is!(self.scanner, TokenKind::Directive(_)) {
            let Token { kind, start, .. } = self.scanner.take()?;
            let error = |problem| Err(YamlError::new(problem, start.position()));
            match kind {
                TokenKind::Directive(Directive::Version { .. }) if has_version => {
                    return error(Problem::SecondVersion);
                }
                TokenKind::Directive(Directive::Version { major }) => {
                    has_version = true;
                    if major.trim_start_matches('0') != "1" {
                        return error(Problem::Version);
                    }
                }
                TokenKind::Directive(Directive::Tag { handle, prefix }) => {
                    if handles.contains_key(&handle) {
                        return error(Problem::SecondTagHandle { handle });
                    }
                    handles.insert(handle, prefix);
                }
                _ => {}
            }
        }
        self.tag_handles = default_tag_handles();
        self.tag_handles.extend(handles);
        Ok(())
    }

    /// The content after `---`.
    fn explicit_document(&mut self) -> Result<NodeId, YamlError> {
        let token = self.scanner.peek()?;
        match token.kind {
            TokenKind::Directive(_)
            | TokenKind::DocumentStart
            | TokenKind::DocumentEnd
            | TokenKind::StreamEnd => {
                let start = token.start;
                Ok(self.empty(start))
            }
            _ => self.tree(),
        }
    }

    /// A node with all that it holds.
    fn tree(&mut self) -> Result<NodeId, YamlError> {
        let mut done = self.node(NodeContext::Block)?;
        while let Some(open) = self.open.last_mut() {
            open.parts.extend(done);
            done = match open.next(&mut self.scanner)? {
                Next::Node(place) => self.node(place)?,
                Next::Empty(start) => Some(self.empty(start)),
                Next::Pair(start) => self.open(Properties::default(), start, Shape::FlowPair)?,
                Next::End => self.open.pop().map(|open| {
                    let id = open.id;
                    self.nodes[id.0].content = open.into_content();
                    id
                }),
            };
        }
        Ok(done.expect("a node that begins no collection is done"))
    }

    /// A node; `None` where a collection begins, whose parts come next.
    fn node(&mut self, place: NodeContext) -> Result<Option<NodeId>, YamlError> {
        if next_is!(self.scanner, TokenKind::Alias(_)) {
            return self.alias().map(Some);
        }
        let properties = self.properties()?;
        let next = self.scanner.peek()?;
        let start = properties.start.unwrap_or(next.start);
        let is_block = place != NodeContext::Flow;
        let shape = match next.kind {
            TokenKind::Scalar { .. } => return self.scalar(properties, start).map(Some),
            TokenKind::BlockEntry if place == NodeContext::BlockValue => Shape::IndentlessList,
            TokenKind::FlowSequenceStart => Shape::FlowList,
            TokenKind::FlowMappingStart => Shape::FlowMapping,
            TokenKind::BlockSequenceStart if is_block => Shape::BlockList,
            TokenKind::BlockMappingStart if is_block => Shape::BlockMapping,
            _ if properties.start.is_some() => {
                let tag = properties.tag.map_or_else(|| scalar::resolve(""), Tag::from_name);
                return self.add(properties.anchor, nothing(tag, start)).map(Some);
            }
            _ => return self.scanner.unexpected("a value"),
        };
        self.open(properties, start, shape)
    }

    /// Takes a tag and an anchor, in any order.
    fn properties(&mut self) -> Result<Properties, YamlError> {
        let mut properties = Properties::default();
        let mut written: Option<(WrittenTag, Mark)> = None;
        // No further than both: an unknown tag counts before an error in what follows.
        while properties.anchor.is_none() || written.is_none() {
            let is_wanted = match self.scanner.peek()?.kind {
                TokenKind::Anchor(_) => properties.anchor.is_none(),
                TokenKind::Tag(_) => written.is_none(),
                _ => false,
            };
            if !is_wanted {
                break;
            }
            let Token { kind, start, .. } = self.scanner.take()?;
            properties.start.get_or_insert(start);
            match kind {
                TokenKind::Anchor(name) => properties.anchor = Some(name),
                TokenKind::Tag(tag) => written = Some((tag, start)),
                _ => {}
            }
        }
        if let Some((tag, mark)) = written {
            let name = self.tag_name(tag, mark)?;
            properties.has_lone_mark = name == "!";
            properties.tag = Some(name).filter(|name| name != "!");
        }
        Ok(properties)
    }

    fn tag_name(&self, tag: WrittenTag, mark: Mark) -> Result<String, YamlError> {
        let Some(handle) = tag.handle else {
            return Ok(tag.suffix);
        };
        match self.tag_handles.get(&handle) {
            Some(prefix) => Ok(format!("{prefix}{}", tag.suffix)),
            None => Err(YamlError::new(
                Problem::UnknownTagHandle { handle },
                mark.position(),
            )),
        }
    }

    /// Begins a collection. Its node is there before its parts, which may refer to it.
    fn open(
        &mut self,
        properties: Properties,
        start: Mark,
        shape: Shape,
    ) -> Result<Option<NodeId>, YamlError> {
        if self.open.len() == MAX_NESTING {
            return Err(YamlError::new(Problem::TooDeep, start.position()));
        }
        let default_tag = if shape.is_list() { Tag::Seq } else { Tag::Map };
        let node = GraphNode {
            tag: properties.tag.map_or(default_tag, Tag::from_name),
            content: Content::Sequence(Vec::new()),
            start,
            style: Style::Collection,
            last_line: start.position().line,
        };
        let id = self.add(properties.anchor, node)?;
        if shape.has_opening_token() {
            self.scanner.take()?;
        }
        self.open.push(Open::new(id, shape, start));
        Ok(None)
    }

    fn alias(&mut self) -> Result<NodeId, YamlError> {
        let Token { kind, start, .. } = self.scanner.take()?;
        let TokenKind::Alias(name) = kind else {
            unreachable!("the caller saw an alias");
        };
        self.anchors
            .get(&name)
            .copied()
            .ok_or_else(|| YamlError::new(Problem::UnknownAlias { name }, start.position()))
    }

    fn scalar(&mut self, properties: Properties, start: Mark) -> Result<NodeId, YamlError> {
        let token = self.scanner.take()?;
        let TokenKind::Scalar { text, style } = token.kind else {
            unreachable!("the caller saw a scalar");
        };
        let tag = match properties.tag {
            Some(name) => Tag::from_name(name),
            // A lone '!' takes the quotes their meaning.
            None if style == Style::Plain || properties.has_lone_mark => scalar::resolve(&text),
            None => Tag::Str,
        };
        let node = GraphNode {
            tag,
            content: Content::Scalar(text),
            start,
            style,
            last_line: last_line(token.end),
        };
        self.add(properties.anchor, node)
    }

    /// Adds a node, and its anchor's name.
    fn add(&mut self, anchor: Option<String>, node: GraphNode) -> Result<NodeId, YamlError> {
        let id = NodeId(self.nodes.len());
        if let Some(name) = anchor {
            if let Some(first) = self.anchors.get(&name) {
                let first = self.nodes[first.0].start.position();
                return Err(YamlError::new(
                    Problem::SecondAnchor { name, first },
                    node.start.position(),
                ));
            }
            self.anchors.insert(name, id);
        }
        self.nodes.push(node);
        Ok(id)
    }

    /// A value that is not written.
    fn empty(&mut self, start: Mark) -> NodeId {
        self.nodes.push(nothing(Tag::Null, start));
        NodeId(self.nodes.len() - 1)
    }
}

/// A node without any text.
fn nothing(tag: Tag, start: Mark) -> GraphNode {
    GraphNode {
        tag,
        content: Content::Scalar(String::new()),
        start,
        style: Style::Plain,
        last_line: start.position().line,
    }
}

/// The line that a text ends on, for the mark right after it: after a block, that is on the next line.
fn last_line(end: Mark) -> usize {
    let end = end.position();
    end.line - usize::from(end.column == 1 && end.line > 1)
}
