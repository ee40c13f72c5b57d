//! `mlrun wait`: until a run has ended.

use std::time::Duration;

use super::status::{left_note, outcome};
use super::{FoundRun, RunPlace, gone, is_here};
use crate::backend::BackendError;
use crate::cli::printer::Printer;
use crate::cli::report::{Failure, Outcome};
use crate::entities::RunStatus;
use crate::events::Progress;
use crate::process::{Ended, ProcessIdentity, ProgramExit, Signals, TerminationSignal, Whereabouts};

/// How often the store is asked at first, and how often after a while.
const FIRST_PAUSE: Duration = Duration::from_millis(250);
const LONGEST_PAUSE: Duration = Duration::from_secs(5);
/// How often a process of this machine is looked for.
const LOOK: Duration = Duration::from_millis(100);

/// Waits until the run has ended. A signal ends the waiting only.
pub(in crate::cli) async fn wait(run_id: &str, printer: &Printer) -> Result<Outcome, Failure> {
    let mut signals = Signals::install()?;
    let mut run = tokio::select! {
        biased;
        signal = signals.next() => return Ok(given_up(run_id, signal, printer)),
        run = FoundRun::find(run_id) => run?,
    };
    let waited = match &mut run.place {
        RunPlace::Backend(_) if run.data.info.status.is_terminated() => Ok(run.status()),
        RunPlace::Backend(_) => with_backend(&mut run, &mut signals, printer).await?,
        RunPlace::Process(process) => {
            let process = process.clone();
            tokio::select! {
                biased;
                signal = signals.next() => Err(signal),
                waited = with_process(&mut run, &process) => Ok(waited?),
            }
        }
        RunPlace::Unknown(_) => tokio::select! {
            biased;
            signal = signals.next() => Err(signal),
            waited = with_store(&mut run) => Ok(waited?),
        },
    };
    match waited {
        Ok(status) => {
            printer.info(&format!("Run '{}' has ended: {status}", run.run_id()));
            Ok(outcome(status))
        }
        Err(signal) => Ok(given_up(run_id, signal, printer)),
    }
}

fn given_up(run_id: &str, signal: TerminationSignal, printer: &Printer) -> Outcome {
    printer.error(&format!("Interrupted by {signal}; run '{run_id}' goes on"));
    Outcome::Interrupted(signal.number())
}

/// Waits with the backend, which shows what the entry point writes, and records the end where nobody
/// else has.
async fn with_backend(
    run: &mut FoundRun,
    signals: &mut Signals,
    printer: &Printer,
) -> Result<Result<RunStatus, TerminationSignal>, Failure> {
    let RunPlace::Backend(backend) = &mut run.place else {
        return Ok(Ok(run.status()));
    };
    let waited = backend.wait(signals, printer).await;
    let recorded = async {
        match waited {
            Ok(Ended::Interrupted { signal }) => Ok(Err(signal)),
            Ok(Ended::Exited(exit)) => after_exit(run, exit).await.map(Ok),
            Err(error) => after_error(run, error, printer).await.map(Ok),
        }
    };
    tokio::select! {
        recorded = recorded => recorded,
        signal = signals.next() => Ok(Err(signal)),
    }
}

/// How the backend sees the run, if it can be asked.
async fn seen_by_backend(run: &mut FoundRun) -> Option<RunStatus> {
    let RunPlace::Backend(backend) = &mut run.place else {
        return None;
    };
    backend.state().await.ok().map(|state| state.status)
}

/// Records how the run ended, of which the backend knows more than the exit: it may have been told to end
/// the run.
async fn after_exit(run: &mut FoundRun, exit: ProgramExit) -> Result<RunStatus, Failure> {
    let status = match seen_by_backend(run).await {
        Some(status) if status.is_terminated() => status,
        _ if exit.is_success() => RunStatus::Finished,
        _ => RunStatus::Failed,
    };
    run.record_end_elsewhere(status).await
}

/// How the run ended, where the backend gives a reason instead of an exit. Fails by that reason if it
/// tells nothing about the run's end.
async fn after_error(
    run: &mut FoundRun,
    error: BackendError,
    printer: &Printer,
) -> Result<RunStatus, Failure> {
    let seen = match error.run_status() {
        RunStatus::Killed => Some(RunStatus::Killed),
        _ => seen_by_backend(run).await,
    };
    let status = match seen {
        Some(status) if status.is_terminated() => run.record_end_elsewhere(status).await?,
        _ => {
            // Whoever ended the run, or followed it too, may have recorded its end meanwhile.
            run.refresh().await?;
            run.status()
        }
    };
    match status {
        RunStatus::Running | RunStatus::Scheduled => Err(error.into()),
        RunStatus::Finished => Ok(status),
        RunStatus::Failed | RunStatus::Killed => {
            printer.failure(&Failure::from(error));
            Ok(status)
        }
    }
}

/// Waits for the end of the process, which records the run's end before its own.
async fn with_process(run: &mut FoundRun, process: &ProcessIdentity) -> Result<RunStatus, Failure> {
    if process.whereabouts() == Whereabouts::Elsewhere {
        return with_store(run).await;
    }
    while is_here(process) {
        tokio::time::sleep(LOOK).await;
    }
    run.refresh().await?;
    if run.status().is_terminated() {
        return Ok(run.status());
    }
    let left = left_note(run, process).map(|note| format!("; {note}"));
    Err(Failure::message(format!(
        "the end of run '{}' is not known: {}, and the store says {}{}",
        run.run_id(),
        gone(process),
        run.status(),
        left.unwrap_or_default()
    ))
    .with_hint(format!("`mlrun cancel {}` records it as KILLED", run.run_id())))
}

/// Asks the store again and again.
async fn with_store(run: &mut FoundRun) -> Result<RunStatus, Failure> {
    let mut pause = FIRST_PAUSE;
    while !run.status().is_terminated() {
        tokio::time::sleep(pause).await;
        pause = (pause * 3 / 2).min(LONGEST_PAUSE);
        run.refresh().await?;
    }
    Ok(run.status())
}
