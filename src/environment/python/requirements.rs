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
use crate::environment::environment_file::{
    FileProblemKind, FileProblems, RequirementLine, read_text, unreadable,
};
use crate::project::SourceFile;
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
///
/// # Errors
/// A file or line that pip could not use.
pub(super) fn read_all(
    lines: &[RequirementLine],
    directory: &Path,
) -> Result<Vec<Requirement>, EnvironmentError> {
    let mut problems = FileProblems::default();
    let found = follow(lines, directory, &mut problems);
    problems.check().map(|()| found)
}

/// All requirements of a file, whose text was read already, and of the files that it names.
///
/// # Errors
/// A file or line that pip could not use.
pub(super) fn read_file(path: &Path, text: &str) -> Result<Vec<Requirement>, EnvironmentError> {
    let mut problems = FileProblems::default();
    let mut collector = Collector::new(&mut problems);
    let directory = path.parent().unwrap_or(Path::new("."));
    collector.lines(lines_of(path, text), directory, false, 1);
    let found = collector.found;
    problems.check().map(|()| found)
}

/// Adds the problems of the requirements files that an environment names.
pub(in crate::environment) fn add_problems(
    python_env: &PythonEnv,
    directory: &Path,
    problems: &mut FileProblems,
) {
    follow(&python_env.dependencies, directory, problems);
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

fn follow(lines: &[RequirementLine], directory: &Path, problems: &mut FileProblems) -> Vec<Requirement> {
    let mut collector = Collector::new(problems);
    collector.lines(lines.iter().cloned(), directory, false, 0);
    collector.found
}

/// Collects the lines of requirements files.
struct Collector<'p> {
    found: Vec<Requirement>,
    problems: &'p mut FileProblems,
    /// Whether files name each other in a circle.
    is_over: bool,
}

impl<'p> Collector<'p> {
    fn new(problems: &'p mut FileProblems) -> Self {
        Self {
            found: Vec::new(),
            problems,
            is_over: false,
        }
    }

    fn lines(
        &mut self,
        lines: impl IntoIterator<Item = RequirementLine>,
        directory: &Path,
        is_constraint: bool,
        depth: usize,
    ) {
        let trimmed = lines.into_iter().map(|mut line| {
            line.text = without_comment(line.text.trim_matches(is_python_space)).to_owned();
            line
        });
        for line in joined(trimmed) {
            if self.is_over || line.text.is_empty() || line.text.starts_with('#') {
                continue;
            }
            if let Some((file, is_constraint)) = named_file(&line.text) {
                self.file(file, &line, directory, is_constraint, depth);
                continue;
            }
            // The lines of the environment's own file were checked when it was read.
            if depth > 0 {
                requirement_line::check(&line, self.problems);
            }
            self.found.push(Requirement { line, is_constraint });
        }
    }

    /// Follows a line that names a file.
    fn file(
        &mut self,
        file: &str,
        line: &RequirementLine,
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
                let directory = path.parent().unwrap_or(directory);
                self.lines(lines_of(&path, &text), directory, is_constraint, depth + 1);
            }
            Err(error) => {
                let error = cannot_read(file, &path, line, error);
                self.problems.add(FileProblemKind::RequirementsFile, error);
            }
        }
    }
}

/// The lines of a requirements file.
fn lines_of(path: &Path, text: &str) -> Vec<RequirementLine> {
    let file = SourceFile::new(path, text);
    let lines = python_lines(text).enumerate().map(|(index, text)| {
        let blanks = text.chars().take_while(|character| is_python_space(*character));
        RequirementLine {
            text: text.to_owned(),
            place: file.at(Position {
                line: index + 1,
                column: blanks.count() + 1,
            }),
        }
    });
    lines.collect()
}

/// The error for a file that a line names.
fn cannot_read(file: &str, path: &Path, line: &RequirementLine, error: io::Error) -> EnvironmentError {
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
    EnvironmentError::at(line.place.clone(), &problem, hint)
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

/// Joins lines that end with a backslash to those after them; the place is that of the first.
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
            assert!(
                error.contains(place) && error.contains("requirements file"),
                "{error}"
            );
        }
    }
}
