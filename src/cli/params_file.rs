//! `--params-file`: parameters from a file, under those of the command line.

use std::collections::HashSet;
use std::fmt;
use std::path::Path;

use serde::de::{self, Deserializer, MapAccess, Visitor};
use serde_json::Value as Json;

use crate::cli::report::Failure;
use crate::project::{NameProblem, SourceFile};
use crate::yaml::{self, Node, Position, Value};

/// Where a parameter's value comes from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum ParameterOrigin {
    /// `-P`.
    CommandLine,
    /// `--params-file`.
    ParamsFile,
    /// The MLproject file.
    Default,
}

impl ParameterOrigin {
    pub(crate) fn as_str(self) -> &'static str {
        match self {
            Self::CommandLine => "command line",
            Self::ParamsFile => "params file",
            Self::Default => "default",
        }
    }
}

impl fmt::Display for ParameterOrigin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// Reads a file of names and values: JSON where its name ends in `.json`, else YAML 1.1. Values are the
/// texts that Python's `str()` prints.
pub(crate) fn read(path: &Path) -> Result<Vec<(String, String)>, Failure> {
    let text = std::fs::read(path).map_err(|error| {
        Failure::caused_by(error, format!("cannot read the params file {}", path.display()))
            .with_hint("relative paths start from the current directory")
    })?;
    let is_json = path.extension().is_some_and(|extension| extension == "json");
    let parameters = if is_json { of_json(&text) } else { of_yaml(&text) };
    parameters.map_err(|problem| problem.into_failure(path, text))
}

/// How a list or a mapping becomes a single value.
const QUOTES: &str = "put the value in quotes to pass it as text";

/// What a name looks like.
const NAMES: &str = "write the name without blanks, as in `alpha: 0.5`";

/// What is wrong with a file, and where.
#[derive(Debug, PartialEq, Eq)]
struct Problem {
    message: String,
    position: Option<Position>,
    hint: Option<String>,
}

impl Problem {
    fn into_failure(self, path: &Path, text: Vec<u8>) -> Failure {
        let location = self
            .position
            .map(|position| SourceFile::new(path, text).at(position));
        Failure::message(format!(
            "invalid params file {}: {}",
            path.display(),
            self.message
        ))
        .with_location(location)
        .with_optional_hint(self.hint)
    }
}

fn of_yaml(text: &[u8]) -> Result<Vec<(String, String)>, Problem> {
    let root = yaml::parse(text).map_err(|error| Problem {
        position: error.position,
        hint: error.hint(),
        message: error.message,
    })?;
    let mapping = match &root.value {
        Value::Null => return Ok(Vec::new()),
        Value::Map(mapping) => mapping,
        _ => {
            return Err(at(
                &root,
                format!("expected lines of NAME: VALUE, found {}", root.kind()),
            ));
        }
    };
    if let Some((first, again)) = mapping.repeated_keys().next() {
        let name = again.value.to_python_str();
        let message = format!("'{name}' is defined twice, first on line {}", first.start.line);
        return Err(at(again, message));
    }
    let mut parameters: Vec<(String, String)> = Vec::with_capacity(mapping.len());
    let mut seen = HashSet::with_capacity(mapping.len());
    for (key, value) in mapping.iter() {
        let name = key.value.to_python_str();
        if let Some(message) = unfit_name(&name) {
            return Err(Problem {
                hint: Some(NAMES.to_owned()),
                ..at(key, message)
            });
        }
        if !seen.insert(name.clone()) {
            return Err(at(key, format!("'{name}' is defined twice")));
        }
        if value.value.is_collection() {
            return Err(Problem {
                hint: Some(QUOTES.to_owned()),
                ..at(value, nested(&name, value.kind()))
            });
        }
        parameters.push((name, value.value.to_python_str()));
    }
    Ok(parameters)
}

fn at(node: &Node, message: String) -> Problem {
    Problem {
        message,
        position: Some(node.start),
        hint: None,
    }
}

/// What is wrong with a parameter's name, if anything is.
fn unfit_name(name: &str) -> Option<String> {
    let problem = NameProblem::of(name).filter(|problem| !problem.can_be_declared())?;
    Some(format!("the parameter name '{}' {problem}", name.escape_debug()))
}

fn nested(name: &str, kind: &str) -> String {
    format!("the value of '{name}' is {kind}; a parameter needs a single value")
}

fn of_json(text: &[u8]) -> Result<Vec<(String, String)>, Problem> {
    serde_json::from_slice(text)
        .map(|Parameters(parameters)| parameters)
        .map_err(|error| {
            let message = error.to_string();
            let place = format!(" at line {} column {}", error.line(), error.column());
            Problem {
                message: message.strip_suffix(&place).unwrap_or(&message).to_owned(),
                position: json_position(text, &error),
                hint: None,
            }
        })
}

/// Where in a text of JSON an error is, as an editor counts.
pub(crate) fn json_position(text: &[u8], error: &serde_json::Error) -> Option<Position> {
    let before_last = error.line().checked_sub(1)?;
    let line = text
        .split(|byte| *byte == b'\n')
        .nth(before_last)
        .unwrap_or_default();
    // The parser counts bytes, and says how many it has taken.
    let taken = &line[..line.len().min(error.column())];
    Some(Position {
        line: error.line(),
        column: String::from_utf8_lossy(taken).chars().count().max(1),
    })
}

/// The object of a JSON file.
struct Parameters(Vec<(String, String)>);

impl<'de> de::Deserialize<'de> for Parameters {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_map(ParametersVisitor)
    }
}

struct ParametersVisitor;

impl<'de> Visitor<'de> for ParametersVisitor {
    type Value = Parameters;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an object of names and values")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Parameters, A::Error> {
        let mut parameters: Vec<(String, String)> = Vec::new();
        let mut seen = HashSet::new();
        while let Some(name) = map.next_key::<String>()? {
            if let Some(message) = unfit_name(&name) {
                return Err(de::Error::custom(message));
            }
            if !seen.insert(name.clone()) {
                return Err(de::Error::custom(format!("'{name}' is defined twice")));
            }
            let value = match map.next_value::<Json>()? {
                Json::Null => Value::Null,
                Json::Bool(value) => Value::Bool(value),
                Json::Number(number) if !number.is_f64() => Value::Str(number.to_string()),
                Json::Number(number) => Value::Float(number.as_f64().unwrap_or(f64::NAN)),
                Json::String(text) => Value::Str(text),
                Json::Array(_) => return Err(de::Error::custom(nested(&name, "a list"))),
                Json::Object(_) => return Err(de::Error::custom(nested(&name, "a mapping"))),
            };
            parameters.push((name, value.to_python_str()));
        }
        Ok(Parameters(parameters))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Names and values, or the problem with its place.
    fn shown(read: Result<Vec<(String, String)>, Problem>) -> String {
        match read {
            Ok(parameters) => parameters
                .iter()
                .map(|(name, value)| format!("{name}={value};"))
                .collect(),
            Err(problem) => match problem.position {
                Some(position) => format!("{}:{} {}", position.line, position.column, problem.message),
                None => problem.message,
            },
        }
    }

    #[test]
    fn yaml_files_are_read_as_pyyaml_reads_them() {
        for (text, expected) in [
            ("", ""),
            ("# nothing\n", ""),
            ("{}", ""),
            ("alpha: 0.5\nepochs: 10\n", "alpha=0.5;epochs=10;"),
            (
                "a: 0.000001\nb: 1e-5\nc: 010\nd: no\ne: ~\nf:\n",
                "a=1e-06;b=1e-5;c=8;d=False;e=None;f=None;",
            ),
            (
                "a: 'x y'\nb: \"\"\nc: |\n  two\n  lines\n",
                "a=x y;b=;c=two\nlines\n;",
            ),
            ("d: 2024-01-02\n2: x\nyes: y\n", "d=2024-01-02;2=x;True=y;"),
            ("1: x\nyes: y\n", "2:1 'True' is defined twice, first on line 1"),
            ("base: &b 1\nother: *b\n", "base=1;other=1;"),
            (
                "a: 1\nb: [1, 2]\n",
                "2:4 the value of 'b' is a list; a parameter needs a single value",
            ),
            (
                "a:\n  b: 1\n",
                "2:3 the value of 'a' is a mapping; a parameter needs a single value",
            ),
            ("a: 1\nb: 2\na: 3\n", "3:1 'a' is defined twice, first on line 1"),
            ("1: a\n'1': b\n", "2:1 '1' is defined twice"),
            ("- a\n", "1:1 expected lines of NAME: VALUE, found a list"),
            ("a: [\n", "2:1 expected a value, found the end of the text"),
        ] {
            assert_eq!(shown(of_yaml(text.as_bytes())), expected, "{text}");
        }
    }

    #[test]
    fn json_files_are_read_as_python_reads_them() {
        for (text, expected) in [
            ("{}", ""),
            (
                "{\n\t\"a\": 0.000001, \"b\": 1e5, \"c\": 10, \"d\": false, \"e\": null, \"f\": \"\\u00e4 b\"}",
                "a=1e-06;b=100000.0;c=10;d=False;e=None;f=ä b;",
            ),
            (
                "{\"a\": -1, \"b\": 18446744073709551615}",
                "a=-1;b=18446744073709551615;",
            ),
            (
                "{\"a\": 1,\n \"b\": [1]}",
                "2 the value of 'b' is a list; a parameter needs a single value",
            ),
            ("{\"a\": 1,\n \"a\": 2}", "2 'a' is defined twice"),
            (
                "[1]",
                "1 invalid type: sequence, expected an object of names and values",
            ),
            ("{\"a\": 1", "1 EOF while parsing an object"),
            ("", "1 EOF while parsing a value"),
        ] {
            // The column is where the parser has come to.
            let read = of_json(text.as_bytes()).map_err(|problem| {
                let line = problem.position.map_or(0, |position| position.line);
                Problem {
                    message: format!("{line} {}", problem.message),
                    position: None,
                    hint: None,
                }
            });
            assert_eq!(shown(read), expected, "{text}");
        }
    }
}
