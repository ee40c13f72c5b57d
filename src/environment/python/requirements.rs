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
use crate::environment::environment_file::{read_text, unreadable_hint};

/// How deep files may name each other, so that two that do it in a circle are an error.
const MAX_DEPTH: usize = 100;

/// The file in which uv keeps the exact packages of a project.
pub(super) const LOCK_FILE: &str = "uv.lock";
/// The file that uv's lock file belongs to.
const PROJECT_FILE: &str = "pyproject.toml";
/// The file in which uv finds the Python of a project.
const VERSION_FILE: &str = ".python-version";

/// One requirement, and whether it comes from a constraints file. Ordered as Python orders the pair.
type Requirement = (String, bool);

/// The text of all requirements for the environment's name.
pub(super) fn text_for_name(lines: &[String], directory: &Path) -> Result<String, EnvironmentError> {
    let mut found = Vec::new();
    collect(lines.iter().map(String::as_str), directory, false, 0, &mut found)?;
    found.sort();
    let texts = found.iter().map(|(line, is_constraint)| {
        format!(
            "_Requirement(req_str={}, is_constraint={})",
            python_repr(line),
            if *is_constraint { "True" } else { "False" }
        )
    });
    Ok(texts.collect())
}

fn collect<'a>(
    lines: impl Iterator<Item = &'a str>,
    directory: &Path,
    is_constraint: bool,
    depth: usize,
    found: &mut Vec<Requirement>,
) -> Result<(), EnvironmentError> {
    for line in joined(lines.map(|line| without_comment(line.trim_matches(is_python_space)))) {
        if line.is_empty() || line.starts_with('#') {
            continue;
        }
        match named_file(&line) {
            Some((file, is_constraint)) => {
                let path = directory.join(file);
                let text = read(&path, depth)?;
                let directory = path.parent().unwrap_or(directory);
                collect(python_lines(&text), directory, is_constraint, depth + 1, found)?;
            }
            None => found.push((line, is_constraint)),
        }
    }
    Ok(())
}

fn read(path: &Path, depth: usize) -> Result<String, EnvironmentError> {
    let text = match depth {
        MAX_DEPTH => Err(io::Error::other("requirements files name each other in a circle")),
        _ => read_text(path),
    };
    text.map_err(|error| {
        let hint = match error.kind() {
            io::ErrorKind::NotFound => {
                "name it relative to the project's directory, or to that of the file that names it".to_owned()
            }
            _ => unreadable_hint(path, &error),
        };
        let message = format!("cannot read the requirements file '{}'", path.display());
        EnvironmentError::new(message, hint).caused_by(error)
    })
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
fn joined<'a>(lines: impl Iterator<Item = &'a str>) -> Vec<String> {
    let mut whole = Vec::new();
    let mut unfinished: Option<String> = None;
    for line in lines {
        let mut start = unfinished.take().unwrap_or_default();
        if line.ends_with('\\') {
            start.push_str(line.trim_end_matches('\\'));
            unfinished = Some(start);
        } else {
            start.push_str(line);
            whole.push(start);
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
        let expected = [
            ("zero", false),
            ("one", false),
            ("two >=1", false),
            ("three#x", true),
        ];
        let mut found = Vec::new();
        collect(["zero", "-r a.txt"].into_iter(), root, false, 0, &mut found).unwrap();
        assert_eq!(
            found,
            expected.map(|(line, is_constraint)| (line.to_owned(), is_constraint))
        );
    }

    #[test]
    fn a_missing_file_and_a_circle_are_errors() {
        let directory = tempfile::tempdir().unwrap();
        std::fs::write(directory.path().join("circle.txt"), "-r circle.txt").unwrap();
        for file in ["missing.txt", "circle.txt"] {
            let line = format!("-r {file}");
            let error = text_for_name(&[line], directory.path()).unwrap_err();
            assert!(error.to_string().contains(file), "{error}");
        }
    }
}
