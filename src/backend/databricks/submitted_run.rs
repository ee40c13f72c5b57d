//! A job run that this or another process submitted: its status, its end and its tags.

use std::time::Duration;

use async_trait::async_trait;
use tokio::time::timeout;

use super::error::unusable_workspace;
use super::follow::Follower;
use crate::backend::error::ServiceError;
use crate::backend::{BackendError, RemoteRun, RunState, SubmittedRun};
use crate::databricks::{Client, DatabricksProfile, JobRun, JobRunState, Session};
use crate::entities::{RunStatus, tag};
use crate::env_vars;
use crate::events::Progress;
use crate::process::{Ended, Signals, until_signal};

/// How long to wait for the answer to a cancellation after a signal: batch systems kill soon.
const ANSWER_PATIENCE: Duration = Duration::from_secs(5);

/// A job's run.
#[derive(Debug)]
pub(in crate::backend) struct DatabricksRun {
    job_run_id: u64,
    /// The workspace's address, if a tag names it.
    webapp: Option<String>,
    /// Set from the start if this process submitted the job.
    follower: Option<Follower>,
    is_own: bool,
    /// The job run right after its submission.
    job: Option<JobRun>,
}

impl DatabricksRun {
    /// A job run that this process submitted.
    pub(super) fn submitted(follower: Follower, job: Option<JobRun>) -> Self {
        Self {
            job_run_id: follower.job_run_id,
            webapp: None,
            follower: Some(follower),
            is_own: true,
            job,
        }
    }

    /// A job run that another process submitted, found by its tags.
    pub(in crate::backend) fn attached(job_run_id: u64, webapp: Option<String>) -> Self {
        Self {
            job_run_id,
            webapp,
            follower: None,
            is_own: false,
            job: None,
        }
    }

    async fn follower(&mut self) -> Result<&mut Follower, ServiceError> {
        if self.follower.is_none() {
            let client = open(env_vars::non_empty(env_vars::MLFLOW_TRACKING_URI).as_deref()).await?;
            let found = client.address();
            if let Some(expected) = &self.webapp
                && expected.trim_end_matches('/') != found
            {
                return Err(ServiceError::setup(
                    format!(
                        "the run is in the Databricks workspace {expected}, but the credentials are for {found}"
                    ),
                    "use that workspace's profile: MLFLOW_TRACKING_URI=databricks://PROFILE",
                ));
            }
            self.follower = Some(Follower::new(client, self.job_run_id));
        }
        Ok(self.follower.as_mut().expect("it was just made"))
    }
}

/// A client of the workspace that the tracking URI names, or else of the default one.
pub(super) async fn open(tracking_uri: Option<&str>) -> Result<Client, ServiceError> {
    let profile = match tracking_uri {
        Some(uri) if uri.starts_with("databricks") => {
            DatabricksProfile::from_uri(uri).map_err(unusable_workspace)?
        }
        _ => DatabricksProfile::default(),
    };
    let session = Session::open(&profile).await.map_err(unusable_workspace)?;
    Ok(session.client())
}

fn status(state: &JobRunState) -> RunStatus {
    match state.life_cycle_state.as_str() {
        _ if state.is_success() => RunStatus::Finished,
        _ if state.is_canceled() => RunStatus::Killed,
        _ if state.is_terminal() => RunStatus::Failed,
        "PENDING" | "QUEUED" | "BLOCKED" => RunStatus::Scheduled,
        _ => RunStatus::Running,
    }
}

#[async_trait]
impl SubmittedRun for DatabricksRun {
    async fn wait(&mut self, signals: &mut Signals, progress: &dyn Progress) -> Result<Ended, BackendError> {
        let waited = async { self.follower().await?.wait(progress).await };
        let ended = until_signal(signals, waited).await.transpose()?;
        if let (Ended::Interrupted(signal), Some(remote)) = (ended, self.remote()) {
            progress.warning(&format!("Interrupted by {signal}: canceling {}", remote.name));
            end(self.follower().await?, &remote, signals, progress).await;
        }
        Ok(ended)
    }

    fn remote(&self) -> Option<RemoteRun> {
        let follower = self.follower.as_ref().filter(|_| self.is_own)?;
        let address = follower.client.address();
        let job_run_id = self.job_run_id;
        let page = self.job.as_ref().and_then(|job| job.run_page_url.clone());
        let job_id = self.job.as_ref().and_then(|job| job.job_id);
        let by_hand = match &page {
            Some(page) => format!("cancel it on its page {page}"),
            None => format!(
                "cancel it in the workspace {address}, or with `databricks jobs cancel-run {job_run_id}`"
            ),
        };
        let tags = [
            (tag::DATABRICKS_RUN_URL, page),
            (tag::DATABRICKS_JOB_RUN_ID, Some(job_run_id.to_string())),
            (tag::DATABRICKS_WEBAPP_URL, Some(address.to_owned())),
            (tag::DATABRICKS_JOB_ID, job_id.map(|id| id.to_string())),
        ];
        let tags = tags.into_iter();
        Some(RemoteRun {
            tags: tags
                .filter_map(|(name, value)| Some((name.to_owned(), value?)))
                .collect(),
            name: format!("Databricks job run {job_run_id}"),
            by_hand,
        })
    }

    async fn status(&mut self) -> Result<RunState, BackendError> {
        let job = self.follower().await?.ask().await?;
        let mut words = vec![job.state.life_cycle_state.clone()];
        words.extend(job.state.result_state.clone());
        let message = job.state.state_message.trim();
        if !message.is_empty() {
            words.push(format!("({message})"));
        }
        let mut details = vec![
            ("job run", self.job_run_id.to_string()),
            ("job state", words.join(" ")),
        ];
        details.extend(job.run_page_url.clone().map(|url| ("job page", url)));
        Ok(RunState {
            status: status(&job.state),
            details,
        })
    }

    async fn cancel(&mut self, progress: &dyn Progress) -> Result<bool, BackendError> {
        self.follower().await?.cancel(progress).await?;
        Ok(true)
    }
}

/// Cancels a job run after a signal and takes its output. If the workspace refuses or does not answer, a
/// warning says how to cancel it by hand.
async fn end(follower: &mut Follower, remote: &RemoteRun, signals: &mut Signals, progress: &dyn Progress) {
    let asked = tokio::select! {
        biased;
        _ = signals.further() => None,
        asked = timeout(ANSWER_PATIENCE, follower.ask_to_end()) => asked.ok(),
    };
    let why = match asked {
        Some(Ok(())) => None,
        Some(Err(error)) => Some(with_cause(&error)),
        None => Some(format!(
            "the workspace {} did not confirm the cancellation of {}",
            follower.client.address(),
            remote.name
        )),
    };
    if let Some(why) = why {
        return progress.warning(&format!("{why}; it may still be running: {}", remote.by_hand));
    }
    let ended = async {
        if let Some(job) = follower.ended_by_request(progress).await? {
            follower.relay_hastily(&job, progress).await;
        }
        Ok::<_, ServiceError>(())
    };
    tokio::select! {
        biased;
        _ = signals.further() => progress.warning(&format!(
            "asked Databricks to cancel {}; not waiting for it to stop",
            remote.name
        )),
        ended = ended => if let Err(error) = ended {
            progress.warning(&with_cause(&error));
        },
    }
}

fn with_cause(error: &ServiceError) -> String {
    match std::error::Error::source(error) {
        Some(cause) => format!("{error}: {cause}"),
        None => error.to_string(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn states_of_jobs_are_statuses_of_runs() {
        for (life_cycle_state, result_state, expected) in [
            ("PENDING", None, RunStatus::Scheduled),
            ("QUEUED", None, RunStatus::Scheduled),
            ("RUNNING", None, RunStatus::Running),
            ("TERMINATING", None, RunStatus::Running),
            ("WAITING_FOR_RETRY", None, RunStatus::Running),
            ("TERMINATED", Some("SUCCESS"), RunStatus::Finished),
            ("TERMINATED", Some("FAILED"), RunStatus::Failed),
            ("TERMINATED", Some("TIMEDOUT"), RunStatus::Failed),
            ("TERMINATED", Some("CANCELED"), RunStatus::Killed),
            ("TERMINATED", Some("UPSTREAM_CANCELED"), RunStatus::Killed),
            ("INTERNAL_ERROR", Some("CANCELED"), RunStatus::Killed),
            ("CANCELED", None, RunStatus::Killed),
            ("TERMINATED", Some("SUCCESS_WITH_FAILURES"), RunStatus::Failed),
            ("INTERNAL_ERROR", None, RunStatus::Failed),
            ("SKIPPED", None, RunStatus::Failed),
        ] {
            let state = JobRunState {
                life_cycle_state: life_cycle_state.to_owned(),
                result_state: result_state.map(str::to_owned),
                state_message: String::new(),
            };
            assert_eq!(status(&state), expected, "{life_cycle_state} {result_state:?}");
            assert_eq!(
                state.is_terminal(),
                !matches!(expected, RunStatus::Scheduled | RunStatus::Running)
            );
        }
    }
}
