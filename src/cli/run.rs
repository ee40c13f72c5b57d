//! `mlrun run`: from the settings to the exit code.

use std::sync::Arc;

use crate::cli::args::ExitCodeName;
use crate::cli::dry_run;
use crate::cli::printer::Printer;
use crate::cli::report::{Failure, Outcome};
use crate::cli::run_info::RunReport;
use crate::cli::settings::RunSettings;
use crate::cli::slurm;
use crate::cli::time_limit::TimeLimit;
use crate::entities::{RunInfo, RunStatus};
use crate::events::Progress;
use crate::process::{Signals, TerminationSignal, own_all_children};
use crate::runner::{
    CreatedRun, Launched, ReusableRun, RunEnding, RunError, RunPlan, RunRequest, SubmittedRun,
    despite_signals, until_signal,
};
use crate::tracking::TrackingStore;

/// Runs a project, and reports it to the file that `--run-info` names.
pub(crate) async fn run(
    request: RunRequest,
    settings: RunSettings,
    printer: &Arc<Printer>,
) -> Result<Outcome, Failure> {
    let mut report = RunReport::new(settings.run_info_file.clone().filter(|_| !settings.dry_run));
    let outcome = carry_out(request, &settings, &mut report, printer).await;
    report.conclude(outcome, |failure| printer.failure(&failure))
}

/// Runs a project. Every way out after the run's creation gives the run its end status.
async fn carry_out(
    request: RunRequest,
    settings: &RunSettings,
    report: &mut RunReport,
    printer: &Arc<Printer>,
) -> Result<Outcome, Failure> {
    own_all_children();
    let mut signals = Signals::install()?;
    let mut plan = match until_signal(&mut signals, RunPlan::make(request, printer.as_ref())).await {
        Ok(plan) => plan?,
        Err(signal) => return Ok(interrupted_early(signal, printer)),
    };
    if settings.dry_run {
        return match until_signal(&mut signals, dry_run::show(&mut plan, settings, printer)).await {
            Ok(shown) => shown.map(|()| Outcome::Succeeded),
            Err(signal) => Ok(interrupted_early(signal, printer)),
        };
    }
    report.planned(&plan);
    report.check()?;
    if settings.reuse {
        match until_signal(&mut signals, plan.reusable_run(printer.as_ref())).await {
            Ok(Ok(Some(reusable))) => {
                report.reused(&reusable.data.info);
                tell_reused(&reusable, printer);
                return Ok(Outcome::Succeeded);
            }
            Ok(found) => drop(found?),
            Err(signal) => return Ok(interrupted_early(signal, printer)),
        }
    }
    match until_signal(&mut signals, plan.locate_data()).await {
        Ok(located) => located?,
        Err(signal) => return Ok(interrupted_early(signal, printer)),
    }
    slurm::warn(printer);
    let created = match despite_signals(&mut signals, plan.create_run(printer.as_ref())).await {
        Ok((created, signal)) => {
            signals.put_back(signal);
            if let Err(RunError::NotPrepared { info, recorded, .. }) = &created {
                report.not_prepared(info, *recorded.as_ref().unwrap_or(&info.status));
                printer.error(&format!("=== Run (ID '{}') failed ===", info.run_id));
            }
            created?
        }
        Err(signal) => return Ok(interrupted_in_creation(signal, printer)),
    };
    report.created(&created);
    if let Err(failure) = report.write() {
        give_up(&created, &mut signals, printer).await;
        report.failed(RunStatus::Failed);
        return Err(failure);
    }
    let backend = created.plan().backend_name();
    let submitted = created.submit(signals, Arc::clone(printer) as Arc<dyn Progress>);
    let mut limit = TimeLimit::new(settings.timeout);
    let ending = tokio::select! {
        biased;
        ending = follow(&submitted, report, printer) => ending,
        never = limit.end(&submitted, printer) => match never {},
    };
    report.ended(&ending);
    if let Ok(Launched::Submitted) = ending.launched {
        tell_submitted(backend, &submitted, printer);
        return Ok(Outcome::Succeeded);
    }
    tell_end(&ending, submitted.info(), printer);
    tell_pages(submitted.store(), submitted.info(), printer);
    if limit.has_ended(&ending) {
        return Ok(Outcome::TimedOut);
    }
    outcome_of(ending, settings.exit_code, printer)
}

/// Waits for the run's end; reports what becomes known meanwhile.
async fn follow(submitted: &SubmittedRun, report: &mut RunReport, printer: &Printer) -> RunEnding {
    let mut changing = submitted.clone();
    let ending = loop {
        tokio::select! {
            biased;
            ending = submitted.wait() => break ending,
            () = changing.details_changed() => {}
        }
        if report.details(&submitted.details())
            && let Err(failure) = report.write()
        {
            printer.warning(&failure.text());
        }
    };
    report.details(&submitted.details());
    ending
}

/// Ends a run that nothing can be done for.
async fn give_up(created: &CreatedRun, signals: &mut Signals, printer: &Printer) {
    // That its end cannot be recorded weighs less than why it ends.
    if let Err(error) = created.fail(signals, printer).await {
        printer.failure(&Failure::from(error));
    }
    printer.error(&format!("=== Run (ID '{}') failed ===", created.info().run_id));
    tell_pages(created.store(), created.info(), printer);
}

/// A failure outweighs everything; an end that could not be recorded outweighs success.
fn outcome_of(ending: RunEnding, exit_code: ExitCodeName, printer: &Printer) -> Result<Outcome, Failure> {
    let launched = ending.launched?;
    if let Launched::Exited(exit) = launched
        && !exit.is_success()
        && exit_code == ExitCodeName::EntryPoint
    {
        if let Err(error) = ending.recorded {
            printer.failure(&Failure::from(error));
        }
        return Ok(Outcome::EntryPointFailed(exit.exit_code()));
    }
    match (launched, ending.recorded) {
        (Launched::Submitted | Launched::Reused, _) => Ok(Outcome::Succeeded),
        (Launched::Interrupted { signal }, _) => Ok(Outcome::Interrupted(signal.number())),
        (Launched::Exited(_), Err(error)) => Err(error.into()),
        (Launched::Exited(exit), Ok(_)) if exit.is_success() => Ok(Outcome::Succeeded),
        (Launched::Exited(_), Ok(_)) => Ok(Outcome::RunFailed),
    }
}

fn tell_end(ending: &RunEnding, info: &RunInfo, printer: &Printer) {
    let run_id = &info.run_id;
    match &ending.launched {
        Ok(Launched::Exited(exit)) if exit.is_success() => {
            printer.info(&format!("=== Run (ID '{run_id}') succeeded ==="));
        }
        Ok(Launched::Exited(exit)) => {
            printer.info(&format!("The entry point ended with {exit}"));
            printer.error(&format!("=== Run (ID '{run_id}') failed ==="));
        }
        Ok(Launched::Interrupted { signal }) => {
            printer.error(&format!("=== Run (ID '{run_id}') interrupted by {signal} ==="));
            if let Err(error) = &ending.recorded {
                printer.failure(&Failure::from(Arc::clone(error)));
            }
        }
        Ok(Launched::Submitted | Launched::Reused) => {}
        Err(_) if ending.end.is_none() => {}
        Err(error) => {
            let became = match error.run_status() {
                RunStatus::Killed => "was cancelled",
                _ => "failed",
            };
            printer.error(&format!("=== Run (ID '{run_id}') {became} ==="));
            if let Err(error) = &ending.recorded {
                printer.failure(&Failure::from(Arc::clone(error)));
            }
        }
    }
    if let (Ok(status), Some(end)) = (&ending.recorded, ending.end)
        && *status != end.status
    {
        printer.warning(&match status {
            RunStatus::Failed | RunStatus::Killed if end.keep_failure => {
                format!("the entry point ended its own run as {status}; that status is kept")
            }
            _ => format!(
                "the tracking store cannot hold the status {}; it holds {status}",
                end.status
            ),
        });
    }
}

/// Tells of a run that has done the work before.
fn tell_reused(reusable: &ReusableRun, printer: &Printer) {
    let info = &reusable.data.info;
    printer.info(&format!(
        "=== Run (ID '{}') is reused: it {} with the same entry point, values and commit ===",
        info.run_id, info.status
    ));
    tell_pages(reusable.store(), info, printer);
}

/// Tells of a run that goes on without this program.
fn tell_submitted(backend: &str, submitted: &SubmittedRun, printer: &Printer) {
    let run_id = submitted.run_id();
    printer.info(&format!("=== Run (ID '{run_id}') was submitted to {backend} ==="));
    printer.info(&format!(
        "Follow it with `mlrun status {run_id}`, `mlrun wait {run_id}` or `mlrun cancel {run_id}`"
    ));
    tell_pages(submitted.store(), submitted.info(), printer);
}

fn tell_pages(store: &dyn TrackingStore, info: &RunInfo, printer: &Printer) {
    if let Some(url) = store.run_url(info) {
        printer.info(&format!("View run {} at: {url}", info.run_name));
    }
    if let Some(url) = store.experiment_url(&info.experiment_id) {
        printer.info(&format!("View experiment at: {url}"));
    }
}

fn interrupted_early(signal: TerminationSignal, printer: &Printer) -> Outcome {
    printer.error(&format!("Interrupted by {signal}; no run was started"));
    Outcome::Interrupted(signal.number())
}

/// The store had no answer yet, so that nobody can say whether there is a run.
fn interrupted_in_creation(signal: TerminationSignal, printer: &Printer) -> Outcome {
    printer.error(&format!(
        "Interrupted by {signal} before the tracking store had created the run; if it shows one as RUNNING, end that \
         with `mlrun cancel RUN_ID`"
    ));
    Outcome::Interrupted(signal.number())
}
