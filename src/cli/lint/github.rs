//! Findings as workflow commands of GitHub Actions, which shows them at the lines of a pull request.
//!
//! Source: "Workflow commands for GitHub Actions", and `command.ts` of its toolkit for the escapes.

use super::annotation::{message_with_hint, path_in_repository};
use crate::cli::escape::escaped;
use crate::cli::project_source::ProjectSource;
use crate::lint::{Finding, Severity};

/// One line for each finding.
pub(super) fn commands(source: &ProjectSource, findings: &[Finding]) -> String {
    findings.iter().map(|finding| command(source, finding)).collect()
}

fn command(source: &ProjectSource, finding: &Finding) -> String {
    let level = match finding.code.severity() {
        Severity::Error => "error",
        Severity::Warning => "warning",
        Severity::Note => "notice",
    };
    let mut line = format!(
        "::{level} file={}",
        property(&path_in_repository(source, finding))
    );
    if let Some(location) = &finding.location {
        let position = location.position;
        line.push_str(&format!(",line={},col={}", position.line, position.column));
    }
    format!(
        "{line},title={}::{}\n",
        property(finding.code.name()),
        data(&message_with_hint(finding))
    )
}

/// The text after `::`. Control characters other than line breaks are shown, not sent.
fn data(text: &str) -> String {
    escaped(text)
        .replace('%', "%25")
        .replace('\r', "%0D")
        .replace('\n', "%0A")
}

/// The value of a property.
fn property(text: &str) -> String {
    data(text).replace(':', "%3A").replace(',', "%2C")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn texts_cannot_end_a_command() {
        assert_eq!(data("100% {a}\nhint: b"), "100%25 {a}%0Ahint: b");
        assert_eq!(property("a,b:c%\n"), "a%2Cb%3Ac%25%0A");
        assert!(!data("\u{1b}[31m").contains('\u{1b}'));
    }
}
