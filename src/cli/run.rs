//! `mlrun run`: from the arguments to the exit code, one call a step.

use std::panic::AssertUnwindSafe;
use std::pin::pin;
use std::time::Duration;

use crate::cli::plan::RunPlan;
use crate::cli::printer::Printer;
use crate::cli::report::{Failure, Outcome};
use crate::cli::run_info::RunReport;
use crate::cli::settings::RunSettings;
use crate::env_vars;
use crate::environment;
use crate::events::Progress;
use crate::process::{Ended, Signals, TerminationSignal};
use crate::run::{RunId, RunInfo, RunStatus, UnixMillis, tag};
use crate::tracking::{self, NewRun, RunEnd, TrackingError, TrackingStore};

/// How long a step with the tracking store may go on after a signal, so that no run stays `RUNNING`.
const STORE_GRACE: Duration = Duration::from_secs(10);

/// Runs a project. Every way out after the run's creation gives the run its end status.
pub(crate) async fn run(settings: RunSettings, printer: &Printer) -> Result<Outcome, Failure> {
    let mut signals = Signals::install()?;
    let plan = match until_signal(&mut signals, RunPlan::make(&settings, printer)).await {
        Ok(plan) => plan?,
        Err(signal) => return Ok(interrupted_early(signal, printer)),
    };
    if settings.dry_run {
        return plan.show(&settings).map(|()| Outcome::Succeeded);
    }
    RunReport::check(&settings)?;
    let started = async {
        let store = tracking::open(&plan.tracking_uri).await?;
        let info = start_run(store.as_ref(), &plan, &settings, printer).await?;
        Ok::<_, Failure>((store, info))
    };
    let ((store, info), early_signal) = match despite_signals(&mut signals, started).await {
        Ok((started, signal)) => (started?, signal),
        Err(signal) => return Ok(interrupted_early(signal, printer)),
    };
    let mut report = RunReport::new(&plan, &info);
    let launched = match (report.write(&settings), early_signal) {
        (Err(failure), _) => Err(failure),
        (Ok(()), Some(signal)) => Ok(Launched::Ended(Ended::Interrupted { signal })),
        (Ok(()), None) => {
            let launched = launch(&plan, &info, &settings, store.as_ref(), &mut signals, printer);
            catch_panic(launched).await
        }
    };
    let launched = match launched {
        Ok(Launched::Submitted) => {
            tell_submitted(plan.backend.name(), store.as_ref(), &info, printer);
            report.write(&settings)?;
            return Ok(Outcome::Succeeded);
        }
        Ok(Launched::Ended(ended)) => Ok(ended),
        Err(failure) => Err(failure),
    };
    let end = RunEnd {
        status: status_of(&launched),
        end_time: UnixMillis::now(),
        // A run of `--run-id` that had ended before has no verdict of this entry point.
        keep_failure: !info.status.is_terminated()
            && matches!(&launched, Ok(Ended::Exited(exit)) if exit.is_success()),
    };
    let recorded = match despite_signals(&mut signals, store.end_run(&info.run_id, end)).await {
        Ok((recorded, _)) => recorded.map_err(|error| end_not_recorded(error, &info.run_id, end.status)),
        Err(_) => Err(Failure::message(format!(
            "the end of run '{}' ({}) could not be recorded in time",
            info.run_id, end.status
        ))),
    };
    tell_end(&launched, end, &recorded, store.as_ref(), &info, printer);
    let recorded_status = recorded.as_ref().ok().copied();
    let outcome = outcome_of(launched, recorded);
    report.end(end, recorded_status, &outcome);
    match (outcome, report.write(&settings)) {
        (Ok(Outcome::Succeeded), Err(failure)) => Err(failure),
        (outcome, written) => {
            if let Err(failure) = written {
                printer.error(&failure.text());
            }
            outcome
        }
    }
}

/// Makes the run, or takes the one that `--run-id` names.
async fn start_run(
    store: &dyn TrackingStore,
    plan: &RunPlan,
    settings: &RunSettings,
    printer: &Printer,
) -> Result<RunInfo, Failure> {
    if let Some(run_id) = &settings.run_id {
        let mut info = store.run(run_id).await?;
        let mut tags = plan.run_tags();
        tags.extend(
            settings
                .run_name
                .iter()
                .map(|name| (tag::RUN_NAME.to_owned(), name.clone())),
        );
        store.set_tags(run_id, &tags).await?;
        if let Some(name) = &settings.run_name {
            info.run_name.clone_from(name);
        }
        return Ok(info);
    }
    let experiment_id = store.experiment(&settings.experiment).await?;
    let mut tags = plan.source_tags();
    tags.extend(parent_tag(store, printer).await);
    tags.extend(plan.run_tags());
    let new_run = NewRun {
        experiment_id,
        user: plan.user.clone(),
        name: settings.run_name.clone(),
        start_time: UnixMillis::now(),
        tags,
        params: plan.params_to_log.clone(),
    };
    Ok(store.create_run(new_run).await?)
}

/// The tag of a run that is started inside another one, where that one is in the same store.
async fn parent_tag(store: &dyn TrackingStore, printer: &Printer) -> Option<(String, String)> {
    let parent = RunId::new(env_vars::non_empty(env_vars::MLFLOW_RUN_ID)?);
    match store.run(&parent).await {
        Ok(_) => Some((tag::PARENT_RUN_ID.to_owned(), parent.to_string())),
        Err(TrackingError::NotFound { .. }) => None,
        Err(error) => {
            printer.warning(&format!(
                "cannot tell whether MLFLOW_RUN_ID='{parent}' is this run's parent: {error}"
            ));
            None
        }
    }
}

/// What became of an entry point that was to be launched.
enum Launched {
    Ended(Ended),
    /// The backend has it, and nobody waits for it here.
    Submitted,
}

/// Downloads data, prepares the environment, starts the entry point and waits for its end, unless
/// the backend shall not be waited for.
async fn launch(
    plan: &RunPlan,
    info: &RunInfo,
    settings: &RunSettings,
    store: &dyn TrackingStore,
    signals: &mut Signals,
    printer: &Printer,
) -> Result<Launched, Failure> {
    let interrupted = |signal| Ok(Launched::Ended(Ended::Interrupted { signal }));
    let (command, _data) = match until_signal(signals, plan.download_data(settings, printer)).await {
        Ok(downloaded) => downloaded?,
        Err(signal) => return interrupted(signal),
    };
    let prepared = match until_signal(signals, environment::prepare(&plan.environment, printer)).await {
        Ok(prepared) => prepared?,
        Err(signal) => return interrupted(signal),
    };
    let environment_tags = prepared.environment.tags();
    if !environment_tags.is_empty() {
        store.set_tags(&info.run_id, &environment_tags).await?;
    }
    let launch_plan = plan.launch_plan(info, command, prepared.environment);
    let mut submitted = plan.backend.launch(launch_plan, printer).await?;
    let tags = submitted.tags();
    if !tags.is_empty() {
        store.set_tags(&info.run_id, &tags).await?;
    }
    if !plan.backend.waits() {
        return Ok(Launched::Submitted);
    }
    let ended = submitted.wait(signals, printer).await?;
    drop(prepared.usage);
    Ok(Launched::Ended(ended))
}

fn status_of(launched: &Result<Ended, Failure>) -> RunStatus {
    match launched {
        Ok(Ended::Exited(exit)) if exit.is_success() => RunStatus::Finished,
        Ok(Ended::Interrupted { .. }) => RunStatus::Killed,
        Ok(Ended::Exited(_)) | Err(_) => RunStatus::Failed,
    }
}

/// A failure outweighs everything; an end that could not be recorded outweighs success.
fn outcome_of(
    launched: Result<Ended, Failure>,
    recorded: Result<RunStatus, Failure>,
) -> Result<Outcome, Failure> {
    match (launched?, recorded) {
        (Ended::Interrupted { signal }, _) => Ok(Outcome::Interrupted(signal.number())),
        (_, Err(failure)) => Err(failure),
        (Ended::Exited(exit), Ok(_)) if exit.is_success() => Ok(Outcome::Succeeded),
        (Ended::Exited(_), Ok(_)) => Ok(Outcome::RunFailed),
    }
}

fn tell_end(
    launched: &Result<Ended, Failure>,
    end: RunEnd,
    recorded: &Result<RunStatus, Failure>,
    store: &dyn TrackingStore,
    info: &RunInfo,
    printer: &Printer,
) {
    let run_id = &info.run_id;
    match launched {
        Ok(Ended::Exited(exit)) if exit.is_success() => {
            printer.info(&format!("=== Run (ID '{run_id}') succeeded ==="));
        }
        Ok(Ended::Exited(exit)) => {
            printer.info(&format!("The entry point ended with {exit}"));
            printer.error(&format!("=== Run (ID '{run_id}') failed ==="));
        }
        Ok(Ended::Interrupted { signal }) => {
            printer.error(&format!("=== Run (ID '{run_id}') interrupted by {signal} ==="));
            if let Err(failure) = recorded {
                printer.error(&failure.text());
            }
        }
        Err(_) => printer.error(&format!("=== Run (ID '{run_id}') failed ===")),
    }
    if let Ok(status) = recorded
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
    tell_pages(store, info, printer);
}

/// Tells of a run that goes on without this program.
fn tell_submitted(backend: &str, store: &dyn TrackingStore, info: &RunInfo, printer: &Printer) {
    let run_id = &info.run_id;
    printer.info(&format!("=== Run (ID '{run_id}') was submitted to {backend} ==="));
    printer.info(&format!(
        "Follow it with `mlrun status {run_id}`, `mlrun wait {run_id}` or `mlrun cancel {run_id}`"
    ));
    tell_pages(store, info, printer);
}

fn tell_pages(store: &dyn TrackingStore, info: &RunInfo, printer: &Printer) {
    if let Some(url) = store.run_url(info) {
        printer.info(&format!("View run {} at: {url}", info.run_name));
    }
    if let Some(url) = store.experiment_url(&info.experiment_id) {
        printer.info(&format!("View experiment at: {url}"));
    }
}

fn end_not_recorded(error: TrackingError, run_id: &RunId, status: RunStatus) -> Failure {
    let hint = error.hint();
    Failure::new(anyhow::Error::new(error).context(format!(
        "the end of run '{run_id}' ({status}) could not be recorded"
    )))
    .with_optional_hint(hint)
}

fn interrupted_early(signal: TerminationSignal, printer: &Printer) -> Outcome {
    printer.error(&format!("Interrupted by {signal}; no run was started"));
    Outcome::Interrupted(signal.number())
}

/// Works until a signal comes; then the work is dropped where it stands.
async fn until_signal<T>(
    signals: &mut Signals,
    work: impl Future<Output = T>,
) -> Result<T, TerminationSignal> {
    tokio::select! {
        biased;
        signal = signals.next() => Err(signal),
        result = work => Ok(result),
    }
}

/// Works on after a signal for [`STORE_GRACE`], unless a second one comes: a step with the tracking
/// store that is cut off could leave a run behind that nobody ends. Gives the result and the signal
/// that came meanwhile, or the signal where the work has been given up.
async fn despite_signals<T>(
    signals: &mut Signals,
    work: impl Future<Output = T>,
) -> Result<(T, Option<TerminationSignal>), TerminationSignal> {
    let mut work = pin!(work);
    let signal = match until_signal(signals, work.as_mut()).await {
        Ok(result) => return Ok((result, None)),
        Err(signal) => signal,
    };
    let limited = tokio::time::timeout(STORE_GRACE, work);
    match until_signal(signals, limited).await {
        Ok(Ok(result)) => Ok((result, Some(signal))),
        _ => Err(signal),
    }
}

/// Turns a panic, which the panic report has shown already, into a failure.
async fn catch_panic<T>(work: impl Future<Output = Result<T, Failure>>) -> Result<T, Failure> {
    let mut work = pin!(work);
    std::future::poll_fn(|context| {
        std::panic::catch_unwind(AssertUnwindSafe(|| work.as_mut().poll(context)))
            .unwrap_or_else(|_| std::task::Poll::Ready(Err(Failure::message("mlrun met a bug in itself"))))
    })
    .await
}
