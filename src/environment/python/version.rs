//! Versions of Python, and which one an environment file asks for.

use std::fmt;
use std::str::FromStr;

use pep440_rs::VersionSpecifiers;

/// How the names of Pythons begin that only uv understands, such as `pypy@3.10`.
const IMPLEMENTATIONS: [&str; 5] = ["cpython", "pypy", "graalpy", "pyodide", "python3"];
/// The newest minor version of Python 3 whose name is looked for on PATH, and the oldest.
const MINORS: std::ops::RangeInclusive<u32> = 6..=30;

/// The version of an interpreter: `3.11.7`.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Version(Vec<u32>);

impl Version {
    /// Reads numbers with points between them.
    pub(super) fn parse(text: &str) -> Option<Self> {
        let numbers: Result<Vec<u32>, _> = text.split('.').map(str::parse).collect();
        numbers.ok().map(Self)
    }

    /// Whether an asked version, which may leave out its last numbers, means this one.
    fn is_meant_by(&self, asked: &Self) -> bool {
        self.0.starts_with(&asked.0)
    }

    /// Whether it has all three numbers.
    pub(super) fn is_whole(&self) -> bool {
        self.0.len() >= 3
    }

    /// The names that its interpreter may have, the surest first: `python3.11`, `python3`, `python`.
    fn program_names(&self) -> Vec<String> {
        let mut names = Vec::new();
        for length in (1..=self.0.len().min(2)).rev() {
            names.push(format!("python{}", Self(self.0[..length].to_vec())));
        }
        names.push("python".to_owned());
        names
    }
}

impl fmt::Display for Version {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let numbers: Vec<String> = self.0.iter().map(u32::to_string).collect();
        f.write_str(&numbers.join("."))
    }
}

/// A Python as an environment file asks for it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(in crate::environment) struct PythonRequest {
    text: String,
    wanted: Wanted,
}

#[derive(Debug, Clone, PartialEq, Eq)]
enum Wanted {
    /// A version, which may leave out its last numbers: `3.11`, `3.11.*`, `==3.11`.
    Beginning(Version),
    /// A range of versions, as of packages: `>=3.9,<3.12`.
    Range(VersionSpecifiers),
    /// Something that only uv understands.
    OfUv,
}

impl PythonRequest {
    /// Reads a version, a range of versions, or another name that uv has for a Python.
    pub(in crate::environment) fn parse(text: &str) -> Option<Self> {
        let wanted = text.trim();
        let number = wanted.trim_start_matches('=').trim_start();
        let number = number.strip_suffix(".*").unwrap_or(number);
        let wanted = if let Some(version) = Version::parse(number) {
            Wanted::Beginning(version)
        } else if wanted.starts_with(['<', '>', '!', '~', '=']) {
            Wanted::Range(VersionSpecifiers::from_str(wanted).ok()?)
        } else if is_of_uv(wanted) {
            Wanted::OfUv
        } else {
            return None;
        };
        Some(Self {
            text: text.trim().to_owned(),
            wanted,
        })
    }

    /// Any Python 3.
    pub(super) fn any() -> Self {
        Self {
            text: String::new(),
            wanted: Wanted::Range(VersionSpecifiers::empty()),
        }
    }

    /// Whether this version will do.
    pub(super) fn allows(&self, version: &Version) -> bool {
        match &self.wanted {
            Wanted::Beginning(asked) => version.is_meant_by(asked),
            Wanted::Range(range) => {
                let numbers = version.0.iter().map(|number| u64::from(*number));
                range.contains(&pep440_rs::Version::new(numbers))
            }
            Wanted::OfUv => false,
        }
    }

    /// The names that its interpreter may have on PATH, the surest first.
    pub(super) fn program_names(&self) -> Vec<String> {
        match &self.wanted {
            Wanted::Beginning(version) => version.program_names(),
            Wanted::Range(_) => {
                let mut names = vec!["python3".to_owned(), "python".to_owned()];
                names.extend(MINORS.rev().map(|minor| format!("python3.{minor}")));
                names
            }
            Wanted::OfUv => Vec::new(),
        }
    }

    /// The request as uv and pyenv understand it.
    pub(super) fn for_programs(&self) -> String {
        match &self.wanted {
            Wanted::Beginning(version) => version.to_string(),
            Wanted::Range(range) => range.to_string().replace(' ', ""),
            Wanted::OfUv => self.text.clone(),
        }
    }
}

impl fmt::Display for PythonRequest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

/// An implementation, a path, or a version with letters: `3.14.0rc1`, `3.13t`, `3.13+freethreaded`.
fn is_of_uv(text: &str) -> bool {
    let is_version = |text: &str| pep440_rs::Version::from_str(text).is_ok();
    text.starts_with('/')
        || IMPLEMENTATIONS.iter().any(|name| text.starts_with(name))
        || is_version(text)
        || text.strip_suffix('t').is_some_and(is_version)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_asked_version_may_be_short() {
        let version = Version::parse("3.11.7").unwrap();
        for (asked, expected) in [
            ("3.11.7", true),
            ("3.11", true),
            ("3", true),
            ("3.1", false),
            ("3.11.70", false),
        ] {
            assert_eq!(
                version.is_meant_by(&Version::parse(asked).unwrap()),
                expected,
                "{asked}"
            );
        }
        assert_eq!(version.program_names(), ["python3.11", "python3", "python"]);
        for text in ["", ">=3.8", "3.x", "3."] {
            assert_eq!(Version::parse(text), None, "{text}");
        }
    }

    #[test]
    fn requests_are_understood() {
        for (text, allowed, refused, for_programs) in [
            ("3.11", "3.11.7", "3.1.1", "3.11"),
            ("3.11.*", "3.11.7", "3.12.0", "3.11"),
            ("==3.11.*", "3.11.7", "3.12.0", "3.11"),
            ("=3.8", "3.8.20", "3.9.1", "3.8"),
            ("==3.11.7", "3.11.7", "3.11.8", "3.11.7"),
            (" >=3.9 ", "3.13.1", "3.8.20", ">=3.9"),
            (">=3.9, <3.12", "3.11.2", "3.12.0", ">=3.9,<3.12"),
            ("~=3.10", "3.12.1", "3.9.9", "~=3.10"),
            ("!=3.10.*,>3.8", "3.11.0", "3.10.4", ">3.8,!=3.10.*"),
        ] {
            let request = PythonRequest::parse(text).unwrap_or_else(|| panic!("{text}"));
            for (version, expected) in [(allowed, true), (refused, false)] {
                let version = Version::parse(version).unwrap();
                assert_eq!(request.allows(&version), expected, "{text}: {version}");
            }
            assert_eq!(request.for_programs(), for_programs);
        }
        for text in ["pypy@3.10", "3.14.0rc1", "3.13t", "/usr/bin/python3"] {
            assert_eq!(PythonRequest::parse(text).unwrap().for_programs(), text);
        }
        for text in [
            "",
            "three",
            "^3.9",
            "3.7.13=h6244533_0",
            ">=3.9 <3.12",
            "3.8|3.9",
            "python",
        ] {
            assert_eq!(PythonRequest::parse(text), None, "{text}");
        }
    }
}
