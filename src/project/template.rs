//! `{name}` in a command: Python's `str.format` with values that are all strings.
//!
//! Source: "Format String Syntax" of the Python library reference, as CPython 3.11 reads it.

use std::collections::HashMap;

use super::format_spec::{self, FormatSpecError};
use super::number::decimal_digit;
use crate::yaml::Value;

/// A format specification may hold fields, but these hold no further ones.
const LEVELS: usize = 2;

/// The longest command, in bytes: far more than any system runs, and too little to fill the memory.
const LONGEST_OUTPUT: usize = 64 << 20;

/// Why a template cannot be filled in.
///
/// `field` is the text between the braces as the template has it.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[expect(missing_docs, reason = "the messages say what the cases and their values are")]
pub enum TemplateError {
    #[error("a lone '{brace}'")]
    LoneBrace { brace: char },
    /// A field without its closing brace, or with an opening one inside its name.
    #[error("'{{{field}', which has no matching '}}'")]
    Unclosed { field: String },
    #[error("'{{{field}}}', but parameter '{name}' is not declared")]
    UnknownName { name: String, field: String },
    /// `{}` and `{0}` pick values by position.
    #[error("'{{{field}}}', but parameters have no numbers, only names")]
    Positional { field: String },
    /// Something that Python's syntax or its strings do not have.
    #[error("'{{{field}}}', but {reason}")]
    Unfit { field: String, reason: &'static str },
    #[error("'{{{field}}}', but the quoted value has only {length} characters")]
    IndexOutOfRange { field: String, length: usize },
    #[error("'{{{field}}}' with the format '{spec}': {source}")]
    FormatSpec {
        field: String,
        /// With its own fields filled in.
        spec: String,
        source: FormatSpecError,
    },
    /// This field makes the command longer than any system could run.
    #[error("'{{{field}}}', with which it becomes longer than {} MiB", LONGEST_OUTPUT >> 20)]
    TooLong { field: String },
    /// A field inside a field inside a format specification.
    #[error("'{{{field}}}', whose fields are nested too deeply")]
    TooDeep { field: String },
}

impl TemplateError {
    /// How the part of the template that it is about begins.
    pub(crate) fn beginning(&self) -> String {
        let (field, end) = match self {
            Self::LoneBrace { brace } => return brace.to_string(),
            Self::UnknownName { field, .. } | Self::Positional { field } => (field, "}"),
            Self::Unclosed { field }
            | Self::Unfit { field, .. }
            | Self::IndexOutOfRange { field, .. }
            | Self::FormatSpec { field, .. }
            | Self::TooLong { field }
            | Self::TooDeep { field } => (field, ""),
        };
        match field.strip_suffix('…') {
            Some(beginning) => format!("{{{beginning}"),
            None => format!("{{{field}{end}"),
        }
    }
}

const CONVERSIONS: &str = "only '!r', '!s' or '!a' may follow a name's '!'";
const INDEX: &str = "only a number in square brackets picks a character";

/// Fills the values in for the fields of the template.
///
/// # Errors
/// Everything that Python's `str.format` raises an exception for, and attributes of values.
pub fn format_template(template: &str, values: &[(&str, String)]) -> Result<String, TemplateError> {
    let mut by_name: HashMap<&str, &str> = HashMap::with_capacity(values.len());
    for (name, value) in values {
        by_name.entry(name).or_insert(value);
    }
    format_with(template, &mut |name, _| {
        by_name.get(name).map(|value| (*value).to_owned())
    })
}

/// Gives the value that goes by a name. The second argument is the whole field that asks for it.
pub(crate) type ValueOf<'v> = dyn FnMut(&str, &[char]) -> Option<String> + 'v;

/// As [`format_template`], with values that are asked for in the order of the fields.
pub(crate) fn format_with(template: &str, value_of: &mut ValueOf<'_>) -> Result<String, TemplateError> {
    let characters: Vec<char> = template.chars().collect();
    expand(&characters, value_of, LEVELS)
}

fn expand(text: &[char], value_of: &mut ValueOf<'_>, levels: usize) -> Result<String, TemplateError> {
    let mut output = String::with_capacity(text.len());
    let mut rest = text;
    while let [character, after @ ..] = rest {
        rest = after;
        match (character, after.first()) {
            ('{', Some('{')) | ('}', Some('}')) => {
                output.push(*character);
                rest = &after[1..];
            }
            ('}', _) | ('{', None) => return Err(TemplateError::LoneBrace { brace: *character }),
            ('{', Some(_)) => {
                let field = Field::parse(after)?;
                output.push_str(&field.render(value_of, levels)?);
                if output.len() > LONGEST_OUTPUT {
                    let field = field.to_text();
                    return Err(TemplateError::TooLong { field });
                }
                rest = &after[field.text.len() + 1..];
            }
            _ => output.push(*character),
        }
    }
    Ok(output)
}

/// The text between two braces, in its parts.
struct Field<'t> {
    text: &'t [char],
    name: &'t [char],
    conversion: Option<char>,
    spec: &'t [char],
}

impl<'t> Field<'t> {
    /// Reads the field at the start of the text, which begins after the opening brace.
    fn parse(text: &'t [char]) -> Result<Self, TemplateError> {
        let unclosed = || TemplateError::Unclosed { field: clip(text) };
        let name_end = end_of_name(text).ok_or_else(unclosed)?;
        let mut field = Self {
            text: &[],
            name: &text[..name_end],
            conversion: None,
            spec: &[],
        };
        let mut spec_start = name_end + 1;
        match text[name_end] {
            '}' => {
                field.text = field.name;
                return Ok(field);
            }
            '!' => {
                field.conversion = Some(*text.get(name_end + 1).ok_or_else(unclosed)?);
                spec_start = name_end + 3;
                match text.get(name_end + 2).ok_or_else(unclosed)? {
                    '}' => {
                        field.text = &text[..name_end + 2];
                        return Ok(field);
                    }
                    ':' => {}
                    _ => {
                        let end = text.iter().position(|&character| character == '}');
                        let field = text[..end.unwrap_or(text.len())].iter().collect();
                        return Err(TemplateError::Unfit {
                            field,
                            reason: CONVERSIONS,
                        });
                    }
                }
            }
            _ => {}
        }
        let spec = &text[spec_start..];
        field.spec = &spec[..end_of_spec(spec).ok_or_else(unclosed)?];
        field.text = &text[..spec_start + field.spec.len()];
        Ok(field)
    }

    fn render(&self, value_of: &mut ValueOf<'_>, levels: usize) -> Result<String, TemplateError> {
        let value = self.value(value_of)?;
        let value = match self.conversion {
            None | Some('s') => value,
            Some('r') => Value::Str(value).to_python_repr(),
            Some('a') => Value::Str(value).to_python_ascii(),
            Some(_) => return Err(self.unfit(CONVERSIONS)),
        };
        if !self.spec.contains(&'{') {
            return self.pad(&value, self.spec);
        }
        if levels == 1 {
            return Err(TemplateError::TooDeep {
                field: self.to_text(),
            });
        }
        let spec: Vec<char> = expand(self.spec, value_of, levels - 1)?.chars().collect();
        self.pad(&value, &spec)
    }

    fn pad(&self, value: &str, spec: &[char]) -> Result<String, TemplateError> {
        format_spec::apply(value, spec).map_err(|source| TemplateError::FormatSpec {
            field: self.to_text(),
            spec: spec.iter().collect(),
            source,
        })
    }

    /// The value by its name, or the one character of it that an index picks.
    fn value(&self, value_of: &mut ValueOf<'_>) -> Result<String, TemplateError> {
        let first_end = self
            .name
            .iter()
            .position(|character| matches!(character, '.' | '['));
        let (first, mut rest) = self.name.split_at(first_end.unwrap_or(self.name.len()));
        if first.iter().all(|&character| decimal_digit(character).is_some()) {
            return Err(TemplateError::Positional {
                field: self.to_text(),
            });
        }
        let name: String = first.iter().collect();
        let Some(mut value) = value_of(&name, self.text) else {
            return Err(TemplateError::UnknownName {
                name,
                field: self.to_text(),
            });
        };
        while let [opening, after @ ..] = rest {
            if *opening == '.' {
                return Err(self.unfit("the value of a parameter has no attributes"));
            }
            let index_end = after.iter().position(|&character| character == ']');
            let Some(index_end) = index_end.filter(|_| *opening == '[') else {
                return Err(self.unfit(INDEX));
            };
            let index = index(&after[..index_end]).ok_or_else(|| self.unfit(INDEX))?;
            let character = value
                .chars()
                .nth(index)
                .ok_or_else(|| TemplateError::IndexOutOfRange {
                    field: self.to_text(),
                    length: value.chars().count(),
                })?;
            value = character.to_string();
            rest = &after[index_end + 1..];
        }
        Ok(value)
    }

    fn unfit(&self, reason: &'static str) -> TemplateError {
        TemplateError::Unfit {
            field: self.to_text(),
            reason,
        }
    }

    fn to_text(&self) -> String {
        self.text.iter().collect()
    }
}

/// Where the name of a field ends: at its closing brace, its conversion or its specification.
fn end_of_name(text: &[char]) -> Option<usize> {
    let mut at = 0;
    loop {
        match text.get(at)? {
            '}' | ':' | '!' => return Some(at),
            '{' => return None,
            // Brackets may hold what would end a name outside them.
            '[' => at += text[at..].iter().position(|&character| character == ']')?,
            _ => at += 1,
        }
    }
}

/// Where a format specification ends: at the brace that closes the field it belongs to.
fn end_of_spec(text: &[char]) -> Option<usize> {
    let mut open = 1_usize;
    text.iter().position(|character| {
        match character {
            '{' => open += 1,
            '}' => open -= 1,
            _ => {}
        }
        open == 0
    })
}

/// The beginning of an unclosed text, enough to find it.
fn clip(text: &[char]) -> String {
    let line = text.split(|&character| character == '\n').next().unwrap_or(text);
    match line.len() {
        0..=40 => line.iter().collect(),
        _ => line[..40].iter().chain(&['…']).collect(),
    }
}

fn index(digits: &[char]) -> Option<usize> {
    if digits.is_empty() {
        return None;
    }
    digits.iter().try_fold(0_usize, |number, &digit| {
        let digit = decimal_digit(digit)?;
        Some(number.saturating_mul(10).saturating_add(usize::from(digit)))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn formatted(template: &str) -> Result<String, TemplateError> {
        let values = [("a", "abc"), ("w", "5"), ("ü", "'ä'"), ("with space", "x")];
        format_template(template, &values.map(|(name, value)| (name, value.to_owned())))
    }

    #[test]
    fn commands_cannot_fill_the_memory() {
        for (template, value) in [("{a:1000000}", "1".to_owned()), ("{a}", "x".repeat(1 << 20))] {
            let error = format_template(&template.repeat(100_000), &[("a", value)]).expect_err(template);
            assert!(error.to_string().ends_with("longer than 64 MiB"), "{error}");
        }
    }

    #[test]
    fn errors_name_the_field() {
        for (template, expected) in [
            ("{", "a lone '{'"),
            ("a } b", "a lone '}'"),
            ("{a", "'{a', which has no matching '}'"),
            ("{a:>{w}", "'{a:>{w}', which has no matching '}'"),
            ("{a{w}}", "'{a{w}}', which has no matching '}'"),
            ("{a[0}", "'{a[0}', which has no matching '}'"),
            ("{nope}", "'{nope}', but parameter 'nope' is not declared"),
            ("{ a }", "'{ a }', but parameter ' a ' is not declared"),
            ("${HOME:-x}", "'{HOME:-x}', but parameter 'HOME' is not declared"),
            ("{a:{nope}}", "'{nope}', but parameter 'nope' is not declared"),
            ("{}", "'{}', but parameters have no numbers, only names"),
            ("{0}", "'{0}', but parameters have no numbers, only names"),
            (
                "{a.upper}",
                "'{a.upper}', but the value of a parameter has no attributes",
            ),
            (
                "{a[-1]}",
                "'{a[-1]}', but only a number in square brackets picks a character",
            ),
            (
                "{a[]}",
                "'{a[]}', but only a number in square brackets picks a character",
            ),
            (
                "{a[0]x}",
                "'{a[0]x}', but only a number in square brackets picks a character",
            ),
            ("{a[3]}", "'{a[3]}', but the quoted value has only 3 characters"),
            (
                "{a!x}",
                "'{a!x}', but only '!r', '!s' or '!a' may follow a name's '!'",
            ),
            (
                "{a!rr}",
                "'{a!rr}', but only '!r', '!s' or '!a' may follow a name's '!'",
            ),
            ("{a!r", "'{a!r', which has no matching '}'"),
            (
                "{a:d}",
                "'{a:d}' with the format 'd': the type 'd' is not for text, only 's' is",
            ),
            (
                "{a:={w}}",
                "'{a:={w}}' with the format '=5': the alignment '=' is for numbers only",
            ),
            ("{a:{w:{w}}}", "'{w:{w}}', whose fields are nested too deeply"),
        ] {
            let error = formatted(template).expect_err(template);
            assert_eq!(error.to_string(), expected, "{template}");
        }
    }
}
