//! Remarks on an MLproject file: what will fail, and what is hardly meant as it is written.
//!
//! A run is not kept from anything by them: `mlrun inspect` shows them and `mlrun lint` counts them.
//! An *error* is what `mlrun run` would refuse, a *warning* is what runs but does something else than it
//! looks like, a *note* is worth knowing. The rules look at the YAML itself, so that one mistake does
//! not hide the others.

mod commands;
mod docker;
mod document;
mod finding;
mod keys;
mod values;

use std::path::Path;

pub(crate) use docker::looks_secret;
pub(crate) use finding::Finding;
pub use finding::{Code, Severity};

use crate::project::{FILE_NAME, Part, Project, ProjectError, ProjectProblem, SourceFile, find_file};
use crate::yaml::{self, Position};
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
    look_at_files(directory, &mut findings);
    if let Some(document) = Document::read(directory) {
        for rule in RULES {
            rule(&document, &mut findings);
        }
        missing_environment(&document, directory, &mut findings);
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

/// Whether the file has its name, is the only one, and says something.
fn look_at_files(directory: &Path, findings: &mut Vec<Finding>) {
    let Ok(found) = find_file(directory) else { return };
    let Some(file) = found.file else {
        findings.extend(found.misnamed.map(|misnamed| {
            let message = format!("{misnamed} is not read: the file's name must be {FILE_NAME}");
            Finding::new(Code::MisnamedFile, None, message).hint(format!("rename it to {FILE_NAME}"))
        }));
        return;
    };
    let name = file.file_name().unwrap_or_default().display().to_string();
    for other in candidates(directory) {
        if other != name {
            let message = format!("{name} is read, {other} beside it is not");
            findings.push(Finding::new(Code::IgnoredFile, None, message).hint("keep one of them"));
        }
    }
    let text = std::fs::read(&file).unwrap_or_default();
    if yaml::parse(&text).is_ok_and(|root| root.is_null()) {
        let location = SourceFile::new(file, text).at(Position { line: 1, column: 1 });
        let message = format!("{name} is empty: the project is taken for one without it");
        findings.push(
            Finding::new(Code::EmptyFile, location, message).hint("declare entry points in it, or remove it"),
        );
    }
}

/// Files of environments that do not exist.
fn missing_environment(document: &Document, directory: &Path, findings: &mut Vec<Finding>) {
    for key in ["python_env", "conda_env"] {
        let Some(node) = document.top().get(key) else {
            continue;
        };
        let path = node.as_str().unwrap_or_default();
        if !path.is_empty() && !directory.join(path).exists() {
            let message = format!("{key} names the file {path}, which does not exist");
            findings.push(
                Finding::new(Code::MissingEnvironmentFile, document.location(node), message)
                    .hint("the path is relative to the project's directory"),
            );
        }
    }
}

/// The names in the directory that could be meant for the MLproject file, sorted.
fn candidates(directory: &Path) -> Vec<String> {
    let entries = std::fs::read_dir(directory).into_iter().flatten();
    let is_candidate = |name: &String| {
        ["mlproject", "mlproject.yaml", "mlproject.yml"].contains(&name.to_ascii_lowercase().as_str())
    };
    let mut names: Vec<String> = entries
        .filter_map(|entry| entry.ok()?.file_name().into_string().ok())
        .filter(is_candidate)
        .filter(|name| directory.join(name).is_file())
        .collect();
    names.sort();
    names
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
