//! Versions of Python.

use std::fmt;

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
    pub(super) fn is_meant_by(&self, asked: &Self) -> bool {
        self.0.starts_with(&asked.0)
    }

    pub(super) fn numbers(&self) -> &[u32] {
        &self.0
    }

    /// Whether it has all three numbers.
    pub(super) fn is_whole(&self) -> bool {
        self.0.len() >= 3
    }

    /// The names that its interpreter may have, the surest first: `python3.11`, `python3`, `python`.
    pub(super) fn program_names(&self) -> Vec<String> {
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
}
