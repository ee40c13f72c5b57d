//! Files: the MLproject file itself, and those that it names.

use std::path::Path;

use super::document::Document;
use super::{Code, Finding};
use crate::project::{FILE_NAME, SourceFile, find_file};
use crate::yaml::{self, Node, Position};

/// Whether the file has its name, is the only one, and says something.
pub(super) fn look(directory: &Path, findings: &mut Vec<Finding>) {
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
pub(super) fn missing_environment(document: &Document, directory: &Path, findings: &mut Vec<Finding>) {
    for key in ["python_env", "conda_env"] {
        let node = document.top().get(key);
        let Some((node, path)) = node.and_then(|node: &Node| Some((node, node.as_str()?))) else {
            continue;
        };
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
