//! Requirements that people mistype, and that no version of pip and no uv accepts.
//!
//! Everything else passes: the installer says what it means. Source: PEP 508.

use crate::environment::EnvironmentError;
use crate::environment::environment_file::{FileProblemKind, FileProblems, RequirementLine};

const OPERATORS: [&str; 8] = ["===", "==", "!=", "<=", ">=", "~=", "<", ">"];

/// Adds the problem of a line that no installer accepts.
pub(in crate::environment) fn check(line: &RequirementLine, problems: &mut FileProblems) {
    let text = without_comment(line.text.trim_matches(is_python_space));
    if let Some(hint) = hint(text) {
        let problem = format!("'{text}' is not a valid requirement");
        let error = EnvironmentError::at(line.place.clone(), &problem, hint);
        problems.add(FileProblemKind::Requirement, error);
    }
}

/// What to write instead of a line that is not valid; it has no comment and no space around it.
fn hint(line: &str) -> Option<String> {
    if !line.starts_with(|first: char| first.is_ascii_alphanumeric()) || is_path_or_url(line) {
        return None;
    }
    // Markers, and options such as `--hash=…`.
    let specifier = line.split(';').next().unwrap_or_default();
    let specifier = specifier.split("--").next().unwrap_or_default().trim_end();
    let name_end = specifier
        .find(|character: char| !character.is_ascii_alphanumeric() && !"._-".contains(character))
        .unwrap_or(specifier.len());
    let (name, rest) = specifier.split_at(name_end);
    let mut versions = rest.trim_start();
    if let Some(extras) = versions.strip_prefix('[') {
        let Some((_, after)) = extras.split_once(']') else {
            return Some("close the bracket".to_owned());
        };
        versions = after.trim_start();
    }
    if let Some(inside) = versions.strip_prefix('(') {
        versions = inside.trim_end().trim_end_matches(')');
    }
    let first = versions.split_whitespace().next().unwrap_or_default();
    match versions.chars().next() {
        Some('=') if !versions.starts_with("==") => Some(single_equals(name, &versions[1..])),
        Some('<' | '>' | '=' | '!' | '~') => {
            let is_bad = versions.split(',').any(|part| is_bad_specifier(part.trim()));
            is_bad.then(|| "separate versions by commas, as in `numpy>=1.26,<3`".to_owned())
        }
        Some('0'..='9') => Some(format!("write `{name}=={first}`")),
        _ => None,
    }
}

/// The hint for what follows `name=`.
fn single_equals(name: &str, rest: &str) -> String {
    if let Some(sign) = rest.chars().next().filter(|sign| ['<', '>'].contains(sign)) {
        return format!("write `{name}{sign}={}`", rest[1..].trim());
    }
    match rest.trim().split('=').next() {
        None | Some("") => format!("write `{name}`, or `{name}==VERSION`"),
        Some(version) => format!("write `{name}=={version}`: a single '=' is conda's"),
    }
}

/// Whether the line may name a file, a directory, an URL or a variable.
fn is_path_or_url(line: &str) -> bool {
    let words = line.split([';', ' ']).next().unwrap_or_default();
    line.contains("://")
        || line.contains("${")
        || words.contains(['/', '\\', ':'])
        || [".whl", ".zip", ".gz", ".bz2", ".xz", ".tgz", ".tar"]
            .iter()
            .any(|extension| words.ends_with(extension))
}

/// Whether no version follows the operator, or more than one.
fn is_bad_specifier(text: &str) -> bool {
    let Some(version) = OPERATORS.iter().find_map(|operator| text.strip_prefix(operator)) else {
        return false;
    };
    version.trim().is_empty() || version.trim().contains(char::is_whitespace)
}

pub(super) fn without_comment(line: &str) -> &str {
    match line.find(" #") {
        Some(start) => line[..start].trim_end_matches(is_python_space),
        None => line,
    }
}

/// What Python's `str.strip` takes for white space: Unicode's, and four control characters.
pub(super) fn is_python_space(character: char) -> bool {
    character.is_whitespace() || ('\x1c'..='\x1f').contains(&character)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_that_nobody_accepts_get_a_hint() {
        let commas = "separate versions by commas, as in `numpy>=1.26,<3`";
        for (line, expected) in [
            ("numpy=1.26", "write `numpy==1.26`: a single '=' is conda's"),
            (
                "numpy =1.26=py39_0",
                "write `numpy==1.26`: a single '=' is conda's",
            ),
            ("numpy=", "write `numpy`, or `numpy==VERSION`"),
            ("numpy 1.26", "write `numpy==1.26`"),
            ("numpy=>1.26", "write `numpy>=1.26`"),
            ("numpy==", commas),
            ("numpy>=1 <2", commas),
            ("numpy[extra", "close the bracket"),
        ] {
            assert_eq!(hint(line).as_deref(), Some(expected), "{line}");
        }
    }

    #[test]
    fn everything_else_passes() {
        for line in [
            "numpy",
            "numpy>=1.26,<3",
            "numpy >= 1.26 , < 3 ; python_version == '3.9'",
            "numpy===weird@version",
            "numpy==1.26.*",
            "numpy (>=1.26)",
            "requests[security,socks]>=2",
            "x @ https://host/x.whl",
            "x@git+https://host/x",
            "git+https://host/x.git@v1#egg=x",
            "./path=x",
            "sub/dir",
            "x-1.0-py3-none-any.whl",
            "-r other.txt",
            "--index-url=https://host/x",
            "-e .[a]",
            "x==1 --hash=sha256:abc",
            "${PACKAGE}==1",
            "C:\\x",
            ".",
            "two words",
            "it's",
        ] {
            assert_eq!(hint(line), None, "{line}");
        }
    }
}
