//! An entry point, and the shell command that it becomes with the parameters of a run.

use std::collections::{HashMap, HashSet};

use super::error::{MOST_COMPARED, MistypedKey, NAMES_SHOWN, ProjectError, ProjectProblem};
use super::location::{Location, WrittenText};
use super::parameter::{Parameter, ParameterContext, ResolvedParameters};
use super::parameter_name::{NameProblem, without_blanks};
use super::quote::quote;
use super::template::{TemplateError, format_template};
use crate::nearest::nearest;

/// A command of a project, and its parameters.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct EntryPoint {
    /// The name; for an undeclared script, its path.
    pub name: String,
    /// The declared parameters, in the order of their declaration.
    pub parameters: Vec<Parameter>,
    /// The command as the file has it, in Python's format syntax.
    pub command: Option<String>,
    pub command_text: Option<WrittenText>,
    pub location: Option<Location>,
    /// A key that may be meant for the missing command.
    pub(super) mistyped_command: Option<MistypedKey>,
}

impl EntryPoint {
    /// An entry point that is a script of the project, run by this command.
    pub(super) fn script(name: &str, command: &str) -> Self {
        Self {
            name: name.to_owned(),
            parameters: Vec::new(),
            // The script's name may contain braces.
            command: Some(command.replace('{', "{{").replace('}', "}}")),
            command_text: None,
            location: None,
            mistyped_command: None,
        }
    }

    /// Checks the given values, each name once, and adds the defaults. Creates nothing, but looks for the files that
    /// `path` parameters name.
    ///
    /// # Errors
    /// Missing or invalid values, and a command that cannot be filled in.
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

    /// Refuses undeclared parameters whose names cannot be meant.
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
    /// in it and the others after it. Data that is not downloaded yet appears as its URI.
    ///
    /// # Errors
    /// The command is missing or cannot be filled in.
    pub fn command(&self, parameters: &ResolvedParameters) -> Result<String, ProjectError> {
        let Some(template) = &self.command else {
            let problem = ProjectProblem::CommandMissing {
                entry_point: self.name.clone(),
                mistyped: self.mistyped_command.clone(),
            };
            return Err(ProjectError::at(self.location.clone(), problem));
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
        let place = self.command_text.as_ref();
        ProjectError::of_template(&self.name, template, error, self.parameter_names(), place)
    }
}

impl ProjectError {
    /// The error for a command that cannot be filled in, at the placeholder.
    pub(crate) fn of_template(
        entry_point: &str,
        template: &str,
        error: TemplateError,
        declared: Vec<String>,
        place: Option<&WrittenText>,
    ) -> Self {
        let is_shell_variable = match &error {
            TemplateError::UnknownName { field, .. } | TemplateError::Positional { field } => {
                template.contains(&format!("${{{field}}}"))
            }
            _ => false,
        };
        let location = place.map(|place| place.place_of(&error.beginning()));
        let problem = ProjectProblem::Template {
            entry_point: entry_point.to_owned(),
            error,
            is_shell_variable,
            declared,
        };
        Self::at(location, problem)
    }
}

/// The command without the newlines at the end of a YAML block: parameters added after them would be a separate
/// command. A newline after a backslash stays, since it continues the line.
fn without_last_newlines(command: &str) -> &str {
    let trimmed = command.trim_end_matches('\n');
    let backslashes = trimmed.bytes().rev().take_while(|&byte| byte == b'\\').count();
    if command.len() > trimmed.len() && backslashes % 2 == 1 {
        &command[..trimmed.len() + 1]
    } else {
        trimmed
    }
}
