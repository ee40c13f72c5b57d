//! Characters to tokens.
//!
//! A key is recognised only when its `:` is found, so tokens wait in a queue until it is known
//! whether a key began before them. Which texts are refused, and where, follows PyYAML.

mod block;
mod cursor;
mod fetch;
mod line_text;
mod tag;

use std::collections::VecDeque;

use cursor::is_break_or_end;
pub(super) use cursor::{Cursor, Mark, is_break};

use super::error::{Problem, YamlError};
use super::node::Style;

/// A key without `?` ends on its line and within this many characters.
const MAX_SIMPLE_KEY_LENGTH: usize = 1024;

/// A word of the text and its place.
#[derive(Debug)]
pub(super) struct Token {
    pub(super) kind: TokenKind,
    pub(super) start: Mark,
    pub(super) end: Mark,
}

/// A tag as written: `!handle!suffix`, or the whole tag.
#[derive(Debug)]
pub(super) struct WrittenTag {
    pub(super) handle: Option<String>,
    pub(super) suffix: String,
}

/// A line that begins with `%`.
#[derive(Debug)]
pub(super) enum Directive {
    /// `%YAML major.minor`.
    Version { major: String },
    /// `%TAG handle prefix`.
    Tag { handle: String, prefix: String },
    /// Any other, which means nothing.
    Unknown,
}

#[derive(Debug)]
pub(super) enum TokenKind {
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
    pub(super) fn name(&self) -> &'static str {
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

/// A place where a key may have begun.
struct SimpleKey {
    /// Its depth in brackets; one place is remembered for each depth.
    flow_level: i32,
    /// The number of the token that would be the key's first.
    token_number: usize,
    /// Whether only a key is allowed here.
    is_required: bool,
    mark: Mark,
}

/// Whether the next token is of one of these kinds.
macro_rules! next_is {
    ($scanner:expr, $pattern:pat) => {
        matches!($scanner.peek()?.kind, $pattern)
    };
}
pub(super) use next_is;

/// Gives the tokens of a text one after the other.
pub(super) struct Scanner {
    cursor: Cursor,
    /// Tokens that were found and not yet taken.
    tokens: VecDeque<Token>,
    /// How many tokens were taken.
    taken: usize,
    is_at_end: bool,
    /// The depth of brackets; below 0 after a bracket too many, until the grammar refuses it.
    flow_level: i32,
    /// The column of the innermost block collection, -1 outside all.
    indent: i64,
    /// The columns of the collections around it.
    outer_indents: Vec<i64>,
    /// Whether a key without `?`, or a block collection, may begin here.
    allows_simple_key: bool,
    simple_keys: Vec<SimpleKey>,
}

impl Scanner {
    pub(super) fn new(characters: Vec<char>) -> Self {
        Self {
            cursor: Cursor::new(characters),
            tokens: VecDeque::new(),
            taken: 0,
            is_at_end: false,
            flow_level: 0,
            indent: -1,
            outer_indents: Vec::new(),
            allows_simple_key: true,
            simple_keys: Vec::new(),
        }
    }

    /// The next token; the last is [`TokenKind::StreamEnd`].
    pub(super) fn peek(&mut self) -> Result<&Token, YamlError> {
        self.fill()?;
        Ok(self.tokens.front().expect("the end of the stream is never taken"))
    }

    /// Takes the next token. The last must not be taken.
    pub(super) fn take(&mut self) -> Result<Token, YamlError> {
        self.fill()?;
        self.taken += 1;
        let token = self.tokens.pop_front();
        Ok(token.expect("the end of the stream is never taken"))
    }

    /// Refuses the next token.
    pub(super) fn unexpected<T>(&mut self, expected: &'static str) -> Result<T, YamlError> {
        let token = self.peek()?;
        let found = token.kind.name();
        Err(YamlError::new(
            Problem::Expected { expected, found },
            token.start.position(),
        ))
    }

    /// Reads on until the first token in the queue is known to be the next one.
    fn fill(&mut self) -> Result<(), YamlError> {
        while self.needs_more()? {
            self.fetch()?;
        }
        Ok(())
    }

    fn needs_more(&mut self) -> Result<bool, YamlError> {
        if self.is_at_end {
            return Ok(false);
        }
        if self.tokens.is_empty() {
            return Ok(true);
        }
        self.drop_stale_keys()?;
        Ok(self.simple_keys.iter().any(|key| key.token_number == self.taken))
    }

    fn push(&mut self, kind: TokenKind, start: Mark, end: Mark) {
        self.tokens.push_back(Token { kind, start, end });
    }

    /// Adds a token that ends here.
    fn push_from(&mut self, start: Mark, kind: TokenKind) {
        self.push(kind, start, self.cursor.mark());
    }

    /// Adds the token for the next `length` characters.
    fn push_indicator(&mut self, kind: TokenKind, length: usize) {
        let start = self.cursor.mark();
        self.cursor.skip(length);
        self.push_from(start, kind);
    }

    /// Takes the end of a line on which nothing but a comment may follow.
    fn end_line(&mut self, otherwise: Problem) -> Result<(), YamlError> {
        self.cursor.skip_spaces();
        if self.cursor.next() == '#' {
            self.cursor.skip_to_break();
        }
        if !is_break_or_end(self.cursor.next()) {
            return Err(self.error(otherwise));
        }
        self.cursor.take_break();
        Ok(())
    }

    /// An error at the current place.
    fn error(&self, problem: Problem) -> YamlError {
        YamlError::new(problem, self.cursor.mark().position())
    }

    // Keys.

    /// Forgets the places that can no longer begin a key.
    fn drop_stale_keys(&mut self) -> Result<(), YamlError> {
        let Mark { line, index, .. } = self.cursor.mark();
        let is_stale =
            |key: &SimpleKey| key.mark.line != line || index - key.mark.index > MAX_SIMPLE_KEY_LENGTH;
        let mut keys = self.simple_keys.iter();
        if let Some(key) = keys.find(|key| key.is_required && is_stale(key)) {
            return Err(self.no_colon(key.mark));
        }
        self.simple_keys.retain(|key| !is_stale(key));
        Ok(())
    }

    /// Remembers that a key may begin here.
    fn save_simple_key(&mut self) -> Result<(), YamlError> {
        if !self.allows_simple_key {
            return Ok(());
        }
        let is_required = self.flow_level == 0 && self.indent == self.column();
        self.remove_simple_key()?;
        self.simple_keys.push(SimpleKey {
            flow_level: self.flow_level,
            token_number: self.taken + self.tokens.len(),
            is_required,
            mark: self.cursor.mark(),
        });
        Ok(())
    }

    /// Forgets the place remembered for this depth of brackets.
    fn remove_simple_key(&mut self) -> Result<(), YamlError> {
        match self.take_simple_key() {
            Some(key) if key.is_required => Err(self.no_colon(key.mark)),
            _ => Ok(()),
        }
    }

    fn take_simple_key(&mut self) -> Option<SimpleKey> {
        let mut keys = self.simple_keys.iter();
        let found = keys.position(|key| key.flow_level == self.flow_level)?;
        Some(self.simple_keys.remove(found))
    }

    fn no_colon(&self, key: Mark) -> YamlError {
        self.error(Problem::NoColon { key: key.position() })
    }

    // Indentation.

    fn column(&self) -> i64 {
        i64::try_from(self.cursor.column()).unwrap_or(i64::MAX)
    }

    /// Ends the block collections that are indented more than `column`. Brackets ignore indentation.
    fn unwind_indent(&mut self, column: i64) {
        if self.flow_level != 0 {
            return;
        }
        while self.indent > column {
            let mark = self.cursor.mark();
            let outer = self.outer_indents.pop();
            self.indent = outer.expect("an indent has one around it, down to -1");
            self.push(TokenKind::BlockEnd, mark, mark);
        }
    }

    /// Begins a block collection at `column`, unless the innermost one did.
    fn add_indent(&mut self, column: i64) -> bool {
        let is_deeper = self.indent < column;
        if is_deeper {
            self.outer_indents.push(self.indent);
            self.indent = column;
        }
        is_deeper
    }
}
