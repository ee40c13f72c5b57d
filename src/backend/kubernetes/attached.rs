//! A run on Kubernetes that another process started, found again by the run's tags.

use async_trait::async_trait;
use k8s_openapi::api::batch::v1::Job;

use super::KubernetesError;
use super::cancelled::was_cancelled;
use super::cluster::Cluster;
use super::deletion;
use super::follow::{FollowOptions, follow};
use super::gone;
use super::handle::JobHandle;
use super::reasons::{self, Failure, JobEnd, PodView};
use crate::backend::relayed::RelayedOutput;
use crate::backend::{AttachedRun, BackendError, RunState};
use crate::events::Progress;
use crate::process::{Ended, Signals};
use crate::run::RunStatus;

/// The tag with the context of the kubeconfig. It is not set for a run from inside the cluster.
const CONTEXT_TAG: &str = "mlrun.kubernetes.context";
/// The tag with the Job's namespace.
const NAMESPACE_TAG: &str = "mlrun.kubernetes.namespace";
/// The tag with the Job's name.
const JOB_TAG: &str = "mlrun.kubernetes.job";

/// The tags that a Job is found again by.
pub(super) fn tags(handle: &JobHandle) -> Vec<(String, String)> {
    let context = handle.cluster.context.clone();
    let mut tags: Vec<_> = context
        .into_iter()
        .map(|context| (CONTEXT_TAG.to_owned(), context))
        .collect();
    tags.push((NAMESPACE_TAG.to_owned(), handle.namespace.clone()));
    tags.push((JOB_TAG.to_owned(), handle.name.clone()));
    tags
}

/// Where a run's Job is.
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
    async fn find(&self) -> Result<(JobHandle, Option<Job>), KubernetesError> {
        let mut handle = JobHandle {
            cluster: Cluster::find(self.context.as_deref()).await?,
            namespace: self.namespace.clone(),
            name: self.job.clone(),
            uid: None,
        };
        let job = match handle.get().await {
            Err(KubernetesError::NoJob { .. }) => return Ok((handle, None)),
            found => found?,
        };
        handle.uid.clone_from(&job.metadata.uid);
        Ok((handle, Some(job)))
    }
}

/// How a Job ended that is no longer there.
///
/// # Errors
/// It did not end well, or nobody remembers.
async fn remembered_end(handle: &JobHandle) -> Result<Ended, KubernetesError> {
    let remembered = gone::remembered_end(handle).await;
    remembered.unwrap_or_else(|| {
        Err(KubernetesError::NoJob {
            job: handle.name.clone(),
            namespace: handle.namespace.clone(),
        })
    })
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
            let status = match remembered_end(&handle).await {
                Ok(_) => RunStatus::Finished,
                Err(error @ KubernetesError::NoJob { .. }) => return Err(error.into()),
                Err(error) => {
                    details.push(("reason", error.to_string()));
                    error.run_status()
                }
            };
            return Ok(RunState { status, details });
        };
        let pods = pods(&handle).await?;
        let status = match reasons::end_of(&job) {
            _ if was_cancelled(&job) => RunStatus::Killed,
            Some(JobEnd::Complete) => RunStatus::Finished,
            Some(JobEnd::Failed { message, .. }) => {
                details.push(("reason", message));
                RunStatus::Failed
            }
            None if pods.iter().any(|pod| pod.has_started) => RunStatus::Running,
            None => RunStatus::Scheduled,
        };
        for pod in pods {
            details.push(("pod", pod_text(&pod)));
        }
        Ok(RunState { status, details })
    }

    async fn wait(&mut self, signals: &mut Signals, progress: &dyn Progress) -> Result<Ended, BackendError> {
        let found = async {
            let (handle, job) = self.find().await?;
            Ok::<_, KubernetesError>(match job {
                Some(_) => Ok(handle),
                None => Err(remembered_end(&handle).await?),
            })
        };
        let handle = tokio::select! {
            biased;
            signal = signals.next() => return Ok(Ended::Interrupted { signal }),
            found = found => match found? {
                Ok(handle) => handle,
                Err(ended) => return Ok(ended),
            },
        };
        let options = FollowOptions {
            start_limit: None,
            delete_on_signal: false,
        };
        let mut output = RelayedOutput::shown();
        Ok(follow(&handle, options, &mut output, signals, progress).await?)
    }

    async fn cancel(&mut self, progress: &dyn Progress) -> Result<bool, BackendError> {
        let (handle, Some(job)) = self.find().await? else {
            progress.info("The Job is not there any more");
            return Ok(false);
        };
        deletion::delete(&handle, &job, progress).await?;
        Ok(true)
    }
}

async fn pods(handle: &JobHandle) -> Result<Vec<PodView>, KubernetesError> {
    let pods = handle.list_pods().await?;
    Ok(pods
        .iter()
        .map(|pod| {
            let containers = pod.spec.as_ref().map(|spec| spec.containers.as_slice());
            let first = containers.and_then(<[_]>::first);
            PodView::of(pod, first.map_or("", |container| &container.name))
        })
        .collect())
}

/// A pod in a line: its name, its phase, and what is wrong with it.
fn pod_text(pod: &PodView) -> String {
    let problem = match (&pod.failure, &pod.problem) {
        (Some(Failure::ExitCode(code)), _) => Some(format!("exit code {code}")),
        (Some(Failure::Other(reason)), _) | (None, Some(reason)) => Some(reason.text.clone()),
        (None, None) => None,
    };
    let problem = problem.map(|problem| format!(": {problem}")).unwrap_or_default();
    format!("{} ({}{problem})", pod.name, pod.phase)
}
