//! A project for a person.

use std::path::Path;

use crate::cli::escape::{escaped, one_line, shell_word};
use crate::cli::lint;
use crate::cli::project_source::ProjectSource;
use crate::cli::terminal::{Stream, style};
use crate::cli::text_table::{Painted, columns, wrapped};
use crate::lint::{Finding, Severity};
use crate::project::{EntryPoint, EnvironmentEntry, Parameter, Project, ProjectEnvironment};

/// How many scripts are listed.
const SCRIPTS_SHOWN: usize = 30;
/// Shown in place of a default.
const REQUIRED: &str = "(required)";
/// How far the parts of an entry point are indented.
const INDENT: usize = 2;

/// What is shown of a project.
pub(super) struct Inspected<'a> {
    pub(super) source: &'a ProjectSource,
    pub(super) project: &'a Project,
    /// All declared ones, or the requested one.
    pub(super) entry_points: Vec<EntryPoint>,
    /// Scripts that can be run, if nothing is declared and no entry point was requested.
    pub(super) scripts: Vec<String>,
    pub(super) findings: Vec<Finding>,
    /// The arguments of `mlrun run` for this project.
    pub(super) run_arguments: Vec<String>,
}

impl Inspected<'_> {
    /// The [`run_arguments`](Self::run_arguments) as one types them.
    fn run_words(&self) -> String {
        let words: Vec<_> = self.run_arguments.iter().map(|word| shell_word(word)).collect();
        words.join(" ")
    }
}

/// The whole text, with lines of at most this width unless a word is longer.
pub(super) fn text(inspected: &Inspected<'_>, width: usize) -> String {
    let mut text = head(inspected, width);
    for entry_point in &inspected.entry_points {
        text.push('\n');
        text.push_str(&entry_point_text(inspected, entry_point, width));
    }
    text.push_str(&scripts(inspected));
    text.push_str(&findings(inspected, width));
    text
}

/// Errors and warnings. Notes are only counted, since most good files have some.
fn findings(inspected: &Inspected<'_>, width: usize) -> String {
    let findings = &inspected.findings;
    if findings.is_empty() {
        return String::new();
    }
    let is_shown = |finding: &&Finding| finding.code.severity() > Severity::Note;
    let rows: Vec<Vec<Painted>> = findings
        .iter()
        .filter(is_shown)
        .map(|finding| {
            let place = finding.location.as_ref().map_or_else(String::new, |location| {
                let file = location.file.path().file_name().unwrap_or_default().display();
                format!("{file}:{}", location.position.line)
            });
            let hint = finding
                .hint
                .iter()
                .map(|hint| format!("\nhint: {}", one_line(hint)));
            let message = one_line(&finding.message).into_owned() + &hint.collect::<String>();
            let severity = finding.code.severity();
            vec![
                Painted::new(severity.as_str(), lint::style_of(severity)),
                Painted::plain(place),
                Painted::plain(message),
            ]
        })
        .collect();
    let all = if rows.len() < findings.len() {
        format!("\n  `mlrun lint {}` shows all findings\n", inspected.run_words())
    } else {
        String::new()
    };
    format!(
        "\n{}\n{}{all}",
        lint::summary(findings),
        columns(&rows, INDENT, width)
    )
}

fn head(inspected: &Inspected<'_>, width: usize) -> String {
    let Inspected { source, project, .. } = inspected;
    let origin = source.work_dir.source();
    let name = project.name.clone().unwrap_or_else(|| "(no name)".to_owned());
    let mut rows = vec![("project", name), ("source", origin.name.clone())];
    if let Some(commit) = &origin.commit {
        let branch = origin.branch.as_ref().map(|branch| format!(" ({branch})"));
        rows.push(("commit", format!("{commit}{}", branch.unwrap_or_default())));
    }
    if project.file.is_none() {
        let conventions = "no MLproject file: every script is an entry point";
        rows.push(("file", conventions.to_owned()));
    }
    rows.extend(environment(inspected));
    let cells = |(title, value): (&str, String)| vec![title.to_owned(), value];
    columns(&rows.into_iter().map(cells).collect::<Vec<_>>(), 0, width)
}

fn environment(inspected: &Inspected<'_>) -> Vec<(&'static str, String)> {
    let project = inspected.project;
    if let Some(job) = &project.databricks_spark_job {
        let mut rows = vec![("environment", "Databricks Spark job".to_owned())];
        rows.extend(job.python_file.clone().map(|file| ("Python file", file)));
        for (title, values) in [
            ("parameters", &job.parameters),
            ("libraries", &job.python_libraries),
        ] {
            if !values.is_empty() {
                rows.push((title, values.join(" ")));
            }
        }
        return rows;
    }
    let one = |text| vec![("environment", text)];
    match &project.environment {
        ProjectEnvironment::Python { file: None } => {
            one("none declared (a new one with only Python)".to_owned())
        }
        ProjectEnvironment::Python { file: Some(file) } => {
            one(format!("{} (virtualenv)", in_project(inspected, file)))
        }
        ProjectEnvironment::Conda { file } => one(format!("{} (conda)", in_project(inspected, file))),
        ProjectEnvironment::Docker(docker) => {
            let variable = |entry: &EnvironmentEntry| match entry {
                EnvironmentEntry::Copy(_) => format!("{} (copied)", entry.name()),
                EnvironmentEntry::Set(..) => format!("{} (set)", entry.name()),
            };
            let mut rows = one(format!("image {} (docker)", docker.image));
            rows.extend(docker.volumes.iter().map(|volume| ("volume", volume.clone())));
            if !docker.environment.is_empty() {
                let variables: Vec<String> = docker.environment.iter().map(variable).collect();
                rows.push(("variables", variables.join(", ")));
            }
            rows
        }
    }
}

/// The path below the project's directory.
fn in_project(inspected: &Inspected<'_>, file: &Path) -> String {
    let shown = file.strip_prefix(&inspected.project.directory).unwrap_or(file);
    shown.display().to_string()
}

fn entry_point_text(inspected: &Inspected<'_>, entry_point: &EntryPoint, width: usize) -> String {
    let mut text = heading(&format!("entry point {}", one_line(&entry_point.name)));
    match &entry_point.command {
        Some(command) => text.push_str(&indented(command.trim_end(), width)),
        None => text.push_str("  (no command)\n"),
    }
    if !entry_point.parameters.is_empty() {
        text.push('\n');
        text.push_str(&parameters(&entry_point.parameters, width));
    }
    text.push('\n');
    text.push_str(&indented(
        &format!("$ {}", run_line(inspected, entry_point)),
        width,
    ));
    text
}

/// The title of a part.
fn heading(title: &str) -> String {
    format!("{}\n", Stream::Stdout.paint(style::HEADING, title))
}

/// A command, wrapped with a deeper indentation.
fn indented(command: &str, width: usize) -> String {
    let mut text = String::new();
    for line in escaped(command).lines() {
        let own_indent: String = line.chars().take_while(|character| *character == ' ').collect();
        let parts = wrapped(line, width.saturating_sub(INDENT + own_indent.len() + 4));
        for (number, part) in parts.iter().enumerate() {
            let more = if number == 0 {
                String::new()
            } else {
                format!("{own_indent}    ")
            };
            text.push_str(format!("{:INDENT$}{more}{part}", "").trim_end());
            text.push('\n');
        }
    }
    text
}

fn parameters(parameters: &[Parameter], width: usize) -> String {
    let has_descriptions = parameters.iter().any(|parameter| parameter.description.is_some());
    let mut heading = vec!["PARAMETER", "TYPE", "DEFAULT"];
    if has_descriptions {
        heading.push("DESCRIPTION");
    }
    let mut rows = vec![heading.into_iter().map(Painted::heading).collect::<Vec<_>>()];
    rows.extend(parameters.iter().map(|parameter| {
        let default = parameter
            .default
            .as_deref()
            .map_or_else(|| REQUIRED.to_owned(), shown_default);
        let mut row = vec![
            parameter.name.clone(),
            parameter.parameter_type.as_str().to_owned(),
            default,
        ];
        if has_descriptions {
            row.push(parameter.short_description().unwrap_or_default());
        }
        row.into_iter().map(Painted::plain).collect()
    }));
    columns(&rows, INDENT, width)
}

/// The default, in quotes if it would be invisible without them.
fn shown_default(default: &str) -> String {
    let is_visible = !default.is_empty()
        && default.trim() == default
        && !default.contains('\t')
        && one_line(default) == default
        && default != REQUIRED;
    if is_visible {
        default.to_owned()
    } else {
        format!("'{}'", default.escape_debug())
    }
}

/// The command that runs the entry point, with the required parameters.
fn run_line(inspected: &Inspected<'_>, entry_point: &EntryPoint) -> String {
    let mut line = format!("mlrun run {}", inspected.run_words());
    if entry_point.name != "main" {
        line.push_str(&format!(" -e {}", shell_word(&entry_point.name)));
    }
    let parameters = entry_point.parameters.iter();
    for parameter in parameters.filter(|parameter| parameter.default.is_none()) {
        let value = parameter.parameter_type.as_str().to_uppercase();
        let value: String = value.chars().filter(char::is_ascii_alphanumeric).collect();
        line.push_str(&format!(" -P {}={value}", shell_word(&parameter.name)));
    }
    line
}

fn scripts(inspected: &Inspected<'_>) -> String {
    let Some(first) = inspected.scripts.first() else {
        return if inspected.entry_points.is_empty() && inspected.project.databricks_spark_job.is_none() {
            "\nno entry points, and no .py, .sh or .R files to run\n".to_owned()
        } else {
            String::new()
        };
    };
    let mut text = format!("\n{}", heading("scripts"));
    for script in inspected.scripts.iter().take(SCRIPTS_SHOWN) {
        text.push_str(&format!("  {}\n", one_line(script)));
    }
    if inspected.scripts.len() > SCRIPTS_SHOWN {
        text.push_str(&format!(
            "  and {} more\n",
            inspected.scripts.len() - SCRIPTS_SHOWN
        ));
    }
    text.push_str(&format!(
        "\n  $ mlrun run {} -e {} -P NAME=VALUE\n",
        inspected.run_words(),
        shell_word(first)
    ));
    text
}
