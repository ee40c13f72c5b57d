//! `mlrun lint`: the findings in a project's files, for people, editors and programs.

mod annotation;
mod github;
mod sarif;

use std::path::Path;

use clap::builder::styling::Style;
use serde_json::{Value, json};

use crate::cli::args::{LintArguments, LintFormat};
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

/// Prints the findings. The exit code is 1 if there are errors among them.
pub(crate) async fn run(arguments: LintArguments, printer: &Printer) -> Result<Outcome, Failure> {
    let LintArguments {
        uri,
        version,
        json,
        format,
    } = arguments;
    let format = if json { LintFormat::Json } else { format };
    look_at(&uri, version, printer, move |source| {
        let findings = lint::check(source.work_dir.path()).map_err(RunError::from)?;
        printer::write_escaped_stdout(&match format {
            LintFormat::Text => text(source, &findings) + &last_line(source, &findings),
            LintFormat::Json => escape::json(&object(source, &findings)),
            LintFormat::Github => github::commands(source, &findings) + &last_line(source, &findings),
            LintFormat::Sarif => escape::json(&sarif::log(source, &findings)),
        })?;
        Ok(match count(&findings, Severity::Error) {
            0 => Outcome::Succeeded,
            _ => Outcome::ErrorsFound,
        })
    })
    .await
}

/// Each finding on a line that editors understand, its hint on the next.
fn text(source: &ProjectSource, findings: &[Finding]) -> String {
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

fn object(source: &ProjectSource, findings: &[Finding]) -> Value {
    let mut object = json!({ "findings": to_json(source, findings) });
    for severity in [Severity::Error, Severity::Warning, Severity::Note] {
        object[format!("{}s", severity.as_str())] = count(findings, severity).into();
    }
    object
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

/// The counts, or the files that have no problems.
fn last_line(source: &ProjectSource, findings: &[Finding]) -> String {
    let directory = source.work_dir.path();
    let checked = lint::checked_files(directory);
    let files: Vec<String> = checked.iter().map(|file| shown_file(source, file)).collect();
    let line = match (findings, files.as_slice()) {
        ([], []) => format!(
            "no problems found in {} (no MLproject file; name a script with -e to run it)",
            shown_file(source, directory)
        ),
        ([], files) => format!("no problems found in {}", files.join(" and ")),
        _ => summary(findings),
    };
    format!("{}\n", one_line(&line))
}

/// The path as a person types it.
fn shown_file(source: &ProjectSource, path: &Path) -> String {
    match source.shown(path).as_str() {
        "" => ".".to_owned(),
        shown if shown.contains('/') => shown.to_owned(),
        shown => format!("./{shown}"),
    }
}

/// The findings' number of each severity.
pub(crate) fn summary(findings: &[Finding]) -> String {
    let counts = [Severity::Error, Severity::Warning, Severity::Note]
        .into_iter()
        .map(|severity| (count(findings, severity), severity.as_str()))
        .filter(|(count, _)| *count > 0)
        .map(|(count, severity)| quantity::counted(count as u64, severity));
    counts.collect::<Vec<_>>().join(", ")
}

fn count(findings: &[Finding], severity: Severity) -> usize {
    let is_such = |finding: &&Finding| finding.code.severity() == severity;
    findings.iter().filter(is_such).count()
}
