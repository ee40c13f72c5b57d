//! `mlrun status`: a run's status, and whether its process is alive.

use clap::builder::styling::Style;
use serde_json::{Map, Value, json};

use super::{FoundRun, RunPlace, elsewhere, gone, ids};
use crate::backend::RunState;
use crate::cli::escape;
use crate::cli::printer::{self, Printer};
use crate::cli::report::{Failure, Outcome};
use crate::cli::terminal::{Stream, style};
use crate::cli::text_table::{Painted, columns};
use crate::entities::{LifecycleStage, RunData, UnixMillis, tag};
use crate::process::{ProcessIdentity, Whereabouts};
use crate::quantity;

/// The width of the longest title that every run has.
const TITLE_WIDTH: usize = "entry point".len();

/// What is known about a run beyond its store.
struct Findings {
    /// Facts for a person: names and values.
    facts: Vec<(&'static str, String)>,
    /// Problems, and what to do about them.
    notes: Vec<String>,
    process: Option<(ProcessIdentity, Whereabouts)>,
    backend: Option<RunState>,
}

/// Shows a run's status. If its backend says that it has ended and the store does not, the end is recorded.
pub(in crate::cli) async fn status(
    run_id: &str,
    as_json: bool,
    printer: &Printer,
) -> Result<Outcome, Failure> {
    let mut run = FoundRun::find(run_id).await?;
    let findings = look(&mut run, printer).await?;
    if as_json {
        printer::write_stdout(&escape::json(&json_of(&run, &findings)))?;
    } else {
        printer::write_escaped_stdout(&text_of(&run, &findings))?;
    }
    Ok(Outcome::Succeeded)
}

async fn look(run: &mut FoundRun, printer: &Printer) -> Result<Findings, Failure> {
    let mut findings = Findings {
        facts: Vec::new(),
        notes: Vec::new(),
        process: None,
        backend: None,
    };
    let has_ended = run.status().is_terminated();
    match &mut run.place {
        RunPlace::Process(process) => {
            let process = process.clone();
            let whereabouts = process.whereabouts();
            if !has_ended || whereabouts == Whereabouts::Here {
                describe_process(run, &process, whereabouts, &mut findings);
            }
            findings.process = Some((process, whereabouts));
        }
        RunPlace::Backend(_) if has_ended => {}
        RunPlace::Backend(backend) => match backend.status().await {
            Ok(state) => {
                findings.facts.extend(state.details.iter().cloned());
                if state.status.is_terminated() {
                    let status = run.record_end_elsewhere(state.status).await?;
                    printer.status("The run has ended; its status is now", status);
                }
                findings.backend = Some(state);
            }
            Err(error) => findings.notes.extend(told(&Failure::from(error))),
        },
        RunPlace::Unknown(_) => {}
    }
    Ok(findings)
}

fn describe_process(
    run: &FoundRun,
    process: &ProcessIdentity,
    whereabouts: Whereabouts,
    findings: &mut Findings,
) {
    findings.facts.push(("process", process.to_string()));
    match whereabouts {
        Whereabouts::Here => {}
        Whereabouts::Gone => {
            findings.notes.push(format!(
                "{}, but the run's end was not recorded; `mlrun cancel {}` records it as KILLED",
                gone(process),
                run.run_id()
            ));
            findings.notes.extend(left_note(run, process));
        }
        Whereabouts::Elsewhere => {
            let (text, hint) = elsewhere(process, "status", run);
            findings.notes.push(format!(
                "{text}; whether it is still alive cannot be seen from here"
            ));
            findings.notes.push(hint);
        }
    }
}

/// Says which processes outlived the run's own.
pub(super) fn left_note(run: &FoundRun, process: &ProcessIdentity) -> Option<String> {
    let left = process.left_behind()?.processes();
    (!left.is_empty()).then(|| {
        format!(
            "it left processes running: {}; `mlrun cancel {}` stops them",
            ids(&left),
            run.run_id()
        )
    })
}

/// A failure as notes.
fn told(failure: &Failure) -> Vec<String> {
    failure.text().lines().map(str::to_owned).collect()
}

fn text_of(run: &FoundRun, findings: &Findings) -> String {
    let data = &run.data;
    let info = &data.info;
    let now = UnixMillis::now();
    let mut lines = vec![
        ("run", format!("{} ({})", info.run_id, info.run_name)),
        ("status", status_text(data)),
        ("experiment", info.experiment_id.to_string()),
    ];
    for (title, key) in [
        ("project", tag::SOURCE_NAME),
        ("entry point", tag::PROJECT_ENTRY_POINT),
        ("backend", tag::PROJECT_BACKEND),
    ] {
        lines.extend(data.tag(key).map(|value| (title, value.to_owned())));
    }
    if let Some(start) = data.start_time {
        lines.push(("started", quantity::ago(now.0 - start.0)));
        if let Some(end) = data.end_time {
            lines.push(("ended", quantity::ago(now.0 - end.0)));
            lines.push(("took", quantity::duration(end.since(start))));
        }
    }
    lines.extend(findings.facts.iter().cloned());
    lines.extend(run.store.run_url(info).map(|url| ("page", url)));
    lines.extend(findings.notes.iter().map(|note| ("note", note.clone())));
    let row = |(title, value): (&str, String)| {
        let style = match title {
            "status" => style::of_status(info.status),
            "note" => style::WARNING,
            _ => Style::new(),
        };
        vec![
            Painted::plain(format!("{title:<TITLE_WIDTH$}")),
            Painted::new(value, style),
        ]
    };
    let rows: Vec<_> = lines.into_iter().map(row).collect();
    // Off a terminal a line is a fact.
    columns(&rows, 0, Stream::Stdout.wraps_at().unwrap_or(usize::MAX))
}

fn status_text(data: &RunData) -> String {
    match data.lifecycle_stage {
        LifecycleStage::Active => data.info.status.to_string(),
        LifecycleStage::Deleted => format!("{} (deleted)", data.info.status),
    }
}

fn json_of(run: &FoundRun, findings: &Findings) -> Value {
    let data = &run.data;
    let info = &data.info;
    let map = |pairs: &[(String, String)]| -> Map<String, Value> {
        let pairs = pairs.iter();
        pairs
            .map(|(key, value)| (key.clone(), Value::from(value.clone())))
            .collect()
    };
    let process = findings.process.as_ref().map(|(process, whereabouts)| {
        let state = match whereabouts {
            Whereabouts::Here => "running",
            Whereabouts::Gone => "gone",
            Whereabouts::Elsewhere => "elsewhere",
        };
        json!({"host": process.host(), "pid": process.pid(), "state": state})
    });
    let backend = findings.backend.as_ref().map(|state| {
        let details: Map<String, Value> = state
            .details
            .iter()
            .map(|(name, value)| ((*name).to_owned(), Value::from(value.clone())))
            .collect();
        json!({"status": state.status.as_str(), "details": details})
    });
    json!({
        "run_id": info.run_id.as_str(),
        "run_name": info.run_name,
        "experiment_id": info.experiment_id.as_str(),
        "status": info.status.as_str(),
        "lifecycle_stage": data.lifecycle_stage.as_str(),
        "user": data.user,
        "start_time": data.start_time.map(|time| time.0),
        "end_time": data.end_time.map(|time| time.0),
        "tracking_uri": run.tracking_uri.to_string(),
        "artifact_uri": info.artifact_uri,
        "backend": data.tag(tag::PROJECT_BACKEND),
        "process": process,
        "backend_state": backend,
        "notes": findings.notes,
        "params": map(&data.params),
        "tags": map(&data.tags),
    })
}
