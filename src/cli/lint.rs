//! `mlrun lint`: remarks on a project's file.

use clap::builder::styling::Style;
use serde_json::{Value, json};

use crate::cli::args::LintArguments;
use crate::cli::escape::{self, one_line};
use crate::cli::excerpt::Excerpts;
use crate::cli::printer::{self, Printer};
use crate::cli::project_source::{ProjectSource, look_at};
use crate::cli::report::{Failure, Outcome};
use crate::cli::terminal::{Stream, style};
use crate::cli::text_table::{fitting, labelled};
use crate::lint::{self, Finding, Severity};
use crate::quantity;
use crate::runner::RunError;

/// Where findings are written.
const STREAM: Stream = Stream::Stdout;

/// Shows what there is to say about a project's file. Errors among it make the exit code 1.
pub(crate) async fn run(arguments: LintArguments, printer: &Printer) -> Result<Outcome, Failure> {
    let LintArguments { uri, version, json } = arguments;
    look_at(&uri, version, printer, move |source| {
        let findings = lint::check(source.work_dir.path()).map_err(RunError::from)?;
        printer::write_escaped_stdout(&if json {
            let mut object = json!({ "findings": to_json(source, &findings) });
            for severity in [Severity::Error, Severity::Warning, Severity::Note] {
                object[format!("{}s", severity.as_str())] = count(&findings, severity).into();
            }
            escape::json(&object)
        } else {
            format!("{}{}\n", text(source, &findings), summary(&findings))
        })?;
        Ok(match count(&findings, Severity::Error) {
            0 => Outcome::Succeeded,
            _ => Outcome::ErrorsFound,
        })
    })
    .await
}

/// Each finding on a line that editors understand, and what to do on the next.
pub(crate) fn text(source: &ProjectSource, findings: &[Finding]) -> String {
    let mut text = String::new();
    let mut excerpts = Excerpts::new(STREAM);
    for finding in findings {
        let place = finding.location.as_ref().map_or_else(
            || source.shown(source.work_dir.path()),
            |location| source.shown_location(location),
        );
        let place = if place.is_empty() { "." } else { &place };
        let severity = finding.code.severity();
        let line = format!(
            "{}: {}: {} [{}]",
            one_line(place),
            STREAM.paint(style_of(severity), severity.as_str()),
            one_line(&finding.message),
            finding.code.name(),
        );
        text.push_str(&fitting(STREAM, 2, &line));
        text.extend(finding.location.as_ref().map(|location| excerpts.of(location)));
        text.push('\n');
        if let Some(hint) = &finding.hint {
            let hint = labelled(STREAM, "  hint:", style::HINT, &one_line(hint));
            text.push_str(&format!("{hint}\n"));
        }
    }
    text
}

/// The colour of a finding's severity.
pub(crate) fn style_of(severity: Severity) -> Style {
    match severity {
        Severity::Error => style::ERROR,
        Severity::Warning => style::WARNING,
        Severity::Note => style::HINT,
    }
}

/// The findings for programs.
pub(crate) fn to_json(source: &ProjectSource, findings: &[Finding]) -> Value {
    let object = |finding: &Finding| {
        let location = finding.location.as_ref();
        json!({
            "code": finding.code.name(),
            "severity": finding.code.severity().as_str(),
            "message": finding.message,
            "file": location.map(|location| source.shown(location.file.path())),
            "line": location.map(|location| location.position.line),
            "column": location.map(|location| location.position.column),
            "hint": finding.hint,
        })
    };
    findings.iter().map(object).collect()
}

/// How many there are of each severity.
pub(crate) fn summary(findings: &[Finding]) -> String {
    let counts = [Severity::Error, Severity::Warning, Severity::Note]
        .into_iter()
        .map(|severity| (count(findings, severity), severity.as_str()))
        .filter(|(count, _)| *count > 0)
        .map(|(count, severity)| quantity::counted(count as u64, severity))
        .collect::<Vec<_>>();
    if counts.is_empty() {
        "nothing to remark".to_owned()
    } else {
        counts.join(", ")
    }
}

fn count(findings: &[Finding], severity: Severity) -> usize {
    let is_such = |finding: &&Finding| finding.code.severity() == severity;
    findings.iter().filter(is_such).count()
}
