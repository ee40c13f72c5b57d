//! An entry point with the parameters of a run: the shell command.

use std::borrow::Cow;
use std::collections::{HashMap, HashSet};

use super::error::{MOST_COMPARED, NAMES_SHOWN, ProjectError, ProjectProblem};
use super::location::Location;
use super::parameter::{Parameter, ParameterContext, ResolvedParameters};
use super::parameter_name::{NameProblem, without_blanks};
use super::template::{TemplateError, format_template};
use crate::nearest::nearest;

/// A command of a project that a run can start, and the parameters that it takes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct EntryPoint {
    /// The name; of a script that no file declares, its path.
    pub name: String,
    /// The declared parameters, in the order of their declaration.
    pub parameters: Vec<Parameter>,
    /// The command as the file has it, in Python's format syntax.
    pub command: Option<String>,
    pub command_location: Option<Location>,
    pub location: Option<Location>,
}

impl EntryPoint {
    /// An entry point that is a script of the project, run by this command.
    pub(super) fn script(name: &str, command: &str) -> Self {
        Self {
            name: name.to_owned(),
            parameters: Vec::new(),
            // The script's name is no template.
            command: Some(command.replace('{', "{{").replace('}', "}}")),
            command_location: None,
            location: None,
        }
    }

    /// Checks the given values, each name once, and completes them with the defaults.
    ///
    /// Looks for the files that `path` parameters name, and creates nothing. What it returns can be
    /// put into the command.
    ///
    /// # Errors
    /// Missing or unfit values, and a command that its parameters cannot be put into.
    pub fn resolve(
        &self,
        given: &[(String, String)],
        context: ParameterContext<'_>,
    ) -> Result<ResolvedParameters, ProjectError> {
        let declared: HashSet<&str> = self.parameters.iter().map(|one| one.name.as_str()).collect();
        let extra = given.iter().filter(|(name, _)| !declared.contains(name.as_str()));
        let extra: Vec<(String, String)> = extra.cloned().collect();
        self.check_names(&extra)?;
        let values: HashMap<&str, &str> = given
            .iter()
            .map(|(name, value)| (name.as_str(), value.as_str()))
            .collect();
        self.check_none_missing(&values, &extra)?;
        let resolve = |(position, parameter): (usize, &Parameter)| {
            let value = values.get(parameter.name.as_str()).copied();
            parameter.resolve(value, &self.name, position, context)
        };
        let declared: Result<_, _> = self.parameters.iter().enumerate().map(resolve).collect();
        let resolved = ResolvedParameters {
            declared: declared?,
            extra,
        };
        self.command(&resolved)?;
        Ok(resolved)
    }

    /// Refuses undeclared parameters with names that nobody means.
    fn check_names(&self, extra: &[(String, String)]) -> Result<(), ProjectError> {
        for (name, value) in extra {
            if let Some(problem) = NameProblem::of(name) {
                return Err(ProjectError::new(ProjectProblem::ParameterName {
                    name: name.clone(),
                    problem,
                    declared: self.parameter_names(),
                    instead: without_blanks("-P", name, Some(value)),
                }));
            }
        }
        Ok(())
    }

    /// Refuses parameters that are not declared.
    ///
    /// # Errors
    /// Some of the given ones are not.
    pub(crate) fn refuse_undeclared(&self, given: &[(String, String)]) -> Result<(), ProjectError> {
        let declared = self.parameter_names();
        let known: HashSet<&String> = declared.iter().collect();
        let names = given
            .iter()
            .map(|(name, _)| name)
            .filter(|name| !known.contains(name));
        let names: Vec<String> = names.cloned().collect();
        if names.is_empty() {
            return Ok(());
        }
        Err(ProjectError::at(
            self.location.clone(),
            ProjectProblem::UndeclaredParameters {
                entry_point: self.name.clone(),
                names,
                declared,
            },
        ))
    }

    /// Warnings about undeclared parameters that are near a declared one that keeps its default: they may be
    /// mistyped.
    pub(crate) fn mistyped(&self, given: &[(String, String)], extra: &[(String, String)]) -> Vec<String> {
        if extra.is_empty() {
            return Vec::new();
        }
        let given: HashSet<&str> = given.iter().map(|(name, _)| name.as_str()).collect();
        let declared = self.parameters.iter().map(|parameter| parameter.name.as_str());
        let free: Vec<&str> = declared
            .filter(|name| !given.contains(name))
            .take(MOST_COMPARED)
            .collect();
        let mistyped = extra.iter().take(NAMES_SHOWN).filter_map(|(name, _)| {
            let near = nearest(name, free.iter().copied())?;
            Some(format!(
                "entry point '{}' does not declare parameter '{name}' (passed on as --{name}); did you mean '{near}'?",
                self.name
            ))
        });
        mistyped.collect()
    }

    fn check_none_missing(
        &self,
        values: &HashMap<&str, &str>,
        extra: &[(String, String)],
    ) -> Result<(), ProjectError> {
        let is_missing = |parameter: &&Parameter| {
            parameter.default.is_none() && !values.contains_key(parameter.name.as_str())
        };
        let missing: Vec<&Parameter> = self.parameters.iter().filter(is_missing).collect();
        let Some(first) = missing.first() else {
            return Ok(());
        };
        let problem = ProjectProblem::MissingParameters {
            names: missing.iter().map(|parameter| parameter.name.clone()).collect(),
            undeclared: extra.iter().map(|(name, _)| name.clone()).collect(),
        };
        Err(ProjectError::at(first.location.clone(), problem))
    }

    fn parameter_names(&self) -> Vec<String> {
        self.parameters
            .iter()
            .map(|parameter| parameter.name.clone())
            .collect()
    }

    /// The command line for the shell: the command with the quoted values of the declared parameters
    /// in it and the others after it. A value that is still to be downloaded stands in it as its URI.
    ///
    /// # Errors
    /// A missing command, or one that the values cannot be put into.
    pub fn command(&self, parameters: &ResolvedParameters) -> Result<String, ProjectError> {
        let Some(template) = &self.command else {
            let entry_point = self.name.clone();
            return Err(ProjectError::at(
                self.location.clone(),
                ProjectProblem::CommandMissing { entry_point },
            ));
        };
        let values = parameters.declared.iter().map(|parameter| {
            let value = quote(parameter.value.text()).into_owned();
            (parameter.name.as_str(), value)
        });
        let values: Vec<(&str, String)> = values.collect();
        let mut command = format_template(without_last_newlines(template), &values)
            .map_err(|error| self.template_error(template, error))?;
        for (name, value) in &parameters.extra {
            command.push_str(&format!(" --{} {}", quote(name), quote(value)));
        }
        Ok(command)
    }

    fn template_error(&self, template: &str, error: TemplateError) -> ProjectError {
        let is_shell_variable = match &error {
            TemplateError::UnknownName { field, .. } | TemplateError::Positional { field } => {
                template.contains(&format!("${{{field}}}"))
            }
            _ => false,
        };
        let problem = ProjectProblem::Template {
            entry_point: self.name.clone(),
            error,
            is_shell_variable,
            declared: self.parameter_names(),
        };
        ProjectError::at(self.command_location.clone(), problem)
    }
}

/// The command without the newlines that a YAML block ends with, after which further parameters
/// would be a command of their own. One after a backslash stays, since the two continue the line.
fn without_last_newlines(command: &str) -> &str {
    let trimmed = command.trim_end_matches('\n');
    let backslashes = trimmed.bytes().rev().take_while(|&byte| byte == b'\\').count();
    if command.len() > trimmed.len() && backslashes % 2 == 1 {
        &command[..trimmed.len() + 1]
    } else {
        trimmed
    }
}

/// The word as a POSIX shell reads it back unchanged, quoted exactly as by Python's `shlex.quote`.
///
/// Only ASCII letters, digits and a few harmless signs stay bare; everything else, also a letter
/// such as `ü`, puts the whole word into single quotes.
pub(crate) fn quote(word: &str) -> Cow<'_, str> {
    let is_safe = |byte: u8| byte.is_ascii_alphanumeric() || b"_@%+=:,./-".contains(&byte);
    if word.is_empty() {
        Cow::Borrowed("''")
    } else if word.bytes().all(is_safe) {
        Cow::Borrowed(word)
    } else {
        Cow::Owned(format!("'{}'", word.replace('\'', r#"'"'"'"#)))
    }
}
