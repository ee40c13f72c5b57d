//! A Job that is in the cluster, or shall be: where it is, and the requests about it.

use std::time::Duration;

use backon::{ExponentialBuilder, Retryable as _};
use http::Request;
use http_body_util::BodyExt as _;
use k8s_openapi::api::batch::v1::Job;
use k8s_openapi::api::core::v1::{Event, Pod};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::ObjectMeta;
use kube::Api;
use kube::api::{DeleteParams, ListParams, Preconditions, Resource as _};
use kube::client::Body;
use kube::core::Status;
use serde_json::Value;
use tokio::time::timeout;

use super::KubernetesError;
use super::api_problem::{ApiProblem, ProblemKind};
use super::cluster::Cluster;
use crate::project::quote;

/// The pauses between tries.
pub(super) const PAUSES: ExponentialBuilder = ExponentialBuilder::new()
    .with_min_delay(Duration::from_millis(100))
    .with_max_delay(Duration::from_secs(10))
    .without_max_times();
/// How long one request may take.
pub(super) const REQUEST_TIMEOUT: Duration = Duration::from_secs(30);
/// How long a request is tried again where the API does not answer.
pub(super) const PATIENCE: Duration = Duration::from_secs(60);

/// A Job by its place and name.
#[derive(Clone)]
pub(super) struct JobHandle {
    pub(super) cluster: Cluster,
    pub(super) namespace: String,
    pub(super) name: String,
    /// What tells it from a later Job of the same name, where it is known.
    pub(super) uid: Option<String>,
}

/// What the API said about a Job that it was given.
#[derive(Debug, Clone)]
pub(super) struct Answer {
    pub(super) job: Job,
    /// Its warnings, such as fields that it does not know.
    pub(super) warnings: Vec<String>,
}

impl JobHandle {
    pub(super) fn jobs(&self) -> Api<Job> {
        Api::namespaced(self.cluster.client.clone(), &self.namespace)
    }

    pub(super) fn pods(&self) -> Api<Pod> {
        Api::namespaced(self.cluster.client.clone(), &self.namespace)
    }

    pub(super) fn events(&self) -> Api<Event> {
        Api::namespaced(self.cluster.client.clone(), &self.namespace)
    }

    /// Whether these are the Job's own data.
    pub(super) fn is(&self, metadata: &ObjectMeta) -> bool {
        metadata.name.as_deref() == Some(&self.name) && (self.uid.is_none() || self.uid == metadata.uid)
    }

    /// Whether these are the data of one of its pods.
    pub(super) fn owns(&self, metadata: &ObjectMeta) -> bool {
        let Some(uid) = &self.uid else { return true };
        let owners = metadata.owner_references.as_deref().unwrap_or_default();
        owners.is_empty() || owners.iter().any(|owner| owner.uid == *uid)
    }

    /// Has the Job checked. Only a server that has too much to do is asked again.
    pub(super) async fn check(&self, job: &Value) -> Result<Answer, ApiProblem> {
        (|| self.create_once(job, true))
            .retry(PAUSES.with_total_delay(Some(REQUEST_TIMEOUT)))
            .when(|problem| problem.kind == ProblemKind::Busy)
            .await
    }

    /// Asks once for the Job's creation, or only for its check.
    pub(super) async fn create_once(&self, job: &Value, is_check: bool) -> Result<Answer, ApiProblem> {
        let answer = timeout(REQUEST_TIMEOUT, self.post(job, is_check)).await;
        answer.unwrap_or_else(|_| Err(ApiProblem::no_answer(REQUEST_TIMEOUT)))
    }

    async fn post(&self, job: &Value, is_check: bool) -> Result<Answer, ApiProblem> {
        let dry_run = if is_check { "&dryRun=All" } else { "" };
        let path = Job::url_path(&(), Some(&self.namespace));
        let request = Request::post(format!("{path}?fieldManager=mlrun&fieldValidation=Warn{dry_run}"))
            .header(http::header::CONTENT_TYPE, "application/json")
            .header(http::header::ACCEPT, "application/json")
            .body(Body::from(job.to_string().into_bytes()))
            .map_err(kube::Error::HttpError)?;
        let (parts, body) = self.cluster.client.send(request).await?.into_parts();
        let body = body.collect().await?.to_bytes();
        if !parts.status.is_success() {
            let status = serde_json::from_slice::<Status>(&body).unwrap_or_else(|_| {
                let text = String::from_utf8_lossy(&body);
                Status::failure(&text, "").with_code(parts.status.as_u16())
            });
            return Err(ApiProblem::from(&status));
        }
        let warnings = parts.headers.get_all(http::header::WARNING);
        Ok(Answer {
            job: serde_json::from_slice(&body).map_err(kube::Error::SerdeError)?,
            warnings: warnings
                .iter()
                .filter_map(|warning| warning_text(warning.to_str().ok()?))
                .collect(),
        })
    }

    /// The Job's pods.
    pub(super) async fn list_pods(&self) -> Result<Vec<Pod>, KubernetesError> {
        let of_job = ListParams::default().labels(&format!("job-name={}", self.name));
        let api = self.pods();
        let pods = patiently(PATIENCE, || api.list(&of_job)).await;
        let pods = pods.map_err(|problem| self.cluster.problem("ask for the Job's pods", problem))?;
        let mut pods = pods.items;
        pods.retain(|pod| self.owns(&pod.metadata));
        Ok(pods)
    }

    /// Asks for the Job; `None` if it is not there.
    pub(super) async fn get(&self) -> Result<Option<Job>, KubernetesError> {
        let api = self.jobs();
        let job = patiently(PATIENCE, || api.get_opt(&self.name)).await;
        let job = job.map_err(|problem| self.cluster.problem("ask for the Job", problem))?;
        Ok(job.filter(|job| self.is(&job.metadata)))
    }

    /// The Job is not there any more, and how it ended is not known.
    pub(super) fn is_gone(&self) -> KubernetesError {
        KubernetesError::NoJob {
            job: self.name.clone(),
            namespace: self.namespace.clone(),
        }
    }

    /// Somebody deleted the Job before it had ended.
    pub(super) fn was_deleted(&self) -> KubernetesError {
        KubernetesError::Deleted {
            job: self.name.clone(),
            namespace: self.namespace.clone(),
        }
    }

    /// What a person types to delete the Job.
    pub(super) fn deletion_command(&self) -> String {
        let context = self.cluster.context.as_deref();
        let context = context.map_or_else(String::new, |name| format!(" --context {}", quote(name)));
        format!("kubectl delete job {} -n {}{context}", self.name, self.namespace)
    }

    /// Deletes the Job: its pods first, then itself. One that is gone already is as good. `patience` is
    /// how long the answer may take, over all tries.
    pub(super) async fn delete(&self, patience: Duration) -> Result<(), ApiProblem> {
        let mut parameters = DeleteParams::foreground();
        parameters.preconditions = self.uid.clone().map(|uid| Preconditions {
            uid: Some(uid),
            resource_version: None,
        });
        let api = self.jobs();
        match patiently(patience, || api.delete(&self.name, &parameters)).await {
            Err(problem) if problem.kind != ProblemKind::NotFound => Err(problem),
            _ => Ok(()),
        }
    }
}

/// Makes a request, and makes it again where the API does not answer, for so long in all.
async fn patiently<T, F>(patience: Duration, request: impl Fn() -> F) -> Result<T, ApiProblem>
where
    F: Future<Output = Result<T, kube::Error>>,
{
    let mut last = None;
    let once = || async {
        let answer = timeout(REQUEST_TIMEOUT, request()).await;
        answer.map_or_else(
            |_| Err(ApiProblem::no_answer(REQUEST_TIMEOUT)),
            |answer| Ok(answer?),
        )
    };
    let tries = once
        .retry(PAUSES)
        .when(ApiProblem::is_passing)
        .notify(|problem, _| last = Some(problem.clone()));
    let answer = timeout(patience, tries).await;
    answer.unwrap_or_else(|_| Err(last.unwrap_or_else(|| ApiProblem::no_answer(patience))))
}

/// The text of a header `Warning: 299 - "text"`.
fn warning_text(header: &str) -> Option<String> {
    let quoted = &header[header.find('"')? + 1..header.rfind('"')?];
    Some(quoted.replace("\\\"", "\"").replace("\\\\", "\\"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn warnings_are_unwrapped() {
        for (header, expected) in [
            (
                "299 - \"unknown field \\\"spec.foo\\\"\"",
                Some("unknown field \"spec.foo\""),
            ),
            ("299 - \"a\"", Some("a")),
            ("299", None),
        ] {
            assert_eq!(warning_text(header).as_deref(), expected);
        }
    }
}
