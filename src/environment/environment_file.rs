//! Files that describe environments: their text, and what they are by their names.

use std::ffi::OsStr;
use std::fmt;
use std::fs;
use std::io::{self, ErrorKind};
use std::path::Path;
use std::sync::Arc;

use encoding_rs::{Encoding, UTF_8};

use super::EnvironmentError;
use crate::process::ProcessError;
use crate::project::{Location, SourceFile};
use crate::redact::without_credentials;
use crate::yaml::{self, Mapping, Node, Position};

const BEGINNING: Position = Position { line: 1, column: 1 };

/// A line as in a requirements file, and where a file has it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct RequirementLine {
    pub(super) text: String,
    pub(super) place: Location,
}

impl RequirementLine {
    /// The error of a program that could not install it.
    pub(super) fn not_installed(&self, cause: ProcessError) -> EnvironmentError {
        let words = self.text.split_whitespace();
        let words: Vec<String> = words.map(without_credentials).collect();
        let problem = format!("cannot install '{}'", words.join(" "));
        EnvironmentError::at(self.place.clone(), &problem, "").caused_by(cause)
    }
}

/// A file of YAML that describes an environment.
#[derive(Debug)]
pub(super) struct EnvironmentFile {
    source: Arc<SourceFile>,
    /// What it should be, as in "a conda environment file".
    kind: &'static str,
}

impl EnvironmentFile {
    pub(super) fn new(path: &Path, text: impl Into<Vec<u8>>, kind: &'static str) -> Self {
        let source = SourceFile::new(path, text);
        Self { source, kind }
    }

    pub(super) fn path(&self) -> &Path {
        self.source.path()
    }

    pub(super) fn name(&self) -> String {
        file_name(self.path())
    }

    pub(super) fn parse(&self, text: &[u8]) -> Result<Node, EnvironmentError> {
        yaml::parse(text).map_err(|error| {
            let position = error.position.unwrap_or(BEGINNING);
            self.problem(position, &error.message, error.hint().unwrap_or_default())
        })
    }

    /// A line for pip that stands at this position.
    pub(super) fn requirement(&self, position: Position, text: impl Into<String>) -> RequirementLine {
        RequirementLine {
            text: text.into(),
            place: self.source.at(position),
        }
    }

    pub(super) fn problem(
        &self,
        position: Position,
        problem: &str,
        hint: impl Into<String>,
    ) -> EnvironmentError {
        EnvironmentError::at(self.source.at(position), problem, hint)
    }

    /// Adds the repeated keys of a mapping.
    pub(super) fn note_repeated(&self, mapping: &Mapping, problems: &mut FileProblems) {
        for (first, again) in mapping.repeated_keys() {
            let problem = format!(
                "'{}' is repeated; the value on line {} is lost",
                again.value.to_python_str(),
                first.start.line
            );
            let error = self.problem(again.start, &problem, "remove one of them");
            problems.add(FileProblemKind::RepeatedKey, error);
        }
    }

    /// The error for a file that is something else by its name.
    pub(super) fn mistaken(&self) -> Option<EnvironmentError> {
        let other = OtherFile::of(self.path())?;
        let problem = format!("this is {other}, not {}", self.kind);
        Some(self.problem(BEGINNING, &problem, other.hint(&self.name())))
    }
}

/// What a file is by its name, if that is not an environment file's.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum OtherFile {
    /// Lines for pip.
    Requirements,
    /// The settings of a Python package.
    Pyproject,
    /// The lock file of a packaging tool.
    Lock,
    Script,
}

impl OtherFile {
    /// The kind that the name tells.
    pub(super) fn of(path: &Path) -> Option<Self> {
        let name = path.file_name().and_then(OsStr::to_str).unwrap_or_default();
        let extension = path.extension().and_then(OsStr::to_str).unwrap_or_default();
        match (name, extension) {
            (_, "txt" | "in") => Some(Self::Requirements),
            ("Pipfile" | "Pipfile.lock", _) | (_, "lock") => Some(Self::Lock),
            (_, "toml") => Some(Self::Pyproject),
            (_, "py" | "sh" | "R") => Some(Self::Script),
            _ => None,
        }
    }

    /// What to do about one that an MLproject file names; `name` is the file's own.
    pub(super) fn hint(self, name: &str) -> String {
        match self {
            Self::Requirements => format!(
                "write a python_env.yaml with the line `dependencies: [-r {name}]`, and `python_env: python_env.yaml` in MLproject"
            ),
            Self::Pyproject => "write a python_env.yaml with the line `dependencies: [.]`, which installs the project, and \
                 `python_env: python_env.yaml` in MLproject; if the project has a uv.lock, remove the key and pass \
                 --env-manager uv"
                .to_owned(),
            Self::Lock | Self::Script => {
                "write a python_env.yaml that lists the packages under `dependencies`, and `python_env: python_env.yaml` \
                 in MLproject"
                    .to_owned()
            }
        }
    }
}

impl fmt::Display for OtherFile {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Requirements => "a requirements file",
            Self::Pyproject => "a TOML file",
            Self::Lock => "a lock file",
            Self::Script => "a script",
        })
    }
}

/// A problem with a file that describes an environment.
#[derive(Debug)]
pub(crate) struct FileProblem {
    pub(crate) kind: FileProblemKind,
    pub(crate) error: EnvironmentError,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum FileProblemKind {
    /// The file cannot be used; a run stops.
    Invalid,
    /// A `-r` or `-c` file that cannot be read; a run stops.
    RequirementsFile,
    /// A line that pip and uv refuse; a run stops.
    Requirement,
    /// A key that conda ignores.
    UnknownKey,
    /// A repeated key, whose first value is lost.
    RepeatedKey,
    /// The environment of the file has a name, but cannot be built: a run stops there.
    NotAMapping,
    /// Something that only conda understands: other env managers refuse it.
    CondaOnly,
}

impl FileProblemKind {
    fn stops_a_run(self) -> bool {
        matches!(self, Self::Invalid | Self::RequirementsFile | Self::Requirement)
    }
}

/// The problems that a reader finds. A run stops at the first that it cannot do with, lint shows all.
#[derive(Debug, Default)]
pub(super) struct FileProblems(Vec<FileProblem>);

impl FileProblems {
    pub(super) fn add(&mut self, kind: FileProblemKind, error: EnvironmentError) {
        self.0.push(FileProblem { kind, error });
    }

    pub(super) fn invalid(&mut self, error: EnvironmentError) {
        self.add(FileProblemKind::Invalid, error);
    }

    pub(super) fn append(&mut self, other: Self) {
        self.0.extend(other.0);
    }

    /// Whether an environment can be made in spite of all of them.
    pub(super) fn stop_no_run(&self) -> bool {
        let stops = |kind: FileProblemKind| kind.stops_a_run() || kind == FileProblemKind::NotAMapping;
        !self.0.iter().any(|problem| stops(problem.kind))
    }

    pub(super) fn into_vec(self) -> Vec<FileProblem> {
        self.0
    }

    /// As [`FileProblems::check`], for what needs more than the environment's name.
    pub(super) fn check_all(mut self) -> Result<(), EnvironmentError> {
        for problem in &mut self.0 {
            if problem.kind == FileProblemKind::NotAMapping {
                problem.kind = FileProblemKind::Invalid;
            }
        }
        self.check()
    }

    /// The first problem that stops a run.
    ///
    /// # Errors
    /// There is one.
    pub(super) fn check(self) -> Result<(), EnvironmentError> {
        let first = self.0.into_iter().find(|problem| problem.kind.stops_a_run());
        first.map_or(Ok(()), |problem| Err(problem.error))
    }
}

/// Reads a file that is UTF-8, or UTF-16 that begins with a byte order mark. pip, uv and conda read both.
/// Every line ends with `\n` alone then, as Python has it.
///
/// # Errors
/// The system's answer, or [`ErrorKind::InvalidData`] for other bytes.
pub(super) fn read_text(path: &Path) -> io::Result<String> {
    let text = decode(fs::read(path)?)?;
    Ok(text.replace("\r\n", "\n").replace('\r', "\n"))
}

/// Why bytes are not text, and on which line.
#[derive(Debug, thiserror::Error)]
#[error("{reason}")]
struct NotText {
    reason: String,
    line: usize,
}

fn not_text(line: usize, reason: String) -> io::Error {
    io::Error::new(ErrorKind::InvalidData, NotText { reason, line })
}

/// The error for a file that [`read_text`] or [`check_mark`] refuses, at the line that is not text.
pub(super) fn unreadable(path: &Path, kind: &str, error: io::Error) -> EnvironmentError {
    let hint = unreadable_hint(path, &error);
    let not_text = error.get_ref().and_then(|error| error.downcast_ref::<NotText>());
    match not_text.map(|not_text| not_text.line) {
        Some(line) => {
            // Without its text: the line cannot be shown.
            let place = SourceFile::new(path, "").at(Position { line, column: 1 });
            EnvironmentError::at(place, &format!("cannot read {kind}"), hint)
        }
        None => EnvironmentError::new(format!("cannot read {kind} '{}'", path.display()), hint),
    }
    .caused_by(error)
}

fn decode(bytes: Vec<u8>) -> io::Result<String> {
    if let Some((encoding, length)) = Encoding::for_bom(&bytes).filter(|(encoding, _)| *encoding != UTF_8) {
        return encoding
            .decode_without_bom_handling_and_without_replacement(&bytes[length..])
            .map(|text| text.into_owned())
            .ok_or_else(|| not_text(1, format!("it is not valid {}", encoding.name())));
    }
    check_mark(&bytes)?;
    String::from_utf8(bytes).map_err(|error| {
        let valid = &error.as_bytes()[..error.utf8_error().valid_up_to()];
        let line = 1 + valid.iter().filter(|byte| **byte == b'\n').count();
        not_text(line, format!("line {line} is not valid UTF-8"))
    })
}

/// Refuses UTF-16 without a byte order mark, which nobody reads.
///
/// # Errors
/// [`ErrorKind::InvalidData`].
pub(super) fn check_mark(bytes: &[u8]) -> io::Result<()> {
    match unmarked_utf16(bytes) {
        Some(encoding) => Err(not_text(
            1,
            format!("it looks like {encoding} without a byte order mark"),
        )),
        None => Ok(()),
    }
}

/// The UTF-16 that bytes without a mark seem to be: every second byte of most texts is zero then.
fn unmarked_utf16(bytes: &[u8]) -> Option<&'static str> {
    let (pairs, _) = bytes.as_chunks::<2>();
    let is_mostly_zero = |index: usize| {
        let zeros = pairs.iter().filter(|pair| pair[index] == 0).count();
        zeros * 2 > pairs.len()
    };
    match (is_mostly_zero(0), is_mostly_zero(1)) {
        (true, false) => Some("UTF-16BE"),
        (false, true) => Some("UTF-16LE"),
        _ => None,
    }
}

/// What to do about a file that [`read_text`] refuses; `error` is its answer. An empty hint is none.
fn unreadable_hint(path: &Path, error: &io::Error) -> String {
    if error.kind() != ErrorKind::InvalidData {
        return String::new();
    }
    let reason = error.to_string();
    let known = ["UTF-16LE", "UTF-16BE"];
    let from = known.into_iter().find(|name| reason.contains(name));
    let name = file_name(path);
    format!(
        "save the file as UTF-8, for example with `iconv -f {} -t UTF-8 {name} > new-{name}`",
        from.unwrap_or("LATIN1")
    )
}

fn file_name(path: &Path) -> String {
    let name = path.file_name().unwrap_or_default();
    name.to_string_lossy().into_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn utf16(text: &str, bytes: fn(u16) -> [u8; 2]) -> Vec<u8> {
        text.encode_utf16().flat_map(bytes).collect()
    }

    #[test]
    fn both_orders_of_utf16_are_read() {
        for order in [u16::to_le_bytes as fn(u16) -> [u8; 2], u16::to_be_bytes] {
            assert_eq!(decode(utf16("\u{feff}numpy\né", order)).unwrap(), "numpy\né");
            let error = decode(utf16("numpy\né", order)).unwrap_err();
            let expected = match order(1) {
                [1, 0] => "it looks like UTF-16LE without a byte order mark",
                _ => "it looks like UTF-16BE without a byte order mark",
            };
            assert_eq!(error.to_string(), expected);
        }
        assert_eq!(decode("é\n".into()).unwrap(), "é\n");
        assert_eq!(decode(Vec::new()).unwrap(), "");
        let error = decode(b"a\nb\xff".to_vec()).unwrap_err();
        assert_eq!(error.to_string(), "line 2 is not valid UTF-8");
    }
}
