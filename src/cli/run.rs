//! `mlrun run`: from the settings to the exit code.

use std::future::pending;
use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use rustix::process::{Pid, Signal, getpid};

use crate::cli::args::ExitCodeName;
use crate::cli::dry_run;
use crate::cli::printer::Printer;
use crate::cli::report::{Failure, Outcome};
use crate::cli::run_info::RunReport;
use crate::cli::run_summary::RunStart;
use crate::cli::settings::RunSettings;
use crate::entities::{RunId, RunInfo, RunStatus};
use crate::env_vars;
use crate::events::{Event, Progress};
use crate::process::{ProgramExit, Signals, TerminationSignal, ended_by, own_all_children, until_signal};
use crate::quantity;
use crate::runner::{
    Begun, CreatedRun, Launched, RunDetails, RunEnding, RunError, RunPlan, RunRequest, SubmittedRun,
};
use crate::tracking::TrackingStore;

/// Runs a project and reports the result to the `--run-info` file.
pub(crate) async fn run(
    request: RunRequest,
    settings: RunSettings,
    printer: &Arc<Printer>,
) -> Result<Outcome, Failure> {
    let mut report = RunReport::new(settings.run_info_file.clone().filter(|_| !settings.dry_run));
    let outcome = match carry_out(request, &settings, &mut report, printer).await {
        Err(failure) => without_ending(failure, &mut report, printer),
        outcome => outcome,
    };
    report.conclude(outcome, |failure| printer.failure(&failure))
}

/// Runs a project. After the run's creation, every path gives the run an end status.
async fn carry_out(
    request: RunRequest,
    settings: &RunSettings,
    report: &mut RunReport,
    printer: &Arc<Printer>,
) -> Result<Outcome, Failure> {
    own_all_children();
    let mut signals = Signals::install()?;
    let progress: Arc<dyn Progress> = Arc::<Printer>::clone(printer);
    let mut plan = RunPlan::make(request, &mut signals, printer.as_ref()).await?;
    if settings.dry_run {
        let shown = until_signal(&mut signals, dry_run::show(&mut plan, settings, printer)).await;
        shown.done().map_err(RunError::from)??;
        return Ok(Outcome::Succeeded);
    }
    report.planned(&plan);
    report.check()?;
    let start = RunStart::new(&plan, settings.timeout);
    let begun = plan
        .begin(&mut signals, &progress, || warn_of_slurm(printer))
        .await?;
    match &begun {
        Begun::Reused(reusable) => report.reused(&reusable.info),
        Begun::Created(created) => {
            if is_inside_another(&created.info.run_id) {
                printer.label_lines(&created.info.run_id);
            }
            report.created(created);
            if let Err(failure) = report.write() {
                give_up(created, &mut signals, printer).await;
                report.run(&created.info, RunStatus::Failed);
                return Err(failure);
            }
        }
    }
    let submitted = begun.submit(signals, progress);
    let (ending, is_late) = follow(&submitted, settings.timeout, report, printer).await;
    report.ended(&ending);
    tell_end(&ending, &submitted, start.backend, printer);
    let summary = if printer.is_read() {
        start.summary(&submitted, &ending, is_late).await
    } else {
        None
    };
    match summary {
        Some(summary) => printer.summary(&summary),
        None => tell_pages(submitted.store(), submitted.info(), printer),
    }
    match ending.launched {
        Ok(Launched::Interrupted {
            signal: TerminationSignal::Terminate,
        }) if is_late => Ok(Outcome::TimedOut),
        _ => outcome_of(ending, settings.exit_code, printer),
    }
}

/// Whether the run was started by the entry point of another one, which may start several at once.
fn is_inside_another(run_id: &RunId) -> bool {
    env_vars::non_empty(env_vars::MLFLOW_RUN_ID).is_some_and(|outer| outer != run_id.as_str())
}

/// Reports a failure without a run ending. An interruption is not a failure.
fn without_ending(failure: Failure, report: &mut RunReport, printer: &Printer) -> Result<Outcome, Failure> {
    match failure.run_error() {
        Some(error @ (RunError::Interrupted { signal } | RunError::InterruptedInCreation { signal })) => {
            printer.error(&error.to_string());
            return Ok(Outcome::Interrupted(signal.number()));
        }
        Some(RunError::NotPrepared { info, recorded, .. }) => {
            report.run(info, *recorded.as_ref().unwrap_or(&info.status));
            tell_failed(info, *recorded.as_ref().unwrap_or(&RunStatus::Failed), printer);
        }
        _ => {}
    }
    Err(failure)
}

/// Waits for the run's end and reports new details meanwhile. Stops the run like `SIGTERM` after the limit, and
/// returns whether it did.
async fn follow(
    submitted: &SubmittedRun,
    limit: Option<Duration>,
    report: &mut RunReport,
    printer: &Printer,
) -> (RunEnding, bool) {
    let mut changing = submitted.clone();
    let mut time = pin!(async {
        let Some(limit) = limit else {
            return pending().await;
        };
        tokio::time::sleep(limit).await;
        limit
    });
    let mut is_late = false;
    let ending = loop {
        tokio::select! {
            biased;
            ending = submitted.wait() => break ending,
            () = changing.details_changed() => {}
            limit = &mut time, if !is_late => {
                is_late = true;
                printer.error(&format!(
                    "=== Run (ID '{}') exceeded its {} timeout; stopping it ===",
                    submitted.run_id(),
                    quantity::duration(limit)
                ));
                submitted.cancel();
            }
        }
        if report.details(&submitted.details())
            && let Err(failure) = report.write()
        {
            printer.warning(&failure.text());
        }
    };
    report.details(&submitted.details());
    (ending, is_late)
}

/// Ends a run whose report cannot be written.
async fn give_up(created: &CreatedRun, signals: &mut Signals, printer: &Printer) {
    // The reason of the failure matters more than that it cannot be recorded.
    if let Err(error) = created.fail(signals, printer).await {
        printer.failure(&Failure::from(error));
    }
    tell_failed(&created.info, RunStatus::Failed, printer);
    tell_pages(created.store.as_ref(), &created.info, printer);
}

/// A failure takes precedence; then an end that could not be recorded.
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

/// Tells of the end of a run whose entry point was not run.
fn tell_failed(info: &RunInfo, status: RunStatus, printer: &Printer) {
    printer.event(
        &Event::run_ended(info.run_id.as_str(), info.experiment_id.as_str(), status.as_str()),
        &format!("=== Run (ID '{}') failed ===", info.run_id),
    );
}

/// How a run ended, for programs.
fn end_of<'a>(ending: &RunEnding, submitted: &'a SubmittedRun, details: &'a RunDetails) -> Event<'a> {
    let info = submitted.info();
    let (exit_code, signal) = match &ending.launched {
        Ok(Launched::Exited(ProgramExit::Code(code))) => (Some(*code), None),
        Ok(Launched::Exited(ProgramExit::Signal(number))) => (None, Some(*number)),
        _ => (None, None),
    };
    Event::RunEnded {
        run_id: info.run_id.as_str(),
        experiment_id: info.experiment_id.as_str(),
        status: ending.status().as_str(),
        exit_code,
        signal,
        duration: details.timings.run.map(|time| time.as_secs_f64()),
        hint: details.failure_hint.as_deref(),
    }
}

fn tell_end(ending: &RunEnding, submitted: &SubmittedRun, backend: &str, printer: &Printer) {
    let info = submitted.info();
    let run_id = &info.run_id;
    let details = submitted.details();
    let ended = |line: String| printer.event(&end_of(ending, submitted, &details), &line);
    match &ending.launched {
        Ok(Launched::Exited(exit)) if exit.is_success() => {
            ended(format!("=== Run (ID '{run_id}') succeeded ==="));
        }
        Ok(Launched::Exited(exit)) => {
            printer.info(&format!("The entry point ended with {exit}"));
            ended(format!("=== Run (ID '{run_id}') failed ==="));
        }
        Ok(Launched::Interrupted { signal }) => {
            ended(format!("=== Run (ID '{run_id}') interrupted by {signal} ==="));
            tell_unrecorded(ending, printer);
        }
        Ok(Launched::Submitted) => {
            printer.info(&format!("=== Run (ID '{run_id}') was submitted to {backend} ==="));
            printer.info(&format!(
                "Follow it with `mlrun status {run_id}`, `mlrun wait {run_id}` or `mlrun cancel {run_id}`"
            ));
        }
        Ok(Launched::Reused) => printer.event(
            &Event::RunReused {
                run_id: run_id.as_str(),
                experiment_id: info.experiment_id.as_str(),
                status: info.status.as_str(),
            },
            &format!(
                "=== Run (ID '{run_id}') is reused: it {} with the same entry point, parameters and commit ===",
                info.status
            ),
        ),
        Err(_) if ending.end.is_none() => {}
        Err(error) => {
            let became = match error.run_status() {
                RunStatus::Killed => "was cancelled",
                _ => "failed",
            };
            ended(format!("=== Run (ID '{run_id}') {became} ==="));
            tell_unrecorded(ending, printer);
        }
    }
    if let (Ok(status), Some(end)) = (&ending.recorded, ending.end)
        && *status != end.status
    {
        printer.warning(&match status {
            RunStatus::Failed | RunStatus::Killed if end.keep_failure => {
                format!("the entry point itself set the run's status to {status}; keeping it")
            }
            _ => format!(
                "the tracking store does not support the status {}; it recorded {status}",
                end.status
            ),
        });
    }
}

/// Reports why the store did not record the end.
fn tell_unrecorded(ending: &RunEnding, printer: &Printer) {
    if let Err(error) = &ending.recorded {
        printer.failure(&Failure::from(Arc::clone(error)));
    }
}

fn tell_pages(store: &dyn TrackingStore, info: &RunInfo, printer: &Printer) {
    if let Some(url) = store.run_url(info) {
        printer.info(&format!("View run {} at: {url}", info.run_name));
    }
    if let Some(url) = store.experiment_url(&info.experiment_id) {
        printer.info(&format!("View experiment at: {url}"));
    }
}

/// Warns if a Slurm job's own program is not mlrun and `SIGTERM` would stop it at once: with cgroups, Slurm
/// signals only that program, and kills the rest when it exits. Its id is in `SLURM_TASK_PID`.
fn warn_of_slurm(printer: &Printer) {
    let task = env_vars::non_empty(env_vars::SLURM_TASK_PID).and_then(|text| text.parse().ok());
    let Some(task) = task.and_then(Pid::from_raw).filter(|task| *task != getpid()) else {
        return;
    };
    if let Some(program) = ended_by(task, Signal::TERM) {
        printer.warning(&format!(
            "Slurm signals only '{program}' (process {task}) and then kills mlrun; start mlrun with `exec mlrun \
            run …` or `srun mlrun run …`, so that it can stop the run cleanly"
        ));
    }
}
