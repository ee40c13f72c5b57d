//! `mlrun doctor`: what is installed here, and whether a project can run. Looks, and creates nothing.

mod check;
mod programs;
mod project;
mod storage;

use clap::builder::styling::Style;
use serde_json::{Value, json};

use crate::cli::args::DoctorArguments;
use crate::cli::escape;
use crate::cli::printer;
use crate::cli::report::{Failure, Outcome};
use crate::cli::terminal::{Stream, style};
use crate::cli::text_table::wrapped;
use crate::process::{Interruptible, Signals, until_signal};
use check::{Check, State};

/// Where the checks are written.
const STREAM: Stream = Stream::Stdout;

/// Checks under a heading.
struct Section {
    title: &'static str,
    checks: Vec<Check>,
}

/// Shows all checks. One that a run cannot do without makes the exit code 1.
pub(crate) async fn run(arguments: DoctorArguments) -> Result<Outcome, Failure> {
    let mut signals = Signals::install()?;
    let sections = match until_signal(&mut signals, sections(arguments.uri.as_deref())).await {
        Interruptible::Done(sections) => sections,
        Interruptible::Interrupted(signal) => return Ok(Outcome::Interrupted(signal.number())),
    };
    printer::write_escaped_stdout(&if arguments.json {
        escape::json(&object(&sections))
    } else {
        text(&sections, STREAM.width())
    })?;
    Ok(if failed(&sections).next().is_none() {
        Outcome::Succeeded
    } else {
        Outcome::ErrorsFound
    })
}

/// All checks, made at the same time.
async fn sections(uri: Option<&str>) -> Vec<Section> {
    let (pythons, programs, mut store, project) = tokio::join!(
        programs::pythons(),
        programs::others(),
        storage::store(),
        project::checks(uri)
    );
    store.push(storage::cache());
    let sections = [
        ("mlrun", programs::own()),
        ("Pythons", pythons),
        ("Programs", programs),
        ("Storage", store),
        ("Network", storage::network()),
        ("Project", project),
    ];
    sections
        .into_iter()
        .filter(|(_, checks)| !checks.is_empty())
        .map(|(title, checks)| Section { title, checks })
        .collect()
}

/// The checks that keep a run from starting.
fn failed(sections: &[Section]) -> impl Iterator<Item = &Check> {
    let checks = sections.iter().flat_map(|section| &section.checks);
    checks.filter(|check| check.prevents_run())
}

fn has_project(sections: &[Section]) -> bool {
    sections.iter().any(|section| section.title == "Project")
}

fn text(sections: &[Section], width: usize) -> String {
    let checks = || sections.iter().flat_map(|section| &section.checks);
    // The names of variables are longer than all others, and few.
    let longest = checks()
        .map(|check| check.name.chars().count())
        .filter(|length| *length <= 16)
        .max();
    let name_width = longest.unwrap_or_default();
    let mut text = String::new();
    for section in sections {
        text.push_str(&format!("{}\n", STREAM.paint(style::HEADING, section.title)));
        for check in &section.checks {
            text.push_str(&lines_of(check, name_width, width));
        }
        text.push('\n');
    }
    let failed: Vec<&str> = failed(sections).map(|check| check.name.as_str()).collect();
    let style = if failed.is_empty() {
        style::SUCCESS
    } else {
        style::ERROR
    };
    let verdict = match (failed.as_slice(), has_project(sections)) {
        ([], true) => "The project can run here.".to_owned(),
        ([], false) => "No problem found. `mlrun doctor URI` checks a project too.".to_owned(),
        (names, true) => format!("The project cannot run here: see {} above.", names.join(", ")),
        (names, false) => format!("No project can run here: see {} above.", names.join(", ")),
    };
    text + &STREAM.paint(style, &escape::one_line(&verdict)) + "\n"
}

fn lines_of(check: &Check, name_width: usize, width: usize) -> String {
    let state = check.state.as_str();
    let padding = 7 - state.len();
    let painted = STREAM.paint(style_of(check.state), state);
    let start = format!(
        "  {painted}{:padding$}  {:<name_width$}  ",
        "",
        escape::one_line(&check.name)
    );
    let indent = 2 + 7 + 2 + name_width + 2;
    // Not narrower than a path, whatever the terminal is.
    let room = width.saturating_sub(indent).max(30);
    let detail = escape::escaped(&check.detail);
    let hint = check.hint.as_ref().filter(|_| check.state != State::Ok);
    let hint = hint.map(|hint| format!("hint: {}", escape::escaped(hint)));
    let mut lines: Vec<String> = wrapped(&detail, room);
    lines.extend(hint.into_iter().flat_map(|hint| wrapped(&hint, room)));
    // Below a long name there is more room than beside it.
    let mut text = start;
    let mut is_beside = check.name.chars().count() <= name_width;
    for line in lines {
        if !std::mem::take(&mut is_beside) {
            text.truncate(text.trim_end().len());
            text.push_str(&format!("\n{:indent$}", ""));
        }
        text.push_str(&line);
    }
    text.truncate(text.trim_end().len());
    text + "\n"
}

fn style_of(state: State) -> Style {
    match state {
        State::Ok => style::SUCCESS,
        State::Missing => style::WARNING,
        State::Problem => style::ERROR,
    }
}

/// The checks for programs. Fields are added from version to version; none changes its meaning.
fn object(sections: &[Section]) -> Value {
    let checks = sections.iter().flat_map(|section| {
        section.checks.iter().map(|check| {
            json!({
                "section": section.title.to_lowercase(),
                "name": check.name,
                "state": check.state.as_str(),
                "detail": check.detail,
                "hint": check.hint,
                "needed": check.is_needed,
            })
        })
    });
    json!({
        "can_run": failed(sections).next().is_none(),
        "project": has_project(sections),
        "checks": checks.collect::<Vec<_>>(),
    })
}
