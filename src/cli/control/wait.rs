//! `mlrun wait`: waits until a run has ended.

use std::time::Duration;

use super::status::left_note;
use super::{FoundRun, RunPlace, gone, is_here};
use crate::backend::BackendError;
use crate::cli::printer::Printer;
use crate::cli::report::{Failure, Outcome};
use crate::entities::RunStatus;
use crate::process::{Interruptible, ProcessIdentity, ProgramExit, Signals, Whereabouts, until_signal};

/// The first and the longest pause between requests to the store.
const FIRST_PAUSE: Duration = Duration::from_millis(250);
const LONGEST_PAUSE: Duration = Duration::from_secs(5);
/// The pause between looks at a process of this machine.
const LOOK: Duration = Duration::from_millis(100);

/// Waits until the run has ended. A signal stops only the waiting.
pub(in crate::cli) async fn wait(run_id: &str, printer: &Printer) -> Result<Outcome, Failure> {
    let mut signals = Signals::install()?;
    let waited = match until_signal(&mut signals, FoundRun::find(run_id))
        .await
        .transpose()?
    {
        Interruptible::Done(mut run) => {
            let ended = until_end(&mut run, &mut signals, printer).await?;
            ended.map(|()| run)
        }
        Interruptible::Interrupted(signal) => Interruptible::Interrupted(signal),
    };
    Ok(match waited {
        Interruptible::Done(run) => {
            printer.status(&format!("Run '{}' has ended:", run.run_id()), run.status());
            match run.status() {
                RunStatus::Finished => Outcome::Succeeded,
                RunStatus::Killed => Outcome::RunKilled,
                _ => Outcome::RunFailed,
            }
        }
        Interruptible::Interrupted(signal) => {
            printer.error(&format!("Interrupted by {signal}; run '{run_id}' continues"));
            Outcome::Interrupted(signal.number())
        }
    })
}

/// Waits for the run. A backend relays the entry point's output; if nobody else has recorded the end that it reports,
/// this does.
async fn until_end(
    run: &mut FoundRun,
    signals: &mut Signals,
    printer: &Printer,
) -> Result<Interruptible<()>, Failure> {
    match &mut run.place {
        RunPlace::Backend(_) if run.data.info.status.is_terminated() => Ok(Interruptible::Done(())),
        RunPlace::Backend(backend) => {
            let ended = match backend.wait(signals, printer).await {
                Ok(Interruptible::Interrupted(signal)) => return Ok(Interruptible::Interrupted(signal)),
                Ok(Interruptible::Done(exit)) => Ok(exit),
                Err(error) => Err(error),
            };
            let recorded = async {
                match ended {
                    Ok(exit) => after_exit(run, exit).await,
                    Err(error) => after_error(run, error, printer).await,
                }
            };
            until_signal(signals, recorded).await.transpose()
        }
        RunPlace::Process(process) => {
            let process = process.clone();
            until_signal(signals, with_process(run, &process))
                .await
                .transpose()
        }
        RunPlace::Unknown(_) => until_signal(signals, with_store(run)).await.transpose(),
    }
}

/// The run's status on its backend, if it answers.
async fn seen_by_backend(run: &mut FoundRun) -> Option<RunStatus> {
    let RunPlace::Backend(backend) = &mut run.place else {
        return None;
    };
    backend.status().await.ok().map(|state| state.status)
}

/// Records how the run ended. The backend's status says more than the exit code: the run may have been cancelled
/// there.
async fn after_exit(run: &mut FoundRun, exit: ProgramExit) -> Result<(), Failure> {
    let status = match seen_by_backend(run).await {
        Some(status) if status.is_terminated() => status,
        _ if exit.is_success() => RunStatus::Finished,
        _ => RunStatus::Failed,
    };
    run.record_end_elsewhere(status).await?;
    Ok(())
}

/// Records how the run ended if the backend gives an error instead of an exit code. Fails with that error if it says
/// nothing about the run's end.
async fn after_error(run: &mut FoundRun, error: BackendError, printer: &Printer) -> Result<(), Failure> {
    let seen = match error.run_status() {
        RunStatus::Killed => Some(RunStatus::Killed),
        _ => seen_by_backend(run).await,
    };
    match seen {
        Some(status) if status.is_terminated() => {
            run.record_end_elsewhere(status).await?;
        }
        // Whoever ended the run, or followed it too, may have recorded its end meanwhile.
        _ => run.refresh().await?,
    }
    match run.status() {
        RunStatus::Running | RunStatus::Scheduled => return Err(error.into()),
        RunStatus::Finished => {}
        RunStatus::Failed | RunStatus::Killed => printer.failure(&Failure::from(error)),
    }
    Ok(())
}

/// Waits for the process, which records the run's end before it exits.
async fn with_process(run: &mut FoundRun, process: &ProcessIdentity) -> Result<(), Failure> {
    if process.whereabouts() == Whereabouts::Elsewhere {
        return with_store(run).await;
    }
    while is_here(process) {
        tokio::time::sleep(LOOK).await;
    }
    run.refresh().await?;
    if run.status().is_terminated() {
        return Ok(());
    }
    let left = left_note(run, process).map(|note| format!("; {note}"));
    Err(Failure::message(format!(
        "cannot tell how run '{}' ended: {}, but its status is still {}{}",
        run.run_id(),
        gone(process),
        run.status(),
        left.unwrap_or_default()
    ))
    .with_hint(format!("`mlrun cancel {}` records it as KILLED", run.run_id())))
}

/// Polls the store.
async fn with_store(run: &mut FoundRun) -> Result<(), Failure> {
    let mut pause = FIRST_PAUSE;
    while !run.status().is_terminated() {
        tokio::time::sleep(pause).await;
        pause = (pause * 3 / 2).min(LONGEST_PAUSE);
        run.refresh().await?;
    }
    Ok(())
}
