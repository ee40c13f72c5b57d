//! A Job that is in the cluster, or shall be: where it is, and the requests about it.

use std::time::Duration;

use http::Request;
use http_body_util::BodyExt as _;
use k8s_openapi::api::batch::v1::Job;
use k8s_openapi::api::core::v1::{Event, Pod};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::ObjectMeta;
use kube::Api;
use kube::api::{DeleteParams, ListParams, Preconditions};
use kube::client::Body;
use kube::core::Status;
use serde_json::Value;
use tokio::time::{Instant, timeout};

use super::KubernetesError;
use super::api_problem::{ApiProblem, ProblemKind};
use super::cluster::Cluster;
use super::error::seconds;
use super::watch::Pauses;
use crate::project::quote;

/// How long one request may take.
const REQUEST_TIMEOUT: Duration = Duration::from_secs(30);
/// How long a request is tried again where the API does not answer.
pub(super) const PATIENCE: Duration = Duration::from_secs(60);

/// A Job by its place and name.
#[derive(Debug, Clone)]
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
        let begun = Instant::now();
        let mut pauses = Pauses::default();
        loop {
            match self.create_once(job, true).await {
                Err(problem) if problem.kind == ProblemKind::Busy && begun.elapsed() < REQUEST_TIMEOUT => {
                    pauses.pause().await;
                }
                answer => return answer,
            }
        }
    }

    /// Asks once for the Job's creation, or only for its check.
    pub(super) async fn create_once(&self, job: &Value, is_check: bool) -> Result<Answer, ApiProblem> {
        timeout(REQUEST_TIMEOUT, self.post(job, is_check))
            .await
            .unwrap_or_else(|_| Err(ApiProblem::new(ProblemKind::Unreachable, "no answer in time")))
    }

    async fn post(&self, job: &Value, is_check: bool) -> Result<Answer, ApiProblem> {
        let dry_run = if is_check { "&dryRun=All" } else { "" };
        let path = format!(
            "/apis/batch/v1/namespaces/{}/jobs?fieldManager=mlrun&fieldValidation=Warn{dry_run}",
            self.namespace
        );
        let other = |error: &dyn std::fmt::Display| ApiProblem::new(ProblemKind::Other, error.to_string());
        let request = Request::post(path)
            .header(http::header::CONTENT_TYPE, "application/json")
            .header(http::header::ACCEPT, "application/json")
            .body(Body::from(job.to_string().into_bytes()))
            .map_err(|error| other(&error))?;
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
            job: serde_json::from_slice(&body).map_err(|error| other(&error))?,
            warnings: warnings
                .iter()
                .filter_map(|warning| warning_text(warning.to_str().ok()?))
                .collect(),
        })
    }

    /// The Job's pods.
    pub(super) async fn list_pods(&self) -> Result<Vec<Pod>, KubernetesError> {
        let of_job = ListParams::default().labels(&format!("job-name={}", self.name));
        let pods = patiently(PATIENCE, || {
            let (pods, of_job) = (self.pods(), of_job.clone());
            async move { pods.list(&of_job).await }
        })
        .await
        .map_err(|problem| self.cluster.problem("ask for the Job's pods", problem))?;
        let mut pods = pods.items;
        pods.retain(|pod| self.owns(&pod.metadata));
        Ok(pods)
    }

    /// Asks for the Job.
    pub(super) async fn get(&self) -> Result<Job, KubernetesError> {
        let found = patiently(PATIENCE, || {
            let (jobs, name) = (self.jobs(), self.name.clone());
            async move { jobs.get_opt(&name).await }
        })
        .await;
        match found {
            Ok(Some(job)) if self.is(&job.metadata) => Ok(job),
            Ok(_) => Err(KubernetesError::NoJob {
                job: self.name.clone(),
                namespace: self.namespace.clone(),
            }),
            Err(problem) => Err(self.cluster.problem("ask for the Job", problem)),
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
        let deleted = patiently(patience, || {
            let (jobs, name, parameters) = (self.jobs(), self.name.clone(), parameters.clone());
            async move { jobs.delete(&name, &parameters).await.map(|_| ()) }
        })
        .await;
        match deleted {
            // Another Job of this name is not this one.
            Err(problem) if matches!(problem.kind, ProblemKind::NotFound) => Ok(()),
            deleted => deleted,
        }
    }
}

/// Makes a request, and makes it again where the API does not answer, for so long in all.
async fn patiently<T, F>(patience: Duration, request: impl Fn() -> F) -> Result<T, ApiProblem>
where
    F: Future<Output = Result<T, kube::Error>>,
{
    let no_answer = |within| {
        ApiProblem::new(
            ProblemKind::Unreachable,
            format!("no answer within {}", seconds(within)),
        )
    };
    let mut last = no_answer(patience);
    let mut pauses = Pauses::default();
    let tries = async {
        loop {
            let attempt = match timeout(REQUEST_TIMEOUT, request()).await {
                Ok(answer) => answer.map_err(ApiProblem::from),
                Err(_) => Err(no_answer(REQUEST_TIMEOUT)),
            };
            match attempt {
                Err(problem) if problem.is_passing() => last = problem,
                answer => return answer,
            }
            pauses.pause().await;
        }
    };
    let answer = timeout(patience, tries).await;
    answer.unwrap_or(Err(last))
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
