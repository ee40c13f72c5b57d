//! `--requirements FILE`: the packages for a project that has no environment file.

use std::ffi::OsStr;
use std::io;
use std::path::{Path, PathBuf};

use super::requirements::{self, LOCK_FILE, PROJECT_FILE};
use crate::environment::cache::sha1;
use crate::environment::environment_file::{OtherFile, RequirementLine, read_text, unreadable};
use crate::environment::{EnvManager, EnvironmentError};
use crate::process::{ProcessError, ProgramCall};
use crate::project::SourceFile;
use crate::yaml::Position;

/// Prints the dependencies of a `pyproject.toml`, one a line. pip, unlike uv, does not read them.
const DEPENDENCIES: &str = r#"
import sys
try:
    import tomllib
except ImportError:
    from pip._vendor import tomli as tomllib
with open(sys.argv[1], "rb") as file:
    try:
        project = tomllib.load(file).get("project", {})
    except ValueError as error:
        sys.exit(f"not valid TOML: {error}")
if "dependencies" in project.get("dynamic", []):
    sys.exit("its dependencies are dynamic, which only uv can read: pass --env-manager uv")
if "dependencies" not in project:
    sys.exit("it has no list 'dependencies' in [project]")
for dependency in project["dependencies"]:
    print(" ".join(dependency.split()))
"#;

/// A file with the packages that an environment gets.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(in crate::environment) struct RequirementsFile {
    path: PathBuf,
    /// Where relative paths of packages in the file begin, as for `pip install -r`.
    directory: PathBuf,
    is_pyproject: bool,
    /// What tells the environments of different files apart.
    identity: String,
    /// Its lines, and those of the files that it names. They serve messages.
    lines: Vec<RequirementLine>,
}

impl RequirementsFile {
    /// Reads the file. A relative path is one in `directory`.
    pub(in crate::environment) fn read(given: &Path, directory: &Path) -> Result<Self, EnvironmentError> {
        let shown = given.display();
        let (path, directory) = std::path::absolute(directory.join(given))
            .and_then(|path| Ok((path, std::path::absolute(directory)?)))
            .map_err(EnvironmentError::cache("find", given))?;
        let is_pyproject = path.file_name().is_some_and(|name| name == PROJECT_FILE);
        if !is_pyproject && let Some(problem) = not_requirements(&path) {
            let hint = "pass a requirements file, such as requirements.txt, or a pyproject.toml";
            return Err(EnvironmentError::new(
                format!("--requirements {shown}: {problem}"),
                hint,
            ));
        }
        let cannot_read = |error: io::Error| match error.kind() {
            io::ErrorKind::NotFound => EnvironmentError::new(
                format!("the requirements file '{shown}' does not exist"),
                "the path is relative to the current directory",
            ),
            _ => unreadable(given, "the requirements file", error),
        };
        let text = read_text(&path).map_err(cannot_read)?;
        let (lines, mut identity) = if is_pyproject {
            (quoted_texts(&path, &text), sha1(text.as_bytes()))
        } else {
            let found = requirements::read_file(&path, &text)?;
            let identity = requirements::text_for_name(&found);
            (
                found.into_iter().map(|requirement| requirement.line).collect(),
                identity,
            )
        };
        let is_here = |line: &RequirementLine| names_a_path(&line.text);
        if lines.iter().any(is_here) || (is_pyproject && text.contains("\ndynamic")) {
            // The same words mean other packages elsewhere.
            identity.push_str(&directory.to_string_lossy());
        }
        Ok(Self {
            path,
            directory,
            is_pyproject,
            identity,
            lines,
        })
    }

    /// The line for pip that stands for the file in the text that the environment's name is made of: that of a
    /// `python_env.yaml` which names such a file.
    pub(super) fn line_for_name(&self) -> RequirementLine {
        let name = if self.is_pyproject {
            PROJECT_FILE
        } else {
            "requirements.txt"
        };
        let file = SourceFile::new(&self.path, Vec::new());
        RequirementLine {
            text: format!("-r {name}"),
            place: file.at(Position { line: 1, column: 1 }),
        }
    }

    pub(super) fn identity(&self) -> &str {
        &self.identity
    }

    pub(super) fn lines(&self) -> &[RequirementLine] {
        &self.lines
    }

    pub(super) fn directory(&self) -> &Path {
        &self.directory
    }

    /// The file that `manager` can install, with `python` if it has to be made first, below `temporary`.
    pub(super) async fn for_installer(
        &self,
        manager: EnvManager,
        python: &Path,
        temporary: &Path,
    ) -> Result<PathBuf, EnvironmentError> {
        if !self.is_pyproject || manager == EnvManager::Uv {
            return Ok(self.path.clone());
        }
        let call = ProgramCall::new(python).arguments(["-c", DEPENDENCIES]);
        let dependencies = call.argument(&self.path).capture().await.map_err(|error| {
            let message = format!("cannot read the dependencies in '{}'", self.path.display());
            let hint = "list them under `dependencies` in [project]";
            let said = match &error {
                ProcessError::Failed { last_lines, .. } => last_lines.last().cloned(),
                _ => None,
            };
            EnvironmentError::new(message, hint).caused_by(said.unwrap_or_else(|| error.to_string()))
        })?;
        let file = temporary.join("requirements.pyproject.txt");
        std::fs::write(&file, dependencies.stdout).map_err(EnvironmentError::cache("write", &file))?;
        Ok(file)
    }
}

/// Why a file cannot be one of requirements, by its name.
fn not_requirements(path: &Path) -> Option<String> {
    let extension = path.extension().and_then(OsStr::to_str).unwrap_or_default();
    match OtherFile::of(path) {
        Some(OtherFile::Requirements) => None,
        Some(OtherFile::Lock) if path.file_name().is_some_and(|name| name == LOCK_FILE) => {
            Some("--env-manager uv uses this lock file by itself".to_owned())
        }
        Some(other) => Some(format!("this is {other}, not a requirements file")),
        None if matches!(extension, "yaml" | "yml") => {
            Some("environment files are named in MLproject, by `python_env` or `conda_env`".to_owned())
        }
        None => None,
    }
}

/// Whether a line is about files of this machine by a relative path.
fn names_a_path(line: &str) -> bool {
    line.starts_with('.')
        || line.starts_with('-') && line.split([' ', '=']).any(|word| word.starts_with('.'))
        || line
            .split(' ')
            .next()
            .is_some_and(|word| word.contains('/') && !word.contains("://") && !word.starts_with('/'))
}

/// The texts in quotes of a TOML file that are no values of their own: the requirements are among them.
fn quoted_texts(path: &Path, text: &str) -> Vec<RequirementLine> {
    let file = SourceFile::new(path, text);
    let mut found = Vec::new();
    for (index, line) in text.lines().enumerate() {
        let mut rest = line;
        while let Some(start) = rest.find(['"', '\'']) {
            let (quote, inside) = rest[start..].split_at(1);
            let Some(end) = inside.find(quote) else { break };
            let before = line.len() - inside.len() - 1;
            let is_in_list = !line[..before].trim_end().ends_with('=');
            found.extend(is_in_list.then(|| RequirementLine {
                text: inside[..end].to_owned(),
                place: file.at(Position {
                    line: index + 1,
                    column: line[..before].chars().count() + 1,
                }),
            }));
            rest = &inside[end + 1..];
        }
    }
    found.retain(|line| line.text.contains(char::is_alphabetic));
    found
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn relative_paths_are_told() {
        for (line, expected) in [
            ("numpy>=2", false),
            ("./wheels/tiny.whl", true),
            ("wheels/tiny.whl", true),
            ("/wheels/tiny.whl", false),
            ("-e .", true),
            ("--find-links=../wheels", true),
            ("--index-url https://host/simple", false),
            ("tiny @ https://host/a/tiny.whl", false),
            ("numpy; python_version < '3.9'", false),
        ] {
            assert_eq!(names_a_path(line), expected, "{line}");
        }
    }

    #[test]
    fn requirements_in_toml_have_a_place() {
        let text = "[project]\nname = 'x'\ndependencies = [\"a>=1\",\n  'b[\"c\"]',\n]\n";
        let found = quoted_texts(Path::new("pyproject.toml"), text);
        let found: Vec<String> = found
            .iter()
            .map(|line| format!("{} {}", line.place, line.text))
            .collect();
        assert_eq!(found, ["pyproject.toml:3:17 a>=1", "pyproject.toml:4:3 b[\"c\"]"]);
    }
}
