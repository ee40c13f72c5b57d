//! Why a text is not valid YAML.

use std::fmt;

use thiserror::Error;

use super::node::Position;

/// How deep collections may be nested: enough for any file that a person writes, and safe for a small stack.
/// PyYAML stops at about 490, Python's recursion limit.
pub(super) const MAX_NESTING: usize = 128;
/// The most keys that `<<` may merge.
pub(super) const MAX_MERGED_KEYS: usize = 100_000;
/// The most bytes that aliases may repeat, so that a few lines cannot fill the memory.
pub(super) const MAX_ALIAS_COPIES: usize = 16 * 1024 * 1024;
/// The most digits of an integer: Python's own default limit.
pub(super) const MAX_INTEGER_DIGITS: usize = 4300;

/// Why a text could not be read, and where.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub struct YamlError {
    /// What is wrong, without the place.
    pub message: String,
    pub position: Option<Position>,
    hint: Option<&'static str>,
}

impl YamlError {
    pub(super) fn new(problem: Problem, position: Position) -> Self {
        Self {
            message: problem.to_string(),
            position: Some(position),
            hint: problem.hint(),
        }
    }

    /// What to do about it.
    pub fn hint(&self) -> Option<String> {
        self.hint.map(str::to_owned)
    }
}

impl fmt::Display for YamlError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.position {
            Some(position) => write!(f, "{} ({position})", self.message),
            None => f.write_str(&self.message),
        }
    }
}

/// What can be wrong with a text.
#[derive(Debug, Error)]
pub(super) enum Problem {
    // The characters.
    #[error("the text is not valid {encoding}")]
    Encoding { encoding: &'static str },
    #[error("the text contains the control character U+{code:04X}")]
    ControlCharacter { code: u32 },

    // The tokens.
    #[error("a tab cannot separate or indent anything")]
    Tab,
    #[error("the character '{character}' cannot begin a value")]
    UnexpectedCharacter { character: char },
    #[error("a ':' is not allowed here")]
    UnexpectedValue,
    #[error("a '?' is not allowed here")]
    UnexpectedKey,
    #[error("a list item ('- ') cannot begin here")]
    UnexpectedListItem,
    #[error("no ':' follows the key at {key}")]
    NoColon { key: Position },
    #[error("the quoted text that begins at {start} is never closed")]
    UnclosedQuote { start: Position },
    #[error("unknown escape '\\{character}' in double quotes")]
    UnknownEscape { character: char },
    #[error("the escape needs {length} hexadecimal digits")]
    EscapeDigits { length: usize },
    #[error("the escape is not a Unicode character")]
    EscapeCharacter,
    #[error("only '+', '-', a digit from 1 to 9 or a comment may follow '|' and '>'")]
    BlockHeader,
    #[error("expected a name after '{indicator}'")]
    AnchorName { indicator: char },
    #[error("malformed tag")]
    Tag,
    #[error("malformed '%' directive")]
    Directive,

    // The grammar.
    #[error("expected {expected}, found {found}")]
    Expected {
        expected: &'static str,
        found: &'static str,
    },
    #[error("expected ',' or '{closing}' to close the bracket at {start}, found {found}")]
    ExpectedClosing {
        closing: char,
        start: Position,
        found: &'static str,
    },
    #[error("the '%YAML' directive is repeated")]
    SecondVersion,
    #[error("only YAML 1 can be read")]
    Version,
    #[error("the tag handle '{}' is declared twice", short(handle))]
    SecondTagHandle { handle: String },
    #[error("the tag handle '{}' is not declared", short(handle))]
    UnknownTagHandle { handle: String },
    #[error("unknown alias '*{0}': there is no '&{0}' before it", short(name))]
    UnknownAlias { name: String },
    #[error("'&{}' is already used at {first}", short(name))]
    SecondAnchor { name: String, first: Position },
    #[error("a second document begins; only one is allowed")]
    SecondDocument,
    #[error("nested more than {MAX_NESTING} levels deep")]
    TooDeep,

    // The values.
    #[error("unknown tag '{}'", short(tag))]
    UnknownTag { tag: String },
    #[error("expected {expected} for the tag '{tag}', got {found}")]
    WrongContent {
        expected: &'static str,
        tag: &'static str,
        found: &'static str,
    },
    #[error("'{}' is not a valid {kind}", short(text))]
    Malformed { kind: &'static str, text: String },
    #[error("an integer of more than {MAX_INTEGER_DIGITS} digits")]
    IntegerTooLong,
    #[error("{found} cannot be a key")]
    CollectionAsKey { found: &'static str },
    #[error("'<<' takes a mapping or a list of mappings, got {found}")]
    Merge { found: &'static str },
    #[error("each item of '{tag}' must be a mapping with one key")]
    Pair { tag: &'static str },
    #[error("'<<' merges more than {MAX_MERGED_KEYS} keys")]
    TooManyMergedKeys,
    #[error("a collection cannot contain itself")]
    Recursive,
    #[error("aliases repeat more than {MAX_ALIAS_COPIES} bytes of values")]
    TooManyCopies,
}

impl Problem {
    fn hint(&self) -> Option<&'static str> {
        Some(match self {
            Self::Tab => "use spaces",
            Self::Encoding { .. } => "save the file as UTF-8",
            Self::UnexpectedCharacter { .. } => "put text that begins with this character in quotes",
            Self::UnexpectedValue => "check the indentation, and put text that contains ': ' in quotes",
            Self::NoColon { .. } | Self::UnexpectedListItem | Self::Expected { .. } => {
                "check the indentation, and put text that is not 'key: value' in quotes"
            }
            Self::UnknownEscape { .. } => {
                "double the backslash, or use single quotes, in which it has no meaning"
            }
            Self::ExpectedClosing { .. } => {
                "put text that contains ',', '?' or brackets in quotes, and close every bracket"
            }
            Self::AnchorName { .. } | Self::UnknownAlias { .. } => {
                "put text that begins with '*' or '&' in quotes"
            }
            Self::UnknownTag { .. } | Self::UnknownTagHandle { .. } => {
                "put text that begins with '!' in quotes"
            }
            Self::CollectionAsKey { .. } => {
                "put text that begins with '{' or '[' in quotes, a placeholder such as '{name}' too"
            }
            Self::Malformed { .. } => "put the text in quotes if it is meant as text",
            _ => return None,
        })
    }
}

/// The beginning of a text for a message, without control characters.
fn short(text: &str) -> String {
    const LONGEST: usize = 60;
    let mut characters = text.chars();
    let mut shown: String = characters.by_ref().take(LONGEST).collect();
    shown = shown.replace(char::is_control, "\u{fffd}");
    if characters.next().is_some() {
        shown.push('…');
    }
    shown
}
