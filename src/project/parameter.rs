//! Declared parameters: types, defaults and the values for a run.

use std::path::Path;

use super::error::{ProjectError, ProjectProblem};
use super::location::Location;
use super::number::is_float;
use crate::python_paths::{abspath, split_scheme, unquote};

/// A declared parameter.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Parameter {
    pub name: String,
    pub parameter_type: ParameterType,
    /// The default, as Python's `str()` prints it.
    pub default: Option<String>,
    pub description: Option<String>,
    pub location: Location,
    pub default_location: Option<Location>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ParameterType {
    /// Any text; the default type.
    String,
    /// A number.
    Float,
    /// A local file or directory; remote ones are downloaded.
    Path,
    /// A URI; a relative path becomes absolute.
    Uri,
    /// A type that MLflow does not know: any text.
    Other(String),
}

impl ParameterType {
    /// The type of this name.
    pub(super) fn from_word(word: String) -> Self {
        match word.as_str() {
            "string" | "" => Self::String,
            "float" => Self::Float,
            "path" => Self::Path,
            "uri" => Self::Uri,
            _ => Self::Other(word),
        }
    }

    /// The type's name in an MLproject file.
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
    /// The caller's directory, from which relative paths start (not the project's). Absolute.
    pub directory: &'a Path,
    /// Whether the command runs on another machine: paths then stay as they are.
    pub is_elsewhere: bool,
}

/// The values of all parameters of a run.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ResolvedParameters {
    /// In the order of their declaration.
    pub declared: Vec<ResolvedParameter>,
    /// Undeclared names and values, in the order in which they were given.
    pub extra: Vec<(String, String)>,
}

/// The value of a declared parameter.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ResolvedParameter {
    pub name: String,
    /// The value to record, as it was given or declared.
    pub logged: String,
    pub value: ParameterValue,
}

/// A value for the command, before quoting.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ParameterValue {
    Text(String),
    /// A file or directory to download; its local path then replaces this value.
    Download {
        uri: String,
        /// The index of the declared parameter.
        position: usize,
    },
}

impl ParameterValue {
    /// The text for the command, or the URI of data that is not downloaded.
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
    is_default: bool,
}

impl Parameter {
    /// The description in one line.
    pub fn short_description(&self) -> Option<String> {
        let words = self.description.as_ref()?.split_whitespace();
        Some(words.collect::<Vec<_>>().join(" "))
    }

    /// Checks a given value, or the default, and converts it for the command.
    pub(super) fn resolve(
        &self,
        given: Option<&str>,
        entry_point: &str,
        position: usize,
        context: ParameterContext<'_>,
    ) -> Result<ResolvedParameter, ProjectError> {
        let value = given.or(self.default.as_deref()).unwrap_or_default();
        let origin = Origin {
            parameter: self,
            entry_point,
            is_default: given.is_none(),
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
            is_default: self.is_default,
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

    /// The absolute local path; `None` for a remote URI.
    fn path(&self, value: &str, directory: &Path) -> Result<Option<String>, ProjectError> {
        let Some(decoded) = local_path(value) else {
            return Ok(None);
        };
        self.check_not_empty(&decoded, "a path")?;
        // MLflow decodes percent signs even in plain file names.
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
                is_default: self.is_default,
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
            is_default: self.is_default,
        }))
    }

    fn error(&self, problem: impl FnOnce(String, String) -> ProjectProblem) -> ProjectError {
        let problem = problem(self.parameter.name.clone(), self.entry_point.to_owned());
        let default = self
            .parameter
            .default_location
            .as_ref()
            .filter(|_| self.is_default);
        let location = default.unwrap_or(&self.parameter.location);
        ProjectError::at(location.clone(), problem)
    }
}

fn absolute(directory: &Path, path: &str) -> String {
    abspath(directory, path).to_string_lossy().into_owned()
}

/// The local path in a value, as MLflow's `get_local_path_or_none` reads it: a value without a scheme, or a `file:` URI
/// without a host or with `localhost`. Percent signs are decoded in both.
pub(crate) fn local_path(value: &str) -> Option<String> {
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

/// The value without leading blanks and control characters, which Python's `urlsplit` ignores.
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
