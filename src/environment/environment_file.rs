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
use crate::yaml::{self, Node, Position};

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

/// Reads a file that is UTF-8, or UTF-16 that begins with a byte order mark. pip, uv and conda read both.
/// Every line ends with `\n` alone then, as Python has it.
///
/// # Errors
/// The system's answer, or [`ErrorKind::InvalidData`] for other bytes.
pub(super) fn read_text(path: &Path) -> io::Result<String> {
    let text = decode(fs::read(path)?)?;
    Ok(text.replace("\r\n", "\n").replace('\r', "\n"))
}

fn decode(bytes: Vec<u8>) -> io::Result<String> {
    let invalid = |reason: String| io::Error::new(ErrorKind::InvalidData, reason);
    if let Some((encoding, length)) = Encoding::for_bom(&bytes).filter(|(encoding, _)| *encoding != UTF_8) {
        return encoding
            .decode_without_bom_handling_and_without_replacement(&bytes[length..])
            .map(|text| text.into_owned())
            .ok_or_else(|| invalid(format!("it is not valid {}", encoding.name())));
    }
    check_mark(&bytes)?;
    String::from_utf8(bytes).map_err(|error| {
        let valid = &error.as_bytes()[..error.utf8_error().valid_up_to()];
        let line = 1 + valid.iter().filter(|byte| **byte == b'\n').count();
        invalid(format!("line {line} is not valid UTF-8"))
    })
}

/// Refuses UTF-16 without a byte order mark, which nobody reads.
///
/// # Errors
/// [`ErrorKind::InvalidData`].
pub(super) fn check_mark(bytes: &[u8]) -> io::Result<()> {
    match unmarked_utf16(bytes) {
        Some(encoding) => Err(io::Error::new(
            ErrorKind::InvalidData,
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
pub(super) fn unreadable_hint(path: &Path, error: &io::Error) -> String {
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
