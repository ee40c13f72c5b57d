//! The creation of a Job: validated first, and leaving no Job behind if a signal interrupts it.

use std::pin::pin;
use std::time::Duration;

use backon::{BackoffBuilder as _, ConstantBuilder, Retryable as _};
use http::Request;
use http_body_util::BodyExt as _;
use k8s_openapi::api::batch::v1::Job;
use kube::api::Resource as _;
use kube::client::Body;
use kube::core::Status;
use serde_json::Value;
use tokio::time::{Instant, sleep, timeout};

use super::api_error::{ApiProblem, ProblemKind};
use super::job_api::{JobHandle, PATIENCE, PAUSES, REQUEST_TIMEOUT, in_time};
use crate::events::Progress;
use crate::process::{Interruptible, Signals};
use crate::retrying::retrying_for;

/// How long to wait after a signal for the answer to a pending request.
const ANSWER_PATIENCE: Duration = Duration::from_secs(1);
/// How long to look for a Job that may have been created.
const LOOK_PATIENCE: Duration = Duration::from_secs(2);
/// How often to look.
const LOOK_AGAIN: Duration = Duration::from_millis(100);

#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Doubt {
    None,
    /// An earlier request may have created it.
    MayBeThere,
    /// A pending request may still create it.
    MayCome,
}

impl JobHandle {
    /// Has the cluster validate the Job and returns its warnings. Retries only if the server is overloaded.
    pub(super) async fn check(&self, job: &Value) -> Result<Vec<String>, ApiProblem> {
        let (_, warnings) = (|| self.create_once(job, true))
            .retry(PAUSES.with_total_delay(Some(REQUEST_TIMEOUT)))
            .when(|problem| problem.kind == ProblemKind::Busy)
            .await?;
        Ok(warnings)
    }

    /// Requests the Job's creation, or only its validation, once. Returns the Job and the API's warnings, such
    /// as unknown fields.
    async fn create_once(&self, job: &Value, is_check: bool) -> Result<(Job, Vec<String>), ApiProblem> {
        let dry_run = if is_check { "&dryRun=All" } else { "" };
        let path = Job::url_path(&(), Some(&self.namespace));
        let request = Request::post(format!("{path}?fieldManager=mlrun&fieldValidation=Warn{dry_run}"))
            .header(http::header::CONTENT_TYPE, "application/json")
            .header(http::header::ACCEPT, "application/json")
            .body(Body::from(job.to_string().into_bytes()))
            .map_err(kube::Error::HttpError)?;
        let answer = in_time(async {
            let (parts, body) = self.cluster.client.send(request).await?.into_parts();
            Ok::<_, kube::Error>((parts, body.collect().await?.to_bytes()))
        });
        let (parts, body) = answer.await?;
        if !parts.status.is_success() {
            let status = serde_json::from_slice::<Status>(&body).unwrap_or_else(|_| {
                let text = String::from_utf8_lossy(&body);
                Status::failure(&text, "").with_code(parts.status.as_u16())
            });
            return Err(ApiProblem::from(&status));
        }
        let warnings = parts.headers.get_all(http::header::WARNING).iter();
        let warnings = warnings.filter_map(|warning| warning_text(warning.to_str().ok()?));
        let job = serde_json::from_slice(&body).map_err(kube::Error::SerdeError)?;
        Ok((job, warnings.collect()))
    }
}

/// The text of a header `Warning: 299 - "text"`.
fn warning_text(header: &str) -> Option<String> {
    let quoted = &header[header.find('"')? + 1..header.rfind('"')?];
    Some(quoted.replace("\\\"", "\"").replace("\\\\", "\\"))
}

/// Creates the Job, unless a signal arrives first: then the Job does not exist, or a warning says that it may.
/// A request whose answer was lost is repeated; its Job is recognised by its unique name.
pub(super) async fn create(
    handle: &JobHandle,
    job: &Value,
    signals: &mut Signals,
    progress: &dyn Progress,
) -> Result<Interruptible<Job>, ApiProblem> {
    let begun = Instant::now();
    let mut pauses = PAUSES.build();
    let mut doubt = Doubt::None;
    loop {
        let mut answer = pin!(handle.create_once(job, false));
        let (answered, mut signal) = tokio::select! {
            biased;
            signal = signals.next() => (timeout(ANSWER_PATIENCE, answer).await, Some(signal)),
            answered = &mut answer => (Ok(answered), None),
        };
        let problem = match answered {
            Ok(Ok((job, _))) => {
                // The code that waits for the run, or stores its tags, handles the signal.
                signals.put_back(signal);
                return Ok(Interruptible::Done(job));
            }
            Ok(Err(problem)) => problem,
            Err(_) => {
                doubt = Doubt::MayCome;
                ApiProblem::no_answer(ANSWER_PATIENCE)
            }
        };
        if problem.may_be_done() {
            doubt = doubt.max(Doubt::MayBeThere);
        }
        let is_there = problem.kind == ProblemKind::AlreadyExists && doubt > Doubt::None;
        if signal.is_none() && !is_there && problem.is_passing() && begun.elapsed() < PATIENCE {
            let pause = pauses.next().unwrap_or_default();
            progress.warning(&format!(
                "the Kubernetes API has not created the Job ({problem}); {}",
                retrying_for(pause, PATIENCE.saturating_sub(begun.elapsed()))
            ));
            signal = tokio::select! {
                biased;
                signal = signals.next() => Some(signal),
                () = sleep(pause) => continue,
            };
        }
        return match (found(handle, doubt, signals, progress).await, signal) {
            (Some(job), signal) => {
                signals.put_back(signal);
                Ok(Interruptible::Done(job))
            }
            (None, Some(signal)) => Ok(Interruptible::Interrupted(signal)),
            (None, None) => Err(problem),
        };
    }
}

/// The Job, if it was created in spite of an error. Warns if that cannot be determined.
async fn found(
    handle: &JobHandle,
    doubt: Doubt,
    signals: &mut Signals,
    progress: &dyn Progress,
) -> Option<Job> {
    if doubt == Doubt::None {
        return None;
    }
    let looked = tokio::select! {
        biased;
        _ = signals.further() => None,
        looked = timeout(LOOK_PATIENCE, look(handle, doubt)) => looked.ok(),
    };
    match looked {
        Some(Ok(job)) => return job,
        Some(Err(problem)) => tracing::debug!(%problem, "cannot look for the Job"),
        None => {}
    }
    progress.warning(&format!(
        "cannot tell whether the Job '{}' was created; if it was, delete it: {}",
        handle.name,
        handle.deletion_command()
    ));
    None
}

/// Looks for the Job until it is known whether it exists.
async fn look(handle: &JobHandle, doubt: Doubt) -> Result<Option<Job>, ApiProblem> {
    let api = handle.api::<Job>();
    let look = || async {
        match api.get_opt(&handle.name).await? {
            None if doubt == Doubt::MayCome => Err(ApiProblem::new(ProblemKind::NotFound, "not there yet")),
            found => Ok(found),
        }
    };
    look.retry(ConstantBuilder::new().with_delay(LOOK_AGAIN).without_max_times())
        .when(|problem: &ApiProblem| problem.is_passing() || problem.kind == ProblemKind::NotFound)
        .await
}
