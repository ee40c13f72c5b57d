//! `mlrun wait`: until a run has ended.

use std::time::Duration;

use super::status::{left_note, outcome};
use super::{FoundRun, Place, gone, is_here};
use crate::cli::printer::Printer;
use crate::cli::report::{Failure, Outcome};
use crate::events::Progress;
use crate::process::{Ended, ProcessIdentity, Signals, TerminationSignal, Whereabouts};
use crate::run::RunStatus;

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
        Place::Backend(_) if run.data.info.status.is_terminated() => Ok(run.status()),
        Place::Backend(_) => with_backend(&mut run, &mut signals, printer).await?,
        Place::Process(process) => {
            let process = process.clone();
            tokio::select! {
                biased;
                signal = signals.next() => Err(signal),
                waited = with_process(&mut run, &process) => Ok(waited?),
            }
        }
        Place::Unknown(_) => tokio::select! {
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
    let Place::Backend(backend) = &mut run.place else {
        return Ok(Ok(run.status()));
    };
    let waited = match backend.wait(signals, printer).await {
        Ok(ended) => ended,
        Err(error) => {
            // A reason that the backend ended it for is the end of the run, too.
            if let Ok(state) = backend.state().await
                && state.status.is_terminated()
            {
                run.record_end(state.status).await?;
            }
            return Err(error.into());
        }
    };
    let status = match waited {
        Ended::Interrupted { signal } => return Ok(Err(signal)),
        // The backend knows more than the exit: it may have been told to end the run.
        Ended::Exited(exit) => match backend.state().await {
            Ok(state) if state.status.is_terminated() => state.status,
            _ if exit.is_success() => RunStatus::Finished,
            _ => RunStatus::Failed,
        },
    };
    run.record_end(status).await.map(Ok)
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
