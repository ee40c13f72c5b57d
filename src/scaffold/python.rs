//! Python source as far as its text alone tells what it means: calls, literal values, constants.

use std::collections::HashMap;
use std::io::Read as _;
use std::path::Path;

use tree_sitter::{Node, Parser, Tree};

use super::encoding::decoded;
use super::error::ScaffoldError;
use super::value::{Value, integer, unescaped};

/// Nobody writes a longer script by hand, in bytes.
const LONGEST: u64 = 4 * 1024 * 1024;
/// How deep a value may be nested.
const DEEPEST: usize = 20;
/// How many characters of an expression a remark shows.
const SHOWN: usize = 60;

/// A Python file of the project.
pub(super) struct Source {
    /// The path below the project's directory.
    pub(super) path: String,
    text: String,
    tree: Tree,
}

/// A call of a function.
#[derive(Clone, Copy)]
pub(super) struct Call<'s> {
    pub(super) source: &'s Source,
    node: Node<'s>,
}

impl Source {
    /// Reads a Python file below a directory.
    ///
    /// # Errors
    /// It cannot be read, is too long, or is not in an encoding that Python reads.
    pub(super) fn read(directory: &Path, path: &str) -> Result<Self, ScaffoldError> {
        let refused =
            |why: String, hint: &str| ScaffoldError::new(format!("cannot read '{path}': {why}"), hint);
        let mut bytes = Vec::new();
        let file = std::fs::File::open(directory.join(path));
        let read = file.and_then(|file| file.take(LONGEST + 1).read_to_end(&mut bytes));
        read.map_err(|error| ScaffoldError::new(format!("cannot read '{path}'"), "").caused_by(error))?;
        if bytes.len() as u64 > LONGEST {
            return Err(refused(
                "it is larger than 4 MiB".to_owned(),
                "name the script that starts the work with --from",
            ));
        }
        let text = decoded(&bytes).map_err(|why| {
            refused(
                why,
                "save the file as UTF-8, or declare its encoding in the first line: # -*- coding: latin-1 -*-",
            )
        })?;
        let tree = parsed(&text).ok_or_else(|| refused("its text cannot be analyzed".to_owned(), ""))?;
        Ok(Self {
            path: path.to_owned(),
            text,
            tree,
        })
    }

    /// The line of the first text that is not valid Python.
    pub(super) fn first_error(&self) -> Option<usize> {
        let root = self.tree.root_node();
        if !root.has_error() {
            return None;
        }
        let error = self.nodes().find(|node| node.is_error() || node.is_missing());
        Some(error.map_or(1, line_of))
    }

    /// All nodes in the order of the text.
    pub(super) fn nodes(&self) -> impl Iterator<Item = Node<'_>> {
        let mut cursor = self.tree.walk();
        let mut is_first = true;
        std::iter::from_fn(move || {
            if std::mem::take(&mut is_first) || cursor.goto_first_child() || cursor.goto_next_sibling() {
                return Some(cursor.node());
            }
            while cursor.goto_parent() {
                if cursor.goto_next_sibling() {
                    return Some(cursor.node());
                }
            }
            None
        })
    }

    /// The statements of the module itself.
    pub(super) fn statements(&self) -> Vec<Node<'_>> {
        children(self.tree.root_node())
    }

    pub(super) fn calls(&self) -> impl Iterator<Item = Call<'_>> {
        let calls = self.nodes().filter(|node| node.kind() == "call");
        calls.filter_map(|node| self.call(node))
    }

    pub(super) fn call<'s>(&'s self, node: Node<'s>) -> Option<Call<'s>> {
        (node.kind() == "call").then_some(Call { source: self, node })
    }

    /// The text of a node.
    pub(super) fn text(&self, node: Node<'_>) -> &str {
        &self.text[node.byte_range()]
    }

    /// The text of a node in one line, cut where it is long.
    pub(super) fn shown(&self, node: Node<'_>) -> String {
        // The beginning is enough, however long the rest is.
        let text = self.text(node).chars().take(SHOWN * 4).collect::<String>();
        let text = text.split_whitespace().collect::<Vec<_>>().join(" ");
        match text.char_indices().nth(SHOWN) {
            Some((end, _)) => format!("{}…", &text[..end]),
            None => text,
        }
    }

    /// The values of the names that the module assigns once, by a literal.
    fn constants(&self) -> HashMap<&str, Option<Node<'_>>> {
        let mut constants = HashMap::new();
        for statement in self.statements() {
            let assignment = children(statement).into_iter().next();
            let Some(assignment) = assignment.filter(|node| node.kind() == "assignment") else {
                continue;
            };
            let (left, right) = (field(assignment, "left"), field(assignment, "right"));
            if let (Some(left), Some(right)) = (left.filter(|node| node.kind() == "identifier"), right) {
                let value = constants.entry(self.text(left)).or_insert(Some(right));
                // One that changes means nothing here.
                *value = value.filter(|value| *value == right);
            }
        }
        constants
    }

    /// The value of an expression.
    pub(super) fn value(&self, node: Node<'_>) -> Value {
        self.value_within(node, DEEPEST)
    }

    fn value_within(&self, node: Node<'_>, depth: usize) -> Value {
        let Some(depth) = depth.checked_sub(1) else {
            return Value::Unknown;
        };
        let inner = |node: Node<'_>| self.value_within(node, depth);
        match node.kind() {
            "string" => self.string(node).map_or(Value::Unknown, Value::Text),
            "concatenated_string" => {
                let parts = children(node).into_iter().map(|part| self.string(part));
                parts
                    .collect::<Option<String>>()
                    .map_or(Value::Unknown, Value::Text)
            }
            "integer" => integer(self.text(node)).map_or(Value::Unknown, Value::Number),
            "float" => match self.text(node) {
                text if text.ends_with(['j', 'J']) => Value::Unknown,
                text => Value::Number(text.to_owned()),
            },
            "true" => Value::Bool(true),
            "false" => Value::Bool(false),
            "none" => Value::None,
            "ellipsis" => Value::Ellipsis,
            "list" | "tuple" | "set" => Value::List(children(node).into_iter().map(inner).collect()),
            "parenthesized_expression" => children(node).first().map_or(Value::Unknown, |node| inner(*node)),
            "unary_operator" => match (self.operator(node), field(node, "argument").map(inner)) {
                ("-", Some(Value::Number(number))) => Value::Number(match number.strip_prefix('-') {
                    Some(positive) => positive.to_owned(),
                    None => format!("-{number}"),
                }),
                _ => Value::Unknown,
            },
            "binary_operator" => match (
                self.operator(node),
                field(node, "left").map(inner),
                field(node, "right").map(inner),
            ) {
                ("+", Some(Value::Text(left)), Some(Value::Text(right))) => Value::Text(left + &right),
                _ => Value::Unknown,
            },
            "identifier" => match self.constants().get(self.text(node)) {
                Some(Some(value)) => inner(*value),
                _ => Value::Unknown,
            },
            // A path is passed as its text.
            "call" => match self.call(node) {
                Some(call) if call.name() == "Path" && call.arguments().len() == 1 => {
                    inner(call.arguments()[0])
                }
                _ => Value::Unknown,
            },
            _ => Value::Unknown,
        }
    }

    fn operator(&self, node: Node<'_>) -> &str {
        field(node, "operator").map_or("", |operator| self.text(operator))
    }

    /// The text of a string literal; `None` for bytes and for one with expressions in it.
    fn string(&self, node: Node<'_>) -> Option<String> {
        let parts = children(node);
        let (start, end) = (parts.first()?, parts.last()?);
        let prefix = self
            .text(*start)
            .trim_end_matches(['"', '\''])
            .to_ascii_lowercase();
        let is_plain = |node: &Node<'_>| node.kind() != "interpolation";
        if prefix.contains(['b', 't']) || !parts.iter().all(is_plain) || start == end {
            return None;
        }
        let text = &self.text[start.end_byte()..end.start_byte()];
        Some(if prefix.contains('r') {
            text.to_owned()
        } else {
            let text = unescaped(text);
            // In an f-string, doubled braces stand for themselves.
            if prefix.contains('f') {
                text.replace("{{", "{").replace("}}", "}")
            } else {
                text
            }
        })
    }
}

impl<'s> Call<'s> {
    /// The function as it is written: `parser.add_argument`.
    pub(super) fn function(&self) -> &'s str {
        field(self.node, "function").map_or("", |function| self.source.text(function))
    }

    /// The function's own name: `add_argument`.
    pub(super) fn name(&self) -> &'s str {
        let function = self.function();
        function.rsplit('.').next().unwrap_or(function).trim()
    }

    /// What the function is of: `parser`.
    pub(super) fn object(&self) -> &'s str {
        self.function()
            .rsplit_once('.')
            .map_or("", |(object, _)| object.trim())
    }

    pub(super) fn line(&self) -> usize {
        line_of(self.node)
    }

    fn all_arguments(&self) -> Vec<Node<'s>> {
        let list = field(self.node, "arguments").filter(|node| node.kind() == "argument_list");
        let arguments = list.map(children).unwrap_or_default();
        arguments
            .into_iter()
            .filter(|node| node.kind() != "comment")
            .collect()
    }

    /// The arguments without a name.
    pub(super) fn arguments(&self) -> Vec<Node<'s>> {
        let mut arguments = self.all_arguments();
        arguments
            .retain(|node| !["keyword_argument", "dictionary_splat", "list_splat"].contains(&node.kind()));
        arguments
    }

    /// Whether there are arguments that only Python itself can find out: `*names`, `**settings`.
    pub(super) fn has_unknown_arguments(&self) -> bool {
        let arguments = self.all_arguments();
        arguments
            .iter()
            .any(|node| ["dictionary_splat", "list_splat"].contains(&node.kind()))
    }

    /// The names and values of the arguments with one.
    pub(super) fn keywords(&self) -> Vec<(&'s str, Node<'s>)> {
        let arguments = self.all_arguments().into_iter();
        arguments
            .filter(|node| node.kind() == "keyword_argument")
            .filter_map(|node| Some((self.source.text(field(node, "name")?), field(node, "value")?)))
            .collect()
    }

    /// The argument of this name.
    pub(super) fn keyword(&self, name: &str) -> Option<Node<'s>> {
        let mut keywords = self.keywords().into_iter();
        keywords
            .find(|(keyword, _)| *keyword == name)
            .map(|(_, value)| value)
    }

    /// The value of the argument of this name.
    pub(super) fn keyword_value(&self, name: &str) -> Option<Value> {
        self.keyword(name).map(|node| self.source.value(node))
    }
}

/// The named children of a node.
pub(super) fn children(node: Node<'_>) -> Vec<Node<'_>> {
    let mut cursor = node.walk();
    node.named_children(&mut cursor).collect()
}

pub(super) fn field<'s>(node: Node<'s>, name: &str) -> Option<Node<'s>> {
    node.child_by_field_name(name)
}

/// The number of a node's first line.
pub(super) fn line_of(node: Node<'_>) -> usize {
    node.start_position().row + 1
}

fn parsed(text: &str) -> Option<Tree> {
    let mut parser = Parser::new();
    parser.set_language(&tree_sitter_python::LANGUAGE.into()).ok()?;
    parser.parse(text, None)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn source(text: &str) -> Source {
        Source {
            path: "x.py".to_owned(),
            text: text.to_owned(),
            tree: parsed(text).unwrap(),
        }
    }

    #[test]
    fn literals_have_values() {
        let text = |text: &str| Value::Text(text.to_owned());
        let number = |text: &str| Value::Number(text.to_owned());
        for (written, expected) in [
            ("0.5", number("0.5")),
            ("-1", number("-1")),
            ("1_000", number("1000")),
            ("0x10", number("16")),
            ("1e-5", number("1e-5")),
            ("2j", Value::Unknown),
            ("True", Value::Bool(true)),
            ("None", Value::None),
            ("...", Value::Ellipsis),
            ("'it\\'s\\n'", text("it's\n")),
            ("'caf\\xe9 \\d'", text("café \\d")),
            ("r'\\d'", text("\\d")),
            ("('a'\n 'b' \"c\")", text("abc")),
            ("'a' + \"b\"", text("ab")),
            ("'''a\n  b'''", text("a\n  b")),
            ("f'{x}'", Value::Unknown),
            ("b'x'", Value::Unknown),
            ("Path('data')", text("data")),
            ("[1, 'a']", Value::List(vec![number("1"), text("a")])),
            ("RATE", number("0.1")),
            ("CHANGED", Value::Unknown),
            ("2 ** 3", Value::Unknown),
            ("os.environ['X']", Value::Unknown),
            ("''", text("")),
        ] {
            let source = source(&format!("RATE = 0.1\nCHANGED = 1\nCHANGED = 2\nf(x={written})\n"));
            let call = source.calls().find(|call| call.name() == "f").unwrap();
            assert_eq!(call.keyword_value("x"), Some(expected), "{written}");
        }
    }

    #[test]
    fn a_syntax_error_has_a_line() {
        assert_eq!(source("x = 1\nprint('a')\n").first_error(), None);
        assert_eq!(source("x = 1\ndef f(:\n    pass\n").first_error(), Some(2));
    }
}
