//! Remarks on an MLproject file: what will fail, and what is hardly meant as it is written.
//!
//! A run is not kept from anything by them: `mlrun inspect` shows them and `mlrun lint` counts them.
//! An *error* is what `mlrun run` would refuse, a *warning* is what runs but does something else than it
//! looks like, a *note* is worth knowing. The rules look at the YAML itself, so that one mistake does
//! not hide the others.

mod code;
mod commands;
mod docker;
mod document;
mod files;
mod finding;
mod keys;
mod secrets;
mod values;

use std::path::Path;

pub use code::{Code, Severity};
pub(crate) use finding::Finding;
pub(crate) use secrets::looks_secret;

use crate::project::{Part, Project, ProjectError, ProjectProblem};
use document::Document;

/// A rule: looks at a file and adds what it finds.
type Rule = fn(&Document, &mut Vec<Finding>);

const RULES: [Rule; 12] = [
    keys::unknown_keys,
    keys::repeated_keys,
    commands::missing_commands,
    commands::placeholders,
    commands::folded_backslashes,
    commands::split_commands,
    commands::trailing_newlines,
    values::types,
    values::defaults,
    values::respelt_values,
    docker::names,
    docker::secrets,
];

/// Checks the project in a directory. The findings come in the order of their places.
///
/// # Errors
/// The directory cannot be read.
pub fn check(directory: &Path) -> Result<Vec<Finding>, ProjectError> {
    let problem = match Project::load(directory) {
        Err(error) if matches!(error.problem(), ProjectProblem::Read { path, .. } if path == directory) => {
            return Err(error);
        }
        loaded => loaded.err(),
    };
    let mut findings = Vec::new();
    files::look(directory, &mut findings);
    if let Some(document) = Document::read(directory) {
        for rule in RULES {
            rule(&document, &mut findings);
        }
        files::missing_environment(&document, directory, &mut findings);
    }
    // What keeps the project from being read at all, unless a rule has said it.
    if let Some(error) = problem {
        let finding = of_error(&error);
        let is_said = |other: &Finding| other.code == finding.code && other.location == finding.location;
        if !findings.iter().any(is_said) {
            findings.push(finding);
        }
    }
    findings.sort_by_key(|finding| finding.location.as_ref().map(|location| location.position));
    Ok(findings)
}

fn of_error(error: &ProjectError) -> Finding {
    let code = match error.problem() {
        ProjectProblem::Read { .. } => Code::UnreadableFile,
        ProjectProblem::Yaml { .. } => Code::InvalidYaml,
        ProjectProblem::NameCollision { .. } => Code::NameCollision,
        ProjectProblem::SeveralEnvironments { .. } => Code::SeveralEnvironments,
        ProjectProblem::EnvironmentFileMissing { .. } => Code::MissingEnvironmentFile,
        _ => Code::InvalidValue,
    };
    let message = match error.problem() {
        ProjectProblem::Yaml { error, .. } => error.message.to_string(),
        ProjectProblem::Read { source, .. } => format!("{error}: {source}"),
        _ => error.to_string(),
    };
    Finding {
        code,
        message,
        location: error.location().cloned(),
        hint: error.hint(),
        entry_point: entry_point_of(error.problem()).map(str::to_owned),
    }
}

/// The entry point that keeps the project from being read.
fn entry_point_of(problem: &ProjectProblem) -> Option<&str> {
    let (ProjectProblem::WrongKind { part, .. } | ProjectProblem::NameCollision { part, .. }) = problem
    else {
        return None;
    };
    match part {
        Part::EntryPoint(entry_point) | Part::Command(entry_point) | Part::Parameters(entry_point) => {
            Some(entry_point)
        }
        Part::Parameter { entry_point, .. } => Some(entry_point),
        _ => None,
    }
}

#[cfg(test)]
mod tests;
