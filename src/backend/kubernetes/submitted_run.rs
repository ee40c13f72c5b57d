//! Runs on Kubernetes: started by this process, or found by the run's tags.

use async_trait::async_trait;
use k8s_openapi::api::batch::v1::Job;

use super::cluster::Cluster;
use super::follow::{StartLimit, follow};
use super::job_api::{self, JobHandle};
use super::pod_status::{Failure, PodView};
use crate::backend::error::ServiceError;
use crate::backend::output_log::RelayedOutput;
use crate::backend::{BackendError, RemoteRun, RunState, SubmittedRun};
use crate::entities::RunStatus;
use crate::events::Progress;
use crate::process::{Ended, Interruptible, Signals, until_signal};

/// The tag with the kubeconfig's context. Not set for a run started inside the cluster.
const CONTEXT_TAG: &str = "mlrun.kubernetes.context";
const NAMESPACE_TAG: &str = "mlrun.kubernetes.namespace";
const JOB_TAG: &str = "mlrun.kubernetes.job";

/// A run that is a Job.
pub(in crate::backend) struct KubernetesRun {
    context: Option<String>,
    namespace: String,
    job: String,
    created: Option<CreatedJob>,
}

/// A Job that this process has created.
pub(super) struct CreatedJob {
    pub(super) handle: JobHandle,
    pub(super) job: Job,
    pub(super) start_limit: StartLimit,
    pub(super) output: RelayedOutput,
}

impl KubernetesRun {
    /// Reads the run's tags; `None` if they do not name a Job.
    pub(in crate::backend) fn from_tags<'a>(value: impl Fn(&str) -> Option<&'a str>) -> Option<Self> {
        Some(Self {
            context: value(CONTEXT_TAG).map(str::to_owned),
            namespace: value(NAMESPACE_TAG)?.to_owned(),
            job: value(JOB_TAG)?.to_owned(),
            created: None,
        })
    }

    pub(super) fn created(created: CreatedJob) -> Self {
        let JobHandle {
            cluster,
            namespace,
            name,
            ..
        } = &created.handle;
        Self {
            context: cluster.context.clone(),
            namespace: namespace.clone(),
            job: name.clone(),
            created: Some(created),
        }
    }

    /// The Job in its current state; `None` if it no longer exists.
    async fn find(&self) -> Result<(JobHandle, Option<Job>), ServiceError> {
        let mut handle = JobHandle {
            cluster: Cluster::find(self.context.as_deref()).await?,
            namespace: self.namespace.clone(),
            name: self.job.clone(),
            uid: None,
        };
        let job = handle.get().await?;
        handle.uid = job.as_ref().and_then(|job| job.metadata.uid.clone());
        Ok((handle, job))
    }

    /// The Job to follow, or how it ended if only its events are left.
    async fn find_to_follow(&self) -> Result<(JobHandle, Option<Ended>), ServiceError> {
        let (handle, job) = self.find().await?;
        if job.is_some() {
            return Ok((handle, None));
        }
        match handle.remembered_end().await {
            Some(ended) => Ok((handle, Some(ended?))),
            None => Err(handle.is_gone()),
        }
    }
}

#[async_trait]
impl SubmittedRun for KubernetesRun {
    fn remote(&self) -> Option<RemoteRun> {
        let handle = &self.created.as_ref()?.handle;
        let tags = [
            (CONTEXT_TAG, self.context.as_ref()),
            (NAMESPACE_TAG, Some(&self.namespace)),
            (JOB_TAG, Some(&self.job)),
        ];
        let tags = tags.into_iter();
        Some(RemoteRun {
            tags: tags
                .filter_map(|(tag, value)| Some((tag.to_owned(), value?.clone())))
                .collect(),
            name: format!("the Job '{}' in the namespace '{}'", self.job, self.namespace),
            by_hand: handle.deletion_command(),
        })
    }

    async fn status(&mut self) -> Result<RunState, BackendError> {
        let (handle, job) = self.find().await?;
        let mut details = vec![
            ("job", handle.name.clone()),
            ("namespace", handle.namespace.clone()),
        ];
        details.extend(self.context.clone().map(|context| ("context", context)));
        let Some(job) = job else {
            let status = match handle.remembered_end().await {
                None => return Err(handle.is_gone().into()),
                Some(Ok(_)) => RunStatus::Finished,
                Some(Err(error)) => {
                    details.push(("reason", error.to_string()));
                    error.run_status()
                }
            };
            return Ok(RunState { status, details });
        };
        let pods = handle.list_pods().await?;
        let pods: Vec<PodView> = pods.iter().map(PodView::of).collect();
        let status = match job_api::end_of(&job) {
            _ if job_api::was_cancelled(&job) => RunStatus::Killed,
            Some(end) if end.type_ == "Complete" => RunStatus::Finished,
            Some(end) => {
                details.push(("reason", end.message.clone().unwrap_or_default()));
                RunStatus::Failed
            }
            None if pods.iter().any(|pod| pod.has_started) => RunStatus::Running,
            None => RunStatus::Scheduled,
        };
        details.extend(pods.iter().map(|pod| ("pod", pod_text(pod))));
        Ok(RunState { status, details })
    }

    async fn wait(&mut self, signals: &mut Signals, progress: &dyn Progress) -> Result<Ended, BackendError> {
        if let Some(created) = &mut self.created {
            let limit = Some(created.start_limit);
            return Ok(follow(&created.handle, limit, &mut created.output, signals, progress).await?);
        }
        let handle = match until_signal(signals, self.find_to_follow()).await.transpose()? {
            Interruptible::Done((handle, None)) => handle,
            Interruptible::Done((_, Some(ended))) => return Ok(ended),
            Interruptible::Interrupted(signal) => return Ok(Ended::Interrupted(signal)),
        };
        Ok(follow(&handle, None, &mut RelayedOutput::shown(), signals, progress).await?)
    }

    async fn cancel(&mut self, progress: &dyn Progress) -> Result<bool, BackendError> {
        let (handle, job) = match &self.created {
            Some(created) => (created.handle.clone(), Some(created.job.clone())),
            None => self.find().await?,
        };
        let Some(job) = job else {
            progress.info("The Job no longer exists");
            return Ok(false);
        };
        handle.delete_to_the_end(&job, progress).await?;
        Ok(true)
    }
}

/// A pod in a line: its name, its phase, and what is wrong with it.
fn pod_text(pod: &PodView) -> String {
    let problem = match (&pod.failure, &pod.problem) {
        (Some(Failure::ExitCode(code)), _) => format!(": exit code {code}"),
        (Some(Failure::Other(reason)), _) | (None, Some(reason)) => format!(": {}", reason.text),
        (None, None) => String::new(),
    };
    format!("{} ({}{problem})", pod.name, pod.phase)
}
