//! Runs on Kubernetes: one that this process has started, and one that is found again by the run's tags.

use async_trait::async_trait;
use k8s_openapi::api::batch::v1::Job;

use super::cluster::Cluster;
use super::follow::{StartLimit, follow};
use super::job_api::{self, JobHandle};
use super::pod_status::{Failure, PodView};
use crate::backend::error::ServiceError;
use crate::backend::relayed::RelayedOutput;
use crate::backend::{AttachedRun, BackendError, RunElsewhere, RunState, SubmittedRun};
use crate::entities::RunStatus;
use crate::events::Progress;
use crate::process::{Ended, Signals};

/// The tag with the context of the kubeconfig. It is not set for a run from inside the cluster.
const CONTEXT_TAG: &str = "mlrun.kubernetes.context";
const NAMESPACE_TAG: &str = "mlrun.kubernetes.namespace";
const JOB_TAG: &str = "mlrun.kubernetes.job";

/// A run whose Job this process has created.
pub(super) struct KubernetesSubmittedRun {
    pub(super) handle: JobHandle,
    pub(super) job: Job,
    pub(super) start_limit: StartLimit,
    pub(super) output: RelayedOutput,
}

#[async_trait]
impl SubmittedRun for KubernetesSubmittedRun {
    async fn wait(&mut self, signals: &mut Signals, progress: &dyn Progress) -> Result<Ended, BackendError> {
        let limit = Some(self.start_limit);
        Ok(follow(&self.handle, limit, &mut self.output, signals, progress).await?)
    }

    fn elsewhere(&mut self) -> Option<&mut dyn RunElsewhere> {
        Some(self)
    }
}

#[async_trait]
impl RunElsewhere for KubernetesSubmittedRun {
    fn tags(&self) -> Vec<(String, String)> {
        let context = self.handle.cluster.context.as_ref();
        let tags = [
            (CONTEXT_TAG, context),
            (NAMESPACE_TAG, Some(&self.handle.namespace)),
            (JOB_TAG, Some(&self.handle.name)),
        ];
        tags.into_iter()
            .filter_map(|(tag, value)| Some((tag.to_owned(), value?.clone())))
            .collect()
    }

    fn place(&self) -> String {
        let JobHandle { name, namespace, .. } = &self.handle;
        format!("the Job '{name}' in the namespace '{namespace}'")
    }

    fn by_hand(&self) -> String {
        self.handle.deletion_command()
    }

    async fn cancel(&mut self, progress: &dyn Progress) -> Result<(), BackendError> {
        Ok(self.handle.delete_to_the_end(&self.job, progress).await?)
    }
}

/// A run that another process started.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(in crate::backend) struct KubernetesRun {
    context: Option<String>,
    namespace: String,
    job: String,
}

impl KubernetesRun {
    /// Takes what the run's tags say. Nothing where they do not say it.
    pub(in crate::backend) fn from_tags<'a>(value: impl Fn(&str) -> Option<&'a str>) -> Option<Self> {
        Some(Self {
            context: value(CONTEXT_TAG).map(str::to_owned),
            namespace: value(NAMESPACE_TAG)?.to_owned(),
            job: value(JOB_TAG)?.to_owned(),
        })
    }

    /// The Job, as it is in the cluster now; nothing in place of one that is gone.
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
}

#[async_trait]
impl AttachedRun for KubernetesRun {
    async fn state(&mut self) -> Result<RunState, BackendError> {
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
        let found = async {
            let (handle, job) = self.find().await?;
            let remembered = match job {
                Some(_) => None,
                None => Some(
                    handle
                        .remembered_end()
                        .await
                        .unwrap_or_else(|| Err(handle.is_gone())),
                ),
            };
            Ok::<_, ServiceError>((handle, remembered))
        };
        let (handle, remembered) = tokio::select! {
            biased;
            signal = signals.next() => return Ok(Ended::Interrupted { signal }),
            found = found => found?,
        };
        if let Some(ended) = remembered {
            return Ok(ended?);
        }
        let mut output = RelayedOutput::shown();
        Ok(follow(&handle, None, &mut output, signals, progress).await?)
    }

    async fn cancel(&mut self, progress: &dyn Progress) -> Result<bool, BackendError> {
        let (handle, Some(job)) = self.find().await? else {
            progress.info("The Job is not there any more");
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
