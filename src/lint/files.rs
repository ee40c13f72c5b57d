//! The MLproject file itself: its name, other files that could be meant, an empty file.

use std::path::Path;

use super::{Code, Finding};
use crate::project::{FILE_NAME, Misplaced, SourceFile, find_file};
use crate::yaml::{self, Position};

/// Finds a misnamed file, a second file, and an empty one.
pub(super) fn check(directory: &Path, findings: &mut Vec<Finding>) {
    let Ok(found) = find_file(directory) else { return };
    let Some(file) = found.file else {
        findings.extend(found.misnamed.map(|misnamed| {
            let message = format!("ignoring {misnamed}: the file's name must be {FILE_NAME}");
            Finding::new(Code::MisnamedFile, None, message).hint(Misplaced::Misnamed(misnamed).hint())
        }));
        return;
    };
    let name = file.file_name().unwrap_or_default().display().to_string();
    for other in candidates(directory) {
        if other != name {
            let message = format!("ignoring {other}: {name} is the project's file");
            findings.push(Finding::new(Code::IgnoredFile, None, message).hint("keep one of them"));
        }
    }
    let text = std::fs::read(&file).unwrap_or_default();
    if yaml::parse(&text).is_ok_and(|root| root.is_null()) {
        let location = SourceFile::new(file, text).at(Position { line: 1, column: 1 });
        let message = format!("{name} is empty; ignoring it");
        findings.push(
            Finding::new(Code::EmptyFile, location, message).hint("declare entry points in it, or remove it"),
        );
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
