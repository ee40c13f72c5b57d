//! Which line of a project's files a failed installation is about.
//!
//! pip and conda name a line of the list that was written for them, or they name the package; uv names the
//! package.

use std::path::Path;

use super::environment_file::RequirementLine;
use super::tool_line::Reference;

/// What programs say when they could not reach an index or a channel: no requirement is to blame then.
const NO_NETWORK: [&str; 9] = [
    "Failed to establish a new connection",
    "NewConnectionError",
    "ConnectTimeoutError",
    "Connection refused",
    "Temporary failure in name resolution",
    "Name or service not known",
    "Network is unreachable",
    "dns error",
    "CondaHTTPError",
];
/// How lines begin that are about what went wrong, in lower case.
const ERRORS: [&str; 9] = [
    "error",
    "cause:",
    "caused by",
    "×",
    "warning: requirement",
    "resolvepackagenotfound",
    "packagesnotfounderror",
    "libmambaunsatisfiableerror",
    "could not solve",
];
/// How lines begin that name the package that is being looked at.
const AT_WORK: [&str; 5] = [
    "Collecting ",
    "Processing ",
    "Obtaining ",
    "Building wheel for ",
    "Building ",
];
/// Packages whose names are words that tools use in all kinds of messages.
const COMMON_WORDS: [&str; 7] = [
    "pip",
    "wheel",
    "setuptools",
    "python",
    "build",
    "packaging",
    "error",
];

/// The lines that a program installs, and where the project's files have them.
#[derive(Debug, Default)]
pub(super) struct Origins {
    /// The lines of the list that is written for the program, in their order.
    written: Vec<RequirementLine>,
    /// The lines of the files that the list names.
    named: Vec<RequirementLine>,
}

impl Origins {
    pub(super) fn new(written: Vec<RequirementLine>, named: Vec<RequirementLine>) -> Self {
        Self { written, named }
    }

    /// A program's line with the project's file in place of the list that was written for the program.
    pub(super) fn renamed(&self, line: &str) -> String {
        let Some(reference) = Reference::find(line).filter(|reference| is_list(reference.file)) else {
            return line.to_owned();
        };
        let Some(origin) = self.written_at(reference.line) else {
            return line.to_owned();
        };
        let file = origin.place.file.path().file_name().unwrap_or_default().display();
        let start = line[..reference.start]
            .strip_suffix("-r ")
            .unwrap_or(&line[..reference.start]);
        let number = origin.place.position.line;
        format!("{start}{file} (line {number}){}", &line[reference.end..])
    }

    /// The line that the output of a failed program is about.
    pub(super) fn culprit(&self, output: &[String]) -> Option<&RequirementLine> {
        if has_no_network(output) {
            return None;
        }
        let is_error = |line: &String| {
            let line = line.trim_start().to_lowercase();
            ERRORS.iter().any(|beginning| line.starts_with(beginning))
        };
        let first = output.iter().position(is_error)?;
        let by_error = output[first..].iter().find_map(|line| self.named_in(line));
        by_error.or_else(|| {
            let is_at_work = |line: &&String| {
                AT_WORK
                    .iter()
                    .any(|beginning| line.trim_start().starts_with(beginning))
            };
            self.named_in(output[..first].iter().rfind(is_at_work)?)
        })
    }

    /// The requirement that a line names: by a place, as it is written, or by the package.
    fn named_in(&self, line: &str) -> Option<&RequirementLine> {
        if let Some(reference) = Reference::find(line)
            && let Some(found) = self.at(&reference)
        {
            return Some(found);
        }
        let all = || self.written.iter().chain(&self.named);
        let first = |position: &dyn Fn(&RequirementLine) -> Option<usize>| {
            let found = all().filter_map(|requirement| Some((position(requirement)?, requirement)));
            found
                .min_by_key(|(position, _)| *position)
                .map(|(_, requirement)| requirement)
        };
        let as_written = |requirement: &RequirementLine| {
            let text = requirement.text.trim();
            let is_telling = text.len() > name_of(text).len();
            is_telling.then(|| line.find(text)).flatten()
        };
        first(&as_written).or_else(|| first(&|requirement| name_in(line, &requirement.text)))
    }

    fn at(&self, reference: &Reference<'_>) -> Option<&RequirementLine> {
        if is_list(reference.file) {
            return self.written_at(reference.line);
        }
        let file = Path::new(reference.file);
        let file = file.strip_prefix(".").unwrap_or(file);
        self.written.iter().chain(&self.named).find(|requirement| {
            requirement.place.position.line == reference.line && requirement.place.file.path().ends_with(file)
        })
    }

    /// The line of the list with this number. A text of several lines is several lines there.
    fn written_at(&self, number: usize) -> Option<&RequirementLine> {
        let mut last = 0;
        self.written.iter().find(|requirement| {
            last += requirement.text.split('\n').count();
            number >= 1 && number <= last
        })
    }
}

/// Whether a program could not reach the network.
pub(super) fn has_no_network(output: &[String]) -> bool {
    let says_so = |line: &String| NO_NETWORK.iter().any(|sign| line.contains(sign));
    output.iter().any(says_so)
}

/// Whether a path is that of a list that was written for a program, by mlrun or by conda.
fn is_list(file: &str) -> bool {
    let name = file.rsplit('/').next().unwrap_or(file);
    let is_of = |start: &str, length: std::ops::RangeInclusive<usize>| {
        let middle = name
            .strip_prefix(start)
            .and_then(|rest| rest.strip_suffix(".txt"));
        middle.is_some_and(|middle| length.contains(&middle.len()))
    };
    is_of("requirements.", 32..=32)
        || (name.starts_with("condaenv.") && is_of("condaenv.", 1..=64))
        || name.starts_with("mambaf")
}

/// The package's name with which a requirement begins: `numpy` of `numpy[x]>=2`.
fn name_of(requirement: &str) -> &str {
    let end = requirement.find(|character: char| !is_of_name(character));
    &requirement[..end.unwrap_or(requirement.len())]
}

fn is_of_name(character: char) -> bool {
    character.is_ascii_alphanumeric() || "._-".contains(character)
}

/// Where a line names the package of a requirement, or the file.
fn name_in(line: &str, requirement: &str) -> Option<usize> {
    let requirement = requirement.trim().trim_start_matches("-e ").trim_start();
    // Of `name @ URL` the file of the URL too.
    let (target, has_name) = match requirement.split_once(" @ ") {
        Some((_, url)) => (url, true),
        None => (requirement, false),
    };
    let first_word = target.split(' ').next().unwrap_or_default();
    if let Some((_, file)) = first_word.trim_end_matches('/').rsplit_once('/') {
        let found = (file.len() > 1).then(|| line.find(file)).flatten();
        if found.is_some() || !has_name {
            return found;
        }
    }
    let name = normalized(name_of(requirement));
    if name.is_empty() || COMMON_WORDS.contains(&name.as_str()) {
        return None;
    }
    let mut at = 0;
    for word in line.split(|character| !is_of_name(character)) {
        if normalized(word.trim_matches(['.', '-', '_'])) == name {
            return Some(at);
        }
        // What separates words may take more bytes than one.
        at += word.len();
        at += line[at..].chars().next().map_or(0, char::len_utf8);
    }
    None
}

/// A name as indexes compare it.
fn normalized(name: &str) -> String {
    let parts = name.split(['-', '_', '.']).filter(|part| !part.is_empty());
    parts.collect::<Vec<_>>().join("-").to_ascii_lowercase()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::project::SourceFile;
    use crate::yaml::Position;

    fn lines(file: &str, texts: &[&str]) -> Vec<RequirementLine> {
        let file = SourceFile::new(file, texts.join("\n"));
        let line = |(index, text): (usize, &&str)| RequirementLine {
            text: (*text).to_owned(),
            place: file.at(Position {
                line: index + 4,
                column: 3,
            }),
        };
        texts.iter().enumerate().map(line).collect()
    }

    fn origins() -> Origins {
        let written = [
            "numpy",
            "No_such.package>=1",
            "idna==99",
            "./wheels/missing-1.0-py3-none-any.whl",
            "foo bar baz",
            "./bad",
            "pip",
            "tiny @ file:///no/such/tiny.whl",
        ];
        Origins::new(
            lines("p/python_env.yaml", &written),
            lines("p/requirements/all.txt", &["scipy", "pandas"]),
        )
    }

    #[test]
    fn the_line_is_found() {
        let list = "requirements.0123456789abcdef0123456789abcdef.txt";
        let in_list = |text: &str| text.replace("LIST", list);
        for (output, expected) in [
            (
                &[
                    "ERROR: Could not find a version that satisfies the requirement no-such-package>=1 (from versions: none)",
                ][..],
                Some("p/python_env.yaml:5:3"),
            ),
            (
                &["ERROR: Invalid requirement: 'foo bar baz' (from line 5 of LIST)"],
                Some("p/python_env.yaml:8:3"),
            ),
            (
                &["error: Distribution not found at: file:///no/such/tiny.whl"],
                Some("p/python_env.yaml:11:3"),
            ),
            (
                &["WARNING: Requirement './wheels/missing-1.0-py3-none-any.whl' looks like a filename"],
                Some("p/python_env.yaml:7:3"),
            ),
            (
                &[
                    "ERROR: Could not install packages due to an OSError: No such file: '/tmp/x/wheels/missing-1.0-py3-none-any.whl'",
                ],
                Some("p/python_env.yaml:7:3"),
            ),
            (
                &[
                    "Collecting numpy (from -r LIST (line 1))",
                    "ERROR: No matching distribution found for pandas==0 (from -r requirements/all.txt (line 5))",
                ],
                Some("p/requirements/all.txt:5:3"),
            ),
            (
                &["Processing ./bad", "  error: subprocess-exited-with-error"],
                Some("p/python_env.yaml:9:3"),
            ),
            (
                &["Collecting numpy (from -r LIST (line 1))", "ERROR: boom"],
                Some("p/python_env.yaml:4:3"),
            ),
            (
                &[
                    "error: No solution found when resolving dependencies",
                    "  cause: Because there is no version of idna==99 and you require idna==99, we",
                ],
                Some("p/python_env.yaml:6:3"),
            ),
            (
                &["error: Unexpected '-', expected '-c', '-e', '-r' or the start of a requirement: LIST:2:1"],
                Some("p/python_env.yaml:5:3"),
            ),
            (
                &["ResolvePackageNotFound: ", "  - scipy"],
                Some("p/requirements/all.txt:4:3"),
            ),
            (&["ERROR: pip is broken"], None),
            (&["no error here: numpy"], None),
            (
                &[
                    "WARNING: Retrying: NewConnectionError",
                    "ERROR: No matching distribution found for numpy",
                ],
                None,
            ),
        ] {
            let output: Vec<String> = output.iter().map(|line| in_list(line)).collect();
            let origins = origins();
            let found = origins.culprit(&output).map(|found| found.place.to_string());
            assert_eq!(found.as_deref(), expected, "{output:?}");
        }
    }

    #[test]
    fn lists_get_the_name_of_the_file() {
        let list = "requirements.0123456789abcdef0123456789abcdef.txt";
        for (line, expected) in [
            (
                "Collecting numpy (from -r LIST (line 1))",
                "Collecting numpy (from python_env.yaml (line 4))",
            ),
            (
                "Collecting x<4 (from numpy->-r LIST (line 2))",
                "Collecting x<4 (from numpy->python_env.yaml (line 5))",
            ),
            (
                "ERROR: Invalid requirement: 'x' (from line 5 of LIST)",
                "ERROR: Invalid requirement: 'x' (from python_env.yaml (line 8))",
            ),
            (
                "Collecting numpy (from -r a.txt (line 1))",
                "Collecting numpy (from -r a.txt (line 1))",
            ),
            (
                "Collecting numpy (from -r LIST (line 99))",
                "Collecting numpy (from -r LIST (line 99))",
            ),
            ("plain", "plain"),
        ] {
            let line = line.replace("LIST", list);
            assert_eq!(origins().renamed(&line), expected.replace("LIST", list));
        }
    }
}
