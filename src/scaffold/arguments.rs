//! What a script takes on its command line: the parameters that an MLproject file can declare, and remarks on
//! the rest.

use super::python::Source;
use super::value::Value;
use crate::project::is_float;

/// One thing that a script takes, in the order of the source.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Item {
    Parameter(Parameter),
    Remark(Remark),
}

/// A parameter of an entry point.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Parameter {
    /// The name in the MLproject file: that of the option, with `_` for what placeholders cannot have.
    pub(super) name: String,
    /// The option that passes the value; `None` for a positional argument.
    pub(super) option: Option<String>,
    pub(super) kind: Kind,
    /// The value if none is given; a parameter without one must be given.
    pub(super) default: Option<String>,
    pub(super) description: String,
}

/// What a value must be.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    Text,
    Float,
    Whole,
}

/// Something that a person should know or do by hand.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Remark {
    /// The file, below the project's directory.
    pub(crate) path: String,
    pub(crate) line: usize,
    pub(crate) text: String,
}

/// An argument as one of the libraries declares it.
pub(super) struct Declared {
    pub(super) names: Vec<String>,
    pub(super) kind: Kind,
    pub(super) is_required: bool,
    /// `None` where the declaration has none.
    pub(super) default: Option<Value>,
    /// The default as it is written, for a remark.
    pub(super) written_default: String,
    pub(super) description: String,
    pub(super) line: usize,
    /// Takes more than one value.
    pub(super) is_several: bool,
    /// Takes no value.
    pub(super) is_flag: bool,
}

/// How a call says what it means, for remarks.
pub(super) fn remark(source: &Source, line: usize, text: impl Into<String>) -> Remark {
    Remark {
        path: source.path.clone(),
        line,
        text: text.into(),
    }
}

impl Declared {
    /// What becomes of the argument.
    pub(super) fn into_items(self, source: &Source) -> Vec<Item> {
        let long = self.names.iter().find(|name| name.starts_with("--"));
        let Some(named) = long.or(self.names.first()).cloned() else {
            return Vec::new();
        };
        let line = self.line;
        let note = |text: String| Item::Remark(remark(source, line, text));
        let option = named.starts_with('-').then(|| named.clone());
        let bare = named.trim_start_matches('-');
        if !is_word(bare) {
            return vec![note(format!("'{named}' cannot be the name of a parameter"))];
        }
        if self.is_flag {
            return vec![note(format!(
                "{named} is a flag, which a parameter cannot switch; to use it, add it to the command"
            ))];
        }
        let given = format!("-P {bare}=VALUE adds {named} VALUE");
        let default = match (self.is_required, &self.default) {
            (true, _) => None,
            (false, Some(value)) => value.word(),
            (false, None) => None,
        };
        if !self.is_required && default.is_none() {
            let why = match &self.default {
                None | Some(Value::None) => "is optional and has no default".to_owned(),
                _ => format!(
                    "has the default {}, which only the script knows",
                    self.written_default
                ),
            };
            let text = match option {
                Some(_) if self.is_several => {
                    format!("{named} takes several values; to use it, add it to the command")
                }
                Some(_) => format!("{named} {why}; {given}"),
                None => format!("the argument {named} {why}; to use it, add it to the command"),
            };
            return vec![note(text)];
        }
        let mut items = Vec::new();
        let is_number = default.as_deref().is_none_or(is_float);
        items.push(Item::Parameter(Parameter {
            name: bare.replace(['-', '.'], "_"),
            option,
            kind: if is_number { self.kind } else { Kind::Text },
            default,
            description: self.description,
        }));
        if self.is_several {
            items.push(note(format!(
                "{named} takes several values; the parameter passes one: add more to the command"
            )));
        }
        items
    }
}

/// Whether a name can stand in a command and in a placeholder.
fn is_word(name: &str) -> bool {
    name.starts_with(|first: char| first.is_ascii_alphabetic() || first == '_')
        && name
            .chars()
            .all(|letter| letter.is_ascii_alphanumeric() || "_-.".contains(letter))
}

/// A description out of parts that are not empty.
pub(super) fn described(parts: impl IntoIterator<Item = String>) -> String {
    let parts = parts.into_iter().map(|part| {
        let part = part.split_whitespace().collect::<Vec<_>>().join(" ");
        part.trim_end_matches(['.', ';']).to_owned()
    });
    parts
        .filter(|part| !part.is_empty())
        .collect::<Vec<_>>()
        .join("; ")
}

/// "one of a, b", for a list of values.
pub(super) fn one_of(values: &Value) -> Option<String> {
    let Value::List(values) = values else { return None };
    let words = values.iter().map(Value::word).collect::<Option<Vec<_>>>()?;
    Some(format!("one of {}", words.join(", "))).filter(|_| !words.is_empty())
}
