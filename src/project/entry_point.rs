//! An entry point with the parameters of a run: the shell command.

use std::collections::{HashMap, HashSet};

use super::error::{ProjectError, ProjectProblem};
use super::location::Location;
use super::parameter::{Parameter, ParameterContext, ResolvedParameters};
use super::parameter_name::{NameProblem, without_blanks};
use super::quote::quote;
use super::template::{TemplateError, format_template};

/// A command of a project that a run can start, and the parameters that it takes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct EntryPoint {
    /// The name; of a script that no file declares, its path.
    pub name: String,
    /// The declared parameters, in the order of their declaration.
    pub parameters: Vec<Parameter>,
    /// The command as the file has it, in Python's format syntax.
    pub command: Option<String>,
    /// Where the command stands.
    pub command_location: Option<Location>,
    /// Where the entry point is declared.
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
        let declared: HashSet<&str> = self
            .parameters
            .iter()
            .map(|parameter| parameter.name.as_str())
            .collect();
        let extra: Vec<(String, String)> = given
            .iter()
            .filter(|(name, _)| !declared.contains(name.as_str()))
            .cloned()
            .collect();
        let blank = extra
            .iter()
            .find_map(|(name, value)| Some((name, value, NameProblem::of(name)?)));
        if let Some((name, value, problem)) = blank {
            let (name, instead) = (name.clone(), without_blanks("-P", name, Some(value)));
            let declared = self
                .parameters
                .iter()
                .map(|parameter| parameter.name.clone())
                .collect();
            return Err(ProjectError::new(ProjectProblem::ParameterName {
                name,
                problem,
                declared,
                instead,
            }));
        }
        let values: HashMap<&str, &str> = given
            .iter()
            .map(|(name, value)| (name.as_str(), value.as_str()))
            .collect();
        let value_of = |name: &str| values.get(name).copied();
        let missing: Vec<&Parameter> = self
            .parameters
            .iter()
            .filter(|parameter| parameter.default.is_none() && value_of(&parameter.name).is_none())
            .collect();
        if let Some(first) = missing.first() {
            let problem = ProjectProblem::MissingParameters {
                names: missing.iter().map(|parameter| parameter.name.clone()).collect(),
                undeclared: extra.into_iter().map(|(name, _)| name).collect(),
            };
            return Err(ProjectError::at(first.location.clone(), problem));
        }
        let declared = self
            .parameters
            .iter()
            .enumerate()
            .map(|(position, parameter)| {
                parameter.resolve(value_of(&parameter.name), &self.name, position, context)
            })
            .collect::<Result<_, _>>()?;
        let resolved = ResolvedParameters { declared, extra };
        self.command(&resolved)?;
        Ok(resolved)
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
        let values: Vec<(&str, String)> = parameters
            .declared
            .iter()
            .map(|parameter| {
                (
                    parameter.name.as_str(),
                    quote(parameter.value.text()).into_owned(),
                )
            })
            .collect();
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
            declared: self
                .parameters
                .iter()
                .map(|parameter| parameter.name.clone())
                .collect(),
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
