//! `mlrun cancel`: stops a run.

use std::time::Duration;

use tokio::time::Instant;

use super::{FoundRun, RunPlace, elsewhere, gone, ids, is_here, with_run_id};
use crate::cli::printer::Printer;
use crate::cli::report::{Failure, Outcome};
use crate::entities::{RunStatus, tag};
use crate::environment::Engine;
use crate::events::Progress;
use crate::process::{BETWEEN_LOOKS, ProcessIdentity, Termination, Whereabouts};
use crate::quantity;

/// How long mlrun may take to stop its processes and record that: its grace period, and as long again for the
/// store.
const PATIENCE: Duration = Duration::from_secs(30);
const LOOK: Duration = Duration::from_millis(50);

/// The hint for runs that cannot be found.
const NOT_FOUND: &str =
    "cancel it where it was started; mlrun finds only runs that mlrun started, and local ones only on Linux";

/// Stops the run where it runs, and returns when its end is recorded.
pub(in crate::cli) async fn cancel(run_id: &str, printer: &Printer) -> Result<Outcome, Failure> {
    let mut run = FoundRun::find(run_id).await?;
    let is_live_process = matches!(&run.place, RunPlace::Process(process) if is_here(process));
    if run.status().is_terminated() && !is_live_process {
        tell_ended(&run, run.status(), printer);
        return Ok(Outcome::Succeeded);
    }
    match &mut run.place {
        RunPlace::Process(process) => {
            let process = process.clone();
            cancel_process(&run, &process, printer).await?;
        }
        RunPlace::Backend(backend) => match backend.status().await {
            // It ended, and nobody was there to record it.
            Ok(state) if state.status.is_terminated() => {
                let status = run.record_end_elsewhere(state.status).await?;
                tell_ended(&run, status, printer);
                return Ok(Outcome::Succeeded);
            }
            // Where it cannot be asked, the cancellation says why.
            _ => {
                if backend.cancel(printer).await? {
                    run.record_end_elsewhere(RunStatus::Killed).await?;
                }
            }
        },
        RunPlace::Unknown(error) => {
            return Err(Failure::message(format!("cannot cancel the run: {error}")).with_hint(NOT_FOUND));
        }
    }
    let status = run.record_end(RunStatus::Killed).await?;
    printer.status(&format!("Run '{}' was cancelled:", run.run_id()), status);
    Ok(Outcome::Succeeded)
}

fn tell_ended(run: &FoundRun, status: RunStatus, printer: &Printer) {
    printer.status(&format!("Run '{}' has already ended:", run.run_id()), status);
}

/// Asks mlrun's own process to stop: it stops its children and records the end.
async fn cancel_process(run: &FoundRun, process: &ProcessIdentity, printer: &Printer) -> Result<(), Failure> {
    let cannot = |reason: &str| Failure::message(format!("cannot cancel run '{}': {reason}", run.run_id()));
    if process.whereabouts() == Whereabouts::Elsewhere {
        let (text, hint) = elsewhere(process, "cancel", run);
        return Err(cannot(&text).with_hint(hint));
    }
    let asked = process
        .terminate()
        .map_err(|error| cannot(&format!("cannot signal process {process}: {error}")))?;
    match asked {
        Termination::Asked => {}
        Termination::Gone => {
            end_what_is_left(run, process, printer).await;
            return Ok(());
        }
        Termination::Forbidden => {
            return Err(cannot(&format!("process {process} belongs to another user"))
                .with_hint("ask that user, or use sudo"));
        }
    }
    printer.info(&format!("Asked process {process} to stop; waiting for it"));
    let deadline = Instant::now() + PATIENCE;
    while is_here(process) {
        if Instant::now() > deadline {
            return Err(cannot(&format!(
                "process {process} is still running {} after it was asked to stop",
                quantity::duration(PATIENCE)
            ))
            .with_hint(format!(
                "keep waiting with `mlrun wait {0}`, or run `kill -9 {1}` and then `mlrun cancel {0}`",
                run.run_id(),
                process.pid()
            )));
        }
        tokio::time::sleep(LOOK).await;
    }
    Ok(())
}

/// Stops what a killed process left running.
async fn end_what_is_left(run: &FoundRun, process: &ProcessIdentity, printer: &Printer) {
    printer.info(&format!("Run '{}': {}", run.run_id(), gone(process)));
    if let Some(mut left) = process.left_behind() {
        let found = left.processes();
        if !found.is_empty() {
            printer.info(&format!(
                "Stopping the {} it left behind: {}",
                if found.len() == 1 { "process" } else { "processes" },
                ids(&found)
            ));
        }
        while !left.end() {
            tokio::time::sleep(BETWEEN_LOOKS).await;
        }
    }
    let others = with_run_id(run.run_id());
    if !others.is_empty() {
        printer.warning(&format!(
            "processes with MLFLOW_RUN_ID={} are still running: {}; if they belong to the run, stop them with `kill {1}`",
            run.run_id(),
            ids(&others)
        ));
    }
    if run.data.tag(tag::PROJECT_ENV) == Some("docker") {
        remove_container(run, printer).await;
    }
}

/// Removes the run's container, which survives the program that started it.
async fn remove_container(run: &FoundRun, printer: &Printer) {
    let name = format!("mlrun-{}", run.run_id());
    let removed = match Engine::find() {
        Ok(engine) => engine
            .remove_container(&name)
            .await
            .map_err(|error| error.to_string()),
        Err(error) => Err(error.to_string()),
    };
    match removed {
        Ok(true) => printer.info(&format!("Removed the run's container {name}")),
        Ok(false) => {}
        Err(reason) => printer.warning(&format!(
            "the run's container may still be running; remove it with `docker rm -f {name}` ({reason})"
        )),
    }
}
