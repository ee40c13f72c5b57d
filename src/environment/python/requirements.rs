//! Requirements and lock files, read only as far as an environment's name needs it.
//!
//! The name is made of all lines that pip will read, those of the files that are named by `-r` and
//! `-c` too. Comments and the order do not change it. Source: `_parse_requirements` of MLflow 3's
//! `mlflow.utils.requirements_utils`.

use std::io;
use std::path::Path;

use super::python_env::python_repr;
use crate::environment::EnvironmentError;
use crate::environment::cache::sha1;
use crate::environment::environment_file::{RequirementLine, read_text, unreadable_hint};
use crate::project::{Location, SourceFile};
use crate::yaml::Position;

/// How deep files may name each other, so that two that do it in a circle are an error.
const MAX_DEPTH: usize = 100;

/// The file in which uv keeps the exact packages of a project.
pub(super) const LOCK_FILE: &str = "uv.lock";
/// The file that uv's lock file belongs to.
pub(super) const PROJECT_FILE: &str = "pyproject.toml";
/// The file in which uv finds the Python of a project.
const VERSION_FILE: &str = ".python-version";

/// A requirement, and whether it comes from a constraints file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Requirement {
    pub(super) line: RequirementLine,
    is_constraint: bool,
}

/// All requirements, those of the files that `-r` and `-c` name too.
pub(super) fn read_all(
    lines: &[RequirementLine],
    directory: &Path,
) -> Result<Vec<Requirement>, EnvironmentError> {
    let mut found = Vec::new();
    collect(lines.iter().cloned(), directory, false, 0, &mut found)?;
    Ok(found)
}

/// All requirements of a file, whose text was read already, and of the files that it names.
pub(super) fn read_file(path: &Path, text: &str) -> Result<Vec<Requirement>, EnvironmentError> {
    let directory = path.parent().unwrap_or(Path::new("."));
    let mut found = Vec::new();
    collect(lines_of(path, text).into_iter(), directory, false, 1, &mut found)?;
    Ok(found)
}

/// The text of all requirements for the environment's name.
pub(super) fn text_for_name(requirements: &[Requirement]) -> String {
    let mut pairs: Vec<(&str, bool)> = requirements
        .iter()
        .map(|requirement| (requirement.line.text.as_str(), requirement.is_constraint))
        .collect();
    // As Python orders the pair.
    pairs.sort_unstable();
    let texts = pairs.iter().map(|(line, is_constraint)| {
        format!(
            "_Requirement(req_str={}, is_constraint={})",
            python_repr(line),
            if *is_constraint { "True" } else { "False" }
        )
    });
    texts.collect()
}

fn collect(
    lines: impl Iterator<Item = RequirementLine>,
    directory: &Path,
    is_constraint: bool,
    depth: usize,
    found: &mut Vec<Requirement>,
) -> Result<(), EnvironmentError> {
    let stripped = lines.map(|mut line| {
        line.text = without_comment(line.text.trim_matches(is_python_space)).to_owned();
        line
    });
    for line in joined(stripped) {
        if line.text.is_empty() || line.text.starts_with('#') {
            continue;
        }
        match named_file(&line.text) {
            Some((file, is_constraint)) => {
                let path = directory.join(file);
                let lines =
                    read(&path, depth).map_err(|error| unreadable(&path, &error, line.place.clone()))?;
                let directory = path.parent().unwrap_or(directory);
                collect(lines.into_iter(), directory, is_constraint, depth + 1, found)?;
            }
            None => found.push(Requirement { line, is_constraint }),
        }
    }
    Ok(())
}

/// The lines of a requirements file.
fn read(path: &Path, depth: usize) -> io::Result<Vec<RequirementLine>> {
    if depth == MAX_DEPTH {
        return Err(io::Error::other("requirements files name each other in a circle"));
    }
    Ok(lines_of(path, &read_text(path)?))
}

fn lines_of(path: &Path, text: &str) -> Vec<RequirementLine> {
    let file = SourceFile::new(path, text);
    let lines = python_lines(text)
        .enumerate()
        .map(|(index, text)| RequirementLine {
            text: text.to_owned(),
            place: file.at(Position {
                line: index + 1,
                column: 1,
            }),
        });
    lines.collect()
}

fn unreadable(path: &Path, error: &io::Error, place: Location) -> EnvironmentError {
    let hint = match error.kind() {
        io::ErrorKind::NotFound => {
            "paths are relative to the project's directory, or to the file that has the line".to_owned()
        }
        _ => unreadable_hint(path, error),
    };
    let problem = format!("cannot read the requirements file '{}'", path.display());
    EnvironmentError::at(place, &problem, hint).caused_by(error.to_string())
}

/// The file that a line names, and whether it is one of constraints.
fn named_file(line: &str) -> Option<(&str, bool)> {
    [
        ("-r ", false),
        ("--requirement ", false),
        ("-c ", true),
        ("--constraint ", true),
    ]
    .into_iter()
    .find_map(|(option, is_constraint)| {
        let file = line.strip_prefix(option)?;
        Some((file.trim_start_matches(is_python_space), is_constraint))
    })
}

/// Joins lines that end with a backslash to those after them.
fn joined(lines: impl Iterator<Item = RequirementLine>) -> Vec<RequirementLine> {
    let mut whole = Vec::new();
    let mut unfinished: Option<RequirementLine> = None;
    for mut line in lines {
        if let Some(mut start) = unfinished.take() {
            start.text.push_str(&line.text);
            line = start;
        }
        if line.text.ends_with('\\') {
            line.text.truncate(line.text.trim_end_matches('\\').len());
            unfinished = Some(line);
        } else {
            whole.push(line);
        }
    }
    whole.extend(unfinished);
    whole
}

fn without_comment(line: &str) -> &str {
    match line.find(" #") {
        Some(start) => line[..start].trim_end_matches(is_python_space),
        None => line,
    }
}

/// What Python's `str.strip` takes for white space: Unicode's, and four control characters.
fn is_python_space(character: char) -> bool {
    character.is_whitespace() || ('\x1c'..='\x1f').contains(&character)
}

/// The lines as Python's `str.splitlines` finds them in text that has only `\n` for line ends.
fn python_lines(text: &str) -> impl Iterator<Item = &str> {
    let ends = [
        '\n', '\x0b', '\x0c', '\x1c', '\x1d', '\x1e', '\u{85}', '\u{2028}', '\u{2029}',
    ];
    text.split_terminator(ends)
}

/// Whether uv has locked the packages of a project: it has a lock file and what that belongs to.
pub(in crate::environment) fn is_locked(project: &Path) -> bool {
    project.join(LOCK_FILE).is_file() && project.join(PROJECT_FILE).is_file()
}

/// What tells the environments of different locks apart. `mlflow run` does not: it goes on with the packages
/// of an older lock.
pub(super) fn lock_identity(project: &Path) -> Result<String, EnvironmentError> {
    let mut contents = Vec::new();
    for file in [LOCK_FILE, VERSION_FILE] {
        let path = project.join(file);
        match std::fs::read(&path) {
            Ok(content) => contents.extend(content),
            Err(error) if file == VERSION_FILE && error.kind() == io::ErrorKind::NotFound => {}
            Err(error) => return Err(EnvironmentError::cache("read", path)(error)),
        }
    }
    Ok(sha1(&contents))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn files_are_followed_from_where_they_are() {
        let directory = tempfile::tempdir().unwrap();
        let root = directory.path();
        std::fs::create_dir(root.join("sub")).unwrap();
        for (name, text) in [
            ("a.txt", "one # comment\r\n# none\n\n  -r sub/b.txt\n"),
            ("sub/b.txt", "two \\\n  >=1\n-c c.txt"),
            ("sub/c.txt", "three#x\n"),
        ] {
            std::fs::write(root.join(name), text).unwrap();
        }
        let lines = python_env(&["zero", "-r a.txt"]);
        let found = read_all(&lines, root).unwrap();
        let found: Vec<_> = found
            .iter()
            .map(|Requirement { line, is_constraint }| {
                let file = line.place.file.path().file_name().unwrap().to_str().unwrap();
                (line.text.as_str(), *is_constraint, file, line.place.position.line)
            })
            .collect();
        let expected = [
            ("zero", false, "python_env.yaml", 1),
            ("one", false, "a.txt", 1),
            ("two >=1", false, "b.txt", 1),
            ("three#x", true, "c.txt", 1),
        ];
        assert_eq!(found, expected);
    }

    /// Lines of an environment file, one below the other.
    fn python_env(lines: &[&str]) -> Vec<RequirementLine> {
        let file = SourceFile::new("python_env.yaml", lines.join("\n"));
        let place = |index| Position {
            line: index + 1,
            column: 1,
        };
        let lines = lines.iter().enumerate();
        let line = |(index, text): (usize, &&str)| RequirementLine {
            text: (*text).to_owned(),
            place: file.at(place(index)),
        };
        lines.map(line).collect()
    }

    #[test]
    fn a_missing_file_and_a_circle_are_errors() {
        let directory = tempfile::tempdir().unwrap();
        std::fs::write(directory.path().join("circle.txt"), "\n-r circle.txt").unwrap();
        for (file, place) in [
            ("missing.txt", "python_env.yaml:1:1: "),
            ("circle.txt", "circle.txt:2:1: "),
        ] {
            let lines = python_env(&[&format!("-r {file}")]);
            let error = read_all(&lines, directory.path()).unwrap_err().to_string();
            assert!(error.contains(place) && error.contains("cannot read"), "{error}");
        }
    }
}
