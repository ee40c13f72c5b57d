//! A declared parameter: its type, its default, and the value that it gets for a run.

use std::path::Path;

use super::error::{ProjectError, ProjectProblem};
use super::location::Location;
use super::number::is_float;
use crate::python_paths::{abspath, split_scheme, unquote};

/// What an entry point declares about a parameter.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Parameter {
    pub name: String,
    pub parameter_type: ParameterType,
    /// The value when none is given, as Python's `str()` prints what the file says.
    pub default: Option<String>,
    /// What it is, in the project's words.
    pub description: Option<String>,
    pub location: Location,
    /// Where the default stands.
    pub default_location: Option<Location>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ParameterType {
    /// Any text; also what declares no type.
    String,
    /// A number.
    Float,
    /// A local file or directory; what lies elsewhere is downloaded.
    Path,
    /// A URI; a relative path becomes absolute.
    Uri,
    /// A word that MLflow gives no meaning: any text.
    Other(String),
}

impl ParameterType {
    /// The type that goes by this word.
    pub(super) fn from_word(word: String) -> Self {
        match word.as_str() {
            "string" | "" => Self::String,
            "float" => Self::Float,
            "path" => Self::Path,
            "uri" => Self::Uri,
            _ => Self::Other(word),
        }
    }

    /// The word that stands for the type in an MLproject file.
    pub fn as_str(&self) -> &str {
        match self {
            Self::String => "string",
            Self::Float => "float",
            Self::Path => "path",
            Self::Uri => "uri",
            Self::Other(word) => word,
        }
    }
}

/// What the values of parameters depend on.
#[derive(Debug, Clone, Copy)]
pub struct ParameterContext<'a> {
    /// The directory that relative paths start from: the caller's, not the project's. Absolute.
    pub directory: &'a Path,
    /// Whether the command runs elsewhere: paths are then those of that place, and stay as they are.
    pub is_elsewhere: bool,
}

/// The values of all parameters of a run.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ResolvedParameters {
    /// The declared ones, in the order of their declaration.
    pub declared: Vec<ResolvedParameter>,
    /// Names and values that are not declared, in the order in which they were given.
    pub extra: Vec<(String, String)>,
}

/// The value of a declared parameter.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ResolvedParameter {
    pub name: String,
    /// The value to record: as it was given or declared.
    pub logged: String,
    pub value: ParameterValue,
}

/// A value for the command, before quoting.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ParameterValue {
    Text(String),
    /// A file or directory that must be downloaded; its local path then takes this value's place.
    Download {
        uri: String,
        /// The number of the parameter among the declared ones, from 0.
        position: usize,
    },
}

impl ParameterValue {
    /// The text for the command; of what is not downloaded, its URI.
    pub fn text(&self) -> &str {
        match self {
            Self::Text(text) => text,
            Self::Download { uri, .. } => uri,
        }
    }
}

/// Where a value comes from, for messages about it.
struct Origin<'a> {
    parameter: &'a Parameter,
    entry_point: &'a str,
    location: &'a Location,
}

impl Parameter {
    /// The description in one line.
    pub fn short_description(&self) -> Option<String> {
        let words = self.description.as_ref()?.split_whitespace();
        Some(words.collect::<Vec<_>>().join(" "))
    }

    /// Checks a given value, or the default, and makes of it what the command gets.
    pub(super) fn resolve(
        &self,
        given: Option<&str>,
        entry_point: &str,
        position: usize,
        context: ParameterContext<'_>,
    ) -> Result<ResolvedParameter, ProjectError> {
        let value = given.or(self.default.as_deref()).unwrap_or_default();
        let location = match (given, &self.default_location) {
            (None, Some(location)) => location,
            _ => &self.location,
        };
        let origin = Origin {
            parameter: self,
            entry_point,
            location,
        };
        let text = ParameterValue::Text;
        let resolved = match self.parameter_type {
            ParameterType::Float => {
                origin.check_float(value)?;
                text(value.to_owned())
            }
            ParameterType::Uri if !context.is_elsewhere => text(origin.uri(value, context.directory)?),
            ParameterType::Path if !context.is_elsewhere => match origin.path(value, context.directory)? {
                Some(path) => text(path),
                None => ParameterValue::Download {
                    uri: value.to_owned(),
                    position,
                },
            },
            _ => text(value.to_owned()),
        };
        Ok(ResolvedParameter {
            name: self.name.clone(),
            logged: value.to_owned(),
            value: resolved,
        })
    }
}

impl Origin<'_> {
    fn check_float(&self, value: &str) -> Result<(), ProjectError> {
        if is_float(value) {
            return Ok(());
        }
        Err(self.error(|parameter, entry_point| ProjectProblem::NotAFloat {
            parameter,
            entry_point,
            value: value.to_owned(),
        }))
    }

    fn uri(&self, value: &str, directory: &Path) -> Result<String, ProjectError> {
        self.check_not_empty(value, "a path or a URI")?;
        if split_scheme(without_blanks(value)).is_some() || value.starts_with('/') {
            Ok(value.to_owned())
        } else {
            Ok(absolute(directory, value))
        }
    }

    /// The absolute local path; `None` for a URI of something elsewhere.
    fn path(&self, value: &str, directory: &Path) -> Result<Option<String>, ProjectError> {
        let Some(decoded) = local_path(value) else {
            return Ok(None);
        };
        self.check_not_empty(&decoded, "a path")?;
        // A percent sign in a file's name is no escape, though MLflow takes it for one.
        let existing = [decoded.as_str(), value]
            .into_iter()
            .find(|path| directory.join(path).exists());
        match existing {
            Some(path) => Ok(Some(absolute(directory, path))),
            None => Err(self.error(|parameter, entry_point| ProjectProblem::PathMissing {
                parameter,
                entry_point,
                value: value.to_owned(),
                path: absolute(directory, &decoded),
            })),
        }
    }

    fn check_not_empty(&self, value: &str, expected: &'static str) -> Result<(), ProjectError> {
        if !value.is_empty() {
            return Ok(());
        }
        Err(self.error(|parameter, entry_point| ProjectProblem::EmptyValue {
            parameter,
            entry_point,
            expected,
        }))
    }

    fn error(&self, problem: impl FnOnce(String, String) -> ProjectProblem) -> ProjectError {
        let problem = problem(self.parameter.name.clone(), self.entry_point.to_owned());
        ProjectError::at(self.location.clone(), problem)
    }
}

fn absolute(directory: &Path, path: &str) -> String {
    abspath(directory, path).to_string_lossy().into_owned()
}

/// The local path that a value names, as MLflow's `get_local_path_or_none` reads it: a value
/// without a scheme, or a `file:` URI without a host; `localhost` is none. Percent signs are decoded
/// in both.
fn local_path(value: &str) -> Option<String> {
    let path = match split_scheme(without_blanks(value)) {
        None => value,
        Some((scheme, rest)) if scheme.eq_ignore_ascii_case("file") => {
            let path = match rest.strip_prefix("//") {
                Some(rest) if rest.starts_with("localhost/") => &rest["localhost".len()..],
                Some(rest) if rest.is_empty() || rest.starts_with(['/', '?', '#']) => rest,
                Some(_) => return None,
                None => rest,
            };
            path.split(['?', '#']).next().unwrap_or(path)
        }
        Some(_) => return None,
    };
    Some(unquote(path))
}

/// The value without the blanks and control characters before a URI, which Python's `urlsplit` passes over.
fn without_blanks(value: &str) -> &str {
    value.trim_start_matches(|character| character <= ' ')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths_and_file_uris_are_local() {
        for (value, expected) in [
            ("data.csv", Some("data.csv")),
            ("./a b/x", Some("./a b/x")),
            ("/abs", Some("/abs")),
            ("//server/x", Some("//server/x")),
            ("~/x", Some("~/x")),
            ("a%20b", Some("a b")),
            ("100%", Some("100%")),
            ("a?b#c", Some("a?b#c")),
            ("2020:01", Some("2020:01")),
            ("./s3:x", Some("./s3:x")),
            ("file:///data/x%20y", Some("/data/x y")),
            ("file:///data/x?q#f", Some("/data/x")),
            ("file:/data/x", Some("/data/x")),
            ("file:x", Some("x")),
            ("FILE:///x", Some("/x")),
            ("file://localhost/data/x", Some("/data/x")),
            ("file://localhost.test/x", None),
            ("file://host/x", None),
            ("s3://bucket/key", None),
            ("https://host/x", None),
            ("models:/m/1", None),
            ("C:\\x", None),
            (" s3://bucket", None),
        ] {
            assert_eq!(local_path(value).as_deref(), expected, "{value}");
        }
    }
}
