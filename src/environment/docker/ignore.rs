//! `.dockerignore`: which files stay out of an image.
//!
//! The rules are those of Docker's documentation of the build context: one pattern a line, matched
//! against the whole path; `*` and `?` within a part of a path, `**` over any number of parts, `[…]`
//! as in Go's `filepath.Match`; `!` takes files in again; the last pattern that matches decides; what
//! matches a directory matches all that is in it.
use std::fs;
use std::io;
use std::path::Path;

use super::error::DockerError;

const IGNORE_FILE: &str = ".dockerignore";

/// What stays out unless the file takes it in again: the history, and local tracking stores.
pub(super) const ALWAYS_IGNORED: [&str; 5] = [
    ".git",
    "mlruns",
    "mlflow.db",
    "mlflow.db-journal",
    "mlflow.db-wal",
];

#[derive(Debug, Default)]
pub(super) struct IgnoreRules {
    rules: Vec<Rule>,
}

#[derive(Debug)]
struct Rule {
    /// The pattern's characters, without slashes around them.
    pattern: Vec<char>,
    takes_in: bool,
}

impl IgnoreRules {
    pub(super) fn of(project: &Path) -> Result<Self, DockerError> {
        Ok(Self::parse(&ignore_text(project)?))
    }

    /// Reads the text of a `.dockerignore`, after the patterns that always hold.
    fn parse(text: &str) -> Self {
        let text = text.strip_prefix('\u{feff}').unwrap_or(text);
        let own = text.lines().filter(|line| !line.starts_with('#'));
        Self {
            rules: ALWAYS_IGNORED
                .into_iter()
                .chain(own)
                .filter_map(Rule::parse)
                .collect(),
        }
    }

    /// Whether the file or directory stays out. The path is relative to the project, with slashes.
    pub(super) fn ignores(&self, path: &str) -> bool {
        let mut is_ignored = false;
        for rule in &self.rules {
            // Only a rule that would change the answer has to be looked at.
            if rule.takes_in == is_ignored && rule.matches_path_or_parent(path) {
                is_ignored = !rule.takes_in;
            }
        }
        is_ignored
    }

    /// Whether something below an ignored directory may be taken in again.
    pub(super) fn may_take_in_below(&self, directory: &str) -> bool {
        self.rules
            .iter()
            .any(|rule| rule.takes_in && may_lead_below(&rule.pattern, directory))
    }
}

/// Whether a pattern can match something below the directory, by its first parts.
fn may_lead_below(pattern: &[char], directory: &str) -> bool {
    let parts = pattern.split(|character| *character == '/');
    for (part, name) in parts.zip(directory.split('/')) {
        if part.starts_with(&['*', '*']) {
            return true;
        }
        let name: Vec<char> = name.chars().collect();
        if !matches(part, &name) {
            return false;
        }
    }
    true
}

impl Rule {
    fn parse(line: &str) -> Option<Self> {
        let line = line.trim();
        let (takes_in, pattern) = match line.strip_prefix('!') {
            Some(pattern) => (true, pattern.trim()),
            None => (false, line),
        };
        let pattern = clean(pattern);
        (!pattern.is_empty()).then(|| Self {
            pattern: pattern.chars().collect(),
            takes_in,
        })
    }

    fn matches_path_or_parent(&self, path: &str) -> bool {
        let ends = path.match_indices('/').map(|(at, _)| at).chain([path.len()]);
        ends.into_iter().any(|end| {
            let path: Vec<char> = path[..end].chars().collect();
            matches(&self.pattern, &path)
        })
    }
}

/// The pattern without empty parts, `.` and `..`, as Go's `filepath.Clean` leaves it.
fn clean(pattern: &str) -> String {
    let mut parts: Vec<&str> = Vec::new();
    for part in pattern.split('/') {
        match part {
            "" | "." => {}
            ".." => {
                parts.pop();
            }
            part => parts.push(part),
        }
    }
    parts.join("/")
}

fn matches(pattern: &[char], path: &[char]) -> bool {
    match pattern {
        [] => path.is_empty(),
        ['*', '*', '/', rest @ ..] => {
            // No directory, or any number of them.
            matches(rest, path) || (0..path.len()).any(|at| path[at] == '/' && matches(rest, &path[at + 1..]))
        }
        ['*', '*'] => true,
        ['*', '*', rest @ ..] => {
            (0..=path.len()).any(|at| (at == 0 || path[at - 1] == '/') && matches(rest, &path[at..]))
        }
        ['*', rest @ ..] => {
            let within = path.iter().take_while(|character| **character != '/').count();
            (0..=within).any(|at| matches(rest, &path[at..]))
        }
        ['?', rest @ ..] => matches!(path, [first, after @ ..] if *first != '/' && matches(rest, after)),
        ['[', rest @ ..] => match (class(rest), path) {
            (Some((class, rest)), [first, after @ ..]) => class.holds(*first) && matches(rest, after),
            _ => false,
        },
        ['\\', literal, rest @ ..] | [literal, rest @ ..] => {
            matches!(path, [first, after @ ..] if first == literal && matches(rest, after))
        }
    }
}

/// What stands between `[` and `]`.
struct Class {
    ranges: Vec<(char, char)>,
    is_negated: bool,
}

impl Class {
    fn holds(&self, character: char) -> bool {
        let is_listed = self
            .ranges
            .iter()
            .any(|(low, high)| (*low..=*high).contains(&character));
        is_listed != self.is_negated
    }
}

/// The class at the beginning of a pattern, after its `[`, and what follows; `None` without a `]`.
fn class(pattern: &[char]) -> Option<(Class, &[char])> {
    let (is_negated, mut rest) = match pattern {
        ['^', rest @ ..] => (true, rest),
        rest => (false, rest),
    };
    let mut ranges = Vec::new();
    loop {
        let (low, after) = match rest {
            [']', after @ ..] if !ranges.is_empty() => return Some((Class { ranges, is_negated }, after)),
            ['\\', escaped, after @ ..] => (*escaped, after),
            [character, after @ ..] => (*character, after),
            [] => return None,
        };
        let high;
        (high, rest) = match after {
            ['-', high, after @ ..] if *high != ']' => (*high, after),
            after => (low, after),
        };
        ranges.push((low, high));
    }
}

/// The text of the project's `.dockerignore`; empty if there is none.
pub(super) fn ignore_text(project: &Path) -> Result<String, DockerError> {
    let file = project.join(IGNORE_FILE);
    match fs::read(&file) {
        Ok(text) => Ok(String::from_utf8_lossy(&text).into_owned()),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(String::new()),
        Err(error) => Err(DockerError::unreadable(&file)(error)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn patterns_match_as_docker_documents_them() {
        for (text, path, expected) in [
            ("", "train.py", false),
            ("", ".git/config", true),
            ("", "sub/.git/config", false),
            ("", "mlruns/0/meta.yaml", true),
            ("!mlruns", "mlruns/0/meta.yaml", false),
            ("# note\n\n  data  \n", "data/x.csv", true),
            ("data", "sub/data", false),
            ("/data/", "data", true),
            ("./data//x/../y", "data/y", true),
            ("*.csv", "a.csv", true),
            ("*.csv", "sub/a.csv", false),
            ("*/*.csv", "sub/a.csv", true),
            ("**/*.csv", "a.csv", true),
            ("**/*.csv", "x/y/a.csv", true),
            ("**/tmp", "x/tmp/a", true),
            ("tmp/**", "tmp/x/y", true),
            ("tmp/**", "tmp", false),
            ("tmp**", "tmpx/y", true),
            ("temp?", "temps", true),
            ("temp?", "temp/", false),
            ("[a-c]x", "bx", true),
            ("[^a-c]x", "bx", false),
            ("[a", "[a", false),
            ("a.c", "abc", false),
            ("a\\*", "a*", true),
            ("a\\*", "ab", false),
            ("*\n!train.py", "train.py", false),
            ("*\n!train.py", "other.py", true),
            ("*.md\n!README*.md\nREADME-secret.md", "README-secret.md", true),
            ("*.md\n!README*.md\nREADME-secret.md", "README.md", false),
            ("data\n!data/keep", "data/keep/x", false),
            ("data\n!data/keep", "data/drop", true),
            ("\u{feff}x", "x", true),
            ("!", "x", false),
            ("#x", "#x", false),
        ] {
            assert_eq!(
                IgnoreRules::parse(text).ignores(path),
                expected,
                "{text:?} {path}"
            );
        }
    }

    #[test]
    fn ignored_directories_are_entered_only_where_something_in_them_may_be_taken_in() {
        for (text, directory, expected) in [
            ("*", "data", false),
            ("*\n!data/keep", "data", true),
            ("*\n!data/keep", "other", false),
            ("*\n!d*/keep/x", "data/keep", true),
            ("*\n!**/x", "any/where", true),
        ] {
            assert_eq!(
                IgnoreRules::parse(text).may_take_in_below(directory),
                expected,
                "{text:?}"
            );
        }
    }
}
