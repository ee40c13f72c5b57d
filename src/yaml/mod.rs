//! YAML as Python's PyYAML reads it with `yaml.safe_load`, which is how MLflow reads its files.
//!
//! YAML 1.1 with PyYAML's own reading of it: `yes` and `on` are booleans, `010` is eight, `1e-5` is
//! text but `1.0e-5` is a number, tabs do not separate, `{default:}` has an empty value. Values
//! print as Python's `str()` and `repr()` print them, since commands get that.
//!
//! ```text
//! bytes -> text -> scanner (tokens) -> compose (graph of nodes) -> construct (Node, Value)
//! ```
//!
//! The crates that read YAML follow libyaml or YAML 1.2; they differ from PyYAML in what they accept and in
//! some values. That is why the scanner is our own.
//!
//! A text that would exhaust the memory or the stack is an error (see the limits in `error.rs`), and so is a
//! collection that contains itself.

mod collection;
mod compose;
mod construct;
mod error;
mod expand;
mod graph;
mod key;
mod node;
mod number;
mod python_text;
mod scalar;
mod scanner;
mod text;
mod timestamp;

pub(crate) use error::YamlError;

pub(crate) use node::{Mapping, Position, Style, Written};
pub use node::{Node, Value};

pub(crate) use text::lines;
pub use timestamp::Timestamp;

/// Reads the one document in `text`, as `yaml.safe_load` does.
///
/// `text` is UTF-8, or UTF-16 that begins with a byte order mark. Text without a document (empty,
/// or comments only) gives [`Value::Null`]; more than one document is an error.
pub fn parse(text: &[u8]) -> Result<Node, YamlError> {
    let characters = text::decode(text)?;
    match compose::compose(characters)? {
        Some(mut graph) => {
            let objects = construct::construct(&mut graph)?;
            expand::expand(&graph, &objects)
        }
        None => Ok(Node {
            value: Value::Null,
            start: Position { line: 1, column: 1 },
            written: Written {
                last_line: 1,
                ..Written::default()
            },
        }),
    }
}

#[cfg(test)]
mod tests;
