//! Requirements and lock files, read only as far as an environment's name needs it.
//!
//! The name is made of all lines that pip will read, those of the files that are named by `-r` and
//! `-c` too. Comments and the order do not change it. Source: `_parse_requirements` of MLflow 3's
//! `mlflow.utils.requirements_utils`.

use std::io;
use std::path::Path;

use super::python_env::{PythonEnv, python_repr};
use super::requirement_line::{self, is_python_space, without_comment};
use crate::environment::EnvironmentError;
use crate::environment::cache::sha1;
use crate::environment::environment_file::{FileProblemKind, FileProblems, read_text, unreadable};
use crate::project::{Location, SourceFile};
use crate::yaml::Position;

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

/// A line and its position, if that is known.
type PlacedLine<'a> = (&'a str, Option<Location>);

/// The text of all requirements for the environment's name.
///
/// # Errors
/// A file or line that pip could not use.
pub(super) fn text_for_name(python_env: &PythonEnv, directory: &Path) -> Result<String, EnvironmentError> {
    let mut problems = FileProblems::default();
    let mut found = follow(python_env, directory, &mut problems);
    problems.check()?;
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

/// Adds the problems of the requirements files that an environment names.
pub(in crate::environment) fn add_problems(
    python_env: &PythonEnv,
    directory: &Path,
    problems: &mut FileProblems,
) {
    follow(python_env, directory, problems);
}

fn follow(python_env: &PythonEnv, directory: &Path, problems: &mut FileProblems) -> Vec<Requirement> {
    let mut places = python_env.places.iter().cloned();
    let lines = python_env.dependencies.iter().map(String::as_str);
    let lines: Vec<PlacedLine> = lines.map(|line| (line, places.next())).collect();
    let mut collector = Collector {
        found: Vec::new(),
        problems,
        is_over: false,
    };
    collector.lines(lines, directory, false, 0);
    collector.found
}

/// Collects the lines of requirements files.
struct Collector<'p> {
    found: Vec<Requirement>,
    problems: &'p mut FileProblems,
    /// Whether files name each other in a circle.
    is_over: bool,
}

impl Collector<'_> {
    fn lines<'a>(
        &mut self,
        lines: impl IntoIterator<Item = PlacedLine<'a>>,
        directory: &Path,
        is_constraint: bool,
        depth: usize,
    ) {
        let trimmed = lines
            .into_iter()
            .map(|(line, place)| (without_comment(line.trim_matches(is_python_space)), place));
        for (line, place) in joined(trimmed) {
            if self.is_over || line.is_empty() || line.starts_with('#') {
                continue;
            }
            if let Some((file, is_constraint)) = named_file(&line) {
                self.file(file, place, directory, is_constraint, depth);
                continue;
            }
            // The lines of the environment's own file were checked when it was read.
            if depth > 0
                && let (Err(bad), Some(place)) = (requirement_line::check(&line), place)
            {
                let error = EnvironmentError::at(place, &bad.problem, bad.hint);
                self.problems.add(FileProblemKind::Requirement, error);
            }
            self.found.push((line, is_constraint));
        }
    }

    fn file(
        &mut self,
        file: &str,
        place: Option<Location>,
        directory: &Path,
        is_constraint: bool,
        depth: usize,
    ) {
        let path = directory.join(file);
        let text = match depth {
            MAX_DEPTH => {
                self.is_over = true;
                Err(io::Error::other("requirements files name each other in a circle"))
            }
            _ => read_text(&path),
        };
        match text {
            Ok(text) => {
                let source = SourceFile::new(&path, text.as_str());
                let lines = python_lines(&text).enumerate().map(|(index, line)| {
                    let blanks = line.chars().take_while(|character| is_python_space(*character));
                    let place = source.at(Position {
                        line: index + 1,
                        column: blanks.count() + 1,
                    });
                    (line, Some(place))
                });
                let directory = path.parent().unwrap_or(directory);
                self.lines(lines, directory, is_constraint, depth + 1);
            }
            Err(error) => {
                let error = cannot_read(file, &path, place, error);
                self.problems.add(FileProblemKind::RequirementsFile, error);
            }
        }
    }
}

fn cannot_read(file: &str, path: &Path, place: Option<Location>, error: io::Error) -> EnvironmentError {
    let (problem, hint) = match error.kind() {
        io::ErrorKind::NotFound => (
            format!("the requirements file '{file}' does not exist"),
            "the path is relative to the project's directory, or to the requirements file that names it",
        ),
        io::ErrorKind::InvalidData => return unreadable(path, "the requirements file", error),
        _ => (
            format!("cannot read the requirements file '{}': {error}", path.display()),
            "",
        ),
    };
    match place {
        Some(place) => EnvironmentError::at(place, &problem, hint),
        None => EnvironmentError::new(problem, hint),
    }
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

/// Joins lines that end with a backslash to those after them; the position is the first line's.
fn joined<'a>(lines: impl Iterator<Item = PlacedLine<'a>>) -> Vec<(String, Option<Location>)> {
    let mut whole = Vec::new();
    let mut unfinished: Option<(String, Option<Location>)> = None;
    for (line, place) in lines {
        let (mut start, place) = unfinished.take().unwrap_or((String::new(), place));
        if line.ends_with('\\') {
            start.push_str(line.trim_end_matches('\\'));
            unfinished = Some((start, place));
        } else {
            start.push_str(line);
            whole.push((start, place));
        }
    }
    whole.extend(unfinished);
    whole
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

    fn environment(lines: &[&str]) -> PythonEnv {
        PythonEnv {
            dependencies: lines.iter().map(|line| (*line).to_owned()).collect(),
            ..PythonEnv::default()
        }
    }

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
        let mut problems = FileProblems::default();
        let found = follow(&environment(&["zero", "-r a.txt"]), root, &mut problems);
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
            let error = text_for_name(&environment(&[&line]), directory.path()).unwrap_err();
            assert!(error.to_string().contains(file), "{error}");
        }
    }
}
