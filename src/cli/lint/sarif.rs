//! Findings in the Static Analysis Results Interchange Format, SARIF 2.1.0.

use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};
use serde_json::{Value, json};

use super::annotation::{message_with_hint, path_in_repository};
use crate::cli::project_source::ProjectSource;
use crate::lint::{Code, Finding, Severity};

const SCHEMA: &str =
    "https://docs.oasis-open.org/sarif/sarif/v2.1.0/errata01/os/schemas/sarif-schema-2.1.0.json";

/// What is not escaped in a relative URI.
const ESCAPED: &AsciiSet = &NON_ALPHANUMERIC
    .remove(b'/')
    .remove(b'-')
    .remove(b'_')
    .remove(b'.')
    .remove(b'~');

/// The whole log, with all rules, and URIs that are relative to the repository.
pub(super) fn log(source: &ProjectSource, findings: &[Finding]) -> Value {
    json!({
        "$schema": SCHEMA,
        "version": "2.1.0",
        "runs": [{
            "tool": {
                "driver": {
                    "name": env!("CARGO_PKG_NAME"),
                    "version": env!("CARGO_PKG_VERSION"),
                    "rules": Code::ALL.iter().map(|code| rule(*code)).collect::<Value>(),
                },
            },
            "columnKind": "unicodeCodePoints",
            "results": findings.iter().map(|finding| result(source, finding)).collect::<Value>(),
        }],
    })
}

fn rule(code: Code) -> Value {
    json!({
        "id": code.name(),
        "shortDescription": { "text": code.meaning() },
        "help": { "text": format!("{} {}", code.meaning(), consequence(code.severity())) },
        "defaultConfiguration": { "level": code.severity().as_str() },
    })
}

fn consequence(severity: Severity) -> &'static str {
    match severity {
        Severity::Error => "`mlrun run` refuses it.",
        Severity::Warning => "It runs, but does not do what it seems to.",
        Severity::Note => "It runs.",
    }
}

fn result(source: &ProjectSource, finding: &Finding) -> Value {
    let path = path_in_repository(source, finding);
    let mut place = json!({
        "artifactLocation": {
            "uri": utf8_percent_encode(&path, ESCAPED).to_string(),
            "uriBaseId": "%SRCROOT%",
        },
    });
    if let Some(location) = &finding.location {
        place["region"] = json!({
            "startLine": location.position.line,
            "startColumn": location.position.column,
        });
    }
    json!({
        "ruleId": finding.code.name(),
        "ruleIndex": Code::ALL.iter().position(|code| *code == finding.code),
        "level": finding.code.severity().as_str(),
        "message": { "text": message_with_hint(finding) },
        "locations": [{ "physicalLocation": place }],
    })
}
