//! A Job of the cluster: its identity, the requests about it, and what its status means.

use std::time::Duration;

use backon::{BackoffBuilder as _, ExponentialBuilder, Retryable as _};
use k8s_openapi::NamespaceResourceScope;
use k8s_openapi::api::batch::v1::{Job, JobCondition, JobSpec};
use k8s_openapi::api::core::v1::{Event, Pod};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::ObjectMeta;
use kube::Api;
use kube::api::{DeleteParams, ListParams, Preconditions, Resource};
use tokio::time::{Instant, sleep, timeout};

use super::api_error::{ApiProblem, ProblemKind};
use super::cluster::Cluster;
use super::reason::{Reason, deadline};
use crate::backend::error::ServiceError;
use crate::entities::RunStatus;
use crate::events::Progress;
use crate::process::{Ended, ProgramExit};
use crate::project::quote;
use crate::retrying::retrying_for;

pub(super) const PAUSES: ExponentialBuilder = ExponentialBuilder::new()
    .with_min_delay(Duration::from_millis(100))
    .with_max_delay(Duration::from_secs(10))
    .without_max_times();
pub(super) const REQUEST_TIMEOUT: Duration = Duration::from_secs(30);
/// How long to retry a request that the API does not answer.
pub(super) const PATIENCE: Duration = Duration::from_secs(60);
/// How long a deletion may take beyond the pods' grace period.
const BEYOND_GRACE: Duration = Duration::from_secs(30);
/// The longest pause between checks whether a deleted Job is gone.
const LOOK_AGAIN: Duration = Duration::from_secs(1);
/// How long to wait for the events of a deleted Job.
const MEMORY_PATIENCE: Duration = Duration::from_secs(5);

pub(super) const SUCCESS: Ended = Ended::Done(ProgramExit::Code(0));

/// Reasons of a Job's failure; its controller's events have the same names.
const FAILURES: [&str; 5] = [
    "BackoffLimitExceeded",
    "DeadlineExceeded",
    "PodFailurePolicy",
    "MaxFailedIndexesExceeded",
    "FailedIndexes",
];

/// A Job by namespace and name.
#[derive(Clone)]
pub(super) struct JobHandle {
    pub(super) cluster: Cluster,
    pub(super) namespace: String,
    pub(super) name: String,
    /// Distinguishes it from a later Job of the same name, if known.
    pub(super) uid: Option<String>,
}

impl JobHandle {
    pub(super) fn api<K>(&self) -> Api<K>
    where
        K: Resource<Scope = NamespaceResourceScope, DynamicType = ()>,
    {
        Api::namespaced(self.cluster.client.clone(), &self.namespace)
    }

    pub(super) fn is(&self, metadata: &ObjectMeta) -> bool {
        metadata.name.as_deref() == Some(&self.name) && (self.uid.is_none() || self.uid == metadata.uid)
    }

    /// Whether this is the metadata of one of its pods.
    pub(super) fn owns(&self, metadata: &ObjectMeta) -> bool {
        let Some(uid) = &self.uid else { return true };
        let owners = metadata.owner_references.as_deref().unwrap_or_default();
        owners.is_empty() || owners.iter().any(|owner| owner.uid == *uid)
    }

    pub(super) async fn list_pods(&self) -> Result<Vec<Pod>, ServiceError> {
        let of_job = ListParams::default().labels(&format!("job-name={}", self.name));
        let api = self.api::<Pod>();
        let pods = patiently(PATIENCE, || api.list(&of_job)).await;
        let pods = pods.map_err(|problem| self.cluster.problem("list the Job's pods", problem))?;
        let mut pods = pods.items;
        pods.retain(|pod| self.owns(&pod.metadata));
        Ok(pods)
    }

    pub(super) async fn get(&self) -> Result<Option<Job>, ServiceError> {
        let api = self.api::<Job>();
        let job = patiently(PATIENCE, || api.get_opt(&self.name)).await;
        let job = job.map_err(|problem| self.cluster.problem("get the Job", problem))?;
        Ok(job.filter(|job| self.is(&job.metadata)))
    }

    pub(super) fn is_gone(&self) -> ServiceError {
        let (job, namespace) = (&self.name, &self.namespace);
        ServiceError::setup(
            format!("the Job '{job}' no longer exists in the namespace '{namespace}'"),
            "it was deleted, perhaps by its ttlSecondsAfterFinished; its result is unknown",
        )
    }

    pub(super) fn was_deleted(&self) -> ServiceError {
        let (job, namespace) = (&self.name, &self.namespace);
        ServiceError::setup(
            format!("the Job '{job}' in the namespace '{namespace}' was deleted before it finished"),
            format!(
                "`mlrun cancel` or `kubectl delete job` was used; see `kubectl get events -n {namespace}`"
            ),
        )
        .with_status(RunStatus::Killed)
    }

    pub(super) fn deletion_command(&self) -> String {
        let context = self.cluster.context.as_deref();
        let context = context.map_or_else(String::new, |name| format!(" --context {}", quote(name)));
        format!("kubectl delete job {} -n {}{context}", self.name, self.namespace)
    }

    /// Deletes the Job: its pods first, then itself. A Job that is already gone is a success. `patience` limits
    /// the time over all attempts.
    pub(super) async fn delete(&self, patience: Duration) -> Result<(), ApiProblem> {
        let mut parameters = DeleteParams::foreground();
        parameters.preconditions = self.uid.clone().map(|uid| Preconditions {
            uid: Some(uid),
            resource_version: None,
        });
        let api = self.api::<Job>();
        match patiently(patience, || api.delete(&self.name, &parameters)).await {
            Err(problem) if problem.kind != ProblemKind::NotFound => Err(problem),
            _ => Ok(()),
        }
    }

    /// Deletes the Job and waits until it and its pods are gone, within their grace period.
    pub(super) async fn delete_to_the_end(
        &self,
        job: &Job,
        progress: &dyn Progress,
    ) -> Result<(), ServiceError> {
        self.tell_deletion(progress);
        let deleted = self.delete(PATIENCE).await;
        deleted.map_err(|problem| self.cluster.problem("delete the Job", problem))?;
        let mut pauses = PAUSES.with_max_delay(LOOK_AGAIN).build();
        let gone = async {
            while self.get().await.ok()?.is_some() {
                sleep(pauses.next()?).await;
            }
            Some(())
        };
        if !matches!(timeout(time_to_end(Some(job)), gone).await, Ok(Some(()))) {
            self.tell_long_deletion(progress);
        }
        Ok(())
    }

    pub(super) fn tell_deletion(&self, progress: &dyn Progress) {
        progress.info(&format!("Deleting the Job '{}' and its pods", self.name));
    }

    pub(super) fn tell_long_deletion(&self, progress: &dyn Progress) {
        progress.warning(&format!(
            "the Job '{}' is being deleted, but its pods are still running",
            self.name
        ));
    }

    /// How a deleted Job ended, according to the cluster's events, which it keeps for about an hour. `None` if
    /// they are gone or the cluster does not answer.
    pub(super) async fn remembered_end(&self) -> Option<Result<Ended, ServiceError>> {
        let of_job = format!("involvedObject.kind=Job,involvedObject.name={}", self.name);
        let of_job = ListParams::default().fields(&of_job);
        let api = self.api::<Event>();
        let listed = timeout(MEMORY_PATIENCE, api.list(&of_job)).await.ok()?;
        let events = listed
            .inspect_err(|error| tracing::debug!(%error, "cannot list the events of a deleted Job"))
            .ok()?;
        let find = |wanted: &[&str]| {
            let mut events = events.iter();
            events.find(|event| wanted.contains(&event.reason.as_deref().unwrap_or_default()))
        };
        if find(&["Completed"]).is_some() {
            return Some(Ok(SUCCESS));
        }
        if let Some(event) = find(&FAILURES) {
            let reason = failure(None, event.reason.as_deref(), event.message.as_deref());
            return Some(Err(reason.into()));
        }
        // A Job's end is its newest event: if the first event is still there, an end would be too.
        find(&["SuccessfulCreate"]).map(|_| Err(self.was_deleted()))
    }
}

pub(super) async fn in_time<T, E: Into<ApiProblem>>(
    request: impl Future<Output = Result<T, E>>,
) -> Result<T, ApiProblem> {
    match timeout(REQUEST_TIMEOUT, request).await {
        Ok(answer) => answer.map_err(E::into),
        Err(_) => Err(ApiProblem::no_answer(REQUEST_TIMEOUT)),
    }
}

/// Sends a request and retries it for this long if the API does not answer.
async fn patiently<T, F>(patience: Duration, request: impl Fn() -> F) -> Result<T, ApiProblem>
where
    F: Future<Output = Result<T, kube::Error>>,
{
    let (mut last, begun) = (None, Instant::now());
    let tries = (|| in_time(request()))
        .retry(PAUSES)
        .when(ApiProblem::is_passing)
        .notify(|problem, pause| {
            let left = patience.saturating_sub(begun.elapsed());
            tracing::warn!(
                "the Kubernetes API does not answer ({problem}); {}",
                retrying_for(pause, left)
            );
            last = Some(problem.clone());
        });
    let answer = timeout(patience, tries).await;
    answer.unwrap_or_else(|_| Err(last.unwrap_or_else(|| ApiProblem::no_answer(patience))))
}

/// The Job's true conditions of these kinds.
fn conditions<'a>(job: &'a Job, kinds: &[&str]) -> impl Iterator<Item = &'a JobCondition> {
    let all = job.status.iter().flat_map(|status| &status.conditions).flatten();
    all.filter(|condition| condition.status == "True" && kinds.contains(&&*condition.type_))
}

pub(super) fn end_of(job: &Job) -> Option<&JobCondition> {
    conditions(job, &["Complete", "Failed"]).next()
}

/// Whether the Job is finished or about to be: its controller deletes the pods that still run.
pub(super) fn is_ending(job: &Job) -> bool {
    let decisions = ["FailureTarget", "SuccessCriteriaMet", "Failed", "Complete"];
    conditions(job, &decisions).next().is_some()
}

/// Whether the Job was deleted before it finished. The run was killed then, whatever the pods report.
pub(super) fn was_cancelled(job: &Job) -> bool {
    let Some(deleted) = &job.metadata.deletion_timestamp else {
        return false;
    };
    let Some(end) = end_of(job) else {
        return true;
    };
    match &end.last_transition_time {
        Some(ended) if ended.0.as_second() != deleted.0.as_second() => ended.0 > deleted.0,
        // Times have a resolution of a second. A Job that deletes itself may do so as soon as it finishes, and
        // pods that a deletion stops rarely succeed.
        _ => !goes_by_itself(Some(job)) && end.type_ == "Failed",
    }
}

fn spec(job: Option<&Job>) -> Option<&JobSpec> {
    job?.spec.as_ref()
}

/// Whether the cluster deletes the Job some time after it finishes.
pub(super) fn goes_by_itself(job: Option<&Job>) -> bool {
    spec(job).is_some_and(|spec| spec.ttl_seconds_after_finished.is_some())
}

/// Whether the Job is suspended, as by a queue.
pub(super) fn is_suspended(job: Option<&Job>) -> bool {
    spec(job).and_then(|spec| spec.suspend).unwrap_or(false)
}

/// The Kueue queue that decides when the Job starts, if any.
pub(super) fn queue_of(job: &Job) -> Option<&str> {
    let labels = job.metadata.labels.as_ref()?;
    labels.get("kueue.x-k8s.io/queue-name").map(String::as_str)
}

/// Whether the Job replaces failed pods, which is the default.
pub(super) fn tries_again(job: Option<&Job>) -> bool {
    spec(job).is_none_or(|spec| {
        spec.backoff_limit.unwrap_or(6) > 0
            || spec.backoff_limit_per_index.is_some()
            || spec.pod_failure_policy.is_some()
    })
}

/// Whether one successful pod completes the Job.
pub(super) fn has_one_pod(job: Option<&Job>) -> bool {
    spec(job).is_some_and(|spec| spec.completions.unwrap_or(1) <= 1 && spec.parallelism.unwrap_or(1) <= 1)
}

/// How long the deletion of the Job may take: its pods' grace period, and some more.
pub(super) fn time_to_end(job: Option<&Job>) -> Duration {
    let pod = spec(job).and_then(|spec| spec.template.spec.as_ref());
    let seconds = pod.and_then(|pod| pod.termination_grace_period_seconds);
    let grace = seconds.and_then(|seconds| seconds.try_into().ok()).unwrap_or(30);
    BEYOND_GRACE + Duration::from_secs(grace)
}

/// Why the Job failed, if its pods do not say more.
pub(super) fn failure(job: Option<&Job>, reason: Option<&str>, message: Option<&str>) -> Reason {
    match reason.unwrap_or_default() {
        "DeadlineExceeded" => deadline("Job", spec(job).and_then(|spec| spec.active_deadline_seconds)),
        "" => Reason::told("the Job failed", message.unwrap_or_default(), None),
        reason => Reason::told(
            format!("the Job failed ({reason})"),
            message.unwrap_or_default(),
            None,
        ),
    }
}
