//! Finds mistakes in a project's files: what a run refuses, and what does not do what it seems to.
//!
//! The rules look at the YAML itself, so that one mistake does not hide the others. What a run refuses is reported in
//! the run's own words, by the readers that the run uses.

mod commands;
mod docker;
mod document;
mod environment;
mod files;
mod finding;
mod keys;
mod values;

use std::path::{Path, PathBuf};

pub(crate) use docker::looks_secret;
pub(crate) use finding::Finding;
pub use finding::{Code, Severity};

use crate::project::{Project, ProjectError, ProjectProblem, find_file};
use document::Document;

/// A rule: looks at a file and adds what it finds.
type Rule = fn(&Document, &mut Vec<Finding>);

const RULES: [Rule; 16] = [
    keys::unknown_keys,
    keys::repeated_keys,
    commands::missing_commands,
    commands::placeholders,
    commands::folded_backslashes,
    commands::split_commands,
    commands::cut_commands,
    commands::trailing_newlines,
    values::parameter_names,
    values::types,
    values::defaults,
    values::path_defaults,
    values::respelt_values,
    docker::names,
    docker::settings,
    docker::secrets,
];

/// Checks the project in a directory. The findings are in the order of their positions, those in the MLproject file
/// first.
///
/// # Errors
/// The directory cannot be read.
pub fn check(directory: &Path) -> Result<Vec<Finding>, ProjectError> {
    let loaded = Project::load(directory);
    if let Err(error) = &loaded
        && matches!(error.problem(), ProjectProblem::Read { path, .. } if path == directory)
    {
        return loaded.map(|_| Vec::new());
    }
    let mut findings = Vec::new();
    files::check(directory, &mut findings);
    let document = Document::read(directory);
    if let Some(document) = &document {
        for rule in RULES {
            rule(document, &mut findings);
        }
        environment::missing_files(document, &mut findings);
    }
    let refused = match &loaded {
        Ok(project) => project.nothing_to_run(),
        Err(_) => None,
    };
    // What keeps the project from being read or run, unless a rule has said it.
    for error in loaded.as_ref().err().into_iter().chain(&refused) {
        let finding = Finding::of_error(error);
        let says_it = |other: &Finding| {
            let is_same = other.code == finding.code && other.message == finding.message;
            is_same || finding.code == Code::MissingMlproject && other.code == Code::MisnamedFile
        };
        if !findings.iter().any(says_it) {
            findings.push(finding);
        }
    }
    findings.sort_by_key(|finding| finding.location.as_ref().map(|location| location.position));
    environment::check(loaded.as_ref().ok(), document.as_ref(), directory, &mut findings);
    Ok(findings)
}

/// The files that [`check`] reads, without requirements files.
pub(crate) fn checked_files(directory: &Path) -> Vec<PathBuf> {
    let mlproject = find_file(directory).ok().and_then(|found| found.file);
    let project = Project::load(directory).ok();
    let environment = project.and_then(|project| environment::file(&project.environment).cloned());
    mlproject.into_iter().chain(environment).collect()
}

#[cfg(test)]
mod tests;
